"""Dates of findings and anchors, at the precision that the text states them.

A date is a year (``2025``) or a month (``2026-03``); a text without one has none, never
today. Forms: see ``parse_date_range``.
"""

import re
from typing import NamedTuple

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_YEAR = r"(?:19|20)\d{2}"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_PART = r"(?:early|mid|late)[ -]"
_POINT = rf"(?:{_PART})?(?:(?:{_MONTH})\s+)?{_YEAR}"
RANGE = re.compile(
    rf"(?P<first>{_POINT})(?:\s*(?:[–—-]|to|,|and)\s*(?P<last>{_POINT}|\d{{2}}))?", re.IGNORECASE
)
MONTH_IN = re.compile(rf"(?P<month>{_MONTH})\s+(?P<year>{_YEAR})", re.IGNORECASE)
YEAR_IN = re.compile(_YEAR)
LAST_BRACKET = re.compile(r"\s*\((?P<inside>[^()]*)\)\s*[.;]?\s*$")


class DateRange(NamedTuple):
    """From and to at year or month precision, and the words that said so."""

    start: str
    end: str | None
    raw: str


def parse_date_range(text: str) -> DateRange | None:
    """A whole text as a date: ``2025``, ``2025–26``, ``2024, 2026``, ``Mar 2026``, ``late 2025``.

    None when the text is anything else, such as ``12 of 20 trials``.
    """
    match = RANGE.fullmatch(text.strip())
    if match is None:
        return None
    start = _read_point(match["first"])
    last = match["last"]
    if last is None:
        return DateRange(start, None, text.strip())
    end = start[:2] + last if len(last) == 2 else _read_point(last)
    return DateRange(start, end, text.strip())


def split_last_bracket(text: str) -> tuple[str, DateRange | None]:
    """A bullet's text without its closing date bracket, and that date; only a date is cut."""
    match = LAST_BRACKET.search(text)
    found = parse_date_range(match["inside"]) if match else None
    if match is None or found is None:
        return text.strip(), None
    return text[: match.start()].strip(), found


def find_month(text: str) -> str | None:
    """The first ``Feb 2025`` of a text, as ``2025-02``."""
    match = MONTH_IN.search(text)
    return _read_point(match[0]) if match else None


def years_of(start: str, end: str | None) -> tuple[int, int]:
    """First and last year of a range."""
    return int(start[:4]), int((end or start)[:4])


def _read_point(text: str) -> str:
    match = MONTH_IN.search(text)
    if match:
        return f"{match['year']}-{MONTHS.index(match['month'][:3].lower()) + 1:02d}"
    year = YEAR_IN.search(text)
    assert year is not None  # the callers' patterns hold a year
    return year[0]
