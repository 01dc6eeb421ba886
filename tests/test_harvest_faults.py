"""One contract under every fault: nothing lost, nothing twice, a gap is named and closed.

Each fault meets a harvest of three pages at its first, middle and last one, once or from
then on, over real HTTP and into a real database.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from httpx import create_ssl_context
from sqlalchemy import Engine

from db.engine import open_database
from ingest.harvest import harvest
from ingest.harvest_summary import HarvestSummary
from ingest.sources.arxiv_api import BODY_BYTES, ArxivApi
from ingest.sources.exchange import RequestLimits
from ingest.sources.politeness import Clock, RequestPacer
from reassay.cli import run
from tests import arxiv_faults as faults
from tests.arxiv_faults import after, claim_total, damage_an_entry, rewrite, send
from tests.arxiv_server import (
    ArxivServer,
    FakeClock,
    Fault,
    InventedPaper,
    answer,
    cut_off,
    drip,
    empty_page,
    error_feed,
    hang_up,
    run_arxiv_server,
)
from tests.paper_rows import PaperRows, read_rows, read_windows

TODAY = date(2026, 11, 24)  # a Tuesday
PAGE_SIZE = 4
PAPERS = [
    InventedPaper(f"2611.{n:05d}", f"2026-11-{20 + (n + 3) // 3}", f"Title {n}", f"Abstract {n}.")
    for n in range(1, 11)
]
PAGES = {"first": 0, "middle": 1, "last": 2}
LIMITS = RequestLimits(body_bytes=BODY_BYTES)
HASTE = RequestLimits(read_s=0.4, request_s=0.5, body_bytes=BODY_BYTES)
SEVEN_HOURS_S = 7 * 3600.0


@dataclass(frozen=True)
class Setup:
    home: Path
    arxiv_api_url: str
    snapshot: Path | None = None
    arxiv_delay_s: float = 3.0
    arxiv_contact: str = ""
    arxiv_oai_url: str = ""


@pytest.fixture(scope="module", autouse=True)
def one_ssl_context() -> Iterator[None]:
    """Certificates are read once, not for each of hundreds of harvests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(create_ssl_context))
        yield


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArxivServer]:
    monkeypatch.setattr("ingest.sources.arxiv_api.PAGE_SIZE", PAGE_SIZE)
    with run_arxiv_server(list(PAPERS)) as server:
        yield server


@dataclass
class Poller:
    """A library that is harvested again and again, by one clock."""

    engine: Engine
    server: ArxivServer
    home: Path
    clock: FakeClock

    def poll(self, limits: RequestLimits = LIMITS) -> HarvestSummary:
        clock = Clock(self.clock.sleep, self.clock.monotonic, self.clock.wall)
        source = ArxivApi(
            self.server.url, RequestPacer(self.home, 3.0, clock), limits=limits, draw=lambda: 0.0
        )
        return harvest(
            self.engine,
            Setup(self.home, self.server.url),
            night_id=None,
            today=TODAY,
            report_progress=lambda message: None,
            source=source,
        )

    def read(self) -> PaperRows:
        return read_rows(self.engine)

    def check_incomplete(self, summary: HarvestSummary) -> None:
        """What did not come is said, in the summary and in the row of the question."""
        assert not summary.complete
        assert summary.unanswered
        assert all("arXiv did not answer for" in sentence for sentence in summary.unanswered)
        assert "\n" not in summary.unanswered[0]
        last = read_windows(self.engine)[-1]
        assert (last.is_complete, bool(last.error)) == (False, True)
        assert last.finished_at is not None
        rows = self.read()
        assert set(rows.papers) <= set(expected_rows(self.server).papers)

    def check_complete(self, summary: HarvestSummary) -> None:
        assert summary.unanswered == summary.remarks == []
        assert summary.complete
        assert read_windows(self.engine)[-1].is_complete
        self.check_rows()

    def check_rows(self) -> None:
        """Nothing lost, nothing twice."""
        assert self.read() == expected_rows(self.server)

    def close_the_gap(self) -> None:
        self.server.always = None
        self.server.faults.clear()
        self.clock.now_s += SEVEN_HOURS_S  # longer than any pause that a server may ask for
        self.check_complete(self.poll())


_EXPECTED: dict[str, PaperRows] = {}


def expected_rows(server: ArxivServer) -> PaperRows:
    """The rows of a harvest that nothing disturbed."""
    return _EXPECTED[",".join(sorted(p.arxiv_id for p in server.papers))]


