"""How near a paper is to a claim, as one number on one scale.

Three parts added: the claim's own words (BM25), the words of the claim's best papers, and
the likeness of embeddings. Decides their weights, which come from labelled pairs
(docs/triage-notes.md). Knows nothing of the store.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
LEXICAL, FEEDBACK, LIKENESS = 1.0, 1.0, 0.2
TOTAL = LEXICAL + FEEDBACK + LIKENESS
FIRST_LIKENESS = 0.6  # beside the claim's own words, to choose the papers of the feedback
RANKER_VERSION = 3


def fuse(lexical: Scores, feedback: Scores, likeness: Scores) -> Scores:
    """The score, in [0, 1]; likeness is a cosine, and one below 0 counts as none."""
    near = np.maximum(likeness, 0)
    return np.asarray(
        (LEXICAL * lexical + FEEDBACK * feedback + LIKENESS * near) / TOTAL, dtype=np.float32
    )


def order_best(scores: Scores, ids: Sequence[int]) -> list[int]:
    """Places of the scores, best first; equal ones by id."""
    order: list[int] = np.lexsort((np.asarray(ids), -scores)).tolist()
    return order
