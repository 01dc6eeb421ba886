"""Which papers are one source: the same paper, a shared author, or the same measurement.

Decides that two papers which measure the same model family on the same benchmark are one
source, as are two with an author in common; the relation is closed, so a chain of such
papers is one source too. Names of authors are compared as written, without initials.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from claims.benchmarks import find_benchmarks, find_families


@dataclass(frozen=True)
class Source:
    """What of a paper tells whether another one repeats it."""

    arxiv_id: str
    authors: frozenset[str]
    benchmarks: frozenset[str]
    families: frozenset[str]

    @property
    def key(self) -> str:
        """``2603.23004 · authors 5f2c81 · gsm8k+math · llama+qwen``: what was compared, to read."""
        names = ";".join(sorted(self.authors))
        group = hashlib.sha256(names.encode()).hexdigest()[:6] if names else "unknown"
        parts = [self.arxiv_id, f"authors {group}"]
        parts += ["+".join(sorted(found)) for found in (self.benchmarks, self.families) if found]
        return " · ".join(parts)


def read_source(arxiv_id: str, authors: Iterable[str], title: str, abstract: str) -> Source:
    """A paper's source marks, from its authors and the text that is stored of it."""
    text = f"{title}\n{abstract}"
    named = frozenset(" ".join(author.lower().split()) for author in authors)
    return Source(arxiv_id, named, find_benchmarks(text), find_families(text))


def group_sources(sources: Sequence[Source]) -> list[set[str]]:
    """The papers' ids, those of one source together."""
    groups: list[tuple[set[str], set[str]]] = []  # ids, marks
    for source in sources:
        marks = _marks(source)
        touching = [group for group in groups if group[1] & marks]
        groups = [group for group in groups if not group[1] & marks]
        ids = {source.arxiv_id}.union(*(group[0] for group in touching))
        groups.append((ids, marks.union(*(group[1] for group in touching))))
    return [ids for ids, _ in groups]


def _marks(source: Source) -> set[str]:
    measured = {f"{b} on {f}" for b in source.benchmarks for f in source.families}
    return {source.arxiv_id, *(f"by {author}" for author in source.authors), *measured}
