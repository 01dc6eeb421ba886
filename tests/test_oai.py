"""OAI-PMH: the source against a loopback server, and the harvest by day of change."""

import json
import random
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import select

from db.engine import open_session
from db.errors import QuestionRefused, SourceUnavailable
from db.models import HarvestWindow, Night, Paper, PaperVersion
from ingest.change_days import slice_changes
from ingest.changes import (
    SETS,
    find_changes_reach,
    harvest_changed_days,
    harvest_changes,
)
from ingest.harvest_summary import HarvestSummary
from ingest.papers import store_papers
from ingest.sources.arxiv_api import ArxivApi
from ingest.sources.author_names import split_authors
from ingest.sources.exchange import RequestLimits
from ingest.sources.oai import OaiSource, name_set
from ingest.sources.oai_documents import read_page
from ingest.sources.politeness import Clock, RequestPacer
from ingest.sources.records import PaperRecord, Question
from ingest.sources.tex_letters import decode_letters
from ingest.sources.xml_guard import MOST_DEPTH, Unreadable
from reassay.cli import run
from tests.arxiv_server import FakeClock, InventedPaper, run_arxiv_server
from tests.oai_server import (
    Fault,
    OaiHandler,
    OaiRecord,
    OaiServer,
    complain,
    cut_off,
    cut_short,
    drip,
    give,
    hang_up,
    oai_page,
    reset,
    run_oai_server,
)
from tests.wall_clock import WallClock

TODAY = date(2026, 11, 24)  # a Tuesday
CHANGES = Question("changes", "cs:cs:CL", since=date(2026, 11, 20))
RECORDS = [OaiRecord(f"2611.{n:05d}", f"2026-11-{21 + n % 3}") for n in range(1, 8)]
IDS = sorted(record.arxiv_id for record in RECORDS)
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><error>&b;</error></OAI-PMH>'
)


@pytest.fixture
def server() -> Iterator[OaiServer]:
    with run_oai_server(RECORDS) as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    clock = WallClock(datetime(2026, 11, 24, 6, tzinfo=UTC))
    monkeypatch.setattr("ingest.windows.utc_now", clock.read)
    return clock


def open_source(
    url: str,
    home: Path,
    clock: FakeClock,
    limits: RequestLimits | None = None,
    metadata: str = "arXivRaw",
) -> OaiSource:
    pacer = RequestPacer(home, 3.0, Clock(clock.sleep, clock.monotonic, clock.wall))
    return OaiSource(
        url, pacer, contact="me@example.org", limits=limits, draw=lambda: 0.0, metadata=metadata
    )


@pytest.fixture
def source(server: OaiServer, tmp_path: Path, clock: FakeClock) -> OaiSource:
    return open_source(server.url, tmp_path, clock)


def ask(source: OaiSource, question: Question = CHANGES) -> list[str]:
    return [record.arxiv_id for record in source.answer(question)]


def send(body: bytes, status: int = 200) -> Fault:
    return lambda handler, parameters: handler.send(status, body)


# The source


def test_a_record_becomes_a_paper(source: OaiSource, server: OaiServer) -> None:
    server.records[:] = [
        OaiRecord(
            "2611.00001",
            "2026-11-23",
            ("2026-11-19", "2026-11-23"),
            " A <b>\n title ",
            "One.\n  Two.",
            "Paul Erd\\H{o}s (MIT (Boston)), B. Made-Up and C. Third",
            "7 pages",
            ("cs.AI", "cs.CL"),
        )
    ]
    assert list(source.answer(CHANGES)) == [
        PaperRecord(
            "2611.00001",
            2,
            "A <b> title",
            "One. Two.",
            ("Paul Erdős", "B. Made-Up", "C. Third"),
            ("cs.AI", "cs.CL"),
            published=date(2026, 11, 19),
            updated=date(2026, 11, 23),
            comment="7 pages",
        )
    ]
    assert server.asked == [
        {
            "verb": "ListRecords",
            "metadataPrefix": "arXivRaw",
            "set": "cs:cs:CL",
            "from": "2026-11-20",
        }
    ]
    assert "me@example.org" in server.headers[0]["User-Agent"]
    assert source.answered_at == datetime(2026, 11, 24, 6, tzinfo=UTC)


def test_the_newest_version_says_whether_a_paper_is_withdrawn(
    source: OaiSource, server: OaiServer
) -> None:
    days = ("2026-11-19", "2026-11-22")
    server.records[:] = [
        OaiRecord("2611.00001", "2026-11-22", days, withdrawn=True),
        OaiRecord("2611.00002", "2026-11-22", days),
    ]
    assert [r.is_marked_withdrawn for r in source.answer(CHANGES)] == [True, False]


