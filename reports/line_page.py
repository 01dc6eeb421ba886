"""The page of one line: its question, its claims in full, and its three tasks answered
from the store.

Gathers one frozen context; claims come in the order in which the line lists their notes.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlmodel import Session, col, select

from db.columns import stored_id
from db.models import Claim, Finding, ImportWarning, Line, LineClaim, LineNote
from reports.claim_states import ClaimState, read_states
from reports.gaps import find_unchecked_ids
from reports.line_anchors import AnchorView, read_anchors
from reports.line_tasks import TaskView, read_tasks
from reports.morning import HOW_TO_READ, describe_night, describe_search, lead_of
from reports.night_record import NightRecord
from reports.numbers import format_day
from reports.outline import URGENCY
from reports.page_names import MORNING
from reports.sources import IdGate
from reports.stances import ClaimEvidence, read_claim_evidence


@dataclass(frozen=True)
class ClaimSection:
    """One claim with all that newer papers and our own seeds say about it."""

    state: ClaimState
    evidence: ClaimEvidence


@dataclass(frozen=True)
class FindingView:
    """One dated finding, in the document's own words."""

    text: str
    dated: str


@dataclass(frozen=True)
class WarningView:
    """What the importer could not take at face value."""

    code: str
    message: str


@dataclass(frozen=True)
class LinePage:
    """Everything that the page of a line shows."""

    question: str
    standfirst: str
    night: str
    night_sentence: str
    night_state: str
    beside_lead: tuple[str, ...]
    headlines: tuple[tuple[str, int], ...]
    claims: tuple[ClaimSection, ...]
    findings: tuple[FindingView, ...]
    anchors: tuple[AnchorView, ...]
    unchecked_ids: tuple[str, ...]
    tasks: tuple[TaskView, ...]
    warnings: tuple[WarningView, ...]
    how_to_read: tuple[str, ...]
    morning_page: str
    written: str


def build_line_page(
    session: Session, line: Line, record: NightRecord, today: date, gate: IdGate
) -> LinePage:
    """The context of one line's page after a night; the same record serves every line."""
    lead = lead_of(record)
    claims = _read_claims(session, line)
    states = read_states(session, claims, gate, record.night_id)
    evidence = read_claim_evidence(session, [state.claim_id for state in states])
    sections = [ClaimSection(state, evidence[state.claim_id]) for state in states]
    counts = Counter(state.headline for state in states)
    return LinePage(
        question=gate.mark_unknown(line.question),
        standfirst=gate.mark_unknown(line.standfirst or ""),
        night=describe_night(record),
        night_sentence=lead.sentence,
        night_state=lead.state,
        beside_lead=describe_search(record, today),
        headlines=tuple((h, counts[h]) for h in URGENCY if counts[h]),
        claims=tuple(sections),
        findings=_read_findings(session, line, gate),
        anchors=read_anchors(session, line, gate),
        unchecked_ids=tuple(find_unchecked_ids(session, line.id)),
        tasks=read_tasks(session, line, [(s.state, s.evidence) for s in sections], gate),
        warnings=_read_warnings(session, line, gate),
        how_to_read=HOW_TO_READ,
        morning_page=MORNING,
        written=format_day(today),
    )


def _read_claims(session: Session, line: Line) -> Sequence[Claim]:
    """The line's claims, in the order of its notes; claims of no note come last."""
    positions = {
        row.note_id: row.position
        for row in session.exec(select(LineNote).where(LineNote.line_id == line.id))
    }
    claims = session.exec(
        select(Claim)
        .join(LineClaim, col(LineClaim.claim_id) == Claim.id)
        .where(LineClaim.line_id == line.id)
    ).all()
    last = len(positions)
    return sorted(claims, key=lambda c: (positions.get(c.note_id or 0, last), stored_id(c.id)))


def _read_findings(session: Session, line: Line, gate: IdGate) -> tuple[FindingView, ...]:
    rows = session.exec(
        select(Finding).where(Finding.line_id == line.id).order_by(col(Finding.position))
    )
    return tuple(FindingView(gate.mark_unknown(row.text), _describe_dates(row)) for row in rows)


def _describe_dates(finding: Finding) -> str:
    if not finding.found_from:
        return "no date given"
    if finding.found_to and finding.found_to != finding.found_from:
        return f"{finding.found_from} to {finding.found_to}"
    return finding.found_from


def _read_warnings(session: Session, line: Line, gate: IdGate) -> tuple[WarningView, ...]:
    rows = session.exec(
        select(ImportWarning)
        .where(ImportWarning.line_id == line.id)
        .order_by(col(ImportWarning.position))
    )
    return tuple(WarningView(row.code, gate.hide_unknown(row.message)) for row in rows)
