"""``reassay night serve``: nights by schedule, in the foreground."""

import signal
import sys
from typing import Annotated

import typer

from claims.commands.output import print_message
from db.engine import open_database, open_session
from db.errors import ReassayError
from db.models import Schedule
from reassay.commands.night_run import check_profile
from reassay.settings import Settings


def night_serve(
    ctx: typer.Context,
    at: Annotated[
        str, typer.Option("--at", help="Cron expression, in UTC, weekdays by name.")
    ] = "30 6 * * mon-fri",
    profile: Annotated[str, typer.Option(help="smoke, nightly or full.")] = "nightly",
    budget: Annotated[str, typer.Option(help="Time for re-tests: 300s, 20m, 2h.")] = "20m",
) -> None:
    """Run a night at every tick of a schedule, until stopped; one such process at a time.

    The schedule is kept in the database. A tick missed while nothing ran is made up for
    at start, once.

    Example: reassay night serve --at "30 6 * * mon-fri"
    """
    from reassay.night.lease import hold_lease
    from reassay.night.schedule import keep_schedule, serve
    from retest.durations import parse_duration

    settings: Settings = ctx.obj
    check_profile(profile)
    budget_s = parse_duration(budget)
    engine = open_database(settings.database_url)

    def fire(schedule: Schedule) -> None:
        _run_one(settings, schedule)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with hold_lease(engine, "scheduler"):
        with open_session(engine) as session:
            keep_schedule(session, cron=at, profile=profile, budget_s=budget_s)
        print_message(f"nights at {at!r} (UTC); Ctrl-C stops")
        serve(engine, fire)


def _run_one(settings: Settings, schedule: Schedule) -> None:
    """One night; what goes wrong in it is said, and the schedule goes on."""
    from reassay.night.run import run_night

    try:
        result = run_night(
            settings,
            profile=schedule.profile,
            budget_s=schedule.budget_s,
            report_progress=print_message,
        )
    except ReassayError as error:
        print_message(f"reassay: no night at this tick: {error}")
        return
    print_message(f"night {result.night}: {'complete' if result.is_complete else 'INCOMPLETE'}")
