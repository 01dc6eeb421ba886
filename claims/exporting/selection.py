"""Which lines, notes and claims an export holds: the whole library, or what one line needs.

A claim brings the claims that stand in its place, and everything chosen brings its notes,
so that no reference leads outside.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from db.columns import stored_id
from db.models import Anchor, Claim, Finding, FindingNote, Line, LineClaim, LineNote, Mention, Note


@dataclass(frozen=True)
class Selection:
    """Rows in order of their ids; ``is_whole`` when nothing was left out."""

    lines: list[Line]
    notes: list[Note]
    claims: list[Claim]
    is_whole: bool


def select_library(session: Session, line: Line | None = None) -> Selection:
    """The whole library, or the part of it that one line leans on."""
    if line is None:
        return Selection(
            _read_all(session, Line), _read_all(session, Note), _read_all(session, Claim), True
        )
    claims = _claims_of(session, line)
    notes = _note_ids(session, line) | {c.note_id for c in claims if c.note_id is not None}
    chosen = session.exec(select(Note).where(col(Note.id).in_(notes)).order_by(col(Note.id))).all()
    return Selection([line], list(chosen), claims, False)


def read_children(
    session: Session, table: Any, parent: str, chosen: Selection, owners: Iterable[Any]
) -> defaultdict[int, list[Any]]:
    """The rows of a table by the id of the row that they belong to, in order of their keys."""
    query = select(table).order_by(*table.__table__.primary_key.columns)
    if not chosen.is_whole:
        ids = [stored_id(owner.id) for owner in owners]
        query = query.where(getattr(table, parent).in_(ids))
    children: defaultdict[int, list[Any]] = defaultdict(list)
    for row in session.exec(query).all():
        children[getattr(row, parent)].append(row)
    return children


def _read_all(session: Session, table: Any) -> list[Any]:
    return list(session.exec(select(table).order_by(table.id)).all())


def _claims_of(session: Session, line: Line) -> list[Claim]:
    linked = select(LineClaim.claim_id).where(LineClaim.line_id == line.id)
    noted = select(LineNote.note_id).where(LineNote.line_id == line.id)
    found = session.exec(
        select(Claim).where(col(Claim.id).in_(linked) | col(Claim.note_id).in_(noted))
    ).all()
    claims = {stored_id(claim.id): claim for claim in found}
    waiting = [claim.merged_into_id for claim in found]
    while waiting:
        claim_id = waiting.pop()
        if claim_id is not None and claim_id not in claims:
            claims[claim_id] = session.get_one(Claim, claim_id)
            waiting.append(claims[claim_id].merged_into_id)
    return [claims[claim_id] for claim_id in sorted(claims)]


def _note_ids(session: Session, line: Line) -> set[int]:
    ids: set[int | None] = set()
    for table in (LineNote, Anchor, Mention):
        ids |= set(session.exec(select(table.note_id).where(table.line_id == line.id)).all())
    findings = select(Finding.id).where(Finding.line_id == line.id)
    tied = select(FindingNote.note_id).where(col(FindingNote.finding_id).in_(findings))
    ids |= set(session.exec(tied).all())
    return {note_id for note_id in ids if note_id is not None}
