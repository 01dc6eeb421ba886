"""The record of what was asked: each question is a row, begun before it is sent.

Decides how a question is written down and read back; which days are due is decided in
``ingest.days``. Knows nothing of how a source answers.
"""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine
from sqlmodel import col, select

from db.columns import stored_id, utc_now
from db.engine import open_session
from db.models import HarvestWindow
from ingest.claim_queries import CATEGORIES
from ingest.day_counts import record_days
from ingest.days import MOST_DAYS_BACK, AskedSpan, DaySpan
from ingest.papers import StoreCount
from ingest.sources.records import Question

OF_DAYS = ("recent", "backfill")  # purposes that ask for all papers of some days


def read_asked(engine: Engine) -> list[AskedSpan]:
    """Every span of days that was asked of arXiv for its own sake, oldest question first.

    No question counts as asked later than one that followed it, nor later than now: a clock
    that was ahead for a while would otherwise close days whose papers were not out.
    """
    query = (
        select(HarvestWindow)
        .where(col(HarvestWindow.purpose).in_(OF_DAYS))
        .order_by(col(HarvestWindow.id).desc())
    )
    spans: list[AskedSpan] = []
    latest = utc_now()
    with open_session(engine) as session:
        for row in session.exec(query):
            latest = min(latest, row.started_at)
            if row.since and row.until:
                spans.append(_read_span(row, DaySpan(row.since, row.until), latest))
    return spans[::-1]


def read_categories(query: str) -> frozenset[str]:
    """The watched categories that a query of the form ``cat:x OR cat:y`` asks for."""
    terms = {term.removeprefix("cat:") for term in query.split(" OR ")}
    return frozenset(CATEGORIES) & terms


def find_days_asked_in(engine: Engine, night_id: int | None) -> set[date]:
    """The days that a night has had the whole answer for: it was taken up again."""
    if night_id is None:
        return set()
    query = select(HarvestWindow).where(
        HarvestWindow.night_id == night_id,
        HarvestWindow.purpose == "recent",
        col(HarvestWindow.is_complete).is_(True),
    )
    with open_session(engine) as session:
        rows = session.exec(query).all()
    spans = [DaySpan(row.since, row.until) for row in rows if row.since and row.until]
    return {day for span in spans for day in span.days}


def open_window(
    engine: Engine,
    question: Question,
    source: str,
    night_id: int | None,
    claim_id: int | None = None,
    detail: dict[str, Any] | None = None,
) -> int:
    """Write down that a question is about to be asked."""
    window = HarvestWindow(
        started_at=utc_now(),
        night_id=night_id,
        source=source,
        purpose=question.purpose,
        query=question.query or ",".join(question.ids),
        claim_id=claim_id,
        since=question.since,
        until=question.until,
        detail=detail or {},
    )
    with open_session(engine) as session:
        session.add(window)
        session.commit()
    return stored_id(window.id)


def close_window(
    engine: Engine,
    window_id: int,
    count: StoreCount,
    error: str | None,
    came: Collection[str] = (),
    **values: Any,
) -> None:
    """Write down how it was answered, and what came for each day.

    ``came`` are bare ids; ``values`` are further columns of the row.
    """
    with open_session(engine) as session:
        window = session.get_one(HarvestWindow, window_id)
        window.seen, window.new = count.seen, count.new
        window.revised, window.withdrawn = count.revised, count.withdrawn
        window.error = error
        window.is_complete = error is None
        window.finished_at = utc_now()
        for name, value in values.items():
            setattr(window, name, value)
        if window.purpose in OF_DAYS:
            record_days(session, window, came, read_categories(window.query))
        session.commit()


def _read_span(row: HarvestWindow, span: DaySpan, asked_at: datetime) -> AskedSpan:
    total = row.detail.get("total")
    # Earlier versions wrote days that a person asked for as "recent".
    is_old = span.until < row.started_at.date() - timedelta(MOST_DAYS_BACK)
    return AskedSpan(
        *span,
        is_complete=row.is_complete,
        asked_at=asked_at,
        categories=read_categories(row.query),
        is_backfill=row.purpose == "backfill" or is_old,
        lacking=total - row.seen if isinstance(total, int) and not row.is_complete else None,
    )
