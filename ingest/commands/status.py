"""``reassay ingest status``: an account of the last days, and the questions behind it."""

from typing import Annotated

import typer
from sqlalchemy import Engine, func
from sqlmodel import col, select

from claims.commands.output import JsonOption, print_json, print_message, print_table
from db.columns import utc_now
from db.engine import open_session
from db.models import Claim, HarvestWindow, Paper
from ingest.accounting import SHOWN_DAYS, DayAccount, account_days, find_watermark
from ingest.announcements import describe_schedule, describe_wait
from ingest.commands.setup import open_store, today_utc
from ingest.days import plan_recent
from ingest.windows import read_asked

DAY_COLUMNS = ("day", "category", "asked", "seen", "new", "revised", "missing", "usual", "flag")
COLUMNS = ("id", "what", "days", "asked", "answered", "seen", "new", "revised", "state")


def status(
    context: typer.Context,
    days: Annotated[
        int, typer.Option(min=1, max=366, help="Days of first submission to account for.")
    ] = SHOWN_DAYS,
    limit: Annotated[int, typer.Option(min=1, help="Questions at most, newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Account for the last days by category, then list the questions put, newest first.

    Missing papers: "≤" where an answer broke off, "?" where nothing is known.
    Example: reassay ingest status --days 7 --limit 5
    """
    now = utc_now()
    with open_store(context) as engine:
        accounts = account_days(engine, now, days)
        windows = _read_windows(engine, limit)
        asked, through = read_asked(engine), find_watermark(engine)
        with open_session(engine) as session:
            papers = session.exec(select(func.count()).select_from(Paper)).one()
    due = [{"since": s.since, "until": s.until} for s in plan_recent(asked, today_utc()).spans]
    if as_json:
        told = [describe_account(account) for account in accounts]
        print_json(
            {
                "papers": papers,
                "asked_through": through,
                "due": due,
                "days": told,
                "windows": windows,
            }
        )
        return
    if any(account.asked != "never" for account in accounts):
        print_table(DAY_COLUMNS, (_day_row(account) for account in accounts))
    else:
        print_message(f"arXiv was asked for none of the last {days} days")
    print_table(COLUMNS, (_row(window) for window in windows))
    print_message(f"{papers} papers stored; arXiv asked through {through or '–'}")
    for sentence in (describe_wait(now), describe_schedule(now.year)):
        if sentence:
            print_message(sentence)


def describe_account(account: DayAccount) -> dict[str, object]:
    """One day and category as scripts get it; ``missing`` is a number or ``"?"``."""
    return {
        "day": account.day,
        "category": account.category,
        "asked": account.asked,
        "seen": account.seen,
        "new": account.new,
        "revised": account.revised,
        "missing": "?" if account.missing is None else account.missing,
        "usual": account.usual.median if account.usual else None,
        "flag": account.flag,
    }


def _day_row(account: DayAccount) -> list[object]:
    asked = account.asked
    if asked == "open":
        asked = "open: to be asked again" if account.is_out else "open: not out yet"
    missing: object = "?" if account.missing is None else account.missing
    if account.asked == "incomplete" and account.missing:
        missing = f"≤ {account.missing}"
    usual = f"{account.usual.median:.0f}" if account.usual else None
    counts = [account.seen, account.new, account.revised, missing, usual, account.flag or ""]
    return [account.day, account.category, asked, *counts]


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
