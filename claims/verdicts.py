"""The verdict table: grounding and literature, with their dates, make the headline.

A pure function, tested row by row. LOCAL never decides: it can only add LOOK. Words and
rules: the curator's definitions (docs/how-it-works.md prints the table).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

Grounding = Literal["grounded", "overreach", "misquoted", "unanchored", "hub", "id-broken"]
Literature = Literal["supported", "relaxed", "contradicted", "contested", "silent", "unsearched"]
Local = Literal["consistent", "shifted", "attenuated", "undecided", "invalid", "none"]
Headline = Literal[
    "HOLDS",
    "UNCHALLENGED",
    "NARROWED",
    "CONTESTED",
    "MOVED",
    "OVERSTATED",
    "UNGROUNDED",
    "STALE",
    "RETIRED",
]

STALE_AFTER = timedelta(days=35)
NOT_GROUNDED = {"misquoted", "unanchored", "id-broken"}
LOOK_AT = {"shifted", "attenuated"}


@dataclass(frozen=True)
class Basis:
    """Everything that the headline may depend on.

    ``independent_against`` counts confirmed contradicting papers, once per independent
    source; ``searched_through`` is the last day up to which newer papers were searched.
    """

    grounding: Grounding
    literature: Literature
    local: Local
    searched_through: date | None
    independent_against: int = 0
    proposals: int = 0  # proposed supports, relaxes or contradicts: shown, never counted
    is_retired: bool = False
    withdrawn: int = 0  # papers that it rests on and that were withdrawn
    drifts: int = 0  # estimands of our own experiments whose mean moved, and no canary says why


def decide_headline(basis: Basis, today: date) -> Headline | None:
    """The headline of a claim; None for a hub, which is no claim.

    A claim that has never been searched is STALE, as is one last searched too long ago:
    neither may read as unchallenged.
    """
    if basis.is_retired:
        return "RETIRED"
    if basis.grounding == "hub":
        return None
    if basis.grounding in NOT_GROUNDED:
        return "UNGROUNDED"
    if basis.grounding == "overreach":
        return "OVERSTATED"
    return _decide_by_literature(basis, today)


def _decide_by_literature(basis: Basis, today: date) -> Headline:
    if basis.literature == "contested":
        return "CONTESTED"
    if basis.literature == "contradicted":
        return "MOVED" if basis.independent_against >= 2 else "CONTESTED"
    if basis.literature == "relaxed":
        return "NARROWED"
    if is_stale(basis, today):
        return "STALE"
    return "HOLDS" if basis.literature == "supported" else "UNCHALLENGED"


def is_stale(basis: Basis, today: date) -> bool:
    """Whether the last search lies too far back, or there never was one."""
    searched = basis.searched_through
    return basis.literature == "unsearched" or searched is None or today - searched > STALE_AFTER


def decide_look(basis: Basis) -> bool:
    """Whether a person should look.

    A proposal waits, our own experiment differs or drifts, or a paper that it rests on was
    withdrawn.
    """
    counted = basis.proposals + basis.withdrawn + basis.drifts
    return basis.grounding != "hub" and (counted > 0 or basis.local in LOOK_AT)
