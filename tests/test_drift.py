"""Drift: false alarms, delays, where it began, and what a stream that drifts says."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from sqlmodel import Session

from db.models import Stream
from retest.conclusions import count_drifts, describe_stream
from retest.drift import ALARM, BASELINE_NIGHTS, detect, find_drift
from retest.results import conclude_stream, read_state
from retest.streams import open_stream
from tests.fake_experiment import FakeExperiment, fake, make_protocol
from tests.test_night_effect import run_nights

__all__ = ["fake"]

PROTOCOL = make_protocol()
RATE = PROTOCOL.estimands[0]


def draw(mean: float, sd: float, size: Any, random: Any) -> Any:
    """Beta values of this mean and sd, in [0, 1]."""
    weight = mean * (1 - mean) / sd**2 - 1
    return random.beta(mean * weight, (1 - mean) * weight, size)


def night_means(nights: int, streams: int, seeds: int, **more: Any) -> Any:
    """Shape (nights, streams); from night ``at`` on the mean is moved by ``shift``."""
    random = np.random.default_rng(more.get("seed", 20261124))
    sd, at, shift = more.get("sd", 0.08), more.get("at", nights), more.get("shift", 0.0)
    before = draw(0.6, sd, (at, streams, seeds), random)
    after = draw(0.6 + shift, sd, (nights - at, streams, seeds), random)
    return np.concatenate((before, after)).mean(axis=2)


def find_alarms(means: Any, width: float = 1.0) -> Any:
    """Whether each stream is in alarm after each night that follows the baseline."""
    rise, fall = detect(means, width)
    return np.logaddexp(rise, fall) - math.log(2) >= math.log(ALARM)


# --- The detector ---------------------------------------------------------------------------------


def test_the_detector_is_the_recursion_that_it_stands_for() -> None:
    means = night_means(60, 1, 4, at=40, shift=0.1)
    rise, _ = detect(means, 1.0)
    first = means[:BASELINE_NIGHTS, 0]
    spread = first.std(ddof=1)
    tolerated = max(0.02, 3 * spread / math.sqrt(BASELINE_NIGHTS))
    reach = 4 * max(spread, tolerated)
    limit = 0.5 + tolerated / (2 * reach)
    level, expected = 0.0, []
    for mean in means[BASELINE_NIGHTS:, 0]:
        placed = min(max(0.5 + (mean - first.mean()) / (2 * reach), 0.0), 1.0)
        level = (level + 1) * (1 + 0.75 / limit * (placed - limit))
        expected.append(math.log(level))
    assert rise[:, 0] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_rise_and_fall_mirror_each_other() -> None:
    means = night_means(80, 3, 4, at=40, shift=0.1)
    rise, fall = detect(means, 1.0)
    mirrored_rise, mirrored_fall = detect(1 - means, 1.0)
    assert rise == pytest.approx(mirrored_fall, abs=1e-9)
    assert fall == pytest.approx(mirrored_rise, abs=1e-9)


@pytest.mark.parametrize(("seeds", "sd"), [(1, 0.08), (2, 0.2), (8, 0.03), (8, 0.08), (8, 0.2)])
def test_false_alarms_are_rare_in_a_year(seeds: int, sd: float) -> None:
    assert find_alarms(night_means(365, 600, seeds, sd=sd)).any(axis=0).mean() <= 0.03


def test_false_alarms_are_rare_for_other_kinds_of_data() -> None:
    random = np.random.default_rng(1)
    binary = (random.uniform(size=(365, 600, 4)) < 0.6).mean(axis=2)
    assert find_alarms(binary).any(axis=0).mean() <= 0.03
    for unbounded in (random.normal(0, 1, (365, 600)), random.standard_t(3, (365, 600))):
        assert find_alarms(unbounded, width=0.0).any(axis=0).mean() <= 0.03


@pytest.mark.slow
def test_false_alarms_are_rare_in_three_years() -> None:
    for seeds in (1, 2, 8):
        means = night_means(1095, 1000, seeds, seed=3)
        assert find_alarms(means).any(axis=0).mean() <= 0.04


@pytest.mark.parametrize(("shift", "median", "ninety"), [(0.05, 40, 60), (0.10, 16, 22)])
def test_a_shift_is_seen_within_weeks(shift: float, median: int, ninety: int) -> None:
    """Eight seeds a night of sd .08; after 100 nights."""
    for signed in (shift, -shift):
        alarms = find_alarms(night_means(260, 300, 8, at=100, shift=signed))
        before, after = np.split(alarms, [100 - BASELINE_NIGHTS])
        assert before.any(axis=0).mean() <= 0.02
        delay = np.where(after.any(axis=0), after.argmax(axis=0) + 1, 999)
        assert np.median(delay) <= median
        assert np.quantile(delay, 0.9) <= ninety


def test_a_shift_smaller_than_what_is_tolerated_is_left_alone() -> None:
    alarms = find_alarms(night_means(400, 200, 8, at=60, shift=0.01))
    assert alarms.any(axis=0).mean() <= 0.05


# --- Of a stream ----------------------------------------------------------------------------------


def columns_of(means: Any) -> tuple[list[Any], Any]:
    return [means[:, 0]], np.arange(len(means))


def test_an_alarm_says_when_the_mean_began_to_move_and_how_far() -> None:
    means = night_means(160, 1, 8, at=100, shift=-0.1)
    (drift,) = find_drift([RATE], *columns_of(means))
    assert drift.estimand == "rate"
    assert abs(drift.since - 101) <= 3 and 103 <= drift.raised_at <= 125
    assert drift.before == pytest.approx(0.6, abs=0.02)
    assert drift.after == pytest.approx(0.5, abs=0.03)
    later = find_drift([RATE], *columns_of(np.concatenate((means, np.full((90, 1), 0.6)))))
    assert later == (drift,), "an alarm stays what it was"


def test_the_unit_of_the_data_does_not_matter() -> None:
    means = night_means(160, 1, 8, at=100, shift=0.1)
    wide = dataclasses.replace(RATE, bounds=(-10.0, 10.0))
    (plain,) = find_drift([RATE], *columns_of(means))
    (scaled,) = find_drift([wide], *columns_of(means * 20 - 10))
    assert (scaled.since, scaled.raised_at) == (plain.since, plain.raised_at)
    assert scaled.after == pytest.approx(plain.after * 20 - 10)


def test_more_estimands_raise_the_alarm_level() -> None:
    means = night_means(200, 1, 8, at=100, shift=0.05)
    columns, nights = columns_of(means)
    calm = night_means(200, 1, 8, seed=9)[:, 0]
    (alone,) = find_drift([RATE], columns, nights)
    (among,) = find_drift([RATE] * 4, [*columns, calm, calm, calm], nights)
    assert among.raised_at >= alone.raised_at


@pytest.mark.parametrize("nights", [0, 1, BASELINE_NIGHTS])
def test_the_baseline_raises_no_alarm(nights: int) -> None:
    values = np.linspace(0, 1, nights)
    assert find_drift([RATE], [values], np.arange(nights)) == ()


def test_constant_data_are_no_drift_and_a_step_of_them_is() -> None:
    unbounded = dataclasses.replace(RATE, kind="unbounded", bounds=None)
    for estimand in (RATE, unbounded):
        assert find_drift([estimand], *columns_of(np.full((800, 1), 0.7))) == ()
    step = np.concatenate((np.full((30, 1), 1.0), np.full((30, 1), 0.9)))
    assert find_drift([RATE], *columns_of(step))[0].since == 31


def drifting_nights(mean_after: float) -> Any:
    random = np.random.default_rng(5)
    return [[0.8 + random.normal(0, 0.01)] for _ in range(30)] + [
        [mean_after + random.normal(0, 0.01)] for _ in range(30)
    ]


@pytest.fixture
def stream(session: Session, fake: FakeExperiment) -> Stream:
    return open_stream(session, PROTOCOL, "nightly", "cpu", {})


def test_a_stream_that_drifts_is_invalid_and_says_since_when(
    session: Session, stream: Stream
) -> None:
    run_nights(session, stream, drifting_nights(0.7))
    result = read_state(session, stream, PROTOCOL)
    assert (result.outcome, result.state.outcome) == ("INVALID", "CONSISTENT")
    assert "rate drifts: its mean went from 0.798 to 0.695 since night 31" in result.reasons[0]
    assert conclude_stream(session, stream, PROTOCOL) == "INVALID"
    described = describe_stream(session, stream, PROTOCOL)
    assert described["drift"][0]["since"] == 31
    assert described["strength"] == "none"
    assert count_drifts({"experiments": [described, {"drift": []}, {}]}) == 1
    assert any("drifts" in note for note in described["notes"])


def test_a_stream_that_stays_concludes(session: Session, stream: Stream) -> None:
    run_nights(session, stream, drifting_nights(0.8))
    result = read_state(session, stream, PROTOCOL)
    assert (result.outcome, result.drifts) == ("CONSISTENT", ())
