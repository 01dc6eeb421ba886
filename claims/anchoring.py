"""Ties an arXiv id to the note that a claim belongs to, by a person's word.

Decides which ids are refused (impossible, from the future, unknown to arXiv), whether an
anchor that a line lists is tied or a new one is written, and that a new import of a line
does not lose what a person tied. Every tie is in the journal, so that it can be undone.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlmodel import Session, col, func, select

from claims.arxiv_ids import ArxivId, parse_arxiv_id
from claims.edit_journal import Signature, edit_transaction, record_edit, take_live_claim
from db.columns import stored_id, utc_now
from db.errors import AnchorRefused
from db.models import Anchor, Claim, Edit, HarvestWindow, LineClaim, Note, Paper


@dataclass(frozen=True)
class TiedAnchor:
    """What a tie came to."""

    arxiv_id: str
    title: str | None  # None: the store lacks the paper
    state: str
    is_created: bool  # no line listed the id, so an anchor was written
    changed: bool  # False: it was tied before
    edit_id: int | None

    @property
    def is_stored(self) -> bool:
        """Whether the store has the paper, so that the claim can be held against it."""
        return self.title is not None


def tie_anchor(
    session: Session, claim: Claim, text: str, signature: Signature, today: date | None = None
) -> TiedAnchor:
    """Tie an id to the note of a claim, in one transaction. Idempotent.

    Raises:
        AnchorRefused: the id cannot be or is unknown to arXiv, or the claim has no note or
            no line to hold an anchor.
        EditRefused: the claim is retired.
    """
    wanted = check_id(session, text, today or utc_now().date())
    with edit_transaction(session):
        claim = take_live_claim(session, stored_id(claim.id))
        note = _take_note(session, claim)
        anchors = _find_anchors(session, claim, note, wanted.id)
        paper = session.exec(select(Paper).where(Paper.arxiv_id == wanted.id)).first()
        title = paper.title if paper else None
        tied = next((a for a in anchors if a.note_id == note.id), None)
        if tied is not None:
            return TiedAnchor(wanted.id, title, tied.state, False, False, None)
        loose = next((a for a in anchors if a.note_id is None), None)
        if loose is not None:
            edit = _tie_loose(session, claim, loose, note, signature)
            return TiedAnchor(wanted.id, title, loose.state, False, True, edit.id)
        anchor = _create(session, _first_line(session, claim), note, wanted, signature.author)
        edit = _record_created(session, claim, anchor, signature)
        return TiedAnchor(wanted.id, title, anchor.state, True, True, edit.id)


def check_id(session: Session, text: str, today: date) -> ArxivId:
    """The id that a text gives, if it may become an anchor.

    Raises:
        AnchorRefused: no such id can be, its month has not come, or arXiv said that it has
            no such paper.
    """
    wanted = parse_arxiv_id(text)
    if wanted is None:
        raise AnchorRefused(f"{text!r} cannot be an arXiv id: write it like 2502.05171")
    if (wanted.year, wanted.month) > (today.year, today.month):
        raise AnchorRefused(f"{wanted.id} names {wanted.month_name}, which has not come yet")
    if wanted.id in _read_unknown(session):
        raise AnchorRefused(f"arXiv was asked for {wanted.id} and has no such paper")
    return wanted


def reapply_anchors(session: Session, line_id: int) -> int:
    """Tie again what people tied, after a line's anchors were read anew; returns how many.

    The journal's entries are brought up to date, so that an undo finds the new rows. Does
    not commit.
    """
    edits = session.exec(
        select(Edit)
        .where(Edit.kind == "anchor", col(Edit.undone_at).is_(None))
        .order_by(col(Edit.id))
    )
    return sum(_reapply(session, edit) for edit in edits if edit.after.get("line_id") == line_id)


def _take_note(session: Session, claim: Claim) -> Note:
    note = session.get(Note, claim.note_id) if claim.note_id else None
    if note is None:
        raise AnchorRefused(f"{claim.handle} belongs to no note, and an anchor is a note's source")
    if note.kind == "hub":
        raise AnchorRefused(f"{claim.handle} is a hub: a topic page rests on no paper of its own")
    return note


def _find_anchors(session: Session, claim: Claim, note: Note, arxiv_id: str) -> list[Anchor]:
    """Anchors of this id in the claim's lines, or tied to its note anywhere."""
    lines = select(LineClaim.line_id).where(LineClaim.claim_id == claim.id)
    query = (
        select(Anchor)
        .where(Anchor.arxiv_id == arxiv_id)
        .where(col(Anchor.line_id).in_(lines) | (col(Anchor.note_id) == note.id))
        .order_by(col(Anchor.id))
    )
    return list(session.exec(query))


