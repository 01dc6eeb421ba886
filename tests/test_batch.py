"""Batches: real worker processes that finish, fail, hang, are killed, and lose their parent."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlmodel import col, func, select

from db.columns import stored_id, utc_now
from db.engine import open_database, open_session
from db.errors import UsageError
from db.models import CanaryRun, Night, SeedRun, Stream
from retest import batch as batches
from retest import recording
from retest.batch import BatchPlan, BatchSummary, run_batch
from retest.executors.local import LocalExecutor
from retest.executors.worker import Unit, UnitOutcome
from retest.protocol import Profile
from tests.fake_experiment import FakeExperiment, fake, make_protocol, make_result
from tests.inline_executor import InlineExecutor, inline

__all__ = ["fake", "inline"]

ROOT = Path(__file__).parent.parent


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'library.db'}"


@pytest.fixture
def light(fake: FakeExperiment) -> Iterator[FakeExperiment]:
    """The fake experiment with workers that do not load torch."""
    had_torch = "torch" in sys.modules
    fake.stand_in_for_torch()
    yield fake
    assert had_torch or "torch" not in sys.modules, "the stand-in is for worker processes alone"


def run(url: str, *, seeds: int | None = None, budget_s: float = 60.0, **more: Any) -> BatchSummary:
    report = more.pop("report", lambda line: None)
    plan = BatchPlan(
        profile=more.pop("profile", "nightly"), budget_s=budget_s, jobs=more.pop("jobs", 2),
        device="cpu", seeds=seeds, **more,
    )  # fmt: skip
    return run_batch(url, ["e01"], plan, report)


def rows(url: str) -> list[tuple[int, str, int, str | None]]:
    engine = open_database(url)
    with open_session(engine) as session:
        found = session.exec(select(SeedRun).order_by(col(SeedRun.seed_index))).all()
        return [(row.seed_index, row.status, row.attempt, row.error) for row in found]


def count(url: str, table: Any) -> int:
    with open_session(open_database(url)) as session:
        return session.exec(select(func.count()).select_from(table)).one()


def wait_until(holds: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


# --- With real worker processes -------------------------------------------------------------------


def test_a_batch_runs_canary_and_seeds(url: str, fake: FakeExperiment) -> None:
    summary = run(url, seeds=2)
    (row,) = summary.experiments
    assert (row.seeds_run, row.failed, row.censored, row.canary_ok) == (2, 0, 0, True)
    assert (row.outcome, row.skipped, summary.not_checked) == ("UNDECIDED", None, ())
    assert sorted(fake.tried()) == [0, 1]
    assert os.getpid() not in fake.pids()
    with open_session(open_database(url)) as session:
        stream = session.exec(select(Stream)).one()
        assert stream.environment["threads"] == 1
        assert stream.environment_class.startswith("cpu, 1 thread")
        assert session.exec(select(CanaryRun)).one().is_reference
        for run_ in session.exec(select(SeedRun)).all():
            assert run_.measures["estimates"] == {"rate": 0.8}
            assert run_.duration_s is not None and run_.duration_s > 0
            assert run_.measures["cpu_s"] > 0


def test_a_failed_seed_rests_until_the_next_batch(url: str, light: FakeExperiment) -> None:
    light.script(s1="raise", s2="items")
    (row,) = run(url, seeds=2, jobs=1).experiments
    assert (row.seeds_run, row.failed) == (2, 2)
    found = rows(url)
    assert [r[:3] for r in found] == [
        (0, "finished", 1), (1, "failed", 1), (2, "failed", 1), (3, "finished", 1),
    ]  # fmt: skip
    assert "RuntimeError: the loss is not finite (run_seed, line" in str(found[1][3])
    assert "SeedRefused" in str(found[2][3]), "an item-level result never reaches the ledger"
    light.script()
    run(url, seeds=2, jobs=1)
    assert [r[:3] for r in rows(url)][1:3] == [(1, "finished", 2), (2, "finished", 2)]


def test_a_seed_out_of_time_is_censored_and_a_killed_worker_is_not(
    url: str, light: FakeExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retest.lanes.LEAST_TIMEOUT_S", 8.0)
    monkeypatch.setattr("retest.lanes.TIMEOUT_FACTOR", 1.0)
    light.script(s0="hang", s1="die once")
    (row,) = run(url, seeds=2).experiments
    assert (row.seeds_run, row.failed, row.censored) == (1, 1, 1)
    assert [r[:3] for r in rows(url)] == [(0, "censored", 1), (1, "finished", 2)]
    assert light.tried().count(1) == 2, "a killed worker's seed is tried again at once"
    assert not any(is_running(pid) for pid in light.pids())
    assert row.outcome == "INVALID", "one of two seeds out of time is more than one in twenty"


SCRIPT = """
import sys
sys.path[:0] = [{root!r}, {folder!r}]
from retest.experiments import MODULES
MODULES.clear()
MODULES["e01"] = "fake_e01"
from retest.batch import BatchPlan, run_batch
if __name__ == "__main__":
    plan = BatchPlan(profile="nightly", budget_s=60.0, jobs=2, device="cpu", seeds=4)
    run_batch({url!r}, ["e01"], plan, print)
