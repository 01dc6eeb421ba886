"""Whether a quote is what it says: an exact span of the stored text.

Decides nothing by likeness: a quote is found character for character or it is refused.
Wrong offsets are repaired when the very same characters stand elsewhere in the text.
Whoever refuses a quote counts it.
"""

from dataclasses import replace
from typing import Any, NamedTuple

from claims.quantities import find_quantities
from ingest.sentences import ABSTRACT, TITLE, Section

FEWEST_WORDS = 3  # "the model" is in every abstract and tells nothing


class CheckedQuote(NamedTuple):
    """``text == section_text[start:end]``, checked."""

    text: str
    start: int
    end: int
    is_realigned: bool


class LocatedQuote(NamedTuple):
    """A checked quote and the section of the paper that it stands in."""

    section: Section
    text: str
    start: int
    end: int


def check_quote(
    text: str, quote: str, start: int | None = None, end: int | None = None
) -> CheckedQuote | None:
    """The quote at its offsets, or at the nearest place that holds the same characters.

    None when the quote is not in the text, or has fewer than ``FEWEST_WORDS`` words:
    refused, for the caller to count. White space around the quote is not part of it.
    """
    lead = len(quote) - len(quote.lstrip())
    wanted = quote.strip()
    if len(wanted.split()) < FEWEST_WORDS:
        return None
    places = _find_all(text, wanted)
    if not places:
        return None
    stated = None if start is None else start + lead
    nearest = places[0] if stated is None else min(places, key=lambda place: abs(place - stated))
    is_exact = start is not None and end is not None and text[start:end] == quote
    return CheckedQuote(
        wanted, nearest, nearest + len(wanted), not (is_exact and nearest == stated)
    )


def locate_quote(title: str, abstract: str, quote: str) -> LocatedQuote | None:
    """A quote without offsets, in the abstract or else in the title; None: refused."""
    sections: tuple[tuple[Section, str], ...] = ((ABSTRACT, abstract), (TITLE, title))
    for section, text in sections:
        found = check_quote(text, quote)
        if found is not None:
            return LocatedQuote(section, found.text, found.start, found.end)
    return None


def quote_numbers(quote: str, start: int) -> list[dict[str, Any]]:
    """The quantities in a quote (value, unit, qualifier), offsets in the quote's section."""
    return [
        replace(found, start=found.start + start, end=found.end + start).record()
        for found in find_quantities(quote)
    ]


def _find_all(text: str, wanted: str) -> list[int]:
    places, place = [], text.find(wanted)
    while place >= 0:
        places.append(place)
        place = text.find(wanted, place + 1)
    return places
