"""The paper store: the same paper from any source is one row, and no text is ever lost.

Decides how records become rows: batches in short transactions, one writer at a time. What
a record changes in a known paper is decided in ``ingest.revisions``. Knows nothing of
where records come from.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, insert, select, text, update

from db.engine import is_sqlite
from ingest.known_papers import find_news, keep_news, read_known
from ingest.new_papers import PAPER, VERSION, Hashed, describe_version, insert_new
from ingest.revisions import Change, StoredPaper, compare, hash_text
from ingest.sources.records import PaperRecord, is_withdrawal

BATCH = 1000  # papers a transaction: a fraction of a second for the database's one writer
LOAD_BATCH = 2000  # of a file, which can be read again: as many as one statement takes
CACHE_KIB = 64 * 1024  # SQLite: the full-text index is rewritten in memory, not on disk
STORE_LOCK = 724413  # PostgreSQL advisory lock: one process stores papers at a time


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


def store_papers(
    engine: Engine, records: Iterable[PaperRecord], source: str, batch: int = BATCH
) -> StoreCount:
    """Store records as they come; each batch is kept even if a later record never arrives.

    ``source`` is api, oai, snapshot or feed. Idempotent, and the same whatever the batch.
    """
    count = StoreCount()
    for counted in store_in_batches(engine, records, source, batch):
        count += counted
    return count


def store_in_batches(
    engine: Engine, records: Iterable[PaperRecord], source: str, batch: int = BATCH
) -> Iterator[StoreCount]:
    """As ``store_papers``, one count a committed batch, for callers that report progress.

    An error of ``records`` is raised after what came before it has been stored.
    """
    failure: list[Exception] = []
    rest = iter(_until_failure(records, failure))
    while taken := list(islice(rest, batch)):
        yield from (_store_batch(engine, part, source) for part in _split_repeats(taken))
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
    told = [_hash_record(record) for record in records]
    with engine.connect() as connection:
        news = find_news(connection, told, source)
        if not news:
            return StoreCount(seen=len(records), unchanged=len(records))
        connection.rollback()
        _become_the_writer(connection)
        known = read_known(connection, news)
        news = keep_news(news, known, source)
        new = [h for h in news if h.record.arxiv_id not in known]
        changed = [h for h in news if h.record.arxiv_id in known]
        changes = _find_changes(connection, changed, known, source)
        insert_new(connection, new, source)
        _write_changes(connection, changes, source)
        connection.commit()
    revised = sum(change.is_revised for change in changes)
    withdrawn = sum(h.withdraws for h in new)
    return StoreCount(
        seen=len(records),
        new=len(new),
        revised=revised,
        withdrawn=withdrawn + sum(change.is_newly_withdrawn for change in changes),
        unchanged=len(records) - len(new) - revised,
    )


def _hash_record(record: PaperRecord) -> Hashed:
    return Hashed(record, hash_text(record.title, record.abstract), is_withdrawal(record))


def _become_the_writer(connection: Connection) -> None:
    """Two processes that store the same new paper would both find it missing otherwise."""
    if is_sqlite(connection):
        connection.execute(text(f"PRAGMA cache_size=-{CACHE_KIB}"))
        connection.execute(text("BEGIN IMMEDIATE"))
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": STORE_LOCK})


def _find_changes(
    connection: Connection, told: list[Hashed], known: dict[str, StoredPaper], source: str
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


def _write_changes(connection: Connection, changes: list[Change], source: str) -> None:
    rows = [
        describe_version(c.paper_id, c.version, c.record, c.text_hash, source)
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
