"""What people ask of the library: find a claim, list claims, read one with its sources.

Reads only. A claim answers to its handle or to any unique part of its slug.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, func, select

from db.columns import stored_id
from db.errors import ClaimNotFound, LineNotFound
from db.models import (
    Anchor,
    Claim,
    ClaimRevision,
    Evidence,
    Finding,
    Line,
    LineClaim,
    Note,
    Paper,
    Verdict,
)

SHOWN_CHOICES = 5


@dataclass(frozen=True)
class ClaimRow:
    """One claim as a listing shows it (the fields of the command line's contract)."""

    id: str
    slug: str
    statement: str
    headline: str | None
    look: bool
    grounding: str | None
    literature: str | None
    local: str | None
    transfer: str | None
    dated: str | None
    anchors: list[str]
    lines: list[str]


def find_claim(session: Session, name: str) -> Claim:
    """The claim of a handle (``c4``) or of a unique part of a slug.

    Raises:
        ClaimNotFound: none answers, or several do.
    """
    wanted = name.strip().lower()
    exact = session.exec(
        select(Claim).where((Claim.handle == wanted) | (Claim.slug == wanted))
    ).first()
    if exact is not None:
        return exact
    escaped = wanted.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    found = session.exec(
        select(Claim)
        .where(col(Claim.slug).like(f"%{escaped}%", escape="\\"))
        .order_by(col(Claim.id))
    ).all()
    if len(found) == 1 and wanted:
        return found[0]
    if not found or not wanted:
        raise ClaimNotFound(f"no claim {name!r}: 'reassay claims list' shows handles and slugs")
    some = ", ".join(f"{claim.handle} ({claim.slug})" for claim in found[:SHOWN_CHOICES])
    raise ClaimNotFound(f"{name!r} fits {len(found)} claims: {some}; use the handle")


def find_line(session: Session, name: str) -> Line:
    """The line of a unique part of its slug.

    Raises:
        LineNotFound: none answers, or several do.
    """
    lines = session.exec(select(Line).order_by(col(Line.id))).all()
    wanted = name.strip().lower()
    exact = [line for line in lines if line.slug == wanted]
    found = exact or [line for line in lines if wanted and wanted in line.slug]
    if len(found) == 1:
        return found[0]
    some = ", ".join(line.slug for line in (found or lines)[:SHOWN_CHOICES])
    reason = f"fits {len(found)} lines" if found else "is no line"
    raise LineNotFound(f"{name!r} {reason}; there are: {some or 'none, import one first'}")


def list_claims(
    session: Session,
    *,
    line: Line | None = None,
    headlines: set[str] | None = None,
    since: date | None = None,
) -> list[ClaimRow]:
    """Claims in import order, with their current verdict.

    ``since`` keeps claims whose verdict changed on that day or later.
    """
    query = select(Claim).order_by(col(Claim.id))
    if line is not None:
        query = query.join(LineClaim, col(LineClaim.claim_id) == Claim.id).where(
            LineClaim.line_id == line.id
        )
    claims = session.exec(query).all()
    verdicts = current_verdicts(session)
    anchors = _anchors_by_note(session)
    lines = _lines_by_claim(session)
    dates = _dates_by_line(session)
    rows = []
    for claim in claims:
        verdict = verdicts.get(stored_id(claim.id))
        if headlines and (verdict is None or (verdict.headline or "hub").lower() not in headlines):
            continue
        if since and (verdict is None or verdict.decided_at.date() < since):
            continue
        of_lines = lines[stored_id(claim.id)]
        rows.append(_make_row(claim, verdict, anchors[claim.note_id], of_lines, dates))
    return rows


def current_verdicts(session: Session) -> dict[int, Verdict]:
    """The newest verdict of each claim, by claim id."""
    newest = select(func.max(Verdict.id)).group_by(col(Verdict.claim_id))
    rows = session.exec(select(Verdict).where(col(Verdict.id).in_(newest))).all()
    return {row.claim_id: row for row in rows}


def _make_row(
    claim: Claim,
    verdict: Verdict | None,
    anchors: list[str],
    lines: list[tuple[int, str]],
    dates: dict[int, str],
) -> ClaimRow:
    dated = min((dates[line_id] for line_id, _ in lines if line_id in dates), default=None)
    return ClaimRow(
        id=claim.handle,
        slug=claim.slug,
        statement=claim.statement,
        headline=verdict.headline if verdict else None,
        look=verdict.look if verdict else False,
        grounding=verdict.grounding if verdict else None,
        literature=verdict.literature if verdict else None,
        local=verdict.local if verdict else None,
        transfer=verdict.transfer if verdict else None,
        dated=dated,
        anchors=anchors,
        lines=[slug for _, slug in lines],
    )


def _anchors_by_note(session: Session) -> defaultdict[int | None, list[str]]:
    anchors: defaultdict[int | None, list[str]] = defaultdict(list)
    rows = session.exec(
        select(Anchor.note_id, Anchor.arxiv_id)
        .where(col(Anchor.note_id).is_not(None), col(Anchor.arxiv_id).is_not(None))
        .distinct()
        .order_by(col(Anchor.arxiv_id))
    )
    for note_id, arxiv_id in rows:
        anchors[note_id].append(str(arxiv_id))
    return anchors


def _lines_by_claim(session: Session) -> defaultdict[int, list[tuple[int, str]]]:
    lines: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    rows = session.exec(
        select(LineClaim.claim_id, LineClaim.line_id, Line.slug)
        .join(Line, col(Line.id) == LineClaim.line_id)
        .order_by(col(LineClaim.line_id))
    )
    for claim_id, line_id, slug in rows:
        lines[claim_id].append((line_id, slug))
    return lines


def _dates_by_line(session: Session) -> dict[int, str]:
    """The earliest date among a line's findings: its claims are not older, as far as known."""
    is_dated: ColumnElement[bool] = col(Finding.found_from).is_not(None)
    rows = session.exec(
        select(Finding.line_id, func.min(Finding.found_from))
        .where(is_dated)
        .group_by(col(Finding.line_id))
    )
    return {line_id: str(earliest) for line_id, earliest in rows}


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
        "numbers": revision.numbers,
        "sources": _read_sources(session, claim),
        "evidence": read_evidence(session, claim),
        "verdict": _verdict_data(verdict) if verdict else None,
    }


