"""What waits to be asked for: anchors that the store lacks, claims not searched for yet.

Decides from the record of what was asked before; knows neither sources nor pace.
"""

from collections.abc import Iterable, Iterator
from datetime import date

from sqlmodel import Session, col, select

from db.models import Anchor, Claim, HarvestWindow, Note, Paper
from ingest.anchor_checks import find_unknown_ids
from ingest.claim_queries import SEARCHED_PAPERS, build_claim_query, find_claim_since
from ingest.sources.records import Question


def find_wanted_ids(session: Session) -> list[str]:
    """The anchors' ids that the store lacks and that arXiv did not already deny."""
    stored = select(Paper.arxiv_id)
    query = (
        select(Anchor.arxiv_id)
        .where(col(Anchor.arxiv_id).is_not(None), col(Anchor.arxiv_id).not_in(stored))
        .distinct()
    )
    unknown = find_unknown_ids(session)
    return sorted(i for i in session.exec(query) if i and i not in unknown)


def find_waiting_claims(session: Session, today: date) -> list[tuple[Claim, Question]]:
    """The claims whose present wording has not been searched for, with their questions."""
    settled = {
        (window.claim_id, window.query)
        for window in session.exec(select(HarvestWindow).where(HarvestWindow.purpose == "claim"))
        if window.is_complete or window.detail.get("refused")
    }
    hubs = select(Note.id).where(Note.kind == "hub")
    query = select(Claim).where(col(Claim.retired_at).is_(None)).order_by(col(Claim.id))
    waiting = []
    for claim in _without_notes(session.exec(query), set(session.exec(hubs))):
        words = build_claim_query(claim.statement)
        if words is not None and (claim.id, words) not in settled:
            since = min(find_claim_since(session, claim, today), today)
            question = Question("claim", words, since=since, until=today, limit=SEARCHED_PAPERS)
            waiting.append((claim, question))
    return waiting


def _without_notes(claims: Iterable[Claim], note_ids: set[int | None]) -> Iterator[Claim]:
    return (claim for claim in claims if claim.note_id is None or claim.note_id not in note_ids)
