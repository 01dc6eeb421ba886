"""One claim, whole: its row, sources, stance rows with quotes, verdict and history.

Reads only, and returns plain data for commands and reports.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, func, select

from claims.cited_by import read_cited_by
from claims.decided import read_decisions
from claims.queries import current_verdicts, list_claims
from claims.succession import read_edits, read_succession
from db.columns import stored_id
from db.models import (
    Anchor,
    Candidate,
    Claim,
    ClaimRevision,
    Evidence,
    Finding,
    FindingNote,
    Note,
    Paper,
    Verdict,
)

STATUS_FIRST = {"confirmed": 0, "proposed": 1}
DIRECTED_FIRST = {"contradicts": 0, "relaxes": 1, "supports": 2, "mentions": 3}


def read_claim(session: Session, claim: Claim) -> dict[str, Any]:
    """Everything about one claim, as plain data: its row, sources, evidence, verdict."""
    verdict = current_verdicts(session).get(stored_id(claim.id))
    note = session.get(Note, claim.note_id) if claim.note_id else None
    row = next(r for r in list_claims(session) if r.id == claim.handle)
    revision = current_revision(session, claim)
    return {
        **row.__dict__,
        "text": claim.text,
        "title": note.title if note else None,
        "kind": note.kind if note else "finding",
        "revision": claim.revision_number,
        "insight": revision.insight,
        "limit": revision.limit,
        "scope": revision.scope,
        "numbers": revision.numbers,
        "note_date": note.note_date if note else None,
        **_read_found(session, claim),
        "sources": _read_sources(session, claim),
        "evidence": read_evidence(session, claim),
        "verdict": _judged_data(session, verdict) if verdict else None,
        **read_succession(session, claim),
    }


def _read_found(session: Session, claim: Claim) -> dict[str, str | None]:
    """From when to when the findings that lean on the claim's note were found."""
    query = (
        select(Finding.found_from, Finding.found_to)
        .join(FindingNote, col(FindingNote.finding_id) == Finding.id)
        .where(FindingNote.note_id == claim.note_id, col(Finding.found_from).is_not(None))
    )
    dates = [(str(start), str(end or start)) for start, end in session.exec(query).all()]
    return {
        "found_from": min((start for start, _ in dates), default=None),
        "found_to": max((end for _, end in dates), default=None),
    }


def current_revision(session: Session, claim: Claim) -> ClaimRevision:
    """The wording in force."""
    return session.exec(
        select(ClaimRevision).where(
            ClaimRevision.claim_id == claim.id, ClaimRevision.number == claim.revision_number
        )
    ).one()


def read_wordings(session: Session) -> dict[int, ClaimRevision]:
    """The wordings in force of all claims, by claim id."""
    rows = session.exec(
        select(ClaimRevision).join(
            Claim,
            (col(Claim.id) == ClaimRevision.claim_id)
            & (col(Claim.revision_number) == ClaimRevision.number),
        )
    ).all()
    return {row.claim_id: row for row in rows}


def read_evidence(session: Session, claim: Claim, limit: int = 20) -> list[dict[str, Any]]:
    """Stance rows of a claim: confirmed, proposed, rejected; directed ones first, then by rank.

    A row that a decision made and an undo withdrew stays in the journal alone.
    """
    ranks = dict(
        session.exec(
            select(Candidate.paper_id, func.min(Candidate.rank))
            .where(Candidate.claim_id == claim.id)
            .group_by(col(Candidate.paper_id))
        ).all()
    )
    rows = session.exec(
        select(Evidence, Paper)
        .join(Paper, col(Paper.id) == Evidence.paper_id)
        .where(Evidence.claim_id == claim.id)
        .where((col(Evidence.split_from_id).is_(None)) | (Evidence.status == "confirmed"))
    ).all()

    def order(pair: tuple[Evidence, Paper]) -> tuple[int, int, float, int]:
        row = pair[0]
        return (
            STATUS_FIRST.get(row.status, len(STATUS_FIRST)),
            DIRECTED_FIRST.get(row.stance, len(DIRECTED_FIRST)),
            -(row.confidence or 0.0),
            ranks.get(row.paper_id, len(ranks)),
        )

    return [_evidence_data(evidence, paper) for evidence, paper in sorted(rows, key=order)[:limit]]


