"""The three factors that rank a proposal: pure functions, with the reason for each number.

reach: a line that refers to the claim counts 1; the tasks of these lines and the findings
that lean on the claim's note count a tenth each, since their lines are counted already.

strength: stance (contradicts 1, relaxes .8, supports .6) x the judge's probability (.5
where it gave none) x overlap of scope (mean over the words given: same 1, near .75, other
.4; 1 where none is given). A leaning is no stance: a quarter of it.

doubt: what confirming would change x nearness of the probability to .5. The change is 1
where the headline would become CONTESTED or MOVED, .8 NARROWED, .5 any other headline, .25
where only the literature field would change, .1 where nothing would, .5 before the first
verdict. Nearness is 1 at .5 and falls to one half at 0 and 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from claims.literature import decide_word
from claims.verdicts import Basis, Grounding, Headline, decide_headline

STANCE_STRENGTH = {"contradicts": 1.0, "relaxes": 0.8, "supports": 0.6}
UNKNOWN_PROBABILITY = 0.5
LEANING = 0.25
SCOPE_WORDS = ("model", "task", "metric", "scale")
OVERLAP = {"same": 1.0, "near": 0.75, "other": 0.4}
PART_OF_A_LINE = 0.1
CHANGE_TO = {"CONTESTED": 1.0, "MOVED": 1.0, "NARROWED": 0.8}
CHANGE_HEADLINE, CHANGE_FIELD, CHANGE_NOTHING, CHANGE_UNKNOWN = 0.5, 0.25, 0.1, 0.5


@dataclass(frozen=True)
class Reach:
    """What leans on a claim."""

    lines: int = 0
    findings: int = 0
    tasks: int = 0

    @property
    def value(self) -> float:
        """The factor; a claim that no line refers to still counts a little."""
        return max(self.lines + PART_OF_A_LINE * (self.findings + self.tasks), PART_OF_A_LINE)


@dataclass(frozen=True)
class Standing:
    """Where a claim stands: its verdict, and its confirmed rows by independent source."""

    headline: str | None = None
    grounding: str | None = None  # None: no verdict yet
    literature: str | None = None
    searched_through: date | None = None
    supports: int = 0
    recent_support: bool = False
    contradicts: int = 0
    relaxes: int = 0


def measure_strength(
    stance: str, confidence: float | None, scope: Mapping[str, Any], *, is_leaning: bool
) -> float:
    """The strength of a proposal, between 0 and 1."""
    likely = UNKNOWN_PROBABILITY if confidence is None else confidence
    strength = STANCE_STRENGTH.get(stance, 0.0) * likely * measure_overlap(scope)
    return strength * LEANING if is_leaning else strength


def measure_overlap(scope: Mapping[str, Any]) -> float:
    """How far the paper's setting is the claim's; 1 where the judge said nothing of it."""
    given = [OVERLAP[str(scope[w])] for w in SCOPE_WORDS if str(scope.get(w)) in OVERLAP]
    return sum(given) / len(given) if given else 1.0


def measure_doubt(change: float, confidence: float | None) -> float:
    """The doubt about a proposal: what it would change, more where the judge is unsure."""
    likely = UNKNOWN_PROBABILITY if confidence is None else confidence
    return change * (1.0 - abs(likely - 0.5))


def measure_change(standing: Standing, stance: str, today: date) -> float:
    """How much a confirmation of one more such paper would change."""
    if standing.grounding is None:
        return CHANGE_UNKNOWN
    headline, literature = project(standing, stance, today)
    if headline != standing.headline:
        return CHANGE_TO.get(str(headline), CHANGE_HEADLINE)
    return CHANGE_FIELD if literature != standing.literature else CHANGE_NOTHING


def project(standing: Standing, stance: str, today: date) -> tuple[Headline | None, str]:
    """Headline and literature word if one more independent recent paper were confirmed."""
    against = standing.contradicts + (stance == "contradicts")
    literature = decide_word(
        supports=standing.supports + (stance == "supports"),
        recent_support=standing.recent_support or stance == "supports",
        against=against,
        relaxes=standing.relaxes + (stance == "relaxes"),
        is_searched=standing.searched_through is not None,
    )
    basis = Basis(
        grounding=cast(Grounding, standing.grounding),
        literature=literature,
        local="none",
        searched_through=standing.searched_through,
        independent_against=against,
        is_retired=standing.headline == "RETIRED",
    )
    return decide_headline(basis, today), literature
