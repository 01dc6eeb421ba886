"""What the evidence so far says about a claim: CONSISTENT, SHIFTED, ATTENUATED, UNDECIDED.

Decides how an estimand's evidence is read against the claim region H and the margin, how
several estimands join, and how many seeds are still to go. An outcome latches: it stays
until evidence crosses the opposite bound. Controls and canaries, which make a stream
INVALID, are read in ``retest.results``.

Three statements compete, each with an e-process: the mean lies inside H; outside H; beyond
H widened by the margin. "Inside" needs all ends of H (and all estimands), so the smallest
e-value counts; "outside" and "beyond" need one of them, so their e-values are averaged,
which is at least as strong as testing each at its share of alpha and keeps the level.
Averages are taken seed by seed, before any maximum over time: an average of maxima would
not keep it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retest.evidence import (
    Array,
    Bounds,
    LogE,
    check_values,
    find_both_bounds,
    prepare_sides,
)
from retest.protocol import Estimand

Outcome = Literal["CONSISTENT", "SHIFTED", "ATTENUATED", "UNDECIDED", "INVALID"]
Strength = Literal["none", "signal", "established"]
FAMILY_ALPHA = 0.10
MOST_SEEDS_TO_GO = 1000
LARGEST_LOG_E = 690.0  # e-values are given up to about 1e299, so that they stay numbers
WORDS: tuple[Outcome, ...] = ("UNDECIDED", "CONSISTENT", "ATTENUATED", "SHIFTED")
UNDECIDED, CONSISTENT, ATTENUATED, SHIFTED = range(4)


@dataclass(frozen=True)
class EstimandState:
    """One estimand after all seeds so far; e-values are the largest reached.

    ``low`` and ``high`` are the best bounds so far, each at alpha; ``present_low``,
    ``present_high`` and ``present`` are what the e-values after the last seed give alone.
    Where the best bounds exclude each other (``has_moved``: the mean itself moved within
    the stream) the present ones stand in for them.
    """

    name: str
    n: int
    mean: float | None
    low: float
    high: float
    outcome: Outcome
    e_consistent: float
    e_shifted: float
    seeds_to_go: int | None  # 0 once decided; None: not within 1,000, or too few to tell
    present_low: float
    present_high: float
    present: Outcome
    has_moved: bool


@dataclass(frozen=True)
class StreamState:
    """All estimands together; ``outcome`` has latched, ``present`` may have fallen back."""

    estimands: tuple[EstimandState, ...]
    outcome: Outcome
    present: Outcome
    e_consistent: float
    e_shifted: float
    e_outside: float
    seeds_to_go: int | None

    def strength(self, alpha: float, live_claims: int) -> Strength:
        """How strong the outcome is: ``signal`` at 1/alpha, ``established`` at K/0.10."""
        by_outcome = {
            "CONSISTENT": self.e_consistent,
            "SHIFTED": self.e_shifted,
            "ATTENUATED": self.e_outside,
        }
        largest = by_outcome.get(self.outcome, 0.0)
        if largest >= max(live_claims, 1) / FAMILY_ALPHA and largest >= 1 / alpha:
            return "established"
        return "signal" if largest >= 1 / alpha else "none"


@dataclass(frozen=True)
class _Statements:
    """Log e-values of the three statements, one a seed, and the largest of each so far."""

    inside: Array
    outside: Array
    beyond: Array
    most_inside: Array
    most_outside: Array
    most_beyond: Array


def read_stream(
    estimands: Sequence[Estimand], values: Sequence[Sequence[float] | Array], alpha: float
) -> StreamState:
    """The state of a stream: ``values[i]`` are estimand i's per-seed values in seed order.

    Raises:
        SeedRefused: a value is not one finite number within the estimand's bounds.
    """
    columns = [
        _prepare(estimand, check_values(column, estimand.bounds, estimand.kind), alpha)
        for estimand, column in zip(estimands, values, strict=True)
    ]
    singles = [_weigh(column) for column in columns]
    joint = _join(singles)
    outcome = _latch(_read(joint, alpha))
    latched = [_latch(_read(single, alpha)) for single in singles]
    to_go: list[int | None] = [0] * (len(columns) + 1)
    if "UNDECIDED" in (outcome, *latched):
        to_go = _foresee_all(columns, alpha)
    states = tuple(
        _describe(column, single, word, left if word == "UNDECIDED" else 0)
        for column, single, word, left in zip(columns, singles, latched, to_go[1:], strict=True)
    )
    return StreamState(
        estimands=states,
        outcome=outcome,
        present=_last(_read_present(joint, alpha)),
        e_consistent=_last_e(joint.most_inside),
        e_shifted=_last_e(joint.most_beyond),
        e_outside=_last_e(joint.most_outside),
        seeds_to_go=to_go[0] if outcome == "UNDECIDED" else 0,
    )


@dataclass(frozen=True)
class _Column:
    """One estimand's scaled values, and the evidence on both sides as functions of the mean."""

    estimand: Estimand
    alpha: float
    scaled: Array
    above: LogE
    below: LogE  # of the mirrored data

    def bounds(self) -> tuple[Bounds, Bounds]:
        """The best so far and the present ones, in the estimand's unit."""
        kind = self.estimand.kind
        best, present = find_both_bounds(self.above, self.below, self.scaled, kind, self.alpha)
        return _unscale(self.estimand, best), _unscale(self.estimand, present)


