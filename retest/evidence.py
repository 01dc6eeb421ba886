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
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from db.errors import SeedRefused
from retest.protocol import DataKind

Array = NDArray[np.float64]
CAP = 0.75  # c: the share of the capital that a single seed may put at risk
BURN_IN = 24  # seeds before the asymptotic process says anything
TUNED_AT = 200  # seeds at which the normal mixture is tightest
BISECTIONS = 50


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
    array = np.asarray(values, dtype=object)
    if array.ndim != 1 or not all(isinstance(v, float | int | np.floating) for v in array):
        raise SeedRefused("a seed gives one number an estimand: average its items first")
    numbers = array.astype(np.float64)
    low, high = bounds if bounds else (-math.inf, math.inf)
    if not np.all(np.isfinite(numbers)) or np.any((numbers < low) | (numbers > high)):
        raise SeedRefused(f"a seed's estimate is not a finite number within [{low}, {high}]")
    if kind == "binary" and not np.all((numbers == 0) | (numbers == 1)):
        raise SeedRefused("a seed of 0/1 data gives 0 or 1, not a share")
    return numbers


def log_e_above(values: Array, means: Array, kind: DataKind, alpha: float) -> Array:
    """Log e-process against "the mean is at most m", for every m at once.

    ``values`` has shape (t,), in [0, 1] unless ``kind`` is unbounded; ``means`` has shape
    (k,). Returns shape (t, k); large values say that the mean is above m.
    """
    if kind == "binary":
        return _log_beta_binomial(values, means)
    if kind == "unbounded":
        return _log_normal_mixture(values, means, alpha)
    return _log_betting(values, means, alpha)


def _log_betting(values: Array, means: Array, alpha: float) -> Array:
    """Sum of log(1 + lambda_i (x_i - m)), lambda_i fixed before x_i is seen."""
    bets = betting_fractions(values, alpha)
    with np.errstate(divide="ignore"):
        capped = np.minimum(bets[:, None], CAP / means[None, :])
    return np.cumsum(np.log1p(capped * (values[:, None] - means[None, :])), axis=0)


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


def _log_beta_binomial(values: Array, means: Array) -> Array:
    """Uniform mixture over the alternative, at the worst p <= m: min(m, share of ones)."""
    count = np.arange(1, len(values) + 1, dtype=np.float64)
    ones = np.cumsum(values)
    log_beta = np.array(
        [
            math.lgamma(s + 1) + math.lgamma(t - s + 1) - math.lgamma(t + 2)
            for s, t in zip(ones, count, strict=True)
        ]
    ).reshape(-1, 1)
    worst = np.minimum(means[None, :], (ones / count)[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        likelihood = np.where(ones[:, None] > 0, ones[:, None] * np.log(worst), 0.0) + np.where(
            (count - ones)[:, None] > 0, (count - ones)[:, None] * np.log1p(-worst), 0.0
        )
    result: Array = log_beta - likelihood
    return result


def _log_normal_mixture(values: Array, means: Array, alpha: float) -> Array:
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
    distance = sums[:, None] - count[:, None] * (means[None, :] - values[:1])
    score = distance / deviation[:, None]
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha)) + 1) / TUNED_AT
    scale = count[:, None] * rho2 + 1
    tail = _log_normal_cdf(math.sqrt(rho2) * score / np.sqrt(scale))
    log_e: Array = math.log(2) - 0.5 * np.log(scale) + rho2 * score**2 / (2 * scale) + tail
    log_e[~speaks] = -math.inf
    return log_e


def _log_normal_cdf(z: Array) -> Array:
    """ln Phi(z); below z = -20, where erfc nears its underflow, the leading terms of its tail."""
    erfc = np.frompyfunc(lambda x: math.erfc(-x / math.sqrt(2)), 1, 1)
    near = np.log(0.5 * np.asarray(erfc(np.maximum(z, -20.0)), dtype=np.float64))
    below = np.minimum(z, -20.0)
    far = -0.5 * below**2 - np.log(-below) - 0.5 * math.log(2 * math.pi) - 1 / below**2
    result: Array = np.where(z < -20.0, far, near)
    return result


def find_lower_bound(
    values: Array,
    kind: DataKind,
    alpha: float,
    span: tuple[float, float],
    *,
    is_present: bool = False,
) -> float | None:
    """The lower confidence bound after all values: every mean below it has been rejected.

    ``span`` is where a mean can lie; None while not even its lower end is rejected. The
    running maximum of the bounds is taken, unless ``is_present``: then the bound that the
    e-values after the last seed give alone.
    """
    inside, outside = span

    def is_rejected(mean: float) -> bool:
        log_e = log_e_above(values, np.array([mean]), kind, alpha)[:, 0]
        reached = log_e[-1] if is_present else log_e.max()
        return bool(reached >= math.log(1 / alpha))

    if not len(values) or not is_rejected(inside):
        return None
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        if is_rejected(middle):  # e-values fall as the mean grows
            inside = middle
        else:
            outside = middle
    return inside


def find_bounds(values: Array, kind: DataKind, alpha: float, *, is_present: bool = False) -> Bounds:
    """The confidence sequence for the mean of values in [0, 1] (or unbounded ones).

    Each side holds at level ``alpha`` at all times at once, so by default the best bounds
    so far are given: the running maximum of the lower and minimum of the upper ones. They
    may exclude each other when the mean itself has moved.
    """
    if kind != "unbounded":
        low = find_lower_bound(values, kind, alpha, (0.0, 1.0), is_present=is_present)
        high = find_lower_bound(1.0 - values, kind, alpha, (0.0, 1.0), is_present=is_present)
        return Bounds(0.0 if low is None else low, 1.0 if high is None else 1.0 - high)
    reach = 20 * float(np.ptp(values)) if len(values) else 0.0
    centre = float(np.mean(values)) if len(values) else 0.0
    span, mirrored = (centre - reach, centre + reach), (-centre - reach, -centre + reach)
    low = find_lower_bound(values, kind, alpha, span, is_present=is_present)
    high = find_lower_bound(-values, kind, alpha, mirrored, is_present=is_present)
    return Bounds(-math.inf if low is None else low, math.inf if high is None else -high)
