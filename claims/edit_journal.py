"""The journal of what people changed: how an edit is locked, recorded and found again.

Decides that one edit is one transaction and that edits of one library stand in a row, on
both databases. Knows nothing of what an edit changes: ``claims.editing`` does, and
``claims.undoing`` takes it back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, col, func, select

from db.columns import stored_id
from db.engine import is_sqlite
from db.errors import ClaimNotFound, EditRefused
from db.models import Claim, ClaimRevision, Edit, LineClaim

EDIT_LOCK = 724412  # of PostgreSQL's advisory locks; the migration holds 724411
WORDING = ("statement", "text", "insight", "limit", "numbers", "scope")


@dataclass(frozen=True)
class Signature:
    """Who makes a change, and why."""

    author: str
    why: str

    def __post_init__(self) -> None:
        if not self.author.strip() or not self.why.strip():
            raise EditRefused("a change needs an author and a reason: give --author and --why")


@contextmanager
def edit_transaction(session: Session) -> Iterator[None]:
    """One transaction that no other edit runs beside; what was read before is read anew."""
    session.commit()
    if is_sqlite(session.get_bind()):
        session.connection().execute(text("BEGIN IMMEDIATE"))
    else:
        session.connection().execute(text(f"SELECT pg_advisory_xact_lock({EDIT_LOCK})"))
    session.expire_all()
    try:
        yield
        session.commit()
    except BaseException:
        session.rollback()
        raise


def take_claim(session: Session, claim_id: int) -> Claim:
    """The claim as it is now.

    Raises:
        ClaimNotFound: an undo has taken it away in the meantime.
    """
    claim = session.get(Claim, claim_id)
    if claim is None:
        raise ClaimNotFound(
            f"claim number {claim_id} is gone: 'reassay claims list' shows the rest"
        )
    return claim


def take_live_claim(session: Session, claim_id: int) -> Claim:
    """The claim as it is now, if it is in force.

    Raises:
        EditRefused: it is retired; the message says where it went.
    """
    claim = take_claim(session, claim_id)
    if claim.retired_at is not None:
        raise EditRefused(
            f"{claim.handle} is retired ({claim.retired_reason or 'no reason given'}): "
            f"'reassay claims undo --claim {claim.handle}' takes that back"
        )
    return claim


def record_edit(
    session: Session,
    claim: Claim,
    kind: str,
    signature: Signature,
    before: dict[str, Any],
    after: dict[str, Any],
) -> Edit:
    """Write an edit into the journal; ``after["claims"]`` lists every claim it touched."""
    after.setdefault("claims", [stored_id(claim.id)])
    edit = Edit(
        claim_id=stored_id(claim.id),
        kind=kind,
        author=signature.author.strip(),
        reason=signature.why.strip(),
        before=before,
        after=after,
    )
    session.add(edit)
    session.flush()
    return edit


def touched_claims(edit: Edit) -> set[int]:
    """The ids of the claims that an edit changed, made or moved."""
    return {edit.claim_id, *edit.after.get("claims", [])}


def read_open_edits(session: Session) -> list[Edit]:
    """The edits that stand, newest first."""
    query = select(Edit).where(col(Edit.undone_at).is_(None)).order_by(col(Edit.id).desc())
    return list(session.exec(query).all())


def read_revision(session: Session, claim: Claim, number: int) -> ClaimRevision:
    """One wording of a claim."""
    return session.exec(
        select(ClaimRevision).where(
            ClaimRevision.claim_id == claim.id, ClaimRevision.number == number
        )
    ).one()


def wording_of(revision: ClaimRevision) -> dict[str, Any]:
    """What a revision says, without who made it and when."""
    return {name: getattr(revision, name) for name in WORDING}


def add_revision(
    session: Session, claim: Claim, wording: dict[str, Any], signature: Signature
) -> ClaimRevision:
    """Give a claim a new wording; the old ones stay, for what was judged on them."""
    last = session.exec(
        select(func.max(ClaimRevision.number)).where(ClaimRevision.claim_id == claim.id)
    ).one()
    claim.revision_number = (last or 0) + 1
    claim.statement, claim.text = wording["statement"], wording["text"]
    revision = ClaimRevision(
        claim_id=stored_id(claim.id),
        number=claim.revision_number,
        author=signature.author.strip(),
        reason=signature.why.strip(),
        **wording,
    )
    session.add_all([claim, revision])
    session.flush()
    return revision


def read_line_ids(session: Session, claim: Claim) -> list[int]:
    """The lines that refer to a claim."""
    query = select(LineClaim.line_id).where(LineClaim.claim_id == claim.id)
    return sorted(session.exec(query).all())


def link_lines(session: Session, claim: Claim, line_ids: list[int]) -> list[int]:
    """Let lines refer to a claim; gives those that did not before."""
    new = sorted(set(line_ids) - set(read_line_ids(session, claim)))
    session.add_all(LineClaim(line_id=line, claim_id=stored_id(claim.id)) for line in new)
    session.flush()
    return new


def unlink_lines(session: Session, claim: Claim, line_ids: list[int]) -> None:
    """Let lines no longer refer to a claim."""
    for line_id in line_ids:
        link = session.get(LineClaim, (line_id, stored_id(claim.id)))
        if link is not None:
            session.delete(link)
    session.flush()
