"""Every day accounted for: what windows brought, what the status says, what the page repeats."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import col, select

from db.engine import open_database, open_session
from db.models import HarvestDay, HarvestWindow, Paper
from ingest.accounting import DayAccount, account_days, find_denied, find_doubts
from ingest.announcements import find_completion
from ingest.claim_queries import CATEGORIES, RECENT_QUERY
from ingest.day_counts import record_days
from ingest.days import AskedSpan, DaySpan, find_clock_fault, find_reach, plan_recent
from ingest.papers import store_papers
from ingest.sources.records import PaperRecord, Question
from ingest.usual_counts import LEAST_WEEKS, find_usual
from ingest.windows import close_window, open_window, read_asked
from reassay.cli import run
from reassay.night import run as night_module
from reassay.night.run import run_night
from reassay.settings import read_settings
from tests.arxiv_server import ArxivServer, InventedPaper, answer, run_arxiv_server
from tests.test_backfill import backfill, night
from tests.wall_clock import WallClock, use_wall_clock

TODAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
CLOCK = WallClock(NOW)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    CLOCK.now = NOW
    use_wall_clock(monkeypatch, CLOCK)
    monkeypatch.setattr("tests.test_backfill.CLOCK", CLOCK)
    return CLOCK


@pytest.fixture
def server() -> Iterator[ArxivServer]:
    with run_arxiv_server([]) as server:
        yield server


# What a window brought


def record(number: int, day: str, *categories: str, version: int = 1) -> PaperRecord:
    return PaperRecord(
        f"2611.{number:05d}",
        version,
        f"T {number} v{version}",
        "A.",
        categories=categories or ("cs.CL",),
        published=date.fromisoformat(day),
    )


def bring(engine: Engine, span: DaySpan, records: list[PaperRecord], whole: bool = True) -> int:
    """A window as a harvest writes it."""
    question = Question("recent", RECENT_QUERY, since=span.since, until=span.until)
    window_id = open_window(engine, question, "api", None)
    count = store_papers(engine, records, "api")
    came = [r.arxiv_id for r in records]
    close_window(engine, window_id, count, None if whole else "broke off", came)
    return window_id


def counts(engine: Engine, window_id: int) -> dict[tuple[str, str], tuple[int, int, int]]:
    with open_session(engine) as session:
        rows = session.exec(select(HarvestDay).where(HarvestDay.window_id == window_id))
        found = {(r.day.isoformat(), r.category): (r.seen, r.new, r.revised) for r in rows}
    return {key: count for key, count in found.items() if any(count)}


SPAN = DaySpan(date(2026, 11, 18), date(2026, 11, 20))


def test_a_window_is_counted_by_day_and_category(any_engine: Engine) -> None:
    store_papers(any_engine, [record(1, "2026-11-18"), record(2, "2026-11-18")], "snapshot")
    CLOCK.now += HOUR
    came = [
        record(1, "2026-11-18"),  # known, unchanged
        record(2, "2026-11-18", version=2),  # known, revised
        record(3, "2026-11-18", "cs.LG", "cs.CL"),  # new, under both
        record(4, "2026-11-19", "cs.AI", "math.ST"),
        record(5, "2026-11-19", "math.ST"),  # none of ours
    ]
    first = bring(any_engine, SPAN, came)
    expected = {
        ("2026-11-18", "cs.CL"): (3, 1, 1),
        ("2026-11-18", "cs.LG"): (1, 1, 0),
        ("2026-11-19", "cs.AI"): (1, 1, 0),
    }
    assert counts(any_engine, first) == expected
    CLOCK.now += HOUR
    second = bring(any_engine, SPAN, came)  # the same again: nothing new, nothing revised
    assert counts(any_engine, second) == {
        key: (seen, 0, 0) for key, (seen, _, _) in expected.items()
    }
    with open_session(any_engine) as session:
        assert len(session.exec(select(HarvestDay.id)).all()) == 2 * 9  # zeros are kept too
        window = session.get_one(HarvestWindow, first)
        for _ in range(2):
            record_days(session, window, [r.arxiv_id for r in came], CATEGORIES)
            session.commit()
    assert counts(any_engine, first) == expected


def test_papers_of_an_attempt_that_was_killed_are_new_to_the_next(any_engine: Engine) -> None:
    question = Question("recent", RECENT_QUERY, since=SPAN.since, until=SPAN.until)
    open_window(any_engine, question, "api", None)
    store_papers(any_engine, [record(1, "2026-11-18")], "api")  # and killed before its end
    CLOCK.now += HOUR
    window_id = bring(any_engine, SPAN, [record(1, "2026-11-18"), record(2, "2026-11-18")])
    assert counts(any_engine, window_id) == {("2026-11-18", "cs.CL"): (2, 2, 0)}


def test_claim_searches_are_not_accounted_to_days(engine: Engine) -> None:
    window_id = open_window(engine, Question("claim", 'abs:"x"'), "api", None)
    count = store_papers(engine, [record(1, "2026-11-18")], "api")
    close_window(engine, window_id, count, None, ["2611.00001"])
    assert counts(engine, window_id) == {}


# The account


def account(engine: Engine, day: date, category: str = "cs.CL", days: int = 14) -> DayAccount:
    (found,) = [
        a for a in account_days(engine, CLOCK.now, days) if (a.day, a.category) == (day, category)
    ]
    return found


def test_how_days_were_asked(any_engine: Engine) -> None:
    bring(any_engine, DaySpan(date(2026, 11, 18), date(2026, 11, 23)), [record(1, "2026-11-18")])
    question = Question("recent", RECENT_QUERY, since=date(2026, 11, 13), until=date(2026, 11, 13))
    window_id = open_window(any_engine, question, "api", None)
    count = store_papers(any_engine, [record(7, "2026-11-13")], "api")
    detail = {"total": 41}
    close_window(any_engine, window_id, count, "broke off", ["2611.00007"], detail=detail)
    asked = {
        a.day.day: (a.asked, a.missing)
        for a in account_days(any_engine, CLOCK.now, 14)
        if a.category == "cs.LG"
    }
    assert list(asked) == list(range(11, 25))
    assert asked[11] == asked[12] == ("never", None)
    assert asked[13] == ("incomplete", 40)
    assert {asked[n] for n in range(18, 23)} == {("complete", 0)}
    assert asked[23] == asked[24] == ("open", None)
    assert not account(any_engine, date(2026, 11, 23)).is_out
    assert account(any_engine, date(2026, 11, 18)).seen == 1


def test_a_day_of_one_category_alone_is_not_whole(engine: Engine) -> None:
    day = date(2026, 11, 18)
    for category in ("cs.CL", "cs.LG"):
        question = Question("backfill", f"cat:{category}", since=day, until=day)
        window_id = open_window(engine, question, "api", None)
        count = store_papers(engine, [], "api")
        close_window(engine, window_id, count, None)
    assert account(engine, day, "cs.LG").asked == "complete"
    assert account(engine, day, "cs.AI").asked == "never"
    assert find_reach(read_asked(engine)) is None


def announce(engine: Engine, day: date, **named: list[str]) -> None:
    """A feed's window, as the daily feed writes it."""
    told = {"cs.CL": {"new": [], "cross": [], "replace": [], **named}}
    with open_session(engine) as session:
        session.add(
            HarvestWindow(
                source="feed",
                purpose="feed",
                query="cs.CL",
                since=day,
                until=day,
                started_at=CLOCK.now,
                is_complete=True,
                detail={"announced": told},
            )
        )
        session.commit()