def test_a_small_source_is_not_a_withdrawal(source: OaiSource, server: OaiServer) -> None:
    written = RECORDS[0].write("arXivRaw").replace("812kb", "0kb")
    server.queue(send(oai_page("ListRecords", [written], server.now)))
    assert [r.is_marked_withdrawn for r in source.answer(CHANGES)] == [False]


def test_the_other_format_has_authors_and_no_version(
    server: OaiServer, tmp_path: Path, clock: FakeClock
) -> None:
    source = open_source(server.url, tmp_path, clock, metadata="arXiv")
    record = next(source.answer(CHANGES))
    assert (record.version, record.published) == (None, None)
    assert record.authors == ("Ada Invented", "B. Made-Up")
    assert server.asked[0]["metadataPrefix"] == "arXiv"


@settings(max_examples=30, deadline=None)
@given(page_size=st.integers(1, 12), count=st.integers(0, 12), bounded=st.booleans())
def test_any_page_size_brings_the_same_records(page_size: int, count: int, bounded: bool) -> None:
    records = [OaiRecord(f"2611.{n:05d}", f"2026-11-{20 + n % 4}") for n in range(1, count + 1)]
    random.Random(count).shuffle(records)
    question = replace(CHANGES, until=date(2026, 11, 23)) if bounded else CHANGES
    with run_oai_server(records) as server, tempfile.TemporaryDirectory() as home:
        server.page_size = page_size
        source = open_source(server.url, Path(home), FakeClock())
        assert sorted(ask(source, question)) == sorted(r.arxiv_id for r in records)
        readings = 2 if bounded and count > page_size else 1
        assert len(server.asked) == readings * max(1, -(-count // page_size))


def test_tokens_are_sent_as_they_came(source: OaiSource, server: OaiServer) -> None:
    server.page_size = 3
    assert sorted(ask(source)) == IDS
    token = "verb%3DListRecords%26metadataPrefix%3DarXivRaw%26set%3Dcs%253Acs%253ACL"
    rest = "%26from%3D2026-11-20%26skip%3D3"
    assert server.queries[1] == f"verb=ListRecords&resumptionToken={token}{rest}"


def test_a_server_that_takes_tokens_as_text_is_understood(
    source: OaiSource, server: OaiServer
) -> None:
    server.page_size, server.takes_tokens_as_text = 3, True
    assert sorted(ask(source)) == IDS
    assert len(server.asked) == 4  # one refusal, then it is known


def test_a_token_of_any_characters_arrives_whole(source: OaiSource, server: OaiServer) -> None:
    token = "a b+c/d=&e<#%zz"
    first = oai_page("ListRecords", [RECORDS[0].write("arXivRaw")], server.now, token, True)
    last = oai_page("ListRecords", [RECORDS[1].write("arXivRaw")], server.now, "", True)
    server.queue(send(first), send(last))
    assert ask(source) == ["2611.00001", "2611.00002"]
    assert server.asked[1]["resumptionToken"] == token


@pytest.mark.parametrize("expired_after", [1, 2])
def test_an_expired_token_starts_the_list_anew(
    source: OaiSource, server: OaiServer, expired_after: int
) -> None:
    server.page_size = 3
    expired = send(complain("badResumptionToken", "expired"))
    server.queue(*[None] * expired_after, expired, expired)
    assert sorted(ask(source)) == IDS
    server.queue(*[None, expired, expired] * 3)
    with pytest.raises(SourceUnavailable, match="expire"):
        ask(source)


def test_a_token_that_leads_in_circles_is_left(source: OaiSource, server: OaiServer) -> None:
    page = oai_page("ListRecords", [RECORDS[0].write("arXivRaw")], server.now, "again", True)
    server.always = send(page)
    with pytest.raises(SourceUnavailable, match="same page"):
        ask(source)
    assert len(server.asked) == 2


def test_a_paper_that_changes_while_the_list_is_read_hides_no_other(
    source: OaiSource, server: OaiServer
) -> None:
    server.page_size = 3

    def change_the_first(handler: OaiHandler, parameters: dict[str, str]) -> None:
        first = min(server.records, key=lambda record: (record.changed, record.arxiv_id))
        server.records.remove(first)
        versions = (*first.versions, "2026-11-24")
        server.records.append(replace(first, changed="2026-11-24", versions=versions))
        handler.send(200, server.answer(parameters))

    server.queue(None, change_the_first)
    came = list(source.answer(CHANGES))
    assert sorted({record.arxiv_id for record in came}) == IDS
    assert sorted(r.arxiv_id for r in came if r.version == 1) == IDS
    assert len([r for r in came if r.version == 2]) == 1  # the changed one comes again


def test_a_paper_that_leaves_a_list_with_an_end_hides_no_other(
    source: OaiSource, server: OaiServer
) -> None:
    server.page_size = 3
    until = replace(CHANGES, until=date(2026, 11, 23))

    def change_the_first(handler: OaiHandler, parameters: dict[str, str]) -> None:
        server.records.remove(min(server.records, key=lambda r: (r.changed, r.arxiv_id)))
        handler.send(200, server.answer(parameters))

    server.queue(None, change_the_first)
    assert sorted(ask(source, until)) == IDS


def test_repeated_and_reordered_records_come_once(source: OaiSource, server: OaiServer) -> None:
    written = [record.write("arXivRaw") for record in RECORDS]
    body = oai_page("ListRecords", [*written[::-1], written[2], written[4]], server.now)
    server.queue(send(body))
    assert sorted(ask(source)) == IDS


def test_records_that_cannot_be_papers_are_named(source: OaiSource, server: OaiServer) -> None:
    good = RECORDS[0].write("arXivRaw")
    bad = [
        replace(RECORDS[1], abstract=" ").write("arXivRaw"),
        RECORDS[2].write("arXivRaw").replace("<id>2611.00003", "<id>2611.00009"),
        RECORDS[3].write("arXivRaw").replace("<date>", "<date>not "),
        RECORDS[4].write("arXivRaw").replace("oai:arXiv.org:", "oai:elsewhere:"),
        RECORDS[5].write("arXivRaw").replace("On Invented", "On <b>Invented</b>"),
        replace(RECORDS[6], title="x" * 3000).write("arXivRaw"),
        "<record/>",
    ]
    server.queue(send(oai_page("ListRecords", [good, *bad], server.now)))
    assert ask(source) == ["2611.00001"]
    assert len(source.remarks) == len(bad)
    assert "2611.00002 came without abstract and was left out" in source.remarks


def test_deleted_records_are_told(source: OaiSource, server: OaiServer) -> None:
    server.records.append(OaiRecord("2611.00099", "2026-11-22", deleted=True))
    assert sorted(ask(source)) == IDS
    assert source.deleted == ["2611.00099"]


def test_ids_are_asked_one_by_one(source: OaiSource, server: OaiServer) -> None:
    question = Question("anchors", ids=("2611.00002", "2611.99999", "2611.00001"))
    assert ask(source, question) == ["2611.00002", "2611.00001"]
    assert source.total == 2
    assert [asked["identifier"] for asked in server.asked] == [
        f"oai:arXiv.org:{arxiv_id}" for arxiv_id in question.ids
    ]


def test_nothing_is_an_answer(source: OaiSource, server: OaiServer) -> None:
    server.records.clear()
    assert ask(source) == []
    assert source.answered_at is not None
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [200, 400, 422])
def test_complaints_are_refusals_and_not_repeated(
    source: OaiSource, server: OaiServer, status: int
) -> None:
    server.queue(send(complain("badArgument", "from is later than until"), status))
    with pytest.raises(QuestionRefused, match=r"badArgument.*from is later"):
        ask(source)
    assert len(server.asked) == 1
    assert sorted(ask(source)) == IDS


def test_redirects_are_not_followed(source: OaiSource, server: OaiServer) -> None:
    server.queue(give(301, Location="http://127.0.0.1:9/"))
    with pytest.raises(SourceUnavailable, match="HTTP 301: check REASSAY_ARXIV_OAI_URL"):
        ask(source)


NO_DATE = complain("noRecordsMatch", "").replace(b"2026-11-24T06:00:00Z", b"soon")
DEEP = oai_page("ListRecords", ["<a>" * MOST_DEPTH + "</a>" * MOST_DEPTH], "2026-11-24")
FAULTS: dict[str, Fault] = {
    "429": give(429, b"Rate exceeded."),
    "429 with Retry-After": give(429, Retry_After="7"),
    "403": give(403),
    "406": give(406),
    "500": give(500),
    "503": give(503, b"<html>busy</html>"),
    "503 with Retry-After": give(503, b"<html>Retry after 10 seconds</html>", Retry_After="10"),
    "503 until a date": give(503, Retry_After="Tue, 24 Nov 2026 06:00:20 GMT"),
    "rate exceeded with 200": give(200, b"Rate exceeded."),
    "web page with 200": give(200, b"<html><body>maintenance</body></html>"),
    "doctype web page": give(200, b"<!DOCTYPE html><html></html>"),
    "garbage": give(200, b"\x1f\x00\xffgarbage"),
    "nothing": give(200, b""),
    "another document": give(200, b"<rss/>"),
    "no date": send(NO_DATE),
    "no records": send(complain("x", "").replace(b'<error code="x"></error>', b"")),
    "too deep": send(DEEP),
    "entities": give(200, BOMB),
    "entities in UTF-16": give(200, BOMB.decode().encode("utf-16")),
    "cut off": cut_off,
    "cut short": cut_short,
    "hang up": hang_up,
    "reset": reset,
}


@pytest.mark.parametrize("name", FAULTS)
def test_one_bad_answer_loses_nothing(source: OaiSource, server: OaiServer, name: str) -> None:
    server.page_size = 4
    server.queue(None, FAULTS[name])
    assert sorted(ask(source)) == IDS
    assert len(server.asked) == 3


def test_retry_after_is_honoured(source: OaiSource, server: OaiServer, clock: FakeClock) -> None:
    server.queue(FAULTS["503 with Retry-After"])
    assert sorted(ask(source)) == IDS
    assert sum(clock.slept) == pytest.approx(10.0)


def test_the_api_and_oai_share_one_pace(
    source: OaiSource, tmp_path: Path, clock: FakeClock
) -> None:
    ask(source)
    with run_arxiv_server([InventedPaper("2611.00001", "2026-11-21")]) as other:
        pacer = RequestPacer(tmp_path, 3.0, Clock(clock.sleep, clock.monotonic, clock.wall))
        list(ArxivApi(other.url, pacer).answer(Question("anchors", ids=("2611.00001",))))
    assert clock.slept == [3.0]


def test_a_drip_is_cut_off(server: OaiServer, tmp_path: Path, clock: FakeClock) -> None:
    limits = RequestLimits(read_s=1.0, request_s=0.3)
    server.always = drip
    started_s = time.monotonic()
    with pytest.raises(SourceUnavailable, match="no whole answer in time"):
        ask(open_source(server.url, tmp_path, clock, limits))
    assert time.monotonic() - started_s < 2


def test_an_endless_answer_is_refused(server: OaiServer, tmp_path: Path, clock: FakeClock) -> None:
    with pytest.raises(SourceUnavailable, match="more than 1000 bytes"):
        ask(open_source(server.url, tmp_path, clock, RequestLimits(body_bytes=1000)))


def test_nobody_there(tmp_path: Path, clock: FakeClock) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/oai"
    with pytest.raises(SourceUnavailable, match="connection refused"):
        ask(open_source(url, tmp_path, clock))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_page(body)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("A. One", ("A. One",)),
        ("A. One, B. Two and C. Three", ("A. One", "B. Two", "C. Three")),
        ("A. One, B. Two, and C. Three", ("A. One", "B. Two", "C. Three")),
        ("A. One (1), B. Two (1 and (2)) ((1) Here, (2) There)", ("A. One", "B. Two")),
        ("\\'Etienne Gar\\c{c}on, \\L{}ukasz \\.Z\\'o\\l{}w", ("Étienne Garçon", "Łukasz Żółw")),
        ('J\\"org M{\\"u}ller, S\\o{}ren \\v Capek', ("Jörg Müller", "Søren Čapek")),
        ("J.~Smith, A. Andersson", ("J. Smith", "A. Andersson")),
        ("", ()),
    ],
)
def test_author_strings(text: str, names: tuple[str, ...]) -> None:
    assert split_authors(text) == names


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ('Schr\\"odinger and Erd\\H{o}s', "Schrödinger and Erdős"),
        ("$\\alpha x$, \\beta\\le 1, \\epsilon_2", "$αx$, β\\le 1, ε_2"),
        ("$\\tilde\\Theta(\\sqrt n)$ and \\varepsilon", "$\\tildeΘ(\\sqrt n)$ and \\varepsilon"),
        ("S{\\o}ren, \\L{}ukasz, \\ss\\ and {\\ae}", "Søren, Łukasz, ß and æ"),
        ("\\c{c}, \\v{s}, \\'{e}, \\\"q, \\t{o}o, {{x}}", "ç, š, é, q, oo, {x}"),
        (
            "\\upsilon \\alphabet \\frac{1}{2} 100\\% plain",
            "\\upsilon \\alphabet \\frac{1}{2} 100\\% plain",
        ),
    ],
)
def test_letters_become_what_the_api_shows(written: str, shown: str) -> None:
    assert decode_letters(written) == shown
    assert decode_letters(shown) == shown


