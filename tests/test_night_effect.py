"""Night effects: how they are measured, how often they are found, what follows from them."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sqlmodel import Session, col, select

from db.models import Night, SeedRun, Stream
from reports.local_results import read_experiments
from retest.conclusions import describe_stream
from retest.evidence import log_e_above
from retest.night_effect import (
    LEAST_NIGHTS,
    NIGHT_ALPHA,
    describe_nights,
    find_night_effect,
    measure_share,
)
from retest.nights import average_nights, group_by_night
from retest.outcomes import read_stream
from retest.results import conclude_stream, read_state, weigh_stream
from retest.streams import finish_seed, open_stream, start_seed
from tests.fake_experiment import FakeExperiment, fake, make_protocol, make_result

__all__ = ["fake"]

PROTOCOL = make_protocol()


def draw(share: float, nights: int, seeds: int, random: Any, sd: float = 0.08) -> Any:
    """Values in night order of which this share of the variance lies between nights."""
    between = random.normal(0, sd * math.sqrt(share), (nights, 1))
    within = random.normal(0, sd * math.sqrt(1 - share), (nights, seeds))
    return np.clip(0.6 + between + within, 0, 1).ravel()


def number(nights: int, seeds: int) -> Any:
    return np.repeat(np.arange(nights), seeds)


def share_found(share: float, seeds: int, streams: int, nights: int, seed: int = 0) -> float:
    random = np.random.default_rng(seed)
    labels = number(nights, seeds)
    found = [
        find_night_effect([draw(share, nights, seeds, random)], labels).is_found
        for _ in range(streams)
    ]
    return float(np.mean(found))


# --- Measuring ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[8] * 12, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [2] * 30])
def test_the_share_agrees_with_a_plain_analysis_of_variance(sizes: list[int]) -> None:
    random = np.random.default_rng(sum(sizes))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    values = random.normal(0, 1, len(sizes))[labels] + random.normal(0, 1, len(labels))
    share, p_value = measure_share(values, labels)
    groups = [values[labels == night] for night in range(len(sizes))]
    oracle = stats.f_oneway(*groups)
    assert p_value == pytest.approx(oracle.pvalue, rel=1e-9)
    size = (len(values) - sum(n**2 for n in sizes) / len(values)) / (len(sizes) - 1)
    assert share == pytest.approx((oracle.statistic - 1) / (oracle.statistic - 1 + size), rel=1e-9)
    assert share is not None and 0.2 < share < 0.8


def test_one_seed_a_night_tells_nothing() -> None:
    values = np.random.default_rng(0).uniform(size=40)
    effect = find_night_effect([values], np.arange(40))
    assert (effect.share, effect.is_found, effect.nights) == (None, False, 40)
    assert describe_nights(effect) == []


def test_fewer_than_ten_nights_tell_nothing() -> None:
    values = np.repeat(np.arange(9) / 10, 8)
    assert find_night_effect([values], number(9, 8)).share is None
    assert find_night_effect([], np.zeros(0, dtype=int)).nights == 0


def test_nights_that_are_all_they_differ_by_are_found_at_once() -> None:
    values = np.repeat(np.arange(LEAST_NIGHTS) / 10, 3)
    effect = find_night_effect([values], number(LEAST_NIGHTS, 3))
    assert (effect.share, effect.found_after) == (1.0, LEAST_NIGHTS)
    constant = find_night_effect([np.full(30, 0.7)], number(10, 3))
    assert (constant.share, constant.is_found) == (0.0, False)


def test_what_was_found_stays_found() -> None:
    """Later nights without an effect do not take it back: the early seeds still count."""
    random = np.random.default_rng(1)
    early, late = draw(0.6, 20, 8, random), draw(0.0, 300, 8, random)
    effect = find_night_effect([np.concatenate((early, late))], number(320, 8))
    assert effect.is_found and effect.share is not None and effect.share < 0.1


def test_any_estimand_will_do() -> None:
    random = np.random.default_rng(2)
    calm, moved = draw(0.0, 40, 8, random), draw(0.5, 40, 8, random)
    assert not find_night_effect([calm, calm], number(40, 8)).is_found
    assert find_night_effect([calm, moved], number(40, 8)).is_found


# --- How often ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [2, 8])
def test_streams_without_a_night_effect_are_rarely_taken_for_one(seeds: int) -> None:
    """Looked at for a year."""
    streams = 250
    errors = 3 * math.sqrt(NIGHT_ALPHA * (1 - NIGHT_ALPHA) / streams)
    assert share_found(0.0, seeds, streams, 365) <= NIGHT_ALPHA + errors


def test_the_share_alone_would_cry_wolf() -> None:
    """Why chance is asked too: with two seeds a night the bare share often exceeds .05."""
    random, labels = np.random.default_rng(3), number(10, 2)
    shares = [measure_share(draw(0.0, 10, 2, random), labels)[0] for _ in range(300)]
    assert np.mean([share is not None and share > 0.05 for share in shares]) > 0.3


@pytest.mark.parametrize(("share", "seeds", "nights"), [(0.2, 8, 40), (0.4, 8, 14), (0.4, 2, 160)])
def test_night_effects_are_found(share: float, seeds: int, nights: int) -> None:
    assert share_found(share, seeds, 60, nights) >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 4, 8])
def test_streams_without_a_night_effect_are_rarely_taken_for_one_at_length(seeds: int) -> None:
    errors = 3 * math.sqrt(NIGHT_ALPHA * (1 - NIGHT_ALPHA) / 2000)
    assert share_found(0.0, seeds, 2000, 365, seed=5) <= NIGHT_ALPHA + errors


# --- What follows ---------------------------------------------------------------------------------


def test_counting_nights_keeps_the_level_that_counting_seeds_loses() -> None:
    """A true mean at the end of the region, with half of the variance between nights."""
    random, nights = np.random.default_rng(4), 60
    needed = math.log(1 / 0.05)
    by_seed = by_night = 0
    for _ in range(150):
        values = draw(0.5, nights, 16, random, sd=0.1)
        by_seed += bool(log_e_above(values, np.array([0.6]), "bounded", 0.05).max() >= needed)
        means = average_nights(values, number(nights, 16))
        by_night += bool(log_e_above(means, np.array([0.6]), "bounded", 0.05).max() >= needed)
    assert by_seed / 150 > 0.12
    assert by_night / 150 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)


def test_the_unit_becomes_the_night() -> None:
    values = draw(0.5, 30, 8, np.random.default_rng(6))
    labels = number(30, 8)
    effect = find_night_effect([values], labels)
    assert effect.is_found
    state = weigh_stream(PROTOCOL, [values], labels, effect)
    means = average_nights(values, labels)
    assert means == pytest.approx(values.reshape(30, 8).mean(axis=1))
    alone = read_stream(PROTOCOL.estimands, [means], PROTOCOL.alpha)
    assert state.e_consistent == alone.e_consistent
    assert state.e_consistent < read_stream(PROTOCOL.estimands, [values], 0.05).e_consistent
    assert (state.estimands[0].n, alone.estimands[0].n) == (240, 30)


def test_night_means_of_binary_data_are_shares() -> None:
    protocol = make_protocol(
        estimands=(
            PROTOCOL.estimands[0].__class__(
                "rate", "a rate", "share", "binary", (0.0, 1.0), 0.5, None, 0.05
            ),
        )
    )
    values = np.repeat([1.0, 0.0, 1.0, 1.0, 1.0] * 4, 5)
    effect = find_night_effect([values], number(20, 5))
    assert effect.is_found
    state = weigh_stream(protocol, [values], number(20, 5), effect)
    assert state.seeds_to_go is None or state.seeds_to_go % 5 == 0


# --- In the ledger --------------------------------------------------------------------------------


def run_nights(session: Session, stream: Stream, nights: Any) -> None:
    for values in nights:
        night = Night(profile="nightly", budget_s=1.0)
        session.add(night)
        session.commit()
        for value in values:
            started = start_seed(session, stream, PROTOCOL, "here:1:1", night.id)
            finish_seed(session, started, PROTOCOL, make_result(float(value)), 1.0)


def test_seeds_are_grouped_by_night_and_by_day(session: Session, fake: FakeExperiment) -> None:
    stream = open_stream(session, PROTOCOL, "nightly", "cpu", {})
    run_nights(session, stream, [[0.5, 0.6], [0.7]])
    for value in (0.8, 0.9):  # by hand, in no night
        started = start_seed(session, stream, PROTOCOL, "here:1:1", None)
        finish_seed(session, started, PROTOCOL, make_result(value), 1.0)
    runs = session.exec(select(SeedRun).order_by(col(SeedRun.seed_index))).all()
    assert group_by_night(runs).tolist() == [0, 0, 1, 2, 2]
    assert group_by_night([]).tolist() == []


def test_what_was_latched_on_seeds_is_taken_back(session: Session, fake: FakeExperiment) -> None:
    stream = open_stream(session, PROTOCOL, "nightly", "cpu", {})
    lucky, others = [[0.85] * 12], [[mean] * 12 for mean in (0.1, 0.9, 0.5) * 4]
    run_nights(session, stream, lucky)
    assert conclude_stream(session, stream, PROTOCOL) == "CONSISTENT"
    assert (
        "decided within 1 of the 10 nights"
        in describe_stream(session, stream, PROTOCOL)["notes"][0]
    )
    run_nights(session, stream, others)
    assert conclude_stream(session, stream, PROTOCOL) == "UNDECIDED"
    stored = session.get_one(Stream, stream.id)
    assert (stored.latched_outcome, stored.latched_at) == (None, None)


def test_the_whole_rule_errs_less_than_counting_seeds() -> None:
    """Looks at a true mean on the end of the region, a fifth of the variance between nights."""
    random, labels = np.random.default_rng(9), number(200, 8)
    needed, by_seed, by_rule = math.log(1 / 0.05), 0, 0
    for _ in range(300):
        values = draw(0.2, 200, 8, random, sd=0.1)
        seeds = log_e_above(values, np.array([0.6]), "bounded", 0.05)[7::8, 0]
        means = log_e_above(average_nights(values, labels), np.array([0.6]), "bounded", 0.05)
        effect = find_night_effect([values], labels)
        early = seeds[: effect.found_after]
        by_seed += bool(seeds.max() >= needed)
        by_rule += bool(early.max() >= needed or (effect.is_found and means.max() >= needed))
    assert by_seed / 300 > 0.1
    assert by_rule < 0.6 * by_seed
    assert by_rule / 300 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


def test_a_night_effect_is_said_wherever_the_stream_is_read(
    session: Session, fake: FakeExperiment
) -> None:
    stream = open_stream(session, PROTOCOL, "nightly", "cpu", {})
    run_nights(session, stream, draw(0.8, 12, 3, np.random.default_rng(7)).reshape(12, 3))
    result = read_state(session, stream, PROTOCOL)
    assert (result.unit, result.units, len(result.seeds)) == ("night", 12, 36)
    described = describe_stream(session, stream, PROTOCOL)
    assert described["night_effect"]["found"] is True
    assert described["n"] == 36
    (note,) = [note for note in described["notes"] if note.startswith("night effect")]
    assert "n = 12 night means" in note
    (printed,) = read_experiments({"experiments": [described]})
    assert printed.seeds == "36 seeds, counted as 12 night means"
    assert note in printed.notes
