"""The night's first step: bring in the papers that the store lacks.

Decides between a snapshot and arXiv, and nothing else: what arXiv is asked is decided in
``ingest.asking``. Knows nothing of what papers mean for claims.
"""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine

from db.engine import open_session
from ingest.anchor_checks import check_anchors
from ingest.asking import Asking, PagedSource
from ingest.harvest_summary import HarvestSummary
from ingest.snapshot_harvest import harvest_snapshot
from ingest.windows import DaySpan, slice_days
from ingest.withdrawals import stamp_withdrawals

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
) -> HarvestSummary:
    """Bring in what the store lacks, from the snapshot if one is set, else from arXiv.

    Failures of a source are part of the summary; whatever arrived is kept, and the next
    harvest asks for the rest.
    """
    if setup.snapshot is not None:
        summary = harvest_snapshot(engine, setup.snapshot, night_id, report_progress)
    else:
        asking = Asking(engine, source or open_source(setup), night_id, today, report_progress)
        asking.ask_anchors()
        asking.ask_claims()
        asking.ask_recent()
        summary = asking.summarize()
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
    """Ask arXiv for one span of days of submission and nothing else."""
    asking = Asking(engine, source or open_source(setup), None, today, report_progress)
    days = [span.since + timedelta(n) for n in range((span.until - span.since).days + 1)]
    asking.ask_spans(slice_days(days))
    stamp_withdrawals(engine)
    with open_session(engine) as session:
        check_anchors(session)
    return asking.summarize()


def open_source(setup: HarvestSetup) -> PagedSource:
    """arXiv's query API as the settings have it."""
    from ingest.sources.arxiv_api import open_arxiv_api

    return open_arxiv_api(setup.home, setup.arxiv_api_url, setup.arxiv_delay_s, setup.arxiv_contact)
