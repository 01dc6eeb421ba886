"""Days of change: which of one set are answered, which to ask for, what the answers prove.

Pure functions over what was asked. A whole answer covers its days; one without an end
covers them up to the server's own day, which is asked for again. A question that was not
answered in full covers nothing. Knows neither the store nor any source.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from ingest.announcements import find_completion

FIRST_DAYS = 3  # a first harvest starts this many days back
SLICE_DAYS = 4  # a window broken off costs no more than this
METADATA_LAG = timedelta(hours=3)  # announced at 20:00 US Eastern, in OAI-PMH by 22:30
ONE_DAY = timedelta(1)
LOOKED_BACK_DAYS = 21  # no batch is later than that


class ChangeSpan(NamedTuple):
    """Days of change, both included; no ``until``: up to the server's present."""

    since: date
    until: date | None

    def __str__(self) -> str:
        if self.until is None:
            return f"since {self.since}"
        return f"on {self.since}" if self.since == self.until else f"{self.since} to {self.until}"


class AskedChanges(NamedTuple):
    """One window on a set: ``next_from`` is the first day that it leaves open."""

    set_name: str
    since: date
    next_from: date  # equals since if the answer did not come in full
    is_open: bool  # whole, and asked for up to the server's present
    by_hand: bool
    as_of: datetime  # what the answer shows is of this moment
    night_id: int | None


def plan_changes(asked: Iterable[AskedChanges], today: date) -> list[ChangeSpan]:
    """The spans to ask for of one set, oldest first; the last one has no end."""
    asked = list(asked)
    start = find_changes_start(asked)
    since = today - timedelta(FIRST_DAYS) if start is None else follow_answers(asked, start)
    return slice_changes(min(since, today), today, today)


def slice_changes(since: date, until: date, today: date) -> list[ChangeSpan]:
    """Spans of at most ``SLICE_DAYS`` days; days that may not be over get no end."""
    spans = []
    last_closed = min(until, today - 2 * ONE_DAY)
    is_open = until > last_closed
    while since <= last_closed and (not is_open or (until - since).days >= SLICE_DAYS):
        end = min(since + (SLICE_DAYS - 1) * ONE_DAY, last_closed)
        spans.append(ChangeSpan(since, end))
        since = end + ONE_DAY
    return [*spans, ChangeSpan(since, None)] if is_open else spans


def find_changes_start(asked: Iterable[AskedChanges]) -> date | None:
    """The first day of change that a harvest, not a person, asked for."""
    return min((window.since for window in asked if not window.by_hand), default=None)


def follow_answers(asked: Iterable[AskedChanges], start: date) -> date:
    """The first day since ``start`` that no whole answer covers."""
    asked = list(asked)
    day = start
    while further := [w.next_from for w in asked if w.since <= day < w.next_from]:
        day = max(further)
    return day


def find_set_reach(asked: list[AskedChanges]) -> date | None:
    """The last day of first submission that the answers about one set prove."""
    start = find_changes_start(asked)
    if start is None:
        return None
    day = follow_answers(asked, start)
    last = max((w.as_of for w in asked if w.is_open and w.next_from == day), default=None)
    moment = last or datetime.combine(day, time.min, UTC)
    for back in range(LOOKED_BACK_DAYS):
        submitted = moment.date() - timedelta(back)
        if submitted < start:
            return None
        if find_completion(submitted) + METADATA_LAG <= moment:
            return submitted
    return None