@given(st.text("\\{}'\"cHoabeta ^_alphΘé$", max_size=40))
def test_any_text_can_be_converted(text: str) -> None:
    assert len(decode_letters(text)) <= len(text)


def test_a_paper_with_letters_in_tex_is_the_same_from_both(
    any_engine: Engine, server: OaiServer, source: OaiSource, tmp_path: Path
) -> None:
    abstract = "We show $\\Theta(n)$ for Erd\\H{o}s graphs."
    server.records[:] = [OaiRecord("2611.00001", "2026-11-21", abstract=abstract)]
    by_api = [
        InventedPaper("2611.00001", "2026-11-20", abstract="We show $Θ(n)$ for Erdős graphs.")
    ]
    store_papers(any_engine, source.answer(CHANGES), "oai")
    counted = store_papers(any_engine, api_records(by_api, tmp_path), "api")
    assert (counted.revised, counted.unchanged) == (0, 1)


def test_set_names() -> None:
    assert [name_set(c) for c in ("cs.CL", "stat.ML", "cond-mat.str-el", "hep-th")] == [
        "cs:cs:CL",
        "stat:stat:ML",
        "physics:cond-mat:str-el",
        "physics:hep-th",
    ]


# The harvest


def gather(
    engine: Engine,
    server: OaiServer,
    home: Path,
    today: date = TODAY,
    night: int | None = None,
) -> HarvestSummary:
    return harvest_changes(
        engine,
        open_source(server.url, home, FakeClock()),
        night_id=night,
        today=today,
        report_progress=lambda message: None,
    )


