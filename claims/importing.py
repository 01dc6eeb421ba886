"""Puts a read document into the library: atomic, and the same document twice is no change.

A claim belongs to a note; a line refers to it. A note that the library knows keeps its
claim and its handle; only the line that a wording came from may revise it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import Session, col, delete, func, select

from claims.arxiv_ids import find_marked_ids
from claims.document_checks import is_hub, tie_anchors
from claims.documents import DocumentWarning, LineDocument, NoteEntry, read_document_text
from claims.grammar import parse_document
from claims.handles import next_handle
from claims.quantities import find_quantities
from claims.sentences import first_sentence
from claims.succession import find_heirs, is_reworded
from db.columns import stored_id, utc_now
from db.models import (
    Anchor,
    Claim,
    ClaimRevision,
    Finding,
    ImportWarning,
    Line,
    LineClaim,
    LineNote,
    Mention,
    Note,
    Task,
)


@dataclass(frozen=True)
class ImportedDocument:
    """What one import did; counts are of the document, not of what was new."""

    path: str
    line: str  # slug
    notes: int
    hubs: int
    claims: int
    findings: int
    anchors: int
    tasks: int
    warnings: tuple[DocumentWarning, ...]
    is_new: bool
    changed: bool


def import_file(session: Session, path: Path) -> ImportedDocument:
    """Import one text document in one transaction.

    Raises:
        DocumentRefused: it cannot be read as a line; nothing was stored.
    """
    return import_text(session, read_document_text(path), str(path))


def import_text(session: Session, text: str, source: str) -> ImportedDocument:
    """Import a document in normal form; ``source`` says where it came from."""
    document = parse_document(text)
    line = session.exec(select(Line).where(Line.slug == document.slug)).first()
    if line is not None and line.content_hash == document.content_hash:
        return _summarise(session, document, line, source, is_new=False, changed=False)
    is_new = line is None
    try:
        line = _store_line(session, document, line, source)
        notes = _store_notes(session, document, line)
        _store_parts(session, document, line, notes)
        extra = _warn_of_other_wordings(session, document, notes)
        _store_warnings(session, line, [*document.warnings, *extra])
        session.commit()
    except BaseException:
        session.rollback()
        raise
    return _summarise(session, document, line, source, is_new=is_new, changed=True)


def _summarise(
    session: Session,
    document: LineDocument,
    line: Line,
    source: str,
    *,
    is_new: bool,
    changed: bool,
) -> ImportedDocument:
    stored = session.exec(
        select(ImportWarning)
        .where(ImportWarning.line_id == line.id)
        .order_by(col(ImportWarning.position))
    ).all()
    claims = session.exec(
        select(func.count()).select_from(LineClaim).where(LineClaim.line_id == line.id)
    ).one()
    return ImportedDocument(
        path=source,
        line=line.slug,
        notes=len(document.notes),
        hubs=sum(is_hub(note.title) for note in document.notes),
        claims=claims,
        findings=len(document.findings),
        anchors=len(document.anchors),
        tasks=len(document.tasks),
        warnings=tuple(DocumentWarning(row.code, row.message) for row in stored),
        is_new=is_new,
        changed=changed,
    )


def _store_line(session: Session, document: LineDocument, line: Line | None, source: str) -> Line:
    values = {
        "slug": document.slug,
        "question": document.question,
        "standfirst": document.standfirst,
        "essay": list(document.essay),
        "topic": document.topic,
        "declared_notes": document.declared_notes,
        "span_from": document.span_from,
        "span_to": document.span_to,
        "text": document.text,
        "unread": "\n".join(document.unread) or None,
        "source": source,
        "content_hash": document.content_hash,
    }
    if line is None:
        line = Line.model_validate(values)
    else:
        for name, value in values.items():
            setattr(line, name, value)
        line.changed_at = utc_now()
    session.add(line)
    session.flush()
    for table in (LineNote, LineClaim, Finding, Anchor, Task, Mention, ImportWarning):
        session.exec(delete(table).where(col(table.line_id) == line.id))
    return line


def _store_notes(session: Session, document: LineDocument, line: Line) -> dict[str, Note]:
    """The line's notes by slug, each with its claim."""
    notes: dict[str, Note] = {}
    heirs: list[Claim] = []
    for position, entry in enumerate(document.notes):
        if entry.slug in notes:
            continue
        note = session.exec(select(Note).where(Note.slug == entry.slug)).first()
        if note is None:
            note = Note(
                slug=entry.slug,
                title=entry.title,
                kind="hub" if is_hub(entry.title) else "note",
                summary=entry.summary,
            )
            session.add(note)
            session.flush()
        claim = _store_claim(session, note, entry, line)
        session.add(
            LineNote(
                line_id=stored_id(line.id),
                note_id=stored_id(note.id),
                position=position,
                cited=entry.cited,
            )
        )
        heirs += find_heirs(session, claim)
        notes[entry.slug] = note
    for claim_id in dict.fromkeys(stored_id(heir.id) for heir in heirs):
        session.add(LineClaim(line_id=stored_id(line.id), claim_id=claim_id))
    return notes


