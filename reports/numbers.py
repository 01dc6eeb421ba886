"""How numbers and dates are written, so that every page writes them alike."""

import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

NOT_RECORDED = "not recorded"
SIGNIFICANT = 3
MOST_EVIDENCE = 1e6  # beyond it an e-value is a row of digits that tells nobody more


def format_number(value: object) -> str:
    """At most three significant digits, a real minus sign; "not recorded" for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return NOT_RECORDED
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 1000 or value == int(value):
        text = f"{size:,.0f}"
    elif size < 0.0005:
        text = f"{size:.1e}"
    else:
        decimals = max(0, SIGNIFICANT - 1 - math.floor(math.log10(size)))
        text = f"{size:.{decimals}f}"
        text = text.rstrip("0").rstrip(".") if decimals else text
    return f"−{text}" if value < 0 else text


def format_evidence(value: object) -> str:
    """An e-value: three digits up to a million, and from there on that it is more."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= MOST_EVIDENCE:
        return "over a million"
    return format_number(value)


def format_interval(low: object, high: object) -> str:
    """``[low, high]``, or "not recorded" when a bound is missing."""
    if low is None or high is None:
        return NOT_RECORDED
    return f"[{format_number(low)}, {format_number(high)}]"


def format_region(bounds: object) -> str:
    """The claim region H in words; a bound of None is open."""
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        return NOT_RECORDED
    low, high = bounds
    if low is None and high is None:
        return "any value"
    if low is None:
        return f"≤ {format_number(high)}"
    if high is None:
        return f"≥ {format_number(low)}"
    return f"{format_number(low)} to {format_number(high)}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 claim``, ``12 claims``, ``2,431 papers``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def read_count(detail: Mapping[str, Any], key: str) -> str:
    """A count that a step recorded; "not recorded" when it did not."""
    value = detail.get(key)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else NOT_RECORDED


def format_day(day: date) -> str:
    """``23 Nov 2026``."""
    return f"{day.day} {day:%b %Y}"


def write_day(iso: object) -> str:
    """``23 Nov 2026`` for an ISO date; anything else stays as it is recorded."""
    try:
        return format_day(date.fromisoformat(str(iso)))
    except ValueError:
        return str(iso)


def name_night(started_at: datetime) -> str:
    """``23–24 Nov 2026``: the evening and the morning (UTC) around a night's start."""
    evening = (started_at - timedelta(hours=12)).date()
    morning = evening + timedelta(days=1)
    if evening.year != morning.year:
        return f"{format_day(evening)} – {format_day(morning)}"
    if evening.month != morning.month:
        return f"{evening.day} {evening:%b} – {format_day(morning)}"
    return f"{evening.day}–{format_day(morning)}"


def join_some(names: list[str], shown: int) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest:,} more" if rest > 0 else "")
