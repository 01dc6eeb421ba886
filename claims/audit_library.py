"""What an audit reads, in a few queries however many claims there are.

Decides which notes a claim rests on, which anchors those notes have, and which stored text
is each anchor's source. Compares nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from claims.leaning import Leaning, read_leaning
from claims.source_texts import SourceText
from db.columns import stored_id
from db.models import (
    Anchor,
    Claim,
    FindingNote,
    Line,
    LineClaim,
    Note,
    Paper,
    PaperText,
    PaperVersion,
)


@dataclass(frozen=True)
class AuditLibrary:
    """The library as an audit sees it; keys are row ids, sources go by arXiv id."""

    claims: Sequence[Claim]
    notes: dict[int, Note]
    notes_of: dict[int, tuple[int, ...]]  # claim -> the notes that it rests on
    anchors: Sequence[Anchor]
    anchors_of: dict[int, list[Anchor]]  # note -> its anchors
    sources: dict[str, SourceText]
    lines: dict[int, Line]
    leaning: dict[int, Leaning]  # note -> what leans on it

    def note_of(self, claim: Claim) -> Note | None:
        """The note that a claim is the claim of; None for a claim of a finding."""
        return self.notes.get(claim.note_id) if claim.note_id is not None else None

    def anchors_for(self, claim: Claim) -> list[Anchor]:
        """The anchors of all notes that a claim rests on, each once."""
        found = [a for n in self.notes_of[stored_id(claim.id)] for a in self.anchors_of.get(n, [])]
        return list({stored_id(anchor.id): anchor for anchor in found}.values())


def read_audit_library(
    session: Session, *, line: Line | None = None, claim: Claim | None = None
) -> AuditLibrary:
    """Everything that an audit of all claims, of one line's, or of one claim reads."""
    claims = _read_claims(session, line, claim)
    lines = _read_lines(session, line, claim)
    anchors = list(session.exec(select(Anchor).order_by(col(Anchor.id))))
    anchors_of: dict[int, list[Anchor]] = defaultdict(list)
    for anchor in anchors:
        if anchor.note_id is not None:
            anchors_of[anchor.note_id].append(anchor)
    notes_of = _read_notes_of(session, claims)
    wanted = {note_id for notes in notes_of.values() for note_id in notes}
    listed = {stored_id(row.id) for row in lines}
    loose = {a.arxiv_id for a in anchors if a.line_id in listed and a.arxiv_id}
    return AuditLibrary(
        claims=claims,
        notes={stored_id(n.id): n for n in session.exec(select(Note))},
        notes_of=notes_of,
        anchors=anchors,
        anchors_of=anchors_of,
        sources=read_sources(session, _ids_of(anchors_of, wanted) | loose),
        lines={stored_id(row.id): row for row in lines},
        leaning=read_leaning(session, lines),
    )


def read_sources(session: Session, arxiv_ids: set[str]) -> dict[str, SourceText]:
    """The stored texts of the given arXiv ids; an id that the store lacks has none."""
    is_anchor = col(Paper.arxiv_id).in_(
        select(Anchor.arxiv_id).where(col(Anchor.arxiv_id).is_not(None))
        if len(arxiv_ids) > 1
        else list(arxiv_ids)
    )
    papers = [p for p in session.exec(select(Paper).where(is_anchor)) if p.arxiv_id in arxiv_ids]
    versions = _read_versions(session, is_anchor)
    texts = _read_texts(session, is_anchor)
    return {p.arxiv_id: _make_source(p, versions[stored_id(p.id)], texts.get(p.id)) for p in papers}


def _make_source(
    paper: Paper, versions: Sequence[tuple[int, int, str]], text: PaperText | None
) -> SourceText:
    in_force = [version for row_id, version, _ in versions if row_id == paper.version_id]
    day = paper.published or paper.listed
    return SourceText(
        arxiv_id=paper.arxiv_id,
        title=paper.title,
        abstract=paper.abstract,
        authors=tuple(paper.authors),
        published=day.isoformat() if day else None,
        newest_version=paper.version,
        abstract_version=in_force[0] if in_force else paper.version,
        is_withdrawn=paper.is_withdrawn,
        full_text=text.text if text else None,
        full_text_version=text.version if text else None,
        sections=tuple(text.sections) if text else (),
        earlier_abstracts={version: abstract for _, version, abstract in versions},
    )


def _read_versions(session: Session, is_anchor: Any) -> dict[int, list[tuple[int, int, str]]]:
    versions: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
    query = (
        select(PaperVersion.paper_id, PaperVersion.id, PaperVersion.version, PaperVersion.abstract)
        .join(Paper, col(Paper.id) == PaperVersion.paper_id)
        .where(is_anchor)
        .order_by(col(PaperVersion.id))
    )
    for paper_id, row_id, version, abstract in session.exec(query):
        versions[paper_id].append((stored_id(row_id), version, abstract))
    return versions


def _read_texts(session: Session, is_anchor: Any) -> dict[int | None, PaperText]:
    """The newest full text of each paper."""
    query = (
        select(PaperText)
        .join(Paper, col(Paper.id) == PaperText.paper_id)
        .where(is_anchor)
        .order_by(col(PaperText.version), col(PaperText.id))
    )
    return {text.paper_id: text for text in session.exec(query)}


def _read_claims(session: Session, line: Line | None, claim: Claim | None) -> Sequence[Claim]:
    if claim is not None:
        return [claim]
    query = select(Claim).order_by(col(Claim.id))
    if line is not None:
        query = query.join(LineClaim, col(LineClaim.claim_id) == Claim.id).where(
            LineClaim.line_id == line.id
        )
    return session.exec(query).all()


def _read_lines(session: Session, line: Line | None, claim: Claim | None) -> Sequence[Line]:
    if line is not None:
        return [line]
    query = select(Line).order_by(col(Line.id))
    if claim is not None:
        query = query.join(LineClaim, col(LineClaim.line_id) == Line.id).where(
            LineClaim.claim_id == claim.id
        )
    return session.exec(query).all()


def _read_notes_of(session: Session, claims: Sequence[Claim]) -> dict[int, tuple[int, ...]]:
    """A claim rests on its note; a claim of a finding on the notes that the finding leans on."""
    ties: dict[int, list[int]] = defaultdict(list)
    if any(claim.note_id is None for claim in claims):
        for tie in session.exec(select(FindingNote).order_by(col(FindingNote.note_id))):
            ties[tie.finding_id].append(tie.note_id)
    return {
        stored_id(c.id): (c.note_id,)
        if c.note_id is not None
        else tuple(ties.get(c.finding_id or 0, ()))
        for c in claims
    }


def _ids_of(anchors_of: dict[int, list[Anchor]], note_ids: set[int]) -> set[str]:
    return {
        anchor.arxiv_id for n in note_ids for anchor in anchors_of.get(n, []) if anchor.arxiv_id
    }