def _tie_loose(
    session: Session, claim: Claim, anchor: Anchor, note: Note, signature: Signature
) -> Edit:
    before = {"anchor_id": anchor.id, "note_id": anchor.note_id, "tied_by": anchor.tied_by}
    anchor.note_id, anchor.tied_by = note.id, signature.author.strip()
    session.add(anchor)
    return record_edit(session, claim, "anchor", signature, before, _describe(anchor))


def _record_created(session: Session, claim: Claim, anchor: Anchor, signature: Signature) -> Edit:
    before = {"anchor_id": anchor.id, "created": True}
    return record_edit(session, claim, "anchor", signature, before, _describe(anchor))


def _describe(anchor: Anchor) -> dict[str, Any]:
    return {
        "anchor_id": anchor.id,
        "note_id": anchor.note_id,
        "tied_by": anchor.tied_by,
        "line_id": anchor.line_id,
        "arxiv_id": anchor.arxiv_id,
        "version": anchor.version,
    }


def _first_line(session: Session, claim: Claim) -> int:
    line_id = session.exec(
        select(func.min(LineClaim.line_id)).where(LineClaim.claim_id == claim.id)
    ).one()
    if line_id is None:
        raise AnchorRefused(f"{claim.handle} is in no line: import a line that lists its note")
    return line_id


def _create(session: Session, line_id: int, note: Note, wanted: ArxivId, author: str) -> Anchor:
    """A new anchor; a person who names a stored paper has seen its title."""
    paper = session.exec(select(Paper).where(Paper.arxiv_id == wanted.id)).first()
    title = paper.title if paper else None
    last = session.exec(select(func.max(Anchor.position)).where(Anchor.line_id == line_id)).one()
    anchor = Anchor(
        line_id=line_id,
        note_id=note.id,
        position=0 if last is None else last + 1,
        arxiv_id=wanted.id,
        version=wanted.version,
        label=title or "",
        raw=f"{wanted.id}v{wanted.version}" if wanted.version else wanted.id,
        month_from_id=wanted.month_name,
        state="title-checked" if title else "syntactic",
        tied_by=author.strip(),
    )
    session.add(anchor)
    session.flush()
    return anchor


def _reapply(session: Session, edit: Edit) -> int:
    """Make the anchor of a journal entry stand again; 1 if it did not."""
    after = edit.after
    claim, note = session.get(Claim, edit.claim_id), session.get(Note, after["note_id"])
    wanted = parse_arxiv_id(after["arxiv_id"])
    if claim is None or note is None or wanted is None:
        return 0
    query = select(Anchor).where(
        Anchor.line_id == after["line_id"], Anchor.arxiv_id == after["arxiv_id"]
    )
    listed = list(session.exec(query))
    kept = next((a for a in listed if a.note_id == note.id), None)
    anchor = kept or next((a for a in listed if a.note_id is None), None)
    if anchor is None:
        anchor = _create(session, after["line_id"], note, wanted, str(after["tied_by"]))
        edit.before = {"anchor_id": anchor.id, "created": True}
    else:
        edit.before = {"anchor_id": anchor.id, "note_id": None, "tied_by": None}
        anchor.note_id, anchor.tied_by = note.id, after["tied_by"]
        session.add(anchor)
    edit.after = {**after, **_describe(anchor)}
    session.add(edit)
    return int(kept is None)


def _read_unknown(session: Session) -> set[str]:
    """The ids that arXiv was asked for and did not know."""
    query = select(HarvestWindow).where(
        HarvestWindow.purpose == "anchors", col(HarvestWindow.is_complete).is_(True)
    )
    return {i for window in session.exec(query) for i in window.detail.get("missing", [])}
