"""Overlap of scope, models studied, and a paper's numbers beside the claim's limit."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims.claim_parts import describe_numbers
from ingest.limit_comparison import compare_with_limit
from ingest.overlap import AXES, compare_scopes, find_sizes
from ingest.studied import describe_studied

CEILING = "Language models plateau at 55–60% constraint satisfaction whatever their size."


def compare(claim: str, sentence: str) -> list[str]:
    found = compare_with_limit(claim, describe_numbers(claim), sentence)
    return [comparison.says for comparison in found.values()]


@pytest.mark.parametrize(
    ("sentence", "says"),
    [
        ("Our solver meets 65.0% of constraints.", "moves the ceiling: 65.0% against 55–60%"),
        ("Models meet 57% of constraints.", "agrees with the claim's number: 57% against 55–60%"),
        ("Models meet 12% of constraints.", "stays below the ceiling: 12% against 55–60%"),
    ],
)
def test_a_number_is_held_against_the_ceiling(sentence: str, says: str) -> None:
    assert compare(CEILING, sentence) == [says]


def test_numbers_of_other_units_or_metrics_are_not_compared() -> None:
    assert compare(CEILING, "It is 3x faster with 7B parameters.") == []
    assert compare(CEILING, "Latency falls by 65%.") == []
    assert compare("Smaller models match larger ones.", "It reaches 65%.") == []


def test_a_qualifier_is_part_of_the_limit() -> None:
    claim = "Shape gives up to 42% more throughput."
    assert compare(claim, "Throughput rises by 30%.")[0].startswith("agrees")
    assert compare(claim, "Throughput rises by 47%.")[0].startswith("above")
    assert compare("Depth gains ~42% throughput.", "Throughput rises by 43%.")[0].startswith(
        "agrees"
    )


@given(st.floats(0, 200), st.floats(0, 100), st.floats(0, 100))
def test_above_within_and_below_part_all_numbers(value: float, one: float, other: float) -> None:
    low, high = sorted((round(one, 1), round(other, 1)))
    claim = f"Accuracy levels off at {low} to {high}%."
    value = round(value, 1)
    found = list(
        compare_with_limit(claim, describe_numbers(claim), f"Accuracy is {value}%.").values()
    )
    wanted = "above" if value > high else "below" if value < low else "within"
    assert [comparison.relation for comparison in found] == [wanted]


def test_scopes_are_compared_axis_by_axis() -> None:
    claim = "Small models gain accuracy on mathematics with more samples at 350M parameters."
    same = compare_scopes(claim, "Small models and maths", "Mathematics accuracy of a 500M model.")
    assert same == {"model": "same", "task": "same", "metric": "same", "scale": "same"}
    near = compare_scopes(claim, "Code with large language models", "Coding at 7B.")
    assert (near["model"], near["task"], near["scale"]) == ("near", "near", "near")
    assert compare_scopes(claim, "Robots", "Robot manipulation.")["model"] == "other"


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_has_an_overlap_or_none(claim: str, abstract: str) -> None:
    found = compare_scopes(claim, "", abstract)
    assert set(found) <= set(AXES)
    assert set(found.values()) <= {"same", "near", "other"}


def test_tokens_are_no_size() -> None:
    assert find_sizes("trained on 15T tokens with 1.5B parameters") == [(1.5e9, 1.5e9)]
    assert find_sizes("125M–350M models") == [(1.25e8, 3.5e8)]


def test_models_are_dated_and_none_is_younger_than_the_paper() -> None:
    studied = describe_studied("On Qwen 3", "We test GPT-4 and Foo-1 on GSM8K.", date(2025, 6, 1))
    assert studied["models"] == {"GPT-4": "2023-03", "Qwen 3": "2025-04"}
    assert studied["newest_release"] == "2025-04"
    assert studied["benchmarks"] == ["gsm8k"]
    assert describe_studied("On kettles", "Warm.", None)["models"] == {}
