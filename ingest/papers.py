"""The paper store: the same paper from any source is one row, and no text is ever lost.

Decides how records become rows: batches in short transactions, one writer at a time. What
a record changes in a known paper is decided in ``ingest.revisions``. Knows nothing of
where records come from.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from sqlalchemy import Connection, Engine, Table, bindparam, insert, select, text, update

from db.columns import utc_now
from db.engine import is_sqlite
from db.models import Paper, PaperVersion
from ingest.revisions import Change, StoredPaper, compare, hash_text, is_unchanged
from ingest.sources.records import PaperRecord, is_withdrawal

BATCH = 1000  # papers a transaction: a fraction of a second for the database's one writer
CACHE_KIB = 64 * 1024  # SQLite: the full-text index is rewritten in memory, not on disk
STORE_LOCK = 724413  # PostgreSQL advisory lock: one process stores papers at a time
PAPER = cast(Table, Paper.__table__)  # type: ignore[attr-defined]
VERSION = cast(Table, PaperVersion.__table__)  # type: ignore[attr-defined]
KNOWN_COLUMNS = [
    PAPER.c[name]
    for name in (
        "id arxiv_id version authors categories published listed updated comment is_withdrawn"
    ).split()
]


@dataclass(frozen=True)
class StoreCount:
    """What storing came to; new, revised and unchanged add up to seen.

    ``revised`` counts papers whose title or abstract changed or that became withdrawn;
    ``withdrawn`` counts those that became withdrawn, new ones included.
    """

    seen: int = 0
    new: int = 0
    revised: int = 0
    withdrawn: int = 0
    unchanged: int = 0

    def __add__(self, other: "StoreCount") -> "StoreCount":
        return StoreCount(
            self.seen + other.seen,
            self.new + other.new,
            self.revised + other.revised,
            self.withdrawn + other.withdrawn,
            self.unchanged + other.unchanged,
        )


@dataclass(frozen=True, slots=True)
class _Hashed:
    record: PaperRecord
    text_hash: str


def store_papers(engine: Engine, records: Iterable[PaperRecord], source: str) -> StoreCount:
    """Store records as they come; each batch is kept even if a later record never arrives.

    ``source`` is api, oai, snapshot or feed. Idempotent.
    """
    count = StoreCount()
    for counted in store_in_batches(engine, records, source):
        count += counted
    return count


def store_in_batches(
    engine: Engine, records: Iterable[PaperRecord], source: str
) -> Iterator[StoreCount]:
    """As ``store_papers``, one count a committed batch, for callers that report progress.

    An error of ``records`` is raised after what came before it has been stored.
    """
    failure: list[Exception] = []
    rest = iter(_until_failure(records, failure))
    while batch := list(islice(rest, BATCH)):
        yield from (_store_batch(engine, part, source) for part in _split_repeats(batch))
    if failure:
        raise failure[0]


def _until_failure(
    records: Iterable[PaperRecord], failure: list[Exception]
) -> Iterator[PaperRecord]:
    try:
        yield from records
    except Exception as error:  # noqa: BLE001  (raised again by the caller, after storing)
        failure.append(error)


def _split_repeats(batch: list[PaperRecord]) -> list[list[PaperRecord]]:
    """Parts in which each paper occurs once, in order: a repeat may be a later version."""
    parts: list[list[PaperRecord]] = [[]]
    ids: set[str] = set()
    for record in batch:
        if record.arxiv_id in ids:
            parts.append([])
            ids = set()
        ids.add(record.arxiv_id)
        parts[-1].append(record)
    return parts


def _store_batch(engine: Engine, records: list[PaperRecord], source: str) -> StoreCount:
    hashed = [_Hashed(r, hash_text(r.title, r.abstract)) for r in records]
    with engine.connect() as connection:
        if not _keep_news(hashed, _read_known(connection, records), source):
            return StoreCount(seen=len(records), unchanged=len(records))
        connection.rollback()
        _become_the_writer(connection)
        known = _read_known(connection, records)
        news = _keep_news(hashed, known, source)
        new = [h for h in news if h.record.arxiv_id not in known]
        told = [h for h in news if h.record.arxiv_id in known]
        changes = _find_changes(connection, told, known, source)
        _insert_new(connection, new, source)
        _write_changes(connection, changes, source)
        connection.commit()
    revised = sum(change.is_revised for change in changes)
    withdrawn = sum(is_withdrawal(h.record) for h in new)
    return StoreCount(
        seen=len(records),
        new=len(new),
        revised=revised,
        withdrawn=withdrawn + sum(change.is_newly_withdrawn for change in changes),
        unchanged=len(records) - len(new) - revised,
    )


def _keep_news(hashed: list[_Hashed], known: dict[str, StoredPaper], source: str) -> list[_Hashed]:
    """The records that are not word for word what the store holds."""
    stored = (known.get(h.record.arxiv_id) for h in hashed)
    return [
        h
        for h, old in zip(hashed, stored, strict=True)
        if old is None or not is_unchanged(old, h.record, h.text_hash, source)
    ]


def _become_the_writer(connection: Connection) -> None:
    """Two processes that store the same new paper would both find it missing otherwise."""
    if is_sqlite(connection):
        connection.execute(text(f"PRAGMA cache_size=-{CACHE_KIB}"))
        connection.execute(text("BEGIN IMMEDIATE"))
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": STORE_LOCK})


def _read_known(connection: Connection, records: list[PaperRecord]) -> dict[str, StoredPaper]:
    arxiv_ids = [record.arxiv_id for record in records]
    query = (
        select(*KNOWN_COLUMNS, VERSION.c.text_hash)
        .outerjoin_from(PAPER, VERSION, VERSION.c.id == PAPER.c.version_id)
        .where(PAPER.c.arxiv_id.in_(arxiv_ids))
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


def _find_changes(
    connection: Connection, told: list[_Hashed], known: dict[str, StoredPaper], source: str
) -> list[Change]:
    ids = [known[h.record.arxiv_id].id for h in told]
    seen: dict[int, set[tuple[int, str]]] = {paper_id: set() for paper_id in ids}
    query = select(VERSION.c.paper_id, VERSION.c.version, VERSION.c.text_hash)
    for row in connection.execute(query.where(VERSION.c.paper_id.in_(ids))):
        seen[row.paper_id].add((row.version, row.text_hash))
    return [
        compare(stored, h.record, h.text_hash, seen[stored.id], source)
        for h in told
        for stored in [known[h.record.arxiv_id]]
    ]


def _insert_new(connection: Connection, new: list[_Hashed], source: str) -> None:
    if not new:
        return
    now = utc_now()
    rows = [
        {
            "arxiv_id": h.record.arxiv_id,
            "title": h.record.title,
            "abstract": h.record.abstract,
            "authors": list(h.record.authors),
            "categories": list(h.record.categories),
            "published": h.record.published,
            "listed": h.record.listed,
            "updated": h.record.updated,
            "comment": h.record.comment,
            "version": h.record.version or 1,
            "is_withdrawn": is_withdrawal(h.record),
            "source": source,
            "first_seen_at": now,
        }
        for h in new
    ]
    # One statement for many rows: FTS5 writes a segment out at the end of each statement.
    answer = connection.execute(insert(PAPER).returning(PAPER.c.id, PAPER.c.arxiv_id), rows)
    ids = {row.arxiv_id: row.id for row in answer}
    versions = [
        _version_row(ids[h.record.arxiv_id], h.record.version or 1, h.record, h.text_hash, source)
        for h in new
    ]
    connection.execute(insert(VERSION), versions)
    _put_in_force(connection, ids.values())


def _put_in_force(connection: Connection, paper_ids: Iterable[int]) -> None:
    """Point new papers to their only text."""
    only = select(VERSION.c.id).where(VERSION.c.paper_id == PAPER.c.id).scalar_subquery()
    connection.execute(update(PAPER).where(PAPER.c.id.in_(list(paper_ids))).values(version_id=only))


def _version_row(
    paper_id: int, version: int, record: PaperRecord, text_hash: str, source: str
) -> dict[str, Any]:
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


def _write_changes(connection: Connection, changes: list[Change], source: str) -> None:
    rows = [
        _version_row(c.paper_id, c.version, c.record, c.text_hash, source)
        for c in changes
        if c.has_unseen_text
    ]
    if rows:
        connection.execute(insert(VERSION), rows)
    for change in changes:
        if change.fields:
            by_id = update(PAPER).where(PAPER.c.id == change.paper_id)
            connection.execute(by_id.values(**change.fields))
    forced = [_force_row(change) for change in changes if change.takes_force]
    if forced:
        connection.execute(FORCE_TEXT, forced)


def _force_row(change: Change) -> dict[str, Any]:
    return {
        "which": change.paper_id,
        "of_version": change.version,
        "hash": change.text_hash,
        "new_title": change.record.title,
        "new_abstract": change.record.abstract,
    }


FORCE_TEXT = (
    update(PAPER)
    .where(PAPER.c.id == bindparam("which"))
    .values(
        title=bindparam("new_title"),
        abstract=bindparam("new_abstract"),
        version_id=select(VERSION.c.id)
        .where(
            VERSION.c.paper_id == bindparam("which"),
            VERSION.c.version == bindparam("of_version"),
            VERSION.c.text_hash == bindparam("hash"),
        )
        .scalar_subquery(),
    )
)
