"""arXiv's daily feeds (RSS and Atom): what was announced today in a category, as a hint.

A feed holds one day and no history, and not the day of first submission: its items say what
is out, they do not become papers. Decides what an item announces and which day a feed is
of. Source: arXiv's help on RSS (kinds of announcement, rebuilt at midnight US Eastern, 2000
items at most). No address that a feed contains is ever fetched. Knows no database.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

from lxml import etree

from claims.arxiv_ids import parse_arxiv_id
from db.errors import SourceUnavailable
from ingest.sources.author_names import split_authors
from ingest.sources.exchange import Answer, RequestLimits
from ingest.sources.patience import Patience, name_agent
from ingest.sources.politeness import Clock, RequestPacer
from ingest.sources.records import clean_text
from ingest.sources.xml_guard import Unreadable, parse_guarded

ATOM = "{http://www.w3.org/2005/Atom}"
KIND = "{http://arxiv.org/schemas/atom}announce_type"
CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
PREFIX = "oai:arXiv.org:"
EASTERN = ZoneInfo("America/New_York")
KINDS = ("new", "cross", "replace", "replace-cross")
MOST_ITEMS = 2000  # arXiv cuts a feed there
LIMITS = RequestLimits(request_s=30.0, question_s=90.0, body_bytes=16 * 2**20)
MOST_CHARACTERS = 20_000  # of a text; arXiv's form takes abstracts of 1920
FIRST_YEAR, LAST_YEAR = 2024, 2099  # the feeds have had this form since 2024
ABSTRACT = re.compile(r"\bAbstract:\s*(.*)", re.DOTALL)
NOUN = "a daily feed"


@dataclass(frozen=True)
class Announcement:
    """One item of a feed."""

    arxiv_id: str  # bare
    version: int
    kind: str  # new | cross | replace | replace-cross
    title: str
    abstract: str
    categories: tuple[str, ...] = ()  # primary first
    authors: tuple[str, ...] = ()


@dataclass(frozen=True)
class DailyFeed:
    """One category's announcements of one day."""

    day: date  # that was announced, US Eastern
    announcements: tuple[Announcement, ...] = ()
    skip_days: tuple[str, ...] = ()  # days of the week without announcement, as stated
    left_out: tuple[str, ...] = ()  # a sentence for each item that cannot be read

    @property
    def is_cut(self) -> bool:
        """Whether arXiv may have left items out, since the feed is as long as it may be."""
        return len(self.announcements) + len(self.left_out) >= MOST_ITEMS


class _Texts(NamedTuple):
    """Where the two forms keep the same things."""

    item: str
    id: str
    title: str
    description: str
    category: str
    day: str


RSS = _Texts("channel/item", "guid", "title", "description", "category", "pubDate")
ATOM_FORM = _Texts(
    f"{ATOM}entry",
    f"{ATOM}id",
    f"{ATOM}title",
    f"{ATOM}summary",
    f"{ATOM}category",
    f"{ATOM}published",
)


class FeedSource:
    """The daily feeds; after a failure that will not pass soon it stops asking."""

    name = "feed"

    def __init__(
        self,
        feed_url: str,
        pacer: RequestPacer,
        *,
        contact: str = "",
        limits: RequestLimits | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._url = feed_url.rstrip("/")
        headers = {
            "Accept": "application/rss+xml, application/atom+xml, text/xml",
            "User-Agent": name_agent(contact),
        }
        self._patience = Patience(headers, pacer, limits or LIMITS, draw)

    def fetch(self, category: str) -> DailyFeed:
        """The present feed of a category.

        Raises:
            SourceUnavailable: it did not come, or cannot be read.
        """
        self._patience.begin()
        return self._patience.fetch(f"{self._url}/{quote(category, safe='')}", self._read)

    def _read(self, answer: Answer) -> DailyFeed:
        if answer.status != 200:
            raise SourceUnavailable(
                f"{self._url} answered HTTP {answer.status}: check REASSAY_ARXIV_FEED_URL"
            )
        return read_feed(answer.body)


def open_feed(
    home: Path, feed_url: str, delay_s: float, contact: str, clock: Clock | None = None
) -> FeedSource:
    """The daily feeds at arXiv's pace, shared with every other way of asking arXiv."""
    return FeedSource(feed_url, RequestPacer(home, delay_s, clock), contact=contact)


def read_announcements(body: bytes) -> tuple[Announcement, ...]:
    """The items of a feed in either form.

    Raises:
        Unreadable: it is no such feed.
    """
    return read_feed(body).announcements


def read_feed(body: bytes) -> DailyFeed:
    """A feed in either form, with its day.

    Raises:
        Unreadable: it is no such feed, or states no day.
    """
    root = parse_guarded(body, {"rss", f"{ATOM}feed"}, NOUN)
    texts = RSS if root.tag == "rss" else ATOM_FORM
    items = root.findall(texts.item)
    if len(items) > MOST_ITEMS:
        raise Unreadable(f"a feed of {len(items)} items, more than arXiv ever sends")
    announcements, left_out = [], []
    for item in items:
        announcement = _read_item(item, texts)
        if isinstance(announcement, Announcement):
            announcements.append(announcement)
        else:
            left_out.append(announcement)
    return DailyFeed(
        day=_find_day(root, items, texts),
        announcements=tuple(announcements),
        skip_days=tuple(
            clean_text(day.text or "") for day in root.iterfind("channel/skipDays/day")
        ),
        left_out=tuple(left_out),
    )


def _read_item(item: etree._Element, texts: _Texts) -> Announcement | str:
    """The announcement, or a sentence on why it is none."""
    stated = (item.findtext(texts.id) or "").strip()
    found = parse_arxiv_id(stated.removeprefix(PREFIX))
    if found is None or found.version is None:
        return f"an item without an arXiv id ({clean_text(stated[:60]) or 'empty'}) was left out"
    kind = (item.findtext(KIND) or "").strip()
    if kind not in KINDS:
        return f"{found.id} came with an unknown kind of announcement and was left out"
    title, description = item.findtext(texts.title) or "", item.findtext(texts.description) or ""
    abstract = ABSTRACT.search(description)
    if max(len(title), len(description)) > MOST_CHARACTERS:
        return f"{found.id} came with an impossibly long text and was left out"
    return Announcement(
        arxiv_id=found.id,
        version=found.version,
        kind=kind,
        title=clean_text(title),
        abstract=clean_text(abstract[1]) if abstract else "",
        categories=tuple(
            category
            for element in item.findall(texts.category)
            for category in (element.get("term") or element.text or "").split()
        ),
        authors=split_authors((item.findtext(CREATOR) or "")[: 10 * MOST_CHARACTERS]),
    )


def _find_day(root: etree._Element, items: list[etree._Element], texts: _Texts) -> date:
    """The channel's day or, in the Atom form, the items'; else the day it was built."""
    stated = [root.findtext("channel/pubDate"), *(item.findtext(texts.day) for item in items[:1])]
    built = [root.findtext("channel/lastBuildDate"), root.findtext(f"{ATOM}updated")]
    for moment in (_read_moment(text) for text in (*stated, *built)):
        if moment is not None:
            return moment.astimezone(EASTERN).date()
    raise Unreadable(f"{NOUN} that states no day")


def _read_moment(text: str | None) -> datetime | None:
    """A moment as RSS or as Atom writes it."""
    written = (text or "").strip()
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(written.replace("Z", "+00:00") if "T" in written else written)
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            if FIRST_YEAR <= aware.astimezone(UTC).year <= LAST_YEAR:
                return aware
        except (ValueError, OverflowError, TypeError):
            continue
    return None