"""


@pytest.mark.parametrize("sent", ["SIGKILL", "SIGINT", "SIGTERM"])
def test_a_batch_that_is_ended_loses_only_seeds_in_flight(
    url: str, light: FakeExperiment, tmp_path: Path, sent: str
) -> None:
    light.script(s1="hang once", s2="hang once")
    script = tmp_path / "batch.py"
    script.write_text(SCRIPT.format(root=str(ROOT), folder=str(light.folder), url=url))
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: {1, 2} <= set(light.tried()), 60)
    process.send_signal(getattr(signal, sent))
    errors = process.communicate(timeout=30)[1]
    assert process.returncode != 0
    wait_until(lambda: not any(is_running(pid) for pid in light.pids()), 10)
    statuses = [r[:2] for r in rows(url)]
    assert statuses[0] == (0, "finished")
    in_flight = "started" if sent == "SIGKILL" else "failed"
    assert statuses[1:] == [(1, in_flight), (2, in_flight)]
    if sent != "SIGKILL":
        assert errors.count("Traceback") == 1 and "BatchInterrupted" in errors  # the parent's own
        assert {r[3] for r in rows(url)[1:]} == {"interrupted"}
    (row,) = run(url, seeds=3).experiments
    assert row.seeds_run == 3
    assert [r[:3] for r in rows(url)] == [
        (0, "finished", 1), (1, "finished", 2), (2, "finished", 2), (3, "finished", 1),
    ]  # fmt: skip


def test_what_an_experiment_prints_does_not_reach_stdout(
    light: FakeExperiment, capfd: pytest.CaptureFixture[str]
) -> None:
    executor: LocalExecutor[int] = LocalExecutor(1)
    from retest.protocol import derive_seed

    executor.start(Unit("fake_e01", "nightly", "cpu", 30.0, derive_seed("e01", 1, 0)), 7)
    ended: list[tuple[int, UnitOutcome]] = []
    while not ended:
        ended = executor.collect()
    assert ended[0][0] == 7 and ended[0][1].status == "finished"
    out, err = capfd.readouterr()
    assert "an experiment that prints" in err
    assert out == ""


# --- With units that run here: what is started, and when ------------------------------------------


def test_seeds_stop_when_the_next_would_not_fit(url: str, inline: type[InlineExecutor]) -> None:
    (row,) = run(url, budget_s=6.5, jobs=1).experiments
    assert inline.started == ["canary", "0", "1", "2", "3", "4"]  # 6 s gone, the next costs 1 s
    assert row.seeds_run == 5
    assert "more than was left of the budget" in str(row.skipped)


def test_the_expected_cost_is_the_median_of_the_past(
    url: str, inline: type[InlineExecutor]
) -> None:
    run(url, seeds=3, jobs=1)  # a second each
    inline.started.clear()
    inline.seconds = 0.5
    (row,) = run(url, budget_s=1.4, jobs=1).experiments  # .9 s left after the canary
    assert inline.started == ["canary"]
    assert row.seeds_run == 0


def test_when_nothing_fits_nothing_runs(url: str, inline: type[InlineExecutor]) -> None:
    said: list[str] = []
    summary = run(url, budget_s=0.1, report=said.append)
    assert inline.started == []
    assert rows(url) == []
    assert summary.experiments[0].canary_ok is None
    assert summary.not_checked == ("e01: a seed takes about 0 s, more than was left of the budget",)


def test_a_number_of_seeds_alone_needs_no_budget(url: str, inline: type[InlineExecutor]) -> None:
    inline.seconds = 1000.0
    assert run(url, seeds=4, budget_s=float("inf")).experiments[0].seeds_run == 4


def test_a_number_of_seeds_stays_within_a_budget(url: str, inline: type[InlineExecutor]) -> None:
    assert run(url, seeds=50, budget_s=4.5, jobs=1).experiments[0].seeds_run == 3


def test_an_experiment_that_only_fails_rests_and_is_named(
    url: str, inline: type[InlineExecutor]
) -> None:
    inline.script = {"*": "failed", "canary": "finished"}
    summary = run(url, budget_s=1000, jobs=1)
    assert inline.started == ["canary", "0", "1", "2"]
    assert summary.not_checked == ("e01: 3 seeds in a row gave nothing, the last: x",)
    inline.started.clear()
    inline.script = {"*": "failed", "canary": "finished"}
    summary = run(url, seeds=1, jobs=1)
    assert inline.started == ["canary", "0", "1", "2"], "failed seeds come first, and not twice"
    assert [r[2] for r in rows(url)] == [2, 2, 2]


def test_a_missed_canary_runs_no_seed(url: str, inline: type[InlineExecutor]) -> None:
    run(url, seeds=1)
    inline.started.clear()
    inline.script = {"loss": 1.6}
    said: list[str] = []
    summary = run(url, seeds=1, report=said.append)
    (row,) = summary.experiments
    assert inline.started == ["canary"]
    assert (row.canary_ok, row.seeds_run, row.outcome) == (False, 0, "INVALID")
    assert "canary missed: nothing in the fingerprint changed" in summary.not_checked[0]
    assert said == ["e01: canary MISSED"]


def test_a_canary_that_does_not_run_is_said(url: str, inline: type[InlineExecutor]) -> None:
    inline.script = {"canary": "failed"}
    summary = run(url, seeds=1)
    assert summary.not_checked == ("e01: its canary did not run (x)",)
    assert rows(url) == []


def make_night(url: str) -> int:
    with open_session(open_database(url)) as session:
        night = Night(profile="nightly", budget_s=60)
        session.add(night)
        session.commit()
        return stored_id(night.id)


def test_a_resumed_night_does_not_redo_what_it_has(url: str, inline: type[InlineExecutor]) -> None:
    night = make_night(url)
    inline.script = {"1": "timed-out"}
    assert run(url, seeds=3, night_id=night).experiments[0].censored == 1
    inline.started.clear()
    again = run(url, seeds=3, night_id=night)
    assert inline.started == ["canary"]
    assert (again.experiments[0].seeds_run, again.not_checked) == (0, ())
    run(url, seeds=5, night_id=night)
    assert len(rows(url)) == 5
    run(url, seeds=2, night_id=make_night(url))
    assert len(rows(url)) == 7


def test_a_result_for_a_seed_that_was_taken_over_is_dropped(
    url: str, inline: type[InlineExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = recording.finish_seed

    def steal(session: Any, started: Any, *rest: Any, **more: Any) -> None:
        row = session.get(SeedRun, started.run_id)
        if started.index == 0:
            row.worker = "another"
            session.add(row)
            session.commit()
        real(session, started, *rest, **more)

    monkeypatch.setattr(recording, "finish_seed", steal)
    said: list[str] = []
    (row,) = run(url, seeds=2, jobs=1, report=said.append).experiments
    assert (row.seeds_run, row.failed) == (2, 1)
    assert any("its result was dropped" in line for line in said)


def test_an_unknown_profile_is_refused_before_anything_runs(
    url: str, inline: type[InlineExecutor]
) -> None:
    with pytest.raises(UsageError, match="no profile 'weekly'"):
        run(url, profile="weekly")
    assert inline.started == []


def test_experiments_take_turns(
    url: str, inline: type[InlineExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from retest.experiments import MODULES

    monkeypatch.setitem(MODULES, "e02", "fake_e01")
    others = {n: SimpleNamespace(PROTOCOL=make_protocol(experiment=n)) for n in ("e01", "e02")}
    monkeypatch.setattr(batches, "load_experiment", others.__getitem__)
    plan = BatchPlan(profile="nightly", budget_s=60, jobs=1, seeds=3)
    summary = run_batch(url, ["e01", "e02"], plan, lambda line: None)
    assert inline.started == ["canary", "canary", "0", "0", "1", "1", "2", "2"]
    assert [row.seeds_run for row in summary.experiments] == [3, 3]
    assert count(url, Stream) == 2
    json.dumps([row.__dict__ for row in summary.experiments])


def test_enough_seeds_conclude(database_url: str, inline: type[InlineExecutor]) -> None:
    assert run(database_url, seeds=12).experiments[0].outcome == "CONSISTENT"
    assert run(database_url, seeds=12, profile="smoke").experiments[0].outcome == "UNDECIDED"


# --- A budget that is spent where it buys most ----------------------------------------------------


def make_two(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """A second experiment, e02, beside e01."""
    from types import SimpleNamespace

    from retest.experiments import MODULES

    monkeypatch.setitem(MODULES, "e02", "fake_e01")
    others = {
        "e01": SimpleNamespace(PROTOCOL=make_protocol()),
        "e02": SimpleNamespace(PROTOCOL=make_protocol(experiment="e02", **changes)),
    }
    monkeypatch.setattr(batches, "load_experiment", others.__getitem__)


def age_seeds(url: str, days: float) -> None:
    """As if all seeds had ended so many days ago."""
    with open_session(open_database(url)) as session:
        for row in session.exec(select(SeedRun)).all():
            row.finished_at = utc_now() - timedelta(days=days)
            session.add(row)
        session.commit()


def run_two(url: str, budget_s: float, **more: Any) -> BatchSummary:
    plan = BatchPlan("nightly", budget_s, 1, may_rest=True, **more)
    return run_batch(url, ["e01", "e02"], plan, lambda line: None)


def test_canaries_come_first_then_who_never_had_a_seed_then_who_is_nearest(
    url: str, inline: type[InlineExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_two(monkeypatch)
    run(url, seeds=5, jobs=1)  # e01 knows how far it has to go
    age_seeds(url, 2)
    inline.started.clear()
    summary = run_two(url, 6.5)
    assert inline.started[:3] == ["canary", "canary", "0"], "e02 has waited for ever"
    assert inline.started[3:] == ["5", "6", "7"], "then e01, a few seeds from a decision"
    assert [row.seeds_run for row in summary.experiments] == [3, 1]


def test_an_established_stream_rests_and_gets_its_monthly_seed(
    url: str, inline: type[InlineExecutor]
) -> None:
    run(url, seeds=30, jobs=1)
    inline.started.clear()
    (row,) = run(url, budget_s=60, jobs=1, may_rest=True).experiments
    assert inline.started == ["canary"], "the environment is watched every night"
    assert (row.seeds_run, row.skipped, row.outcome) == (0, None, "CONSISTENT")
    assert "CONSISTENT is established; watched every 30 days" in str(row.resting)
    age_seeds(url, 30)
    summary = run(url, budget_s=60, jobs=1, may_rest=True)
    assert summary.experiments[0].seeds_run == 1 and summary.not_checked == ()
    assert run(url, budget_s=3.5, jobs=1).experiments[0].seeds_run == 2, "asked for by name"


def test_futility_is_undecided_for_lack_of_budget(
    url: str, inline: type[InlineExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([0.4, 0.6] * 40)  # right at the end of the region: nobody ever decides
    monkeypatch.setattr("tests.inline_executor.make_result", lambda _: make_result(next(values)))
    run(url, seeds=10, jobs=1)
    (row,) = run(url, budget_s=8.0, jobs=1, may_rest=True).experiments
    assert (row.seeds_run, row.outcome) == (0, "UNDECIDED (budget)")
    assert "more than 1000 seeds to go" in str(row.resting)
    (row,) = run(url, budget_s=3000.0, jobs=1, may_rest=True, seeds=1).experiments
    assert (row.seeds_run, row.outcome) == (1, "UNDECIDED"), "such nights could pay for it"


def test_who_gave_way_and_is_not_due_leaves_nothing_unchecked(
    url: str, inline: type[InlineExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_two(monkeypatch, profiles={"nightly": Profile({}, seed_cost_s=3.0)})
    inline.seconds = 3.0
    run_two(url, 30.0)
    for days, not_checked in ((3, ()), (9, ("e02",))):
        age_seeds(url, days)
        summary = run_two(url, 7.5, seeds=None)
        seeds = {row.experiment: row.seeds_run for row in summary.experiments}
        assert sum(seeds.values()) == 0
        assert all(row.skipped for row in summary.experiments)
        names = {sentence.partition(":")[0] for sentence in summary.not_checked}
        assert set(not_checked) <= names and (days == 9 or not names)


def test_the_canary_of_who_waited_longest_runs_first(
    url: str, inline: type[InlineExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_two(monkeypatch)
    run_two(url, 30.0, seeds=1)
    age_seeds(url, 3)
    run(url, seeds=1, jobs=1)  # e01 alone, today
    order: list[str] = []
    real = batches.record_canary

    def note(session: Any, stream: Stream, *rest: Any) -> Any:
        order.append(stream.experiment)
        return real(session, stream, *rest)

    monkeypatch.setattr(batches, "record_canary", note)
    summary = run_two(url, 1.1)  # for one canary, and no second
    assert order == ["e02"]
    assert [row.canary_ok for row in summary.experiments] == [None, True]
    assert summary.not_checked == (), "both had a seed within the week"
    assert [row.experiment for row in summary.experiments] == ["e01", "e02"]


def test_a_resumed_night_goes_on_with_what_is_left_of_its_budget(
    url: str, inline: type[InlineExecutor]
) -> None:
    night = make_night(url)
    assert run(url, budget_s=4.5, jobs=1, night_id=night).experiments[0].seeds_run == 3
    inline.started.clear()
    assert run(url, budget_s=4.5, jobs=1, night_id=night).experiments[0].seeds_run == 0
    assert inline.started == ["canary"]


def test_a_canary_that_missed_spares_the_seeds_of_its_environment(
    url: str, inline: type[InlineExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_two(monkeypatch)
    run(url, seeds=1, jobs=1)
    inline.started.clear()
    inline.script = {"loss": 1.6}  # e01 has a reference, e02 makes its own
    summary = run_two(url, 60.0, night_id=make_night(url))
    assert inline.started == ["canary", "canary"]
    assert "the canary of e01 missed here" in str(summary.experiments[1].skipped)
    assert len(summary.not_checked) == 2


def test_a_seed_that_ran_elsewhere_is_none_of_the_stream(
    url: str, inline: type[InlineExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    from retest.executors.worker import Unit

    real = inline.start

    def start_elsewhere(self: Any, unit: Unit, tag: Any) -> None:
        real(self, unit, tag)
        if unit.seed is not None:
            tag, outcome = self.ended.pop()
            environment = {**outcome.environment, "cpu": "another"}
            self.ended.append((tag, replace(outcome, environment=environment)))

    monkeypatch.setattr(inline, "start", start_elsewhere)
    (row,) = run(url, seeds=1, jobs=1).experiments
    assert (row.seeds_run, row.failed) == (0, 3)
    assert "it ran on cpu, 1 thread, another" in str(row.skipped)


# --- A database that goes away --------------------------------------------------------------------


def test_a_lost_connection_loses_nothing(
    database_url: str, inline: type[InlineExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends every connection before each write, and once right after a commit."""
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite has no connection to lose")
    monkeypatch.setattr("retest.reconnecting.PAUSE_S", 0.01)
    admin = create_engine(database_url, isolation_level="AUTOCOMMIT")
    ended = []

    def end_connections() -> None:
        with admin.connect() as connection:
            ended.append(connection.execute(text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )).scalar())  # fmt: skip

    real, calls = recording.finish_seed, []

    def finish_and_lose_the_answer(session: Any, *rest: Any, **more: Any) -> None:
        calls.append(len(calls))
        if len(calls) % 3 == 1:  # the connection goes in the middle of a transaction
            session.connection()
            end_connections()
        real(session, *rest, **more)
        if len(calls) % 3 == 0:
            raise OperationalError("COMMIT", {}, Exception("the answer was lost"))

    monkeypatch.setattr(recording, "finish_seed", finish_and_lose_the_answer)
    said: list[str] = []
    (row,) = run(database_url, seeds=5, jobs=1, report=said.append).experiments
    admin.dispose()
    assert (row.seeds_run, row.failed) == (5, 0)
    assert [r[:3] for r in rows(database_url)] == [(i, "finished", 1) for i in range(5)]
    assert sum(ended) >= 2 and len(calls) > 5
    assert any("the database does not answer" in line for line in said)


def test_a_fault_that_does_not_pass_is_not_tried_again(
    url: str, inline: type[InlineExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    from retest.reconnecting import keep_trying

    def ask(session: Any) -> None:
        session.connection().execute(text("SELECT 1 FROM nowhere"))

    with pytest.raises(OperationalError, match="nowhere"):
        keep_trying(open_database(url), ask, lambda line: None)
