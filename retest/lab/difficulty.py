"""Difficulty bins: problems in order of how often a model solves them, cut into equal parts.

Decides which bin a problem is in, from samples that serve nothing else: bins made from the very
samples that are then scored would hold their luck too (regression to the mean). Bin 1 is the
easiest. Knows nothing of models.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Bins = NDArray[np.int64]
EVERY = "all"


def sort_into_bins(
    solved: NDArray[np.floating], lengths: NDArray[np.integer], bins: int = 5
) -> Bins:
    """The bin 1 .. ``bins`` of each problem, by its share of right samples [n].

    Sizes differ by one at most. Ties are common at 0 and at 1: the longer problem counts as
    the harder, and then the later one.
    """
    order = np.lexsort((np.arange(len(solved)), lengths, -solved))
    found = np.empty(len(solved), dtype=np.int64)
    found[order] = np.arange(len(solved)) * bins // len(solved) + 1
    return found


def average_by_bin(values: NDArray[np.generic], found: Bins) -> dict[str, float]:
    """Mean of all values [n], and of each bin: {"all": ..., "bin_1": ..., ...}."""
    means = {EVERY: float(values.mean())}
    for place in range(1, int(found.max()) + 1):
        means[f"bin_{place}"] = float(values[found == place].mean())
    return means


def average_bins(means: dict[str, float], places: Sequence[int]) -> float:
    """The mean of the means of some bins."""
    return sum(means[f"bin_{place}"] for place in places) / len(places)
