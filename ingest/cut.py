"""How many candidates a claim gets: the best so many, or all above a score.

Decides what share of the papers that bear on a claim lies above a score: measured with the
default embeddings on labelled pairs (docs/triage-notes.md), so a rough guide on others.
"""

from dataclasses import dataclass
from itertools import pairwise

from db.errors import UsageError

# Share of labelled papers that bear on their claim with this score or more.
RECALL_AT = ((0.5, 0.172), (0.6, 0.152), (0.7, 0.135), (0.8, 0.114), (0.9, 0.081))
MOST_BY_RECALL = 500  # candidates of one claim, whatever recall is asked for


@dataclass(frozen=True)
class Cut:
    """The best ``number`` of those with at least ``least_score`` (0: any)."""

    number: int = 50
    least_score: float = 0.0


def read_cut(text: str) -> Cut:
    """``50`` or ``recall:0.9``.

    Raises:
        UsageError: it is neither; the line says what it may be.
    """
    kind, _, value = text.strip().rpartition(":")
    low, high = RECALL_AT[0][0], RECALL_AT[-1][0]
    try:
        if kind == "" and int(value) > 0:
            return Cut(int(value))
        if kind == "recall" and low <= float(value) <= high:
            return Cut(MOST_BY_RECALL, find_score(float(value)))
    except ValueError:
        pass  # said below, as of any other text that is no cut
    raise UsageError(
        f"a cut of {text!r} is not understood: give a number of candidates (50), or a recall "
        f"from {low} to {high} (recall:{high})"
    )


def find_score(recall: float) -> float:
    """The score above which this share of the labelled papers lies; between rows a line."""
    for (low, above), (high, below) in pairwise(RECALL_AT):
        if low <= recall <= high:
            return above + (below - above) * (recall - low) / (high - low)
    raise ValueError(f"recall {recall} was not measured")
