"""Intervals around a judge's measured quality: Wilson for shares, bootstrap over claims."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959964
RESAMPLES = 1000
SEED = 20260101


class Interval(NamedTuple):
    """Lower and upper bound, 95 %."""

    low: float
    high: float


def wilson(right: int, n: int) -> Interval:
    """Wilson's score interval of a share (Wilson 1927); (0, 1) for n = 0."""
    if n == 0:
        return Interval(0.0, 1.0)
    share, z2 = right / n, Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Mean F1 over classes that occur as truth or as answer; rows are the truth."""
    right = np.diag(confusion)
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    occurs = total > 0
    return float((2 * right[occurs] / total[occurs]).mean()) if occurs.any() else 0.0


def confuse(truth: Sequence[int], answers: Sequence[int], classes: int) -> NDArray[np.int64]:
    """Counts, shape (classes, classes); rows are the truth, columns the answers."""
    table = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(table, (np.asarray(truth, dtype=int), np.asarray(answers, dtype=int)), 1)
    return table


def bootstrap_macro_f1(
    truth: Sequence[int], answers: Sequence[int], groups: Sequence[str], classes: int
) -> Interval:
    """95 % percentile interval of macro-F1, resampling whole groups (claims)."""
    names = sorted(set(groups))
    place = {name: index for index, name in enumerate(names)}
    tables = np.zeros((len(names), classes, classes), dtype=np.int64)
    rows = np.array([place[name] for name in groups], dtype=int)
    np.add.at(tables, (rows, np.asarray(truth, dtype=int), np.asarray(answers, dtype=int)), 1)
    generator = np.random.default_rng(SEED)
    draws = generator.integers(0, len(names), size=(RESAMPLES, len(names)))
    values = [macro_f1(tables[draw].sum(axis=0)) for draw in draws]
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(low), float(high))
