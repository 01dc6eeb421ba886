"""Decides on a stance row, or takes a decision back, and concludes its claims: one step.

The decision, the row's status and the verdict that follows are one transaction, which no
other decision or edit runs beside: of two words on one row the second one finds the first.
"""

from dataclasses import dataclass
from datetime import date

from sqlmodel import Session

from claims.decision_journal import count_decided, find_last, take_back
from claims.edit_journal import Signature, edit_transaction
from db.columns import stored_id
from db.models import Decision, Evidence, Paper
from ingest.deciding import Outcome, Wish, apply_decision
from reassay.reconcluding import Reconclusion, reconclude


@dataclass(frozen=True)
class Recorded:
    """A decision, or one taken back, and what it did to the claims."""

    decision: Decision
    row: Evidence
    made: list[Evidence]
    is_new: bool
    claims: list[Reconclusion]
    decided: int  # labelled pairs that stand now
    notes: tuple[str, ...] = ()


def decide(
    session: Session, evidence_id: int, wish: Wish, signature: Signature, today: date
) -> Recorded:
    """Record a person's word on a row, and conclude the claims that it touches.

    Raises:
        UsageError: the wish contradicts itself.
        DecisionRefused: the row's state does not allow it.
        EditRefused: the claim is retired, or author or reason are missing.
    """
    with edit_transaction(session):
        outcome = apply_decision(session, evidence_id, wish, signature)
        said = _say(session, outcome)
        ids = outcome.claim_ids if outcome.is_new else []
        return Recorded(
            outcome.decision,
            outcome.row,
            outcome.made,
            outcome.is_new,
            [reconclude(session, claim_id, said, today) for claim_id in ids],
            count_decided(session),
            outcome.notes,
        )


def undo_decision(
    session: Session, signature: Signature, today: date, evidence_id: int | None = None
) -> Recorded:
    """Take the last decision back, of all or of one row, and conclude its claims anew.

    Raises:
        DecisionRefused: none stands.
    """
    with edit_transaction(session):
        decision, row = find_last(session, evidence_id)
        changed = take_back(session, decision, row, signature)
        said = (
            f"taken back by {signature.author.strip()}: the {decision.word} of row {row.id} by "
            f"{decision.author} ({signature.why.strip()})"
        )
        claims = sorted({other.claim_id for other in changed})
        return Recorded(
            decision,
            row,
            [other for other in changed if other.id != row.id],
            True,
            [reconclude(session, claim_id, said, today) for claim_id in claims],
            count_decided(session),
        )


def _say(session: Session, outcome: Outcome) -> str:
    row, decision = outcome.row, outcome.decision
    paper = session.get_one(Paper, row.paper_id)
    return (
        f"decided by {decision.author}: {decision.word} of row {stored_id(row.id)} "
        f"(arXiv:{paper.arxiv_id} {row.stance}): {decision.reason}"
    )
