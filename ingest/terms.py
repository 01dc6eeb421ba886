"""What words of a text count for ranking, and how rare they are in this store.

Decides the stems (the rough ones of ``claims.likeness``), that a word of the title counts
three times, and that rarity is read off a sample of the store: a few thousand papers tell
it as well as all of them. Knows nothing of claims.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log

from sqlmodel import Session, col, func, select

from claims.likeness import stem_word
from claims.search import STOPWORDS
from db.models import Paper

WORD = re.compile(r"[^\W_]+")
TITLE_TIMES = 3
SAMPLED_PAPERS = 4_000
FEWEST_PAPERS = 50  # below that a store tells nothing of rarity: every word counts alike


@dataclass(frozen=True)
class TermStatistics:
    """In how many of the sampled papers a term occurs, and how long a paper is on average."""

    papers: int
    mean_length: float
    counts: Mapping[str, int]

    def rarity(self, term: str) -> float:
        """BM25's inverse document frequency: log(1 + (N - n + ½) / (n + ½))."""
        found = self.counts.get(term, 0)
        return log(1 + (self.papers - found + 0.5) / (found + 0.5))


def count_terms(title: str, text: str) -> Counter[str]:
    """How often each term counts in a paper; everyday words are left out."""
    counts = Counter(_read(text))
    for term in _read(title):
        counts[term] += TITLE_TIMES
    return counts


def read_statistics(session: Session) -> TermStatistics:
    """Statistics of a sample spread evenly over the store: the same store, the same sample."""
    total = session.exec(select(func.count()).select_from(Paper)).one()
    query = select(Paper.title, Paper.abstract)
    step = total // SAMPLED_PAPERS
    if step > 1:
        query = query.where(col(Paper.id) % step == 0)
    return measure_terms(session.exec(query).all())


def measure_terms(texts: Iterable[tuple[str, str]]) -> TermStatistics:
    """Statistics of given titles and abstracts."""
    counts: Counter[str] = Counter()
    papers = length = 0
    for title, abstract in texts:
        terms = count_terms(title, abstract)
        papers, length = papers + 1, length + terms.total()
        counts.update(terms.keys())
    if papers < FEWEST_PAPERS:
        return TermStatistics(papers, max(length, 1) / max(papers, 1), {})
    return TermStatistics(papers, length / papers, counts)


def _read(text: str) -> list[str]:
    words = (word.lower() for word in WORD.findall(text))
    return [stem_word(word) for word in words if word not in STOPWORDS and len(word) > 1]
