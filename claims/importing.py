"""Puts a read document into the library: atomic, and the same document twice is no change.

A claim belongs to a note; a line refers to it. A note that the library knows keeps its
claim and its handle. Two processes may import at once: a document whose rows another
process took first is read and stored anew.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import Session, SQLModel, col, delete, func, select

from claims.arxiv_ids import find_marked_ids
from claims.document_checks import tie_anchors
from claims.documents import DocumentWarning, LineDocument, read_document_bytes
from claims.finding_notes import ProposedSplit, propose_splits, tie_findings
from claims.grammar import parse_document
from claims.kept_parts import (
    BY_LABEL,
    BY_LIKENESS,
    find_ties_by_people,
    keep_findings,
    take_anchors,
)
from claims.note_store import NoteChange, StoredNotes, store_entries
from claims.pages import PageText, read_page
from claims.slugs import is_same_question, number_slug
from claims.succession import find_heirs
from db.columns import stored_id, utc_now
from db.engine import is_sqlite
from db.errors import DocumentRefused
from db.models import (
    Anchor,
    FindingNote,
    ImportWarning,
    Line,
    LineClaim,
    LineNote,
    Mention,
    Note,
    Task,
)

SLUG_BEGINS = 24  # characters: own and made slugs of a question differ later, if at all
OWN_REPORT = re.compile(r"Night of \d.{0,40} · run \d{4}\b")  # under each page's title
OWN_REPORT_WITHIN_LINES = 8
ATTEMPTS = 3  # of one document, when another process writes at the same time
IMPORT_LOCK = 724412  # PostgreSQL: one import writes at a time, others wait


@dataclass(frozen=True)
class ImportedDocument:
    """What one import did; counts are of the document, not of what was new."""

    path: str
    line: str  # slug; empty for a page that is no line
    notes: int
    hubs: int
    claims: int
    findings: int
    anchors: int
    tasks: int
    warnings: tuple[DocumentWarning, ...]
    is_new: bool
    changed: bool
    kind: str = "line"  # line | note | hub | paper
    note: str | None = None  # slug, for a note or a hub
    changes: tuple[NoteChange, ...] = ()
    splits: tuple[ProposedSplit, ...] = ()


def import_file(session: Session, path: Path) -> ImportedDocument:
    """Import one document (text, HTML or Markdown) in one transaction.

    Raises:
        DocumentRefused: it cannot be read; nothing was stored.
    """
    return import_bytes(session, read_document_bytes(path), str(path))


def import_bytes(session: Session, data: bytes, source: str) -> ImportedDocument:
    """Import a document's bytes; ``source`` is its path, or what else is shown for it."""
    return import_page(session, read_page(data, source))


def import_text(session: Session, text: str, source: str) -> ImportedDocument:
    """Import a line document in normal form; ``source`` says where it came from."""
    return _import_line(session, PageText(source, text))


def import_page(session: Session, page: PageText) -> ImportedDocument:
    """Import a page as what it is: a line, a note, a topic hub or a paper.

    Raises:
        DocumentRefused: it is a page that a report of ours wrote. Its title is its line's
            question, so that it would take the line's place.
    """
    from claims.note_importing import import_note_page, import_paper_page
    from claims.note_pages import find_page_kind

    if _is_own_report(page.text):
        raise DocumentRefused(
            f"{page.name} is a page that reassay wrote: import the line's own document"
        )
    kind = find_page_kind(page)
    if kind == "line":
        return _import_line(session, page)
    if kind == "paper":
        return try_import(session, lambda: import_paper_page(session, page))
    return try_import(session, lambda: import_note_page(session, page, kind))


def _is_own_report(text: str) -> bool:
    beginning = [line for line in text.splitlines() if line.strip()][:OWN_REPORT_WITHIN_LINES]
    return any(OWN_REPORT.match(line.strip()) for line in beginning)


def try_import(session: Session, store: Callable[[], ImportedDocument]) -> ImportedDocument:
    """Run one document's import; again when another process was first, rolled back else."""
    for attempt in count(1):
        try:
            return store()
        except (IntegrityError, OperationalError) as error:
            session.rollback()
            if attempt == ATTEMPTS or not _is_conflict(error):
                raise
        except BaseException:
            session.rollback()
            raise
    raise AssertionError("unreachable")  # count() has no end


def lock_imports(session: Session) -> None:
    """Let no other import write before this one's commit; SQLite's first write does the same."""
    if not is_sqlite(session.get_bind()):
        session.connection().execute(text(f"SELECT pg_advisory_xact_lock({IMPORT_LOCK})"))


