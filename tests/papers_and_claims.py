"""A small library for tests: claims with their revisions, papers with their versions."""

from datetime import UTC, date, datetime
from hashlib import sha256

from sqlmodel import Session

from db.columns import stored_id
from db.models import Anchor, Claim, ClaimRevision, Line, LineClaim, Note, Paper, PaperVersion


def add_line(session: Session, slug: str = "a-line", span_from: str | None = None) -> Line:
    line = Line(
        slug=slug,
        question="Does it?",
        text="",
        source="test",
        content_hash=slug,
        span_from=span_from,
    )
    session.add(line)
    session.commit()
    return line


def add_claim(
    session: Session,
    line: Line,
    handle: str,
    text: str,
    *,
    kind: str = "note",
    is_retired: bool = False,
    anchor: str | None = None,
    month: str | None = None,
) -> Claim:
    note = Note(slug=f"note-{handle}", title=text, kind=kind, summary=text)
    session.add(note)
    session.flush()
    claim = Claim(handle=handle, slug=f"slug-{handle}", note_id=note.id, statement=text, text=text)
    claim.retired_at = datetime(2026, 1, 1, tzinfo=UTC) if is_retired else None
    session.add(claim)
    session.flush()
    session.add(LineClaim(line_id=stored_id(line.id), claim_id=stored_id(claim.id)))
    add_revision(session, claim, text, 1)
    if anchor:
        session.add(
            Anchor(
                line_id=stored_id(line.id), note_id=note.id, position=1, arxiv_id=anchor,
                label="A", raw=anchor, month_from_id=month, tied_by="label",
            )
        )  # fmt: skip
    session.commit()
    return claim


def add_revision(session: Session, claim: Claim, text: str, number: int) -> ClaimRevision:
    revision = ClaimRevision(
        claim_id=stored_id(claim.id),
        number=number,
        statement=text,
        text=text,
        author="import",
        reason="test",
    )
    claim.revision_number, claim.text, claim.statement = number, text, text
    session.add_all([revision, claim])
    session.commit()
    return revision


def add_paper(
    session: Session, arxiv_id: str, title: str, abstract: str, published: date | None = None
) -> Paper:
    paper = Paper(
        arxiv_id=arxiv_id, title=title, abstract=abstract, published=published, source="test"
    )
    session.add(paper)
    session.flush()
    add_version(session, paper, title, abstract, 1)
    return paper


def add_version(session: Session, paper: Paper, title: str, abstract: str, number: int) -> None:
    version = PaperVersion(
        paper_id=stored_id(paper.id),
        version=number,
        text_hash=sha256(f"{title}\n{abstract}".encode()).hexdigest(),
        title=title,
        abstract=abstract,
        source="test",
    )
    session.add(version)
    session.flush()
    paper.title, paper.abstract, paper.version_id, paper.version = (
        title,
        abstract,
        version.id,
        number,
    )
    session.add(paper)
    session.commit()
