"""Nights by schedule: what is due, once whoever is awake, and after a long sleep."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from db.engine import open_session
from db.errors import UsageError
from db.models import Schedule
from reassay.night.schedule import DEFAULT_CRON, find_due, fire_if_due, keep_schedule, read_cron


def at(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def make(last: datetime | None, cron: str = DEFAULT_CRON) -> Schedule:
    return Schedule(name="nightly", cron=cron, profile="smoke", budget_s=1.0, last_fired_at=last)


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        (at(23, 6, 30), at(24, 6, 29), None),
        (at(23, 6, 30), at(24, 6, 30), at(24, 6, 30)),
        (at(20, 6, 30), at(22, 12), None),  # a weekend: nothing is announced
        (at(17, 6, 30), at(24, 9), at(24, 6, 30)),  # a week without power is made up for once
        (None, at(24, 9), None),  # never fired: not due in the past
    ],
)
def test_what_is_due(last: datetime | None, now: datetime, due: datetime | None) -> None:
    assert find_due(make(last), now) == due


def test_utc_knows_no_summer_time() -> None:
    assert find_due(make(at(30, 6, 30, month=10)), at(2, 7)) == at(2, 6, 30)


def test_a_tick_fires_once_whoever_is_awake(any_engine: Engine) -> None:
    fired: list[str] = []
    with open_session(any_engine) as session:
        session.add(make(at(23, 6, 30)))
        session.commit()
    for _ in range(2):  # two daemons on one database
        fire_if_due(any_engine, lambda schedule: fired.append(schedule.name), at(24, 6, 31))
    assert fired == ["nightly"]
    assert fire_if_due(any_engine, lambda schedule: None, at(25, 6, 31))


def test_a_stale_view_of_the_schedule_fires_nothing(any_engine: Engine) -> None:
    fired: list[str] = []

    def fire(schedule: Schedule) -> None:
        fired.append(schedule.name)
        fire_if_due(any_engine, fire, at(24, 6, 32))  # another daemon wakes while this one works

    with open_session(any_engine) as session:
        session.add(make(at(23, 6, 30)))
        session.commit()
    fire_if_due(any_engine, fire, at(24, 6, 31))
    assert fired == ["nightly"]


@pytest.mark.parametrize("cron", ["", "soon", "61 6 * * *", "30 6 * *", "30 6 * * 1-5"])
def test_a_wrong_cron_is_refused(cron: str, session: Session) -> None:
    with pytest.raises(UsageError):
        keep_schedule(session, cron=cron, profile="smoke", budget_s=1.0)
    assert session.exec(select(Schedule)).all() == []


def test_a_schedule_is_kept_and_changed(session: Session) -> None:
    keep_schedule(session, cron=DEFAULT_CRON, profile="smoke", budget_s=1.0)
    keep_schedule(session, cron="0 7 * * *", profile="nightly", budget_s=2.0)
    kept = session.exec(select(Schedule)).one()
    assert (kept.cron, kept.profile, kept.budget_s) == ("0 7 * * *", "nightly", 2.0)
    assert kept.last_fired_at is not None
    read_cron(kept.cron)


def test_serving_holds_a_leader_lock_and_stops_when_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reassay", "--home", str(tmp_path), "night", "serve"]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert first.stderr is not None
    assert "nights at" in first.stderr.readline()
    second = subprocess.run(command, check=False, capture_output=True, text=True)
    assert second.returncode == 1
    assert "another scheduler is running" in second.stderr
    os.kill(first.pid, signal.SIGTERM)
    assert first.wait(timeout=30) == 0
