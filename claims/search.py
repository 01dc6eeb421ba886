"""Full-text search over claims, notes and papers, the same call on both databases.

SQLite ranks by FTS5's BM25, PostgreSQL by ts_rank_cd over its own text search (it has no
BM25): scores are comparable within one answer, never across databases. Query text is
data: only its words reach the engines, joined by OR, so no operator can be injected.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlmodel import Session, col, select

from db.engine import is_sqlite
from db.errors import UsageError
from db.models import Claim, Note, Paper

TITLE_WEIGHT = 2.0  # a word of the title tells more than a word of the abstract
WORD = re.compile(r"[^\W_]+", re.UNICODE)
START, STOP = "\x02", "\x03"  # around a matching word; no stored text holds them
KINDS = ("claims", "notes", "papers")
SECOND_COLUMN = {"paper": "abstract", "claim": "text", "note": "summary"}
STOPWORDS = frozenset(
    [
        "a",
        "about",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "can",
        "do",
        "does",
        "for",
        "from",
        "has",
        "have",
        "how",
        "in",
        "into",
        "is",
        "it",
        "its",
        "more",
        "not",
        "of",
        "on",
        "or",
        "over",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "these",
        "they",
        "this",
        "to",
        "was",
        "we",
        "what",
        "when",
        "where",
        "whether",
        "which",
        "while",
        "who",
        "why",
        "will",
        "with",
        "without",
    ]
)


class Hit(NamedTuple):
    """One row of an answer: higher score is better; ``marked`` holds START and STOP marks."""

    id: int
    score: float
    marked: str

    @property
    def snippet(self) -> str:
        """The excerpt with the matching words in [ ]."""
        return self.marked.replace(START, "[").replace(STOP, "]")


@dataclass(frozen=True)
class LibraryHit:
    """One claim, note or paper of an answer.

    ``name`` is a claim's handle, a note's slug or a paper's arXiv id; ``spans`` are character
    offsets of the matching words in ``excerpt``; ``is_retired`` also for a withdrawn paper.
    """

    kind: str
    name: str
    slug: str
    title: str
    is_retired: bool
    score: float
    excerpt: str
    spans: tuple[tuple[int, int], ...]

    def marked_excerpt(self) -> str:
        """The excerpt with the matching words in [ ]."""
        text = self.excerpt
        for start, end in reversed(self.spans):
            text = f"{text[:start]}[{text[start:end]}]{text[end:]}"
        return text


class _Filter(NamedTuple):
    """SQL conditions on the searched table, and the values that they name."""

    conditions: list[str]
    values: dict[str, object]


def query_words(query: str) -> list[str]:
    """The distinct words of a query that carry meaning, in order."""
    words = (word.lower() for word in WORD.findall(query))
    return list(dict.fromkeys(w for w in words if w not in STOPWORDS and len(w) > 1))


def search_papers(
    session: Session,
    query: str,
    limit: int,
    *,
    since: date | None = None,
    only_ids: Iterable[int] | None = None,
) -> list[Hit]:
    """The papers that match any word of the query best, best first.

    ``since`` keeps papers first submitted (or, where that is unknown, listed) on that day
    or later; ``only_ids`` keeps those of the given ``paper.id``.
    """
    return _search(session, "paper", query, limit, _keep_papers(session, since, only_ids))


def find_matching_papers(
    session: Session, query: str, limit: int, *, since: date | None = None
) -> list[int]:
    """Ids of the papers that ``search_papers`` would give, without excerpts: for long lists."""
    keep = _keep_papers(session, since, None)
    return [int(row[0]) for row in _rank(session, "paper", query, limit, keep)]


def search_claims(session: Session, query: str, limit: int) -> list[Hit]:
    """The claims that match any word of the query best, best first."""
    return _search(session, "claim", query, limit, _Filter([], {}))


def search_notes(session: Session, query: str, limit: int) -> list[Hit]:
    """The notes that match any word of the query best, best first."""
    return _search(session, "note", query, limit, _Filter([], {}))


def search_library(
    session: Session, query: str, kinds: Sequence[str] = KINDS, limit: int = 20
) -> list[LibraryHit]:
    """Claims, notes and papers that match any word of the query, best first.

    Scores of different kinds are no common scale: each is divided by the best of its kind,
    so that the best claim, note and paper come first, in the order of ``kinds``.

    Raises:
        UsageError: a kind is none of claims, notes, papers.
    """
    ranked: list[tuple[float, int, LibraryHit]] = []
    for place, kind in enumerate(kinds):
        if kind not in _SEARCHED:
            raise UsageError(f"{kind!r} cannot be searched: there are {', '.join(KINDS)}")
        find, table, make = _SEARCHED[kind]
        hits = find(session, query, limit)
        rows = session.exec(select(table).where(col(table.id).in_([hit.id for hit in hits]))).all()
        by_id = {row.id: row for row in rows}
        best = max((hit.score for hit in hits), default=1.0) or 1.0
        for hit in hits:
            excerpt, spans = _read_marks(hit.marked)
            found = LibraryHit(kind, *make(by_id[hit.id]), hit.score, excerpt, spans)
            ranked.append((-hit.score / best, place, found))
    ranked.sort(key=lambda row: row[:2])
    return [hit for _, _, hit in ranked[:limit]]


def _describe_claim(claim: Claim) -> tuple[str, str, str, bool]:
    return claim.handle, claim.slug, claim.statement, claim.retired_at is not None


def _describe_note(note: Note) -> tuple[str, str, str, bool]:
    return note.slug, note.slug, note.title, False


def _describe_paper(paper: Paper) -> tuple[str, str, str, bool]:
    return paper.arxiv_id, paper.arxiv_id, paper.title, paper.is_withdrawn


_SEARCHED: dict[
    str,
    tuple[
        Callable[[Session, str, int], list[Hit]], Any, Callable[[Any], tuple[str, str, str, bool]]
    ],
] = {
    "claims": (search_claims, Claim, _describe_claim),
    "notes": (search_notes, Note, _describe_note),
    "papers": (search_papers, Paper, _describe_paper),
}


def _read_marks(marked: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Text without its marks, and where the marked words stand in it."""
    spans = []
    excerpt = ""
    for piece in re.split(f"({START}[^{STOP}]*{STOP})", marked):
        word = piece.strip(START + STOP)
        if piece.startswith(START):
            spans.append((len(excerpt), len(excerpt) + len(word)))
        excerpt += word if piece.startswith(START) else piece.replace(START, "").replace(STOP, "")
    return excerpt, tuple(spans)