@pytest.fixture
def poller(engine: Engine, server: ArxivServer, tmp_path: Path) -> Poller:
    return Poller(engine, server, tmp_path, FakeClock())


LATE = InventedPaper("2611.00000", "2026-11-21", "Held back", "By moderation.")
NEWEST = InventedPaper("2611.00099", "2026-11-24", "Just now", "Announced while we read.")


@pytest.fixture(scope="module", autouse=True)
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> None:
    for n, papers in enumerate((PAPERS, [*PAPERS, LATE], [*PAPERS, NEWEST], PAPERS[1:])):
        folder = tmp_path_factory.mktemp("undisturbed")
        engine = open_database(f"sqlite:///{folder / 'library.db'}")
        with run_arxiv_server(list(papers)) as server, pytest.MonkeyPatch.context() as patch:
            patch.setattr("ingest.sources.arxiv_api.PAGE_SIZE", PAGE_SIZE)
            poller = Poller(engine, server, folder, FakeClock())
            assert poller.poll().complete
            rows = poller.read()
            assert rows.arxiv_ids == sorted(p.arxiv_id for p in papers)
            assert [a.parameters["start"] for a in server.asked] == ["0", "4", "8"], n
        _EXPECTED[",".join(rows.arxiv_ids)] = rows
        engine.dispose()


@dataclass(frozen=True)
class Case:
    """A fault, and what comes of it on the first, the middle and the last page.

    w: the same harvest has everything in the end; i: it is incomplete and says so.
    """

    fault: Fault
    once: str = "www"
    lasting: str = "iii"


