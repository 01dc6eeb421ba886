"""``reassay night run``: the whole night, once."""

import time
from dataclasses import asdict
from typing import Annotated

import typer

from claims.commands.output import JsonOption, print_json, print_message
from db.errors import NightIncomplete, UsageError
from reassay.settings import Settings

PROFILES = ("smoke", "nightly", "full")


def night_run(
    ctx: typer.Context,
    profile: Annotated[str, typer.Option(help="smoke, nightly or full.")] = "nightly",
    budget: Annotated[str, typer.Option(help="Time for re-tests: 300s, 20m, 2h.")] = "5m",
    as_json: JsonOption = False,
) -> None:
    """Harvest, triage, judge, re-test, conclude, report: in this order, each step recorded.

    A killed night is taken up where it stopped. Exit code 3: something that should have
    been checked was not; the report says what. An empty library gets the starter library.

    Example: reassay night run --budget 20m
    """
    from reassay.night.run import run_night
    from retest.durations import parse_duration

    check_profile(profile)
    settings: Settings = ctx.obj
    began = time.monotonic()

    def report_progress(message: str) -> None:
        print_message(f"[{time.monotonic() - began:5.0f} s] {message}")

    result = run_night(
        settings,
        profile=profile,
        budget_s=parse_duration(budget),
        report_progress=report_progress,
    )
    if as_json:
        print_json(asdict(result))
    else:
        for page in result.pages:
            print(page)
    if not result.is_complete:
        raise NightIncomplete(
            f"night {result.night} is incomplete ({len(result.not_checked)} things were not "
            "checked); the report lists them"
        )


def check_profile(profile: str) -> None:
    """Raise UsageError for a profile that is none."""
    if profile not in PROFILES:
        raise UsageError(f"profile {profile!r} is none of {', '.join(PROFILES)}")
