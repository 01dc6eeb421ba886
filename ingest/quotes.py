"""Whether a quote is what it says: an exact span of the stored text.

Decides nothing by likeness: a quote is found character for character or it is refused.
Wrong offsets are repaired when the very same characters stand elsewhere in the text, and a
quote that differs in typography alone (spaces, kinds of quotation marks and dashes) gives way
to the characters that are stored. Whoever refuses a quote counts it.
"""

import re
from dataclasses import replace
from typing import Any, NamedTuple

from claims.quantities import find_quantities
from ingest.sentences import ABSTRACT, TITLE, Section

FEWEST_WORDS = 3  # "the model" is in every abstract and tells nothing
WIDEST_SPACE = 3  # characters; a wider gap is where something was blanked
ALIKE = ("-‐‑‒–—−", "'‘’ʼ`", '"“”„«»')
AROUND = " \t\n\"“”„«»'‘’`"


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
        found = check_quote(text, quote) or align_quote(text, quote)
        if found is not None:
            return LocatedQuote(section, found.text, found.start, found.end)
    return None


def align_quote(text: str, quote: str) -> CheckedQuote | None:
    """The one place of the text that differs from the quote in typography alone, as stored.

    None when there is none, or more than one with different characters.
    """
    words = quote.strip(AROUND).removesuffix("…").removesuffix("...").split()
    if len(words) < FEWEST_WORDS:
        return None
    gap = rf"\s{{1,{WIDEST_SPACE}}}"
    pattern = gap.join("".join(_allow_alike(character) for character in word) for word in words)
    found = list(re.finditer(pattern, text))
    if len({match[0] for match in found}) != 1:
        return None
    first = found[0]
    return CheckedQuote(first[0], first.start(), first.end(), True)


def _allow_alike(character: str) -> str:
    for group in ALIKE:
        if character in group:
            return f"[{re.escape(group)}]"
    return re.escape(character)


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
