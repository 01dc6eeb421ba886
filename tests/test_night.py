"""The night's frame: order, records, resumption after a kill, one at a time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from db.columns import utc_now
from db.engine import open_database, open_session
from db.errors import NightRunning
from db.models import Lease, Line, Night, NightStep
from reassay.night import run as night_module
from reassay.night import steps as steps_module
from reassay.night.context import NightContext, StepResult
from reassay.night.lease import EXPIRES_AFTER, hold_lease, take_lease
from reassay.night.run import NightResult, run_night
from reassay.settings import Settings, read_settings

NAMES = ["harvest", "triage", "judge", "re-test", "conclude", "report"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({}, {"home": tmp_path / "home"})


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps replaced by ones that only note that they ran."""
    done: list[str] = []

    def make(name: str) -> Callable[[NightContext], StepResult]:
        def step(_: NightContext) -> StepResult:
            done.append(name)
            return StepResult(detail={"pages": []})

        return step

    monkeypatch.setattr(night_module, "STEPS", {name: make(name) for name in NAMES})
    return done


def go(settings: Settings) -> NightResult:
    return run_night(settings, profile="smoke", budget_s=1.0, report_progress=lambda _: None)


def read_steps(settings: Settings) -> list[NightStep]:
    with open_session(open_database(settings.database_url)) as session:
        return list(session.exec(select(NightStep).order_by(col(NightStep.id))).all())


def test_the_design_names_the_steps() -> None:
    assert list(steps_module.STEPS) == NAMES


def test_steps_run_in_order_and_are_recorded(settings: Settings, calls: list[str]) -> None:
    assert go(settings).is_complete
    assert calls == NAMES
    steps = read_steps(settings)
    assert [step.name for step in steps] == NAMES
    assert all(step.status == "finished" and step.finished_at for step in steps)


def test_an_empty_library_gets_the_starter_and_another_does_not(
    settings: Settings, calls: list[str]
) -> None:
    go(settings)
    go(settings)
    with open_session(open_database(settings.database_url)) as session:
        assert len(session.exec(select(Line)).all()) == 1
        assert [night.id for night in session.exec(select(Night)).all()] == [1, 2]


def test_a_failing_step_makes_the_night_incomplete_and_the_report_is_still_written(
    settings: Settings, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: NightContext) -> StepResult:
        raise RuntimeError("the judge fell asleep")

    monkeypatch.setitem(night_module.STEPS, "judge", fail)
    result = go(settings)
    assert not result.is_complete
    assert result.not_checked == ["judge failed: RuntimeError: the judge fell asleep"]
    assert calls == [name for name in NAMES if name != "judge"]


def test_what_was_not_checked_makes_the_night_incomplete_before_its_report(
    settings: Settings, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def look(context: NightContext) -> StepResult:
        with open_session(context.engine) as session:
            seen.append(session.get_one(Night, context.night_id).status)
        return StepResult()

    monkeypatch.setitem(
        night_module.STEPS, "harvest", lambda _: StepResult(not_checked=("no answer",))
    )
    monkeypatch.setitem(night_module.STEPS, "report", look)
    assert go(settings).not_checked == ["no answer"]
    assert seen == ["incomplete"]


@pytest.mark.parametrize("killed_in", NAMES)
def test_an_interrupted_night_is_taken_up_where_it_stopped(
    settings: Settings, calls: list[str], monkeypatch: pytest.MonkeyPatch, killed_in: str
) -> None:
    whole = night_module.STEPS[killed_in]

    def interrupt(_: NightContext) -> StepResult:
        raise KeyboardInterrupt

    monkeypatch.setitem(night_module.STEPS, killed_in, interrupt)
    with pytest.raises(KeyboardInterrupt):
        go(settings)
    before = list(calls)
    monkeypatch.setitem(night_module.STEPS, killed_in, whole)
    result = go(settings)
    assert (result.night, result.is_complete) == (1, True)
    assert before + calls[len(before) :] == NAMES
    assert len(read_steps(settings)) == len(NAMES)


KILLED_NIGHT = """
import sys, time
from pathlib import Path
from reassay.night import run as night
from reassay.settings import read_settings
from reassay.night.context import StepResult

def wait(context):
    print("waiting", flush=True)
    time.sleep(60)

for name in night.STEPS:
    night.STEPS[name] = lambda context: StepResult(detail={"pages": []})
night.STEPS["re-test"] = wait
settings = read_settings({}, {"home": Path(sys.argv[1])})
night.run_night(settings, profile="smoke", budget_s=1.0, report_progress=lambda text: None)
"""


def test_a_night_killed_by_the_system_is_taken_up(settings: Settings, calls: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_NIGHT, str(settings.home)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "waiting"
    with pytest.raises(NightRunning):
        go(settings)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    result = go(settings)
    assert (result.night, result.is_complete) == (1, True)
    assert calls == ["re-test", "conclude", "report"]


def test_a_lease_is_held_once(any_engine: Engine) -> None:
    with hold_lease(any_engine, "night"), pytest.raises(NightRunning, match="process"):
        take_lease(any_engine, "night", "elsewhere:1:1", utc_now())
    take_lease(any_engine, "night", "elsewhere:1:1", utc_now())


def test_a_silent_holder_loses_the_lease(any_engine: Engine) -> None:
    start = datetime(2026, 11, 24, tzinfo=UTC)
    take_lease(any_engine, "night", "elsewhere:1:1", start)
    with pytest.raises(NightRunning):
        take_lease(any_engine, "night", "other:2:2", start + EXPIRES_AFTER)
    take_lease(any_engine, "night", "other:2:2", start + EXPIRES_AFTER + timedelta(seconds=1))
    with Session(any_engine) as session:
        assert session.get_one(Lease, "night").holder == "other:2:2"


def test_a_heartbeat_keeps_the_lease(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reassay.night.lease.HEARTBEAT_S", 0.01)
    with hold_lease(engine, "night"):
        with Session(engine) as session:
            first = session.get_one(Lease, "night").heartbeat_at
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with Session(engine) as session:
                if session.get_one(Lease, "night").heartbeat_at > first:
                    return
            time.sleep(0.01)
    pytest.fail("no heartbeat was written")
