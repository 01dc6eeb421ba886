"""What a record says that the store does not know yet: a pure decision, tested row by row.

Decides when a text replaces the one in force, and that an older version number never does.
Texts are compared by hash, since half of all sources do not state the version. Knows
nothing of the database.
"""

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Any

from ingest.sources.records import PaperRecord, is_withdrawal

STATES_DATES = {"api", "oai"}  # their first-submission day outranks another source's


@dataclass(frozen=True, slots=True)
class StoredPaper:
    """What the store holds of a paper, without its text."""

    id: int
    version: int
    text_hash: str | None  # of the text in force
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    published: date | None
    listed: date | None
    updated: date | None
    comment: str | None
    is_withdrawn: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What to write for one known paper; empty parts are not written."""

    paper_id: int
    record: PaperRecord
    text_hash: str
    version: int  # that the record's text is of
    fields: dict[str, Any]  # columns of paper, without the text
    has_unseen_text: bool  # keep a paper_version row
    takes_force: bool  # the record's text becomes the paper's
    is_revised: bool  # title or abstract changed, or the paper became withdrawn
    is_newly_withdrawn: bool


def hash_text(title: str, abstract: str) -> str:
    """SHA-256 of a paper's text, in hexadecimal."""
    return hashlib.sha256(f"{title}\n{abstract}".encode()).hexdigest()


def is_unchanged(stored: StoredPaper, record: PaperRecord, text_hash: str, source: str) -> bool:
    """Whether a record repeats what is stored; the quick answer for nearly all of a reload."""
    return (
        text_hash == stored.text_hash
        and (record.version or 0) <= stored.version
        and not _find_changed_fields(stored, record, source)
    )


def compare(
    stored: StoredPaper,
    record: PaperRecord,
    text_hash: str,
    seen_texts: set[tuple[int, str]],
    source: str,
) -> Change:
    """What a record changes in a known paper whose texts ``seen_texts`` (version, hash) are.

    A text already seen never takes force again, so two sources that word one version
    differently do not turn the paper back and forth.
    """
    version = record.version or stored.version
    is_seen = (
        (version, text_hash) in seen_texts
        if record.version
        else text_hash in {seen for _, seen in seen_texts}
    )
    is_later_version = version > stored.version
    takes_force = is_later_version or (not is_seen and not _is_older(stored, record))
    fields = _find_changed_fields(stored, record, source)
    if takes_force and version != stored.version:
        fields["version"] = version
    is_newly_withdrawn = bool(fields.get("is_withdrawn"))
    return Change(
        paper_id=stored.id,
        record=record,
        text_hash=text_hash,
        version=version,
        fields=fields,
        has_unseen_text=not is_seen,
        takes_force=takes_force,
        is_revised=is_newly_withdrawn or (takes_force and text_hash != stored.text_hash),
        is_newly_withdrawn=is_newly_withdrawn,
    )


def _is_older(stored: StoredPaper, record: PaperRecord) -> bool:
    """Whether a record is of an earlier state than the stored one, as far as it tells."""
    if record.version is not None and record.version != stored.version:
        return record.version < stored.version
    if record.updated is not None and stored.updated is not None:
        return record.updated < stored.updated
    return record.version is None and stored.version > 1


def _is_same(name: str, old: Any, new: Any) -> bool:
    """Whether two sources say the same: they order secondary categories differently."""
    if name == "categories" and old:
        return bool(old[0] == new[0] and set(old) == set(new))
    return bool(old == new)


def _find_changed_fields(stored: StoredPaper, record: PaperRecord, source: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    older = _is_older(stored, record)
    outranks = stored.published is None or source in STATES_DATES
    if record.published and record.published != stored.published and outranks:
        fields["published"] = record.published
    if record.listed and (stored.listed is None or record.listed < stored.listed):
        fields["listed"] = record.listed
    if record.updated and (stored.updated is None or record.updated > stored.updated):
        fields["updated"] = record.updated
    for name in ("authors", "categories", "comment"):
        new, old = getattr(record, name), getattr(stored, name)
        if new and not _is_same(name, old, new) and not (older and old):
            fields[name] = list(new) if isinstance(new, tuple) else new
    if is_withdrawal(record):
        if not stored.is_withdrawn and not older:
            fields["is_withdrawn"] = True
    elif stored.is_withdrawn and (record.version or 0) > stored.version:
        fields["is_withdrawn"] = False
    return fields