CASES = {
    "429": Case(answer(429, b"Rate exceeded.")),
    "500": Case(answer(500, b"oops")),
    "503": Case(answer(503)),
    "403": Case(answer(403)),
    "406": Case(answer(406)),
    "503 with seconds": Case(answer(503, Retry_After="17")),
    "429 with a date": Case(answer(429, Retry_After="Tue, 24 Nov 2026 06:01:00 GMT")),
    "429 with a year": Case(answer(429, Retry_After="31536000"), once="iii"),
    "429 with an age": Case(answer(429, Retry_After="9" * 400), once="iii"),
    "429 with a negative": Case(answer(429, Retry_After="-5")),
    "429 with a text": Case(answer(429, Retry_After="when we are ready")),
    "429 with an absurd date": Case(
        answer(429, Retry_After="Tue, 24 Nov 99999999999999999999 06:00:30 GMT")
    ),
    "429 with a past date": Case(answer(429, Retry_After="Tue, 24 Nov 2020 06:01:00 GMT")),
    "reset": Case(faults.reset),
    "hang up": Case(hang_up),
    "cut off": Case(cut_off),
    "web page": Case(answer(200, b"<!DOCTYPE html><html><body>maintenance</body></html>")),
    "plain throttling": Case(answer(200, b"Rate exceeded.")),
    "nothing": Case(answer(200)),
    "garbage": Case(answer(200, bytes(range(256)) * 20)),
    "invalid utf-8": Case(rewrite(lambda body: body.replace(b"Title", b"\xff\xfe\x80"))),
    "half a feed": Case(rewrite(lambda body: body[: len(body) // 2])),
    "another feed": Case(send(b'<?xml version="1.0"?><rss version="2.0"/>')),
    "empty page": Case(faults.no_entries),
    "no papers at all": Case(empty_page(0)),
    "a total too high": Case(claim_total(50)),
    "a total too low": Case(claim_total(-3)),
    "a total of a million": Case(claim_total(10**6)),
    "no total": Case(send(faults.UNCOUNTED)),
    "a total of 5000 digits": Case(send(faults.UNCOUNTABLE)),
    "a neighbour's entry": Case(faults.repeat_a_neighbour),
    "reversed": Case(faults.reverse, lasting="www"),
    "every entry twice": Case(faults.send_twice),
    "a complaint": Case(send(error_feed("Invalid query")), once="iww"),
    "a complaint with 400": Case(send(error_feed("Invalid query"), 400), once="iww"),
    "400": Case(answer(400, b"Bad request"), once="iww"),
    "404": Case(answer(404, b"not here"), once="iii"),
    "204": Case(answer(204), once="iii"),
    "redirect to a file": Case(answer(302, Location="file:///etc/passwd"), once="iii"),
    "billion laughs": Case(send(faults.laugh())),
    "external entity": Case(send(faults.EXTERNAL)),
    "external entity in UTF-7": Case(send(faults.HIDDEN)),
    "deep nesting": Case(send(faults.DEEP)),
    "half a million tags": Case(send(faults.MANY_TAGS)),
    "3000 entries": Case(send(faults.MANY_ENTRIES)),
    "a hundred megabytes": Case(faults.endless),
    "a gzip bomb": Case(faults.bomb()),
    "a gzip bomb in a gzip bomb": Case(faults.bomb(layers=2)),
    "compressed": Case(faults.compress, lasting="www"),
    "compressed and cut off": Case(faults.compress_half),
    "not compressed as it says": Case(send(b"plain", Content_Encoding="gzip")),
}
PLACES = list(PAGES)
SLOW = pytest.mark.slow
BY_THE_CLOCK = {"503 with seconds", "429 with a date"}  # the command line would wait for real
TOLD_APART = {"429", "reset", "garbage", "a neighbour's entry", "compressed", "404"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", CASES)
def test_one_fault_loses_nothing(poller: Poller, name: str, place: str) -> None:
    case, page = CASES[name], PAGES[place]
    poller.server.queue(*[None] * page, case.fault)
    summary = poller.poll()
    if case.once[page] == "w":
        poller.check_complete(summary)
    else:
        poller.check_incomplete(summary)
        poller.close_the_gap()
    assert poller.server.most_connections == 1


@pytest.mark.parametrize(
    "place", ["middle", pytest.param("first", marks=SLOW), pytest.param("last", marks=SLOW)]
)
@pytest.mark.parametrize("name", CASES)
def test_a_fault_that_stays_is_named_and_its_gap_is_closed_later(
    poller: Poller, name: str, place: str
) -> None:
    case, page = CASES[name], PAGES[place]
    poller.server.queue(*[None] * page)
    poller.server.always = case.fault
    summary = poller.poll()
    if case.lasting[page] == "w":
        poller.check_complete(summary)
    else:
        poller.check_incomplete(summary)
        assert len(poller.server.asked) <= 20
        poller.close_the_gap()
    assert poller.server.most_connections == 1


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", [drip, faults.never_answer], ids=["drip", "silence"])
def test_a_slow_answer_loses_nothing(poller: Poller, fault: Fault, place: str) -> None:
    poller.server.queue(*[None] * PAGES[place], fault)
    poller.check_complete(poller.poll(HASTE))


@pytest.mark.parametrize("fault", [drip, faults.never_answer], ids=["drip", "silence"])
def test_slow_answers_without_end(poller: Poller, fault: Fault) -> None:
    poller.server.queue(None)
    poller.server.always = fault
    poller.check_incomplete(poller.poll(HASTE))
    poller.close_the_gap()


@pytest.mark.parametrize("place", PLACES)
def test_refused_connections(poller: Poller, place: str) -> None:
    if place == "first":
        poller.server.stop()
    else:
        poller.server.queue(*[None] * (PAGES[place] - 1), faults.answer_and_vanish)
    summary = poller.poll()
    poller.check_incomplete(summary)
    assert "connection refused" in summary.unanswered[0]
    poller.server.start()
    poller.close_the_gap()


DAMAGE = {
    "without abstract": ("summary>", "other>"),
    "without authors": ("author>", "editor>"),
    "with nameless authors": ("name>", "alias>"),
    "without published": ("published>", "announced>"),
    "published in year 1, east of Greenwich": ("<published>2026", "<published>0001"),
    "without title": ("title>", "heading>"),
    "without id": ("id>", "key>"),
    "with another site's id": ("//arxiv.org", "//example.org"),
    "with markup in its title": ("<title>", "<title>Half <b>of</b> "),
    "with an endless title": ("<title>", "<title>" + "x" * 3000),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_entry_is_read_again_and_else_named(
    poller: Poller, name: str, place: str
) -> None:
    damage = damage_an_entry(*DAMAGE[name])
    poller.server.queue(*[None] * PAGES[place], damage)
    poller.check_complete(poller.poll())


@pytest.mark.parametrize("name", DAMAGE)
def test_an_entry_that_stays_damaged_is_left_out_and_named(poller: Poller, name: str) -> None:
    poller.server.always = damage_an_entry(*DAMAGE[name])
    summary = poller.poll()
    assert len(summary.remarks) == 3
    assert all("left out" in sentence for sentence in summary.remarks)
    lost = {PAPERS[n].arxiv_id for n in (0, 4, 8)}
    assert set(poller.read().arxiv_ids) == {paper.arxiv_id for paper in PAPERS} - lost
    poller.close_the_gap()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("paper", [LATE, NEWEST], ids=["before", "behind"])
def test_papers_that_arrive_while_paging(poller: Poller, paper: InventedPaper, place: str) -> None:
    arrival = after(lambda server: server.papers.append(paper))
    poller.server.queue(*[None] * PAGES[place], arrival)
    poller.check_complete(poller.poll())


@pytest.mark.parametrize("place", PLACES)
def test_a_paper_that_goes_while_paging_takes_no_other_with_it(poller: Poller, place: str) -> None:
    departure = after(lambda server: server.papers.pop(0))
    poller.server.queue(*[None] * PAGES[place], departure)
    assert poller.poll().complete
    rows = poller.read()
    assert set(expected_rows(poller.server).papers) <= set(rows.papers)
    assert len(rows.arxiv_ids) == len(set(rows.arxiv_ids)) <= len(PAPERS)


def test_an_answer_that_never_stands_still(poller: Poller) -> None:
    numbers = iter(range(100, 200))

    def arrive(server: ArxivServer) -> None:
        server.papers.append(InventedPaper(f"2611.{next(numbers):05d}", "2026-11-21"))

    poller.server.always = after(arrive)
    summary = poller.poll()
    assert not summary.complete
    assert "changed whenever it was read" in summary.unanswered[0]
    poller.server.always = None
    assert poller.poll().complete
    assert set(poller.read().arxiv_ids) == {paper.arxiv_id for paper in poller.server.papers}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("jump_s", [-86400.0, -3600.0, 3600.0, 86400.0 * 365])
def test_a_wall_clock_that_jumps_between_pages(poller: Poller, jump_s: float, place: str) -> None:
    def jump(server: ArxivServer) -> None:
        poller.clock.start_wall_s += jump_s

    poller.server.queue(*[None] * PAGES[place], after(jump))
    poller.check_complete(poller.poll())
    assert min(poller.clock.slept) >= 3.0 - 1e-9


@pytest.mark.parametrize("place", PLACES)
def test_hours_that_pass_between_pages(poller: Poller, place: str) -> None:
    def sleep(server: ArxivServer) -> None:
        poller.clock.now_s += 7200

    poller.server.queue(*[None] * PAGES[place], after(sleep))
    summary = poller.poll()
    if place == "last":
        poller.check_complete(summary)
        return
    poller.check_incomplete(summary)
    assert "within 180 seconds" in summary.unanswered[0]
    poller.close_the_gap()


def test_a_redirect_leads_nowhere(poller: Poller) -> None:
    with run_arxiv_server(list(PAPERS)) as elsewhere:
        poller.server.always = answer(301, Location=elsewhere.url)
        summary = poller.poll()
        poller.check_incomplete(summary)
        assert "HTTP 301: check REASSAY_ARXIV_API_URL" in summary.unanswered[0]
        assert elsewhere.asked == []
    assert len(poller.server.asked) == 1
    poller.close_the_gap()


@pytest.fixture
def command_line(
    server: ArxivServer, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ArxivServer:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "HOME": str(tmp_path),
        "DATABASE_URL": str(engine.url),
        "ARXIV_API_URL": server.url,
        "ARXIV_OAI_URL": server.url,
        "ARXIV_DELAY_S": "0",
    }.items():
        monkeypatch.setenv(f"REASSAY_{name}", value)
    return server


@pytest.mark.parametrize(
    "name",
    [
        name if name in TOLD_APART else pytest.param(name, marks=SLOW)
        for name in CASES
        if name not in BY_THE_CLOCK
    ],
)
def test_the_exit_code_tells_scripts(
    command_line: ArxivServer,
    engine: Engine,
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["ingest", "poll", "--since", "2026-11-21", "--until", "2026-11-24", "--json"]
    command_line.queue(None)
    command_line.always = CASES[name].fault
    is_whole = CASES[name].lasting[1] == "w"
    assert run(arguments) == (0 if is_whole else 3)
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["complete"] is is_whole
    assert bool(document["errors"]) is not is_whole
    assert "Traceback" not in captured.err
    command_line.always = None
    (tmp_path / "arxiv-requests.json").unlink()  # hours later, as far as pauses are concerned
    assert run(arguments) == 0
    assert read_rows(engine) == expected_rows(command_line)
