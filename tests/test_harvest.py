"""Harvests against a loopback arXiv: what is asked, what a failure leaves, what the next finds."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import select

from db.engine import open_database, open_session
from db.errors import PaperNotFound
from db.models import Anchor, Claim, HarvestWindow, Line, Night, Note, Paper, PaperVersion
from ingest.anchor_checks import check_anchors, shares_title
from ingest.asking import Asking
from ingest.claim_queries import build_claim_query, pick_telling_words
from ingest.commands.show_paper import describe_paper
from ingest.days import (
    MOST_DAYS_BACK,
    OVERLAP_DAYS,
    SLICE_DAYS,
    AskedSpan,
    DaySpan,
    find_reach,
    plan_recent,
    read_ledger,
    slice_days,
)
from ingest.harvest import harvest, harvest_days
from ingest.harvest_summary import HarvestSummary
from ingest.papers import store_papers
from ingest.sources.arxiv_api import ArxivApi
from ingest.sources.politeness import Clock, RequestPacer
from ingest.sources.records import PaperRecord
from reassay.cli import run
from tests.arxiv_server import (
    ArxivServer,
    FakeClock,
    Fault,
    InventedPaper,
    answer,
    cut_off,
    empty_page,
    error_feed,
    hang_up,
    run_arxiv_server,
)
from tests.wall_clock import WallClock, use_wall_clock

TODAY = date(2026, 11, 24)  # a Tuesday
OUT = date(2026, 11, 22)  # the last day whose papers are all announced by that morning
CLOCK = WallClock(datetime(2026, 11, 24, 6, tzinfo=UTC))
STATEMENT = "Deliberation budgets saturate on crossword puzzles"
RELEVANT = InventedPaper(
    "2609.00001", "2026-09-10", "Crosswords", "Deliberation on crossword puzzles goes on."
)
ANCHOR = InventedPaper("2602.00042", "2026-02-03", "Saturation of Deliberation Budgets")
LATEST = [InventedPaper(f"2611.{n:05d}", f"2026-11-{20 + n % 5}") for n in range(1, 25)]


@dataclass(frozen=True)
class Setup:
    home: Path
    snapshot: Path | None = None
    arxiv_api_url: str = ""
    arxiv_delay_s: float = 3.0
    arxiv_contact: str = ""


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    CLOCK.set_day(TODAY)
    use_wall_clock(monkeypatch, CLOCK)
    return CLOCK


@pytest.fixture
def server() -> Iterator[ArxivServer]:
    with run_arxiv_server([RELEVANT, ANCHOR, *LATEST]) as server:
        yield server


@pytest.fixture
def library(any_engine: Engine) -> Engine:
    with open_session(any_engine) as session:
        note = Note(slug="budgets", title="Do budgets saturate?", summary=STATEMENT)
        line = Line(slug="line", question="Do they?", text="", source="test", content_hash="h")
        session.add_all([note, line])
        session.flush()
        assert line.id and note.id
        for n, (arxiv_id, label) in enumerate(
            [("2602.00042", "Deliberation budgets"), ("2602.00043", "Nobody wrote this")]
        ):
            session.add(
                Anchor(
                    line_id=line.id,
                    note_id=note.id if n == 0 else None,
                    position=n,
                    arxiv_id=arxiv_id,
                    label=label,
                    raw=label,
                    month_from_id="2026-02",
                )
            )
        session.add(
            Claim(handle="c1", slug="c", note_id=note.id, statement=STATEMENT, text=STATEMENT)
        )
        session.commit()
    return any_engine


def open_api(server: ArxivServer, home: Path) -> ArxivApi:
    clock = FakeClock()
    pacer = RequestPacer(home, 3.0, Clock(clock.sleep, clock.monotonic, clock.wall))
    return ArxivApi(server.url, pacer, draw=lambda: 0.0)


def gather(
    engine: Engine, server: ArxivServer, home: Path, today: date = TODAY, night: int | None = None
) -> HarvestSummary:
    CLOCK.set_day(today)
    return harvest(
        engine,
        Setup(home),
        night_id=night,
        today=today,
        report_progress=lambda message: None,
        source=open_api(server, home),
    )


def stored_ids(engine: Engine) -> set[str]:
    with open_session(engine) as session:
        return set(session.exec(select(Paper.arxiv_id)))


def states(engine: Engine) -> dict[str | None, str]:
    with open_session(engine) as session:
        return {anchor.arxiv_id: anchor.state for anchor in session.exec(select(Anchor))}


def test_a_first_harvest_brings_anchors_searches_and_the_latest_days(
    library: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    summary = gather(library, server, tmp_path)
    assert summary.complete
    assert summary.unanswered == summary.not_asked == []
    assert summary.searched_through == OUT
    latest = {paper.arxiv_id for paper in LATEST if paper.published >= "2026-11-21"}
    assert stored_ids(library) == {"2602.00042", "2609.00001"} | latest
    assert states(library) == {"2602.00042": "title-checked", "2602.00043": "broken"}
    with open_session(library) as session:
        windows = list(session.exec(select(HarvestWindow)))
    assert [w.purpose for w in windows] == ["anchors", "anchors", "claim", "recent"]
    assert all(w.is_complete and w.finished_at for w in windows)
    assert windows[2].since == date(2026, 2, 1)  # the month of the claim's source
    assert summary.windows == [w.id for w in windows]


def test_a_second_harvest_asks_only_for_the_latest_days(
    library: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    gather(library, server, tmp_path)
    server.asked.clear()
    server.papers.append(InventedPaper("2611.00099", "2026-11-22"))  # announced late
    summary = gather(library, server, tmp_path, TODAY + timedelta(1))
    assert (summary.new, summary.complete) == (1 + 4, True)  # and the four of the 20th
    assert {asked.parameters["search_query"][-30:] for asked in server.asked} == {
        "[202611150000 TO 202611182359]",
        "[202611190000 TO 202611222359]",
        "[202611230000 TO 202611252359]",
    }


FAULTS: dict[str, Fault] = {
    "429": answer(429, b"Rate exceeded."),
    "503": answer(503),
    "rate exceeded with 200": answer(200, b"Rate exceeded."),
    "web page": answer(200, b"<!DOCTYPE html><html></html>"),
    "cut off": cut_off,
    "hang up": hang_up,
    "empty page": empty_page(1000),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("good_answers", [0, 1, 3])
def test_the_next_harvest_closes_the_gap(
    engine: Engine, server: ArxivServer, tmp_path: Path, name: str, good_answers: int
) -> None:
    with open_session(engine) as session:
        session.add(Claim(handle="c1", slug="c", statement=STATEMENT, text=STATEMENT))
        session.commit()
    server.queue(*[None] * good_answers)
    server.always = FAULTS[name]
    broken = gather(engine, server, tmp_path)
    server.faults.clear()
    server.always = None
    whole = gather(engine, server, tmp_path, TODAY + timedelta(2))
    assert whole.complete
    assert whole.searched_through == date(2026, 11, 24)
    if good_answers < 2:
        assert not broken.complete
        assert any(
            "cs.CL, cs.LG, cs.AI on 2026-11-21 to 2026-11-24" in s for s in broken.unanswered
        )
    expected = {paper.arxiv_id for paper in LATEST if paper.published >= "2026-11-21"}
    assert expected | {"2609.00001"} <= stored_ids(engine)
    with open_session(engine) as session:
        assert len(session.exec(select(PaperVersion.id)).all()) == len(stored_ids(engine))


def test_an_answer_of_no_papers_does_not_move_the_watermark(
    engine: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    server.always = empty_page(0)
    summary = gather(engine, server, tmp_path)
    assert not summary.complete
    assert summary.searched_through is None
    assert "no papers at all" in summary.unanswered[0]


def test_without_a_network_one_question_is_tried_and_all_are_named(
    library: Engine, tmp_path: Path
) -> None:
    with run_arxiv_server() as server:
        pass  # its port is closed now
    summary = gather(library, server, tmp_path)
    assert [sentence.split(":")[0] for sentence in summary.unanswered] == [
        "arXiv did not answer for 2 anchors (2602.00042, 2602.00043)",
        "arXiv did not answer for 1 claim (c1)",
        "arXiv did not answer for cs.CL, cs.LG, cs.AI on 2026-11-21 to 2026-11-24",
    ]
    assert states(library) == {"2602.00042": "syntactic", "2602.00043": "syntactic"}
    with open_session(library) as session:
        assert not any(w.is_complete for w in session.exec(select(HarvestWindow)))


def test_without_a_network_the_store_still_reaches_as_far_as_its_snapshot(
    library: Engine, tmp_path: Path
) -> None:
    assert gather_offline(library, tmp_path).searched_through is None
    read_snapshot(library, write_snapshot(tmp_path / "papers.jsonl", range(1, 21)))
    assert gather_offline(library, tmp_path).searched_through == date(2026, 8, 21)


def gather_offline(library: Engine, home: Path) -> HarvestSummary:
    with run_arxiv_server() as server:
        pass  # its port is closed now
    return gather(library, server, home)


def test_a_refused_search_does_not_stop_the_others_and_is_not_repeated(
    library: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    server.queue(None, None, None, answer(400, error_feed("Invalid query string")))
    first = gather(library, server, tmp_path)
    assert first.unanswered == [
        "arXiv did not answer for 1 claim (c1): arXiv refused the question: Invalid query string"
    ]
    assert first.searched_through == OUT
    assert gather(library, server, tmp_path).complete


def test_one_refused_id_does_not_take_the_others_with_it(
    library: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    refused = answer(400, error_feed("incorrect id format"))
    server.queue(refused, None, refused)
    summary = gather(library, server, tmp_path)
    assert states(library)["2602.00042"] == "title-checked"
    assert "2602.00043" in summary.unanswered[0]


def test_a_reworded_claim_is_searched_for_anew(
    library: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    gather(library, server, tmp_path)
    with open_session(library) as session:
        claim = session.exec(select(Claim)).one()
        claim.statement = "Verification budgets saturate on sudoku puzzles"
        session.add(claim)
        session.commit()
    gather(library, server, tmp_path)
    with open_session(library) as session:
        windows = session.exec(select(HarvestWindow).where(HarvestWindow.purpose == "claim"))
        assert len(windows.all()) == 2


def test_a_night_taken_up_again_does_not_ask_twice(
    engine: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    with open_session(engine) as session:
        session.add(Night(id=7, profile="smoke", budget_s=1.0))
        session.commit()
    first = gather(engine, server, tmp_path, night=7)
    server.asked.clear()
    again = gather(engine, server, tmp_path, night=7)
    assert {a.parameters["search_query"][-30:] for a in server.asked} == {
        "[202611150000 TO 202611182359]",  # the overlap that a second harvest adds
        "[202611190000 TO 202611202359]",
    }
    assert again.new >= first.new
    assert set(first.windows) < set(again.windows)


def test_a_window_that_was_begun_and_never_ended_is_asked_again(
    engine: Engine, server: ArxivServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("ingest.asking.close_window", die)
        gather(engine, server, tmp_path)
    kept = stored_ids(engine)
    assert kept
    with open_session(engine) as session:
        window = session.exec(select(HarvestWindow)).one()
        assert (window.is_complete, window.finished_at) == (False, None)
    assert gather(engine, server, tmp_path).new == 0
    assert stored_ids(engine) == kept


def test_the_first_harvest_of_a_large_library_is_bounded(
    engine: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    with open_session(engine) as session:
        for n in range(1, 200):
            words = f"Subject{chr(97 + n % 26)}{chr(97 + n // 26)} resists"
            session.add(Claim(handle=f"c{n}", slug=f"c{n}", statement=words, text=words))
        session.commit()
    summary = gather(engine, server, tmp_path)
    assert summary.complete
    assert "claims (c" in summary.not_asked[0]
    assert len(server.asked) <= 50
    searches = {a.parameters["search_query"] for a in server.asked}
    waiting = int(summary.not_asked[0].split("for ")[1].split()[0])
    assert len([query for query in searches if "abs:" in query]) == 199 - waiting
    for _ in range(20):
        summary = gather(engine, server, tmp_path)
    assert summary.not_asked == []


def test_days_on_demand(engine: Engine, server: ArxivServer, tmp_path: Path) -> None:
    summary = harvest_days(
        engine,
        Setup(tmp_path),
        DaySpan(date(2026, 11, 15), date(2026, 11, 21)),
        today=TODAY,
        report_progress=lambda message: None,
        source=open_api(server, tmp_path),
    )
    assert stored_ids(engine) == {p.arxiv_id for p in LATEST if p.published <= "2026-11-21"}
    assert (summary.since, summary.until) == (date(2026, 11, 15), date(2026, 11, 21))


def write_snapshot(file: Path, numbers: range, listed: str = "2026-08-21") -> Path:
    lines = [
        json.dumps(
            {"id": f"2608.{n:05d}", "title": f"T {n}", "abstract": f"A {n}.", "listed": listed}
        )
        for n in numbers
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def read_snapshot(engine: Engine, file: Path) -> HarvestSummary:
    return harvest(
        engine,
        Setup(file.parent, snapshot=file),
        night_id=None,
        today=TODAY,
        report_progress=lambda message: None,
    )


def test_a_snapshot_is_read_once_and_says_where_it_ends(any_engine: Engine, tmp_path: Path) -> None:
    file = write_snapshot(tmp_path / "papers.jsonl", range(1, 21))
    first = read_snapshot(any_engine, file)
    assert (first.seen, first.new, first.complete) == (20, 20, True)
    assert first.searched_through == date(2026, 8, 21)
    assert first.not_asked == [
        "the snapshot ends on 2026-08-21: days after that were not asked of arXiv"
    ]
    again = read_snapshot(any_engine, file)
    assert (again.seen, again.windows) == (0, first.windows)
    assert (again.not_asked, again.searched_through) == (first.not_asked, first.searched_through)
    write_snapshot(file, range(1, 31), "2026-09-01")
    assert (read_snapshot(any_engine, file).new, read_snapshot(any_engine, file).seen) == (10, 0)


def test_an_unusable_snapshot_makes_the_harvest_incomplete(engine: Engine, tmp_path: Path) -> None:
    missing = read_snapshot(engine, tmp_path / "none.jsonl")
    assert not missing.complete
    assert "cannot read" in missing.unanswered[0]
    (tmp_path / "pdf").write_bytes(b"%PDF-1.7\n")
    assert "not arXiv metadata" in read_snapshot(engine, tmp_path / "pdf").unanswered[0]


NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
SPANS = st.lists(
    st.builds(
        lambda since, length, whole, late: AskedSpan(
            since,
            since + timedelta(length),
            whole,
            min(NOW, datetime.combine(since + timedelta(length + late), time(6), UTC)),
        ),
        st.dates(date(2026, 1, 1), TODAY - timedelta(12)),
        st.integers(0, 12),
        st.booleans(),
        st.integers(0, 12),
    ),
    max_size=8,
)


@given(SPANS)
def test_every_asked_day_is_closed_after_the_planned_harvest(asked: list[AskedSpan]) -> None:
    plan = plan_recent(asked, TODAY)
    after = [*asked, *(AskedSpan(*span, True, LATER) for span in (*plan.spans, *plan.too_old))]
    assert find_reach(after) == TODAY
    assert plan_recent(after, TODAY).too_old == ()
    assert all((span.until - span.since).days < SLICE_DAYS for span in plan.spans)
    assert list(plan.spans) == sorted(plan.spans)
    assert plan.spans == slice_days(day for span in plan.spans for day in span.days)


@given(SPANS.filter(bool))
def test_no_recent_day_lies_between_watermark_and_plan(asked: list[AskedSpan]) -> None:
    plan = plan_recent(asked, TODAY)
    reach = find_reach(asked)
    first = asked[0].since  # the overlap before it is asked for, and not missed
    start = max(first, reach - timedelta(OVERLAP_DAYS)) if reach else first
    named = {day for span in (*plan.spans, *plan.too_old) for day in span.days}
    closed = {day for day in DaySpan(start, TODAY).days if read_ledger(asked).is_settled(day)}
    assert set(DaySpan(start, TODAY).days) <= named | closed
    bound = TODAY - timedelta(MOST_DAYS_BACK)
    assert all(span.until < bound for span in plan.too_old)


def test_telling_words_leave_the_everyday_ones_out() -> None:
    words = pick_telling_words(
        "Large language models with chain-of-thought show better performance on MMLU puzzles"
    )
    assert words == ["chain of thought", "mmlu", "puzzles"]
    assert build_claim_query("Models can do it") is None
    query = build_claim_query("Crossword puzzles resist deliberation")
    assert query is not None
    assert query.startswith('((abs:"deliberation" AND (abs:"crossword" OR')
    assert query.count("(") == query.count(")")


@given(st.text())
def test_no_statement_breaks_out_of_its_quotes(statement: str) -> None:
    query = build_claim_query(statement)
    if query is not None:
        assert query.count('"') % 2 == 0
        assert all(part.replace(" ", "").isalpha() for part in query.split('"')[1::2])


def test_titles_are_held_against_labels() -> None:
    assert shares_title("Constraint optimization ceilings", "Do They Optimize Under Constraints?")
    assert not shares_title("Constraint optimization ceilings", "A Survey of Tokenizers")
    assert not shares_title("", "A Survey")


def test_a_quoted_anchor_is_never_set_back(library: Engine) -> None:
    paper = PaperRecord("2602.00042", 1, "Something else entirely", "Text.")
    store_papers(library, [paper], "api")
    with open_session(library) as session:
        for anchor in session.exec(select(Anchor).where(Anchor.arxiv_id == "2602.00042")):
            anchor.state = "quoted"
        session.commit()
        assert check_anchors(session) == 0
    assert states(library)["2602.00042"] == "quoted"


def test_a_paper_is_shown_with_its_versions_and_what_leans_on_it(
    library: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    gather(library, server, tmp_path)
    later = PaperRecord("2602.00042", 2, "Renamed", "New text.")
    store_papers(library, [later], "api")
    with open_session(library) as session:
        found = describe_paper(session, "https://arxiv.org/abs/2602.00042v1")
        assert (found["title"], found["version"]) == (ANCHOR.title, 2)
        assert [v["in_force"] for v in found["versions"]] == [False, True]
        assert [c["id"] for c in found["claims"]] == ["c1"]
        assert found["anchors"][0]["line"] == "line"
        assert describe_paper(session, "arXiv:2602.00042")["title"] == "Renamed"
        for missing in ("2602.00042v3", "2602.09999", "no id"):
            with pytest.raises(PaperNotFound):
                describe_paper(session, missing)


@pytest.fixture
def command_line(
    server: ArxivServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ArxivServer:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "HOME": str(tmp_path / "home"),
        "ARXIV_API_URL": server.url,
        "ARXIV_OAI_URL": server.url,
        "ARXIV_DELAY_S": "0",
    }.items():
        monkeypatch.setenv(f"REASSAY_{name}", value)
    return server


def test_poll_keeps_its_promise_to_scripts(
    command_line: ArxivServer, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["ingest", "poll", "--since", "2026-11-20", "--until", "2026-11-23", "--json"]
    assert run(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {
        "window": {"since": "2026-11-20", "until": "2026-11-23"},
        "seen": 19,
        "new": 19,
        "revised": 0,
        "withdrawn": 0,
        "errors": [],
        "complete": True,
    }
    command_line.always = answer(503)
    assert run(arguments) == 3
    document = json.loads(capsys.readouterr().out)
    assert (document["complete"], document["new"]) == (False, 0)
    assert "arXiv did not answer for cs.CL" in document["errors"][0]
    assert run(["ingest", "status", "--json"]) == 0
    windows = json.loads(capsys.readouterr().out)["windows"]
    assert [w["complete"] for w in windows] == [False, True]


def test_poll_usage(command_line: ArxivServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ingest", "poll", "--source", "rss"]) == 2
    assert run(["ingest", "poll", "--since", "2026-11-20", "--until", "2026-11-10"]) == 2
    assert run(["ingest", "poll", "--since", "yesterday"]) == 2
    assert command_line.asked == []
    assert all(line.startswith("reassay: ") for line in capsys.readouterr().err.splitlines())


def test_papers_on_the_command_line(
    command_line: ArxivServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_snapshot(tmp_path / "papers.jsonl", range(1, 4))
    with file.open("a") as lines:
        lines.write("\nnonsense\n")
    assert run(["papers", "load", str(file), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["new"], document["bad_lines"]) == (3, 1)
    assert run(["papers", "load", str(tmp_path / "none"), str(file), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["unchanged"], document["files"][0]["is_refused"]) == (3, True)
    assert run(["papers", "show", "arXiv:2608.00002", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "T 2"
    assert run(["papers", "show", "2608.99999"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert run(["papers", "search", "3", "T", "--limit", "1", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) <= 1


def test_asking_needs_no_open_transaction(tmp_path: Path, server: ArxivServer) -> None:
    """A request may take a minute: meanwhile another process must be able to write."""
    url = f"sqlite:///{tmp_path / 'busy.db'}"
    engine = open_database(url)
    other = open_database(url)

    def write_meanwhile(handler: object, parameters: dict[str, str]) -> None:
        with open_session(other) as session:
            session.add(Night(profile="smoke", budget_s=1.0))
            session.commit()
        handler.send(200, handler.page(parameters))  # type: ignore[attr-defined]

    server.always = write_meanwhile
    asking = Asking(engine, open_api(server, tmp_path), None, TODAY, lambda message: None)
    asking.ask_recent()
    assert asking.summarize().complete
    with open_session(engine) as session:
        assert session.exec(select(Night.id)).first() is not None
    engine.dispose()
    other.dispose()