def read_history(session: Session, claim: Claim) -> list[dict[str, Any]]:
    """Revisions, edits, decisions and verdicts of a claim in order of time."""
    events: list[tuple[datetime, dict[str, Any]]] = []
    numbers: dict[int, int] = {}
    for revision in session.exec(
        select(ClaimRevision).where(ClaimRevision.claim_id == claim.id)
    ).all():
        numbers[stored_id(revision.id)] = revision.number
        data = {
            "at": revision.created_at,
            "event": "revision",
            "revision": revision.number,
            "by": revision.author,
            "reason": revision.reason,
            "statement": revision.statement,
        }
        events.append((revision.created_at, data))
    for verdict in session.exec(select(Verdict).where(Verdict.claim_id == claim.id)).all():
        data = {"at": verdict.decided_at, "event": "verdict", **_verdict_data(verdict)}
        events.append(
            (verdict.decided_at, {**data, "revision": numbers[verdict.claim_revision_id]})
        )
    events += [(edit["at"], edit) for edit in read_edits(session, claim)]
    events += [(word["at"], word) for word in read_decisions(session, claim)]
    return [data for _, data in sorted(events, key=lambda event: event[0])]


def _read_sources(session: Session, claim: Claim) -> list[dict[str, Any]]:
    rows = session.exec(
        select(Anchor, Paper)
        .join(Paper, col(Paper.arxiv_id) == Anchor.arxiv_id, isouter=True)
        .where(col(Anchor.note_id).is_not(None), Anchor.note_id == claim.note_id)
    ).all()
    cited = read_cited_by(session, {str(anchor.arxiv_id) for anchor, _ in rows})
    return [
        {
            "arxiv_id": anchor.arxiv_id,
            "label": anchor.label,
            "state": anchor.state,
            "tied_by": anchor.tied_by,
            "title": paper.title if paper else None,
            "is_withdrawn": paper.is_withdrawn if paper else None,
            "withdrawn_seen_at": paper.withdrawn_seen_at if paper else None,
            "cited_by": [asdict(entry) for entry in cited.get(str(anchor.arxiv_id), [])],
        }
        for anchor, paper in rows
    ]


def _evidence_data(evidence: Evidence, paper: Paper) -> dict[str, Any]:
    return {
        "id": evidence.id,
        "arxiv_id": paper.arxiv_id,
        "title": paper.title,
        "published": paper.published or paper.listed,
        "is_withdrawn": paper.is_withdrawn,
        "withdrawn_seen_at": paper.withdrawn_seen_at,
        "stance": evidence.stance,
        "status": evidence.status,
        "confirmed_by": evidence.confirmed_by,
        "confidence": evidence.confidence,
        "quote": evidence.quote,
        "section": evidence.section,
        "start": evidence.quote_start,
        "end": evidence.quote_end,
        "closest": evidence.closest,
        "numbers": evidence.numbers,
        "judge": evidence.judge,
        "night": evidence.night_id,
    }


def _judged_data(session: Session, verdict: Verdict) -> dict[str, Any]:
    """A verdict with the number of the revision that it judged."""
    revision = session.get_one(ClaimRevision, verdict.claim_revision_id)
    return {**_verdict_data(verdict), "revision": revision.number}


def _verdict_data(verdict: Verdict) -> dict[str, Any]:
    return {
        "headline": verdict.headline,
        "look": verdict.look,
        "grounding": verdict.grounding,
        "grounding_detail": verdict.grounding_detail,
        "literature": verdict.literature,
        "literature_detail": verdict.literature_detail,
        "local": verdict.local,
        "local_detail": verdict.local_detail,
        "transfer": verdict.transfer,
        "searched_through": verdict.searched_through,
        "moved_by": verdict.moved_by,
        "night": verdict.night_id,
        "decided_at": verdict.decided_at,
    }
