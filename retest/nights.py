"""Which seeds ran in one night, and the mean of each night.

Decides how seeds are grouped: by the night that ran them, and by the day (UTC) on which
they were started where a person ran them by hand. Nights lie in the order in which they
began. Knows nothing of evidence.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Groups = NDArray[np.int_]


class DatedRun(Protocol):
    """A seed with the night that ran it, if one did, and the moment it was started."""

    @property
    def night_id(self) -> int | None: ...

    @property
    def started_at(self) -> datetime: ...


def group_by_night(runs: Sequence[DatedRun]) -> Groups:
    """The number of the night, 0, 1, ..., of each run; shape (seeds,)."""
    keys = [_name_night(run) for run in runs]
    began: dict[str, float] = {}
    for key, run in zip(keys, runs, strict=True):
        began[key] = min(began.get(key, float("inf")), run.started_at.timestamp())
    ordered = sorted(began, key=lambda key: (began[key], key))
    position = {key: number for number, key in enumerate(ordered)}
    return np.array([position[key] for key in keys], dtype=np.int_)


def average_nights(values: Array, nights: Groups) -> Array:
    """The mean of each night's seeds, in the order of the nights; shape (nights,)."""
    count = np.bincount(nights)
    means: Array = np.bincount(nights, weights=values) / count
    return means


def _name_night(run: DatedRun) -> str:
    if run.night_id is not None:
        return f"night {run.night_id:012d}"
    return f"day {run.started_at.date().isoformat()}"
