"""When arXiv announces what was submitted: its calendar as pure functions.

Decides which batch a moment of submission belongs to and whether a day of first submission
is out in full. Rules: arXiv's help page on availability (May 2026): submissions close at
14:00 US Eastern on working days, batches come out at 20:00 from Sunday to Thursday.

On a listed holiday we take it that neither happens, so its papers come with the next batch;
a Friday holiday moves them to Monday. Of years without a list only the weekdays are known.
Does not know moderation, which holds single papers back for days: whoever closes a day
adds an overlap. Nor does it know how long arXiv's index takes to show a batch.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

EASTERN = ZoneInfo("America/New_York")
CLOSES_AT, ANNOUNCED_AT = time(14), time(20)
FRIDAY, SATURDAY = 4, 5  # of date.weekday()
HOLIDAYS = {
    2026: frozenset(
        date(2026, month, day)
        for month, day in (
            (1, 1), (1, 19), (6, 19), (7, 3), (9, 7), (11, 26), (12, 25), (12, 29), (12, 31),
        )
    )
}  # fmt: skip
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Announcement:
    """One batch: when it comes out, and the span of submission that it holds (all in UTC).

    ``submitted_from`` is included, ``submitted_until`` is not.
    """

    moment: datetime
    submitted_from: datetime
    submitted_until: datetime


def find_last_announcement(now: datetime) -> Announcement:
    """The newest batch that is out; ``now`` is UTC-aware, or of any other zone."""
    day = _eastern_day(now)
    while not is_working_day(day) or _announced_on(day) > now:
        day -= ONE_DAY
    return _batch_closing_on(day)


def find_next_announcement(now: datetime) -> Announcement:
    """The first batch that is not out yet."""
    return find_announcement_of(find_last_announcement(now).submitted_until)


def find_announcement_of(submitted: datetime) -> Announcement:
    """The batch that a paper of this moment of submission belongs to."""
    local = submitted.astimezone(EASTERN)
    day = local.date() if local.time() < CLOSES_AT else local.date() + ONE_DAY
    while not is_working_day(day):
        day += ONE_DAY
    return _batch_closing_on(day)


@lru_cache(maxsize=4096)
def find_completion(day: date) -> datetime:
    """When the last batch with papers first submitted on a day (UTC, as arXiv counts) is out."""
    last = datetime.combine(day, time.max, UTC)
    return find_announcement_of(last).moment


def is_out(day: date, now: datetime) -> bool:
    """Whether every batch with papers first submitted on a day is out; held papers aside."""
    return find_completion(day) <= now


def is_holiday(day: date) -> bool:
    """Whether arXiv lists the day as one without announcement; False if no list is known."""
    return day in HOLIDAYS.get(day.year, frozenset())


def is_working_day(day: date) -> bool:
    """Whether submissions close and are counted on this day: Monday to Friday, no holiday."""
    return day.weekday() < SATURDAY and not is_holiday(day)


def describe_wait(now: datetime) -> str | None:
    """A sentence if today's batch is not out yet, or if none comes today (UTC); else None."""
    last, coming = find_last_announcement(now).moment, find_next_announcement(now).moment
    today = now.astimezone(UTC).date()
    if last.date() == today:
        return None
    if coming.date() == today:
        return f"today's batch is not out before {coming:%H:%M} UTC"
    return f"arXiv announces nothing today: the next batch is not out before {coming:%a %H:%M} UTC"


def describe_schedule(year: int) -> str | None:
    """A sentence if the holidays of a year are not known here; None if they are."""
    if year in HOLIDAYS:
        return None
    return f"arXiv's holidays of {year} are not known here: its usual weekdays are assumed"


def _announced_on(day: date) -> datetime:
    """When the batch that closes on a working day is out: on Fridays two days later."""
    shown = day + 2 * ONE_DAY if day.weekday() == FRIDAY else day
    return _eastern(shown, ANNOUNCED_AT)


def _batch_closing_on(day: date) -> Announcement:
    before = day - ONE_DAY
    while not is_working_day(before):
        before -= ONE_DAY
    return Announcement(_announced_on(day), _eastern(before, CLOSES_AT), _eastern(day, CLOSES_AT))


def _eastern(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, EASTERN).astimezone(UTC)


def _eastern_day(moment: datetime) -> date:
    return moment.astimezone(EASTERN).date()
