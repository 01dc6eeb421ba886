"""Does the claim's own source say it? The grounding field of a verdict, from the audit.

Decides nothing by itself: ``claims.audit`` compares, so that a night's verdict and
``reassay claims audit`` cannot differ. It keeps the sentence, its offsets and the reason.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlmodel import Session

from claims.audit import ClaimAudit, audit_all, audit_claim, describe_finding, describe_passage
from claims.number_checks import find_missing_numbers
from claims.verdicts import Grounding
from db.models import Claim


@dataclass(frozen=True)
class GroundingState:
    """The word, and the sentence and reason that it rests on."""

    grounding: Grounding
    detail: dict[str, Any] = field(default_factory=dict)
    quoted_anchors: tuple[int, ...] = ()  # ids of anchors whose paper gave the quote


def audit_grounding(session: Session, claim: Claim) -> GroundingState:
    """The grounding field of one claim, from what the store holds today."""
    return _make_state(audit_claim(session, claim))


def audit_groundings(session: Session, today: date | None = None) -> dict[int, GroundingState]:
    """The grounding field of every claim, by claim id, in a few queries."""
    return {claim_id: _make_state(audit) for claim_id, audit in audit_all(session, today).items()}


def _make_state(audit: ClaimAudit) -> GroundingState:
    detail: dict[str, Any] = {"reason": audit.reason, "read": None}
    source = audit.source
    if source is not None:
        missing = find_missing_numbers(audit.claim.text, source.all_text)
        detail |= describe_passage(source, audit.passage) or {}
        detail |= {
            "read": source.read,
            "likeness": audit.likeness,
            "covered": audit.covered,
            "numbers_missing": [quantity.text for quantity in missing],
        }
    detail["findings"] = [describe_finding(finding) for finding in audit.findings]
    return GroundingState(audit.grounding, detail, audit.quoted_anchors)
