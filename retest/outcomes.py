"""What the evidence so far says about a claim: CONSISTENT, SHIFTED, ATTENUATED, UNDECIDED.

Decides how an estimand's confidence sequence is read against the claim region H and the
margin, how several estimands join, and how many seeds are still to go. An outcome
latches: it stays until evidence crosses the opposite bound. Controls and canaries, which
make a stream INVALID, are read in ``retest.conclusions``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from retest.evidence import Array, Bounds, check_values, find_bounds, log_e_above
from retest.protocol import Estimand

Outcome = Literal["CONSISTENT", "SHIFTED", "ATTENUATED", "UNDECIDED", "INVALID"]
Strength = Literal["none", "signal", "established"]
FAMILY_ALPHA = 0.10
MOST_SEEDS_TO_GO = 1000


@dataclass(frozen=True)
class EstimandState:
    """One estimand after all seeds so far; e-values are the largest reached."""

    name: str
    n: int
    mean: float | None
    low: float
    high: float
    outcome: Outcome
    e_consistent: float
    e_shifted: float
    seeds_to_go: int | None


@dataclass(frozen=True)
class StreamState:
    """All estimands together. ``present`` is what the newest evidence alone would say."""

    estimands: tuple[EstimandState, ...]
    outcome: Outcome
    present: Outcome
    e_consistent: float
    e_shifted: float

    def strength(self, alpha: float, live_claims: int) -> Strength:
        """``signal`` at 1/alpha, ``established`` at K/0.10 over K live claims."""
        largest = max(self.e_consistent, self.e_shifted)
        if largest >= max(live_claims, 1) / FAMILY_ALPHA and largest >= 1 / alpha:
            return "established"
        return "signal" if largest >= 1 / alpha else "none"


def read_stream(
    estimands: Sequence[Estimand], values: Sequence[Sequence[float]], alpha: float
) -> StreamState:
    """The state of a stream: ``values[i]`` are estimand i's per-seed values in seed order.

    A claim of several estimands is consistent when each is (the smallest e-value decides)
    and shifted when one is (the average e-value decides, which keeps the level alpha).
    """
    paths = [
        _trace(e, check_values(v, e.bounds), alpha) for e, v in zip(estimands, values, strict=True)
    ]
    length = min((len(path.consistent) for path in paths), default=0)
    if not length:
        empty = tuple(_describe(path, alpha) for path in paths)
        return StreamState(empty, "UNDECIDED", "UNDECIDED", 0.0, 0.0)
    consistent = np.min([path.consistent[:length] for path in paths], axis=0)
    shifted = np.mean(np.exp([path.shifted[:length] for path in paths]), axis=0)
    states = tuple(_describe(path, alpha) for path in paths)
    outside = any(state.outcome in {"ATTENUATED", "SHIFTED"} for state in states)
    return StreamState(
        estimands=states,
        outcome=_latch(consistent, shifted, outside, alpha),
        present=_read_present(paths, alpha),
        e_consistent=_exp(float(consistent[-1])),
        e_shifted=float(shifted[-1]),
    )


@dataclass(frozen=True)
class _Path:
    """Running maxima over time: log e for consistent, log e for shifted; and the values."""

    estimand: Estimand
    scaled: Array
    consistent: Array
    shifted: Array
    present_consistent: float
    present_shifted: float


def _trace(estimand: Estimand, values: Array, alpha: float) -> _Path:
    scaled = _scale(estimand, values)
    low_end = _scale_end(estimand, estimand.region_low)
    high_end = _scale_end(estimand, estimand.region_high)
    margin = _scale_margin(estimand)
    above_low = _log_e(estimand, scaled, low_end, alpha, above=True)
    below_high = _log_e(estimand, scaled, high_end, alpha, above=False)
    under = _log_e(
        estimand, scaled, _move(low_end, -margin), alpha, above=False, open_end=-math.inf
    )
    over = _log_e(estimand, scaled, _move(high_end, margin), alpha, above=True, open_end=-math.inf)
    ends = (low_end is not None) + (high_end is not None)
    sides = np.logaddexp(under, over) - math.log(max(ends, 1))
    present = (
        float(min(above_low[-1], below_high[-1])) if len(values) else -math.inf,
        float(sides[-1]) if len(values) else -math.inf,
    )
    running = np.maximum.accumulate
    return _Path(
        estimand,
        scaled,
        np.minimum(running(above_low), running(below_high)),
        running(sides),
        *present,
    )


def _log_e(
    estimand: Estimand,
    scaled: Array,
    end: float | None,
    alpha: float,
    *,
    above: bool,
    open_end: float = math.inf,
) -> Array:
    """Log e-process that the mean lies above (or below) an end; an open end gives ``open_end``."""
    is_bounded = estimand.kind != "unbounded"
    if end is None or (is_bounded and not 0.0 < end < 1.0):
        return np.full(len(scaled), open_end)
    if above:
        return log_e_above(scaled, np.array([end]), estimand.kind, alpha)[:, 0]
    mirrored = 1.0 - scaled if is_bounded else -scaled
    mirrored_end = 1.0 - end if is_bounded else -end
    return log_e_above(mirrored, np.array([mirrored_end]), estimand.kind, alpha)[:, 0]


def _describe(path: _Path, alpha: float) -> EstimandState:
    bounds = _unscale(path.estimand, find_bounds(path.scaled, path.estimand.kind, alpha))
    n = len(path.scaled)
    consistent = float(path.consistent[-1]) if n else -math.inf
    shifted = float(path.shifted[-1]) if n else -math.inf
    outcome = _read(path.estimand, bounds, consistent, shifted, alpha)
    mean = float(np.mean(path.scaled)) if n else None
    return EstimandState(
        name=path.estimand.name,
        n=n,
        mean=None if mean is None else _unscale_value(path.estimand, mean),
        low=bounds.low,
        high=bounds.high,
        outcome=outcome,
        e_consistent=_exp(consistent),
        e_shifted=_exp(shifted),
        seeds_to_go=_count_to_go(path, alpha) if outcome == "UNDECIDED" else 0,
    )


def _read(
    estimand: Estimand, bounds: Bounds, consistent: float, shifted: float, alpha: float
) -> Outcome:
    needed = math.log(1 / alpha)
    if shifted >= needed:
        return "SHIFTED"
    if consistent >= needed:
        return "CONSISTENT"
    low, high = estimand.region_low, estimand.region_high
    if (low is not None and bounds.high < low) or (high is not None and bounds.low > high):
        return "ATTENUATED"
    return "UNDECIDED"


def _latch(consistent: Array, shifted: Array, outside: bool, alpha: float) -> Outcome:
    """The last of the two opposite crossings decides; running maxima never fall back."""
    crossed_consistent = _first(consistent >= math.log(1 / alpha))
    crossed_shifted = _first(shifted >= 1 / alpha)
    if crossed_consistent is None and crossed_shifted is None:
        return "ATTENUATED" if outside else "UNDECIDED"
    if crossed_shifted is None:
        return "CONSISTENT"
    if crossed_consistent is None:
        return "SHIFTED"
    return "SHIFTED" if crossed_shifted > crossed_consistent else "CONSISTENT"


def _read_present(paths: Sequence[_Path], alpha: float) -> Outcome:
    needed = math.log(1 / alpha)
    if np.mean([_exp(path.present_shifted) for path in paths]) >= 1 / alpha:
        return "SHIFTED"
    if min(path.present_consistent for path in paths) >= needed:
        return "CONSISTENT"
    return "UNDECIDED"


def _count_to_go(path: _Path, alpha: float) -> int | None:
    """Seeds until a decision if the coming ones had the present mean and sd.

    The coming seeds are put one sd above and below the mean in turn: a plug-in guess, not
    a promise. None when 1,000 more would not decide, or with fewer than two seeds.
    """
    if len(path.scaled) < 2:
        return None
    mean, sd = float(np.mean(path.scaled)), float(np.std(path.scaled, ddof=1))
    turns = np.where(np.arange(MOST_SEEDS_TO_GO) % 2 == 0, sd, -sd)
    coming = mean + turns
    if path.estimand.kind != "unbounded":
        coming = np.clip(coming, 0.0, 1.0)
    values = _unscale_array(path.estimand, np.concatenate((path.scaled, coming)))
    longer = _trace(path.estimand, values, alpha)
    needed = math.log(1 / alpha)
    reached = _first((longer.consistent >= needed) | (longer.shifted >= needed))
    return None if reached is None else max(1, reached + 1 - len(path.scaled))


def _first(mask: np.typing.NDArray[np.bool_]) -> int | None:
    return int(np.argmax(mask)) if mask.any() else None


def _exp(log_value: float) -> float:
    return math.exp(min(log_value, 700.0))


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


def _scale_margin(estimand: Estimand) -> float:
    return estimand.margin / _span(estimand)[1]


def _move(end: float | None, by: float) -> float | None:
    return None if end is None else end + by


def _unscale_array(estimand: Estimand, values: Array) -> Array:
    offset, width = _span(estimand)
    low, high = estimand.bounds or (-math.inf, math.inf)
    unscaled: Array = np.clip(values * width + offset, low, high)
    return unscaled


def _unscale_value(estimand: Estimand, value: float) -> float:
    offset, width = _span(estimand)
    return value * width + offset


def _unscale(estimand: Estimand, bounds: Bounds) -> Bounds:
    return Bounds(_unscale_value(estimand, bounds.low), _unscale_value(estimand, bounds.high))