def stored(engine: Engine) -> dict[str, Paper]:
    with open_session(engine) as session:
        return {paper.arxiv_id: paper for paper in session.exec(select(Paper))}


def windows(engine: Engine) -> list[HarvestWindow]:
    with open_session(engine) as session:
        return list(session.exec(select(HarvestWindow).order_by(HarvestWindow.id)))  # type: ignore[arg-type]


def move_on(server: OaiServer, wall: WallClock, day: date) -> None:
    wall.set_day(day)
    server.now = f"{day}T06:00:00Z"


def test_a_first_harvest_asks_each_set_for_the_last_days(
    any_engine: Engine, server: OaiServer, tmp_path: Path, wall: WallClock
) -> None:
    summary = gather(any_engine, server, tmp_path)
    assert (summary.seen, summary.new, summary.complete) == (14, 7, True)  # cs.CL and cs.LG
    assert [w.query for w in windows(any_engine)] == list(SETS)
    assert all(w.is_complete and w.purpose == "changes" for w in windows(any_engine))
    assert {asked["from"] for asked in server.asked} == {"2026-11-21"}
    assert not any("until" in asked for asked in server.asked)
    assert (summary.since, summary.until) == (date(2026, 11, 21), TODAY)


def test_the_next_harvest_goes_on_from_the_servers_day(
    any_engine: Engine, server: OaiServer, tmp_path: Path, wall: WallClock
) -> None:
    server.now = "2026-11-23T23:00:00Z"  # behind our clock
    gather(any_engine, server, tmp_path)
    server.asked.clear()
    move_on(server, wall, date(2026, 11, 25))
    server.records.append(OaiRecord("2611.00099", "2026-11-23"))  # late on that very day
    summary = gather(any_engine, server, tmp_path, date(2026, 11, 25))
    assert {asked["from"] for asked in server.asked} == {"2026-11-23"}
    assert (summary.new, summary.revised) == (1, 0)


