"""When nights run by themselves: our table says when, APScheduler wakes us.

Decides which tick is due, catches up on one missed while nothing ran, and makes sure that
a tick fires once whoever is awake: firing is one guarded update of ``last_fired_at``.
APScheduler 3.11 holds nothing (its job store is in memory and rebuilt at every start):
sharing its store between processes fires ticks twice, and it pickles function names.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy import Engine
from sqlmodel import Session, col, select, update

from db.columns import utc_now
from db.engine import open_session
from db.errors import UsageError
from db.models import Schedule

# arXiv announces at 20:00 US Eastern, Sunday to Thursday: by this hour the batch is out.
DEFAULT_CRON = "30 6 * * mon-fri"
MISFIRE_GRACE_S = 3600
DAY_NUMBER = re.compile(r"\d")
Fire = Callable[[Schedule], None]


def keep_schedule(session: Session, *, cron: str, profile: str, budget_s: float) -> Schedule:
    """Store (or change) the schedule named ``nightly``; a new one is not due in the past.

    Raises:
        UsageError: the cron expression is not understood.
    """
    read_cron(cron)
    schedule = session.exec(select(Schedule).where(Schedule.name == "nightly")).first()
    if schedule is None:
        schedule = Schedule(
            name="nightly", cron=cron, profile=profile, budget_s=budget_s, last_fired_at=utc_now()
        )
    schedule.cron, schedule.profile, schedule.budget_s = cron, profile, budget_s
    session.add(schedule)
    session.commit()
    return schedule


def read_cron(cron: str) -> CronTrigger:
    """A five-field cron expression, in UTC, with weekdays by name.

    Raises:
        UsageError: it is malformed, or numbers its weekdays (APScheduler counts Monday as
            0 and cron Sunday, so a number would mean another day than its writer thinks).
    """
    fields = cron.split()
    if len(fields) == 5 and DAY_NUMBER.search(fields[4]):
        raise UsageError(f"cron {cron!r}: write weekdays by name, such as mon-fri")
    try:
        return CronTrigger.from_crontab(cron, timezone=UTC)
    except ValueError as error:
        raise UsageError(
            f"cron {cron!r} is not understood ({error}): five fields, such as {DEFAULT_CRON!r}"
        ) from error


def find_due(schedule: Schedule, now: datetime) -> datetime | None:
    """The newest tick since the last firing that is not in the future; None if there is none.

    Ticks missed while nothing ran coalesce into one.
    """
    last = schedule.last_fired_at or now
    trigger = read_cron(schedule.cron)
    due = None
    tick = trigger.get_next_fire_time(None, last + timedelta(microseconds=1))
    while tick is not None and tick <= now:
        due = tick
        tick = trigger.get_next_fire_time(None, tick + timedelta(microseconds=1))
    return due


def fire_if_due(engine: Engine, fire: Fire, now: datetime) -> bool:
    """Fire the newest due tick of each enabled schedule, unless another process was faster."""
    fired = False
    with open_session(engine) as session:
        enabled = session.exec(select(Schedule).where(col(Schedule.is_enabled).is_(True))).all()
    for schedule in enabled:
        tick = find_due(schedule, now)
        if tick is not None and _claim_tick(engine, schedule, tick):
            fire(schedule)
            fired = True
    return fired


def serve(engine: Engine, fire: Fire) -> None:
    """Wake at every tick, in the foreground, until the process is told to stop."""
    scheduler = BlockingScheduler(timezone=UTC)
    with open_session(engine) as session:
        enabled = session.exec(select(Schedule).where(col(Schedule.is_enabled).is_(True))).all()

    def wake() -> None:
        fire_if_due(engine, fire, utc_now())

    scheduler.add_job(wake, id="catch-up")  # at once: a tick missed while nothing ran
    for schedule in enabled:
        scheduler.add_job(
            wake,
            read_cron(schedule.cron),
            id=schedule.name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=MISFIRE_GRACE_S,
        )
    scheduler.start()


def _claim_tick(engine: Engine, schedule: Schedule, tick: datetime) -> bool:
    with open_session(engine) as session:
        result = session.exec(
            update(Schedule)
            .where(col(Schedule.id) == schedule.id)
            .where(col(Schedule.last_fired_at).is_(None) | (col(Schedule.last_fired_at) < tick))
            .values(last_fired_at=tick)
        )
        session.commit()
        return bool(result.rowcount)
