"""What the store holds of the papers that a source tells of.

Decides how a reload is told apart from news quickly: SQLite compares a whole batch by
itself and answers only with what may be new. What a difference means is decided in
``ingest.revisions``.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

from sqlalchemy import Connection, select

from db.engine import is_sqlite
from ingest.new_papers import (
    MOST_PARAMETERS,
    PAPER,
    VERSION,
    Hashed,
    encode_names,
    list_places,
)
from ingest.revisions import STATES_DATES, StoredPaper, is_unchanged

KNOWN_COLUMNS = [
    PAPER.c[name]
    for name in (
        "id arxiv_id version authors categories published listed updated comment is_withdrawn"
    ).split()
]
TOLD = (
    "arxiv_id text_hash version authors categories published listed updated comment is_withdrawn"
).split()
ROWS_A_QUESTION = MOST_PARAMETERS // len(TOLD) - 1
# What makes ``is_unchanged`` true, from the record's side; a row that fails is looked at.
REPEATS = """
    version.text_hash = told.text_hash
    AND told.version <= paper.version
    AND (told.authors = '[]' OR told.authors = paper.authors)
    AND (told.categories = '[]' OR told.categories = paper.categories)
    AND (told.published IS NULL OR told.published = paper.published
         OR (paper.published IS NOT NULL AND NOT ?))
    AND (told.listed IS NULL OR told.listed >= paper.listed)
    AND (told.updated IS NULL OR told.updated <= paper.updated)
    AND (told.comment IS NULL OR told.comment = paper.comment)
    AND told.is_withdrawn <= paper.is_withdrawn
"""


def find_news(connection: Connection, told: Sequence[Hashed], source: str) -> list[Hashed]:
    """The records that may say something the store does not know, in order."""
    if not is_sqlite(connection):
        return keep_news(told, read_known(connection, told), source)
    ids = find_stored_ids(connection, told)
    known = [h for h in told if h.record.arxiv_id in ids]
    news = [h.record.arxiv_id for h in told if h.record.arxiv_id not in ids]
    for start in range(0, len(known), ROWS_A_QUESTION):
        part = known[start : start + ROWS_A_QUESTION]
        values = (*chain.from_iterable(map(_compared_row, part)), source in STATES_DATES)
        answer = connection.exec_driver_sql(_write_question(len(part)), values)
        news += json.loads(answer.scalar_one())
    wanted = set(news)
    return [h for h in told if h.record.arxiv_id in wanted]


def find_stored_ids(connection: Connection, told: Sequence[Hashed]) -> set[str]:
    """The arXiv ids among those told of that the store holds (SQLite)."""
    query = (
        "SELECT json_group_array(arxiv_id) FROM paper "
        "WHERE arxiv_id IN (SELECT value FROM json_each(?))"
    )
    ids = json.dumps([h.record.arxiv_id for h in told])
    return set(json.loads(connection.exec_driver_sql(query, (ids,)).scalar_one()))


def keep_news(told: Sequence[Hashed], known: dict[str, StoredPaper], source: str) -> list[Hashed]:
    """The records that are not word for word what the store holds."""
    stored = (known.get(h.record.arxiv_id) for h in told)
    return [
        h
        for h, old in zip(told, stored, strict=True)
        if old is None or not is_unchanged(old, h.record, h.text_hash, source)
    ]


def read_known(connection: Connection, told: Sequence[Hashed]) -> dict[str, StoredPaper]:
    """What is stored of the papers told of, by arXiv id."""
    ids = {h.record.arxiv_id for h in told}
    if is_sqlite(connection):
        ids = find_stored_ids(connection, told)
    query = (
        select(*KNOWN_COLUMNS, VERSION.c.text_hash)
        .outerjoin_from(PAPER, VERSION, VERSION.c.id == PAPER.c.version_id)
        .where(PAPER.c.arxiv_id.in_(sorted(ids)))
    )
    return {
        row.arxiv_id: StoredPaper(
            id=row.id,
            version=row.version,
            text_hash=row.text_hash,
            authors=tuple(row.authors),
            categories=tuple(row.categories),
            published=row.published,
            listed=row.listed,
            updated=row.updated,
            comment=row.comment,
            is_withdrawn=row.is_withdrawn,
        )
        for row in connection.execute(query)
    }


@lru_cache(maxsize=2)
def _write_question(rows: int) -> str:
    return (
        f"WITH told ({', '.join(TOLD)}) AS (VALUES {list_places(rows, len(TOLD))}) "
        "SELECT json_group_array(told.arxiv_id) FROM told "
        "LEFT JOIN paper ON paper.arxiv_id = told.arxiv_id "
        "LEFT JOIN paper_version AS version ON version.id = paper.version_id "
        f"WHERE NOT coalesce({REPEATS}, 0)"
    )


def _compared_row(told: Hashed) -> tuple[object, ...]:
    """The values of ``TOLD``, in SQLite's forms."""
    record = told.record
    return (
        record.arxiv_id,
        told.text_hash,
        record.version or 0,
        encode_names(record.authors),
        encode_names(record.categories),
        record.published and record.published.isoformat(),
        record.listed and record.listed.isoformat(),
        record.updated and record.updated.isoformat(),
        record.comment,
        told.withdraws,
    )