def test_a_clock_that_is_ahead_skips_no_day(
    any_engine: Engine, server: OaiServer, tmp_path: Path, wall: WallClock
) -> None:
    server.now = "2031-01-01T00:00:00Z"
    gather(any_engine, server, tmp_path)
    server.asked.clear()
    gather(any_engine, server, tmp_path)
    assert {asked["from"] for asked in server.asked} == {"2026-11-24"}


def test_an_absence_is_caught_up_in_slices(
    any_engine: Engine, server: OaiServer, tmp_path: Path, wall: WallClock
) -> None:
    gather(any_engine, server, tmp_path)
    server.asked.clear()
    later = TODAY + timedelta(20)
    move_on(server, wall, later)
    server.records += [OaiRecord(f"2612.{n:05d}", f"2026-12-{n:02d}") for n in range(1, 14)]
    assert gather(any_engine, server, tmp_path, later).new == 13
    spans = [(a["from"], a.get("until")) for a in server.asked if a["set"] == "cs:cs:CL"]
    assert spans[0] == ("2026-11-24", "2026-11-27")
    assert spans[-1][1] is None
    for (_, until), (since, _) in pairwise(spans):
        assert until is not None
        assert date.fromisoformat(since) == date.fromisoformat(until) + timedelta(1)


@given(back=st.integers(0, 60), length=st.integers(0, 70))
def test_slices_leave_no_day_out(back: int, length: int) -> None:
    since = TODAY - timedelta(back)
    until = min(since + timedelta(length), TODAY)
    spans = slice_changes(since, until, TODAY)
    day = since
    for span in spans:
        assert span.since == day
        day = until + timedelta(1) if span.until is None else span.until + timedelta(1)
    assert day > until
    assert all(span.until and span.until < TODAY for span in spans[:-1])
    if until >= TODAY - timedelta(1):
        assert spans[-1].until is None  # the day may not be over


@pytest.mark.parametrize(
    ("name", "good_answers"),
    [*((name, 1) for name in FAULTS), ("500", 0), ("cut off", 0), ("429", 4), ("reset", 3)],
)
def test_the_next_harvest_closes_the_gap(
    engine: Engine,
    server: OaiServer,
    tmp_path: Path,
    wall: WallClock,
    name: str,
    good_answers: int,
) -> None:
    server.page_size = 4
    server.queue(*[None] * good_answers)
    server.always = FAULTS[name]
    broken = gather(engine, server, tmp_path)
    assert not broken.complete
    assert broken.searched_through is None
    assert any(not w.is_complete and w.finished_at and w.error for w in windows(engine))
    server.faults.clear()
    server.always = None
    (tmp_path / "later").mkdir()
    move_on(server, wall, TODAY + timedelta(2))
    whole = gather(engine, server, tmp_path / "later", TODAY + timedelta(2))
    assert whole.complete
    assert sorted(stored(engine)) == IDS
    assert broken.new + whole.new == len(IDS)
    assert broken.revised + whole.revised == 0


def test_a_harvest_that_was_killed_is_asked_again(
    any_engine: Engine, server: OaiServer, tmp_path: Path, wall: WallClock
) -> None:
    class Killed(BaseException):
        pass

    def die(message: str) -> None:
        if "cs:cs:LG" in message:
            raise Killed

    source = open_source(server.url, tmp_path, FakeClock())
    with pytest.raises(Killed):
        harvest_changes(any_engine, source, night_id=None, today=TODAY, report_progress=die)
    server.page_size = 3
    server.queue(None, None, None)  # cs.CL in full

    def kill(handler: OaiHandler, parameters: dict[str, str]) -> None:
        raise Killed

    source = open_source(server.url, tmp_path, FakeClock())
    answer = source.answer

    def answer_and_die(question: Question) -> Iterator[PaperRecord]:
        for n, record in enumerate(answer(question)):
            if question.query == "cs:cs:LG" and n == 4:
                raise Killed
            yield record

    source.answer = answer_and_die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        harvest_changes(
            any_engine, source, night_id=None, today=TODAY, report_progress=lambda message: None
        )
    assert [w.query for w in windows(any_engine) if w.finished_at is None] == ["cs:cs:LG"]
    assert find_changes_reach(any_engine) is None
    move_on(server, wall, TODAY + timedelta(5))
    server.asked.clear()
    assert gather(any_engine, server, tmp_path, TODAY + timedelta(5)).complete
    assert min(a["from"] for a in server.asked if a.get("set") == "cs:cs:LG") == "2026-11-21"
    assert sorted(stored(any_engine)) == IDS


def test_a_night_taken_up_again_does_not_ask_twice(
    any_engine: Engine, server: OaiServer, tmp_path: Path, wall: WallClock
) -> None:
    with open_session(any_engine) as session:
        session.add(Night(id=1, profile="smoke", budget_s=60))
        session.commit()
    server.queue(None, None, *[give(500)] * 9)
    assert not gather(any_engine, server, tmp_path, night=1).complete
    server.faults.clear()
    server.asked.clear()
    summary = gather(any_engine, server, tmp_path, night=1)
    assert [asked["set"] for asked in server.asked] == ["cs:cs:AI"]
    assert summary.new == 7  # with what came before the break


def test_days_by_hand_are_asked_and_do_not_move_the_harvest(
    any_engine: Engine, server: OaiServer, tmp_path: Path, wall: WallClock
) -> None:
    summary = harvest_changed_days(
        any_engine,
        open_source(server.url, tmp_path, FakeClock()),
        date(2026, 1, 1),
        date(2026, 1, 6),
        today=TODAY,
        report_progress=lambda message: None,
    )
    assert summary.complete
    assert {(a["from"], a["until"]) for a in server.asked} == {
        ("2026-01-01", "2026-01-04"),
        ("2026-01-05", "2026-01-06"),
    }
    server.asked.clear()
    gather(any_engine, server, tmp_path)
    assert {a["from"] for a in server.asked} == {"2026-11-21"}


def test_what_the_answers_prove(
    any_engine: Engine, server: OaiServer, tmp_path: Path, wall: WallClock
) -> None:
    """On Tuesday 24 November 2026, 06:00 UTC, Monday's batch of 20:00 Eastern is out."""
    assert find_changes_reach(any_engine) is None
    summary = gather(any_engine, server, tmp_path)
    # What came in until Monday 14:00 Eastern (19:00 UTC) is out: all of Sunday's, not Monday's.
    assert summary.searched_through == find_changes_reach(any_engine) == date(2026, 11, 22)
    move_on(server, wall, date(2026, 11, 25))
    server.queue(None, None, *[give(500)] * 9)  # one category is missing
    gather(any_engine, server, tmp_path, date(2026, 11, 25))
    assert find_changes_reach(any_engine) == date(2026, 11, 22)
    server.faults.clear()
    gather(any_engine, server, tmp_path / "later", date(2026, 11, 25))
    assert find_changes_reach(any_engine) == date(2026, 11, 23)


