"""Puts a note page, a topic hub or a paper page into the library.

A note that comes by itself has no line: one line of the library's own, made with the first
such note, holds these notes, their anchors and the warnings of their import. A hub makes no
claim, and a paper page no more than a mention of its id: its text is not stored.
"""

from sqlmodel import Session, col, delete, func, select

from claims.documents import DocumentWarning, NoteEntry
from claims.importing import ImportedDocument, lock_imports, store_warnings
from claims.note_pages import NoteDocument, find_paper_id, list_hub_titles, parse_note
from claims.note_store import (
    NoteChange,
    find_claims,
    find_notes,
    free_note_slug,
    make_claims,
    rename_note,
    reword_claim,
    show_diff,
)
from claims.pages import PageText
from claims.sentences import first_sentence, split_sentences
from db.columns import stored_id
from db.errors import DocumentRefused
from db.models import Anchor, ImportWarning, Line, LineClaim, LineNote, Mention, Note

HOLDING_SLUG = "notes-imported-by-themselves"
HOLDING_QUESTION = "Which notes were imported by themselves?"
MAX_CLAIM_TEXT = 1200  # characters of a note's text that its claim carries
TIED_BY = "front matter"


def import_note_page(session: Session, page: PageText, kind: str) -> ImportedDocument:
    """Import one note or hub in one transaction; again is no change.

    Raises:
        DocumentRefused: it has no title.
    """
    document = parse_note(page, kind)
    warnings = list(document.warnings)
    lock_imports(session)
    line = _open_holding_line(session)
    note, is_new = _find_or_make(session, document)
    changes = [] if is_new else _update_note(session, note, document)
    made = is_new or bool(changes)
    if kind == "note":
        made |= _store_claim(session, note, document, stored_id(line.id), warnings)
    warnings += _check_hub_count(document)
    _hold_note(session, line, note, document)
    _replace_warnings(session, line, note, warnings)
    session.commit()
    return ImportedDocument(
        path=page.name,
        line="",
        notes=1,
        hubs=int(kind == "hub"),
        claims=int(kind == "note"),
        findings=0,
        anchors=len(document.anchors),
        tasks=0,
        warnings=tuple(warnings),
        is_new=is_new,
        changed=made,
        kind=kind,
        note=note.slug,
        changes=tuple(changes),
    )


def import_paper_page(session: Session, page: PageText) -> ImportedDocument:
    """Note a paper page's id as a mention; nothing else of the page is stored.

    Raises:
        DocumentRefused: no arXiv id stands in its address.
    """
    span = find_paper_id(page)
    if span is None or span.arxiv_id is None:
        raise DocumentRefused(
            f"{page.name} is a paper's page without an arXiv id in its address: "
            "load papers with 'reassay papers load'"
        )
    lock_imports(session)
    known = session.exec(
        select(Mention.id).where(
            Mention.arxiv_id == span.arxiv_id.id,
            col(Mention.line_id).is_(None),
            col(Mention.note_id).is_(None),
        )
    ).first()
    if known is None:
        session.add(
            Mention(
                arxiv_id=span.arxiv_id.id,
                version=span.arxiv_id.version,
                raw=span.raw,
                start=span.start,
                end=span.end,
            )
        )
    session.commit()
    warning = DocumentWarning(
        "paper-page", f"paper {span.arxiv_id.id}: its id is noted, its text is not a claim"
    )
    return ImportedDocument(
        path=page.name,
        line="",
        notes=0,
        hubs=0,
        claims=0,
        findings=0,
        anchors=0,
        tasks=0,
        warnings=(warning,),
        is_new=known is None,
        changed=known is None,
        kind="paper",
    )


def _open_holding_line(session: Session) -> Line:
    line = session.exec(select(Line).where(Line.slug == HOLDING_SLUG)).first()
    if line is None:
        line = Line(
            slug=HOLDING_SLUG,
            question=HOLDING_QUESTION,
            text=HOLDING_QUESTION,
            source="note pages",
            content_hash="",
        )
        session.add(line)
        session.flush()
    return line


def _find_or_make(session: Session, document: NoteDocument) -> tuple[Note, bool]:
    entry = NoteEntry(document.title, document.slug, document.summary, 0, document.has_own_slug)
    note = find_notes(session, [entry]).get(entry.slug)
    if note is not None:
        if document.has_own_slug and note.slug != document.slug:
            rename_note(session, note, document.slug)
        return note, False
    note = Note(
        slug=free_note_slug(session, document.slug),
        title=document.title,
        kind=document.kind,
        summary=document.summary,
        claim_title=document.claim_title,
        topic=document.topic,
        note_date=document.note_date,
    )
    session.add(note)
    session.flush()
    return note, True


