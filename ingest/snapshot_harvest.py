"""A harvest from a file of arXiv metadata, for first nights and for work without a network.

Decides when a file has been loaded before (same size, time of change and first mebibyte)
and what the file's days say about how far the store reaches. arXiv is not asked.
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlmodel import col, func, select

from db.columns import stored_id
from db.engine import open_session
from db.errors import SnapshotRefused
from db.models import HarvestWindow
from ingest.harvest_summary import HarvestSummary
from ingest.papers import LOAD_BATCH, StoreCount, store_in_batches
from ingest.sources.records import Question
from ingest.sources.snapshot import SnapshotSource
from ingest.windows import close_window, open_window

PROGRESS_EVERY = 10_000  # papers
Progress = Callable[[str], None]


def harvest_snapshot(
    engine: Engine, file: Path, night_id: int | None, report_progress: Progress
) -> HarvestSummary:
    """Load a snapshot unless this very file was loaded in full before."""
    summary = HarvestSummary("snapshot")
    try:
        mark = asdict(SnapshotSource(file).fingerprint())
    except SnapshotRefused as error:
        summary.unanswered.append(f"the snapshot was not read: {error}")
        return summary
    loaded = _find_loaded(engine, mark)
    if loaded is None:
        report_progress(f"reading papers from {file.name}")
        try:
            count, source, window_id = load_snapshot(
                engine, file, report_progress, night_id=night_id, mark=mark
            )
        except SnapshotRefused as error:
            summary.unanswered.append(f"the snapshot was not read to its end: {error}")
            return summary
        summary.count(window_id, count)
        summary.remarks += source.remarks
        summary.since, summary.until = source.first_day, source.last_day
    else:
        report_progress(f"{file.name} is unchanged and was loaded before")
        summary.windows.append(stored_id(loaded.id))
        summary.since, summary.until = loaded.since, loaded.until
    _describe_reach(summary)
    return summary


def load_snapshot(
    engine: Engine,
    file: Path,
    report_progress: Progress,
    *,
    night_id: int | None = None,
    mark: dict[str, Any] | None = None,
) -> tuple[StoreCount, SnapshotSource, int]:
    """Load one file and record it; returns the counts, the source as read and the window's id.

    Raises:
        SnapshotRefused: the file is no metadata, or breaks off; the papers before a break
            are stored and counted in the window.
    """
    source = SnapshotSource(file)
    mark = mark or asdict(source.fingerprint())
    question = Question("snapshot", query=str(file))
    window_id = open_window(engine, question, source.name, night_id)
    count, error = StoreCount(), None
    try:
        records = source.answer(question)
        for counted in store_in_batches(engine, records, source.name, LOAD_BATCH):
            count += counted
            if count.seen % PROGRESS_EVERY < counted.seen:
                report_progress(f"{count.seen} papers read, {count.new} new")
    except SnapshotRefused as refusal:
        error = refusal
    newest = source.newest_listed.isoformat() if source.newest_listed else None
    detail = {**mark, "newest_listed": newest, "bad_lines": source.bad_lines}
    close_window(
        engine,
        window_id,
        count,
        str(error) if error else None,
        detail=detail,
        since=source.first_day,
        until=source.last_day,
    )
    if error is not None:
        raise error
    return count, source, window_id


def find_snapshot_reach(engine: Engine) -> date | None:
    """The last day of the snapshots that were loaded whole."""
    query = select(func.max(HarvestWindow.until)).where(
        HarvestWindow.purpose == "snapshot", col(HarvestWindow.is_complete).is_(True)
    )
    with open_session(engine) as session:
        return session.exec(query).one()


def _describe_reach(summary: HarvestSummary) -> None:
    summary.searched_through = summary.until
    summary.not_asked.append(
        f"the snapshot ends on {summary.until}: days after that were not asked of arXiv"
        if summary.until
        else "the snapshot states no dates: no day was asked of arXiv"
    )


def _find_loaded(engine: Engine, mark: dict[str, Any]) -> HarvestWindow | None:
    """The window in which this file was loaded in full, wherever it lay then."""
    query = (
        select(HarvestWindow)
        .where(HarvestWindow.purpose == "snapshot", col(HarvestWindow.is_complete).is_(True))
        .order_by(col(HarvestWindow.id).desc())
    )
    keys = [key for key in mark if key != "file"]
    with open_session(engine) as session:
        for window in session.exec(query):
            if all(window.detail.get(key) == mark[key] for key in keys):
                return window
    return None
