"""The night's first step: bring in the papers that the store lacks.

Decides between a snapshot and arXiv, and nothing else: what arXiv is asked is decided in
``ingest.asking``. Knows nothing of what papers mean for claims.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Engine

from db.columns import utc_now
from db.engine import open_session
from ingest.accounting import account_days, find_denied, find_doubts
from ingest.anchor_checks import check_anchors
from ingest.announcements import describe_schedule, describe_wait
from ingest.asking import Asking, PagedSource
from ingest.backfill import describe_open_end, fill, find_backfill, find_unfinished
from ingest.days import DaySpan
from ingest.harvest_summary import HarvestSummary
from ingest.snapshot_harvest import find_snapshot_reach, harvest_snapshot
from ingest.withdrawals import find_watched_ids, stamp_withdrawals

if TYPE_CHECKING:
    from ingest.sources.daily_feed import FeedSource
    from ingest.sources.oai import OaiSource

Progress = Callable[[str], None]


class HarvestSetup(Protocol):
    """Where papers come from, and how arXiv is to be asked."""

    @property
    def home(self) -> Path: ...

    @property
    def arxiv_api_url(self) -> str: ...

    @property
    def arxiv_delay_s(self) -> float: ...

    @property
    def arxiv_contact(self) -> str: ...

    @property
    def snapshot(self) -> Path | None: ...


def harvest(
    engine: Engine,
    setup: HarvestSetup,
    *,
    night_id: int | None,
    today: date,
    report_progress: Progress,
    source: PagedSource | None = None,
    changes: "OaiSource | None" = None,
    feed: "FeedSource | None" = None,
) -> HarvestSummary:
    """Bring in what the store lacks, from the snapshot if one is set, else from arXiv.

    With ``changes`` the recent papers come from there, by day of change; anchors and the
    searches for claims from ``source`` all the same, since OAI-PMH has no search. With
    ``feed`` the papers that arXiv's daily feeds announce and the store lacks are asked for.
    Failures of a source are part of the summary; whatever arrived is kept, and the next
    harvest asks for the rest.
    """
    if setup.snapshot is not None:
        summary = harvest_snapshot(engine, setup.snapshot, night_id, report_progress)
    else:
        asking = Asking(engine, source or open_source(setup), night_id, today, report_progress)
        asking.ask_anchors()
        asking.ask_claims()
        if changes is None:
            asking.ask_recent()
            _ask_watched(engine, asking)
        else:
            _add_changes(engine, changes, asking.summary, night_id, today, report_progress)
        if feed is not None:
            _ask_announced(engine, asking, feed, report_progress)
        summary = asking.summarize()
        if changes is not None:
            _extend_reach(engine, summary)
        if summary.searched_through is None:  # arXiv has not answered yet: what a file brought
            summary.searched_through = find_snapshot_reach(engine)
        _tell_gaps(engine, summary)
    stamp_withdrawals(engine)
    with open_session(engine) as session:
        check_anchors(session)
    return summary


def harvest_days(
    engine: Engine,
    setup: HarvestSetup,
    span: DaySpan,
    *,
    today: date,
    report_progress: Progress,
    source: PagedSource | None = None,
) -> HarvestSummary:
    """Ask arXiv for one span of days of submission, however long, and nothing else.

    Takes up an unfinished backfill that began on the same day.
    """
    source = source or open_source(setup)
    asking = Asking(engine, source, None, today, report_progress)
    backfill = find_backfill(engine, DaySpan(span.since, min(span.until, today)))
    fill(asking, source, backfill, setup.arxiv_delay_s, report_progress)
    summary = asking.summarize()
    accounts = [a for a in account_days(engine, utc_now()) if span.since <= a.day <= span.until]
    summary.unanswered += find_doubts(accounts, find_denied(engine))
    open_end = describe_open_end(backfill.span, utc_now())
    summary.not_asked += [open_end] if open_end else []
    stamp_withdrawals(engine)
    with open_session(engine) as session:
        check_anchors(session)
    return summary


def _tell_gaps(engine: Engine, summary: HarvestSummary) -> None:
    """Days that lack papers, batches that are not out, backfills that were broken off."""
    now = utc_now()
    summary.unanswered += find_doubts(account_days(engine, now), find_denied(engine))
    told = [describe_wait(now), describe_schedule(now.year)]
    told += [
        f"the backfill of {left.span} is not done: {left.command} goes on from there"
        for left in find_unfinished(engine)
    ]
    summary.not_asked += [sentence for sentence in told if sentence]


def _add_changes(
    engine: Engine,
    source: "OaiSource",
    summary: HarvestSummary,
    night_id: int | None,
    today: date,
    report_progress: Progress,
) -> None:
    from ingest.changes import harvest_changes

    harvest_changes(
        engine,
        source,
        night_id=night_id,
        today=today,
        report_progress=report_progress,
        summary=summary,
    )


def _extend_reach(engine: Engine, summary: HarvestSummary) -> None:
    from ingest.changes import extend_reach

    extend_reach(engine, summary)


def _ask_watched(engine: Engine, asking: Asking) -> None:
    """New versions of papers that claims rest on: OAI-PMH tells of them, the query API does not."""
    with open_session(engine) as session:
        ids = find_watched_ids(session)
    asking.ask_ids(ids, "paper that claims rest on")


def _ask_announced(
    engine: Engine, asking: Asking, feed: "FeedSource", report_progress: Progress
) -> None:
    from ingest.daily_announcements import ask_announced

    ask_announced(asking, engine, feed, report_progress)


def open_source(setup: HarvestSetup) -> PagedSource:
    """arXiv's query API as the settings have it."""
    from ingest.sources.arxiv_api import open_arxiv_api

    return open_arxiv_api(setup.home, setup.arxiv_api_url, setup.arxiv_delay_s, setup.arxiv_contact)
