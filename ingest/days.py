"""Days of first submission: which were asked, which are answered, which are due again.

Pure functions over what was asked and when. An answer counts for a day once all batches
with its papers were out when it was asked for; a day is asked again until an answer came
that was begun a week after that, since moderation holds single papers back. Knows neither
the store nor any source.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from ingest.announcements import find_completion
from ingest.claim_queries import CATEGORIES

FIRST_DAYS = 3  # a first night starts this many days back
OVERLAP_DAYS = 7  # moderation adds one to four days, for single papers more
MOST_DAYS_BACK = 30  # a longer absence is a backfill, which a person should ask for
SLICE_DAYS = 4  # two thousand papers or so: pages stay far from arXiv's paging bounds
OVERLAP = timedelta(OVERLAP_DAYS)
ONE_DAY = timedelta(1)
ARXIV_BEGAN = date(1991, 8, 14)


class DaySpan(NamedTuple):
    """Days of first submission, both included."""

    since: date
    until: date

    def __str__(self) -> str:
        return str(self.since) if self.since == self.until else f"{self.since} to {self.until}"

    @property
    def days(self) -> list[date]:
        """Every day of the span, in order."""
        return [self.since + timedelta(n) for n in range((self.until - self.since).days + 1)]


class AskedSpan(NamedTuple):
    """A span that was asked: when, of which categories, and whether the whole answer came.

    ``is_backfill`` tells a question that a person put from one that a harvest put; ``lacking``
    is how many papers arXiv announced and did not send, None if that is not known.
    """

    since: date
    until: date
    is_complete: bool
    asked_at: datetime
    categories: frozenset[str] = frozenset(CATEGORIES)
    is_backfill: bool = False
    lacking: int | None = None

    @property
    def days(self) -> list[date]:
        """Every day of the span, in order."""
        return DaySpan(self.since, self.until).days


@dataclass(frozen=True)
class RecentPlan:
    """The spans to ask now, oldest first, and those too old to be asked unbidden."""

    spans: tuple[DaySpan, ...]
    too_old: tuple[DaySpan, ...] = ()


@dataclass
class DayLedger:
    """What was asked for each day, read off the spans that were asked."""

    first: date | None = None  # where harvests began
    earliest: date | None = None  # that a harvest asked for, overlap included
    asked: set[date] = field(default_factory=set)  # by a harvest, or answered to anyone
    answered_at: dict[tuple[date, str], datetime] = field(default_factory=dict)
    tries: dict[tuple[date, str], list[AskedSpan]] = field(default_factory=dict)

    def add(self, span: AskedSpan) -> None:
        """Enter a span that was asked after those before it."""
        if not span.is_backfill:
            self.first = self.first or span.since
            self.earliest = min(span.since, self.earliest or span.since)
        if span.is_complete or not span.is_backfill:
            self.asked.update(span.days)
        for key in ((day, category) for day in span.days for category in span.categories):
            self.tries.setdefault(key, []).append(span)
            if span.is_complete:
                before = self.answered_at.get(key, span.asked_at)
                self.answered_at[key] = max(span.asked_at, before)

    def find_answer(self, day: date) -> datetime | None:
        """When the latest whole answer for all watched categories was asked for."""
        moments = [self.answered_at.get((day, category)) for category in CATEGORIES]
        known = [moment for moment in moments if moment is not None]
        return min(known) if len(known) == len(moments) else None

    def is_answered(self, day: date) -> bool:
        """Whether a whole answer was asked for when all of the day's batches were out."""
        moment = self.find_answer(day)
        return moment is not None and moment >= find_completion(day)

    def is_settled(self, day: date) -> bool:
        """Whether a whole answer was asked for a week after that: the day is closed."""
        moment = self.find_answer(day)
        return moment is not None and moment >= find_completion(day) + OVERLAP

    def find_first(self) -> date | None:
        """Where harvests began; before any of them, where the latest backfill's run begins."""
        if self.first is not None:
            return self.first
        first = max((day for day in self.asked if self.is_answered(day)), default=None)
        while first is not None and self.is_answered(first - ONE_DAY):
            first -= ONE_DAY
        return first

    def find_reach(self) -> date | None:
        """The last day of the unbroken run of answered days since ``find_first``."""
        reach, day = None, self.find_first()
        while day is not None and self.is_answered(day):
            reach, day = day, day + ONE_DAY
        return reach


def read_ledger(asked: Iterable[AskedSpan]) -> DayLedger:
    """The ledger of what was asked, oldest question first."""
    ledger = DayLedger()
    for span in asked:
        ledger.add(span)
    return ledger


def plan_recent(
    asked: Iterable[AskedSpan], today: date, done: Collection[date] = frozenset()
) -> RecentPlan:
    """The days to ask for: all that are not closed, but for ``done`` (asked this very night).

    Days never asked that lie more than ``MOST_DAYS_BACK`` days back are only named.
    """
    ledger = read_ledger(asked)
    bound = today - timedelta(MOST_DAYS_BACK)
    start = _find_start(ledger, bound)
    if start is None:
        first_days = DaySpan(today - timedelta(FIRST_DAYS), today).days
        return RecentPlan(slice_days(day for day in first_days if day not in done))
    still_open = [day for day in DaySpan(start, today).days if not ledger.is_settled(day)]
    wanted = {day for day in still_open if day >= bound or day in ledger.asked}
    first = ledger.first or start  # the overlap before it is a courtesy, not a gap
    too_old = [day for day in still_open if day not in wanted and day >= first]
    return RecentPlan(slice_days(wanted - set(done)), tuple(join_spans(slice_days(too_old))))


def find_clock_fault(asked: Iterable[AskedSpan], today: date) -> str | None:
    """A sentence if the clock is certainly behind: before harvests, or arXiv itself, began."""
    first = read_ledger(asked).first or ARXIV_BEGAN
    if today >= first:
        return None
    return f"the clock says {today}, before {first}: no day was asked for until it is set"


def find_reach(asked: Iterable[AskedSpan]) -> date | None:
    """The watermark: the day up to which every day since harvests began is answered."""
    return read_ledger(asked).find_reach()


def slice_days(days: Iterable[date]) -> tuple[DaySpan, ...]:
    """Runs of consecutive days, cut so that none is longer than ``SLICE_DAYS``."""
    spans: list[DaySpan] = []
    for day in sorted(days):
        last = spans[-1] if spans else None
        if last and last.until + ONE_DAY == day and (day - last.since).days < SLICE_DAYS:
            spans[-1] = DaySpan(last.since, day)
        else:
            spans.append(DaySpan(day, day))
    return tuple(spans)


def join_spans(spans: Iterable[DaySpan]) -> list[DaySpan]:
    """Spans that touch, as one."""
    joined: list[DaySpan] = []
    for span in sorted(spans):
        if joined and span.since <= joined[-1].until + ONE_DAY:
            joined[-1] = DaySpan(joined[-1].since, max(joined[-1].until, span.until))
        else:
            joined.append(span)
    return joined


def _find_start(ledger: DayLedger, bound: date) -> date | None:
    """The first day that may still be open: the overlap before the watermark included."""
    reach = ledger.find_reach()
    if ledger.earliest is None:
        return ledger.find_first() if reach is not None and reach >= bound else None
    return ledger.earliest if reach is None else min(ledger.earliest, reach - OVERLAP)
