"""Backfills: how a span is cut, what a kill or Ctrl-C leaves, what the watermark makes of it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import col, select

from db.engine import open_database, open_session
from db.errors import SourceUnavailable
from db.models import HarvestWindow, Paper
from ingest.asking import Asking, Outcome
from ingest.backfill import Backfill, choose_slice_days, fill, find_backfill, find_unfinished
from ingest.claim_queries import CATEGORIES
from ingest.day_questions import read_span
from ingest.days import DaySpan, find_reach, plan_recent
from ingest.harvest import harvest, harvest_days
from ingest.harvest_summary import HarvestSummary
from ingest.sources.arxiv_api import MOST_PAGES, PAGE_SIZE, ArxivApi
from ingest.sources.politeness import Clock, RequestPacer
from ingest.sources.records import PaperRecord, Question
from ingest.windows import read_asked, read_categories
from tests.arxiv_server import ArxivServer, FakeClock, Handler, InventedPaper, answer
from tests.test_harvest import Setup
from tests.wall_clock import WallClock, use_wall_clock

TODAY = date(2026, 11, 24)
CLOCK = WallClock(datetime(2026, 11, 24, 6, tzinfo=UTC))
LIMIT = MOST_PAGES * PAGE_SIZE


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    CLOCK.set_day(TODAY)
    use_wall_clock(monkeypatch, CLOCK)
    return CLOCK


class CategoryServer(ArxivServer):
    """Answers a query for one category with that category's papers."""

    def find(self, parameters: dict[str, str]) -> list[InventedPaper]:
        found = super().find(parameters)
        asked = read_categories(parameters.get("search_query", "").split(")")[0].strip("("))
        return [p for p in found if not asked or asked & set(p.categories)]


@pytest.fixture
def server() -> Iterator[ArxivServer]:
    server = CategoryServer()
    server.start()
    yield server
    server.stop()


def invent(days: DaySpan, a_day: Callable[[date], int]) -> list[InventedPaper]:
    """Papers with ids of their month, each in one watched category or two."""
    papers = []
    for day in days.days:
        for n in range(a_day(day)):
            first = CATEGORIES[n % 3]
            carried = (first, CATEGORIES[(n + 1) % 3]) if n % 2 else (first,)
            arxiv_id = f"{day:%y%m}.{day.day * 500 + n:05d}"
            papers.append(InventedPaper(arxiv_id, day.isoformat(), categories=carried))
    return papers


def open_api(server: ArxivServer, home: Path) -> ArxivApi:
    clock = FakeClock()
    pacer = RequestPacer(home, 3.0, Clock(clock.sleep, clock.monotonic, clock.wall))
    return ArxivApi(server.url, pacer, draw=lambda: 0.0)


def backfill(
    engine: Engine,
    server: ArxivServer,
    home: Path,
    span: DaySpan,
    report: Callable[[str], None] = lambda message: None,
) -> HarvestSummary:
    return harvest_days(
        engine,
        Setup(home),
        span,
        today=CLOCK.now.date(),
        report_progress=report,
        source=open_api(server, home),
    )


def read_windows(engine: Engine) -> list[HarvestWindow]:
    with open_session(engine) as session:
        query = select(HarvestWindow).where(HarvestWindow.purpose == "backfill")
        return list(session.exec(query.order_by(col(HarvestWindow.id))))


def whole(windows: list[HarvestWindow]) -> list[tuple[date, str]]:
    """The days and categories of complete windows, once a window."""
    return [
        (day, category)
        for window in windows
        if window.is_complete and window.since and window.until
        for day in DaySpan(window.since, window.until).days
        for category in read_categories(window.query)
    ]


def every(span: DaySpan) -> list[tuple[date, str]]:
    return [(day, category) for day in span.days for category in sorted(CATEGORIES)]


class CountingAsking(Asking):
    """Answers from numbers of papers a day; a category has two thirds of them."""

    def __init__(self, papers: dict[date, int], failing: set[date]) -> None:
        source = CountingSource()
        super().__init__(None, source, None, TODAY, lambda message: None)  # type: ignore[arg-type]
        self.counting, self.papers, self.failing = source, papers, failing
        self.answered: list[Outcome] = []

    def ask(self, question: Question, **_: object) -> Outcome:  # type: ignore[override]
        days = read_span(question).days
        share = len(read_categories(question.query)) / 3 if " OR " in question.query else 2 / 3
        total = int(share * sum(self.papers.get(day, 0) for day in days))
        self.counting.requests_made += 1
        error = None
        came = {f"{n}" for n in range(min(total, 3))}
        if total > LIMIT:
            error, came = SourceUnavailable(f"{total} papers answer this question"), set()
        elif self.failing & set(days):
            error = SourceUnavailable("an empty page")
        outcome = Outcome(len(self.answered), question, came, total, error, is_doubtful=False)
        self.answered.append(outcome)
        return outcome


class CountingSource:
    name = "api"
    total: int | None = None
    stopped_because: str | None = None

    def __init__(self) -> None:
        self.requests_made = 0
        self.remarks: list[str] = []

    def answer(self, question: Question) -> Iterator[PaperRecord]:
        return iter(())


