"""What arXiv's daily feeds announced, kept day by day and held against the store.

One window a day of announcement, purpose "feed"; reading a day again adds what it lacks and
repeats nothing. Decides which announced papers are asked for by id: those new or
cross-listed that the store has not. The feeds are a hint: one that cannot be read leaves no
harvest incomplete.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from db.columns import stored_id, utc_now
from db.engine import open_session
from db.errors import SourceUnavailable
from db.models import HarvestWindow, Paper
from ingest.asking import Asking
from ingest.claim_queries import CATEGORIES
from ingest.sources.daily_feed import DailyFeed, FeedSource, open_feed
from ingest.sources.exchange import LOOPBACK

PURPOSE = "feed"
EASTERN = ZoneInfo("America/New_York")
BATCH = 500  # ids in one statement
Progress = Callable[[str], None]


class FeedSetup(Protocol):
    """Where the daily feeds are, and how arXiv is to be asked."""

    @property
    def home(self) -> Path: ...

    @property
    def arxiv_api_url(self) -> str: ...

    @property
    def arxiv_feed_url(self) -> str: ...

    @property
    def arxiv_delay_s(self) -> float: ...

    @property
    def arxiv_contact(self) -> str: ...


def open_daily_feed(setup: FeedSetup) -> FeedSource | None:
    """The feeds as the settings have them; None if they are not to be asked.

    They are not if the setting is empty, nor while the query API is one on this machine and
    the feeds are not: whoever works with a stand-in for arXiv does not mean arXiv itself.
    """
    url = setup.arxiv_feed_url
    stands_in = _is_here(setup.arxiv_api_url) and not _is_here(url)
    if not url or stands_in:
        return None
    return open_feed(setup.home, url, setup.arxiv_delay_s, setup.arxiv_contact)


def ask_announced(
    asking: Asking, engine: Engine, source: FeedSource, report_progress: Progress
) -> None:
    """Read today's feeds unless they were read, and ask for what they announce and we lack."""
    today = datetime.now(EASTERN).date()
    try:
        days = _read_feeds(asking, engine, source, today, report_progress)
    except SourceUnavailable as error:
        asking.summary.not_asked.append(f"arXiv's daily feeds were not read: {error}")
        days = {today}
    ids = [i for day in sorted(days) for i in find_announced_missing(engine, day)]
    asking.ask_ids(ids, "announced paper")


def note_announcements(
    engine: Engine, feeds: Mapping[str, DailyFeed], night_id: int | None = None
) -> list[int]:
    """Keep feeds by category as one window a day of announcement; returns the windows' ids.

    Idempotent: an id that a day's window already names in that place is not named again.
    """
    by_day: dict[date, dict[str, DailyFeed]] = defaultdict(dict)
    for category, feed in feeds.items():
        by_day[feed.day][category] = feed
    with open_session(engine) as session:
        ids = [_note_day(session, day, by_day[day], night_id) for day in sorted(by_day)]
        session.commit()
    return ids


def find_announced_missing(engine: Engine, day: date) -> list[str]:
    """The ids announced on a day as new or cross-listed that the store has not, in order."""
    with open_session(engine) as session:
        window = _find_window(session, day)
        told = window.detail.get("announced", {}) if window is not None else {}
        ids = sorted(
            {i for kinds in told.values() for kind in ("new", "cross") for i in kinds[kind]}
        )
        stored: set[str] = set()
        for n in range(0, len(ids), BATCH):
            query = select(Paper.arxiv_id).where(col(Paper.arxiv_id).in_(ids[n : n + BATCH]))
            stored.update(session.exec(query))
    return [i for i in ids if i not in stored]


def _read_feeds(
    asking: Asking, engine: Engine, source: FeedSource, today: date, report_progress: Progress
) -> set[date]:
    """Fetch what is not kept yet; returns the days that the feeds are of."""
    with open_session(engine) as session:
        window = _find_window(session, today)
        kept = set(window.detail.get("announced", {})) if window is not None else set()
    days = {today}
    for category in CATEGORIES:
        if category in kept:
            continue
        report_progress(f"reading arXiv's daily feed of {category}")
        feed = source.fetch(category)
        note_announcements(engine, {category: feed})
        days.add(feed.day)
        asking.summary.remarks += feed.left_out
        if feed.is_cut:
            asking.summary.not_asked.append(
                f"the daily feed of {category} is as long as arXiv makes it: it may name not all"
            )
    return days


def _note_day(
    session: Session, day: date, feeds: Mapping[str, DailyFeed], night_id: int | None
) -> int:
    window = _find_window(session, day)
    if window is None:
        window = HarvestWindow(
            night_id=night_id, source=PURPOSE, purpose=PURPOSE, query="", since=day, until=day
        )
    told: dict[str, Any] = dict(window.detail.get("announced", {}))
    for category, feed in feeds.items():
        told[category] = _merge(told.get(category, {}), _describe(feed))
    window.query = ",".join(sorted(told))
    window.seen = sum(len(named) for kinds in told.values() for named in kinds.values())
    window.detail = {**window.detail, "announced": told}
    window.is_complete = True
    window.finished_at = utc_now()
    session.add(window)
    session.flush()
    return stored_id(window.id)


def _describe(feed: DailyFeed) -> dict[str, list[Any]]:
    told: dict[str, list[Any]] = {"new": [], "cross": [], "replace": []}
    for item in feed.announcements:
        if item.kind in ("new", "cross"):
            told[item.kind].append(item.arxiv_id)
        else:
            told["replace"].append([item.arxiv_id, item.version])
    return told


def _merge(old: Mapping[str, list[Any]], new: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    merged = {}
    for kind, named in new.items():
        before = old.get(kind, [])
        merged[kind] = [*before, *_without_repeats(named, before)]
    return merged


def _without_repeats(named: list[Any], before: list[Any]) -> list[Any]:
    known = {str(one) for one in before}
    kept = []
    for one in named:
        if str(one) not in known:
            known.add(str(one))
            kept.append(one)
    return kept


def _find_window(session: Session, day: date) -> HarvestWindow | None:
    query = select(HarvestWindow).where(
        HarvestWindow.purpose == PURPOSE, HarvestWindow.since == day
    )
    return session.exec(query.order_by(col(HarvestWindow.id))).first()


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK
