"""The query API as a source: what a polite and wary client does with good and bad answers."""

import json
import multiprocessing
import socket
import time
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import arxiv
import pytest

from db.errors import HomeUnwritable, QuestionRefused, SourceUnavailable
from ingest.sources.arxiv_api import PAGE_SIZE, ArxivApi
from ingest.sources.exchange import RequestLimits
from ingest.sources.feed_checks import NotAFeed, check_feed
from ingest.sources.politeness import (
    STAMP_FILE,
    Clock,
    RequestPacer,
    backoff_s,
    read_retry_after,
)
from ingest.sources.records import PaperRecord, Question
from tests.arxiv_server import (
    DOCTYPE_BOMB,
    ArxivServer,
    FakeClock,
    Fault,
    Handler,
    InventedPaper,
    answer,
    cut_off,
    drip,
    empty_page,
    error_feed,
    feed,
    hang_up,
    run_arxiv_server,
)

DAYS = Question("recent", "cat:cs.CL", since=date(2026, 11, 20), until=date(2026, 11, 23))
PAPERS = [InventedPaper(f"2611.{n:05d}", "2026-11-21") for n in range(1, 6)]
IDS = [paper.arxiv_id for paper in PAPERS]


@pytest.fixture
def server() -> Iterator[ArxivServer]:
    with run_arxiv_server(list(PAPERS)) as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def open_api(
    url: str, home: Path, clock: FakeClock, limits: RequestLimits | None = None
) -> ArxivApi:
    pacer = RequestPacer(home, 3.0, Clock(clock.sleep, clock.monotonic, clock.wall))
    return ArxivApi(url, pacer, contact="me@example.org", limits=limits, draw=lambda: 0.0)


@pytest.fixture
def api(server: ArxivServer, tmp_path: Path, clock: FakeClock) -> ArxivApi:
    return open_api(server.url, tmp_path, clock)


def ask(api: ArxivApi, question: Question = DAYS) -> list[str]:
    return [record.arxiv_id for record in api.answer(question)]


def test_an_entry_becomes_a_record(api: ArxivApi, server: ArxivServer) -> None:
    server.papers[:] = [
        InventedPaper(
            "2611.00001", "2026-11-21", " A <b>\n title ", "One.\n Two.", 3, "7 pages", ("cs.AI",)
        )
    ]
    assert list(api.answer(DAYS)) == [
        PaperRecord(
            "2611.00001",
            3,
            "A <b> title",
            "One. Two.",
            ("Ada Invented", "B. Made-Up"),
            ("cs.AI",),
            published=date(2026, 11, 21),
            updated=date(2026, 11, 21),
            comment="7 pages",
        )
    ]


def test_requests_say_who_asks_and_what_for(api: ArxivApi, server: ArxivServer) -> None:
    ask(api)
    headers = server.asked[0].headers
    assert headers["Accept"] == "application/atom+xml"
    assert headers["User-Agent"].startswith("reassay/")
    assert "me@example.org" in headers["User-Agent"]
    query = server.asked[0].parameters
    assert query["search_query"] == ("(cat:cs.CL) AND submittedDate:[202611200000 TO 202611232359]")
    assert (query["sortBy"], query["sortOrder"]) == ("submittedDate", "ascending")


def test_every_page_is_fetched_at_arxivs_pace(
    api: ArxivApi, server: ArxivServer, clock: FakeClock
) -> None:
    many = [InventedPaper(f"2611.{n:05d}", "2026-11-21") for n in range(1, 2 * PAGE_SIZE + 8)]
    server.papers[:] = many
    assert len(ask(api)) == len(many)
    assert [a.parameters["start"] for a in server.asked] == ["0", "200", "400"]
    assert clock.slept == [3.0, 3.0]


def test_a_list_of_ids_is_never_cut_to_the_default_of_ten(
    api: ArxivApi, server: ArxivServer
) -> None:
    server.papers[:] = [InventedPaper(f"2611.{n:05d}", "2026-11-21") for n in range(1, 31)]
    ids = tuple(paper.arxiv_id for paper in server.papers)
    assert ask(api, Question("anchors", ids=ids)) == list(ids)
    assert server.asked[0].parameters["max_results"] == "30"


def test_a_search_asks_for_as_many_as_it_wants(api: ArxivApi, server: ArxivServer) -> None:
    question = Question("claim", "cat:cs.CL", since=DAYS.since, until=DAYS.until, limit=2)
    assert ask(api, question) == IDS[:2]
    assert server.asked[0].parameters["max_results"] == "2"
    assert server.asked[0].parameters["sortBy"] == "relevance"
    assert api.total == 5


def test_a_paper_on_two_pages_comes_once(api: ArxivApi, server: ArxivServer) -> None:
    entries = [paper.entry() for paper in PAPERS]
    server.queue(
        lambda handler, parameters: handler.send(200, feed(entries[:3], 5)),
        lambda handler, parameters: handler.send(200, feed(entries[2:], 5)),
    )
    assert ask(api) == IDS


TRANSIENT: dict[str, Fault] = {
    "429": answer(429, b"Rate exceeded."),
    "429 with Retry-After": answer(429, Retry_After="7"),
    "403": answer(403),
    "406": answer(406),
    "500": answer(500),
    "503": answer(503, b"<html>busy</html>"),
    "rate exceeded with 200": answer(200, b"Rate exceeded."),
    "web page with 200": answer(200, b"<html><body>maintenance</body></html>"),
    "doctype web page": answer(200, b"<!DOCTYPE html><html></html>"),
    "garbage": answer(200, b"\x1f\x00\xffgarbage"),
    "another document": answer(200, b"<rss/>"),
    "half a feed": answer(200, feed([PAPERS[0].entry()], 1)[:-30]),
    "doctype bomb": answer(200, DOCTYPE_BOMB),
    "empty first page": empty_page(0),
    "empty first page of many": empty_page(118311),
    "cut off": cut_off,
    "hang up": hang_up,
}


@pytest.mark.parametrize("name", TRANSIENT)
def test_one_bad_answer_loses_nothing(api: ArxivApi, server: ArxivServer, name: str) -> None:
    server.queue(TRANSIENT[name])
    assert ask(api) == IDS
    assert len(server.asked) == 2


@pytest.mark.parametrize("name", [n for n in TRANSIENT if n != "empty first page"])
def test_bad_answers_without_end_are_given_up_in_time(
    api: ArxivApi, server: ArxivServer, clock: FakeClock, name: str
) -> None:
    server.always = TRANSIENT[name]
    with pytest.raises(SourceUnavailable) as failure:
        ask(api)
    assert "\n" not in str(failure.value)
    assert sum(clock.slept) <= RequestLimits().question_s
    assert len(server.asked) <= 4


def test_an_answer_of_nothing_twice_is_nothing(api: ArxivApi, server: ArxivServer) -> None:
    server.papers.clear()
    assert ask(api) == []
    assert len(server.asked) == 2


def test_throttling_waits_grow_from_a_minute(
    api: ArxivApi, server: ArxivServer, clock: FakeClock
) -> None:
    server.always = answer(429)
    with pytest.raises(SourceUnavailable, match="throttling"):
        ask(api)
    assert clock.slept == [60.0]  # two minutes more would pass the question's limit
    assert [backoff_s(n, 3.0, lambda: 0.0) for n in range(6)] == [60, 120, 240, 480, 600, 600]
    assert backoff_s(0, 3.0, lambda: 1.0) == 75


def test_retry_after_is_honoured(api: ArxivApi, server: ArxivServer, clock: FakeClock) -> None:
    server.queue(answer(503, Retry_After="17"))
    assert ask(api) == IDS
    assert sum(clock.slept) == pytest.approx(17.0)


def test_a_longer_pause_than_we_have_is_remembered_for_all(
    api: ArxivApi, server: ArxivServer, clock: FakeClock, tmp_path: Path
) -> None:
    server.queue(answer(429, Retry_After="3600"))
    with pytest.raises(SourceUnavailable):
        ask(api)
    with pytest.raises(SourceUnavailable, match="pause until 2026-11-24 07:00 UTC"):
        ask(open_api(server.url, tmp_path, clock))
    assert len(server.asked) == 1
    clock.now_s += 3601
    assert ask(open_api(server.url, tmp_path, clock)) == IDS


def test_after_a_failure_nothing_more_is_asked(api: ArxivApi, server: ArxivServer) -> None:
    server.always = answer(503)
    for expected in ("throttling", "not asked: arXiv is throttling"):
        with pytest.raises(SourceUnavailable, match=expected):
            ask(api)
    assert len(server.asked) == 2


def test_without_a_network_giving_up_takes_seconds(tmp_path: Path, clock: FakeClock) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    started_s = time.monotonic()
    with pytest.raises(SourceUnavailable, match="connection refused"):
        ask(open_api(f"http://127.0.0.1:{port}/", tmp_path, clock))
    with pytest.raises(SourceUnavailable, match="cannot be resolved"):
        ask(open_api("http://no-such-host.invalid/", tmp_path, clock))
    assert time.monotonic() - started_s < 5
    assert sum(clock.slept) <= 12


def test_a_drip_is_cut_off(server: ArxivServer, tmp_path: Path, clock: FakeClock) -> None:
    api = open_api(server.url, tmp_path, clock, RequestLimits(read_s=1.0, request_s=0.3))
    server.always = drip
    started_s = time.monotonic()
    with pytest.raises(SourceUnavailable, match="no whole answer in time"):
        ask(api)
    assert time.monotonic() - started_s < 2


def test_silence_is_cut_off(server: ArxivServer, tmp_path: Path, clock: FakeClock) -> None:
    api = open_api(server.url, tmp_path, clock, RequestLimits(read_s=0.2))
    server.always = lambda handler, parameters: time.sleep(1)
    with pytest.raises(SourceUnavailable, match="did not answer in time"):
        ask(api)


def test_an_endless_answer_is_refused(
    server: ArxivServer, tmp_path: Path, clock: FakeClock
) -> None:
    api = open_api(server.url, tmp_path, clock, RequestLimits(body_bytes=1000))
    with pytest.raises(SourceUnavailable, match="more than 1000 bytes"):
        ask(api)


@pytest.mark.parametrize("status", [400, 200])
def test_a_refused_question_is_not_asked_again(
    api: ArxivApi, server: ArxivServer, status: int
) -> None:
    server.queue(answer(status, error_feed("Invalid query string: 'all:('")))
    with pytest.raises(QuestionRefused, match="Invalid query string"):
        ask(api)
    assert len(server.asked) == 1
    assert ask(api) == IDS  # one bad question does not stop the others


def test_redirects_are_not_followed(api: ArxivApi, server: ArxivServer) -> None:
    server.queue(answer(301, Location="http://127.0.0.1:9/"))
    with pytest.raises(SourceUnavailable, match="HTTP 301: check REASSAY_ARXIV_API_URL"):
        ask(api)


def test_an_empty_later_page_is_never_dropped(api: ArxivApi, server: ArxivServer) -> None:
    many = [InventedPaper(f"2611.{n:05d}", "2026-11-21") for n in range(1, PAGE_SIZE + 50)]
    server.papers[:] = many
    server.queue(None, empty_page(len(many)))
    assert len(ask(api)) == len(many)
    server.queue(None, *[empty_page(len(many))] * 3)
    with pytest.raises(SourceUnavailable, match="empty page"):
        ask(api)