def _store_claim(session: Session, note: Note, entry: NoteEntry, line: Line) -> Claim:
    first = select(Claim).where(Claim.note_id == note.id).order_by(col(Claim.id))
    claim = session.exec(first).first()
    statement = first_sentence(entry.summary) or entry.title
    text = entry.summary or entry.title
    if claim is None:
        claim = Claim(
            handle=next_handle(session),
            slug=note.slug,
            note_id=note.id,
            statement=statement,
            text=text,
        )
        session.add(claim)
        session.flush()
        _add_revision(session, claim, f"imported with line {line.slug}")
    elif claim.text != text and _may_revise(session, claim, note, line):
        claim.statement, claim.text = statement, text
        claim.revision_number += 1
        note.summary, note.title = entry.summary, entry.title
        session.add_all([claim, note])
        _add_revision(session, claim, f"changed in line {line.slug}")
    return claim


def _may_revise(session: Session, claim: Claim, note: Note, line: Line) -> bool:
    """An import revises what an import worded, in force, and no other line words."""
    is_ours = claim.retired_at is None and not is_reworded(session, claim)
    return is_ours and _is_only_line_of(session, note, line)


def _is_only_line_of(session: Session, note: Note, line: Line) -> bool:
    others = select(LineNote).where(LineNote.note_id == note.id, LineNote.line_id != line.id)
    return session.exec(others).first() is None


def _add_revision(session: Session, claim: Claim, reason: str) -> None:
    session.add(
        ClaimRevision(
            claim_id=stored_id(claim.id),
            number=claim.revision_number,
            statement=claim.statement,
            text=claim.text,
            numbers=[quantity.record() for quantity in find_quantities(claim.text)],
            author="import",
            reason=reason,
        )
    )


def _store_parts(
    session: Session, document: LineDocument, line: Line, notes: dict[str, Note]
) -> None:
    for position, finding in enumerate(document.findings):
        session.add(
            Finding(
                line_id=stored_id(line.id),
                position=position,
                text=finding.text,
                raw=finding.raw,
                start=finding.start,
                end=finding.end,
                found_from=finding.found_from,
                found_to=finding.found_to,
                date_raw=finding.date_raw,
                numbers=[quantity.record() for quantity in finding.numbers],
                is_compound=finding.is_compound,
            )
        )
    _store_anchors(session, document, line, notes)
    for task in document.tasks:
        session.add(
            Task(line_id=stored_id(line.id), number=task.number, title=task.title, text=task.text)
        )
    _store_mentions(session, document, line, notes)


def _store_anchors(
    session: Session, document: LineDocument, line: Line, notes: dict[str, Note]
) -> None:
    ties = tie_anchors(document)
    for position, anchor in enumerate(document.anchors):
        note = notes.get(ties.get(anchor.arxiv_id or "", ""))
        session.add(
            Anchor(
                line_id=stored_id(line.id),
                note_id=note.id if note else None,
                position=position,
                arxiv_id=anchor.arxiv_id,
                version=anchor.version,
                label=anchor.label,
                raw=anchor.raw,
                month_stated=anchor.month_stated,
                month_from_id=anchor.month_from_id,
                tied_by="label" if note else None,
            )
        )


def _store_mentions(
    session: Session, document: LineDocument, line: Line, notes: dict[str, Note]
) -> None:
    for note in document.notes:
        for span in find_marked_ids(note.summary):
            if span.arxiv_id is not None:
                session.add(
                    Mention(
                        arxiv_id=span.arxiv_id.id,
                        version=span.arxiv_id.version,
                        line_id=stored_id(line.id),
                        note_id=notes[note.slug].id,
                        raw=span.raw,
                        start=span.start,
                        end=span.end,
                    )
                )


def _warn_of_other_wordings(
    session: Session, document: LineDocument, notes: dict[str, Note]
) -> list[DocumentWarning]:
    """Notes that other lines word differently: the library keeps its wording and says so."""
    warnings = []
    for entry in document.notes:
        note = notes[entry.slug]
        if note.title != entry.title:
            warnings.append(
                DocumentWarning(
                    "slug-shared", f"note {entry.title!r} has the slug of {note.title!r}"
                )
            )
        elif note.summary != entry.summary:
            warnings.append(
                DocumentWarning(
                    "note-wording", f"note {entry.title!r} is worded otherwise by another line"
                )
            )
    return warnings


def _store_warnings(session: Session, line: Line, warnings: Sequence[DocumentWarning]) -> None:
    for position, warning in enumerate(warnings):
        session.add(
            ImportWarning(
                line_id=stored_id(line.id),
                position=position,
                code=warning.code,
                message=warning.message,
            )
        )
