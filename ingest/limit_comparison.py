"""A paper's numbers beside the claim's own: does one of them move the limit?

Decides which two numbers may stand side by side (the same kind of unit, and no other kind
of metric in their sentences) and whether the paper's lies above, within or below the
claim's bounds, qualifier included: "up to 42 %" is any value to 42. Whether a moved number
moves the claim is a person's question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from claims.quantities import Quantity, find_quantities
from ingest.subjects import find_terms

Relation = Literal["above", "within", "below"]
ABOUT = 0.05  # "~55" means 55 within a twentieth
TO_AT_MOST = {"up to", "at most", "≤", "<", "less than", "fewer than", "under", "nearly", "almost"}
TO_AT_LEAST = {"at least", "≥", ">", "more than", "over", "+"}
KINDS = {
    "percent": ("%", "percent"),
    "points": ("pp", "point", "points", "percentage points", "percentagepoints"),
    "times": ("x", "×", "times", "fold"),
    "parameters": ("m", "b", "t", "k", "parameters"),
    "tokens": ("tokens",),
}


@dataclass(frozen=True)
class LimitComparison:
    """Two numbers side by side; ``says`` is one plain clause with both as they are written."""

    claim: str
    paper: str
    relation: Relation
    says: str

    def record(self) -> dict[str, str]:
        """As plain data, for storage beside the paper's number."""
        return dict(vars(self))


def compare_with_limit(
    claim: str, claim_numbers: Sequence[Mapping[str, Any]], sentence: str
) -> dict[int, LimitComparison]:
    """Comparisons by the offset in ``sentence`` of the paper's number; one each at most.

    ``claim_numbers`` are those of ``claims.claim_parts.describe_numbers``. A paper's number
    is held against the claim's number that is nearest in size among those of its kind.
    """
    if _is_other_metric(claim, sentence):
        return {}
    found = {}
    for number in find_quantities(sentence):
        like = [n for n in claim_numbers if _kind(n["unit"]) == _kind(number.unit) is not None]
        if like:
            nearest = min(like, key=lambda n: abs(_middle(n) - (number.low + number.high) / 2))
            found[number.start] = _compare(nearest, number)
    return found


def _compare(claim: Mapping[str, Any], paper: Quantity) -> LimitComparison:
    low, high = _bounds(claim)
    relation: Relation = "above" if paper.low > high else "below" if paper.high < low else "within"
    against = f"{paper.text} against {claim['text']}"
    is_ceiling = claim.get("direction") == "level"
    if relation == "within":
        says = f"agrees with the claim's number: {against}"
    elif is_ceiling:
        says = f"{'moves' if relation == 'above' else 'stays below'} the ceiling: {against}"
    else:
        says = f"{relation} the claim's number: {against}"
    return LimitComparison(str(claim["text"]), paper.text, relation, says)


def _bounds(claim: Mapping[str, Any]) -> tuple[float, float]:
    """What the claim's number allows, with its qualifier."""
    low, high = float(claim["low"]), float(claim["high"])
    qualifier = str(claim.get("qualifier") or "").lower()
    if qualifier in TO_AT_MOST:
        return float("-inf"), high
    if qualifier in TO_AT_LEAST:
        return low, float("inf")
    slack = ABOUT if qualifier else 0.0
    return low - slack * abs(low), high + slack * abs(high)


def _middle(number: Mapping[str, Any]) -> float:
    return (float(number["low"]) + float(number["high"])) / 2


def _kind(unit: str | None) -> str | None:
    words = (unit or "").lower()
    return next((kind for kind, units in KINDS.items() if words in units), None)


def _is_other_metric(claim: str, sentence: str) -> bool:
    """Both name a metric and share no kind of metric: speed is not held against accuracy."""
    ours = {term.kin for term in find_terms("metric", claim)}
    theirs = {term.kin for term in find_terms("metric", sentence)}
    return bool(ours and theirs and not ours & theirs)
