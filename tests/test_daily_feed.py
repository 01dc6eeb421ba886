"""The daily feeds: both forms, every fault, and what a harvest does with their hint."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import select

from db.engine import open_session
from db.errors import SourceUnavailable
from db.models import HarvestWindow, Paper
from ingest.claim_queries import CATEGORIES
from ingest.daily_announcements import (
    find_announced_missing,
    note_announcements,
    open_daily_feed,
)
from ingest.harvest import harvest
from ingest.harvest_summary import HarvestSummary
from ingest.papers import store_papers
from ingest.sources.arxiv_api import ArxivApi
from ingest.sources.daily_feed import (
    MOST_ITEMS,
    Announcement,
    DailyFeed,
    FeedSource,
    read_announcements,
    read_feed,
)
from ingest.sources.exchange import RequestLimits
from ingest.sources.politeness import Clock, RequestPacer
from ingest.sources.records import PaperRecord
from ingest.sources.xml_guard import Unreadable
from reassay.settings import read_settings
from tests.arxiv_server import FakeClock, InventedPaper, answer, run_arxiv_server

DAY = date(2026, 11, 24)
ITEMS = [
    Announcement("2611.00001", 1, "new", "One", "We do.", ("cs.CL", "cs.LG"), ("A. One", "B. Two")),
    Announcement("2610.00002", 2, "cross", "Two", "They do.", ("cs.CV", "cs.CL"), ("C. Three",)),
    Announcement("2509.00003", 3, "replace", "Three", "It is.", ("cs.CL",), ("D. Four",)),
    Announcement("hep-ex/0406020", 5, "replace-cross", "Four", "", ("hep-ex",), ()),
]
NAMESPACES = (
    'xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/"'
)
BOMB = b'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "aaaa">]><rss><channel>&a;</channel></rss>'


def describe(item: Announcement) -> str:
    abstract = f"\nAbstract: {item.abstract}" if item.abstract else ""
    return escape(f"arXiv:{item.arxiv_id}v{item.version} Announce Type: {item.kind} {abstract}")


def write_rss(items: list[Announcement], day: str = "Tue, 24 Nov 2026 00:00:00 -0500") -> bytes:
    written = "".join(
        f"<item><title>{escape(i.title)}</title><link>http://127.0.0.1:9/abs</link>"
        f"<description>{describe(i)}</description>"
        f'<guid isPermaLink="false">oai:arXiv.org:{i.arxiv_id}v{i.version}</guid>'
        + "".join(f"<category>{c}</category>" for c in i.categories)
        + f"<pubDate>{day}</pubDate><arxiv:announce_type>{i.kind}</arxiv:announce_type>"
        f"<dc:creator>{', '.join(i.authors)}</dc:creator></item>"
        for i in items
    )
    return (
        f'<rss {NAMESPACES} version="2.0"><channel><title>t</title><pubDate>{day}</pubDate>'
        f"<skipDays><day>Sunday</day><day>Saturday</day></skipDays>{written}</channel></rss>"
    ).encode()


def write_atom(items: list[Announcement]) -> bytes:
    written = "".join(
        f"<entry><id>oai:arXiv.org:{i.arxiv_id}v{i.version}</id><title>{escape(i.title)}</title>"
        f"<summary>{describe(i)}</summary>"
        + "".join(f'<category term="{c}"/>' for c in i.categories)
        + "<published>2026-11-24T00:00:00-05:00</published>"
        f"<arxiv:announce_type>{i.kind}</arxiv:announce_type>"
        f"<dc:creator>{', '.join(i.authors)}</dc:creator></entry>"
        for i in items
    )
    return (
        f'<feed {NAMESPACES} xmlns="http://www.w3.org/2005/Atom">'
        f"<updated>2026-11-24T05:00:19.866337+00:00</updated>{written}</feed>"
    ).encode()


@dataclass
class FeedServer:
    bodies: dict[str, bytes] = field(default_factory=dict)
    answers: list[tuple[int, bytes, dict[str, str]]] = field(default_factory=list)  # first these
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def run_feed_server() -> Iterator[FeedServer]:
    feeds = FeedServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            feeds.asked.append(self.path)
            status, body, headers = 200, feeds.bodies.get(self.path.rsplit("/", 1)[1], b""), {}
            if feeds.answers:
                status, body, headers = feeds.answers.pop(0)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    feeds.url = f"http://127.0.0.1:{server.server_port}/rss"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield feeds
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def feeds() -> Iterator[FeedServer]:
    with run_feed_server() as feeds:
        feeds.bodies = {category: write_rss(ITEMS) for category in CATEGORIES}
        yield feeds


def pace(home: Path) -> RequestPacer:
    clock = FakeClock()
    return RequestPacer(home, 3.0, Clock(clock.sleep, clock.monotonic, clock.wall))


@pytest.fixture
def source(feeds: FeedServer, tmp_path: Path) -> FeedSource:
    return FeedSource(feeds.url, pace(tmp_path), draw=lambda: 0.0)


@pytest.mark.parametrize("write", [write_rss, write_atom])
def test_both_forms_say_the_same(write: Callable[[list[Announcement]], bytes]) -> None:
    feed = read_feed(write(ITEMS))
    assert (feed.day, feed.announcements, feed.left_out) == (DAY, tuple(ITEMS), ())
    assert read_announcements(write(ITEMS)) == tuple(ITEMS)


def test_a_day_without_announcements() -> None:
    feed = read_feed(write_rss([]))
    assert (feed.day, feed.announcements) == (DAY, ())
    assert feed.skip_days == ("Sunday", "Saturday")


def test_the_day_is_that_of_the_eastern_calendar() -> None:
    assert read_feed(write_rss([], "Tue, 24 Nov 2026 05:00:00 +0000")).day == DAY
    assert read_feed(write_rss([], "Tue, 24 Nov 2026 04:59:59 +0000")).day == date(2026, 11, 23)
    assert read_feed(write_atom([])).day == DAY


def test_items_that_announce_nothing_are_named() -> None:
    bad = [
        replace(ITEMS[0], arxiv_id="9999.99999"),
        replace(ITEMS[0], kind="withdrawn"),
        replace(ITEMS[0], title="x" * 30_000),
    ]
    feed = read_feed(write_rss([*bad, ITEMS[1]]))
    assert feed.announcements == (ITEMS[1],)
    assert len(feed.left_out) == 3


def test_a_feed_as_long_as_may_be_is_marked() -> None:
    items = [replace(ITEMS[0], arxiv_id=f"2611.{n:05d}") for n in range(1, MOST_ITEMS + 2)]
    assert read_feed(write_rss(items[:-1])).is_cut
    assert not read_feed(write_rss(items[:-2])).is_cut
    with pytest.raises(Unreadable):
        read_feed(write_rss(items))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_feed(body)


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        BOMB.decode().encode("utf-16"),
        b"<!DOCTYPE html><html></html>",
        write_rss(ITEMS)[:-40],
        b"<rss><channel/></rss>",
        b"<rss>" + b"<a>" * 40 + b"</a>" * 40 + b"</rss>",
    ],
)
def test_what_is_no_feed_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_feed(body)


BAD: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "429": (429, b"Rate exceeded.", {}),
    "429 with Retry-After": (429, b"", {"Retry-After": "7"}),
    "503": (503, b"<html>busy</html>", {}),
    "rate exceeded with 200": (200, b"Rate exceeded.", {}),
    "web page": (200, b"<html></html>", {}),
    "entities": (200, BOMB, {}),
    "cut": (200, write_rss(ITEMS)[:-40], {}),
}


@pytest.mark.parametrize("name", BAD)
def test_one_bad_answer_is_made_good(source: FeedSource, feeds: FeedServer, name: str) -> None:
    feeds.answers = [BAD[name]]
    assert source.fetch("cs.CL").announcements == tuple(ITEMS)
    assert feeds.asked == ["/rss/cs.CL", "/rss/cs.CL"]


def test_bad_answers_without_end_are_given_up(source: FeedSource, feeds: FeedServer) -> None:
    feeds.answers = [BAD["503"]] * 9
    for expected in ("throttling", "not asked"):
        with pytest.raises(SourceUnavailable, match=expected):
            source.fetch("cs.CL")
    assert len(feeds.asked) <= 3


def test_redirects_and_endless_feeds(feeds: FeedServer, tmp_path: Path) -> None:
    source = FeedSource(feeds.url, pace(tmp_path), limits=RequestLimits(body_bytes=500))
    feeds.answers = [(301, b"", {"Location": "http://127.0.0.1:9/"})]
    with pytest.raises(SourceUnavailable, match="HTTP 301: check REASSAY_ARXIV_FEED_URL"):
        source.fetch("cs.CL")
    with pytest.raises(SourceUnavailable, match="more than 500 bytes"):
        source.fetch("cs.CL")


# What is kept of a day


def windows(engine: Engine) -> list[HarvestWindow]:
    with open_session(engine) as session:
        return list(session.exec(select(HarvestWindow).where(HarvestWindow.purpose == "feed")))


def test_a_day_is_one_window_however_often_it_is_read(any_engine: Engine) -> None:
    feed = DailyFeed(DAY, tuple(ITEMS))
    first = note_announcements(any_engine, {"cs.CL": feed})
    assert note_announcements(any_engine, {"cs.CL": feed}) == first
    late = DailyFeed(DAY, (*ITEMS, replace(ITEMS[0], arxiv_id="2611.00009")))
    assert note_announcements(any_engine, {"cs.CL": late, "cs.LG": feed}) == first
    [window] = windows(any_engine)
    assert (window.source, window.query) == ("feed", "cs.CL,cs.LG")
    assert (window.since, window.until, window.is_complete) == (DAY, DAY, True)
    assert window.seen == 9
    assert window.detail["announced"]["cs.CL"] == {
        "new": ["2611.00001", "2611.00009"],
        "cross": ["2610.00002"],
        "replace": [["2509.00003", 3], ["hep-ex/0406020", 5]],
    }


def test_feeds_of_two_days_are_two_windows(any_engine: Engine) -> None:
    yesterday = DailyFeed(date(2026, 11, 23), tuple(ITEMS[:1]))
    note_announcements(any_engine, {"cs.CL": DailyFeed(DAY), "cs.LG": yesterday})
    assert sorted((w.since, w.seen) for w in windows(any_engine)) == [
        (date(2026, 11, 23), 1),
        (DAY, 0),
    ]


def test_what_was_announced_and_is_lacking(any_engine: Engine) -> None:
    assert find_announced_missing(any_engine, DAY) == []
    note_announcements(any_engine, {"cs.CL": DailyFeed(DAY, tuple(ITEMS))})
    assert find_announced_missing(any_engine, DAY) == ["2610.00002", "2611.00001"]
    store_papers(any_engine, [PaperRecord("2611.00001", 1, "One", "We do.")], "api")
    assert find_announced_missing(any_engine, DAY) == ["2610.00002"]


# A harvest with the hint


@dataclass(frozen=True)
class Setup:
    home: Path
    snapshot: Path | None = None
    arxiv_api_url: str = ""
    arxiv_delay_s: float = 3.0
    arxiv_contact: str = ""


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> date:
    class Present:
        @staticmethod
        def now(zone: object) -> "Present":
            return Present()

        def date(self) -> date:
            return DAY

    monkeypatch.setattr("ingest.daily_announcements.datetime", Present)
    return DAY


def gather(engine: Engine, url: str, feed: FeedSource, home: Path) -> HarvestSummary:
    return harvest(
        engine,
        Setup(home),
        night_id=None,
        today=DAY,
        report_progress=lambda message: None,
        source=ArxivApi(url, pace(home), draw=lambda: 0.0),
        feed=feed,
    )


def test_a_harvest_asks_for_what_is_announced_and_lacking(
    engine: Engine, feeds: FeedServer, source: FeedSource, today: date, tmp_path: Path
) -> None:
    late = InventedPaper("2611.00001", "2026-10-30")  # held back: outside the days asked for
    with run_arxiv_server([late, InventedPaper("2611.00005", "2026-11-23")]) as arxiv:
        summary = gather(engine, arxiv.url, source, tmp_path)
        assert len(feeds.asked) == len(CATEGORIES)
        assert not any("feed" in sentence for sentence in summary.unanswered)
        gather(engine, arxiv.url, source, tmp_path)
        assert len(feeds.asked) == len(CATEGORIES)  # the day's feeds are kept
    with open_session(engine) as session:
        assert set(session.exec(select(Paper.arxiv_id))) == {"2611.00001", "2611.00005"}
    assert find_announced_missing(engine, DAY) == ["2610.00002"]


def test_announced_papers_that_do_not_come_are_not_called_anchors(
    engine: Engine, feeds: FeedServer, source: FeedSource, today: date, tmp_path: Path
) -> None:
    with run_arxiv_server([]) as arxiv:
        arxiv.always = answer(404)
        told = " ".join(gather(engine, arxiv.url, source, tmp_path).unanswered)
    assert "2 announced papers (2610.00002, 2611.00001)" in told and "anchor" not in told


def test_a_feed_that_fails_leaves_no_harvest_incomplete(
    engine: Engine, feeds: FeedServer, source: FeedSource, today: date, tmp_path: Path
) -> None:
    feeds.answers = [BAD["503"]] * 9
    with run_arxiv_server([InventedPaper("2611.00005", "2026-11-23")]) as arxiv:
        summary = gather(engine, arxiv.url, source, tmp_path)
    assert any("daily feeds were not read" in sentence for sentence in summary.not_asked)
    assert not any("feed" in sentence for sentence in summary.unanswered)


def test_a_stand_in_for_arxiv_never_leads_to_arxiv(tmp_path: Path) -> None:
    here = {"REASSAY_HOME": str(tmp_path), "REASSAY_ARXIV_API_URL": "http://127.0.0.1:9/"}
    assert open_daily_feed(read_settings(here, {})) is None
    both = {**here, "REASSAY_ARXIV_FEED_URL": "http://127.0.0.1:9/rss"}
    assert open_daily_feed(read_settings(both, {})) is not None
    assert open_daily_feed(read_settings({"REASSAY_HOME": str(tmp_path)}, {})) is not None
    off = {"REASSAY_HOME": str(tmp_path), "REASSAY_ARXIV_FEED_URL": ""}
    assert open_daily_feed(read_settings(off, {})) is None


# Recorded and constructed feeds


@pytest.mark.real_data
def test_recorded_feeds_are_read_whole(test_data: Path) -> None:
    folder = test_data / "atom"
    for name, day in (
        ("rss/atom_daily_cs.AI_2025-08-20.xml", date(2025, 8, 20)),
        ("constructed/rss2_cs.CL_day.xml", date(2026, 8, 20)),
        ("constructed/rss2_weekend_empty.xml", date(2026, 8, 20)),
    ):
        body = (folder / name).read_bytes()
        feed = read_feed(body)
        assert feed.day == day
        assert len(feed.announcements) == body.count(b"announce_type>") // 2
        assert feed.left_out == ()
        for item in feed.announcements:
            assert item.title and item.abstract and item.categories and item.authors
    fragment = (folder / "rss" / "rss2_cs.AI_2025-09-18_fragment.txt").read_bytes()
    with pytest.raises(Unreadable):
        read_feed(fragment)


def test_the_window_is_plain_json(engine: Engine) -> None:
    note_announcements(engine, {"cs.CL": DailyFeed(DAY, tuple(ITEMS))})
    [window] = windows(engine)
    assert json.loads(json.dumps(window.detail)) == window.detail
