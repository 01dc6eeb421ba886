"""The whole library as one JSON document, from which ``claims.restoring`` makes it again.

Rows keep their ids, because the journal of edits and a person's notes refer to them; links
are told by handle, slug, arXiv id and revision number. What nights computed (rankings,
verdicts, seeds) is left out: they compute it again.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlmodel import Session, SQLModel, col, select

from claims.exporting.selection import Selection, read_children, select_library
from db.columns import stored_id
from db.models import (
    Anchor,
    ClaimRevision,
    Decision,
    Edit,
    Evidence,
    Finding,
    FindingNote,
    ImportWarning,
    Line,
    LineClaim,
    LineNote,
    Mention,
    Paper,
    PaperVersion,
    Task,
)

FORMAT = 1
BATCH = 500  # ids in one question
EXACT_INTEGERS = 1e16  # from here on databases write a float of JSON as an integer


def write_library(session: Session, line: Line | None = None) -> str:
    """The library, or what one line leans on, as JSON text; the same library, the same bytes."""
    document = _even(read_library(session, line))
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def read_library(session: Session, line: Line | None = None) -> dict[str, Any]:
    """The library as plain data."""
    chosen = select_library(session, line)
    slugs = {stored_id(note.id): note.slug for note in chosen.notes}
    handles = {stored_id(claim.id): claim.handle for claim in chosen.claims}
    evidence = read_children(session, Evidence, "claim_id", chosen, chosen.claims)
    paper_ids = {row.paper_id for rows in evidence.values() for row in rows}
    papers, versions = _read_papers(session, paper_ids)
    edits = read_children(session, Edit, "claim_id", chosen, chosen.claims)
    return {
        "format": FORMAT,
        "notes": [_values(note) for note in chosen.notes],
        "lines": _read_lines(session, chosen, slugs, handles),
        "claims": _read_claims(session, chosen, slugs, handles, (evidence, versions)),
        "edits": [
            {**_values(edit, "claim_id"), "claim": handles[edit.claim_id]}
            for edit in sorted(_flatten(edits.values()), key=lambda edit: stored_id(edit.id))
        ],
        "mentions": _read_loose_mentions(session, slugs) if chosen.is_whole else [],
        "papers": papers,
    }


def _read_lines(
    session: Session, chosen: Selection, slugs: dict[int, str], handles: dict[int, str]
) -> list[dict[str, Any]]:
    def of_lines(table: Any) -> defaultdict[int, list[Any]]:
        return read_children(session, table, "line_id", chosen, chosen.lines)

    notes, claims, findings = of_lines(LineNote), of_lines(LineClaim), of_lines(Finding)
    parts = {"tasks": of_lines(Task), "warnings": of_lines(ImportWarning)}
    noted = {"anchors": of_lines(Anchor), "mentions": of_lines(Mention)}
    owners = _flatten(findings.values())
    tied = read_children(session, FindingNote, "finding_id", chosen, owners)
    lines = []
    for line in chosen.lines:
        key = stored_id(line.id)
        data = _values(line)
        data["notes"] = [_noted(row, slugs) for row in notes[key]]
        data["claims"] = [handles[row.claim_id] for row in claims[key]]
        data["findings"] = [
            {**_values(row, "line_id"), "notes": [_noted(tie, slugs) for tie in tied[row.id]]}
            for row in findings[key]
        ]
        for name, rows in parts.items():
            data[name] = [_values(row, "line_id") for row in rows[key]]
        for name, rows in noted.items():
            data[name] = [_noted(row, slugs) for row in rows[key]]
        lines.append(data)
    return lines


def _read_claims(
    session: Session,
    chosen: Selection,
    slugs: dict[int, str],
    handles: dict[int, str],
    judged: tuple[defaultdict[int, list[Evidence]], dict[int, dict[str, Any]]],
) -> list[dict[str, Any]]:
    revisions = read_children(session, ClaimRevision, "claim_id", chosen, chosen.claims)
    numbers = {row.id: row.number for row in _flatten(revisions.values())}
    kept = {row.id for row in _read_findings(session, chosen)}
    evidence, versions = judged
    decisions = read_children(session, Decision, "evidence_id", chosen, _flatten(evidence.values()))
    origins = {row.id for row in _flatten(evidence.values())}
    claims = []
    for claim in chosen.claims:
        data = _values(claim, "note_id", "finding_id", "merged_into_id")
        data["note"] = slugs[claim.note_id] if claim.note_id else None
        data["finding"] = claim.finding_id if claim.finding_id in kept else None
        data["merged_into"] = handles[claim.merged_into_id] if claim.merged_into_id else None
        key = stored_id(claim.id)
        data["revisions"] = [_values(row, "claim_id") for row in revisions[key]]
        data["evidence"] = [
            {
                **_values(row, *EVIDENCE_LINKS),
                "revision": numbers[row.claim_revision_id],
                "paper_version": versions[row.paper_version_id],
                "split_from_id": row.split_from_id if row.split_from_id in origins else None,
                "decisions": [_decision_data(word, handles) for word in decisions[row.id or 0]],
            }
            for row in evidence[key]
        ]
        claims.append(data)
    return claims


def _decision_data(word: Decision, handles: dict[int, str]) -> dict[str, Any]:
    """A decision; in the part of a library that a line takes, a claim outside is not named."""
    other = word.other_claim_id if word.other_claim_id in handles else None
    return {**_values(word, "evidence_id"), "other_claim_id": other}


EVIDENCE_LINKS = ("claim_id", "claim_revision_id", "paper_id", "paper_version_id", "night_id")


def _read_findings(session: Session, chosen: Selection) -> list[Finding]:
    return _flatten(read_children(session, Finding, "line_id", chosen, chosen.lines).values())


def _read_papers(
    session: Session, paper_ids: set[int]
) -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]]]:
    """The papers that evidence rests on, by arXiv id, and how each version is told."""
    papers: list[dict[str, Any]] = []
    told: dict[int, dict[str, Any]] = {}
    for batch in _batches(sorted(paper_ids)):
        found = session.exec(select(Paper).where(col(Paper.id).in_(batch))).all()
        rows = session.exec(
            select(PaperVersion)
            .where(col(PaperVersion.paper_id).in_(batch))
            .order_by(col(PaperVersion.version), col(PaperVersion.text_hash))
        ).all()
        for paper in found:
            data = _values(paper, "id", "version_id")
            data["versions"] = []
            for row in rows:
                if row.paper_id == paper.id:
                    is_current = row.id == paper.version_id
                    values = _values(row, "id", "paper_id")
                    data["versions"].append({**values, "is_current": is_current})
                    told[stored_id(row.id)] = {
                        "arxiv_id": paper.arxiv_id,
                        "version": row.version,
                        "text_hash": row.text_hash,
                    }
            papers.append(data)
    return sorted(papers, key=lambda paper: str(paper["arxiv_id"])), told


def _read_loose_mentions(session: Session, slugs: dict[int, str]) -> list[dict[str, Any]]:
    query = select(Mention).where(col(Mention.line_id).is_(None)).order_by(col(Mention.id))
    return [_noted(row, slugs) for row in session.exec(query).all()]


def _noted(row: Any, slugs: dict[int, str]) -> dict[str, Any]:
    """A row that refers to a note, told by the note's slug."""
    values = _values(row, "line_id", "note_id", "finding_id")
    return {**values, "note": slugs[row.note_id] if row.note_id else None}


def _values(row: SQLModel, *without: str) -> dict[str, Any]:
    columns = type(row).model_fields
    return {name: _encode(getattr(row, name)) for name in columns if name not in without}


def _encode(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime | date) else value


def _even(value: Any) -> Any:
    """Numbers as both databases give them back."""
    if isinstance(value, dict):
        return {key: _even(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_even(item) for item in value]
    if isinstance(value, float) and abs(value) >= EXACT_INTEGERS and value.is_integer():
        return int(value)
    return value


def _batches(ids: list[int]) -> Iterable[list[int]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))


def _flatten(groups: Iterable[list[Any]]) -> list[Any]:
    return [row for group in groups for row in group]