def _is_conflict(error: IntegrityError | OperationalError) -> bool:
    words = str(error.orig).lower()
    return isinstance(error, IntegrityError) or "locked" in words or "deadlock" in words


def _import_line(session: Session, page: PageText) -> ImportedDocument:
    slug = page.address.slug if page.address and page.address.kind == "line" else None
    document = parse_document(page.text, links=page.links, slug=slug, today=utc_now().date())
    return try_import(session, lambda: _store_document(session, document, page))


def _store_document(session: Session, document: LineDocument, page: PageText) -> ImportedDocument:
    lock_imports(session)
    line, slug = _find_line(session, document, has_own_slug=page.address is not None)
    if line is not None and line.content_hash == document.content_hash:
        result = _summarise(session, document, line, page.name)
        session.commit()
        return result
    is_new = line is None
    line = _store_line(session, document, line, slug, page.name)
    notes = store_entries(session, document.notes, stored_id(line.id))
    _store_parts(session, document, line, notes, is_new=is_new)
    warnings = [*page.warnings, *document.warnings, *notes.warnings]
    if slug != document.slug:
        warnings.append(
            DocumentWarning(
                "slug-shared", f"another question has the slug {document.slug}; kept as {slug}"
            )
        )
    store_warnings(session, stored_id(line.id), warnings)
    session.commit()
    return _describe(document, line, page.name, notes, warnings, is_new=is_new)


def _find_line(
    session: Session, document: LineDocument, *, has_own_slug: bool
) -> tuple[Line | None, str]:
    """The stored line that this document is, and the slug that it has or will have."""
    for number in count(1):
        slug = document.slug if number == 1 else number_slug(document.slug, number)
        line = session.exec(select(Line).where(Line.slug == slug)).first()
        if line is None or has_own_slug or is_same_question(line.question, document.question):
            break
    if line is None and number == 1:
        line = _find_by_question(session, document)
        slug = line.slug if line is not None else slug
    return line, slug


def _find_by_question(session: Session, document: LineDocument) -> Line | None:
    """The line of this very question whose page gave it a slug that begins like this one."""
    begins = col(Line.slug).startswith(document.slug[:SLUG_BEGINS], autoescape=True)
    for line_id in session.exec(select(Line.id).where(begins)).all():
        line = session.get(Line, line_id)
        if line is not None and line.question == document.question:
            return line
    return None


def _describe(
    document: LineDocument,
    line: Line,
    source: str,
    notes: StoredNotes,
    warnings: Sequence[DocumentWarning],
    *,
    is_new: bool,
) -> ImportedDocument:
    kinds = [notes.by_slug[entry.slug].kind for entry in document.notes]
    return ImportedDocument(
        path=source,
        line=line.slug,
        notes=len(document.notes),
        hubs=kinds.count("hub"),
        claims=len(notes.claims),
        findings=len(document.findings),
        anchors=len(document.anchors),
        tasks=len(document.tasks),
        warnings=tuple(warnings),
        is_new=is_new,
        changed=True,
        changes=tuple(notes.changes),
        splits=tuple(propose_splits(document)),
    )


def _summarise(
    session: Session, document: LineDocument, line: Line, source: str
) -> ImportedDocument:
    """What is stored of a document that is not new."""
    stored = session.exec(
        select(ImportWarning)
        .where(ImportWarning.line_id == line.id)
        .order_by(col(ImportWarning.position))
    ).all()
    kinds = session.exec(
        select(Note.kind)
        .join(LineNote, col(LineNote.note_id) == Note.id)
        .where(LineNote.line_id == line.id)
    ).all()
    claims = session.exec(
        select(func.count()).select_from(LineClaim).where(LineClaim.line_id == line.id)
    ).one()
    return ImportedDocument(
        path=source,
        line=line.slug,
        notes=len(document.notes),
        hubs=list(kinds).count("hub"),
        claims=claims,
        findings=len(document.findings),
        anchors=len(document.anchors),
        tasks=len(document.tasks),
        warnings=tuple(DocumentWarning(row.code, row.message) for row in stored),
        is_new=False,
        changed=False,
        splits=tuple(propose_splits(document)),
    )