def _update_note(session: Session, note: Note, document: NoteDocument) -> list[NoteChange]:
    """Bring a known note up to its page; an empty page leaves the text alone."""
    summary = document.summary or note.summary
    values: dict[str, object] = {
        "title": document.title,
        "kind": document.kind,
        "summary": summary,
        "claim_title": document.claim_title or note.claim_title,
        "topic": document.topic or note.topic,
        "note_date": document.note_date or note.note_date,
    }
    before: dict[str, object] = {name: getattr(note, name) for name in values}
    if before == values:
        return []
    old, new = _show_fields(before), _show_fields(values)
    for name, value in values.items():
        setattr(note, name, value)
    session.add(note)
    return [NoteChange(note.slug, show_diff(note.slug, old, new))]


def _show_fields(values: dict[str, object]) -> str:
    """The fields that a reader sees, one a line, for a diff."""
    shown = (values["title"], values["claim_title"], values["note_date"], values["summary"])
    return "\n".join(str(value) for value in shown if value)


def _store_claim(
    session: Session,
    note: Note,
    document: NoteDocument,
    line_id: int,
    warnings: list[DocumentWarning],
) -> bool:
    """Make or reword the note's claim; whether its line is told of it for the first time."""
    statement = note.claim_title or first_sentence(document.summary) or note.title
    text = _shorten(statement, note)
    claim = find_claims(session, [note]).get(note.id)
    if claim is None:
        made = make_claims(session, [note], "imported with its page", {stored_id(note.id): text})
        claim = made[note.id]
    else:
        reword_claim(session, claim, statement, text, warnings)
    known = session.get(LineClaim, (line_id, claim.id))
    if known is None:
        session.add(LineClaim(line_id=line_id, claim_id=stored_id(claim.id)))
    return known is None


def _shorten(statement: str, note: Note) -> str:
    """The declarative claim and as many whole sentences of the note as its claim carries."""
    text = statement if note.claim_title else ""
    if text and text[-1] not in ".!?":
        text += "."
    for sentence in split_sentences(note.summary):
        if text and len(text) + len(sentence.text) > MAX_CLAIM_TEXT:
            break
        text = f"{text} {sentence.text}".strip()
    return text or note.title


def _check_hub_count(document: NoteDocument) -> list[DocumentWarning]:
    from claims.note_pages import HUB_HEAD

    head = next((m for line in document.text.split("\n") if (m := HUB_HEAD.fullmatch(line))), None)
    found = len({link.slug for link in document.links}) or len(list_hub_titles(document))
    if document.kind != "hub" or head is None or int(head["count"]) == found:
        return []
    message = f"declared {head['count']} linked notes, found {found}"
    return [DocumentWarning("hub-count", message)]


def _hold_note(session: Session, line: Line, note: Note, document: NoteDocument) -> None:
    """List the note in the holding line, with its anchors and mentions anew."""
    line_id, note_id = stored_id(line.id), stored_id(note.id)
    if session.get(LineNote, (line_id, note_id)) is None:
        position = session.exec(
            select(func.count()).select_from(LineNote).where(LineNote.line_id == line_id)
        ).one()
        session.add(LineNote(line_id=line_id, note_id=note_id, position=position))
    known = session.exec(
        select(Anchor).where(
            Anchor.line_id == line_id, Anchor.note_id == note_id, Anchor.tied_by == TIED_BY
        )
    ).all()
    named = {anchor.raw + (anchor.arxiv_id or ""): anchor for anchor in document.anchors}
    for row in known:
        if named.pop(row.raw + (row.arxiv_id or ""), None) is None:
            session.delete(row)
    for position, anchor in enumerate(named.values()):
        session.add(
            Anchor(
                line_id=line_id,
                note_id=note_id,
                position=position,
                arxiv_id=anchor.arxiv_id,
                version=anchor.version,
                label=anchor.label or note.title,
                raw=anchor.raw,
                month_stated=anchor.month_stated,
                month_from_id=anchor.month_from_id,
                tied_by=TIED_BY,
            )
        )
    of_note = (col(Mention.line_id) == line_id, col(Mention.note_id) == note_id)
    session.exec(delete(Mention).where(*of_note))
    for span in document.mentions:
        if span.arxiv_id is not None:
            session.add(
                Mention(
                    arxiv_id=span.arxiv_id.id,
                    version=span.arxiv_id.version,
                    line_id=line_id,
                    note_id=note_id,
                    raw=span.raw,
                    start=span.start,
                    end=span.end,
                )
            )


def _replace_warnings(
    session: Session, line: Line, note: Note, warnings: list[DocumentWarning]
) -> None:
    """Store the note's warnings under its slug, in place of those of its last import."""
    mark = f"{note.slug}: "
    session.exec(
        delete(ImportWarning).where(
            col(ImportWarning.line_id) == line.id,
            col(ImportWarning.message).startswith(mark, autoescape=True),
        )
    )
    last = session.exec(
        select(func.max(ImportWarning.position)).where(ImportWarning.line_id == line.id)
    ).one()
    marked = [DocumentWarning(w.code, mark + w.message) for w in warnings]
    store_warnings(session, stored_id(line.id), marked, (last if last is not None else -1) + 1)
