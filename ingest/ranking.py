"""How near a paper is to a claim, as one number on one scale.

Three parts added: the claim's own words (BM25), the words of the claim's best papers, and
the likeness of embeddings. Decides their weights, which come from labelled pairs
(docs/triage-notes.md), and how many papers of a claim are worth embedding. Knows nothing
of the store.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
FIRST_LIKENESS = 0.6  # beside the claim's own words, to choose the papers of the feedback
HIGHEST_LIKENESS = 0.75  # few pairs of a claim and an abstract are more alike
RANKER_VERSION = 3


@dataclass(frozen=True)
class Mix:
    """What each part weighs, and how many papers of a new claim are embedded."""

    lexical: float
    feedback: float
    likeness: float
    depth: int
    recall_at: tuple[tuple[float, float], ...]  # share of labelled papers at a score or above

    def fuse(self, lexical: Scores, feedback: Scores, likeness: Scores) -> Scores:
        """The score, in [0, 1]; likeness is a cosine, and one below 0 counts as none."""
        near = np.maximum(likeness, 0)
        mixed = self.lexical * lexical + self.feedback * feedback + self.likeness * near
        total = self.lexical + self.feedback + self.likeness
        return np.asarray(mixed / total, dtype=np.float32)

    def find_score(self, recall: float | None) -> float:
        """The score above which this share of the labelled papers lies; between rows a line."""
        if recall is None:
            return 0.0
        shares, scores = zip(*self.recall_at, strict=True)
        return float(np.interp(recall, shares, scores))


# Cheap to compute, and tells little.
BAG_OF_TOKENS = Mix(
    1.0, 1.0, 0.2, 300, ((0.5, 0.172), (0.6, 0.152), (0.7, 0.135), (0.8, 0.114), (0.9, 0.081))
)
# Papers below the sixtieth are not embedded, so their scores lie well below the others'.
SENTENCES = Mix(
    1.0, 0.7, 0.6, 60, ((0.5, 0.231), (0.6, 0.209), (0.7, 0.177), (0.8, 0.071), (0.9, 0.040))
)


def order_best(scores: Scores, ids: Sequence[int]) -> list[int]:
    """Places of the scores, best first; equal ones by id."""
    order: list[int] = np.lexsort((np.asarray(ids), -scores)).tolist()
    return order
