"""``reassay claims audit``: every claim beside its source, offline or after asking arXiv."""

from typing import Annotated

import typer
from sqlalchemy import Engine

from claims.audit import audit_library
from claims.audit_library import read_audit_library
from claims.commands.audit import print_audit
from claims.commands.output import JsonOption, print_message
from claims.queries import find_line
from db.engine import open_session
from db.models import Line
from ingest.anchor_checks import check_anchors
from ingest.asking import Asking, PagedSource
from ingest.commands.setup import IngestSetup, ingest_setup, open_store, today_utc
from ingest.harvest import open_source
from ingest.harvest_summary import HarvestSummary

INCOMPLETE = 3


def audit(
    context: typer.Context,
    line: Annotated[str | None, typer.Option(help="A unique part of a line's slug.")] = None,
    online: Annotated[
        bool, typer.Option("--online", help="First ask arXiv for the anchors as they are now.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Hold each claim beside the closest sentence of its source, and name what differs.

    Works offline on the stored abstracts and full texts; exit code 3 when --online was not
    answered in full. Example: reassay claims audit --line inference-compute
    """
    setup = ingest_setup(context)
    with open_store(context) as engine:
        with open_session(engine) as session:
            chosen = find_line(session, line) if line else None
        summary = ask_for_anchors(engine, setup, chosen) if online else None
        with open_session(engine) as session:
            print_audit(*audit_library(session, line=chosen), as_json)
    if summary is not None:
        for sentence in (*summary.unanswered, *summary.not_asked, *summary.remarks):
            print_message(sentence)
        if summary.unanswered:
            raise typer.Exit(INCOMPLETE)


def ask_for_anchors(
    engine: Engine, setup: IngestSetup, line: Line | None, source: PagedSource | None = None
) -> HarvestSummary:
    """Ask arXiv for every anchor of a line, or of all, known ones included: versions move on."""
    with open_session(engine) as session:
        library = read_audit_library(session, line=line)
        of_notes = {n for notes in library.notes_of.values() for n in notes}
        ids = {
            anchor.arxiv_id
            for anchor in library.anchors
            if anchor.arxiv_id and (anchor.line_id in library.lines or anchor.note_id in of_notes)
        }
    asking = Asking(engine, source or open_source(setup), None, today_utc(), print_message)
    asking.ask_ids(sorted(ids))
    with open_session(engine) as session:
        check_anchors(session)
    return asking.summarize()
