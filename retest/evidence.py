"""E-values and confidence sequences for the mean over seeds, valid at any time.

Three one-sided test processes against "the mean is at most m", each started anew for
every stream: betting for bounded data (Waudby-Smith & Ramdas, arXiv:2010.09686), a
beta-binomial mixture for 0/1 data, and a normal mixture for unbounded data, which is
asymptotic and silent during its burn-in. "At least m" is the same process on the mirrored
data. By Ville's inequality P(some t: e_t >= 1/alpha) <= alpha, so the largest value so far
may be used, and bounds only ever tighten. Pure functions of the per-seed values in seed
order: a replay gives the same numbers bit for bit. Knows nothing of claims or regions.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from db.errors import SeedRefused
from retest.protocol import DataKind

Array = NDArray[np.float64]
LogE = Callable[[float], Array]  # a mean -> log e-values against it, one a seed
CAP = 0.75  # c: the share of the capital that a single seed may put at risk
BURN_IN = 24  # seeds before the asymptotic process says anything
TUNED_AT = 200  # seeds at which the normal mixture is tightest
CELLS = 2**50  # a bound is told apart from its neighbours this finely


class Bounds(NamedTuple):
    """A confidence sequence at its present end, each side at level alpha."""

    low: float
    high: float


def check_values(
    values: Sequence[float] | Array,
    bounds: tuple[float, float] | None,
    kind: DataKind = "bounded",
) -> Array:
    """Per-seed values as an array.

    Raises:
        SeedRefused: a value is not one finite number within the bounds, such as a list of
            per-item results: the seed is the unit, never the item. Binary values are 0 or 1.
    """
    is_plain = isinstance(values, np.ndarray) and values.dtype == np.float64
    array = np.asarray(values, dtype=None if is_plain else object)
    if array.ndim != 1 or not (is_plain or all(map(_is_number, array))):
        raise SeedRefused("a seed gives one number an estimand: average its items first")
    numbers: Array = array.astype(np.float64)
    low, high = bounds if bounds else (-math.inf, math.inf)
    if not np.all(np.isfinite(numbers)) or np.any((numbers < low) | (numbers > high)):
        raise SeedRefused(f"a seed's estimate is not a finite number within [{low}, {high}]")
    if kind == "binary" and not np.all((numbers == 0) | (numbers == 1)):
        raise SeedRefused("a seed of 0/1 data gives 0 or 1, not a share")
    return numbers


def _is_number(value: object) -> bool:
    return isinstance(value, float | int | np.floating)


def log_e_above(values: Array, means: Array, kind: DataKind, alpha: float) -> Array:
    """Log e-process against "the mean is at most m", for every m at once.

    ``values`` has shape (t,), in [0, 1] unless ``kind`` is unbounded; ``means`` has shape
    (k,). Returns shape (t, k); large values say that the mean is above m.
    """
    log_e = prepare_log_e(values, kind, alpha)
    return np.stack([log_e(float(mean)) for mean in means], axis=1)


def prepare_log_e(values: Array, kind: DataKind, alpha: float) -> LogE:
    """The same as a function of one mean; what hangs on the values alone is done once."""
    if kind == "binary":
        return _prepare_beta_binomial(values)
    if kind == "unbounded":
        return _prepare_normal_mixture(values, alpha)
    return _prepare_betting(values, alpha)


def mirror(values: Array, kind: DataKind) -> Array:
    """The data whose mean is above 1 - m (or -m) where that of these is below m."""
    mirrored: Array = (0.0 if kind == "unbounded" else 1.0) - values
    return mirrored


def _prepare_betting(values: Array, alpha: float) -> LogE:
    """Sum of log(1 + lambda_i (x_i - m)), lambda_i fixed before x_i is seen."""
    bets = betting_fractions(values, alpha)

    def log_e(mean: float) -> Array:
        capped = np.minimum(bets, CAP / mean) if mean > 0 else bets
        path: Array = np.log1p(capped * (values - mean)).cumsum()
        return path

    return log_e


def betting_fractions(values: Array, alpha: float) -> Array:
    """lambda_i = sqrt(2 ln(1/alpha) / (s_{i-1} i ln(1+i))), before the cap.

    s_{i-1} = (1/4 + sum of (x_j - mean_j)^2) / i over the seeds before i, mean_j =
    (1/2 + sum of the first j) / (j + 1).
    """
    count = np.arange(1, len(values) + 1, dtype=np.float64)
    running_mean = (0.5 + np.cumsum(values)) / (count + 1)
    squares = np.cumsum((values - running_mean) ** 2)
    before = np.concatenate(([0.0], squares[:-1])) if len(values) else squares
    variance = (0.25 + before) / count
    fractions: Array = np.sqrt(2 * math.log(1 / alpha) / (variance * count * np.log1p(count)))
    return fractions


def _prepare_beta_binomial(values: Array) -> LogE:
    """Uniform mixture over the alternative, at the worst p <= m: min(m, share of ones)."""
    count = np.arange(1, len(values) + 1, dtype=np.float64)
    ones = np.cumsum(values)
    log_beta = np.array(
        [
            math.lgamma(s + 1) + math.lgamma(t - s + 1) - math.lgamma(t + 2)
            for s, t in zip(ones, count, strict=True)
        ]
    )
    share, misses = ones / count, count - ones

    def log_e(mean: float) -> Array:
        worst = np.minimum(mean, share)
        with np.errstate(divide="ignore", invalid="ignore"):
            likelihood = np.where(ones > 0, ones * np.log(worst), 0.0) + np.where(
                misses > 0, misses * np.log1p(-worst), 0.0
            )
        result: Array = log_beta - likelihood
        return result

    return log_e


def _prepare_normal_mixture(values: Array, alpha: float) -> LogE:
    """One-sided normal mixture of the sums in units of the sample sd (Howard et al. 2021).

    Silent (-inf) during the burn-in, and while all values are equal: an sd of zero would
    turn an asymptotic statement into certainty.
    """
    count = np.arange(1, len(values) + 1, dtype=np.float64)
    shifted = values - values[:1]  # the sd of large, close values would drown in rounding
    sums, squares = np.cumsum(shifted), np.cumsum(shifted**2)
    variance = np.maximum(squares - sums**2 / count, 0.0) / np.maximum(count - 1, 1)
    speaks = (count >= BURN_IN) & (variance > 0)
    deviation = np.sqrt(np.where(speaks, variance, 1.0))
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha)) + 1) / TUNED_AT
    scale = count * rho2 + 1

    def log_e(mean: float) -> Array:
        score = (sums - count * (mean - values[:1])) / deviation
        tail = _log_normal_cdf(math.sqrt(rho2) * score / np.sqrt(scale))
        result: Array = math.log(2) - 0.5 * np.log(scale) + rho2 * score**2 / (2 * scale) + tail
        result[~speaks] = -math.inf
        return result

    return log_e


def _log_normal_cdf(z: Array) -> Array:
    """ln Phi(z); below z = -20, where erfc nears its underflow, the leading terms of its tail."""
    erfc = np.frompyfunc(lambda x: math.erfc(-x / math.sqrt(2)), 1, 1)
    near = np.log(0.5 * np.asarray(erfc(np.maximum(z, -20.0)), dtype=np.float64))
    below = np.minimum(z, -20.0)
    far = -0.5 * below**2 - np.log(-below) - 0.5 * math.log(2 * math.pi) - 1 / below**2
    result: Array = np.where(z < -20.0, far, near)
    return result


class Pair(NamedTuple):
    """A bound, or none yet: the best so far, and what the last e-values give alone."""

    best: float | None
    present: float | None


def find_lower_bounds(log_e: LogE, values: Array, alpha: float, span: tuple[float, float]) -> Pair:
    """The lower confidence bounds after all values: every mean below has been rejected.

    ``span`` is where a mean can lie; None while not even its lower end is rejected. The
    best bound is the running maximum of the present ones.
    """
    inside, outside = span
    needed = math.log(1 / alpha)

    def mean_of(cell: int) -> float:
        return inside + (outside - inside) * (cell / CELLS)

    def exceed_now(cell: int) -> float:
        """By how much the present evidence against the mean in this cell exceeds the need."""
        return float(log_e(mean_of(cell))[-1]) - needed

    def exceed_ever(cell: int) -> float:
        return float(log_e(mean_of(cell)).max()) - needed

    if not len(values):
        return Pair(None, None)
    near = [_place(guess, span) for guess in _guess_bounds(values)]
    present = _find_last(exceed_now, 0, near)
    best = _find_last(exceed_ever, present or 0, near if present is None else [present + 1, *near])
    return Pair(*(None if cell is None else mean_of(cell) for cell in (best, present)))


def _guess_bounds(values: Array) -> tuple[float, float]:
    """Two means between which the bound is likely to lie."""
    mean = float(values.mean())
    return mean, mean - 8 * float(values.std()) / math.sqrt(len(values))


def _place(mean: float, span: tuple[float, float]) -> int:
    inside, outside = span
    return round(CELLS * (mean - inside) / (outside - inside)) if outside > inside else 0


def _find_last(exceed: Callable[[int], float], low: int, near: Sequence[int]) -> int | None:
    """The last cell in which a falling function is not below zero; None if none is.

    ``low`` is where to begin, ``near`` are cells to try first. Regula falsi (the Illinois
    variant) on whole cells, so that the answer is that of halving fifty times, in a fourth
    of the evaluations. Large values count by their logarithm (asinh); where steps become
    as small as a cell, they grow again, eightfold each.
    """
    high, above = CELLS, math.asinh(exceed(low))
    if above < 0:
        return None
    below = -math.inf  # at the far end nothing is ever rejected
    moved_low, stride, waiting = None, 1, [*near]
    while high - low > 1:
        cell = (low + high) // 2
        if waiting:
            cell = waiting.pop(0)
            if not low < cell < high:
                continue
        elif math.isfinite(above - below) and high - low > 4 * stride:
            cell = low + round((high - low) * (above / (above - below)))
            cell = min(max(cell, low + stride), high - stride)
        value = math.asinh(exceed(cell))
        is_low = value >= 0
        moved = cell - low if is_low else high - cell
        stride = 8 * stride if moved <= stride and moved_low == is_low else 1
        if is_low:
            low, above = cell, value
            below = below / 2 if moved_low is True else below
        else:
            high, below = cell, value
            above = above / 2 if moved_low is False else above
        moved_low = None if waiting else is_low
    return low


def find_bounds(values: Array, kind: DataKind, alpha: float, *, is_present: bool = False) -> Bounds:
    """The confidence sequence for the mean of values in [0, 1] (or unbounded ones).

    Each side holds at level ``alpha`` at all times at once, so by default the best bounds
    so far are given: the running maximum of the lower and minimum of the upper ones. They
    may exclude each other when the mean itself has moved.
    """
    best, present = find_both_bounds(*prepare_sides(values, kind, alpha), values, kind, alpha)
    return present if is_present else best


def prepare_sides(values: Array, kind: DataKind, alpha: float) -> tuple[LogE, LogE]:
    """Evidence that the mean is above m, and, of the mirrored data, that it is below."""
    return prepare_log_e(values, kind, alpha), prepare_log_e(mirror(values, kind), kind, alpha)


def find_both_bounds(
    above: LogE, below: LogE, values: Array, kind: DataKind, alpha: float
) -> tuple[Bounds, Bounds]:
    """The best bounds so far and the present ones, from what ``prepare_sides`` gave."""
    span, mirrored = _find_spans(values, kind)
    lows = find_lower_bounds(above, values, alpha, span)
    highs = find_lower_bounds(below, mirror(values, kind), alpha, mirrored)
    best, present = (_join_sides(low, high, kind) for low, high in zip(lows, highs, strict=True))
    return best, present


def _join_sides(low: float | None, high: float | None, kind: DataKind) -> Bounds:
    if kind == "unbounded":
        return Bounds(-math.inf if low is None else low, math.inf if high is None else -high)
    return Bounds(0.0 if low is None else low, 1.0 if high is None else 1.0 - high)


def _find_spans(values: Array, kind: DataKind) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where the mean, and that of the mirrored data, can lie."""
    if kind != "unbounded":
        return (0.0, 1.0), (0.0, 1.0)
    reach = 20 * float(np.ptp(values)) if len(values) else 0.0
    centre = float(np.mean(values)) if len(values) else 0.0
    return (centre - reach, centre + reach), (-centre - reach, -centre + reach)
