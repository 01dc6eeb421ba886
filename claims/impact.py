"""What would have to be looked at again if a claim moved: its blast radius, with exact spans.

Lines that refer to it, findings that lean on its note, essay sentences that cite the note
or share its telling words. Likeness of words is shown as a score, never as a fact.
"""

from typing import Any

from sqlmodel import Session, col, select

from claims.citations import CitingSentence, split_essay
from claims.leaning import Leaning, read_leaning
from claims.likeness import stem_words
from db.columns import stored_id
from db.models import Claim, Finding, Line, LineClaim, LineNote, Note

ENOUGH_SHARED = 0.34  # of the statement's telling words, in one sentence of an essay
FEWEST_SHARED = 3


def find_impact(session: Session, claim: Claim) -> dict[str, Any]:
    """What leans on a claim: ``lines``, ``findings``, ``sentences``, as plain data.

    Offsets of a finding count within its text, those of a sentence within its paragraph;
    paragraphs count from 1.
    """
    query = (
        select(Line)
        .join(LineClaim, col(LineClaim.line_id) == Line.id)
        .where(LineClaim.claim_id == claim.id)
        .order_by(col(Line.id))
    )
    lines = list(session.exec(query))
    note = session.get(Note, claim.note_id) if claim.note_id else None
    leaning = read_leaning(session, lines).get(claim.note_id or 0, Leaning())
    slugs = {stored_id(line.id): line.slug for line in lines}
    sentences = [s for line in lines for s in _find_sentences(session, claim, note, line)]
    return {
        "id": claim.handle,
        "slug": claim.slug,
        "claim": claim.statement,
        "lines": [_describe_line(session, claim, line) for line in lines],
        "findings": _describe_findings(leaning, slugs) + _own_finding(claim, slugs, session),
        "sentences": sentences,
    }


def _describe_line(session: Session, claim: Claim, line: Line) -> dict[str, Any]:
    listed = session.get(LineNote, (line.id, claim.note_id)) if claim.note_id else None
    return {
        "slug": line.slug,
        "question": line.question,
        "position": listed.position + 1 if listed else None,
        "cited": listed.cited if listed else 0,
    }


def _describe_findings(leaning: Leaning, slugs: dict[int, str]) -> list[dict[str, Any]]:
    return [
        {
            "line": slugs[lean.finding.line_id],
            "position": lean.finding.position + 1,
            "text": lean.finding.text,
            "dated": lean.finding.date_raw,
            "clause": lean.clause,
            "start": lean.start,
            "end": lean.end,
            "likeness": lean.likeness,
            "tied_by": lean.tied_by,
        }
        for lean in leaning.findings
    ]


def _own_finding(claim: Claim, slugs: dict[int, str], session: Session) -> list[dict[str, Any]]:
    """The finding that a claim was taken from, for a claim that belongs to no note."""
    finding = session.get(Finding, claim.finding_id) if claim.finding_id else None
    if finding is None:
        return []
    return [
        {
            "line": slugs.get(finding.line_id),
            "position": finding.position + 1,
            "text": finding.text,
            "dated": finding.date_raw,
            "clause": finding.text,
            "start": 0,
            "end": len(finding.text),
            "likeness": 1.0,
            "tied_by": "the claim is of this finding",
        }
    ]


def _find_sentences(
    session: Session, claim: Claim, note: Note | None, line: Line
) -> list[dict[str, Any]]:
    titles = session.exec(
        select(Note.title)
        .join(LineNote, col(LineNote.note_id) == Note.id)
        .where(LineNote.line_id == line.id)
    ).all()
    stems = stem_words(claim.statement)
    found = []
    for number, paragraph in enumerate(line.essay, 1):
        for sentence in split_essay(paragraph, titles):
            why, likeness = _judge_sentence(sentence, note, stems)
            if why:
                found.append(
                    {
                        "line": line.slug,
                        "paragraph": number,
                        "start": sentence.start,
                        "end": sentence.end,
                        "text": sentence.text,
                        "why": why,
                        "likeness": likeness,
                    }
                )
    return found


def _judge_sentence(
    sentence: CitingSentence, note: Note | None, stems: set[str]
) -> tuple[str | None, float]:
    """Why a sentence leans on the claim, and how much of the statement's words it holds."""
    shared = stems & stem_words(sentence.own_words())
    likeness = round(len(shared) / len(stems), 3) if stems else 0.0
    if note is not None and any(cited.title == note.title for cited in sentence.titles):
        return "cites the note", likeness
    if len(shared) >= FEWEST_SHARED and likeness >= ENOUGH_SHARED:
        return f"shares {len(shared)} telling words", likeness
    return None, likeness
