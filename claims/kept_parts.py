"""What of a line outlives a changed document: findings that stayed, and what people did.

A finding whose text is still there keeps its row, so that claims and ties that point to it
hold; an anchor keeps its checked state and a tie made by a person.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import cast

from sqlalchemy import Table, insert, inspect
from sqlmodel import Session, col, delete, select, update

from claims.claim_parts import describe_numbers
from claims.documents import FindingEntry, LineDocument
from db.columns import stored_id
from db.models import Anchor, Claim, Finding, FindingNote

BY_LABEL = "label"
BY_LIKENESS = "likeness"


def keep_findings(
    session: Session, document: LineDocument, line_id: int, *, is_new: bool
) -> list[int]:
    """Store the line's findings; their ids in the document's order, unchanged ones keep theirs."""
    before: defaultdict[str, list[Finding]] = defaultdict(list)
    if not is_new:
        for row in session.exec(select(Finding).where(Finding.line_id == line_id)).all():
            before[row.text].append(row)
    ids: dict[int, int] = {}
    fresh: list[dict[str, object]] = []
    for position, entry in enumerate(document.findings):
        values = {"line_id": line_id, **_values(entry, position)}
        if before[entry.text]:
            row = before[entry.text].pop(0)
            for name, value in values.items():
                setattr(row, name, value)
            session.add(row)
            ids[position] = stored_id(row.id)
        else:
            fresh.append(values)
    _drop_findings(session, [stored_id(row.id) for left in before.values() for row in left])
    ids |= _insert_findings(session, fresh)
    return [ids[position] for position in range(len(document.findings))]


def _insert_findings(session: Session, rows: list[dict[str, object]]) -> dict[int, int]:
    """Ids of new findings by their position."""
    if not rows:
        return {}
    table = cast(Table, inspect(Finding).local_table)
    session.flush()
    found = session.connection().execute(
        insert(table).returning(table.c.position, table.c.id), rows
    )
    return {int(row[0]): int(row[1]) for row in found}


def _drop_findings(session: Session, gone: list[int]) -> None:
    """Delete findings that the document no longer holds; claims made from them stay."""
    if gone:
        session.exec(update(Claim).where(col(Claim.finding_id).in_(gone)).values(finding_id=None))
        session.exec(delete(Finding).where(col(Finding.id).in_(gone)))


def _values(entry: FindingEntry, position: int) -> dict[str, object]:
    return {
        "position": position,
        "text": entry.text,
        "raw": entry.raw,
        "start": entry.start,
        "end": entry.end,
        "found_from": entry.found_from,
        "found_to": entry.found_to,
        "date_raw": entry.date_raw,
        "numbers": describe_numbers(entry.text),
        "is_compound": entry.is_compound,
    }


def find_ties_by_people(session: Session, ids: Sequence[int]) -> list[FindingNote]:
    """The ties of findings that people made; those by likeness go, to be measured anew."""
    if not ids:
        return []
    session.exec(
        delete(FindingNote).where(
            col(FindingNote.finding_id).in_(ids), col(FindingNote.tied_by) == BY_LIKENESS
        )
    )
    return list(session.exec(select(FindingNote).where(col(FindingNote.finding_id).in_(ids))).all())


def take_anchors(session: Session, line_id: int) -> dict[tuple[str | None, str], Anchor]:
    """The line's anchors by id and label, taken out of the database to be stored anew."""
    rows = session.exec(select(Anchor).where(Anchor.line_id == line_id)).all()
    for row in rows:
        session.expunge(row)
    if rows:
        session.exec(delete(Anchor).where(col(Anchor.line_id) == line_id))
    return {(row.arxiv_id, row.label): row for row in rows}