# One paper from two sources


def api_records(papers: list[InventedPaper], home: Path) -> list[PaperRecord]:
    clock = FakeClock()
    pacer = RequestPacer(home, 3.0, Clock(clock.sleep, clock.monotonic, clock.wall))
    with run_arxiv_server(papers) as server:
        question = Question("anchors", ids=tuple(p.arxiv_id for p in papers))
        return list(ArxivApi(server.url, pacer, draw=lambda: 0.0).answer(question))


@pytest.mark.parametrize("first", ["api", "oai"])
def test_the_same_paper_from_both_is_one_row(
    any_engine: Engine, server: OaiServer, source: OaiSource, tmp_path: Path, first: str
) -> None:
    server.records[:] = [
        OaiRecord("2611.00001", "2026-11-21", ("2026-11-20",)),
        OaiRecord("2611.00002", "2026-11-22", ("2026-11-20",), comment="Withdrawn by the author"),
    ]
    by_oai = list(source.answer(CHANGES))
    by_api = api_records(
        [
            InventedPaper("2611.00001", "2026-11-20"),
            InventedPaper("2611.00002", "2026-11-20", comment="Withdrawn by the author"),
        ],
        tmp_path,
    )
    assert by_oai == by_api
    told = [(by_api, "api"), (by_oai, "oai")]
    for records, name in told if first == "api" else told[::-1]:
        counted = store_papers(any_engine, records, name)
    assert (counted.new, counted.revised, counted.withdrawn, counted.unchanged) == (0, 0, 0, 2)
    with open_session(any_engine) as session:
        assert len(session.exec(select(PaperVersion)).all()) == 2


def test_the_order_of_secondary_categories_is_no_news(any_engine: Engine) -> None:
    by_api = PaperRecord("2611.00001", 1, "T", "A.", (), ("cs.CL", "cs.AI", "cs.LG"))
    store_papers(any_engine, [by_api], "api")
    for categories in (("cs.CL", "cs.LG", "cs.AI"), ("cs.CL", "cs.AI", "cs.LG")):
        store_papers(any_engine, [replace(by_api, categories=categories)], "oai")
        assert stored(any_engine)["2611.00001"].categories == ["cs.CL", "cs.AI", "cs.LG"]
    store_papers(any_engine, [replace(by_api, categories=("cs.LG", "cs.CL"))], "oai")
    assert stored(any_engine)["2611.00001"].categories == ["cs.LG", "cs.CL"]


def test_an_older_version_never_replaces_a_newer(
    any_engine: Engine, server: OaiServer, source: OaiSource, tmp_path: Path
) -> None:
    old = InventedPaper("2611.00001", "2026-11-20", abstract="The first wording.")
    server.records[:] = [
        OaiRecord(
            "2611.00001",
            "2026-11-22",
            ("2026-11-20", "2026-11-22"),
            abstract="The second wording.",
        )
    ]
    for records, name in (
        (api_records([old], tmp_path), "api"),
        (list(source.answer(CHANGES)), "oai"),
        (api_records([old], tmp_path), "api"),
    ):
        store_papers(any_engine, records, name)
    paper = stored(any_engine)["2611.00001"]
    assert (paper.version, paper.abstract) == (2, "The second wording.")
    assert (paper.published, paper.updated) == (date(2026, 11, 20), date(2026, 11, 22))


def test_a_withdrawal_that_only_oai_shows_is_an_event_once(
    any_engine: Engine, server: OaiServer, tmp_path: Path, wall: WallClock
) -> None:
    server.records[:] = [OaiRecord("2611.00001", "2026-11-22")]
    gather(any_engine, server, tmp_path)
    days = ("2026-11-20", "2026-11-24")
    server.records[:] = [OaiRecord("2611.00001", "2026-11-24", days, withdrawn=True)]
    summary = gather(any_engine, server, tmp_path)
    assert (summary.revised, summary.withdrawn) == (1, 1)
    assert stored(any_engine)["2611.00001"].is_withdrawn
    again = gather(any_engine, server, tmp_path)
    assert (again.seen, again.revised, again.withdrawn) == (2, 0, 0)
    # The API shows the same version without a sign of it.
    by_api = api_records([InventedPaper("2611.00001", "2026-11-20", version=2)], tmp_path)
    store_papers(any_engine, by_api, "api")
    assert stored(any_engine)["2611.00001"].is_withdrawn