FIRST = date(2024, 1, 1)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 300),
    st.lists(st.integers(0, 1500), min_size=1, max_size=7),
    st.dictionaries(st.integers(0, 299), st.integers(4000, 7400), max_size=5),
)
def test_questions_partition_the_span(length: int, week: list[int], floods: dict[int, int]) -> None:
    span = DaySpan(FIRST, FIRST + timedelta(length - 1))
    papers = {day: week[n % len(week)] for n, day in enumerate(span.days)}
    papers |= {FIRST + timedelta(n): many for n, many in floods.items()}
    asking = CountingAsking(papers, set())
    request = Backfill(span, CLOCK.now, 0, tuple(span.days), is_new=True)
    fill(asking, asking.counting, request, 0.0, lambda message: None)
    done = [outcome for outcome in asking.answered if outcome.error is None]
    pairs = [
        (day, category)
        for outcome in done
        for day in read_span(outcome.question).days
        for category in read_categories(outcome.question.query)
    ]
    assert sorted(pairs) == every(span)  # each once: nothing left out, nothing asked twice
    assert all((outcome.total or 0) <= LIMIT for outcome in done)
    assert asking.summary.unanswered == []
    assert (asking.summary.since, asking.summary.until) == span


@given(st.sets(st.integers(0, 99), min_size=1, max_size=5))
def test_failed_days_are_named_and_the_others_asked(failing: set[int]) -> None:
    span = DaySpan(FIRST, FIRST + timedelta(99))
    days = {FIRST + timedelta(n) for n in failing}
    asking = CountingAsking(dict.fromkeys(span.days, 400), days)
    request = Backfill(span, CLOCK.now, 0, tuple(span.days), is_new=True)
    fill(asking, asking.counting, request, 0.0, lambda message: None)
    asked = {day for outcome in asking.answered for day in read_span(outcome.question).days}
    assert asked == set(span.days)


def test_slices_follow_the_papers_that_come() -> None:
    assert choose_slice_days(8, 100) == 16
    assert choose_slice_days(8, 1500) == 8
    assert choose_slice_days(8, 4000) == 4
    assert choose_slice_days(1, 4000) == 1
    assert choose_slice_days(128, 0) == 128


SPAN = DaySpan(date(2026, 9, 1), date(2026, 10, 10))


