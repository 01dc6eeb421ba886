"""``reassay ingest poll``: ask arXiv now for what the store lacks."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer
from sqlalchemy import Engine

from claims.commands.output import JsonOption, print_json, print_message
from db.errors import UsageError
from ingest.commands.setup import IngestSetup, ingest_setup, open_store, today_utc
from ingest.days import FIRST_DAYS, DaySpan
from ingest.harvest import harvest, harvest_days
from ingest.harvest_summary import HarvestSummary

INCOMPLETE = 3
DayOption = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        metavar="DATE",
        help="Day of first submission; with --source oai, day of last change.",
    ),
]


class SourceName(StrEnum):
    """The two ways to ask arXiv."""

    api = "api"
    oai = "oai"


def poll(
    context: typer.Context,
    since: DayOption = None,
    until: DayOption = None,
    source: Annotated[
        SourceName | None,
        typer.Option(help="Ask this interface alone; without it, as the settings have it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask arXiv for new papers: as a night's harvest does, or for one span of days.

    A span of any length is taken up where it stopped when the command is given again.
    With --source oai: what was announced, revised or withdrawn, as OAI-PMH lists it.
    Exit code 3 when an answer did not come in full; the next poll asks for the rest.
    Example: reassay ingest poll --since 2026-11-20 --until 2026-11-23
    """
    setup = ingest_setup(context)
    today = today_utc()
    span = _read_span(since, until, today)
    if setup.snapshot is not None and (span is not None or source is SourceName.oai):
        raise UsageError("a snapshot is set, so arXiv is not asked: unset REASSAY_SNAPSHOT to ask")
    with open_store(context) as engine:
        summary = _poll(engine, setup, span, today, source)
    if as_json:
        print_json(describe_summary(summary))
    else:
        print(_format(summary))
    for sentence in (*summary.unanswered, *summary.not_asked, *summary.remarks):
        print_message(sentence)
    if not summary.complete:
        raise typer.Exit(INCOMPLETE)


def describe_summary(summary: HarvestSummary) -> dict[str, object]:
    """The summary as the command line promises it to scripts."""
    return {
        "window": {"since": summary.since, "until": summary.until},
        "seen": summary.seen,
        "new": summary.new,
        "revised": summary.revised,
        "withdrawn": summary.withdrawn,
        "errors": [*summary.unanswered, *summary.remarks],
        "complete": summary.complete,
    }


def _poll(
    engine: Engine,
    setup: IngestSetup,
    span: DaySpan | None,
    today: date,
    source: SourceName | None,
) -> HarvestSummary:
    from ingest.daily_announcements import open_daily_feed
    from ingest.oai_polling import open_changes, open_oai_source, poll_oai

    if source is SourceName.oai:
        oai = open_oai_source(setup)
        return poll_oai(engine, oai, span, today=today, report_progress=print_message)
    if span is None:
        changes = open_changes(setup) if source is None else None
        return harvest(
            engine,
            setup,
            night_id=None,
            today=today,
            report_progress=print_message,
            changes=changes,
            feed=open_daily_feed(setup),
        )
    return harvest_days(engine, setup, span, today=today, report_progress=print_message)


def _read_span(since: datetime | None, until: datetime | None, today: date) -> DaySpan | None:
    if since is None and until is None:
        return None
    last = until.date() if until else today
    first = since.date() if since else last - timedelta(FIRST_DAYS)
    if first > today:
        raise UsageError(f"--since {first} is in the future (today is {today}): name a past day")
    if first > last:
        raise UsageError(f"--since {first} is after --until {last}: swap them")
    return DaySpan(first, last)


def _format(summary: HarvestSummary) -> str:
    since, until = summary.since or "–", summary.until or "–"
    state = "complete" if summary.complete else "INCOMPLETE"
    return (
        f"window {since}..{until}  seen {summary.seen}  new {summary.new}  "
        f"revised {summary.revised}  withdrawn {summary.withdrawn}  "
        f"errors {len(summary.unanswered) + len(summary.remarks)}  {state}"
    )
