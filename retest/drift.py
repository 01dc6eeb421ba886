"""Whether the mean of a stream has moved since its first nights.

A Shiryaev-Roberts e-detector on night means (as of Shin, Ramdas and Rinaldo, arXiv
2203.03532): R_t = (R_{t-1} + 1)(1 + lambda (y_t - m)), alarm at R >= 365, so that false alarms
lie a year of nights apart on average, or more. Decides from which night on a stream is
no longer one experiment. A second line only: a canary sees a change of environment in the
same night, this takes weeks. Knows nothing of the claim.

The baseline is the mean of the first twenty nights; a mean within ``TOLERATED`` of it (a
share of the data's range), or within three standard errors of the baseline, is none of
its business. Night means are rescaled to a window around the baseline, four standard
deviations (or four times what is tolerated) to each side, where bets are worth more than on
the whole range; the few beyond it are cut off.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retest.nights import Array, Groups, average_nights
from retest.protocol import Estimand

BASELINE_NIGHTS = 20
ALARM = 365.0  # nights between false alarms, at least
TOLERATED = 0.02  # of the range of bounded data
ERRORS = 3.0  # standard errors of the baseline that are tolerated too
WINDOW = 4.0  # standard deviations of night means (or tolerances), on each side
STAKE = 0.75  # of the capital that one night may put at risk


@dataclass(frozen=True)
class Drift:
    """An alarm: at which night it was raised, where the mean began to move, and how far.

    Nights are counted from 1 within the stream; ``before`` and ``after`` are the means of
    the nights before ``since`` and from it to the alarm, in the estimand's unit.
    """

    estimand: str
    raised_at: int
    since: int
    before: float
    after: float


def find_drift(
    estimands: Sequence[Estimand], columns: Sequence[Array], nights: Groups
) -> tuple[Drift, ...]:
    """The first alarm of each estimand; ``columns[i]`` are its seeds, shape (seeds,).

    The alarm level is raised by the number of estimands, so that it holds for the stream.
    """
    alarms = []
    for estimand, column in zip(estimands, columns, strict=True):
        means = average_nights(column, nights) if nights.size else np.zeros(0)
        alarm = _find_alarm(means, measure_range(estimand), ALARM * len(columns))
        if alarm is not None:
            since = _find_step(means[: alarm + 1])
            before, after = means[:since].mean(), means[since : alarm + 1].mean()
            alarms.append(Drift(estimand.name, alarm + 1, since + 1, float(before), float(after)))
    return tuple(alarms)


def measure_range(estimand: Estimand) -> float:
    """How far apart two seeds can be; 0 for unbounded data, which have no such scale."""
    if estimand.kind == "unbounded" or estimand.bounds is None:
        return 0.0
    return estimand.bounds[1] - estimand.bounds[0]


def detect(means: Array, width: float) -> tuple[Array, Array]:
    """Log detectors of a rise and of a fall after the baseline.

    ``means`` has shape (nights, streams), more than ``BASELINE_NIGHTS`` nights; ``width``
    is the range of the data. Returns log R of the two, each of shape (nights - 20, streams).
    """
    first, later = means[:BASELINE_NIGHTS], means[BASELINE_NIGHTS:]
    centre, spread = first.mean(axis=0), first.std(axis=0, ddof=1)
    tolerated = np.maximum(TOLERATED * width, ERRORS * spread / math.sqrt(BASELINE_NIGHTS))
    reach = WINDOW * np.maximum(spread, tolerated)
    can_tell = reach > 1e-9 * np.maximum(np.abs(centre), 1.0)  # no more than rounding otherwise
    safe = np.where(can_tell, reach, 1.0)
    level = 0.5 + tolerated / (2 * safe)  # the highest mean, within the window, that is none
    placed = np.clip(0.5 + (later - centre) / (2 * safe), 0.0, 1.0)
    rise, fall = (
        _sum_starts(np.log1p(STAKE / level * (side - level))) for side in (placed, 1.0 - placed)
    )
    rise[:, ~can_tell] = fall[:, ~can_tell] = -math.inf
    return rise, fall


def _sum_starts(factors: Array) -> Array:
    """log R_t; R is the sum, over all starts, of the products of the factors since then.

    With S the running sum of the logs, R_t = exp(S_t) (exp(-S_0) + ... + exp(-S_{t-1})),
    which is R_t = (R_{t-1} + 1) exp(S_t - S_{t-1}).
    """
    sums = np.cumsum(factors, axis=0)
    before = np.concatenate((np.zeros_like(sums[:1]), sums[:-1]))
    detector: Array = sums + np.logaddexp.accumulate(-before, axis=0)
    return detector


def _find_alarm(means: Array, width: float, alarm: float) -> int | None:
    """The night, counted from 0, at which the alarm is first raised; None while it is not."""
    if len(means) <= BASELINE_NIGHTS:
        return None
    rise, fall = detect(means[:, None], width)
    both = np.logaddexp(rise, fall)[:, 0] - math.log(2)  # their mean is a detector too
    raised = np.flatnonzero(both >= math.log(alarm))
    return BASELINE_NIGHTS + int(raised[0]) if raised.size else None


def _find_step(means: Array) -> int:
    """The first night after the step that fits best (least squares), past the baseline."""
    count = np.arange(1, len(means), dtype=np.float64)
    sums = np.cumsum(means)
    left, right = sums[:-1] / count, (sums[-1] - sums[:-1]) / (len(means) - count)
    gain = count * (len(means) - count) * (left - right) ** 2
    return BASELINE_NIGHTS + int(np.argmax(gain[BASELINE_NIGHTS - 1 :]))