def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty papers a question at most, so that small worlds are large."""
    monkeypatch.setattr("ingest.sources.arxiv_api.PAGE_SIZE", 20)
    monkeypatch.setattr("ingest.sources.arxiv_api.MOST_PAGES", 3)


def test_a_span_too_large_for_arxiv_comes_whole(
    any_engine: Engine, server: ArxivServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pages(monkeypatch)
    flood = date(2026, 9, 16)
    server.papers = invent(SPAN, lambda day: 75 if day == flood else 12)
    messages: list[str] = []
    summary = backfill(any_engine, server, tmp_path, SPAN, messages.append)
    assert summary.complete
    assert (summary.since, summary.until) == SPAN
    with open_session(any_engine) as session:
        assert len(session.exec(select(Paper.id)).all()) == len(server.papers) == 75 + 39 * 12
    windows = read_windows(any_engine)
    assert sorted(whole(windows)) == every(SPAN)
    assert {w.query for w in windows if w.since == w.until == flood} == {
        "cat:cs.CL OR cat:cs.LG OR cat:cs.AI",
        *(f"cat:{category}" for category in CATEGORIES),
    }
    assert all(w.detail["backfill"]["since"] == "2026-09-01" for w in windows)
    assert messages[-1] == "40 of 40 days done, 543 papers so far"
    assert all(" days done, " in message for message in messages)
    assert any(" left" in message for message in messages)


def test_no_bound_of_requests_for_what_a_person_asks(
    engine: Engine, server: ArxivServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.sources.arxiv_api.PAGE_SIZE", 1)
    monkeypatch.setattr("ingest.sources.arxiv_api.MOST_PAGES", 10)
    server.papers = invent(SPAN, lambda day: 5)
    assert backfill(engine, server, tmp_path, SPAN).complete
    assert len(server.asked) > 200


def test_an_unfinished_backfill_is_taken_up_where_it_stopped(
    any_engine: Engine, server: ArxivServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pages(monkeypatch)
    server.papers = invent(SPAN, lambda day: 6)
    server.queue(*[None] * 9, answer(503), answer(503), answer(503), answer(503))
    first = backfill(any_engine, server, tmp_path, SPAN)
    assert not first.complete
    assert "cs.CL, cs.LG, cs.AI on" in first.unanswered[0]
    done = whole(read_windows(any_engine))
    assert 0 < len(done) < len(every(SPAN))
    assert [left.span for left in find_unfinished(any_engine)] == [SPAN]
    server.faults.clear()
    longer = DaySpan(SPAN.since, SPAN.until + timedelta(5))
    messages: list[str] = []
    assert backfill(any_engine, server, tmp_path, longer, messages.append).complete
    assert messages[0].startswith("going on with 2026-09-01 to 2026-10-15: ")
    assert sorted(whole(read_windows(any_engine))) == every(longer)  # each day once
    assert find_unfinished(any_engine) == []
    assert find_backfill(any_engine, longer).is_new  # asking again is a new backfill


def test_nights_name_a_backfill_that_is_not_done(
    engine: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    server.papers = invent(DaySpan(date(2026, 11, 1), TODAY), lambda day: 4)
    server.always = answer(503)
    assert not backfill(engine, server, tmp_path, SPAN).complete
    server.always = None
    summary = night(engine, server, tmp_path)
    assert summary.complete
    assert summary.not_asked == [
        "the backfill of 2026-09-01 to 2026-10-10 is not done: 'reassay ingest poll "
        "--since 2026-09-01 --until 2026-10-10' goes on from there"
    ]


def night(engine: Engine, server: ArxivServer, home: Path) -> HarvestSummary:
    return harvest(
        engine,
        Setup(home),
        night_id=None,
        today=CLOCK.now.date(),
        report_progress=lambda message: None,
        source=open_api(server, home),
    )


def test_a_backfill_closes_the_gap_of_a_long_absence(
    engine: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    CLOCK.set_day(date(2026, 8, 4))
    server.papers = invent(DaySpan(date(2026, 7, 20), TODAY), lambda day: 3)
    assert night(engine, server, tmp_path).searched_through == date(2026, 8, 2)
    CLOCK.set_day(TODAY)
    late = night(engine, server, tmp_path)
    assert late.complete
    assert late.searched_through == date(2026, 8, 4)  # the days since are not all asked for
    (sentence,) = [s for s in late.not_asked if "never asked" in s]
    since, until = date(2026, 8, 5), TODAY - timedelta(31)
    assert f"--since {since} --until {until}" in sentence
    assert backfill(engine, server, tmp_path, DaySpan(since, until)).complete
    assert find_reach(read_asked(engine)) == date(2026, 11, 22)
    with open_session(engine) as session:
        stored = set(session.exec(select(Paper.published)))
    assert set(DaySpan(date(2026, 8, 1), TODAY).days) <= stored


def test_nights_go_on_from_a_backfill_that_came_first(
    engine: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    span = DaySpan(date(2026, 10, 1), TODAY)
    server.papers = invent(span, lambda day: 3)
    summary = backfill(engine, server, tmp_path, span)
    assert summary.searched_through == date(2026, 11, 22)
    assert "are not all out yet" in summary.not_asked[0]
    later = TODAY + timedelta(9)
    plan = plan_recent(read_asked(engine), later)
    assert plan.too_old == ()
    days = {day for part in plan.spans for day in part.days}
    assert set(DaySpan(date(2026, 11, 23), later).days) <= days


def test_days_that_are_not_over_are_not_asked_for(
    engine: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    server.papers = invent(SPAN, lambda day: 3)
    backfill(engine, server, tmp_path, DaySpan(date(2026, 11, 20), date(2027, 3, 1)))
    assert {window.until for window in read_windows(engine)} == {TODAY}


class Blocking:
    """A fault that holds a request until it is let go."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, handler: Handler, parameters: dict[str, str]) -> None:
        self.reached.set()
        self.let_go.wait(60)


POLL = ["ingest", "poll", "--since", str(SPAN.since), "--until", str(SPAN.until)]


def start_poll(server: ArxivServer, home: Path) -> "subprocess.Popen[str]":
    environment = {name: v for name, v in os.environ.items() if not name.startswith("REASSAY_")}
    environment |= {
        "REASSAY_HOME": str(home),
        "REASSAY_ARXIV_API_URL": server.url,
        "REASSAY_ARXIV_OAI_URL": server.url,
        "REASSAY_ARXIV_DELAY_S": "0",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "reassay", *POLL],
        env=environment,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_broken_off_and_taken_up(server: ArxivServer, tmp_path: Path, blow: signal.Signals) -> None:
    server.papers = invent(SPAN, lambda day: 40)
    block = Blocking()
    server.queue(*[None] * 5, block)
    process = start_poll(server, tmp_path)
    assert block.reached.wait(60)
    time.sleep(0.1)
    process.send_signal(blow)
    _, said = process.communicate(timeout=60)
    block.let_go.set()
    if blow is signal.SIGINT:
        assert process.returncode == 3
        assert "broken off by you" in said
        assert "'reassay ingest poll --since 2026-09-01 --until 2026-10-10' goes on" in said
        assert "Traceback" not in said
    engine = open_database(f"sqlite:///{tmp_path / 'reassay.db'}")
    before = read_windows(engine)
    assert [window.finished_at is not None for window in before][-1] is False
    done = whole(before)
    assert done
    again = start_poll(server, tmp_path)
    _, said = again.communicate(timeout=60)
    assert again.returncode == 0, said
    assert "going on with 2026-09-01 to 2026-10-10" in said
    assert sorted(whole(read_windows(engine))) == every(SPAN)  # what was done is not asked again
    with open_session(engine) as session:
        assert len(session.exec(select(Paper.id)).all()) == len(server.papers)
    engine.dispose()