def test_fewer_papers_than_announced_is_not_the_whole_answer(
    api: ArxivApi, server: ArxivServer
) -> None:
    entries = [paper.entry() for paper in PAPERS]
    repeat = feed(entries[:4] + entries[:1], 5)
    server.queue(lambda handler, parameters: handler.send(200, repeat))
    assert ask(api) == IDS  # a second reading brings it
    server.always = lambda handler, parameters: handler.send(200, repeat)
    with pytest.raises(SourceUnavailable, match="announced 5 papers and sent 4"):
        ask(api)


def test_too_many_papers_for_one_question(api: ArxivApi, server: ArxivServer) -> None:
    server.queue(lambda handler, parameters: handler.send(200, feed([PAPERS[0].entry()], 214881)))
    with pytest.raises(SourceUnavailable, match="ask for fewer days"):
        ask(api)


def test_entries_that_cannot_be_papers_are_left_out_and_named(
    api: ArxivApi, server: ArxivServer
) -> None:
    no_abstract = InventedPaper("2611.00006", "2026-11-21", abstract="")
    no_day = InventedPaper("2611.00007", "2026-11-21").entry().replace("published>", "other>")
    elsewhere = PAPERS[0].entry().replace("arxiv.org/abs", "example.org/abs")
    bad = [no_abstract.entry(), no_day, elsewhere, "<entry/>"]
    body = feed([*(p.entry() for p in PAPERS), *bad], len(PAPERS) + len(bad))
    server.always = lambda handler, parameters: handler.send(200, body)
    assert ask(api) == IDS
    assert len(api.remarks) == 4
    assert "2611.00006 came without abstract and was left out" in api.remarks
    assert len(server.asked) == 2  # they might have come whole the second time


def test_a_left_out_entry_does_not_shift_the_pages(api: ArxivApi, server: ArxivServer) -> None:
    many = [InventedPaper(f"2611.{n:05d}", "2026-11-21") for n in range(1, PAGE_SIZE + 50)]
    many[3] = InventedPaper("2611.00004", "2026-11-21", abstract="")
    server.papers[:] = many
    assert len(ask(api)) == len(many) - 1
    assert [a.parameters["start"] for a in server.asked] == ["0", "200"] * 2


def test_entities_are_never_expanded() -> None:
    with pytest.raises(NotAFeed, match="declarations"):
        check_feed(DOCTYPE_BOMB)
    with pytest.raises(NotAFeed):
        check_feed(DOCTYPE_BOMB.decode().encode("utf-16"))


def test_the_pause_outlives_a_process_and_a_crash(tmp_path: Path, clock: FakeClock) -> None:
    ticks = Clock(clock.sleep, clock.monotonic, clock.wall)
    with pytest.raises(RuntimeError), RequestPacer(tmp_path, 3.0, ticks).turn(60):
        raise RuntimeError("crashed while asking")
    clock.now_s += 1
    with RequestPacer(tmp_path, 3.0, ticks).turn(60):
        assert clock.slept == [2.0]


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0])
def test_a_jump_of_the_wall_clock_changes_nothing(
    tmp_path: Path, clock: FakeClock, jump_s: float
) -> None:
    ticks = Clock(clock.sleep, clock.monotonic, clock.wall)
    with RequestPacer(tmp_path, 3.0, ticks).turn(60):
        clock.start_wall_s += jump_s
    with RequestPacer(tmp_path, 3.0, ticks).turn(60):
        assert clock.slept == [3.0]


@pytest.mark.parametrize("stamp", ["", "{", "[]", '{"monotonic_s": 1e9, "wall_s": 0, "x": 1}'])
def test_a_damaged_stamp_costs_at_most_one_pause(
    tmp_path: Path, clock: FakeClock, stamp: str
) -> None:
    (tmp_path / STAMP_FILE).write_text(stamp)
    with RequestPacer(tmp_path, 3.0, Clock(clock.sleep, clock.monotonic, clock.wall)).turn(60):
        assert sum(clock.slept) <= 3.0
    assert json.loads((tmp_path / STAMP_FILE).read_text())["wall_s"] == clock.wall()