def test_announced_papers_that_the_store_lacks(any_engine: Engine) -> None:
    bring(any_engine, DaySpan(date(2026, 11, 17), date(2026, 11, 23)), [record(1, "2026-11-20")])
    announce(
        any_engine, TODAY, new=["2611.00001", "2611.00002"], cross=["2611.00003"],
        replace=[["2611.00004", 2]],
    )  # fmt: skip
    found = account(any_engine, date(2026, 11, 23))  # the batch of Monday evening closed then
    assert (found.missing, found.missing_ids) == (2, ("2611.00002", "2611.00003"))
    assert account(any_engine, date(2026, 11, 23), "cs.LG").missing is None
    accounts = account_days(any_engine, CLOCK.now)
    assert find_doubts(accounts) == [
        "arXiv announced 2 papers (2611.00002, 2611.00003) about 2026-11-23 and did not send them"
    ]
    assert find_doubts(accounts, {"2611.00002", "2611.00003"}) == []
    store_papers(any_engine, [record(2, "2026-11-20"), record(3, "2026-11-20")], "api")
    assert find_doubts(account_days(any_engine, CLOCK.now)) == []


def test_an_announced_paper_that_arxiv_denies_is_not_named_for_ever(engine: Engine) -> None:
    assert find_denied(engine) == set()
    for _ in range(2):
        assert find_denied(engine) == set()
        window_id = open_window(engine, Question("anchors", ids=("2611.00002",)), "api", None)
        count = store_papers(engine, [], "api")
        close_window(engine, window_id, count, None, detail={"missing": ["2611.00002"]})
    assert find_denied(engine) == {"2611.00002"}


