"""Whether the seeds of one night resemble each other more than seeds of different nights.

If they do, something that changes from night to night moves the result, seeds are no
longer independent, and evidence counted by the seed is too sure of itself: the unit must
be the night's mean. Decides when that is so. Knows nothing of the claim.

Two things must hold: the between-night share of the variance (one-way analysis of
variance) exceeds .05 after at least ten nights, and chance is an unlikely reason. The
share alone exceeds .05 in two of five streams of two seeds a night that have no night
effect at all. The F test is made when a stream has 10, 14, 20, 28, 40, ... nights, the
j-th look at level alpha / (j (j + 1)), so that looking for ever costs alpha in all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retest.nights import Array, Groups

LEAST_NIGHTS = 10
LARGEST_SHARE = 0.05
NIGHT_ALPHA = 0.05  # share of streams without a night effect that are ever taken for one


@dataclass(frozen=True)
class NightEffect:
    """What the nights of a stream have in common.

    ``share`` is the between-night share of the variance at present, the largest over the
    estimands (None: no night has two seeds, or there are fewer than ten nights);
    ``found_after`` is the number of nights at which it was found, None if it was not.
    """

    nights: int
    share: float | None
    found_after: int | None

    @property
    def is_found(self) -> bool:
        """Whether the unit of this stream is the night."""
        return self.found_after is not None


def find_night_effect(columns: Sequence[Array], nights: Groups) -> NightEffect:
    """Look for a night effect in any estimand; ``columns[i]`` has shape (seeds,)."""
    count = int(nights.max()) + 1 if nights.size else 0
    shares = [measure_share(column, nights)[0] for column in columns]
    known = [share for share in shares if share is not None]
    if count < LEAST_NIGHTS or not known:
        return NightEffect(count, None, None)
    found = None
    for look, first in enumerate(_list_looks(count), start=1):
        alpha = NIGHT_ALPHA / (look * (look + 1)) / len(columns)
        early = nights < first
        if any(_differs(column[early], nights[early], alpha) for column in columns):
            found = first
            break
    return NightEffect(count, max(known), found)


def describe_nights(effect: NightEffect, *, is_decided: bool = False) -> list[str]:
    """What a reader should know about the nights of a stream; nothing where all is well."""
    if is_decided and effect.nights < LEAST_NIGHTS:
        return [
            f"decided within {effect.nights} of the {LEAST_NIGHTS} nights that it takes to tell "
            "whether nights differ"
        ]
    if effect.share is None or not (effect.is_found or effect.share > LARGEST_SHARE):
        return []
    share = f"{effect.share:.2f} of the variance lies between nights"
    if effect.found_after is None:
        return [f"{share} ({effect.nights} nights), within chance: the unit stays the seed"]
    return [
        f"night effect: {share} ({effect.nights} nights; found after {effect.found_after}), so the "
        f"unit is the night's mean and n = {effect.nights} night means"
    ]


def measure_share(values: Array, nights: Groups) -> tuple[float | None, float]:
    """The between-night share of the variance, and the p-value of the F test that it is 0.

    One-way analysis of variance with nights of unequal size; (None, 1) where no night has
    two seeds, or there is one night only.
    """
    sizes = np.bincount(nights).astype(np.float64) if nights.size else np.zeros(0)
    groups, total = len(sizes), len(values)
    if groups < 2 or total <= groups:
        return None, 1.0
    means = np.bincount(nights, weights=values) / sizes
    between = float(np.sum(sizes * (means - values.mean()) ** 2)) / (groups - 1)
    within = float(np.sum((values - means[nights]) ** 2)) / (total - groups)
    if between <= within or math.isclose(between, 0.0, abs_tol=1e-24):
        return 0.0, 1.0
    size = (total - float(np.sum(sizes**2)) / total) / (groups - 1)
    share = (between - within) / (between + (size - 1) * within)
    return share, _tail_of_f(between, within, groups - 1, total - groups)


def _differs(values: Array, nights: Groups, alpha: float) -> bool:
    share, p_value = measure_share(values, nights)
    return share is not None and share > LARGEST_SHARE and p_value <= alpha


def _tail_of_f(between: float, within: float, above: int, below: int) -> float:
    from scipy.special import fdtrc

    return 0.0 if within == 0.0 else float(fdtrc(above, below, between / within))


def _list_looks(nights: int) -> list[int]:
    """The numbers of nights, up to this one, at which is looked: each 1.41 times the last."""
    steps = max(0, math.floor(2 * math.log2(max(nights, 1) / LEAST_NIGHTS) + 1e-9))
    looks = [round(LEAST_NIGHTS * 2 ** (step / 2)) for step in range(steps + 2)]
    return [look for look in looks if look <= nights]
