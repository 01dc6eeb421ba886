"""The journal of decisions on stance rows: what stands, what a row's status follows from,
and how the last word is taken back.

A row's status is a function of the newest decision on it that stands, so that an undo
restores exactly what was before. A person's word may stand on one by setting; nothing else
stands on another. Rows that a decision made point to their origin and are rejected when it
is undone; they are never deleted, since they hold the quote that a person gave. An undo is
a row of the journal too, signed as every other. Callers hold ``edit_transaction``.
"""

from collections.abc import Sequence

from sqlmodel import Session, col, func, select

from claims.edit_journal import Signature
from db.columns import stored_id, utc_now
from db.errors import DecisionRefused
from db.models import Decision, Evidence

WORDS = ("confirm", "reject", "right-stance-wrong-claim", "split")
UNDO = "undo"
SETTING = "setting"  # the author of what REASSAY_AUTO_CONFIRM confirmed


def take_row(session: Session, evidence_id: int) -> Evidence:
    """The stance row of an id.

    Raises:
        DecisionRefused: there is none.
    """
    row = session.get(Evidence, evidence_id)
    if row is None:
        raise DecisionRefused(f"no stance row {evidence_id}: 'reassay queue' shows what waits")
    return row


def read_standing(session: Session, row: Evidence) -> list[Decision]:
    """The decisions on a row that stand, newest first."""
    query = (
        select(Decision)
        .where(
            Decision.evidence_id == row.id,
            Decision.word != UNDO,
            col(Decision.undone_at).is_(None),
        )
        .order_by(col(Decision.id).desc())
    )
    return list(session.exec(query).all())


def read_made(session: Session, row: Evidence) -> list[Evidence]:
    """The rows that the standing decision on a row made."""
    query = (
        select(Evidence)
        .where(Evidence.split_from_id == row.id, Evidence.status == "confirmed")
        .order_by(col(Evidence.id))
    )
    return list(session.exec(query).all())


def record_decision(
    session: Session,
    row: Evidence,
    word: str,
    signature: Signature,
    *,
    stance: str | None = None,
    other_claim_id: int | None = None,
) -> Decision:
    """Write a decision into the journal; the row's status is set apart."""
    decision = Decision(
        evidence_id=stored_id(row.id),
        word=word,
        stance=stance,
        other_claim_id=other_claim_id,
        reason=signature.why.strip(),
        author=signature.author.strip(),
    )
    session.add(decision)
    session.flush()
    return decision


def set_status(session: Session, row: Evidence, decision: Decision | None) -> None:
    """Let a row's status follow from the newest decision that stands on it.

    A confirmed row counts itself, unless the decision made rows in its place.
    """
    if decision is None:
        row.status, row.confirmed_by = "proposed", None
    elif decision.word == "confirm" and not read_made(session, row):
        row.status = "confirmed"
        row.confirmed_by = "setting" if decision.author == SETTING else "person"
    else:
        row.status, row.confirmed_by = "rejected", None
    session.add(row)
    session.flush()


def find_last(session: Session, evidence_id: int | None = None) -> tuple[Decision, Evidence]:
    """The last decision that stands, of all or of one row (or of the row that it came from).

    Raises:
        DecisionRefused: none stands.
    """
    if evidence_id is not None:
        row = take_row(session, evidence_id)
        if row.split_from_id is not None:
            row = take_row(session, row.split_from_id)
        standing: Sequence[Decision] = read_standing(session, row)
        if not standing:
            raise DecisionRefused(f"no decision on stance row {row.id} stands: nothing to undo")
        return standing[0], row
    query = (
        select(Decision)
        .where(Decision.word != UNDO, col(Decision.undone_at).is_(None))
        .order_by(col(Decision.id).desc())
    )
    decision = session.exec(query).first()
    if decision is None:
        raise DecisionRefused(
            "no decision stands: nothing to undo ('reassay claims undo' takes edits back)"
        )
    return decision, take_row(session, decision.evidence_id)


def take_back(
    session: Session, decision: Decision, row: Evidence, signature: Signature
) -> list[Evidence]:
    """Take a decision back; gives the rows whose status changed with it."""
    made = read_made(session, row) if decision.author != SETTING else []
    for other in made:
        other.status, other.confirmed_by = "rejected", None
    decision.undone_at = utc_now()
    session.add_all([decision, *made])
    session.flush()
    record_decision(session, row, UNDO, signature)
    set_status(session, row, next(iter(read_standing(session, row)), None))
    return [row, *made]


def count_decided(session: Session) -> int:
    """How many stance rows a person's word stands on: the labelled pairs of this library."""
    query = select(func.count(func.distinct(Decision.evidence_id))).where(
        Decision.word != UNDO, Decision.author != SETTING, col(Decision.undone_at).is_(None)
    )
    return session.exec(query).one()
