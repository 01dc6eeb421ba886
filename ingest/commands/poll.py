"""``reassay ingest poll``: ask arXiv now for what the store lacks."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer
from sqlalchemy import Engine

from claims.commands.output import JsonOption, print_json, print_message
from db.errors import NotThereYet, UsageError
from ingest.commands.setup import IngestSetup, ingest_setup, open_store, today_utc
from ingest.days import FIRST_DAYS, DaySpan
from ingest.harvest import harvest, harvest_days
from ingest.harvest_summary import HarvestSummary

INCOMPLETE = 3
DayOption = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="Day of first submission."),
]


class SourceName(StrEnum):
    """The two ways to ask arXiv."""

    api = "api"
    oai = "oai"


def poll(
    context: typer.Context,
    since: DayOption = None,
    until: DayOption = None,
    source: Annotated[SourceName, typer.Option(help="Which interface to ask.")] = SourceName.api,
    as_json: JsonOption = False,
) -> None:
    """Ask arXiv for new papers: as a night's harvest does, or for one span of days.

    Exit code 3 when an answer did not come in full; the next poll asks for the rest.
    Example: reassay ingest poll --since 2026-11-20 --until 2026-11-23
    """
    if source is SourceName.oai:
        raise NotThereYet("--source oai is not there yet in this version: use --source api")
    setup = ingest_setup(context)
    today = today_utc()
    span = _read_span(since, until, today)
    if span is not None and setup.snapshot is not None:
        raise UsageError(
            "a snapshot is set, so arXiv is not asked for days: unset REASSAY_SNAPSHOT to ask it"
        )
    with open_store(context) as engine:
        summary = _poll(engine, setup, span, today)
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


def _poll(engine: Engine, setup: IngestSetup, span: DaySpan | None, today: date) -> HarvestSummary:
    if span is None:
        return harvest(engine, setup, night_id=None, today=today, report_progress=print_message)
    return harvest_days(engine, setup, span, today=today, report_progress=print_message)


def _read_span(since: datetime | None, until: datetime | None, today: date) -> DaySpan | None:
    if since is None and until is None:
        return None
    last = until.date() if until else today
    first = since.date() if since else last - timedelta(FIRST_DAYS)
    if first > last:
        raise UsageError(f"--since {first} is after --until {last}: swap them")
    if first > today:
        raise UsageError(f"--since {first} is in the future")
    return DaySpan(first, last)


def _format(summary: HarvestSummary) -> str:
    since, until = summary.since or "–", summary.until or "–"
    state = "complete" if summary.complete else "INCOMPLETE"
    return (
        f"window {since}..{until}  seen {summary.seen}  new {summary.new}  "
        f"revised {summary.revised}  withdrawn {summary.withdrawn}  "
        f"errors {len(summary.unanswered) + len(summary.remarks)}  {state}"
    )
