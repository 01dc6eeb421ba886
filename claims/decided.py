"""What people decided on the stance rows of a claim, as events of its history.

Reads only: the decisions on the claim's own rows, and those that brought a row to it.
"""

from typing import Any

from sqlmodel import Session, col, or_, select

from db.models import Claim, Decision, Evidence, Paper


def read_decisions(session: Session, claim: Claim) -> list[dict[str, Any]]:
    """The decisions and undos that touched a claim, in order of time, as plain data."""
    brought = select(Evidence.split_from_id).where(Evidence.claim_id == claim.id)
    query = (
        select(Decision, Evidence, Paper.arxiv_id)
        .join(Evidence, col(Evidence.id) == Decision.evidence_id)
        .join(Paper, col(Paper.id) == Evidence.paper_id)
        .where(or_(col(Evidence.claim_id) == claim.id, col(Evidence.id).in_(brought)))
        .order_by(col(Decision.id))
    )
    return [_describe(word, row, arxiv_id) for word, row, arxiv_id in session.exec(query).all()]


def _describe(decision: Decision, row: Evidence, arxiv_id: str) -> dict[str, Any]:
    return {
        "at": decision.decided_at,
        "event": "decision",
        "decision": decision.id,
        "evidence": row.id,
        "word": decision.word,
        "stance": decision.stance,
        "proposed": row.stance,
        "arxiv_id": arxiv_id,
        "by": decision.author,
        "reason": decision.reason,
        "undone_at": decision.undone_at,
    }