def test_after_a_restart_of_the_machine_a_whole_pause_is_kept(
    tmp_path: Path, clock: FakeClock
) -> None:
    ticks = Clock(clock.sleep, clock.monotonic, clock.wall)
    with RequestPacer(tmp_path, 3.0, ticks).turn(60):
        pass
    clock.now_s, clock.start_wall_s = 5.0, clock.start_wall_s + 1500.0
    with RequestPacer(tmp_path, 3.0, ticks).turn(60):
        assert clock.slept == [3.0]


def ask_in_process(home: str, times: Any) -> None:
    for _ in range(4):
        with RequestPacer(Path(home), 0.1).turn(30):
            times.append(json.loads((Path(home) / STAMP_FILE).read_text())["monotonic_s"])


def test_all_processes_of_a_home_share_one_pace(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    with context.Manager() as manager:
        times = manager.list()
        workers = [
            context.Process(target=ask_in_process, args=(str(tmp_path), times)) for _ in range(3)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        starts = sorted(times)
    assert len(starts) == 12
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert min(gaps) > 0.0999


def test_another_process_that_does_not_let_go(tmp_path: Path, clock: FakeClock) -> None:
    with (
        RequestPacer(tmp_path, 3.0).turn(60),
        pytest.raises(SourceUnavailable, match="another process"),
        RequestPacer(tmp_path, 3.0, Clock(clock.sleep, clock.monotonic, clock.wall)).turn(5),
    ):
        pass


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeUnwritable), RequestPacer(tmp_path / "file" / "home", 3.0).turn(5):
        pass


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("Tue, 24 Nov 2026 06:00:30 GMT", 30.0),
        ("Tue, 24 Nov 2026 05:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_in_both_forms(
    clock: FakeClock, header: str | None, expected: float | None
) -> None:
    assert read_retry_after(header, clock.wall()) == expected


def test_the_package_still_pages_through_the_method_that_we_replace() -> None:
    assert "self._parse_feed(page_url, first_page=" in Path(arxiv.__file__).read_text()


RECORDED = [
    "arxiv_py_2026-04/q_testing_s0_m100_cfe7536492ca.xml",
    "arxiv_py_2026-04/id_hep-ex_0406020v1_s0_m100_84b15d66c0ce.xml",
    "arxiv_py_2026-04/id_2104.12255v1_s0_m100_6ae69987ffe1.xml",
    "old_format_page_2025-10.xml",
    "new_format_page_2026-08.xml",
    "constructed/versions_v2plus.xml",
    "constructed/withdrawn_entries.xml",
]


def serve(body: bytes, status: int = 200) -> Fault:
    def send(handler: Handler, parameters: dict[str, str]) -> None:
        handler.send(status, body)

    return send


@pytest.mark.real_data
@pytest.mark.parametrize("name", RECORDED)
def test_recorded_feeds_are_read_whole(
    api: ArxivApi, server: ArxivServer, test_data: Path, name: str
) -> None:
    body = (test_data / "atom" / name).read_bytes()
    server.always = serve(body)
    records = list(api.answer(Question("claim", "any", limit=body.count(b"<entry"))))
    assert len(records) == body.count(b"<entry")
    for record in records:
        assert record.title and record.abstract and record.authors and record.categories
        assert record.version and record.published and "\n" not in record.abstract


@pytest.mark.real_data
def test_recorded_complaints_are_refusals(
    api: ArxivApi, server: ArxivServer, test_data: Path
) -> None:
    for name in ("errors/invalid_query_2026-09-28.xml", "errors/user_manual_error_2007.xml"):
        for status in (200, 400):
            server.queue(serve((test_data / "atom" / name).read_bytes(), status))
            with pytest.raises(QuestionRefused):
                ask(api)
    abc = next((test_data / "atom" / "arxiv_py_2026-04").glob("id_abc_*.xml"))
    server.queue(serve(abc.read_bytes(), 400))
    with pytest.raises(QuestionRefused):
        ask(api)


@pytest.mark.real_data
def test_recorded_answers_about_unknown_ids(
    api: ArxivApi, server: ArxivServer, test_data: Path
) -> None:
    folder = test_data / "atom" / "arxiv_py_2026-04"
    unknown = next(folder.glob("id_0000.0000_*.xml")).read_bytes()
    mixed = next(folder.glob("id_0808.05394_1707*.xml")).read_bytes()
    server.queue(serve(unknown), serve(unknown), serve(mixed))
    assert ask(api, Question("anchors", ids=("0000.0000",))) == []
    assert ask(api, Question("anchors", ids=("0808.05394", "1707.08567"))) == ["1707.08567"]


@pytest.mark.real_data
def test_damaged_entries_are_left_out(api: ArxivApi, server: ArxivServer, test_data: Path) -> None:
    body = (test_data / "atom" / "constructed" / "missing_fields.xml").read_bytes()
    server.always = serve(body)
    came = ask(api, Question("claim", "any", limit=body.count(b"<entry")))
    assert len(came) + len(api.remarks) == body.count(b"<entry")
    assert len(api.remarks) >= 3


ATOM = {"a": "http://www.w3.org/2005/Atom", "x": "http://arxiv.org/schemas/atom"}


def read_plainly(body: bytes) -> list[tuple[str, str, str, int, str]]:
    """What the entries of a recorded feed say, read by another parser."""
    return [
        (
            entry.findtext("a:id", "", ATOM).rpartition("/abs/")[2].rpartition("v")[0],
            " ".join(entry.findtext("a:title", "", ATOM).split()),
            " ".join(entry.findtext("a:summary", "", ATOM).split()),
            len(entry.findall("a:author", ATOM)),
            entry.findtext("a:published", "", ATOM)[:10],
        )
        for entry in ElementTree.fromstring(body).findall("a:entry", ATOM)
    ]


@pytest.mark.real_data
def test_every_recorded_feed_says_what_it_said(
    server: ArxivServer, tmp_path: Path, clock: FakeClock, test_data: Path
) -> None:
    atom = test_data / "atom"
    files = [*(atom / "arxiv_py_2026-04").glob("*.xml"), *atom.glob("*_format_page_*.xml")]
    files += [
        atom / "constructed" / f"{name}.xml" for name in ("versions_v2plus", "withdrawn_entries")
    ]
    read = 0
    for file in files:
        body = file.read_bytes()
        if "id_abc" in file.name:
            continue
        expected = read_plainly(body)
        server.always = serve(body)
        question = Question("claim", "any", limit=max(len(expected), 1))
        came = [
            (r.arxiv_id, r.title, r.abstract, len(r.authors), str(r.published))
            for r in open_api(server.url, tmp_path, clock).answer(question)
        ]
        assert came == expected, file.name
        read += len(came)
    assert (len(files), read) == (26, 243)


@pytest.mark.real_data
def test_every_other_recorded_document_is_refused(
    server: ArxivServer, tmp_path: Path, clock: FakeClock, test_data: Path
) -> None:
    atom = test_data / "atom"
    refusals = {
        "constructed/unexpected_empty_page.xml": "empty page of 118311",
        "constructed/rate_exceeded_body.txt": "throttling",
        "rss/rss2_cs.AI_2025-09-18_fragment.txt": "a broken document",
        "rss/atom_daily_cs.AI_2025-08-20.xml": "does not say how many",
    }
    others = [*atom.glob("oai/*"), *atom.glob("constructed/oai_*"), *atom.glob("constructed/rss2*")]
    refusals |= {str(file.relative_to(atom)): "arXiv sent a" for file in others}
    assert len(refusals) >= 18
    for name, reason in refusals.items():
        server.always = serve((atom / name).read_bytes())
        with pytest.raises(SourceUnavailable, match=reason):
            ask(open_api(server.url, tmp_path, clock))
