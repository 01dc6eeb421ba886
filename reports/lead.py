"""The first sentence of the morning page, by a table that is tested row by row.

An incomplete night never reads like a quiet one, and a library that no night has seen
never reads like a checked one. A pure function.
"""

import re
from dataclasses import dataclass
from typing import Literal

from reports.numbers import count

State = Literal["no-night", "incomplete", "empty", "first", "changed", "quiet"]
DAY = re.compile(r"\b20\d{2}-\d{2}-\d{2}\b")  # days that were missed are the first thing to say
LONGEST_GAP = 160  # characters of the first reason; the page lists all of them in full


@dataclass(frozen=True)
class LeadFacts:
    """All that the first sentence may depend on."""

    has_night: bool
    claims: int
    gaps: tuple[str, ...] = ()  # an incomplete night has at least one
    unchecked: int = 0
    later: int = 0
    changed: int = 0
    entered: int = 0
    is_first: bool = False


@dataclass(frozen=True)
class Lead:
    """The state of the night in one sentence, and sentences that belong beside it."""

    state: State
    sentence: str
    more: tuple[str, ...] = ()


def write_lead(facts: LeadFacts) -> Lead:
    """The first sentence, and what must be read with it."""
    if not facts.has_night:
        return _write_without_night(facts)
    if facts.gaps:
        return _write_incomplete(facts)
    if not facts.claims:
        return Lead("empty", "The library is empty: there was nothing to check.")
    if facts.is_first:
        entered = count(facts.entered, "claim")
        sentence = f"First night: {entered} entered the library; all of them were checked."
        return Lead("first", sentence, _say_later(facts))
    more = (_say_entered(facts),) if facts.entered else ()
    if facts.changed:
        return Lead("changed", f"{_say_changed(facts)}; {_say_checked(facts)}.", more)
    if facts.later:
        return Lead("quiet", f"Nothing changed; {_say_checked(facts)}.", more)
    return Lead("quiet", "Nothing changed, and everything was checked.", more)


def _write_without_night(facts: LeadFacts) -> Lead:
    if not facts.claims:
        return Lead("no-night", "The library is empty, and no night has run yet.")
    waiting = "its 1 claim has" if facts.claims == 1 else f"none of its {facts.claims:,} claims has"
    negated = " not" if facts.claims == 1 else ""
    return Lead("no-night", f"No night has run yet: {waiting}{negated} been checked.")


def _write_incomplete(facts: LeadFacts) -> Lead:
    first = _shorten(next((gap for gap in facts.gaps if DAY.search(gap)), facts.gaps[0]))
    others = len(facts.gaps) - 1
    more = f" (and {count(others, 'more gap')})" if others else ""
    verb = "was" if facts.unchecked == 1 else "were"
    checked = (
        f"{count(facts.unchecked, 'claim')} {verb} NOT checked"
        if facts.unchecked
        else "no claim of this library depends on it"
    )
    extra = []
    if facts.is_first and facts.entered:
        extra.append(f"First night: {count(facts.entered, 'claim')} entered the library.")
    elif facts.entered:
        extra.append(_say_entered(facts))
    if facts.changed:
        extra.append(f"{_say_changed(facts)}, in what was checked.")
    return Lead("incomplete", f"The night was incomplete: {first}{more}; {checked}.", tuple(extra))


def _shorten(gap: str) -> str:
    """What was not done, without its reason: the page lists every gap in full."""
    told = gap.split(": ", 1)[0].strip().rstrip(".") if DAY.search(gap) else gap.strip().rstrip(".")
    return told if len(told) <= LONGEST_GAP else told[:LONGEST_GAP].rstrip() + "…"


def _say_changed(facts: LeadFacts) -> str:
    return f"{count(facts.changed, 'thing')} changed"


def _say_checked(facts: LeadFacts) -> str:
    checked = facts.claims - facts.later
    if facts.later:
        return f"{count(checked, 'claim')} were checked, {facts.later:,} came later and were NOT"
    return "the 1 claim was checked" if checked == 1 else f"all {checked:,} claims were checked"


def _say_entered(facts: LeadFacts) -> str:
    return f"{count(facts.entered, 'claim')} entered the library."


def _say_later(facts: LeadFacts) -> tuple[str, ...]:
    if not facts.later:
        return ()
    return (f"{count(facts.later, 'claim')} came after that night and were NOT checked.",)
