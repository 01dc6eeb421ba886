"""Notes and their claims in the database: which note an entry is, and whose wording holds.

Decides identity (a note's own slug, else its title, so that a question whose cut slug
another question has is a note of its own) and revision: the page of a note may reword it
always, a line only where no other line lists the note, and neither a wording by a person.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from sqlmodel import Session, col, select

from claims.claim_parts import split_claim
from claims.document_checks import is_hub
from claims.documents import DocumentWarning, NoteEntry
from claims.handles import next_handle
from claims.quantities import find_quantities
from claims.sentences import first_sentence
from claims.slugs import is_same_question, make_slug, number_slug
from db.columns import stored_id
from db.models import Claim, ClaimRevision, LineNote, Note

IMPORTER = "import"


@dataclass(frozen=True)
class NoteChange:
    """A note whose text an import changed, and the change as a unified diff."""

    note: str  # slug
    diff: str


@dataclass
class StoredNotes:
    """The notes of one document as they are stored, and what storing them showed."""

    by_slug: dict[str, Note] = field(default_factory=dict)  # by the entry's slug
    claims: list[Claim] = field(default_factory=list)
    changes: list[NoteChange] = field(default_factory=list)
    warnings: list[DocumentWarning] = field(default_factory=list)


def store_entries(session: Session, entries: Sequence[NoteEntry], line_id: int) -> StoredNotes:
    """Find or make the note and the claim of every entry; an entry that comes twice is one."""
    stored = StoredNotes()
    distinct = list({entry.slug: entry for entry in reversed(entries)}.values())[::-1]
    known = find_notes(session, distinct)
    for entry in distinct:
        note = known.get(entry.slug) or _make_note(session, entry, stored)
        stored.by_slug[entry.slug] = note
        _adopt_slug(session, note, entry, stored)
    session.flush()
    claims = find_claims(session, stored.by_slug.values())
    changed = [e for e in distinct if stored.by_slug[e.slug].summary != e.summary]
    shared = _find_shared(session, [stored.by_slug[e.slug] for e in changed], line_id)
    for entry in changed:
        note = stored.by_slug[entry.slug]
        if note.id in claims:
            _reword(session, claims[note.id], note, entry, stored, is_shared=note.id in shared)
    fresh = [note for note in stored.by_slug.values() if note.id not in claims]
    claims |= make_claims(session, fresh, "imported with a line")
    stored.claims = [claims[note.id] for note in stored.by_slug.values()]
    return stored


def find_notes(session: Session, entries: Sequence[NoteEntry]) -> dict[str, Note]:
    """The stored notes that the entries are, by the entry's slug."""
    slugs = [entry.slug for entry in entries]
    by_slug = {n.slug: n for n in session.exec(select(Note).where(col(Note.slug).in_(slugs))).all()}
    doubtful = [e.title for e in entries if not _is_certain(e, by_slug.get(e.slug))]
    namesakes = (
        session.exec(select(Note).where(col(Note.title).in_(doubtful)).order_by(col(Note.id))).all()
        if doubtful
        else []
    )
    found: dict[str, Note] = {}
    for entry in entries:
        taken = {note.id for note in found.values()}
        note = _pick_note(entry, by_slug.get(entry.slug), namesakes, taken)
        if note is not None:
            found[entry.slug] = note
    return found


def _is_certain(entry: NoteEntry, note: Note | None) -> bool:
    if note is None:
        return False
    return entry.has_own_slug or (note.title, note.summary) == (entry.title, entry.summary)


def _pick_note(
    entry: NoteEntry, of_slug: Note | None, namesakes: Sequence[Note], taken: set[int | None]
) -> Note | None:
    """The note of this slug, or one of this very title; never one already taken."""
    alike = [n for n in namesakes if n.title == entry.title and n.id not in taken]
    same_text = next((n for n in alike if n.summary == entry.summary), None)
    if of_slug is not None and of_slug.id not in taken:
        if entry.has_own_slug or (of_slug.title == entry.title and same_text is None):
            return of_slug
        if same_text is None and is_same_question(of_slug.title, entry.title):
            return of_slug
    if entry.has_own_slug:  # a page's slug names the note that so far had a made one
        alike = [n for n in alike if n.slug == make_slug(n.title)]
        same_text = same_text if same_text in alike else None
    return same_text or (alike[0] if alike else None)


def _make_note(session: Session, entry: NoteEntry, stored: StoredNotes) -> Note:
    slug = free_note_slug(session, entry.slug)
    if slug != entry.slug:
        stored.warnings.append(
            DocumentWarning(
                "slug-shared",
                f"note {entry.title!r} has the slug of another question; kept as {slug}",
            )
        )
    kind = "hub" if is_hub(entry.title) else "note"
    note = Note(slug=slug, title=entry.title, kind=kind, summary=entry.summary)
    session.add(note)
    return note


def free_note_slug(session: Session, slug: str) -> str:
    """The slug, with a number behind it where another note has it."""
    for number in count(1):
        wanted = slug if number == 1 else number_slug(slug, number)
        if session.exec(select(Note.id).where(Note.slug == wanted)).first() is None:
            break
    return wanted


def _adopt_slug(session: Session, note: Note, entry: NoteEntry, stored: StoredNotes) -> None:
    """A note with a made slug takes its own as soon as a page tells it, its claim too."""
    if note.id is None:
        return
    if entry.has_own_slug and note.slug != entry.slug:
        rename_note(session, note, entry.slug)
    if note.title != entry.title:
        code = "note-title" if is_same_question(note.title, entry.title) else "slug-shared"
        stored.warnings.append(
            DocumentWarning(code, f"note {entry.title!r} has the slug of {note.title!r}")
        )


