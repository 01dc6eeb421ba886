"""Labelled pairs, read once for training: features, spans and how claims are split.

Decides the vocabulary and the folds; no claim is on both sides of a fold. Labels enter
only as ``truth``: words and frequencies are counted without them.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.gold import GoldPair
from ingest.judges.features import PairReading, bag_words, compare
from ingest.judges.reading import Reader, Statistics, Vector, split_words
from ingest.sentences import PaperSentence

SEED = 0
VOCABULARY, FEWEST_PAPERS = 4000, 20

Rows = NDArray[np.int64]


class Fold(NamedTuple):
    """Rows to train on, and rows of the claims that are left out."""

    kept: Rows
    left_out: Rows


@dataclass(frozen=True)
class Material:
    """The training pairs, read once."""

    pairs: list[GoldPair]
    readings: list[PairReading]
    spans: list[list[PaperSentence]]
    bags: Any  # scipy CSR, (pairs, vocabulary)
    truth: NDArray[np.int64]
    claims: NDArray[np.str_]
    signs: NDArray[np.float64]
    vocabulary: dict[str, int]
    idf: Vector
    statistics: Statistics


def choose_vocabulary(texts: list[str]) -> tuple[dict[str, int], Vector]:
    """The commonest words and neighbouring pairs, without digits, and their idf."""
    seen: Counter[str] = Counter()
    for text in texts:
        words = split_words(text)
        terms = {*words, *(f"{a} {b}" for a, b in pairwise(words))}
        seen.update(term for term in terms if not any(c.isdigit() for c in term))
    common = [(t, n) for t, n in seen.most_common(VOCABULARY) if n >= FEWEST_PAPERS]
    common.sort()
    idf = [np.log((len(texts) + 1) / (count + 1)) + 1 for _, count in common]
    return {term: i for i, (term, _) in enumerate(common)}, np.array(idf, dtype=np.float32)


def read_material(
    pairs: list[GoldPair],
    reader: Reader,
    statistics: Statistics,
    vocabulary: dict[str, int],
    idf: Vector,
) -> Material:
    """All features that do not depend on labels."""
    from scipy.sparse import csr_matrix, vstack

    texts = {pair.arxiv_id: (pair.title, pair.abstract) for pair in pairs}
    papers = {key: reader.read_paper(*text, statistics) for key, text in texts.items()}
    rows = {
        key: csr_matrix(bag_words(" ".join(text), vocabulary, idf)) for key, text in texts.items()
    }
    names = sorted({pair.claim for pair in pairs})
    claims = dict(zip(names, reader.read(names, statistics), strict=True))
    readings = [
        compare(claims[p.claim], papers[p.arxiv_id], reader.unit_table, statistics) for p in pairs
    ]
    return Material(
        pairs,
        readings,
        [papers[pair.arxiv_id].spans for pair in pairs],
        vstack([rows[pair.arxiv_id] for pair in pairs]).tocsr(),
        np.array([pair.three_way for pair in pairs]),
        np.array([pair.claim for pair in pairs]),
        np.array([reading.sign for reading in readings]),
        vocabulary,
        idf,
        statistics,
    )


def split_claims(claims: NDArray[np.str_], rows: Rows, folds: int) -> list[Fold]:
    """(kept, left out) rows of each fold; no claim is on both sides."""
    from sklearn.model_selection import GroupKFold

    splitter = GroupKFold(folds, shuffle=True, random_state=SEED)
    return [Fold(rows[a], rows[b]) for a, b in splitter.split(rows, groups=claims[rows])]


def mark_quoted(pair: GoldPair, spans: list[PaperSentence]) -> NDArray[np.int64] | None:
    """1 for each span that overlaps the reader's quote; None without a quote in the abstract."""
    start = pair.abstract.find(pair.quote) if pair.quote else -1
    if start < 0 or pair.quote is None:
        return None
    end = start + len(pair.quote)
    marks = [s.section == "abstract" and s.start < end and start < s.end for s in spans]
    return np.array(marks, dtype=np.int64) if any(marks) else None
