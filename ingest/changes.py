"""The harvest by day of change: what arXiv's OAI-PMH server lists as new, revised or withdrawn.

Decides which days of change are asked for: one window a set and span of days, each set on
from the server's own day of its last whole answer; only the newest window has no end. A
window that was begun and not ended proves nothing, so its days are asked for again.

What it means for the watermark, which counts days of first submission: a paper is announced
on or after its day of submission, and announcing it is a change. So whole answers for every
day of change since D prove that the store has everything announced since D, and with it
every paper first submitted on or after D whose batch was out when the last of them was
asked for. Of papers submitted before D they prove nothing. ``find_changes_reach`` says so.

Knows nothing of HTTP, nor of what papers mean for claims.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Engine
from sqlmodel import col, select

from db.columns import stored_id
from db.engine import open_session
from db.errors import QuestionRefused, SourceUnavailable
from db.models import HarvestWindow, Paper
from ingest.change_days import (
    ONE_DAY,
    AskedChanges,
    ChangeSpan,
    find_set_reach,
    plan_changes,
    slice_changes,
)
from ingest.claim_queries import CATEGORIES
from ingest.harvest_summary import HarvestSummary
from ingest.papers import StoreCount, store_in_batches
from ingest.sources.oai import OaiSource, name_set
from ingest.sources.records import PaperRecord, Question
from ingest.windows import close_window, open_window

PURPOSE = "changes"
SETS = tuple(name_set(category) for category in CATEGORIES)
MOST_REQUESTS = 200  # a harvest: ten minutes at arXiv's pace
Progress = Callable[[str], None]


@dataclass
class _Harvest:
    """One harvest's means and its summary."""

    engine: Engine
    source: OaiSource
    night_id: int | None
    today: date
    report_progress: Progress
    summary: HarvestSummary
    failed: dict[str, list[str]] = field(default_factory=dict)  # sets and days by reason


def harvest_changes(
    engine: Engine,
    source: OaiSource,
    *,
    night_id: int | None,
    today: date,
    report_progress: Progress,
    summary: HarvestSummary | None = None,
) -> HarvestSummary:
    """What changed since the last whole answer, set by set; a first harvest goes back 3 days.

    Adds to ``summary`` if one is given. Failures of the source are part of it; whatever
    arrived is kept, and the next harvest asks for the rest.
    """
    harvest = _Harvest(
        engine, source, night_id, today, report_progress, summary or HarvestSummary(source.name)
    )
    asked = read_changes_asked(engine)
    for set_name in SETS:
        of_set = [window for window in asked if window.set_name == set_name]
        if night_id is None or not any(_was_tonight(window, night_id) for window in of_set):
            _ask_spans(harvest, set_name, plan_changes(of_set, today), by_hand=False)
    _recall_tonight(harvest)
    return _summarize(harvest)


def harvest_changed_days(
    engine: Engine,
    source: OaiSource,
    since: date,
    until: date,
    *,
    today: date,
    report_progress: Progress,
) -> HarvestSummary:
    """What changed on some days, both included, and nothing else."""
    harvest = _Harvest(engine, source, None, today, report_progress, HarvestSummary(source.name))
    for set_name in SETS:
        _ask_spans(harvest, set_name, slice_changes(since, until, today), by_hand=True)
    return _summarize(harvest)


def find_changes_reach(engine: Engine) -> date | None:
    """The last day of first submission up to which OAI-PMH has brought all that was out.

    Counted from the first day of change that a harvest asked for; None if not one day is
    proved for every watched category.
    """
    asked = read_changes_asked(engine)
    reaches = [find_set_reach([w for w in asked if w.set_name == name]) for name in SETS]
    known = [reach for reach in reaches if reach is not None]
    return min(known) if len(known) == len(SETS) else None


def read_changes_asked(engine: Engine) -> list[AskedChanges]:
    """Every window on changes, oldest first."""
    query = select(HarvestWindow).where(HarvestWindow.purpose == PURPOSE)
    with open_session(engine) as session:
        rows = session.exec(query.order_by(col(HarvestWindow.id))).all()
    return [_read_window(row) for row in rows if row.since is not None]


def _read_window(row: HarvestWindow) -> AskedChanges:
    assert row.since is not None
    is_open = row.until is None or bool(row.detail.get("is_open"))
    next_from, as_of = row.since, row.started_at
    if row.is_complete and not is_open and row.until is not None:
        next_from = row.until + ONE_DAY
    elif row.is_complete and row.detail.get("answered_at"):
        # An answer may come out of a cache. A server whose clock is ahead would skip days.
        as_of = min(datetime.fromisoformat(row.detail["answered_at"]), as_of + ONE_DAY)
        next_from = max(as_of.date(), row.since)
    return AskedChanges(
        set_name=row.query,
        since=row.since,
        next_from=next_from,
        is_open=is_open and row.is_complete,
        by_hand=bool(row.detail.get("by_hand")),
        as_of=min(as_of, row.started_at),
        night_id=row.night_id if row.is_complete else None,
    )


