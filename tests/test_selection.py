"""Choosing among samples: against brute force, with ties and missing answers."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from retest.lab.selection import (
    NO_ANSWER,
    choose_best,
    choose_majority,
    choose_weighted,
    estimate_pass_at_k,
    find_covered,
)

ANSWERS = arrays(np.int64, (3, 7), elements=st.integers(NO_ANSWER, 3))
WEIGHTS = arrays(np.float64, (3, 7), elements=st.integers(0, 8).map(lambda eighths: eighths / 8))


def choose_slowly(answers: list[int], weights: list[float]) -> int:
    """The weighted choice, written as its definition."""
    sums: dict[int, float] = {}
    for answer, weight in zip(answers, weights, strict=True):
        if answer != NO_ANSWER:
            sums[answer] = sums.get(answer, 0.0) + weight
    best = NO_ANSWER
    for answer, total in sums.items():
        if best == NO_ANSWER or total > sums[best]:
            best = answer
    return best


@settings(max_examples=200, deadline=None)
@given(ANSWERS, WEIGHTS)
def test_choices_agree_with_their_definition(
    answers: NDArray[np.int64], weights: NDArray[np.float64]
) -> None:
    pairs = zip(answers.tolist(), weights.tolist(), strict=True)
    expected = [choose_slowly(*pair) for pair in pairs]
    assert choose_weighted(answers, weights).tolist() == expected
    majority = [choose_slowly(row, [1.0] * len(row)) for row in answers.tolist()]
    assert choose_majority(answers).tolist() == majority


def test_a_tie_goes_to_the_answer_that_came_first() -> None:
    assert choose_majority(np.array([[4, 2, 2, 4], [1, 1, 0, 0]])).tolist() == [4, 1]
    assert choose_best(np.array([[4, 2, 3]]), np.array([[0.1, 0.7, 0.7]])).tolist() == [2]


def test_a_sample_without_an_answer_wins_only_alone() -> None:
    answers = np.array([[NO_ANSWER, NO_ANSWER, 6], [NO_ANSWER] * 3])
    assert choose_majority(answers).tolist() == [6, NO_ANSWER]
    assert choose_weighted(answers, np.array([[0.9, 0.9, 0.0], [0.5] * 3])).tolist() == [6, -1]
    assert choose_best(answers, np.array([[0.9, 0.9, 0.0], [0.5] * 3])).tolist() == [6, -1]


def test_weighted_and_best_differ_as_they_should() -> None:
    answers, weights = np.array([[1, 2, 2, 2]]), np.array([[0.9, 0.4, 0.4, 0.4]])
    assert choose_best(answers, weights).tolist() == [1]
    assert choose_weighted(answers, weights).tolist() == [2]


@settings(max_examples=50, deadline=None)
@given(ANSWERS, WEIGHTS, arrays(np.int64, 3, elements=st.integers(0, 3)))
def test_no_choice_is_right_where_nothing_covers(
    answers: NDArray[np.int64], weights: NDArray[np.float64], gold: NDArray[np.int64]
) -> None:
    covered = find_covered(answers, gold)
    for chosen in (choose_majority(answers), choose_weighted(answers, weights)):
        assert not ((chosen == gold) & ~covered).any()
    found = [right in row for row, right in zip(answers.tolist(), gold.tolist(), strict=True)]
    assert covered.tolist() == found


@pytest.mark.parametrize("k", [1, 2, 5])
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(k: int) -> None:
    samples = 5
    for right in range(samples + 1):
        draws = list(combinations([True] * right + [False] * (samples - right), k))
        expected = sum(any(draw) for draw in draws) / len(draws)
        assert estimate_pass_at_k(np.array([right]), samples, k) == pytest.approx(expected)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="between 1 and"):
        estimate_pass_at_k(np.array([1]), 4, 5)
    with pytest.raises(ValueError, match="counts"):
        estimate_pass_at_k(np.array([5]), 4, 2)
    with pytest.raises(ValueError, match="do not match"):
        choose_weighted(np.array([[1, 2]]), np.array([[1.0]]))
    with pytest.raises(ValueError, match="negative"):
        choose_best(np.array([[1, 2]]), np.array([[1.0, -0.1]]))
