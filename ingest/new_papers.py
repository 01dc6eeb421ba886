"""Writes papers that the store does not hold yet, thousands in one statement.

Decides the form in which a record becomes a row of paper and one of paper_version. On
SQLite a statement for many rows lets the reading thread work meanwhile (Python's lock is
taken once a statement, not once a row) and makes FTS5 write one segment for all of them.
Expects to be the only writer, since it hands out the ids. Knows nothing of known papers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from json.encoder import encode_basestring_ascii
from typing import Any, cast

from sqlalchemy import Connection, Table, func, insert, select, text

from db.columns import utc_now
from db.engine import is_sqlite
from db.models import Paper, PaperVersion
from ingest.sources.records import PaperRecord

PAPER = cast(Table, Paper.__table__)  # type: ignore[attr-defined]
VERSION = cast(Table, PaperVersion.__table__)  # type: ignore[attr-defined]
MOST_PARAMETERS = 32_000  # SQLite takes 32,766 in one statement
COLUMNS = (
    "id arxiv_id title abstract authors categories published listed updated comment version "
    "version_id is_withdrawn source first_seen_at"
).split()
ROWS_A_STATEMENT = MOST_PARAMETERS // len(COLUMNS)
# FTS5's own settings, kept in the index. Its default writes a segment out after each
# mebibyte of words and merges four at a time, so that a load rewrites every page thrice.
INDEX_SETTINGS = {"hashsize": 64 * 2**20, "automerge": 0, "crisismerge": 64}
INDEXED_WITH_CARE = 500  # rows; a smaller write does not look at the settings


@dataclass(frozen=True, slots=True)
class Hashed:
    """A record, the hash of its text, and whether it gives notice of a withdrawal."""

    record: PaperRecord
    text_hash: str
    withdraws: bool


def insert_new(connection: Connection, new: Sequence[Hashed], source: str) -> None:
    """Store papers, none of which the store holds, and their only texts."""
    if not new:
        return
    if is_sqlite(connection):
        if len(new) >= INDEXED_WITH_CARE:
            _prepare_index(connection)
        for start in range(0, len(new), ROWS_A_STATEMENT):
            _insert_in_sqlite(connection, new[start : start + ROWS_A_STATEMENT], source)
    else:
        _insert_anywhere(connection, new, source)


def describe_version(
    paper_id: int, version: int, record: PaperRecord, text_hash: str, source: str
) -> dict[str, Any]:
    """A row of paper_version."""
    return {
        "paper_id": paper_id,
        "version": version,
        "text_hash": text_hash,
        "title": record.title,
        "abstract": record.abstract,
        "comment": record.comment,
        "source": source,
        "seen_at": utc_now(),
    }


def encode_names(names: Sequence[str]) -> str:
    """A list of strings exactly as ``json.dumps`` writes it, in a third of the time."""
    return f"[{', '.join(map(encode_basestring_ascii, names))}]"


def list_places(rows: int, columns: int) -> str:
    """``(?,?),(?,?)``: the places of so many rows in a statement."""
    return ",".join([f"({','.join('?' * columns)})"] * rows)


@lru_cache(maxsize=2)
def _write_statements(rows: int) -> tuple[str, str]:
    """The insertions of papers and of their texts, which SQLite copies from the papers."""
    papers = f"INSERT INTO paper ({','.join(COLUMNS)}) VALUES {list_places(rows, len(COLUMNS))}"
    versions = (
        f"WITH hashed (paper_id, text_hash) AS (VALUES {list_places(rows, 2)}) "
        "INSERT INTO paper_version (id, paper_id, version, text_hash, title, abstract, comment, "
        "source, seen_at) SELECT paper.version_id, paper.id, paper.version, hashed.text_hash, "
        "paper.title, paper.abstract, paper.comment, paper.source, paper.first_seen_at "
        "FROM hashed CROSS JOIN paper ON paper.id = hashed.paper_id"
    )
    return papers, versions


def _insert_in_sqlite(connection: Connection, new: Sequence[Hashed], source: str) -> None:
    first, first_version = (
        (connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1
        for table in (PAPER, VERSION)
    )
    now = utc_now().strftime("%Y-%m-%d %H:%M:%S.%f")  # as UtcDateTime stores it
    rows = (
        _sqlite_row(first + place, first_version + place, told, source, now)
        for place, told in enumerate(new)
    )
    hashes = ((first + place, told.text_hash) for place, told in enumerate(new))
    papers, versions = _write_statements(len(new))
    connection.exec_driver_sql(papers, tuple(chain.from_iterable(rows)))
    connection.exec_driver_sql(versions, tuple(chain.from_iterable(hashes)))


def _sqlite_row(
    paper_id: int, version_id: int, told: Hashed, source: str, now: str
) -> tuple[object, ...]:
    """The values of ``COLUMNS``, in SQLite's forms."""
    record = told.record
    return (
        paper_id,
        record.arxiv_id,
        record.title,
        record.abstract,
        encode_names(record.authors),
        encode_names(record.categories),
        record.published and record.published.isoformat(),
        record.listed and record.listed.isoformat(),
        record.updated and record.updated.isoformat(),
        record.comment,
        record.version or 1,
        version_id,
        told.withdraws,
        source,
        now,
    )


def _prepare_index(connection: Connection) -> None:
    found = connection.exec_driver_sql("SELECT k, v FROM paper_fts_config")
    stored = {str(row[0]): row[1] for row in found}
    for name, value in INDEX_SETTINGS.items():
        if stored.get(name) != value:
            setting = text("INSERT INTO paper_fts (paper_fts, rank) VALUES (:name, :value)")
            connection.execute(setting, {"name": name, "value": value})


def _insert_anywhere(connection: Connection, new: Sequence[Hashed], source: str) -> None:
    ids = _take_ids(connection, PAPER, len(new))
    version_ids = _take_ids(connection, VERSION, len(new))
    now = utc_now()
    rows: list[dict[str, Any]] = [
        {
            "id": paper_id,
            "arxiv_id": told.record.arxiv_id,
            "title": told.record.title,
            "abstract": told.record.abstract,
            "authors": list(told.record.authors),
            "categories": list(told.record.categories),
            "published": told.record.published,
            "listed": told.record.listed,
            "updated": told.record.updated,
            "comment": told.record.comment,
            "version": told.record.version or 1,
            "version_id": version_id,
            "is_withdrawn": told.withdraws,
            "source": source,
            "first_seen_at": now,
        }
        for paper_id, version_id, told in zip(ids, version_ids, new, strict=True)
    ]
    connection.execute(insert(PAPER), rows)
    versions = [
        {
            "id": row["version_id"],
            **describe_version(row["id"], row["version"], told.record, told.text_hash, source),
        }
        for row, told in zip(rows, new, strict=True)
    ]
    connection.execute(insert(VERSION), versions)


def _take_ids(connection: Connection, table: Table, count: int) -> list[int]:
    """So many ids of a table's sequence, in ascending order (PostgreSQL)."""
    query = text(
        "SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :count)"
    )
    found = connection.execute(query, {"table": table.name, "count": count})
    return sorted(int(row[0]) for row in found)
