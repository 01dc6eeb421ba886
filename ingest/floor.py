"""How sure a judge must have proved to be before a night proposes what it says.

A judge that knows how often answers like one were right names the band in the answer's
scope: likely, leans or hint. Decides that what is below the floor is kept as what the judge
leans to and proposed to nobody. A judge that measures no bands is not held back here.
"""

from dataclasses import replace

from ingest.judges import DIRECTED, Judgement

FLOORS = ("hint", "leans", "likely")  # rising
DEFAULT_FLOOR = "leans"


def hold_back(answer: Judgement, floor: str) -> Judgement:
    """The answer, or unclear with its leaning where its band lies below the floor."""
    word = answer.scope.get("band", {}).get("word")
    if answer.stance not in DIRECTED or word not in FLOORS:
        return answer
    if FLOORS.index(word) >= FLOORS.index(floor):
        return answer
    return replace(answer, stance="unclear", confidence=None, quote=None, leaning=answer.stance)
