"""arXiv's calendar: which batch holds a paper, and when a day of submission is out in full."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.announcements import (
    HOLIDAYS,
    describe_schedule,
    describe_wait,
    find_announcement_of,
    find_completion,
    find_last_announcement,
    find_next_announcement,
    is_holiday,
    is_out,
    is_working_day,
)

EASTERN = ZoneInfo("America/New_York")
FIRST = datetime(2025, 1, 1, tzinfo=UTC)  # unknown holidays on either side of 2026
MOMENTS = st.integers(0, 4 * 365 * 24 * 60).map(lambda n: FIRST + timedelta(minutes=n))


def eastern(month: int, day: int, hour: int, minute: int = 0, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=EASTERN)


@pytest.mark.parametrize(
    ("submitted", "announced"),
    [
        # arXiv's own table, in a week of summer time (Monday 14 September 2026)
        (eastern(9, 14, 14), eastern(9, 15, 20)),
        (eastern(9, 15, 13, 59), eastern(9, 15, 20)),
        (eastern(9, 15, 14), eastern(9, 16, 20)),
        (eastern(9, 16, 14), eastern(9, 17, 20)),
        (eastern(9, 17, 14), eastern(9, 20, 20)),
        (eastern(9, 18, 13, 59), eastern(9, 20, 20)),
        (eastern(9, 18, 14), eastern(9, 21, 20)),
        (eastern(9, 20, 23), eastern(9, 21, 20)),
        (eastern(9, 21, 13, 59), eastern(9, 21, 20)),
        # across both changes of the clock
        (eastern(3, 6, 14), eastern(3, 9, 20)),
        (eastern(10, 30, 14), eastern(11, 2, 20)),
        # Thanksgiving: no batch on Thursday, its papers come with Friday's
        (eastern(11, 25, 14), eastern(11, 29, 20)),
        (eastern(11, 26, 15), eastern(11, 29, 20)),
        # a Monday and a Friday holiday
        (eastern(9, 4, 14), eastern(9, 8, 20)),
        (eastern(7, 2, 14), eastern(7, 6, 20)),
        (eastern(12, 28, 14), eastern(12, 30, 20)),
    ],
)
def test_the_table_of_batches(submitted: datetime, announced: datetime) -> None:
    assert find_announcement_of(submitted).moment == announced


def test_moments_are_utc_and_follow_summer_time() -> None:
    assert find_completion(date(2026, 7, 14)) == datetime(2026, 7, 16, 0, 0, tzinfo=UTC)
    assert find_completion(date(2026, 11, 17)) == datetime(2026, 11, 19, 1, 0, tzinfo=UTC)
    assert find_announcement_of(eastern(7, 14, 10)).submitted_until.utcoffset() == timedelta(0)


def test_a_day_of_submission_ends_after_its_own_cut_off() -> None:
    """A UTC day ends in the evening, US Eastern: its last papers come with the next batch."""
    monday = date(2026, 11, 23)
    assert not is_out(monday, datetime(2026, 11, 24, 12, tzinfo=UTC))
    assert not is_out(monday, datetime(2026, 11, 25, 0, 59, 59, tzinfo=UTC))
    assert is_out(monday, datetime(2026, 11, 25, 1, tzinfo=UTC))
    assert find_completion(date(2026, 11, 25)) == datetime(2026, 11, 30, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        (datetime(2026, 11, 24, 0, 30, tzinfo=UTC), "today's batch is not out before 01:00 UTC"),
        (datetime(2026, 11, 24, 1, 0, tzinfo=UTC), None),
        (datetime(2026, 7, 14, 23, 0, tzinfo=UTC), None),
        (
            datetime(2026, 11, 27, 6, tzinfo=UTC),
            "arXiv announces nothing today: the next batch is not out before Mon 01:00 UTC",
        ),
    ],
)
def test_what_is_said_while_a_batch_is_awaited(now: datetime, sentence: str | None) -> None:
    assert describe_wait(now) == sentence


def test_unknown_holidays_are_admitted() -> None:
    assert describe_schedule(2026) is None
    assert "2027" in (describe_schedule(2027) or "")
    assert not is_holiday(date(2027, 12, 25))
    assert is_working_day(date(2028, 12, 25))
    assert len(HOLIDAYS[2026]) == 9


@given(MOMENTS)
def test_batches_follow_each_other_without_a_gap(now: datetime) -> None:
    last, coming = find_last_announcement(now), find_next_announcement(now)
    assert last.moment <= now < coming.moment
    assert last.submitted_from < last.submitted_until == coming.submitted_from
    assert last.submitted_until < last.moment
    local = coming.moment.astimezone(EASTERN)
    assert (local.hour, local.minute) == (20, 0)
    assert local.weekday() in (6, 0, 1, 2, 3)
    assert not is_holiday(local.date())


@given(MOMENTS)
def test_a_paper_is_in_the_batch_whose_span_holds_it(submitted: datetime) -> None:
    batch = find_announcement_of(submitted)
    assert batch.submitted_from <= submitted < batch.submitted_until
    assert timedelta(hours=6) <= batch.moment - submitted <= timedelta(days=6)
    assert find_last_announcement(batch.moment) == batch
    assert not is_out(submitted.date(), batch.moment - timedelta(microseconds=1))


@given(st.dates(date(2025, 1, 1), date(2028, 12, 1)))
def test_days_come_out_in_order(first: date) -> None:
    days = [first + timedelta(n) for n in range(20)]
    assert all(find_completion(a) <= find_completion(b) for a, b in pairwise(days))
    assert len({find_completion(day) for day in days}) >= 8