def _prepare(estimand: Estimand, values: Array, alpha: float) -> _Column:
    return _prepare_scaled(estimand, _scale(estimand, values), alpha)


def _prepare_scaled(estimand: Estimand, scaled: Array, alpha: float) -> _Column:
    return _Column(estimand, alpha, scaled, *prepare_sides(scaled, estimand.kind, alpha))


def _foresee_all(columns: Sequence[_Column], alpha: float) -> list[int | None]:
    """Seeds to go of the stream, and of each estimand."""
    n = len(columns[0].scaled)
    longer = [
        _weigh(
            _prepare_scaled(
                c.estimand, np.concatenate((c.scaled, _foresee(c.estimand, c.scaled))), alpha
            )
        )
        for c in columns
    ]
    return [_count_to_go(ahead, n, alpha) for ahead in (_join(longer), *longer)]


def _describe(
    column: _Column, single: _Statements, outcome: Outcome, seeds_to_go: int | None
) -> EstimandState:
    estimand, n = column.estimand, len(column.scaled)
    best, present = column.bounds()
    shown = best if best.low <= best.high else present
    return EstimandState(
        name=estimand.name,
        n=n,
        mean=_unscale_value(estimand, float(np.mean(column.scaled))) if n else None,
        low=shown.low,
        high=shown.high,
        outcome=outcome,
        e_consistent=_last_e(single.most_inside),
        e_shifted=_last_e(single.most_beyond),
        seeds_to_go=seeds_to_go,
        present_low=present.low,
        present_high=present.high,
        present=_last(_read_present(single, column.alpha)),
        has_moved=best.low > best.high,
    )


def _weigh(column: _Column) -> _Statements:
    """The three statements about one estimand."""
    estimand = column.estimand
    low, high = (
        _scale_end(estimand, estimand.region_low),
        _scale_end(estimand, estimand.region_high),
    )
    margin = estimand.margin / _span(estimand)[1]
    floor, ceiling = _given(estimand, low, high)
    above_low = _log_e(column, floor, above=True, without=math.inf)
    below_high = _log_e(column, ceiling, above=False, without=math.inf)
    most = np.maximum.accumulate
    return _combine(
        inside=np.minimum(above_low, below_high),
        most_inside=np.minimum(most(above_low), most(below_high)),
        outside=_average_sides(column, (low, high)),
        beyond=_average_sides(column, (_move(low, -margin), _move(high, margin))),
    )


def _average_sides(column: _Column, ends: tuple[float | None, float | None]) -> Array:
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


def _join(singles: Sequence[_Statements]) -> _Statements:
    """The three statements about all estimands of a claim together."""
    count = math.log(len(singles))
    return _combine(
        inside=np.min([single.inside for single in singles], axis=0),
        most_inside=np.min([single.most_inside for single in singles], axis=0),
        outside=np.logaddexp.reduce([single.outside for single in singles]) - count,
        beyond=np.logaddexp.reduce([single.beyond for single in singles]) - count,
    )


