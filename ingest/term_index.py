"""BM25 over papers in memory, on one scale whatever papers are in the index.

A score is divided by the most that any paper could reach for the query, so that a paper
that comes tonight and one that came a year ago can be compared. Decides how a query grows
by the words of its best papers (pseudo-relevance feedback after Lavrenko and Croft, 2001,
in the form known as RM3). Knows nothing of claims or embeddings.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ingest.terms import TermStatistics, count_terms

K1, B = 1.5, 0.75
FEEDBACK_PAPERS = 8
FEEDBACK_TERMS = 30
SHARPNESS = 5.0  # how much more the best paper's words weigh than the eighth's
Scores = NDArray[np.float32]
Query = Mapping[str, float]  # term -> weight


class TermIndex:
    """Term weights of papers, added as they are needed and kept for one run."""

    def __init__(self, statistics: TermStatistics) -> None:
        self._statistics = statistics
        self._columns: dict[str, int] = {}
        self._terms: list[str] = []
        self._rarity: list[float] = []
        self._rows: dict[int, tuple[NDArray[np.int32], Scores]] = {}

    def missing(self, paper_ids: Sequence[int]) -> list[int]:
        """The papers that are not in the index yet."""
        return [paper_id for paper_id in paper_ids if paper_id not in self._rows]

    def add(self, paper_id: int, title: str, abstract: str) -> None:
        """Index one paper's text; a later text of it takes the place of the earlier."""
        counts = count_terms(title, abstract)
        columns = np.fromiter((self._place(term) for term in counts), np.int32, len(counts))
        often = np.fromiter(counts.values(), np.float32, len(counts))
        length = counts.total() / self._statistics.mean_length
        saturated = often * (K1 + 1) / (often + K1 * (1 - B + B * length))
        rarity = np.fromiter((self._rarity[c] for c in columns), np.float32, len(columns))
        self._rows[paper_id] = columns, (saturated * rarity).astype(np.float32)

    def score(self, queries: Sequence[Query], paper_ids: Sequence[int]) -> Scores:
        """Shape (queries, papers), each in [0, 1)."""
        papers = self._stack(paper_ids)
        product = self._stack_queries(queries) @ papers.T
        return np.asarray(product.toarray(), dtype=np.float32)

    def find_feedback(self, paper_ids: Sequence[int], scores: Scores) -> dict[str, float]:
        """The telling words of the best-scored papers with their weights, which add up to 1."""
        best = np.argsort(-scores, kind="stable")[:FEEDBACK_PAPERS]
        best = best[scores[best] > 0]
        if not len(best):
            return {}
        share = np.exp(SHARPNESS * (scores[best] - scores[best[0]]))
        weights: dict[int, float] = {}
        for place, of_paper in zip(best, share / share.sum(), strict=True):
            columns, values = self._rows[paper_ids[int(place)]]
            for column, value in zip(columns.tolist(), values.tolist(), strict=True):
                weights[column] = weights.get(column, 0.0) + float(of_paper) * value
        kept = sorted(weights, key=lambda c: (-weights[c], self._terms[c]))[:FEEDBACK_TERMS]
        total = sum(weights[column] for column in kept)
        return {self._terms[column]: round(weights[column] / total, 5) for column in kept}

    def _place(self, term: str) -> int:
        column = self._columns.get(term)
        if column is None:
            column = self._columns[term] = len(self._terms)
            self._terms.append(term)
            self._rarity.append(self._statistics.rarity(term))
        return column

    def _stack(self, paper_ids: Sequence[int]) -> Any:
        rows = [self._rows[paper_id] for paper_id in paper_ids]
        return _make_matrix(rows, len(self._terms))

    def _stack_queries(self, queries: Sequence[Query]) -> Any:
        """Weights over the best score: rarity stands in the papers' weights already."""
        rows = []
        for query in queries:
            best = sum(w * self._statistics.rarity(t) for t, w in query.items()) * (K1 + 1)
            known = {self._columns[t]: w / best for t, w in query.items() if t in self._columns}
            columns = np.fromiter(known, np.int32, len(known))
            rows.append((columns, np.fromiter(known.values(), np.float32, len(known))))
        return _make_matrix(rows, len(self._terms))


def read_query(text: str) -> dict[str, float]:
    """A text as a query in which each of its terms counts once."""
    return dict.fromkeys(count_terms("", text), 1.0)


def _make_matrix(rows: Sequence[tuple[NDArray[np.int32], Scores]], width: int) -> Any:
    starts = np.concatenate([[0], np.cumsum([len(columns) for columns, _ in rows])])
    columns = np.concatenate([r[0] for r in rows]) if rows else np.zeros(0, np.int32)
    values = np.concatenate([r[1] for r in rows]) if rows else np.zeros(0, np.float32)
    return csr_matrix((values, columns, starts), shape=(len(rows), width))
