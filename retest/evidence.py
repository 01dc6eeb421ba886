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
GRID = 1001  # candidate means on [0, 1]; bisection refines between two of them
BISECTIONS = 30


class Bounds(NamedTuple):
    """A confidence sequence at its present end, each side at level alpha."""

    low: float
    high: float


def check_values(values: Sequence[float], bounds: tuple[float, float] | None) -> Array:
    """Per-seed values as an array.

    Raises:
        SeedRefused: a value is not one finite number within the bounds, such as a list of
            per-item results: the seed is the unit, never the item.
    """
    array = np.asarray(values, dtype=object)
    if array.ndim != 1 or not all(isinstance(v, float | int | np.floating) for v in array):
        raise SeedRefused("a seed gives one number an estimand: average its items first")
    numbers = array.astype(np.float64)
    low, high = bounds if bounds else (-math.inf, math.inf)
    if not np.all(np.isfinite(numbers)) or np.any((numbers < low) | (numbers > high)):
        raise SeedRefused(f"a seed's estimate is not a finite number within [{low}, {high}]")
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
    """One-sided normal mixture with the sample sd plugged in; -inf during the burn-in."""
    count = np.arange(1, len(values) + 1, dtype=np.float64)
    total = np.cumsum(values)
    squares = np.cumsum(values**2)
    variance = np.maximum(squares / count - (total / count) ** 2, 1e-300)
    sums = (total[:, None] - count[:, None] * means[None, :]) / np.sqrt(variance)[:, None]
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha)) + 1) / TUNED_AT
    scale = count[:, None] * rho2 + 1
    tail = _log_normal_cdf(math.sqrt(rho2) * sums / np.sqrt(scale))
    log_e = math.log(2) - 0.5 * np.log(scale) + rho2 * sums**2 / (2 * scale) + tail
    log_e[count < BURN_IN] = -math.inf
    return log_e


def _log_normal_cdf(z: Array) -> Array:
    from scipy.special import log_ndtr

    result: Array = log_ndtr(z)
    return result


def find_lower_bound(
    values: Array, kind: DataKind, alpha: float, span: tuple[float, float]
) -> float:
    """The lower confidence bound after all values: every mean below it has been rejected.

    ``span`` is where a mean can lie; its lower end is returned while nothing is rejected.
    """
    low, high = span
    if not len(values):
        return low
    grid = np.linspace(low, high, GRID)
    needed = math.log(1 / alpha)

    def is_rejected(means: Array) -> NDArray[np.bool_]:
        best: Array = log_e_above(values, means, kind, alpha).max(axis=0)
        return best >= needed

    rejected = is_rejected(grid)
    if rejected.all():
        return high
    first = int(np.argmin(rejected))
    if first == 0:
        return low
    inside, outside = grid[first - 1], grid[first]
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        if is_rejected(np.array([middle]))[0]:
            inside = middle
        else:
            outside = middle
    return float(inside)


def find_bounds(values: Array, kind: DataKind, alpha: float) -> Bounds:
    """The confidence sequence for the mean of values in [0, 1] (or unbounded ones)."""
    if kind == "unbounded":
        if len(values) < BURN_IN:
            return Bounds(-math.inf, math.inf)
        reach = 20 * (float(np.std(values)) + 1e-12)
        centre = float(np.mean(values))
        span, mirrored = (centre - reach, centre + reach), (-centre - reach, -centre + reach)
        return Bounds(
            find_lower_bound(values, kind, alpha, span),
            -find_lower_bound(-values, kind, alpha, mirrored),
        )
    return Bounds(
        find_lower_bound(values, kind, alpha, (0.0, 1.0)),
        1.0 - find_lower_bound(1.0 - values, kind, alpha, (0.0, 1.0)),
    )
