"""Full-text search over papers and claims, the same call on both databases.

SQLite ranks by FTS5's BM25, PostgreSQL by ts_rank_cd over its own text search (it has no
BM25): scores are comparable within one answer, never across databases. Query text is
data: only its words reach the engines, joined by OR, so no operator can be injected.
"""

import re
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import Session

from db.engine import is_sqlite

TITLE_WEIGHT = 2.0  # a word of the title tells more than a word of the abstract
WORD = re.compile(r"[^\W_]+", re.UNICODE)
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
    """One row of an answer: higher score is better; snippet marks words with [ ]."""

    id: int
    score: float
    snippet: str


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
    conditions: list[str] = []
    values: dict[str, object] = {}
    if since is not None:
        conditions.append("COALESCE(source.published, source.listed) >= :since")
        values["since"] = since if not is_sqlite(session.get_bind()) else since.isoformat()
    if only_ids is not None:
        chosen = ",".join(str(int(paper_id)) for paper_id in only_ids)
        conditions.append(f"source.id IN ({chosen or 'NULL'})")
    return _search(session, "paper", query, limit, _Filter(conditions, values))


def search_claims(session: Session, query: str, limit: int) -> list[Hit]:
    """The claims that match any word of the query best, best first."""
    return _search(session, "claim", query, limit, _Filter([], {}))


def _search(
    session: Session,
    table: str,
    query: str,
    limit: int,
    keep: _Filter,
) -> list[Hit]:
    words = query_words(query)
    if not words:
        return []
    where = "".join(f" AND {condition}" for condition in keep.conditions)
    if is_sqlite(session.get_bind()):
        match = " OR ".join(f'"{word}"' for word in words)
        statement = (
            f"SELECT source.id, -bm25({table}_fts, {TITLE_WEIGHT}, 1.0) AS score, "
            f"snippet({table}_fts, -1, '[', ']', ' … ', 16) FROM {table}_fts "
            f"JOIN {table} AS source ON source.id = {table}_fts.rowid "
            f"WHERE {table}_fts MATCH :match{where} ORDER BY score DESC, source.id LIMIT :limit"
        )
    else:
        match = " | ".join(words)
        second = "abstract" if table == "paper" else "text"
        statement = (
            "SELECT source.id, ts_rank_cd(source.search, query, 1) AS score, "
            f"ts_headline('english', source.{second}, query, "
            "'StartSel=[, StopSel=], MaxWords=16, MinWords=8') "
            f"FROM {table} AS source, to_tsquery('english', :match) AS query "
            f"WHERE source.search @@ query{where} ORDER BY score DESC, source.id LIMIT :limit"
        )
    rows = session.connection().execute(
        text(statement), {"match": match, "limit": limit, **keep.values}
    )
    return [Hit(int(row[0]), float(row[1]), str(row[2])) for row in rows]
