"""BLEU, edit distance and rank correlation against their formulas, written out a second time."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retest.lab.scores import measure_bleu, measure_edit_distance, measure_rank_correlation

WORDS = st.lists(st.sampled_from("ABC"), max_size=9)


def find_precision(wrote: list[str], right: list[str], order: int) -> tuple[int, int]:
    """nltk's modified_precision: clipped matches, and n-grams written (at least 1)."""
    mine = [tuple(wrote[i : i + order]) for i in range(len(wrote) - order + 1)]
    rest = [tuple(right[i : i + order]) for i in range(len(right) - order + 1)]
    matches = 0
    for ngram in mine:
        if ngram in rest:
            rest.remove(ngram)
            matches += 1
    return matches, max(1, len(mine))


def write_out_bleu(wrote: list[str], right: list[str]) -> float:
    """nltk's sentence_bleu with method1: 0 without a common word, .1 for an order without any."""
    precisions = [find_precision(wrote, right, order) for order in (1, 2, 3, 4)]
    if precisions[0][0] == 0:
        return 0.0
    product = 1.0
    for matches, written in precisions:
        product *= float(Fraction(matches, written)) if matches else 0.1 / written
    penalty = 1.0 if len(wrote) > len(right) else math.exp(1 - len(right) / len(wrote))
    return float(penalty * product**0.25)


@given(WORDS, WORDS)
def test_bleu_is_as_its_formula(wrote: list[str], right: list[str]) -> None:
    assert measure_bleu(wrote, right) == pytest.approx(write_out_bleu(wrote, right))


@pytest.mark.parametrize(
    ("wrote", "right", "bleu"),
    [
        ("A B C D", "A B C D", 1.0),
        # 3 of 4 words, 2 of 3 pairs, 1 of 2 triples, none of 1: (3/4 2/3 1/2 1/10)^(1/4).
        ("A B C X", "A B C D", 0.025**0.25),
        ("A B C", "A B C", 0.1**0.25),  # right, and too short for four words in a row
        ("A B C D", "A B C D E", math.exp(1 - 5 / 4)),
        ("A B C D E", "A B C D", (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25),
        ("A A", "A B", (1 / 2 * 0.1 * 0.1 * 0.1) ** 0.25),  # a word counts as often as it is there
        ("X Y", "A B", 0.0),
        ("", "A", 0.0),
    ],
)
def test_bleu_by_hand(wrote: str, right: str, bleu: float) -> None:
    assert measure_bleu(wrote.split(), right.split()) == pytest.approx(bleu)


def write_out_distance(left: str, right: str) -> int:
    if not left or not right:
        return len(left) + len(right)
    if left[0] == right[0]:
        return write_out_distance(left[1:], right[1:])
    return 1 + min(
        write_out_distance(left[1:], right),
        write_out_distance(left, right[1:]),
        write_out_distance(left[1:], right[1:]),
    )


@given(st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_edit_distance_is_as_its_recursion(left: str, right: str) -> None:
    longest = max(len(left), len(right), 1)
    assert measure_edit_distance(left, right) == write_out_distance(left, right) / longest


def test_rank_correlation_by_hand() -> None:
    assert measure_rank_correlation([0, 1, 2, 3], [1.0, 0.6, 0.5, 0.1]) == pytest.approx(-1)
    # Ranks 0, 1, 2, 3 against 3, 1, 1, 1: the ties share a rank.
    assert measure_rank_correlation([0, 1, 2, 3], [1, 0, 0, 0]) == pytest.approx(-3 / math.sqrt(15))
    assert measure_rank_correlation([0, 1], [1.0, 1.0]) is None
    assert measure_rank_correlation([], []) is None
