"""How the interval of each estimand tightened, seed by seed: what a figure shows of a stream.

Decides at how many seeds the evidence is read again. The last point is what the stream says
now; where the unit is the night, the points are read from night means too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retest.finished_seeds import FinishedSeed
from retest.night_effect import NightEffect
from retest.nights import group_by_night
from retest.protocol import Protocol
from retest.results import weigh_stream

MOST_POINTS = 80


@dataclass(frozen=True)
class Trace:
    """One estimand over the seeds; bounds at each number of seeds in ``counts``, in its unit."""

    estimand: str
    values: tuple[float, ...]  # one a seed, in seed order
    counts: tuple[int, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]


def trace_intervals(
    protocol: Protocol, runs: Sequence[FinishedSeed], effect: NightEffect
) -> tuple[Trace, ...]:
    """The best bounds so far after 1, 2, ... seeds, at most eighty times.

    ``runs`` are the seeds that count, in seed order; ``effect`` says whether nights differ.
    """
    columns = [
        np.array([run.estimates[estimand.name] for run in runs], dtype=np.float64)
        for estimand in protocol.estimands
    ]
    nights = group_by_night(runs)
    counts = choose_counts(len(runs))
    states = []
    for n in counts:
        first = np.unique(nights[:n], return_inverse=True)[1]  # nights so far, without a gap
        states.append(weigh_stream(protocol, [column[:n] for column in columns], first, effect))
    return tuple(
        Trace(
            estimand=estimand.name,
            values=tuple(float(value) for value in column),
            counts=counts,
            lows=tuple(state.estimands[i].low for state in states),
            highs=tuple(state.estimands[i].high for state in states),
        )
        for i, (estimand, column) in enumerate(zip(protocol.estimands, columns, strict=True))
    )


def choose_counts(seeds: int) -> tuple[int, ...]:
    """Every number of seeds, or eighty of them spread evenly over the logarithm and the line."""
    if seeds <= MOST_POINTS:
        return tuple(range(1, seeds + 1))
    half = MOST_POINTS // 2
    even = np.linspace(1, seeds, half)
    early = np.geomspace(1, seeds, half)
    return tuple(int(n) for n in np.unique(np.round(np.concatenate((even, early))).astype(int)))