def rename_note(session: Session, note: Note, slug: str) -> None:
    """Give a note its own slug, and its claim where that carries the note's."""
    claim = session.exec(
        select(Claim).where(Claim.note_id == note.id, Claim.slug == note.slug)
    ).first()
    if claim is not None:
        claim.slug = free_claim_slug(session, slug)
        session.add(claim)
    note.slug = free_note_slug(session, slug)
    session.add(note)


def free_claim_slug(session: Session, slug: str) -> str:
    """The slug, with a number behind it where another claim has it."""
    for number in count(1):
        wanted = slug if number == 1 else number_slug(slug, number)
        if session.exec(select(Claim.id).where(Claim.slug == wanted)).first() is None:
            break
    return wanted


def find_claims(session: Session, notes: Iterable[Note]) -> dict[int | None, Claim]:
    """The first claim of each note, by note id; a split adds further ones to a note."""
    ids = [stored_id(note.id) for note in notes]
    rows = session.exec(
        select(Claim).where(col(Claim.note_id).in_(ids)).order_by(col(Claim.id).desc())
    ).all()
    return {claim.note_id: claim for claim in rows}


def _find_shared(session: Session, notes: Sequence[Note], line_id: int) -> set[int]:
    """Which of the notes other lines list too."""
    if not notes:
        return set()
    note_ids = [stored_id(note.id) for note in notes]
    rows = session.exec(
        select(LineNote.note_id)
        .where(col(LineNote.note_id).in_(note_ids), LineNote.line_id != line_id)
        .distinct()
    )
    return set(rows)


def make_claims(
    session: Session, notes: Sequence[Note], reason: str, texts: dict[int, str] | None = None
) -> dict[int | None, Claim]:
    """One claim for each note that has none, with the next handles."""
    if not notes:
        return {}
    number = int(next_handle(session)[1:])
    claims: dict[int | None, Claim] = {}
    for offset, note in enumerate(notes):
        text = (texts or {}).get(stored_id(note.id)) or note.summary or note.title
        claims[note.id] = Claim(
            handle=f"c{number + offset}",
            slug=free_claim_slug(session, note.slug),
            note_id=note.id,
            statement=note.claim_title or first_sentence(text) or note.title,
            text=text,
        )
    session.add_all(claims.values())
    session.flush()
    for claim in claims.values():
        add_revision(session, claim, reason)
    return claims


def add_revision(session: Session, claim: Claim, reason: str) -> None:
    """Store the claim's present wording as its revision, split and measured."""
    parts = split_claim(claim.text)
    session.add(
        ClaimRevision(
            claim_id=stored_id(claim.id),
            number=claim.revision_number,
            statement=claim.statement,
            text=claim.text,
            insight=parts.insight,
            limit=parts.limit,
            numbers=parts.numbers,
            scope=parts.scope,
            author=IMPORTER,
            reason=reason,
        )
    )


def _reword(
    session: Session,
    claim: Claim,
    note: Note,
    entry: NoteEntry,
    stored: StoredNotes,
    *,
    is_shared: bool,
) -> None:
    """A line words a known note anew: a revision, or a warning that the library's stays."""
    if not entry.summary:
        return
    if is_shared or has_own_page(note):
        drift = _show_drift(note.summary, entry.summary)
        stored.warnings.append(
            DocumentWarning(
                "note-wording",
                f"note {entry.title!r} is worded otherwise by another source{drift}",
            )
        )
        return
    stored.changes.append(NoteChange(note.slug, show_diff(note.slug, note.summary, entry.summary)))
    note.summary, note.title = entry.summary, entry.title
    session.add(note)
    statement = first_sentence(entry.summary) or entry.title
    reword_claim(session, claim, statement, entry.summary, stored.warnings)


def reword_claim(
    session: Session, claim: Claim, statement: str, text: str, warnings: list[DocumentWarning]
) -> None:
    """A new wording of a claim as a revision, unless a person worded the one in force."""
    if (claim.statement, claim.text) == (statement, text):
        return
    author = session.exec(
        select(ClaimRevision.author).where(
            ClaimRevision.claim_id == claim.id, ClaimRevision.number == claim.revision_number
        )
    ).one()
    if author != IMPORTER or claim.retired_at is not None:
        warnings.append(
            DocumentWarning(
                "claim-edited",
                f"claim {claim.handle} keeps the wording of {author}; its note's text changed",
            )
        )
        return
    claim.statement, claim.text = statement, text
    claim.revision_number += 1
    session.add(claim)
    add_revision(session, claim, "its note changed in an import")


def has_own_page(note: Note) -> bool:
    """Whether the note was imported from a page of its own, which is fuller than a line."""
    return note.claim_title is not None or note.note_date is not None


def show_diff(slug: str, old: str, new: str) -> str:
    """The change of a note's text as a unified diff, a sentence or paragraph a line."""
    return "\n".join(
        difflib.unified_diff(
            old.split("\n"), new.split("\n"), f"{slug} (before)", f"{slug} (now)", lineterm=""
        )
    )


def _show_drift(old: str, new: str) -> str:
    """Numbers that one wording has and the other has not."""
    before = list(dict.fromkeys(q.text for q in find_quantities(old)))
    now = list(dict.fromkeys(q.text for q in find_quantities(new)))
    if set(before) == set(now):
        return ""
    return f" (numbers {', '.join(before) or 'none'} here, {', '.join(now) or 'none'} there)"
