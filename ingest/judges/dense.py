"""What the encoder's vectors of a claim and a paper's likeliest sentences have in common.

Decides which spans are read (the title and the sentences that the selector puts first) and
how they are pooled. The vectors of a claim that nobody has seen are fine; no text is kept.
"""

from dataclasses import dataclass

import numpy as np

from ingest.judges.encoder_weights import WIDTH, Floats
from ingest.sentences import TITLE, PaperSentence

READ = 4  # sentences besides the title
COSINES = "best, first, first three, title, whole, evidence, mean".split(", ")
BLOCKS = ("meets evidence", "meets whole", "evidence", "evidence by sign")  # 384 numbers each
LOWEST = -1.0  # where there is no such sentence


@dataclass(frozen=True)
class Meeting:
    """How a claim's vector meets those of a paper."""

    cosines: Floats  # (COSINES,)
    blocks: Floats  # (BLOCKS x 384,)


def choose_spans(spans: list[PaperSentence], scores: Floats) -> list[int]:
    """The title, if any, and the sentences with the highest scores, best first."""
    order = np.argsort(-scores, kind="stable").tolist()
    titles = [index for index in range(len(spans)) if spans[index].section == TITLE]
    return titles + [index for index in order if spans[index].section != TITLE][:READ]


def meet(claim: Floats, vectors: Floats, scores: Floats, titles: int, sign: float) -> Meeting:
    """Pool the vectors of ``choose_spans`` (titles first) against the claim's."""
    cosines = vectors @ claim
    body, own = vectors[titles:], cosines[titles:]
    whole = _unit(vectors.sum(axis=0))
    if len(body):
        odds = np.exp(scores[titles:] - scores[titles:].max())
        evidence = _unit((odds / odds.sum()) @ body)
    else:
        evidence, own = np.zeros(WIDTH, dtype=np.float32), np.array([LOWEST])
    pooled = [
        own.max(), own[0], own[:3].mean(), cosines[:titles].sum(),
        claim @ whole, claim @ evidence, own.mean(),
    ]  # fmt: skip
    blocks = np.concatenate([claim * evidence, claim * whole, evidence, evidence * sign])
    return Meeting(np.array(pooled, dtype=np.float32), blocks.astype(np.float32))


def _unit(vector: Floats) -> Floats:
    length = float(np.linalg.norm(vector))
    scaled: Floats = vector / length if length else vector
    return scaled