def test_a_deleted_paper_is_withdrawn_with_its_text_kept(
    any_engine: Engine, server: OaiServer, tmp_path: Path, wall: WallClock
) -> None:
    gather(any_engine, server, tmp_path)
    server.records[0] = replace(server.records[0], changed="2026-11-24", deleted=True)
    server.records.append(OaiRecord("2611.00099", "2026-11-24", deleted=True))  # never stored
    summary = gather(any_engine, server, tmp_path)
    assert (summary.revised, summary.withdrawn, summary.new) == (1, 1, 0)
    paper = stored(any_engine)["2611.00001"]
    assert (paper.is_withdrawn, paper.abstract) == (True, RECORDS[0].abstract)
    assert gather(any_engine, server, tmp_path).withdrawn == 0


# The command line


@pytest.fixture
def command_line(
    server: OaiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OaiServer]:
    monkeypatch.setenv("REASSAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REASSAY_ARXIV_OAI_URL", server.url)
    monkeypatch.setenv("REASSAY_ARXIV_API_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("REASSAY_ARXIV_DELAY_S", "0")
    yield server


def test_poll_by_oai_on_the_command_line(
    command_line: OaiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["ingest", "poll", "--source", "oai", "--since", "2026-11-20"]
    arguments += ["--until", "2026-11-23", "--json"]
    command_line.always = give(500)
    assert run(arguments) == 3
    document = json.loads(capsys.readouterr().out)
    assert (document["complete"], document["new"]) == (False, 0)
    assert "cs:cs:CL" in document["errors"][0]
    command_line.always = None
    assert run(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["complete"], document["new"], document["errors"]) == (True, 7, [])
    assert run(arguments) == 0
    assert json.loads(capsys.readouterr().out)["new"] == 0
    command_line.asked.clear()
    assert run(["ingest", "poll", "--source", "oai", "--json"]) == 0
    assert {asked["verb"] for asked in command_line.asked} == {"ListRecords"}


def test_a_poll_takes_recent_papers_from_where_the_settings_say(
    command_line: OaiServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REASSAY_ARXIV_SOURCE", "oai")
    with run_arxiv_server() as arxiv:
        monkeypatch.setenv("REASSAY_ARXIV_API_URL", arxiv.url)
        run(["ingest", "poll", "--json"])
        assert not any("submittedDate" in str(asked.parameters) for asked in arxiv.asked)
    assert {asked["set"] for asked in command_line.asked} == set(SETS)
    assert json.loads(capsys.readouterr().out)["seen"] >= 0


# Recorded and constructed documents


@pytest.mark.real_data
def test_recorded_documents_are_read_whole(test_data: Path) -> None:
    for name in (
        "hepcrawl_arxiv-physics-hep-ex",
        "hepcrawl_arxiv-physics-hep-th",
        "hepcrawl_arxiv-single",
        "paperhive_getrecord_0_200",
        "paperhive_listrecords_1_200",
    ):
        body = (test_data / "atom" / "oai" / f"{name}.xml").read_bytes()
        page = read_page(body)
        assert len(page.records) == body.count(b"<record>") > 0
        assert page.left_out == ()
        for record in page.records:
            assert record.title and record.abstract and record.authors and record.categories


@pytest.mark.real_data
def test_a_list_as_the_present_server_writes_it(
    source: OaiSource, server: OaiServer, test_data: Path
) -> None:
    folder = test_data / "atom" / "constructed"
    first = (folder / "oai_arXivRaw_page1_with_token.xml").read_bytes()
    last = (folder / "oai_arXivRaw_last_page.xml").read_bytes()
    server.queue(send(first), send(last))
    records = list(source.answer(CHANGES))
    assert len(records) == first.count(b"<record>") + last.count(b"<record>")
    assert source.remarks == []
    assert [r.arxiv_id for r in records if r.is_marked_withdrawn] == ["2505.14714"]
    assert records[-1].published == date(2025, 5, 20)
    assert "skip%3D1300" in server.queries[1]
    bad = send((folder / "oai_error_badResumptionToken.xml").read_bytes())
    server.queue(send(first), bad, bad, send(first), send(last))
    assert len(ask(source)) == len(records)
    server.queue(send((folder / "oai_error_noRecordsMatch.xml").read_bytes()))
    assert ask(source) == []
    server.queue(send((folder / "oai_error_idDoesNotExist.xml").read_bytes()))
    assert ask(source, Question("anchors", ids=("2505.99999",))) == []


@pytest.mark.real_data
def test_the_recorded_busy_page(source: OaiSource, server: OaiServer, test_data: Path) -> None:
    busy = (test_data / "atom" / "oai" / "paperhive_listrecords_0_503.html").read_bytes()
    server.queue(give(503, busy, Retry_After="10"))
    assert sorted(ask(source)) == IDS
