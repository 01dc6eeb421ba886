"""Quotes are exact spans or they are refused; sentences are slices of what was stored."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.quotes import check_quote, locate_quote, quote_numbers
from ingest.sentences import split_paper

ABSTRACT = (
    "We follow Smith et al. (2020) and train 3.5B models. Accuracy rises by up to 21.5% on ten "
    "tasks, i.e. on all that we tried. However, gains vanish beyond ~4k tokens."
)
WORDS = st.lists(st.sampled_from("gains vanish beyond 4.5 tokens, e.g. in (two) tasks.".split()))


def test_an_exact_quote_passes_with_its_offsets() -> None:
    start = ABSTRACT.index("Accuracy rises")
    found = check_quote(ABSTRACT, "Accuracy rises by up to 21.5%", start, start + 29)
    assert found == ("Accuracy rises by up to 21.5%", start, start + 29, False)


def test_wrong_offsets_are_repaired_by_the_same_characters_only() -> None:
    found = check_quote(ABSTRACT, "gains vanish beyond ~4k tokens", 3, 33)
    assert found is not None and found.is_realigned
    assert ABSTRACT[found.start : found.end] == "gains vanish beyond ~4k tokens"


@pytest.mark.parametrize(
    "quote",
    [
        "accuracy rises by up to 21.5%",  # another case
        "Accuracy rises by 21.5%",  # the qualifier left out
        "Accuracy rises by up to 21.5 %",  # a space more
        "Accuracy rises … ten tasks",  # an ellipsis
        "gains vanish",  # too short to tell anything
        "",
        "   ",
    ],
)
def test_anything_else_is_refused(quote: str) -> None:
    assert check_quote(ABSTRACT, quote, 0, len(quote)) is None


def test_the_nearest_of_several_places_is_taken() -> None:
    text = "it does not hold; later it does not hold"
    found = check_quote(text, "it does not hold", 20, 36)
    assert found is not None and found.start == text.rindex("it does")


def test_a_quote_is_found_in_the_abstract_first_and_else_in_the_title() -> None:
    found = locate_quote("Gains vanish with length", ABSTRACT, "Gains vanish with length")
    assert found is not None and found.section == "title"
    assert locate_quote("A title", ABSTRACT, "gains vanish with length") is None


def test_numbers_keep_value_unit_qualifier_and_place() -> None:
    start = ABSTRACT.index("Accuracy")
    quote = ABSTRACT[start : ABSTRACT.index(" on ten")]
    (number,) = quote_numbers(quote, start)
    assert (number["low"], number["unit"], number["qualifier"]) == (21.5, "%", "up to")
    assert ABSTRACT[number["start"] : number["end"]] == number["text"] == "up to 21.5%"


def test_abbreviations_and_decimals_end_no_sentence() -> None:
    sentences = [span.text for span in split_paper("", ABSTRACT)]
    assert [text.split()[0] for text in sentences] == ["We", "Accuracy", "However,"]


@settings(deadline=None)
@given(st.text(), st.text())
def test_every_span_is_a_slice_of_its_section(title: str, abstract: str) -> None:
    for span in split_paper(title, abstract):
        section = title if span.section == "title" else abstract
        assert section[span.start : span.end] == span.text and span.text.strip()


@settings(deadline=None)
@given(WORDS.map(" ".join))
def test_sentences_cover_all_that_is_not_white_space(abstract: str) -> None:
    spans = split_paper("", abstract)
    assert "".join("".join(span.text.split()) for span in spans) == "".join(abstract.split())
    assert all(a.end <= b.start for a, b in pairwise(spans))


@settings(deadline=None)
@given(WORDS.map(" ".join), st.data())
def test_any_slice_of_three_words_is_found_where_it_stands(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    found = check_quote(text, text[start:end], start, end)
    if len(text[start:end].split()) >= 3:
        assert found is not None and not found.is_realigned
        assert text[found.start : found.end] == found.text == text[start:end].strip()
    else:
        assert found is None


@settings(deadline=None)
@given(st.text(), st.text(), st.integers(-5, 50), st.integers(-5, 50))
def test_what_passes_is_always_in_the_text(text: str, quote: str, start: int, end: int) -> None:
    found = check_quote(text, quote, start, end)
    assert found is None or text[found.start : found.end] == found.text == quote.strip()
