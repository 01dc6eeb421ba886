"""What of a line outlives a changed document: findings that stayed, and what people did.

A finding whose text is still there keeps its row, so that claims and ties that point to it
hold; an anchor keeps its checked state and a tie made by a person.
"""

from collections import defaultdict
from collections.abc import Sequence

from sqlmodel import Session, col, delete, select, update

from claims.claim_parts import describe_numbers
from claims.documents import FindingEntry, LineDocument
from db.columns import stored_id
from db.models import Anchor, Claim, Finding, FindingNote

BY_LABEL = "label"
BY_LIKENESS = "likeness"


def keep_findings(session: Session, document: LineDocument, line_id: int) -> list[Finding]:
    """The line's findings as rows, in the document's order; unchanged ones keep their id."""
    before: defaultdict[str, list[Finding]] = defaultdict(list)
    for row in session.exec(select(Finding).where(Finding.line_id == line_id)).all():
        before[row.text].append(row)
    rows: list[Finding] = []
    for position, entry in enumerate(document.findings):
        values = {"line_id": line_id, **_values(entry, position)}
        if before[entry.text]:
            rows.append(before[entry.text].pop(0))
            for name, value in values.items():
                setattr(rows[-1], name, value)
        else:
            rows.append(Finding.model_validate(values))
    gone = [stored_id(row.id) for left in before.values() for row in left]
    if gone:
        session.exec(update(Claim).where(col(Claim.finding_id).in_(gone)).values(finding_id=None))
        session.exec(delete(Finding).where(col(Finding.id).in_(gone)))
    session.add_all(rows)
    session.flush()
    return rows


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


def find_ties_by_people(session: Session, findings: Sequence[Finding]) -> list[FindingNote]:
    """The ties that people made; those by likeness are removed, to be measured anew."""
    ids = [stored_id(row.id) for row in findings]
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
