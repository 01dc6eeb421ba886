"""What a claim and a paper have in common, as numbers.

Three groups: likeness of the claim and each sentence; likeness and cue words pooled over
the sentences that a small selector takes for evidence; a bag of the paper's words, once
plain and once with the sign of the claim ("fails" supports a negative claim and speaks
against a positive one). Nothing of an abstract's text is kept in the weights.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ingest.judges.cues import CUES, DENIAL, FAILURE, GAIN, count_antonyms, is_negative_claim
from ingest.judges.reading import PaperReading, Statistics, TextReading, Vector, split_words

LIKENESS = (
    "share, share back, cosine, pairs, plain vectors, weighted vectors, alignment, "
    "alignment back, is title, position, length, shared numbers, opposites"
).split(", ")
WHOLE = (
    "share, share back, cosine, pairs, plain vectors, weighted vectors, alignment, "
    "relative likeness"
).split(", ")
SHARPNESS = 1.0  # of the selector's weights over sentences
CLOSEST = 3


@dataclass(frozen=True)
class PairReading:
    """Features of one pair before pooling."""

    likeness: Vector  # (sentences, LIKENESS)
    cues: Vector  # (sentences, CUES)
    claim_cues: Vector  # (CUES,)
    whole: Vector  # (WHOLE,)
    sign: float  # -1 for a negative claim, else 1


def compare(
    claim: TextReading, paper: PaperReading, unit_table: Vector, statistics: Statistics
) -> PairReading:
    """Likeness of a claim with each sentence of a paper and with the whole."""
    alignment, back, whole_alignment = _align(claim, paper, unit_table, statistics)
    rows = []
    for index, (span, sentence) in enumerate(zip(paper.spans, paper.sentences, strict=True)):
        c, s = claim.words, sentence.words
        rows.append(
            [
                *(c.share_in(s), s.share_in(c), c.cosine(s), c.pairs_in(s)),
                *(float(claim.plain @ sentence.plain), float(claim.weighted @ sentence.weighted)),
                *(alignment[index], back[index], float(span.section == "title")),
                *(index / len(paper.spans), math.log1p(len(sentence.tokens))),
                *(len(c.numbers & s.numbers), count_antonyms(c.words, s.words)),
            ]
        )
    return PairReading(
        np.array(rows, dtype=np.float32),
        np.array([sentence.cues for sentence in paper.sentences], dtype=np.float32),
        claim.cues,
        _compare_whole(claim, paper.whole, whole_alignment, statistics),
        -1.0 if is_negative_claim(claim.text) else 1.0,
    )


def _align(
    claim: TextReading, paper: PaperReading, unit_table: Vector, statistics: Statistics
) -> tuple[list[float], list[float], float]:
    """Mean best cosine of the claim's tokens in each sentence, the reverse, and in all."""
    weights = statistics.token_weights[claim.tokens]
    weights = weights / max(float(weights.sum()), 1e-9)
    tokens = np.concatenate([sentence.tokens for sentence in paper.sentences])
    cosines = unit_table[claim.tokens] @ unit_table[tokens].T
    best_back = cosines.max(axis=0)
    there, back, start = [], [], 0
    for sentence in paper.sentences:
        part = slice(start, start + len(sentence.tokens))
        start = part.stop
        own = statistics.token_weights[sentence.tokens]
        there.append(float(weights @ cosines[:, part].max(axis=1)) if len(own) else 0.0)
        back.append(float(own @ best_back[part] / max(float(own.sum()), 1e-9)))
    return there, back, float(weights @ cosines.max(axis=1))


def _compare_whole(
    claim: TextReading, whole: TextReading, alignment: float, statistics: Statistics
) -> Vector:
    c, p = claim.words, whole.words
    weighted = float(claim.weighted @ whole.weighted)
    deviation = float(np.linalg.norm(statistics.spread @ claim.weighted)) or 1.0
    return np.array(
        [
            *(c.share_in(p), p.share_in(c), c.cosine(p), c.pairs_in(p)),
            *(float(claim.plain @ whole.plain), weighted, alignment, weighted / deviation),
        ],
        dtype=np.float32,
    )


def sentence_matrix(pair: PairReading) -> Vector:
    """What the selector sees of each sentence, shape (sentences, LIKENESS + CUES)."""
    return np.hstack([pair.likeness, pair.cues])


def pool(pair: PairReading, scores: Vector) -> Vector:
    """One row of numbers for a pair, given the selector's score of each sentence."""
    likeness, cues, claim_cues = pair.likeness, pair.cues, pair.claim_cues
    order = np.argsort(-scores, kind="stable")
    top, closest = order[0], order[:CLOSEST]
    weights = np.exp(SHARPNESS * (scores - scores.max()))
    weights = weights / weights.sum()
    evidence = weights @ cues
    tone = (cues[:, GAIN] > 0).astype(np.float32) - (cues[:, DENIAL] + cues[:, FAILURE] > 0)
    near = float(likeness[top, 5])
    parts = [
        pair.whole,
        likeness.max(axis=0), likeness[top], likeness[closest].mean(axis=0), likeness.mean(axis=0),
        evidence, cues[top], cues[closest].mean(axis=0), cues.mean(axis=0), cues[0], cues[-1],
        claim_cues, evidence * pair.sign, cues.mean(axis=0) * pair.sign, evidence * near,
        [weights @ tone, weights @ tone * pair.sign, pair.sign, len(scores)],
        [scores.max(), np.sort(scores)[-CLOSEST:].mean(), weights @ (tone * likeness[:, 5])],
    ]  # fmt: skip
    return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])


def bag_words(text: str, vocabulary: dict[str, int], idf: Vector) -> NDArray[np.float32]:
    """A unit tf-idf vector over the vocabulary's words and neighbouring pairs."""
    words = split_words(text)
    bag = np.zeros(len(vocabulary), dtype=np.float32)
    for term in [*words, *(f"{a} {b}" for a, b in pairwise(words))]:
        index = vocabulary.get(term)
        if index is not None:
            bag[index] += 1
    present = bag > 0
    bag[present] = (1 + np.log(bag[present])) * idf[present]
    length = float(np.linalg.norm(bag))
    return bag / length if length else bag


def count_scalars() -> int:
    """How many numbers ``pool`` gives."""
    return len(WHOLE) + 4 * len(LIKENESS) + 10 * len(CUES) + 7
