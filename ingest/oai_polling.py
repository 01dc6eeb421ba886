"""Asking arXiv by OAI-PMH alone, and opening that source as the settings have it.

Decides what OAI-PMH is asked besides changes: the anchors that the store lacks, one request
each. Claims are not searched for, since the protocol has no search.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine

from db.engine import open_session
from ingest.anchor_checks import check_anchors
from ingest.asking import Asking
from ingest.changes import harvest_changed_days, harvest_changes
from ingest.harvest_summary import HarvestSummary, name_some
from ingest.sources.oai import OaiSource, open_oai
from ingest.waiting import find_waiting_claims, find_wanted_ids
from ingest.withdrawals import stamp_withdrawals

MOST_ANCHORS = 50  # a request each
Progress = Callable[[str], None]


class OaiSetup(Protocol):
    """Where the OAI-PMH server is, and how arXiv is to be asked."""

    @property
    def home(self) -> Path: ...

    @property
    def arxiv_source(self) -> str: ...

    @property
    def arxiv_oai_url(self) -> str: ...

    @property
    def arxiv_delay_s(self) -> float: ...

    @property
    def arxiv_contact(self) -> str: ...


def open_oai_source(setup: OaiSetup) -> OaiSource:
    """arXiv's OAI-PMH server as the settings have it."""
    return open_oai(setup.home, setup.arxiv_oai_url, setup.arxiv_delay_s, setup.arxiv_contact)


def open_changes(setup: OaiSetup) -> OaiSource | None:
    """The source of a harvest's recent papers if that is to be OAI-PMH, else None."""
    return open_oai_source(setup) if setup.arxiv_source == "oai" else None


def poll_oai(
    engine: Engine,
    source: OaiSource,
    days: tuple[date, date] | None,
    *,
    today: date,
    report_progress: Progress,
) -> HarvestSummary:
    """Ask for what changed since the last answer and for anchors; or for some days of change."""
    if days is not None:
        summary = harvest_changed_days(
            engine, source, *days, today=today, report_progress=report_progress
        )
    else:
        summary = _ask_anchors(engine, source, today, report_progress)
        harvest_changes(
            engine,
            source,
            night_id=None,
            today=today,
            report_progress=report_progress,
            summary=summary,
        )
    stamp_withdrawals(engine)
    with open_session(engine) as session:
        check_anchors(session)
    return summary


def _ask_anchors(
    engine: Engine, source: OaiSource, today: date, report_progress: Progress
) -> HarvestSummary:
    with open_session(engine) as session:
        ids = find_wanted_ids(session)
        waiting = [claim.handle for claim, _ in find_waiting_claims(session, today)]
    asking = Asking(engine, source, None, today, report_progress)
    asking.ask_ids(ids[:MOST_ANCHORS])
    summary = asking.summarize()
    if ids[MOST_ANCHORS:]:
        summary.not_asked.append(
            f"{name_some(ids[MOST_ANCHORS:], 'anchor')} wait for the next harvest: OAI-PMH is "
            f"asked for {MOST_ANCHORS} at most"
        )
    if waiting:
        summary.not_asked.append(
            f"{name_some(waiting, 'claim')} not searched for: OAI-PMH has no search, "
            "'reassay ingest poll --source api' has"
        )
    return summary
