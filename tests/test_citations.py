"""Who cites the anchors: two indexes over real HTTP, their faults, and what is stored."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from claims.cited_by import read_cited_by
from claims.reading import read_claim
from db.columns import utc_now
from db.engine import open_session
from db.errors import QuestionRefused, SourceUnavailable, UsageError
from db.models import Citation, Claim, HarvestWindow
from ingest.citations import (
    MOST_ANCHORS,
    CitationSummary,
    find_waiting_anchors,
    read_source_names,
    refresh_citations,
)
from ingest.sources.citing_works import MOST_WORKS, CitationSource, make_work
from ingest.sources.openalex import open_openalex
from ingest.sources.politeness import Clock
from ingest.sources.semantic_scholar import open_semantic_scholar
from reassay.settings import read_settings
from tests.arxiv_server import FakeClock
from tests.command_line import reassay
from tests.documents import write_line
from tests.index_server import IndexServer, Reply, cut_off, document, fail, flood, run_index_server
from tests.papers_and_claims import add_claim, add_line, add_paper

ANCHOR = "2505.13379"
SOURCES = ["openalex", "semantic-scholar"]
# What a broken server may send, and a word of what is then said.
FAULTS = {
    "throttled": (fail(429), "throttling"),
    "down": (fail(500, b"<html>oops</html>"), "throttling"),
    "html": (fail(200, b"<!doctype html><title>hello</title>"), "not JSON"),
    "garbage": (fail(200, b"\xff\x00\xfe{]"), "not JSON"),
    "deep": (fail(200, b"[" * 200_000), "not JSON"),
    "a list": (fail(200, b"[1, 2]"), "not a JSON object"),
    "no rows": (fail(200, b'{"id": "https://openalex.org/W1", "data": 3, "results": {}}'), "list"),
    "cut": (cut_off, "could not be reached"),
    "huge": (flood, "more than"),
    "moved": (fail(302, b"", Location="http://127.0.0.1:9/"), "HTTP 302"),
    "refused": (fail(401), "check REASSAY_"),
}


class Index:
    """Invented works that cite invented papers, as both indexes would tell of them."""

    def __init__(self) -> None:
        self.works: dict[str, int] = {ANCHOR: 3}

    def openalex(self, path: str, parameters: dict[str, str]) -> Reply:
        if path.startswith("/works/doi:10.48550/arXiv."):
            arxiv_id = path.removeprefix("/works/doi:10.48550/arXiv.")
            if arxiv_id not in self.works:
                return document({"error": "Not Found"}, 404)
            return document({"id": f"https://openalex.org/W{list(self.works).index(arxiv_id)}"})
        cited = list(self.works)[int(parameters["filter"].removeprefix("cites:W"))]
        page, size = int(parameters["page"]), int(parameters["per-page"])
        assert size <= 100  # what OpenAlex allows
        numbers = range(self.works[cited])[(page - 1) * size : page * size]
        rows = [
            {
                "id": f"https://openalex.org/W10{n}",
                "doi": f"https://doi.org/10.48550/arxiv.{citing_id(n)}" if n % 2 else None,
                "display_name": f"Work {n}\n of many",
                "publication_date": f"2026-10-{n % 28 + 1:02d}",
                "locations": [{"landing_page_url": f"http://arxiv.org/abs/{citing_id(n)}"}],
            }
            for n in numbers
        ]
        return document({"meta": {"count": self.works[cited]}, "results": rows})

    def scholar(self, path: str, parameters: dict[str, str]) -> Reply:
        arxiv_id = path.removeprefix("/paper/ARXIV:").removesuffix("/citations")
        if arxiv_id not in self.works:
            return document({"error": f"Paper with id ARXIV:{arxiv_id} not found"}, 404)
        offset, limit = int(parameters["offset"]), int(parameters["limit"])
        assert limit <= 1000 and offset + limit < 10_000
        count = self.works[arxiv_id]
        rows = [
            {
                "contexts": [f"As [7] showed, {n}.", None],
                "isInfluential": n == 0,
                "citingPaper": {
                    "paperId": f"{n:040x}",
                    "title": f"Work {n}",
                    "externalIds": {"ArXiv": citing_id(n), "CorpusId": n},
                    "publicationDate": "2026-10-01" if n else None,
                },
            }
            for n in range(count)[offset : offset + limit]
        ]
        more = {"next": offset + limit} if offset + limit < count else {}
        return document({"offset": offset, "data": [*rows, {"citingPaper": None}], **more})


def citing_id(number: int) -> str:
    return f"2610.{number + 1:05d}"


@pytest.fixture
def index() -> Index:
    return Index()


@pytest.fixture(params=SOURCES)
def server(request: pytest.FixtureRequest, index: Index) -> Iterator[IndexServer]:
    answer = index.openalex if request.param == "openalex" else index.scholar
    with run_index_server(answer) as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def source(
    request: pytest.FixtureRequest, server: IndexServer, tmp_path: Path, clock: FakeClock
) -> CitationSource:
    return open_source(request.node.callspec.params["server"], server, tmp_path, clock)


def open_source(name: str, server: IndexServer, home: Path, clock: FakeClock) -> CitationSource:
    ticks = Clock(clock.sleep, clock.monotonic, clock.wall)
    if name == "openalex":
        return open_openalex(home, server.url, "", "me@example.org", ticks)
    return open_semantic_scholar(home, server.url, "", "me@example.org", ticks)


def test_both_indexes_name_the_citing_works(source: CitationSource) -> None:
    works = list(source.find_citing(ANCHOR))
    assert [work.title.split(" of")[0] for work in works] == ["Work 0", "Work 1", "Work 2"]
    assert [work.arxiv_id for work in works] == [citing_id(n) for n in range(3)]
    assert source.total == 3
    assert works[1].published and works[1].published.month == 10


def test_semantic_scholar_adds_contexts_and_its_own_word(
    index: Index, tmp_path: Path, clock: FakeClock
) -> None:
    with run_index_server(index.scholar) as server:
        works = list(open_source("semantic-scholar", server, tmp_path, clock).find_citing(ANCHOR))
    assert works[0].contexts == ("As [7] showed, 0.",)
    assert [work.is_influential for work in works] == [True, False, False]
    assert works[0].published is None


def test_pages_are_read_to_their_end_and_no_further(
    source: CitationSource, index: Index, server: IndexServer
) -> None:
    index.works[ANCHOR] = 1200
    works = list(source.find_citing(ANCHOR))
    assert len({work.key for work in works}) == len(works) == 1200
    index.works[ANCHOR] = 100_000
    server.asked.clear()
    assert len(list(source.find_citing(ANCHOR))) == MOST_WORKS
    assert len(server.asked) <= 21


def test_pages_that_never_end_or_never_move_on_are_not_followed(
    tmp_path: Path, clock: FakeClock, index: Index
) -> None:
    def stuck(path: str, parameters: dict[str, str]) -> Reply:
        return document({"data": [], "next": int(parameters["offset"])})

    def endless(path: str, parameters: dict[str, str]) -> Reply:
        return document({"data": [], "next": int(parameters["offset"]) + 1})

    with run_index_server(stuck) as server:
        scholar = open_source("semantic-scholar", server, tmp_path, clock)
        with pytest.raises(SourceUnavailable, match="do not move on"):
            list(scholar.find_citing(ANCHOR))
    with run_index_server(endless) as server:
        scholar = open_source("semantic-scholar", server, tmp_path, clock)
        with pytest.raises(SourceUnavailable, match="pages"):
            list(scholar.find_citing(ANCHOR))
        assert len(server.asked) <= 10


def test_a_paper_that_the_index_does_not_know_is_an_answer(source: CitationSource) -> None:
    assert list(source.find_citing("2505.00001")) == []
    assert source.total is None
    assert source.stopped_because is None


@pytest.mark.parametrize("bad", ["2505.13379/../../x", "2505.13379?x=1", "a b", "2505.13379v2", ""])
def test_an_id_that_is_none_never_reaches_a_url(
    source: CitationSource, server: IndexServer, bad: str
) -> None:
    with pytest.raises(QuestionRefused):
        list(source.find_citing(bad))
    assert server.asked == []


def test_an_old_id_keeps_its_slash(
    source: CitationSource, index: Index, server: IndexServer
) -> None:
    index.works["hep-ex/0406020"] = 1
    assert len(list(source.find_citing("hep-ex/0406020"))) == 1
    assert "hep-ex/0406020" in server.asked[0].path


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_answer_is_an_error_that_says_so(
    source: CitationSource, server: IndexServer, fault: str
) -> None:
    server.always, said = FAULTS[fault]
    with pytest.raises(SourceUnavailable, match=said):
        list(source.find_citing(ANCHOR))
    assert all(asked.path.startswith(("/works", "/paper")) for asked in server.asked)


@pytest.mark.parametrize("fault", ["throttled", "down", "html", "garbage", "cut"])
def test_a_fault_that_passes_is_lived_through(
    source: CitationSource, server: IndexServer, fault: str
) -> None:
    server.faults.append(FAULTS[fault][0])
    assert len(list(source.find_citing(ANCHOR))) == 3


def test_a_pause_that_is_asked_for_is_kept(
    source: CitationSource, server: IndexServer, clock: FakeClock
) -> None:
    server.faults.append(fail(429, b"", Retry_After="7"))
    assert len(list(source.find_citing(ANCHOR))) == 3
    assert sum(clock.slept) >= 7


def test_a_long_pause_is_not_waited_for(
    source: CitationSource, server: IndexServer, clock: FakeClock
) -> None:
    server.always = fail(429, b"", Retry_After="4000")
    with pytest.raises(SourceUnavailable, match="throttling"):
        list(source.find_citing(ANCHOR))
    assert len(server.asked) == 1
    with pytest.raises(SourceUnavailable, match="not asked"):
        list(source.find_citing(ANCHOR))
    assert len(server.asked) == 1


def test_keys_are_sent_and_the_agent_says_who_asks(index: Index, tmp_path: Path) -> None:
    with run_index_server(index.openalex) as server:
        list(open_openalex(tmp_path, server.url, "k1", "me@example.org").find_citing(ANCHOR))
        assert all(asked.parameters["api_key"] == "k1" for asked in server.asked)
        assert "me@example.org" in server.asked[0].headers["User-Agent"]
    with run_index_server(index.scholar) as server:
        list(open_semantic_scholar(tmp_path, server.url, "k2", "").find_citing(ANCHOR))
        assert server.asked[0].headers["x-api-key"] == "k2"


def test_what_an_index_sends_is_cut_and_cleaned() -> None:
    work = make_work("k" * 300, "T\x00itle\u202e " * 400, "2026-13-01", [7, "x", ANCHOR], ["a"] * 9)
    assert work is not None
    assert len(work.key) == 100 and len(work.title) <= 500 and "\x00" not in work.title
    assert (work.published, work.arxiv_id, len(work.contexts)) == (None, ANCHOR, 3)
    assert make_work(None, "Title", None, []) is None
    assert make_work("key", "", None, []) is None


# The store.


def fill(session: Session, *anchors: str) -> list[Claim]:
    line = add_line(session)
    return [
        add_claim(session, line, f"c{n}", f"Claim {n} stands.", anchor=anchor)
        for n, anchor in enumerate(anchors, 1)
    ]


def run(engine: Engine, source: CitationSource, night_id: int | None = None) -> CitationSummary:
    return refresh_citations(engine, [source], night_id=night_id, report_progress=lambda _: None)


def read_windows(engine: Engine) -> list[HarvestWindow]:
    with open_session(engine) as session:
        return list(session.exec(select(HarvestWindow).order_by(col(HarvestWindow.id))))


def test_citations_are_stored_once_and_asked_again_after_a_week(
    any_engine: Engine, index: Index, tmp_path: Path, clock: FakeClock
) -> None:
    with open_session(any_engine) as session:
        fill(session, ANCHOR, "2505.00001")
    with run_index_server(index.scholar) as server:
        source = open_source("semantic-scholar", server, tmp_path, clock)
        first = run(any_engine, source)
        assert (first.asked, first.works, first.new) == (2, 3, 3)
        assert first.unknown == ["2505.00001"]
        assert run(any_engine, source).asked == 0
        with open_session(any_engine) as session:
            for window in session.exec(select(HarvestWindow)):
                assert window.finished_at is not None
                window.finished_at -= timedelta(days=8)
                session.add(window)
            session.commit()
        index.works[ANCHOR] = 4
        again = run(any_engine, source)
    assert (again.asked, again.works, again.new) == (2, 4, 1)
    with open_session(any_engine) as session:
        rows = session.exec(select(Citation)).all()
        assert len(rows) == 4
        assert {row.source for row in rows} == {"semantic-scholar"}
    assert [w.purpose for w in read_windows(any_engine)] == ["citations"] * 4


def test_the_oldest_answer_is_asked_for_first(engine: Engine, session: Session) -> None:
    fill(session, "2505.00001", "2505.00002", "2505.00003")
    for arxiv_id, days in (("2505.00001", 9), ("2505.00002", 20)):
        session.add(
            HarvestWindow(
                source="openalex", purpose="citations", query=arxiv_id, is_complete=True,
                finished_at=utc_now() - timedelta(days=days),
            )
        )  # fmt: skip
    session.commit()
    waiting = find_waiting_anchors(session, "openalex")
    assert waiting == ["2505.00003", "2505.00002", "2505.00001"]


def test_a_run_asks_about_so_many_anchors_and_says_what_is_left(
    engine: Engine, session: Session, index: Index, tmp_path: Path, clock: FakeClock
) -> None:
    fill(session, *(f"2505.{n:05d}" for n in range(1, MOST_ANCHORS + 3)))
    with run_index_server(index.scholar) as server:
        summary = run(engine, open_source("semantic-scholar", server, tmp_path, clock))
    assert summary.asked == MOST_ANCHORS
    assert "2 more anchors" in summary.not_asked[0]


def test_a_failure_keeps_what_came_and_names_the_anchors(
    engine: Engine, session: Session, index: Index, tmp_path: Path, clock: FakeClock
) -> None:
    index.works[ANCHOR] = 600
    fill(session, ANCHOR, "2505.20000")
    with run_index_server(index.scholar) as server:
        server.faults.extend([None, *[fail(503)] * 9])
        source = open_source("semantic-scholar", server, tmp_path, clock)
        summary = run(engine, source)
        assert "2 anchors" in summary.unanswered[0] and ANCHOR in summary.unanswered[0]
        assert summary.works == 500
        windows = read_windows(engine)
        assert [w.is_complete for w in windows] == [False, False]
        assert windows[1].error and windows[1].error.startswith("not asked")
        server.faults.clear()
        later = open_source("semantic-scholar", server, tmp_path, clock)
        again = run(engine, later)
    assert (again.works, again.new, again.unanswered) == (600, 100, [])


def test_a_window_that_was_begun_and_never_ended_is_asked_again(
    engine: Engine, session: Session, index: Index, tmp_path: Path, clock: FakeClock
) -> None:
    fill(session, ANCHOR)
    session.add(HarvestWindow(source="semantic-scholar", purpose="citations", query=ANCHOR))
    session.commit()
    with run_index_server(index.scholar) as server:
        assert run(engine, open_source("semantic-scholar", server, tmp_path, clock)).new == 3


def test_a_claim_shows_how_often_its_anchor_is_cited(
    any_engine: Engine, index: Index, tmp_path: Path, clock: FakeClock
) -> None:
    with open_session(any_engine) as session:
        claims = fill(session, ANCHOR, "2505.00001")
        add_paper(session, citing_id(1), "A stored one", "It cites.", date(2026, 10, 2))
        with run_index_server(index.openalex) as server:
            run(any_engine, open_source("openalex", server, tmp_path, clock))
        shown = read_claim(session, claims[0])["sources"][0]["cited_by"][0]
        assert (shown["works"], shown["stored"], shown["newest"]) == (3, 1, date(2026, 10, 3))
        cited = read_cited_by(session, {ANCHOR, "2505.00001"})
        assert cited[ANCHOR][0].describe().startswith("cited by 3 works, 1 of them in the store")
        assert cited["2505.00001"][0].describe().startswith("not known to the index (OpenAlex")


# Settings and the command.


def test_indexes_are_named_by_a_setting() -> None:
    assert read_source_names("") == []
    assert read_source_names("openalex, semantic-scholar,openalex") == SOURCES
    with pytest.raises(UsageError, match="no index 'scopus'"):
        read_settings({"REASSAY_CITATIONS": "scopus"}, {})
    assert "secret" not in repr(read_settings({"REASSAY_OPENALEX_KEY": "secret"}, {}))


def test_the_command_is_off_unless_told_and_says_when_it_is_incomplete(
    tmp_path: Path, index: Index
) -> None:
    home = tmp_path / "home"
    line = tmp_path / "line.txt"
    line.write_text(write_line())
    assert reassay(home, "import", str(line)).returncode == 0
    off = reassay(home, "ingest", "citations")
    assert off.returncode == 2 and "REASSAY_CITATIONS" in off.stderr
    with run_index_server(index.openalex) as server:
        settings = {"REASSAY_OPENALEX_URL": server.url, "REASSAY_CITATIONS": "openalex"}
        done = reassay(home, "ingest", "citations", "--json", **settings)
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        assert told["works"] == 3 and told["complete"]
        server.always = fail(403)
        listed = json.loads(reassay(home, "claims", "list", "--json").stdout)
        anchored = next(row["id"] for row in listed if row["anchors"])
        failed = reassay(home, "ingest", "citations", "--claim", anchored, **settings)
        bare = next(row["id"] for row in listed if not row["anchors"])
        nothing = reassay(home, "ingest", "citations", "--claim", bare, **settings)
        assert nothing.returncode == 0 and "no anchor" in nothing.stderr
    assert failed.returncode == 3 and "REASSAY_OPENALEX_KEY" in failed.stderr
