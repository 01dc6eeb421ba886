"""Takes edits back: exactly, in order, and never under something that leans on them.

An undo leaves the edit in the journal with the time at which it was taken back, and where
wording changed it makes a new revision that says so: what was judged on the wording in
between still points to it.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Table
from sqlmodel import Session, SQLModel, col, delete, select

from claims.edit_journal import (
    Signature,
    add_revision,
    edit_transaction,
    link_lines,
    read_line_ids,
    read_open_edits,
    read_revision,
    take_claim,
    touched_claims,
    unlink_lines,
    wording_of,
)
from db.columns import stored_id, utc_now
from db.errors import EditRefused
from db.models import Anchor, Claim, ClaimRevision, Edit, LineClaim, load_all_tables

GOES_WITH_A_CLAIM = {"claim_revision", "line_claim", "edit"}


def undo_edit(session: Session, signature: Signature, claim: Claim | None = None) -> Edit:
    """Take the last edit that stands back, of the whole library or of one claim.

    Raises:
        EditRefused: there is none, or something later depends on it.
    """
    claim_id = stored_id(claim.id) if claim else None
    name = claim.handle if claim else "the library"
    with edit_transaction(session):
        standing = read_open_edits(session)
        found = (e for e in standing if claim_id is None or claim_id in touched_claims(e))
        edit = next(found, None)
        if edit is None:
            raise EditRefused(f"no edit of {name} stands: there is nothing to take back")
        _refuse_under_later(session, edit, standing)
        UNDO[edit.kind](session, edit, signature)
        edit.undone_at = utc_now()
        undone = {"by": signature.author.strip(), "why": signature.why.strip()}
        edit.after = {**edit.after, "undone": undone}
        session.add(edit)
        return edit


def _refuse_under_later(session: Session, edit: Edit, standing: list[Edit]) -> None:
    touched = touched_claims(edit)
    for later in standing:
        is_later = stored_id(later.id) > stored_id(edit.id)
        if is_later and (touched & touched_claims(later) or _share_anchor(edit, later)):
            handle = take_claim(session, later.claim_id).handle
            raise EditRefused(
                f"a later {later.kind} of {handle} depends on this {edit.kind}: "
                f"'reassay claims undo --claim {handle}' takes that back first"
            )


def _share_anchor(edit: Edit, later: Edit) -> bool:
    anchor = edit.before.get("anchor_id")
    return anchor is not None and anchor == later.before.get("anchor_id")


def _undo_wording(session: Session, edit: Edit, signature: Signature) -> None:
    claim = take_claim(session, edit.claim_id)
    made = wording_of(read_revision(session, claim, edit.after["revision"]))
    if wording_of(read_revision(session, claim, claim.revision_number)) != made:
        raise EditRefused(
            f"{claim.handle} was reworded since by an import: reword it by hand instead"
        )
    before = wording_of(read_revision(session, claim, edit.before["revision"]))
    reason = f"undo of {edit.kind} by {edit.author}: {signature.why.strip()}"
    add_revision(session, claim, before, Signature(signature.author, reason))


def _undo_retire(session: Session, edit: Edit, _: Signature) -> None:
    _revive(session, take_claim(session, edit.claim_id))


def _undo_merge(session: Session, edit: Edit, _: Signature) -> None:
    claim = take_claim(session, edit.claim_id)
    if claim.merged_into_id is None:
        raise EditRefused(f"{claim.handle} is no longer merged: there is nothing to take back")
    into = take_claim(session, claim.merged_into_id)
    lost = set(edit.after["lines"]) - set(read_line_ids(session, into))
    if lost:
        raise EditRefused(
            f"a line that came to {into.handle} with this merge no longer refers to it: "
            "the line was imported again since"
        )
    unlink_lines(session, into, edit.after["lines"])
    claim.merged_into_id = None
    _revive(session, claim)
    link_lines(session, claim, edit.before["lines"])


def _undo_split(session: Session, edit: Edit, _: Signature) -> None:
    whole = take_claim(session, edit.claim_id)
    parts = [take_claim(session, part) for part in edit.after["parts"]]
    lines = set(edit.before["lines"])
    for part in parts:
        _refuse_if_used(session, part)
        lines |= set(read_line_ids(session, part))
    taken_away = [_remove(session, part) for part in parts]
    edit.after = {**edit.after, "claims": [edit.claim_id], "taken_away": taken_away}
    _revive(session, whole)
    link_lines(session, whole, sorted(lines))


def _undo_anchor(session: Session, edit: Edit, _: Signature) -> None:
    anchor = _find_anchor(session, edit)
    if anchor is None:
        raise EditRefused(
            "this anchor was changed since, or an import took it away: tie it anew by hand"
        )
    if edit.before.get("created"):
        session.delete(anchor)
    else:
        anchor.note_id = edit.before.get("note_id")
        anchor.tied_by = edit.before.get("tied_by")
        session.add(anchor)
    session.flush()


def _find_anchor(session: Session, edit: Edit) -> Anchor | None:
    """The anchor that an edit tied; an import of its line writes it anew, under another id."""
    made = {key: edit.after.get(key) for key in ("line_id", "arxiv_id", "note_id", "tied_by")}
    query = select(Anchor).order_by(col(Anchor.id) != edit.before["anchor_id"])
    for name, value in made.items():
        query = query.where(getattr(Anchor, name) == value)
    return session.exec(query).first()


def _revive(session: Session, claim: Claim) -> None:
    claim.retired_at = claim.retired_reason = None
    session.add(claim)
    session.flush()


def _refuse_if_used(session: Session, part: Claim) -> None:
    """Parts that were judged stay: what was judged must keep something to point to."""
    load_all_tables()
    for table in SQLModel.metadata.sorted_tables:
        if table.name not in GOES_WITH_A_CLAIM and _points_to(session, table, part):
            raise EditRefused(
                f"{part.handle} was used since (there are {table.name} rows for it): merge the "
                "parts with 'reassay claims merge' and reword what stays"
            )


def _points_to(session: Session, table: Table, claim: Claim) -> bool:
    columns = [
        column
        for column in table.columns
        if any(key.target_fullname == "claim.id" for key in column.foreign_keys)
    ]
    return any(
        session.connection().execute(select(column).where(column == claim.id).limit(1)).first()
        is not None
        for column in columns
    )


def _remove(session: Session, part: Claim) -> dict[str, Any]:
    """Take a part away with its wordings and its undone edits, and give what it was."""
    revisions = session.exec(
        select(ClaimRevision)
        .where(ClaimRevision.claim_id == part.id)
        .order_by(col(ClaimRevision.number))
    ).all()
    edits = session.exec(select(Edit).where(Edit.claim_id == part.id).order_by(col(Edit.id))).all()
    record = {
        "handle": part.handle,
        "slug": part.slug,
        "revisions": [row.model_dump(mode="json") for row in revisions],
        "edits": [row.model_dump(mode="json") for row in edits],
    }
    for table in (LineClaim, ClaimRevision, Edit):
        session.exec(delete(table).where(col(table.claim_id) == part.id))
    session.delete(part)
    session.flush()
    return record


UNDO: dict[str, Callable[[Session, Edit, Signature], None]] = {
    "reword": _undo_wording,
    "edit": _undo_wording,
    "retire": _undo_retire,
    "merge": _undo_merge,
    "split": _undo_split,
    "anchor": _undo_anchor,
}
