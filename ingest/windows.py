"""The record of what was asked: each question is a row, begun before it is sent.

Decides which days of submission are still to be asked, so that a night that failed leaves
no gap and a night that worked is not repeated. Knows nothing of how a source answers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Engine
from sqlmodel import col, select

from db.columns import stored_id, utc_now
from db.engine import open_session
from db.models import HarvestWindow
from ingest.papers import StoreCount
from ingest.sources.records import Question

FIRST_DAYS = 3  # a first night starts this many days back
# Submission precedes announcement by one to four days, longer under moderation.
OVERLAP_DAYS = 7
MOST_DAYS_BACK = 30  # a longer absence is a backfill, which a person should ask for
SLICE_DAYS = 4  # two thousand papers or so: pages stay far from arXiv's paging bounds


class DaySpan(NamedTuple):
    """Days of first submission, both included."""

    since: date
    until: date

    def __str__(self) -> str:
        return str(self.since) if self.since == self.until else f"{self.since} to {self.until}"


class AskedSpan(NamedTuple):
    """A span that was asked, and whether the whole answer came."""

    since: date
    until: date
    is_complete: bool


@dataclass(frozen=True)
class RecentPlan:
    """The spans to ask now, oldest first, and one too old to be asked unbidden."""

    spans: tuple[DaySpan, ...]
    too_old: DaySpan | None = None


def plan_recent(asked: Iterable[AskedSpan], today: date) -> RecentPlan:
    """The days to ask for: what is missing, the overlap before the watermark, and since."""
    asked = list(asked)
    covered = {day for span in asked if span.is_complete for day in _days(span.since, span.until)}
    if not asked:
        return RecentPlan(slice_days(_days(today - timedelta(FIRST_DAYS), today)))
    holes = {day for span in asked for day in _days(span.since, span.until)} - covered
    reach = max(covered) if covered else min(holes)
    overlap = timedelta(OVERLAP_DAYS) if covered else timedelta(0)
    start, bound = reach - overlap, today - timedelta(MOST_DAYS_BACK)
    too_old = DaySpan(start, bound - timedelta(1)) if start < bound else None
    wanted = holes | set(_days(max(start, bound), today))
    return RecentPlan(slice_days(day for day in wanted if day <= today), too_old)


def find_reach(asked: Iterable[AskedSpan]) -> date | None:
    """The last day of submission before which no asked day is missing."""
    asked = list(asked)
    covered = {day for span in asked if span.is_complete for day in _days(span.since, span.until)}
    holes = {day for span in asked for day in _days(span.since, span.until)} - covered
    if not covered:
        return None
    before_holes = {day for day in covered if not holes or day < min(holes)}
    return max(before_holes, default=None)


def slice_days(days: Iterable[date]) -> tuple[DaySpan, ...]:
    """Runs of consecutive days, cut so that none is longer than ``SLICE_DAYS``."""
    spans: list[DaySpan] = []
    for day in sorted(days):
        last = spans[-1] if spans else None
        if last and last.until + timedelta(1) == day and (day - last.since).days < SLICE_DAYS:
            spans[-1] = DaySpan(last.since, day)
        else:
            spans.append(DaySpan(day, day))
    return tuple(spans)


def read_recent(engine: Engine) -> list[AskedSpan]:
    """Every span of days that was asked of arXiv for its own sake."""
    query = select(HarvestWindow).where(HarvestWindow.purpose == "recent")
    with open_session(engine) as session:
        return [
            AskedSpan(row.since, row.until, row.is_complete)
            for row in session.exec(query)
            if row.since and row.until
        ]


def was_asked_tonight(engine: Engine, night_id: int | None, span: DaySpan) -> bool:
    """Whether this night has already had the whole answer for a span: it was taken up again."""
    if night_id is None:
        return False
    query = select(HarvestWindow.id).where(
        HarvestWindow.night_id == night_id,
        HarvestWindow.purpose == "recent",
        HarvestWindow.since == span.since,
        HarvestWindow.until == span.until,
        col(HarvestWindow.is_complete).is_(True),
    )
    with open_session(engine) as session:
        return session.exec(query).first() is not None


def open_window(
    engine: Engine,
    question: Question,
    source: str,
    night_id: int | None,
    claim_id: int | None = None,
) -> int:
    """Write down that a question is about to be asked."""
    window = HarvestWindow(
        night_id=night_id,
        source=source,
        purpose=question.purpose,
        query=question.query or ",".join(question.ids),
        claim_id=claim_id,
        since=question.since,
        until=question.until,
    )
    with open_session(engine) as session:
        session.add(window)
        session.commit()
    return stored_id(window.id)


def close_window(
    engine: Engine, window_id: int, count: StoreCount, error: str | None, **values: Any
) -> None:
    """Write down how it was answered; ``values`` are further columns of the row."""
    with open_session(engine) as session:
        window = session.get_one(HarvestWindow, window_id)
        window.seen, window.new = count.seen, count.new
        window.revised, window.withdrawn = count.revised, count.withdrawn
        window.error = error
        window.is_complete = error is None
        window.finished_at = utc_now()
        for name, value in values.items():
            setattr(window, name, value)
        session.commit()


def _days(since: date, until: date) -> list[date]:
    return [since + timedelta(n) for n in range((until - since).days + 1)]
