"""Claims in their durable and perishable part, with scope and the direction of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims.claim_parts import describe_numbers, find_scope, split_claim


def test_a_clause_with_a_number_is_the_limit_and_the_rest_lasts() -> None:
    parts = split_claim(
        "Reasoning models keep a lead because training installs a protocol. "
        "They plateau at 55–60% of tasks, but larger budgets do not help."
    )
    assert parts.insight == (
        "Reasoning models keep a lead because training installs a protocol. "
        "but larger budgets do not help."
    )
    assert parts.limit == "They plateau at 55–60% of tasks"


def test_a_named_model_makes_a_clause_perishable() -> None:
    parts = split_claim("Depth pays more than width. It beats LLaMA-3.2 clearly.")
    assert (parts.insight, parts.limit) == (
        "Depth pays more than width.",
        "It beats LLaMA-3.2 clearly.",
    )


def test_a_claim_that_is_one_number_has_no_insight_and_gets_none() -> None:
    parts = split_claim("Models reach 42% accuracy.")
    assert (parts.insight, parts.limit) == (None, "Models reach 42% accuracy.")


@pytest.mark.parametrize("name", ["LLMs", "LMs", "LLM", "DPO", "the MLP", "chain-of-thought"])
def test_words_that_name_no_model_do_not_perish(name: str) -> None:
    assert split_claim(f"It holds for {name}.").limit is None


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("They gain 2.7–4.3% accuracy.", "higher"),
        ("Accuracy drops by 10%.", "lower"),
        ("It levels off at ~55–60%.", "level"),
        ("It is 42%.", None),
        ("It uses more than 5 tasks.", None),
        ("It gains 5%. It costs 7%.", "higher"),
    ],
)
def test_numbers_carry_the_direction_that_their_sentence_gives(
    text: str, direction: str | None
) -> None:
    assert describe_numbers(text)[0]["direction"] == direction


def test_scope_holds_what_is_written_and_nothing_else() -> None:
    found = find_scope(
        "On function calling, small language models gain accuracy at 125M–350M parameters, "
        "in 12 of 20 trials."
    )
    assert found == {
        "model_class": "small language models",
        "task": "function calling",
        "scale": "125M–350M parameters",
        "metric": "accuracy",
        "sample": "12 of 20 trials",
    }
    assert find_scope("Kettles are warm.") == {}


@given(st.text(max_size=300))
def test_no_word_of_a_claim_is_lost_or_said_twice(text: str) -> None:
    parts = split_claim(text)
    kept = f"{parts.insight or ''} {parts.limit or ''}"
    letters = sorted(char for char in text if char.isalnum())
    assert sorted(char for char in kept if char.isalnum()) == letters
