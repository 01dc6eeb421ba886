"""What one window brought for each day of first submission and each watched category.

Decides what counts as new (first seen since the window, or a broken-off attempt at the same
days, was begun) and as revised (a text seen since then of a paper that was not new). Reads
the store, not the answer, so a count can be made again at any time with the same result.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import product
from typing import NamedTuple

from sqlmodel import Session, col, delete, select

from db.columns import stored_id
from db.models import HarvestDay, HarvestWindow, Paper, PaperVersion
from ingest.claim_queries import CATEGORIES
from ingest.days import DaySpan

IDS_A_QUERY = 500


class DayKey(NamedTuple):
    """A day of first submission and a category."""

    day: date
    category: str


@dataclass
class DayCount:
    """How many papers came, and how many of them were new or revised."""

    seen: int = 0
    new: int = 0
    revised: int = 0


class _Came(NamedTuple):
    paper_id: int
    published: date | None
    categories: list[str]
    first_seen_at: datetime


def record_days(
    session: Session, window: HarvestWindow, came: Collection[str], asked: Collection[str]
) -> None:
    """Write one window's counts in place of earlier ones; does not commit.

    ``came`` are the bare ids that came, ``asked`` the categories that were asked for: their
    days without papers are written as zeros.
    """
    session.exec(delete(HarvestDay).where(col(HarvestDay.window_id) == window.id))
    if window.since is None or window.until is None:
        return
    span = DaySpan(window.since, window.until)
    counts = {DayKey(*key): DayCount() for key in product(span.days, asked)}
    since = _find_beginning(session, window, span)
    for papers in _read_papers(session, came):
        told = _find_told(session, papers, since)
        for paper in papers:
            for key in _find_keys(paper):
                count = counts.setdefault(key, DayCount())
                count.seen += 1
                count.new += paper.first_seen_at >= since
                count.revised += paper.first_seen_at < since and paper.paper_id in told
    for key, count in counts.items():
        session.add(
            HarvestDay(
                window_id=stored_id(window.id),
                day=key.day,
                category=key.category,
                seen=count.seen,
                new=count.new,
                revised=count.revised,
            )
        )


def _find_keys(paper: _Came) -> list[DayKey]:
    if paper.published is None:
        return []
    return [DayKey(paper.published, c) for c in CATEGORIES if c in paper.categories]


def _find_beginning(session: Session, window: HarvestWindow, span: DaySpan) -> datetime:
    """When this window was begun, or the attempts at its days that broke off just before it."""
    query = (
        select(HarvestWindow.started_at, HarvestWindow.finished_at)
        .where(
            col(HarvestWindow.id) < window.id,
            col(HarvestWindow.purpose).in_(("recent", "backfill")),
            col(HarvestWindow.since) <= span.until,
            col(HarvestWindow.until) >= span.since,
        )
        .order_by(col(HarvestWindow.id).desc())
    )
    beginning = window.started_at
    for started_at, finished_at in session.exec(query):
        if finished_at is not None:
            break
        beginning = min(beginning, started_at)
    return beginning


def _read_papers(session: Session, came: Collection[str]) -> Iterator[list[_Came]]:
    ids = sorted(came)
    for n in range(0, len(ids), IDS_A_QUERY):
        query = select(
            col(Paper.id), col(Paper.published), col(Paper.categories), col(Paper.first_seen_at)
        ).where(col(Paper.arxiv_id).in_(ids[n : n + IDS_A_QUERY]))
        yield [_Came(stored_id(row[0]), *row[1:]) for row in session.exec(query)]


def _find_told(session: Session, papers: list[_Came], since: datetime) -> set[int]:
    """The papers with a text seen since a moment."""
    query = select(PaperVersion.paper_id).where(
        col(PaperVersion.paper_id).in_([paper.paper_id for paper in papers]),
        col(PaperVersion.seen_at) >= since,
    )
    return set(session.exec(query))
