"""The three statements that compete for a claim, each with an e-process.

The mean lies inside H; outside H; beyond H widened by the margin. "Inside" needs all ends
of H (and all estimands), so the smallest e-value counts; "outside" and "beyond" need one of
them, so their e-values are averaged, which is at least as strong as testing each at its
share of alpha and keeps the level. Averages are taken seed by seed, before any maximum over
time: an average of maxima would not keep it. Decides nothing: that is read in
``retest.outcomes``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retest.evidence import Array, Bounds, LogE, find_both_bounds, prepare_sides
from retest.protocol import Estimand
from retest.scales import find_span, move_end, scale, scale_end, unscale

MOST_SEEDS_TO_GO = 1000


@dataclass(frozen=True)
class Statements:
    """Log e-values of the three statements, one a seed, and the largest of each so far."""

    inside: Array
    outside: Array
    beyond: Array
    most_inside: Array
    most_outside: Array
    most_beyond: Array


@dataclass(frozen=True)
class Column:
    """One estimand's scaled values, and the evidence on both sides as functions of the mean."""

    estimand: Estimand
    alpha: float
    scaled: Array
    above: LogE
    below: LogE  # of the mirrored data

    def find_bounds(self) -> tuple[Bounds, Bounds]:
        """The best so far and the present ones, in the estimand's unit."""
        kind = self.estimand.kind
        best, present = find_both_bounds(self.above, self.below, self.scaled, kind, self.alpha)
        return unscale(self.estimand, best), unscale(self.estimand, present)


def prepare(estimand: Estimand, values: Array, alpha: float) -> Column:
    """One estimand's column from its values in its own unit, shape (seeds,)."""
    return prepare_scaled(estimand, scale(estimand, values), alpha)


def prepare_scaled(estimand: Estimand, scaled: Array, alpha: float) -> Column:
    """The same from values on the scale of the evidence."""
    return Column(estimand, alpha, scaled, *prepare_sides(scaled, estimand.kind, alpha))


def weigh(column: Column) -> Statements:
    """The three statements about one estimand."""
    estimand = column.estimand
    low, high = (
        scale_end(estimand, estimand.region_low),
        scale_end(estimand, estimand.region_high),
    )
    margin = estimand.margin / find_span(estimand)[1]
    floor, ceiling = _given(estimand, low, high)
    above_low = _log_e(column, floor, above=True, without=math.inf)
    below_high = _log_e(column, ceiling, above=False, without=math.inf)
    most = np.maximum.accumulate
    return _combine(
        inside=np.minimum(above_low, below_high),
        most_inside=np.minimum(most(above_low), most(below_high)),
        outside=_average_sides(column, (low, high)),
        beyond=_average_sides(column, (move_end(low, -margin), move_end(high, margin))),
    )


def _average_sides(column: Column, ends: tuple[float | None, float | None]) -> Array:
    """Log of the average e-value that the mean lies below the one or above the other end."""
    low, high = ends
    below = _log_e(column, low, above=False, without=-math.inf)
    above = _log_e(column, high, above=True, without=-math.inf)
    is_open = (
        _is_open(column.estimand, low, above=False),
        _is_open(column.estimand, high, above=True),
    )
    averaged: Array = np.logaddexp(below, above) - math.log(max(sum(is_open), 1))
    return averaged


def join(singles: Sequence[Statements]) -> Statements:
    """The three statements about all estimands of a claim together."""
    count = math.log(len(singles))
    return _combine(
        inside=np.min([single.inside for single in singles], axis=0),
        most_inside=np.min([single.most_inside for single in singles], axis=0),
        outside=np.logaddexp.reduce([single.outside for single in singles]) - count,
        beyond=np.logaddexp.reduce([single.beyond for single in singles]) - count,
    )


def _combine(*, inside: Array, most_inside: Array, outside: Array, beyond: Array) -> Statements:
    most = np.maximum.accumulate
    return Statements(inside, outside, beyond, most_inside, most(outside), most(beyond))


def _log_e(column: Column, end: float | None, *, above: bool, without: float) -> Array:
    """Log e-values that the mean lies above (or below) an end; ``without`` an end, that."""
    if end is None:
        return np.full(len(column.scaled), without)
    if not _is_open(column.estimand, end, above=above):
        return np.full(len(column.scaled), -math.inf)
    if above:
        return column.above(end)
    one = 0.0 if column.estimand.kind == "unbounded" else 1.0
    return column.below(one - end)


def _given(
    estimand: Estimand, low: float | None, high: float | None
) -> tuple[float | None, float | None]:
    """The ends of H that need evidence: one at or past the data's bounds holds by itself."""
    if estimand.kind == "unbounded":
        return low, high
    return (
        None if low is not None and low <= 0.0 else low,
        None if high is not None and high >= 1.0 else high,
    )


def _is_open(estimand: Estimand, end: float | None, *, above: bool) -> bool:
    """Whether the mean of such data can lie above (or below) an end at all."""
    if end is None or estimand.kind == "unbounded":
        return end is not None
    return 0.0 <= end < 1.0 if above else 0.0 < end <= 1.0


def foresee(estimand: Estimand, scaled: Array) -> Array:
    """Coming seeds of the present mean and sd, above and below the mean in turn.

    A plug-in guess, not a promise. Fewer than two seeds foresee nothing.
    """
    if len(scaled) < 2:
        return np.zeros(0)
    mean, reach = float(np.mean(scaled)), float(np.std(scaled, ddof=1))
    if estimand.kind != "unbounded":
        reach = min(reach, mean, 1.0 - mean)  # within the bounds, and still around the mean
    return mean + np.where(np.arange(MOST_SEEDS_TO_GO) % 2 == 0, reach, -reach)