def current_revision(session: Session, claim: Claim) -> ClaimRevision:
    """The wording in force."""
    return session.exec(
        select(ClaimRevision).where(
            ClaimRevision.claim_id == claim.id, ClaimRevision.number == claim.revision_number
        )
    ).one()


def read_evidence(session: Session, claim: Claim, limit: int = 20) -> list[dict[str, Any]]:
    """Stance rows of a claim: confirmed first, directed before unclear, surest first."""
    rows = session.exec(
        select(Evidence, Paper)
        .join(Paper, col(Paper.id) == Evidence.paper_id)
        .where(Evidence.claim_id == claim.id)
    ).all()
    directed = {"contradicts": 0, "relaxes": 1, "supports": 2, "mentions": 3}
    ordered = sorted(
        rows,
        key=lambda pair: (
            pair[0].status != "confirmed",
            directed.get(pair[0].stance, 4),
            -(pair[0].confidence or 0.0),
            pair[0].id or 0,
        ),
    )
    return [_evidence_data(evidence, paper) for evidence, paper in ordered[:limit]]


def read_history(session: Session, claim: Claim) -> list[dict[str, Any]]:
    """Revisions and verdicts of a claim in order of time."""
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
    return [data for _, data in sorted(events, key=lambda event: event[0])]


def _read_sources(session: Session, claim: Claim) -> list[dict[str, Any]]:
    rows = session.exec(
        select(Anchor, Paper)
        .join(Paper, col(Paper.arxiv_id) == Anchor.arxiv_id, isouter=True)
        .where(col(Anchor.note_id).is_not(None), Anchor.note_id == claim.note_id)
    ).all()
    return [
        {
            "arxiv_id": anchor.arxiv_id,
            "label": anchor.label,
            "state": anchor.state,
            "tied_by": anchor.tied_by,
            "title": paper.title if paper else None,
            "is_withdrawn": paper.is_withdrawn if paper else None,
        }
        for anchor, paper in rows
    ]


def _evidence_data(evidence: Evidence, paper: Paper) -> dict[str, Any]:
    return {
        "id": evidence.id,
        "arxiv_id": paper.arxiv_id,
        "title": paper.title,
        "published": paper.published or paper.listed,
        "stance": evidence.stance,
        "status": evidence.status,
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
