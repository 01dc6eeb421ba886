"""The ledger replayed: the same bytes whatever ended first, and after a kill at any point."""

import json
import multiprocessing
import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlmodel import Session, col, select

from db.engine import open_database, open_session
from db.models import CanaryRun, Night, SeedRun, Stream
from retest.canaries import record_canary
from retest.conclusions import describe_stream
from retest.finished_seeds import read_evidence
from retest.results import conclude_stream, read_state
from retest.streams import (
    censor_seed,
    fail_seed,
    finish_seed,
    open_stream,
    release_lost_seeds,
    start_seed,
)
from retest.workers import name_worker
from tests.fake_experiment import FakeExperiment, fake, make_protocol, make_result

__all__ = ["fake"]

PROTOCOL = make_protocol()
HERE = "here:1:1"


def describe(session: Session, stream: Stream) -> bytes:
    """All that is said of a stream, but for its own number."""
    session.expire_all()
    detail = describe_stream(session, stream, PROTOCOL)
    detail["run_set"] = detail["run_set"].split(",", 1)[1]
    del detail["environment"]
    return json.dumps(detail, sort_keys=True, allow_nan=False).encode()


def add_nights(session: Session, count: int) -> list[int]:
    nights = [Night(profile="nightly", budget_s=1.0) for _ in range(count)]
    session.add_all(nights)
    session.commit()
    return [night.id or 0 for night in nights]


def run_in_order(
    session: Session, name: str, values: list[float], order: list[int], nights: list[int]
) -> Stream:
    """A stream whose seeds are started in turn, two a night, and end in another order."""
    stream = open_stream(session, PROTOCOL, "nightly", name, {})
    started = [
        start_seed(session, stream, PROTOCOL, HERE, nights[j // 2]) for j in range(len(values))
    ]
    for index in order:
        finish_seed(session, started[index], PROTOCOL, make_result(values[index]), 1.0)
    return stream


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_which_seed_ended_first_changes_no_byte(
    session: Session, fake: FakeExperiment, data: Any
) -> None:
    values = data.draw(st.lists(st.floats(0, 1), min_size=1, max_size=12))
    order = data.draw(st.permutations(range(len(values))))
    nights = add_nights(session, 6)
    number = len(session.exec(select(Stream.id)).all())
    plain = run_in_order(session, f"a{number}", values, list(range(len(values))), nights)
    mixed = run_in_order(session, f"b{number}", values, order, nights)
    assert describe(session, plain) == describe(session, mixed)


def test_the_order_of_the_seeds_themselves_is_part_of_the_evidence(
    session: Session, fake: FakeExperiment
) -> None:
    """Bets are placed in seed order: the same values in another order are another stream."""
    values, nights = [0.9, 0.9, 0.1, 0.8, 0.7], add_nights(session, 3)
    plain = run_in_order(session, "a", values, list(range(5)), nights)
    turned = run_in_order(session, "b", values[::-1], list(range(5)), nights)
    assert describe(session, plain) != describe(session, turned)


def test_reading_changes_nothing(session: Session, fake: FakeExperiment) -> None:
    stream = run_in_order(session, "a", [0.8] * 12, list(range(12)), add_nights(session, 6))
    first = describe(session, stream)
    assert conclude_stream(session, stream, PROTOCOL) == "CONSISTENT"
    latched_at = stream.latched_at
    assert conclude_stream(session, stream, PROTOCOL) == "CONSISTENT"
    assert describe(session, stream) == first
    assert stream.latched_at == latched_at


def test_retried_and_censored_seeds_are_counted_as_what_they_are(
    session: Session, fake: FakeExperiment
) -> None:
    """The whole way: finished, crashed and retried, out of time."""
    stream = open_stream(session, PROTOCOL, "nightly", "cpu", {})
    night, next_night = add_nights(session, 2)
    first, second, third = (start_seed(session, stream, PROTOCOL, HERE, night) for _ in range(3))
    finish_seed(session, third, PROTOCOL, make_result(0.3), 1.0)
    fail_seed(session, first, "RuntimeError: no", 1.0)
    censor_seed(session, second, 120.0)
    assert read_evidence(session, stream) == []
    again = start_seed(session, stream, PROTOCOL, HERE, next_night)
    finish_seed(session, again, PROTOCOL, make_result(0.1), 1.0)
    result = read_state(session, stream, PROTOCOL)
    assert [run.value for run in read_evidence(session, stream)] == [0.1, 0.3]
    assert (result.seeds, result.censored, result.lost) == ((0, 2), 1, 0)
    assert result.outcome == "INVALID", "one seed in three ran out of time"


# --- Killed at every commit -----------------------------------------------------------------------


def work(url: str, worker: str, upto: int) -> None:
    """A night in small: canary, seeds until there are enough, the outcome."""
    engine = open_database(url)
    with open_session(engine) as session:
        stream = open_stream(session, PROTOCOL, "nightly", "cpu", {})
        record_canary(session, stream, {"loss": 1.5}, {}, None)
        while len(read_evidence(session, stream)) < upto:
            started = start_seed(session, stream, PROTOCOL, worker, None)
            finish_seed(session, started, PROTOCOL, make_result(started.index / 100), 1.0)
        conclude_stream(session, stream, PROTOCOL)
    engine.dispose()


def work_and_die(url: str, commits: int, *, after: bool) -> None:
    """Kill this process, without a word, at (or right after) its n-th commit."""
    left = commits

    def count(_: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Session, "after_commit" if after else "before_commit", count)
    work(url, name_worker(), 4)
    os._exit(0)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_at_any_commit_loses_at_most_the_seed_in_flight(
    tmp_path: Path, fake: FakeExperiment, after: bool
) -> None:
    context = multiprocessing.get_context("fork")
    killed = 0
    for commits in range(40):
        url = f"sqlite:///{tmp_path / f'{after}{commits}.db'}"
        open_database(url).dispose()
        process = context.Process(target=work_and_die, args=(url, commits), kwargs={"after": after})
        process.start()
        process.join(30)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        killed += 1
        check_what_is_left(url)
        work(url, HERE, 6)
        check_the_whole(url)
    assert killed >= 10, "a batch commits at least twice a seed"


def check_what_is_left(url: str) -> None:
    engine = open_database(url)
    with open_session(engine) as session:
        runs = session.exec(select(SeedRun).order_by(col(SeedRun.seed_index))).all()
        open_ones = [run for run in runs if run.status == "started"]
        assert len(open_ones) <= 1
        assert all(run.value == run.seed_index / 100 for run in runs if run not in open_ones)
        for stream in session.exec(select(Stream)).all():
            assert release_lost_seeds(session, stream, timedelta(hours=1)) == len(open_ones)
    engine.dispose()


def check_the_whole(url: str) -> None:
    """Six seeds, each once and under its own number; one reference canary."""
    engine = open_database(url)
    with open_session(engine) as session:
        runs = session.exec(select(SeedRun).order_by(col(SeedRun.seed_index))).all()
        assert [(run.seed_index, run.status, run.value) for run in runs] == [
            (j, "finished", j / 100) for j in range(6)
        ]
        assert len(session.exec(select(Stream)).all()) == 1
        canaries = session.exec(select(CanaryRun)).all()
        assert sum(canary.is_reference for canary in canaries) == 1
        assert all(canary.is_ok for canary in canaries)
    engine.dispose()