def _store_line(
    session: Session, document: LineDocument, line: Line | None, slug: str, source: str
) -> Line:
    values = {
        "slug": slug,
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
    is_new = line is None
    if line is None:
        line = Line.model_validate(values)
    else:
        for name, value in values.items():
            setattr(line, name, value)
        line.changed_at = utc_now()
    session.add(line)
    session.flush()
    if not is_new:
        for table in (LineNote, LineClaim, Task, Mention, ImportWarning):
            session.exec(delete(table).where(col(table.line_id) == line.id))
    return line


def _store_parts(
    session: Session, document: LineDocument, line: Line, notes: StoredNotes, *, is_new: bool
) -> None:
    line_id = stored_id(line.id)
    places = {entry.slug: place for place, entry in reversed(list(enumerate(document.notes)))}
    cited = {entry.slug: entry.cited for entry in reversed(document.notes)}
    _insert(
        session,
        LineNote,
        [
            {"line_id": line_id, "note_id": note.id, "position": places[slug], "cited": cited[slug]}
            for slug, note in notes.by_slug.items()
        ],
    )
    heirs = {heir.id for claim in notes.claims for heir in find_heirs(session, claim)}
    _insert(
        session,
        LineClaim,
        [{"line_id": line_id, "claim_id": c} for c in sorted(heirs, key=stored_id)],
    )
    _store_findings(session, document, line_id, notes, is_new=is_new)
    _store_anchors(session, document, line_id, notes, is_new=is_new)
    if not is_new:
        from claims.anchoring import reapply_anchors

        session.flush()
        reapply_anchors(session, line_id)
    tasks = [{"number": t.number, "title": t.title, "text": t.text} for t in document.tasks]
    _insert(session, Task, [{"line_id": line_id, **task} for task in tasks])
    _store_mentions(session, document, line_id, notes)


def _insert(session: Session, table: type[SQLModel], rows: Sequence[dict[str, Any]]) -> None:
    """Insert plain rows, all columns given; objects would cost several times as much."""
    if rows:
        session.connection().execute(insert(table), rows)


def _store_findings(
    session: Session, document: LineDocument, line_id: int, notes: StoredNotes, *, is_new: bool
) -> None:
    ids = keep_findings(session, document, line_id, is_new=is_new)
    by_people = [] if is_new else find_ties_by_people(session, ids)
    kept = {(tie.finding_id, tie.note_id) for tie in by_people}
    ties = [
        {
            "finding_id": ids[tie.finding],
            "note_id": notes.by_slug[tie.note].id,
            "likeness": tie.likeness,
            "tied_by": BY_LIKENESS,
        }
        for tie in tie_findings(document)
    ]
    _insert(session, FindingNote, [t for t in ties if (t["finding_id"], t["note_id"]) not in kept])


def _store_anchors(
    session: Session, document: LineDocument, line_id: int, notes: StoredNotes, *, is_new: bool
) -> None:
    ties = tie_anchors(document)
    before = {} if is_new else take_anchors(session, line_id)
    rows = []
    for position, anchor in enumerate(document.anchors):
        note = notes.by_slug.get(ties.get(anchor.arxiv_id or "", ""))
        old = before.get((anchor.arxiv_id, anchor.label))
        is_tied_by_hand = old is not None and old.tied_by not in (None, BY_LABEL)
        rows.append(
            {
                "line_id": line_id,
                "note_id": old.note_id if old and is_tied_by_hand else note.id if note else None,
                "position": position,
                "arxiv_id": anchor.arxiv_id,
                "version": anchor.version,
                "label": anchor.label,
                "raw": anchor.raw,
                "month_stated": anchor.month_stated,
                "month_from_id": anchor.month_from_id,
                "state": old.state if old else "syntactic",
                "tied_by": old.tied_by if old and is_tied_by_hand else BY_LABEL if note else None,
            }
        )
    _insert(session, Anchor, rows)


def _store_mentions(
    session: Session, document: LineDocument, line_id: int, notes: StoredNotes
) -> None:
    rows = [
        {
            "arxiv_id": span.arxiv_id.id,
            "version": span.arxiv_id.version,
            "line_id": line_id,
            "note_id": notes.by_slug[entry.slug].id,
            "raw": span.raw,
            "start": span.start,
            "end": span.end,
        }
        for entry in document.notes
        for span in find_marked_ids(entry.summary)
        if span.arxiv_id is not None
    ]
    _insert(session, Mention, rows)


def store_warnings(
    session: Session, line_id: int, warnings: Sequence[DocumentWarning], first: int = 0
) -> None:
    """Add warnings to a line's, from position ``first`` on."""
    rows = [
        {"line_id": line_id, "position": place, "code": warning.code, "message": warning.message}
        for place, warning in enumerate(warnings, first)
    ]
    _insert(session, ImportWarning, rows)
