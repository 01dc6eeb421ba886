"""The withdrawn papers that claims rest on: their sources, and their confirmed evidence.

Decides what "rests on" means: an anchor of the claim's note (of a finding's notes, for a
claim of a finding), or a confirmed stance on the current wording. A hub makes no claim, and a
retired claim is in force no more: neither rests on anything. Knows nothing of how a
withdrawal was recognised.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from db.columns import stored_id
from db.models import Anchor, Claim, ClaimRevision, Evidence, FindingNote, Note, Paper


@dataclass(frozen=True)
class WithdrawnSource:
    """One withdrawn paper under one claim."""

    arxiv_id: str
    role: str  # source | confirmed
    seen_at: datetime | None  # when the store first saw the withdrawal

    def describe(self) -> str:
        """``arXiv:2502.05171 (its source), first seen on 2026-11-24``."""
        what = "its source" if self.role == "source" else "confirmed evidence, no longer counted"
        when = f", first seen on {self.seen_at:%F}" if self.seen_at else ""
        return f"arXiv:{self.arxiv_id} ({what}){when}"


def find_withdrawn_sources(session: Session) -> dict[int, list[WithdrawnSource]]:
    """By claim id, in order of arXiv id; claims that rest on none are left out."""
    found: dict[int, dict[tuple[str, str], WithdrawnSource]] = defaultdict(dict)
    for claim_id, arxiv_id, seen_at in [*_of_notes(session), *_of_findings(session)]:
        found[claim_id]["source", arxiv_id] = WithdrawnSource(arxiv_id, "source", seen_at)
    for claim_id, arxiv_id, seen_at in _of_evidence(session):
        found[claim_id]["confirmed", arxiv_id] = WithdrawnSource(arxiv_id, "confirmed", seen_at)
    return {
        claim_id: sorted(rows.values(), key=lambda row: (row.arxiv_id, row.role))
        for claim_id, rows in found.items()
    }


_Row = tuple[int, str, datetime | None]


def _of_notes(session: Session) -> list[_Row]:
    query = (
        select(Claim.id, Paper.arxiv_id, Paper.withdrawn_seen_at)
        .join(Anchor, col(Anchor.note_id) == Claim.note_id)
        .join(Paper, col(Paper.arxiv_id) == Anchor.arxiv_id)
        .join(Note, col(Note.id) == Claim.note_id)
        .where(col(Paper.is_withdrawn).is_(True), col(Claim.retired_at).is_(None))
        .where(Note.kind != "hub")
    )
    return [(stored_id(claim), arxiv_id, seen) for claim, arxiv_id, seen in session.exec(query)]


def _of_findings(session: Session) -> list[_Row]:
    query = (
        select(Claim.id, Paper.arxiv_id, Paper.withdrawn_seen_at)
        .join(FindingNote, col(FindingNote.finding_id) == Claim.finding_id)
        .join(Anchor, col(Anchor.note_id) == FindingNote.note_id)
        .join(Paper, col(Paper.arxiv_id) == Anchor.arxiv_id)
        .where(col(Paper.is_withdrawn).is_(True), col(Claim.note_id).is_(None))
        .where(col(Claim.retired_at).is_(None))
    )
    return [(stored_id(claim), arxiv_id, seen) for claim, arxiv_id, seen in session.exec(query)]


def _of_evidence(session: Session) -> list[_Row]:
    query = (
        select(Evidence.claim_id, Paper.arxiv_id, Paper.withdrawn_seen_at)
        .join(Paper, col(Paper.id) == Evidence.paper_id)
        .join(ClaimRevision, col(ClaimRevision.id) == Evidence.claim_revision_id)
        .join(Claim, col(Claim.id) == Evidence.claim_id)
        .where(
            col(Paper.is_withdrawn).is_(True),
            Evidence.status == "confirmed",
            col(ClaimRevision.number) == Claim.revision_number,
            col(Claim.retired_at).is_(None),
        )
    )
    return list(session.exec(query).all())
