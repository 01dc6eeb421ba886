"""``reassay ingest citations``: ask citation indexes who cites the anchors."""

from enum import StrEnum
from typing import Annotated

import typer
from sqlalchemy import Engine

from claims.commands.output import JsonOption, print_json, print_message
from claims.queries import find_claim
from db.engine import open_session
from db.errors import UsageError
from ingest.citations import (
    CitationSummary,
    find_note_ids,
    open_citation_source,
    read_source_names,
    refresh_citations,
)
from ingest.commands.setup import ingest_setup, open_store

INCOMPLETE = 3


class IndexName(StrEnum):
    """The citation indexes."""

    openalex = "openalex"
    semantic_scholar = "semantic-scholar"


def citations(
    context: typer.Context,
    source: Annotated[
        IndexName | None, typer.Option(help="One index, whatever REASSAY_CITATIONS names.")
    ] = None,
    claim: Annotated[
        str | None, typer.Option(metavar="CLAIM", help="The anchors of one claim only.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask who cites the papers that claims rest on; answers are kept for seven days.

    A citation is pressure, not evidence: it does not say what the citing work found.
    Example: reassay ingest citations --source openalex
    """
    setup = ingest_setup(context)
    names = [source.value] if source else read_source_names(setup.citations)
    if not names:
        raise UsageError(
            "no citation index is set: give --source, or set REASSAY_CITATIONS to openalex, "
            "semantic-scholar, or both with a comma"
        )
    with open_store(context) as engine:
        summary = refresh_citations(
            engine,
            [open_citation_source(name, setup) for name in names],
            night_id=None,
            report_progress=print_message,
            note_ids=_find_notes(engine, claim) if claim else None,
        )
    if as_json:
        print_json(describe_summary(summary))
    else:
        print(_format(summary))
    if claim and not summary.asked:
        print_message(f"nothing was asked: no anchor with an arXiv id is tied to {claim}")
    for sentence in (*summary.unanswered, *summary.not_asked):
        print_message(sentence)
    if summary.unanswered:
        raise typer.Exit(INCOMPLETE)


def describe_summary(summary: CitationSummary) -> dict[str, object]:
    """The summary as a script reads it."""
    return {
        "asked": summary.asked,
        "works": summary.works,
        "new": summary.new,
        "unknown": summary.unknown,
        "errors": summary.unanswered,
        "not_asked": summary.not_asked,
        "complete": not summary.unanswered,
    }


def _find_notes(engine: Engine, claim: str) -> list[int]:
    with open_session(engine) as session:
        return find_note_ids(session, find_claim(session, claim))


def _format(summary: CitationSummary) -> str:
    state = "INCOMPLETE" if summary.unanswered else "complete"
    return (
        f"asked {summary.asked}  citing works {summary.works}  new {summary.new}  "
        f"unknown to the index {len(summary.unknown)}  {state}"
    )