def _was_tonight(window: AskedChanges, night_id: int) -> bool:
    return window.night_id == night_id and window.is_open


def _ask_spans(
    harvest: _Harvest, set_name: str, spans: Iterable[ChangeSpan], *, by_hand: bool
) -> None:
    for span in spans:
        summary = harvest.summary
        summary.since = min(span.since, summary.since or span.since)
        end = span.until or max(span.since, harvest.today)
        summary.until = max(end, summary.until or end)
        if harvest.source.requests_made >= MOST_REQUESTS:
            reason = f"{MOST_REQUESTS} requests are enough for one harvest"
            harvest.failed.setdefault(reason, []).append(f"{set_name} {span}")
            continue
        _ask_span(harvest, set_name, span, by_hand=by_hand)


def _ask_span(harvest: _Harvest, set_name: str, span: ChangeSpan, *, by_hand: bool) -> None:
    """Put one question, store what comes, and write down how it was answered."""
    source = harvest.source
    if not source.stopped_because:
        harvest.report_progress(f"asking arXiv by OAI-PMH what changed in {set_name} {span}")
    question = Question(PURPOSE, set_name, since=span.since, until=span.until)
    begun = {"is_open": span.until is None, "by_hand": by_hand}
    window_id = open_window(harvest.engine, question, source.name, harvest.night_id, detail=begun)
    count, error = StoreCount(), None
    try:
        for counted in store_in_batches(harvest.engine, _answer(harvest, question), source.name):
            count += counted
    except SourceUnavailable as failure:
        error = failure
        harvest.failed.setdefault(str(failure), []).append(f"{set_name} {span}")
    told = {**begun, **_describe_answer(source), "refused": isinstance(error, QuestionRefused)}
    reason = str(error) if error else None
    close_window(harvest.engine, window_id, count, reason, detail=told)
    harvest.summary.count(window_id, count)
    harvest.summary.remarks += source.remarks


def _answer(harvest: _Harvest, question: Question) -> Iterator[PaperRecord]:
    """The records of an answer; at its end, known papers that it marks as deleted."""
    yield from harvest.source.answer(question)
    yield from read_deleted(harvest.engine, harvest.source.deleted)


def read_deleted(engine: Engine, arxiv_ids: list[str]) -> list[PaperRecord]:
    """Stored papers that arXiv has taken out, told as withdrawn: their text stays as it is."""
    query = select(Paper).where(col(Paper.arxiv_id).in_(arxiv_ids))
    with open_session(engine) as session:
        return [
            PaperRecord(
                paper.arxiv_id, paper.version, paper.title, paper.abstract, is_marked_withdrawn=True
            )
            for paper in session.exec(query)
        ]


def _describe_answer(source: OaiSource) -> dict[str, Any]:
    return {
        "answered_at": source.answered_at.isoformat() if source.answered_at else None,
        "total": source.total,
        "remarks": source.remarks,
        "deleted": source.deleted,
    }


def _recall_tonight(harvest: _Harvest) -> None:
    """Count what this night had finished before it was broken off."""
    if harvest.night_id is None:
        return
    query = select(HarvestWindow).where(
        HarvestWindow.night_id == harvest.night_id,
        HarvestWindow.purpose == PURPOSE,
        col(HarvestWindow.finished_at).is_not(None),
    )
    with open_session(harvest.engine) as session:
        for row in session.exec(query):
            if stored_id(row.id) not in harvest.summary.windows:
                count = StoreCount(row.seen, row.new, row.revised, row.withdrawn)
                harvest.summary.count(stored_id(row.id), count)


def _summarize(harvest: _Harvest) -> HarvestSummary:
    summary = harvest.summary
    for reason, asked in harvest.failed.items():
        summary.unanswered.append(
            f"arXiv's OAI-PMH server did not answer for {', '.join(asked)}: {reason}"
        )
    extend_reach(harvest.engine, summary)
    return summary


def extend_reach(engine: Engine, summary: HarvestSummary) -> None:
    """Let a summary reach as far as the changes do, if that is further."""
    reach = find_changes_reach(engine)
    if reach is not None:
        summary.searched_through = max(reach, summary.searched_through or reach)
