"""Scores stored papers against claims, whichever of the two is new.

A new claim is held against its best lexical matches of the whole store, new papers
against every claim. Decides how deep either looks; the score itself is that of
``ingest.ranking``. Keeps nothing but vectors in the store.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray
from sqlmodel import Session, col, select

from claims.search import find_matching_papers
from db.columns import stored_id
from db.models import Paper
from ingest.embeddings import (
    MINILM,
    WORDLLAMA,
    MiniLmEmbeddings,
    WordLlamaEmbeddings,
    embed_matrix,
)
from ingest.paper_vectors import VectorShelf
from ingest.rankable_claims import RankableClaim
from ingest.ranking import (
    BAG_OF_TOKENS,
    FIRST_LIKENESS,
    HIGHEST_LIKENESS,
    RANKER_VERSION,
    SENTENCES,
    Scores,
    order_best,
)
from ingest.term_index import TermIndex, read_query
from ingest.terms import read_statistics

POOL = 1_000  # best lexical matches of a new claim that are scored
DEPTH = 300  # of these that a claim's ranking holds
READ_AT_ONCE = 500
NO_DAY = 0  # no paper without a date is newer than a dated claim


@dataclass(frozen=True)
class RankedPaper:
    """A paper's score against one claim, and its parts."""

    paper_id: int
    score: float
    lexical: float
    likeness: float


@dataclass(frozen=True)
class ClaimRanking:
    """One claim against the store: its best papers, and the words that they gave it."""

    best: list[RankedPaper]  # up to DEPTH
    feedback: dict[str, float]
    scored: int


@dataclass(frozen=True)
class PaperBatch:
    """New papers and their scores against every claim, shape (claims, papers)."""

    paper_ids: list[int]
    scores: Scores
    lexical: Scores
    likeness: Scores
    is_newer: NDArray[np.bool_]  # newer than the claim, and sharing a word with it

    def read(self, claim: int, paper: int) -> RankedPaper:
        """One pair, by its places in the arrays."""
        at = claim, paper
        parts = (float(table[at]) for table in (self.scores, self.lexical, self.likeness))
        return RankedPaper(self.paper_ids[paper], *parts)


class Ranker:
    """Scores papers for claims; what it reads of the store it keeps for one run."""

    def __init__(self, session: Session, embedder: Embeddings) -> None:
        self._session = session
        self._embedder = embedder
        self.mix = BAG_OF_TOKENS if isinstance(embedder, WordLlamaEmbeddings) else SENTENCES
        self._shelf = VectorShelf(embedder, name_embedder(embedder))
        self._index = TermIndex(read_statistics(session))

    @property
    def name(self) -> str:
        """Name and version, as candidates carry it."""
        return f"bm25+{name_embedder(self._embedder)}-{RANKER_VERSION}"

    def rank_store(
        self, text: str, *, since: date | None, excluded: frozenset[int] = frozenset()
    ) -> ClaimRanking:
        """One claim against the whole store, best papers first."""
        found = find_matching_papers(self._session, text, POOL + len(excluded), since=since)
        pool = [paper_id for paper_id in found if paper_id not in excluded][:POOL]
        if not pool:
            return ClaimRanking([], {}, 0)
        self._load(pool)
        lexical = self._index.score([read_query(text)], pool)[0]
        vector = embed_matrix(self._embedder, [text])
        first = lexical + FIRST_LIKENESS * self._measure_likeness(vector, pool, lexical)
        feedback = self._index.find_feedback(pool, first)
        second = self._index.score([feedback], pool)[0]
        likeness = self._measure_likeness(vector, pool, lexical + second)
        scores = self.mix.fuse(lexical, second, likeness)
        best = [
            RankedPaper(pool[k], float(scores[k]), float(lexical[k]), float(likeness[k]))
            for k in order_best(scores, pool)[:DEPTH]
        ]
        return ClaimRanking(best, feedback, len(pool))

    def rank_papers(
        self,
        claims: Sequence[RankableClaim],
        feedback: Sequence[dict[str, float]],
        vectors: Scores,
        paper_ids: list[int],
        least: Scores,
    ) -> PaperBatch:
        """New papers against every claim; ``vectors`` are the claims' (``embed_claims``).

        A paper that could not reach the ``least`` score of any claim, however alike, is not
        embedded.
        """
        days = self._load(paper_ids)
        lexical = self._index.score([read_query(claim.text) for claim in claims], paper_ids)
        second = self._index.score(feedback, paper_ids)
        is_newer = _find_newer(claims, paper_ids, days) & ((lexical > 0) | (second > 0))
        at_most = self.mix.fuse(lexical, second, np.full_like(lexical, HIGHEST_LIKENESS))
        wanted = np.flatnonzero((is_newer & (at_most >= least[:, None])).any(axis=0))
        likeness = np.zeros_like(lexical)
        if len(wanted):
            rows = self._shelf.fetch(self._session, [paper_ids[k] for k in wanted])
            likeness[:, wanted] = vectors @ rows.T
        scores = self.mix.fuse(lexical, second, likeness)
        return PaperBatch(paper_ids, scores, lexical, likeness, is_newer)

    def embed_claims(self, claims: Sequence[RankableClaim]) -> Scores:
        """Unit vectors of the claims' texts, shape (claims, dimensions)."""
        return embed_matrix(self._embedder, [claim.text for claim in claims])

    def _measure_likeness(self, vector: Scores, pool: list[int], order: Scores) -> Scores:
        """Cosines of the best by ``order``; the others are not embedded and count as none."""
        likeness = np.zeros(len(pool), dtype=np.float32)
        best = order_best(order, pool)[: self.mix.depth]
        rows = self._shelf.fetch(self._session, [pool[k] for k in best])
        likeness[best] = rows @ vector[0]
        return likeness

    def _load(self, paper_ids: Sequence[int]) -> dict[int, int]:
        """Index what is missing; the day of each of the papers as an ordinal."""
        days: dict[int, int] = {}
        missing = set(self._index.missing(paper_ids))
        for start in range(0, len(paper_ids), READ_AT_ONCE):
            chunk = paper_ids[start : start + READ_AT_ONCE]
            query = select(Paper).where(col(Paper.id).in_(chunk))
            for paper in self._session.exec(query):
                paper_id = stored_id(paper.id)
                day = paper.published or paper.listed
                days[paper_id] = day.toordinal() if day else NO_DAY
                if paper_id in missing:
                    self._index.add(paper_id, paper.title, paper.abstract)
        return days


def name_embedder(embedder: Embeddings) -> str:
    """A short name for the ranker's name: candidates of two models are kept apart."""
    if isinstance(embedder, WordLlamaEmbeddings):
        return WORDLLAMA
    if isinstance(embedder, MiniLmEmbeddings):
        return MINILM
    model = getattr(embedder, "model", None) or getattr(embedder, "model_name", None)
    kind = type(embedder).__name__
    return f"{kind}:{model}" if isinstance(model, str) else kind


def _find_newer(
    claims: Sequence[RankableClaim], paper_ids: list[int], days: dict[int, int]
) -> NDArray[np.bool_]:
    since = np.array([claim.since.toordinal() if claim.since else NO_DAY for claim in claims])
    is_newer = np.array([days[paper_id] for paper_id in paper_ids])[None, :] >= since[:, None]
    places = {paper_id: place for place, paper_id in enumerate(paper_ids)}
    for row, claim in enumerate(claims):
        for paper_id in claim.own_papers & places.keys():
            is_newer[row, places[paper_id]] = False
    return is_newer