def _keep_papers(session: Session, since: date | None, only_ids: Iterable[int] | None) -> _Filter:
    conditions: list[str] = []
    values: dict[str, object] = {}
    if since is not None:
        conditions.append("COALESCE(source.published, source.listed) >= :since")
        values["since"] = since if not is_sqlite(session.get_bind()) else since.isoformat()
    if only_ids is not None:
        chosen = ",".join(str(int(paper_id)) for paper_id in only_ids)
        conditions.append(f"source.id IN ({chosen or 'NULL'})")
    return _Filter(conditions, values)


def _search(session: Session, table: str, query: str, limit: int, keep: _Filter) -> list[Hit]:
    if is_sqlite(session.get_bind()):
        excerpt = f"snippet({table}_fts, -1, :start, :stop, ' … ', 16)"
    else:
        excerpt = (
            f"ts_headline('english', source.{SECOND_COLUMN[table]}, query, "
            "'StartSel=' || :start || ', StopSel=' || :stop || ', MaxWords=16, MinWords=8')"
        )
    marks: dict[str, object] = {"start": START, "stop": STOP}
    rows = _rank(session, table, query, limit, keep, f", {excerpt}", marks)
    return [Hit(int(row[0]), float(row[1]), str(row[2])) for row in rows]


def _rank(
    session: Session,
    table: str,
    query: str,
    limit: int,
    keep: _Filter,
    more_columns: str = "",
    values: dict[str, object] | None = None,
) -> Sequence[Any]:
    """Rows of id, score and further columns, best first; nothing for a query without words."""
    words = query_words(query)
    if not words:
        return []
    where = "".join(f" AND {condition}" for condition in keep.conditions)
    if is_sqlite(session.get_bind()):
        match = " OR ".join(f'"{word}"' for word in words)
        rows_of = f"JOIN {table} AS source ON source.id = {table}_fts.rowid " if where else ""
        statement = (
            f"SELECT {table}_fts.rowid, -bm25({table}_fts, {TITLE_WEIGHT}, 1.0) AS score"
            f"{more_columns} FROM {table}_fts {rows_of}WHERE {table}_fts MATCH :match{where} "
            f"ORDER BY score DESC, {table}_fts.rowid LIMIT :limit"
        )
    else:
        match = " | ".join(words)
        statement = (
            f"SELECT source.id, ts_rank_cd(source.search, query, 1) AS score{more_columns} "
            f"FROM {table} AS source, to_tsquery('english', :match) AS query "
            f"WHERE source.search @@ query{where} ORDER BY score DESC, source.id LIMIT :limit"
        )
    bound = {"match": match, "limit": limit, **(values or {}), **keep.values}
    return session.connection().execute(text(statement), bound).all()
