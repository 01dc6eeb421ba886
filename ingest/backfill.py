"""Days that a person asks for, however many: cut to arXiv's measure, taken up where it stopped.

Decides how large the next question is, which days are done, and when two requests are the
same backfill: when they begin on the same day and the earlier one is not finished. Its
windows carry that day and the moment it was begun, so a later end only adds days. What one
question does is decided in ``ingest.asking``.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Engine
from sqlmodel import col, select

from db.columns import utc_now
from db.engine import open_session
from db.models import HarvestWindow
from ingest.announcements import find_next_announcement, is_out
from ingest.asking import Asking, Outcome, PagedSource
from ingest.claim_queries import CATEGORIES
from ingest.day_questions import build_day_question, read_span
from ingest.days import DaySpan, join_spans, slice_days
from ingest.windows import read_categories

FIRST_SLICE_DAYS = 8
MOST_SLICE_DAYS = 128
WANTED_PAPERS = 2000  # a question: ten pages, half a minute at arXiv's pace
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Backfill:
    """One request for a span of days, with what it still lacks."""

    span: DaySpan
    begun_at: datetime
    papers: int  # that its complete windows brought
    missing: tuple[date, ...]
    is_new: bool = False

    @property
    def command(self) -> str:
        """What to type to go on."""
        return f"'reassay ingest poll --since {self.span.since} --until {self.span.until}'"

    @property
    def detail(self) -> dict[str, dict[str, str]]:
        """What its windows carry."""
        return {
            "backfill": {
                "since": self.span.since.isoformat(),
                "until": self.span.until.isoformat(),
                "begun_at": self.begun_at.isoformat(),
            }
        }


def find_backfill(engine: Engine, span: DaySpan) -> Backfill:
    """The backfill that this request takes up: an unfinished one of the same first day, or new."""
    windows = _read_windows(engine)
    same = [w for w in windows if _mark(w).get("since") == span.since.isoformat()]
    if same:
        begun_at = _mark(same[-1])["begun_at"]
        mine = [w for w in same if _mark(w)["begun_at"] == begun_at]
        last_until = max(date.fromisoformat(_mark(w)["until"]) for w in mine)
        if _find_missing_of(mine, DaySpan(span.since, last_until)):
            papers = sum(window.seen for window in mine if window.is_complete)
            missing = _find_missing_of(mine, span)
            return Backfill(span, datetime.fromisoformat(begun_at), papers, tuple(missing))
    return Backfill(span, utc_now(), 0, tuple(span.days), is_new=True)


def find_unfinished(engine: Engine) -> list[Backfill]:
    """The newest backfill of each first day, where days are missing."""
    ends: dict[str, str] = {}
    for window in _read_windows(engine):
        ends[_mark(window)["since"]] = _mark(window)["until"]
    spans = [DaySpan(date.fromisoformat(s), date.fromisoformat(u)) for s, u in ends.items()]
    found = [find_backfill(engine, span) for span in spans]
    return [backfill for backfill in found if not backfill.is_new]


def fill(
    asking: Asking, source: PagedSource, backfill: Backfill, delay_s: float, report: Progress
) -> None:
    """Ask for all missing days, oldest first; Ctrl-C ends it in order.

    Every question is a row, begun before and closed after, so a kill loses one at most.
    """
    asking.cover(backfill.span.days)
    pace = _Pace(source, backfill, delay_s)
    if not backfill.is_new:
        report(f"going on with {backfill.span}: {pace.describe()}")
    outcomes: list[Outcome] = []
    try:
        for answered in _ask_all(asking, source, backfill):
            outcomes += answered
            pace.note(answered)
            report(pace.describe())
    except KeyboardInterrupt:
        asking.summary.unanswered.append(
            f"broken off by you, {pace.describe()}: {backfill.command} goes on from there"
        )
    asking.settle(outcomes)


def describe_open_end(span: DaySpan, now: datetime) -> str | None:
    """A sentence if the last days of a span are not all announced yet."""
    early = [day for day in span.days[-8:] if not is_out(day, now)]
    if not early:
        return None
    coming = find_next_announcement(now).moment
    return (
        f"papers of {DaySpan(early[0], span.until)} are not all out yet (next batch not before "
        f"{coming:%Y-%m-%d %H:%M} UTC): the next harvests ask for these days again"
    )


def choose_slice_days(days: int, papers: int) -> int:
    """How many days to ask for next, after a question of so many days brought so many papers."""
    if papers > WANTED_PAPERS:
        return max(1, days * WANTED_PAPERS // papers)
    if papers * 2 <= WANTED_PAPERS:
        return min(MOST_SLICE_DAYS, days * 2)
    return days


def _ask_all(asking: Asking, source: PagedSource, backfill: Backfill) -> Iterator[list[Outcome]]:
    runs = join_spans(slice_days(backfill.missing))
    length = FIRST_SLICE_DAYS
    while runs:
        if source.stopped_because:  # no row a question: thousands would say the same
            for left in runs:
                asking.note_failure(left, source.stopped_because)
            return
        run = runs.pop(0)
        span = DaySpan(run.since, min(run.until, run.since + timedelta(length - 1)))
        if span.until < run.until:
            runs.insert(0, DaySpan(span.until + timedelta(1), run.until))
        answered = asking.ask_days(build_day_question("backfill", span), backfill.detail)
        if len(span.days) == length and not any(outcome.error for outcome in answered):
            length = choose_slice_days(length, sum(outcome.total or 0 for outcome in answered))
        yield answered


class _Pace:
    """How far a backfill is, and how long the rest takes as things go."""

    def __init__(self, source: PagedSource, backfill: Backfill, delay_s: float) -> None:
        self._source = source
        self._delay_s = delay_s
        self._days = len(backfill.span.days)
        self._missing = list(backfill.missing)
        self._papers = backfill.papers
        self._covered: list[Covered] = []
        self._at_start = len(self._missing), source.requests_made, time.monotonic()

    def note(self, answered: list[Outcome]) -> None:
        """Count what was answered in full."""
        whole = [o for o in answered if o.error is None and not o.is_doubtful]
        self._papers += len({arxiv_id for outcome in whole for arxiv_id in outcome.came})
        self._covered += [
            Covered(read_span(o.question), read_categories(o.question.query)) for o in whole
        ]
        self._missing = find_missing(self._missing, self._covered)

    def describe(self) -> str:
        """``64 of 1059 days done, 12345 papers so far, about 47 min left``."""
        done = self._days - len(self._missing)
        text = f"{done} of {self._days} days done, {self._papers} papers so far"
        left_s = self._estimate_left_s()
        if left_s is None or not self._missing:
            return text
        return f"{text}, {_say_duration(left_s)} left"

    def _estimate_left_s(self) -> float | None:
        """At the pace so far, and never faster than arXiv allows; None before any answer."""
        missing, requests, begun_s = self._at_start
        days = missing - len(self._missing)
        if not days:
            return None
        paced_s = (self._source.requests_made - requests) * self._delay_s
        return max(paced_s, time.monotonic() - begun_s) / days * len(self._missing)


def _say_duration(seconds: float) -> str:
    if seconds < 90:
        return "about a minute" if seconds > 30 else "less than a minute"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"


class Covered(NamedTuple):
    """Days that were answered in full, for some of the watched categories."""

    span: DaySpan
    categories: frozenset[str]


def find_missing(days: Iterable[date], covered: Iterable[Covered]) -> list[date]:
    """The days that lack an answer for some watched category."""
    answered = {(day, c) for part in covered for day in part.span.days for c in part.categories}
    return [day for day in days if any((day, c) not in answered for c in CATEGORIES)]


def _read_windows(engine: Engine) -> list[HarvestWindow]:
    query = (
        select(HarvestWindow)
        .where(HarvestWindow.purpose == "backfill")
        .order_by(col(HarvestWindow.id))
    )
    with open_session(engine) as session:
        return [window for window in session.exec(query) if window.detail.get("backfill")]


def _mark(window: HarvestWindow) -> dict[str, str]:
    mark: dict[str, str] = window.detail["backfill"]
    return mark


def _find_missing_of(windows: list[HarvestWindow], span: DaySpan) -> list[date]:
    covered = [
        Covered(DaySpan(window.since, window.until), read_categories(window.query))
        for window in windows
        if window.is_complete and window.since and window.until
    ]
    return find_missing(span.days, covered)