def _combine(*, inside: Array, most_inside: Array, outside: Array, beyond: Array) -> _Statements:
    most = np.maximum.accumulate
    return _Statements(inside, outside, beyond, most_inside, most(outside), most(beyond))


def _log_e(column: _Column, end: float | None, *, above: bool, without: float) -> Array:
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


def _read(statements: _Statements, alpha: float) -> NDArray[np.int_]:
    """The outcome after each seed, from the best evidence so far.

    Where "inside" and "outside" have both been reached, the mean has moved (or one of
    them was false), and the present evidence decides between them.
    """
    needed = math.log(1 / alpha)
    outside = np.maximum(statements.most_outside, statements.most_beyond)
    contradicts = (statements.most_inside >= needed) & (outside >= needed)
    best = _name(statements.most_inside, statements.most_outside, statements.most_beyond, alpha)
    if not contradicts.any():
        return best
    return np.where(contradicts, _read_present(statements, alpha), best)


def _read_present(statements: _Statements, alpha: float) -> NDArray[np.int_]:
    return _name(statements.inside, statements.outside, statements.beyond, alpha)


def _name(inside: Array, outside: Array, beyond: Array, alpha: float) -> NDArray[np.int_]:
    needed = math.log(1 / alpha)
    codes = np.where(inside >= needed, CONSISTENT, UNDECIDED)
    codes[outside >= needed] = ATTENUATED
    codes[beyond >= needed] = SHIFTED
    return codes


def _latch(codes: NDArray[np.int_]) -> Outcome:
    """The outcome that stands: the last one reached, of which SHIFTED outlasts ATTENUATED."""
    reached = codes[codes != UNDECIDED]
    firm = np.flatnonzero(reached != ATTENUATED)
    if not reached.size:
        return "UNDECIDED"
    last_firm = int(reached[firm[-1]]) if firm.size else UNDECIDED
    return "SHIFTED" if last_firm == SHIFTED else WORDS[int(reached[-1])]


def _last(codes: NDArray[np.int_]) -> Outcome:
    return WORDS[int(codes[-1])] if codes.size else "UNDECIDED"


def _last_e(most: Array) -> float:
    return math.exp(min(float(most[-1]), LARGEST_LOG_E)) if most.size else 0.0


def _count_to_go(ahead: _Statements, n: int, alpha: float) -> int | None:
    """Seeds until a decision, if the coming ones are as foreseen."""
    decided = _read(ahead, alpha)[n:] != UNDECIDED
    return int(np.argmax(decided)) + 1 if decided.any() else None


def _foresee(estimand: Estimand, scaled: Array) -> Array:
    """Coming seeds of the present mean and sd, above and below the mean in turn.

    A plug-in guess, not a promise. Fewer than two seeds foresee nothing.
    """
    if len(scaled) < 2:
        return np.zeros(0)
    mean, reach = float(np.mean(scaled)), float(np.std(scaled, ddof=1))
    if estimand.kind != "unbounded":
        reach = min(reach, mean, 1.0 - mean)  # within the bounds, and still around the mean
    return mean + np.where(np.arange(MOST_SEEDS_TO_GO) % 2 == 0, reach, -reach)


def _span(estimand: Estimand) -> tuple[float, float]:
    """Offset and width that map the estimand's bounds to [0, 1]; unbounded data stay."""
    if estimand.kind == "unbounded" or estimand.bounds is None:
        return 0.0, 1.0
    low, high = estimand.bounds
    return low, high - low


def _scale(estimand: Estimand, values: Array) -> Array:
    offset, width = _span(estimand)
    scaled: Array = (values - offset) / width
    return scaled


def _scale_end(estimand: Estimand, end: float | None) -> float | None:
    offset, width = _span(estimand)
    return None if end is None else (end - offset) / width


def _move(end: float | None, by: float) -> float | None:
    return None if end is None else end + by


def _unscale_value(estimand: Estimand, value: float) -> float:
    offset, width = _span(estimand)
    return value * width + offset


def _unscale(estimand: Estimand, bounds: Bounds) -> Bounds:
    return Bounds(_unscale_value(estimand, bounds.low), _unscale_value(estimand, bounds.high))
