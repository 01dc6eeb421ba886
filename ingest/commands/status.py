"""``reassay ingest status``: what was asked of which source, and how it was answered."""

from typing import Annotated

import typer
from sqlalchemy import Engine, func
from sqlmodel import col, select

from claims.commands.output import JsonOption, print_json, print_message, print_table
from db.engine import open_session
from db.models import Claim, HarvestWindow, Paper
from ingest.commands.setup import open_store, today_utc
from ingest.days import find_reach, plan_recent
from ingest.windows import read_asked

COLUMNS = ("id", "what", "days", "asked", "answered", "seen", "new", "revised", "state")


def status(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="Questions at most, newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the questions put to arXiv or read from files, newest first.

    Example: reassay ingest status --limit 5
    """
    with open_store(context) as engine:
        windows = _read_windows(engine, limit)
        asked = read_asked(engine)
        with open_session(engine) as session:
            papers = session.exec(select(func.count()).select_from(Paper)).one()
    through = find_reach(asked)
    due = [{"since": s.since, "until": s.until} for s in plan_recent(asked, today_utc()).spans]
    if as_json:
        print_json({"papers": papers, "asked_through": through, "due": due, "windows": windows})
        return
    print_table(COLUMNS, (_row(window) for window in windows))
    print_message(f"{papers} papers stored; arXiv asked through {through or '–'}")


def _read_windows(engine: Engine, limit: int) -> list[dict[str, object]]:
    query = (
        select(HarvestWindow, Claim.handle)
        .outerjoin(Claim, col(Claim.id) == col(HarvestWindow.claim_id))
        .order_by(col(HarvestWindow.id).desc())
        .limit(limit)
    )
    with open_session(engine) as session:
        return [
            {
                "id": window.id,
                "night": window.night_id,
                "source": window.source,
                "purpose": window.purpose,
                "query": window.query,
                "claim": handle,
                "since": window.since,
                "until": window.until,
                "asked_at": window.started_at,
                "answered_at": window.finished_at,
                "complete": window.is_complete,
                "error": window.error,
                "seen": window.seen,
                "new": window.new,
                "revised": window.revised,
                "withdrawn": window.withdrawn,
            }
            for window, handle in session.exec(query)
        ]


def _row(window: dict[str, object]) -> list[object]:
    what = f"{window['purpose']} {window['claim'] or ''}".strip()
    days = f"{window['since']}..{window['until']}" if window["since"] else None
    moments = [_minute(window["asked_at"]), _minute(window["answered_at"])]
    counts = [window[name] for name in ("seen", "new", "revised")]
    state = "complete" if window["complete"] else window["error"] or "broken off"
    return [window["id"], what, days, *moments, *counts, state]


def _minute(moment: object) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else None