# The usual


def draw_count(random_numbers: random.Random, mean: float, spread: float) -> int:
    """Negative binomial: Poisson, of a mean that differs from day to day."""
    shape = 1 / spread**2
    expected = random_numbers.gammavariate(shape, mean / shape)
    return max(0, round(random_numbers.gauss(expected, expected**0.5)))


def test_few_days_are_flagged_for_nothing_and_half_a_day_is_missed_seldom() -> None:
    random_numbers = random.Random(7)
    false_few = false_many = caught = 0
    for _ in range(4000):
        history = [draw_count(random_numbers, 200, 0.1) for _ in range(8)]
        usual = find_usual(history)
        assert usual is not None
        today = draw_count(random_numbers, 205, 0.1)
        false_few += usual.judge(today) == "fewer than usual"
        false_many += usual.judge(today) == "more than usual"
        caught += usual.judge(today // 2) == "fewer than usual"
    assert false_few <= 12  # three in a thousand
    assert false_many <= 12
    assert caught >= 3600  # nine in ten


@given(st.lists(st.integers(0, 2000), max_size=12), st.integers(0, 3000))
def test_the_usual_lies_between_its_bounds(history: list[int], count: int) -> None:
    usual = find_usual(history)
    assert (usual is None) == (len(history) < LEAST_WEEKS)
    if usual is not None:
        assert usual.low <= usual.median <= usual.high
        assert usual.judge(round(usual.median)) is None
        assert (usual.judge(count) == "more than usual") == (count > usual.high)


THURSDAY = date(2026, 11, 19)
ALL = ("cs.CL", "cs.LG", "cs.AI")


def thursdays(last: int, weeks: int = 8) -> list[InventedPaper]:
    """A hundred papers every Thursday but the last, a few on other days."""
    papers = []
    for back in range(weeks * 7 + 10):
        day = THURSDAY + timedelta(4) - timedelta(back)
        number = 100 + back % 5 if day.weekday() == 3 else 3
        for n in range(last if day == THURSDAY else number):
            papers.append(
                InventedPaper(f"{day:%y%m}.{day.day * 300 + n:05d}", str(day), categories=ALL)
            )
    return papers


def test_a_lost_half_day_is_flagged_until_it_is_confirmed(
    engine: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    server.papers = thursdays(last=50)
    whole = DaySpan(date(2026, 9, 20), TODAY)
    summary = backfill(engine, server, tmp_path, whole)
    told = "arXiv sent fewer papers than usual of 2026-11-19: cs.CL 50 (usually about 10"
    assert [s for s in summary.unanswered if s.startswith(told)] == summary.unanswered
    assert len(summary.unanswered) == 1
    found = account(engine, THURSDAY)
    assert (found.asked, found.flag, found.seen, found.new) == (
        "complete", "fewer than usual", 50, 50,
    )  # fmt: skip
    assert all(a.flag is None for a in account_days(engine, NOW) if a.day != THURSDAY)
    CLOCK.now += 24 * HOUR
    again = night(engine, server, tmp_path)  # the same count: arXiv means it
    assert again.complete
    assert account(engine, THURSDAY).flag == "fewer than usual"
    server.papers = thursdays(last=100)
    CLOCK.now += 24 * HOUR
    late = night(engine, server, tmp_path)
    assert late.new >= 50
    assert account(engine, THURSDAY).flag is None
    assert account(engine, THURSDAY).new == 100


def test_holidays_and_short_histories_are_not_flagged(
    engine: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    CLOCK.set_day(date(2026, 12, 2))
    server.papers = thursdays(last=100)  # and Thanksgiving, a week later, has none
    backfill(engine, server, tmp_path, DaySpan(date(2026, 9, 20), date(2026, 12, 2)))
    holiday = account(engine, date(2026, 11, 26))
    assert (holiday.asked, holiday.seen, holiday.flag) == ("complete", 0, None)
    assert holiday.usual is not None
    other = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    server.papers = thursdays(last=20)
    backfill(other, server, tmp_path, DaySpan(date(2026, 11, 1), date(2026, 12, 2)))
    short = account(other, THURSDAY)
    assert (short.usual, short.flag) == (None, None)
    other.dispose()


def test_the_morning_page_lists_a_day_that_lacks_papers(
    server: ArxivServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.papers = thursdays(last=100)
    home = tmp_path / "home"
    environment = {
        "REASSAY_HOME": str(home),
        "REASSAY_ARXIV_API_URL": server.url,
        "REASSAY_ARXIV_OAI_URL": server.url,
        "REASSAY_ARXIV_DELAY_S": "0",
    }
    settings = read_settings(environment, {})
    home.mkdir()
    engine = open_database(settings.database_url)
    CLOCK.now = NOW - 5 * 24 * HOUR
    backfill(engine, server, tmp_path, DaySpan(date(2026, 9, 20), date(2026, 11, 17)))
    server.papers = thursdays(last=50)
    CLOCK.now = NOW
    kept = {name: night_module.STEPS[name] for name in ("harvest", "report")}
    monkeypatch.setattr(night_module, "STEPS", kept)
    result = run_night(
        settings, profile="smoke", budget_s=1.0, report_progress=lambda _: None, now=NOW
    )
    assert not result.is_complete
    page = next((home / "reports").rglob("morning.md"))
    assert (
        "- **NOT CHECKED** (harvest): arXiv sent fewer papers than usual of 2026-11-19: cs.CL 50"
        in page.read_text(encoding="utf-8")
    )
    engine.dispose()


# On the command line


def test_status_accounts_for_every_day(
    server: ArxivServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {"ARXIV_API_URL": server.url, "ARXIV_OAI_URL": server.url}.items():
        monkeypatch.setenv(f"REASSAY_{name}", value)
    monkeypatch.setenv("REASSAY_ARXIV_DELAY_S", "0")
    monkeypatch.setenv("REASSAY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    server.papers = [
        InventedPaper("2611.00001", "2026-11-18", categories=("cs.CL", "cs.AI")),
        InventedPaper("2611.00002", "2026-11-19"),
    ]
    arguments = ["ingest", "poll", "--since", "2026-11-17", "--until", "2026-11-19"]
    assert run(arguments) == 0
    server.always = answer(503)
    assert run(["ingest", "poll", "--since", "2026-11-12", "--until", "2026-11-13"]) == 3
    capsys.readouterr()
    assert run(["ingest", "status", "--days", "13", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"papers", "asked_through", "due", "days", "windows"}
    assert (document["papers"], document["asked_through"]) == (2, "2026-11-19")
    assert len(document["days"]) == 13 * 3
    assert document["days"][0] == {
        "day": "2026-11-12", "category": "cs.CL", "asked": "incomplete", "seen": 0, "new": 0,
        "revised": 0, "missing": "?", "usual": None, "flag": None,
    }  # fmt: skip
    days = {(row["day"], row["category"]): row for row in document["days"]}
    assert [days["2026-11-18", c]["new"] for c in CATEGORIES] == [1, 0, 1]
    assert {days["2026-11-18", c]["missing"] for c in CATEGORIES} == {0}
    assert days["2026-11-16", "cs.CL"]["asked"] == "never"
    assert days["2026-11-24", "cs.CL"]["asked"] == "open"
    assert run(["ingest", "status", "--days", "3"]) == 0
    told = capsys.readouterr().out
    assert "open: not out yet" in told
    assert "2026-11-17" not in told.split("answered")[0]


# Clocks


@dataclass(frozen=True)
class Poll:
    """One harvest: days since the last, how far the clock is off, which questions fail."""

    days_later: int
    hour: int
    clock_is_off_by_days: int
    failing: frozenset[int]


POLLS = st.lists(
    st.builds(
        Poll,
        st.integers(0, 45),
        st.integers(0, 23),
        st.sampled_from([0, 0, 0, -1, 1]),
        st.frozensets(st.integers(0, 12), max_size=6),
    ),
    min_size=1,
    max_size=12,
)


class History:
    """Polls as the record has them, with the true time of each question beside it."""

    def __init__(self) -> None:
        self.rows: list[tuple[AskedSpan, datetime]] = []
        self.now = datetime.combine(date(2026, 3, 2), time(0), UTC)

    def read(self, clock: datetime) -> list[AskedSpan]:
        """As ``read_asked`` does: no question is later than one that followed it, or than now."""
        spans = []
        for span, _ in reversed(self.rows):
            clock = min(clock, span.asked_at)
            spans.append(span._replace(asked_at=clock))
        return spans[::-1]

    def poll(self, poll: Poll) -> None:
        self.now = max(
            self.now + HOUR / 4,
            datetime.combine(self.now.date(), time(poll.hour), UTC) + poll.days_later * 24 * HOUR,
        )
        clock = self.now + poll.clock_is_off_by_days * 24 * HOUR
        if find_clock_fault(self.read(clock), clock.date()):
            return
        plan = plan_recent(self.read(clock), clock.date())
        for n, span in enumerate(plan.spans):
            self.rows.append((AskedSpan(*span, n not in poll.failing, clock), self.now))

    def asked_when_out(self, day: date) -> bool:
        return any(
            span.is_complete and day in span.days and true_time >= find_completion(day)
            for span, true_time in self.rows
        )

    def was_answered(self, day: date) -> bool:
        return any(span.is_complete and day in span.days for span, _ in self.rows)


@settings(max_examples=80, deadline=None)
@given(POLLS)
def test_every_day_before_the_watermark_was_asked_in_full(polls: list[Poll]) -> None:
    history = History()
    for poll in polls:
        history.poll(poll)
        clock = history.now + poll.clock_is_off_by_days * 24 * HOUR
        asked = history.read(clock)
        reach = find_reach(asked)
        if reach is not None:
            days = DaySpan(asked[0].since, reach).days
            assert all(history.was_answered(day) for day in days)
            if not any(p.clock_is_off_by_days for p in polls):
                assert all(history.asked_when_out(day) for day in days)


@settings(max_examples=80, deadline=None)
@given(POLLS)
def test_no_hole_is_left_once_the_clock_is_right(polls: list[Poll]) -> None:
    history = History()
    for poll in polls:
        history.poll(poll)
    history.poll(Poll(3, 6, 0, frozenset()))
    asked = history.read(history.now)
    plan = plan_recent(asked, history.now.date())
    named = {day for span in plan.too_old for day in span.days}  # a person is told how to ask
    first = asked[0].since
    last = max(
        d for d in DaySpan(first, history.now.date()).days if find_completion(d) <= history.now
    )
    lost = [
        day
        for day in DaySpan(first, last).days
        if day not in named and not history.asked_when_out(day)
    ]
    assert lost == []


@pytest.mark.parametrize("jump", [-1, 1])
def test_a_clock_that_jumps_a_day_between_two_polls(
    engine: Engine, server: ArxivServer, tmp_path: Path, jump: int
) -> None:
    """The server shows a paper from its announcement on, whatever our clock says."""
    span = DaySpan(date(2026, 11, 8), date(2026, 11, 30))
    world = [InventedPaper(f"2611.{n:05d}", str(day)) for n, day in enumerate(span.days)]
    true_now = NOW

    def publish() -> None:
        server.papers = [
            paper
            for paper in world
            if find_completion(date.fromisoformat(paper.published)) <= true_now
        ]

    for off in (0, jump, 0, 0):
        publish()
        CLOCK.now = true_now + off * 24 * HOUR
        summary = night(engine, server, tmp_path)
        assert summary.complete
        true_now += 24 * HOUR
    reach = find_reach(read_asked(engine))
    assert reach == date(2026, 11, 24)  # of Friday morning: Wednesday's batch waits for Sunday
    with open_session(engine) as session:
        stored = set(session.exec(select(Paper.published)))
        first = session.exec(select(HarvestWindow).order_by(col(HarvestWindow.id))).first()
    assert first is not None and first.since is not None
    assert set(DaySpan(first.since, reach).days) <= stored
    assert read_asked(engine) == sorted(read_asked(engine), key=lambda span: span.asked_at)


def test_a_question_stamped_in_the_future_closes_nothing(engine: Engine) -> None:
    CLOCK.now = NOW + 30 * 24 * HOUR  # wrong by a month, for one poll
    bring(engine, DaySpan(date(2026, 11, 17), TODAY), [record(1, "2026-11-18")])
    CLOCK.now = NOW + HOUR
    asked = read_asked(engine)
    assert all(span.asked_at <= CLOCK.now for span in asked)
    assert find_reach(asked) == date(2026, 11, 22)
    days = {day for span in plan_recent(asked, TODAY).spans for day in span.days}
    assert set(DaySpan(date(2026, 11, 17), TODAY).days) <= days


def test_a_clock_before_all_harvests_asks_for_nothing(
    engine: Engine, server: ArxivServer, tmp_path: Path
) -> None:
    server.papers = [InventedPaper("2611.00001", "2026-11-23")]
    night(engine, server, tmp_path)
    server.asked.clear()
    CLOCK.now = datetime(1970, 1, 1, 6, tzinfo=UTC)
    summary = night(engine, server, tmp_path)
    assert server.asked == []
    assert "the clock says 1970-01-01" in summary.unanswered[0]
