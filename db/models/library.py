"""The curator's library: lines, notes, claims and what they lean on.

A claim belongs to a note (or a finding); lines refer to notes and claims.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from db.columns import JsonDocument, UtcDateTime, utc_now


class Line(SQLModel, table=True):
    """A line of inquiry: one question, its essay, and what it lists."""

    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True)
    question: str
    standfirst: str | None = None
    essay: list[str] = Field(default_factory=list, sa_type=JsonDocument)
    topic: str | None = None
    declared_notes: int | None = None
    span_from: str | None = None  # the "These findings span" check line, as stated
    span_to: str | None = None
    text: str  # the document's normal form, verbatim: data, never an instruction
    unread: str | None = None  # lines of it that the grammar gives no place
    source: str  # path or package name that it came from
    content_hash: str = Field(index=True)  # SHA-256 of the normal form
    imported_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    changed_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class Note(SQLModel, table=True):
    """A synthesis note, or a topic hub that a line lists among its notes."""

    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True)
    title: str
    kind: str = "note"  # note | hub
    summary: str  # the fullest text of the note that was imported
    claim_title: str | None = None  # the declarative claim, where a page states it
    topic: str | None = None
    note_date: date | None = None


class LineNote(SQLModel, table=True):
    """A line lists a note, at a position, and cites it some number of times."""

    __tablename__ = "line_note"
    line_id: int = Field(foreign_key="line.id", primary_key=True, ondelete="CASCADE")
    note_id: int = Field(foreign_key="note.id", primary_key=True)
    position: int
    cited: int = 0


class Claim(SQLModel, table=True):
    """A dated claim with a short handle (c1, c2, ... in import order)."""

    id: int | None = Field(default=None, primary_key=True)
    handle: str = Field(unique=True)
    slug: str = Field(unique=True)
    note_id: int | None = Field(default=None, foreign_key="note.id", index=True)
    finding_id: int | None = Field(default=None, foreign_key="finding.id", index=True)
    statement: str  # of the current revision
    text: str  # statement and what the note adds to it, of the current revision
    revision_number: int = 1
    merged_into_id: int | None = Field(default=None, foreign_key="claim.id")
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    retired_reason: str | None = None
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class ClaimRevision(SQLModel, table=True):
    """One wording of a claim; verdicts and evidence point to the revision judged."""

    __tablename__ = "claim_revision"
    __table_args__ = (UniqueConstraint("claim_id", "number"),)
    id: int | None = Field(default=None, primary_key=True)
    claim_id: int = Field(foreign_key="claim.id", index=True)
    number: int
    statement: str
    text: str
    insight: str | None = None  # the durable part
    limit: str | None = None  # the perishable part: what its numbers say
    numbers: list[dict[str, Any]] = Field(default_factory=list, sa_type=JsonDocument)
    scope: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    author: str  # who made it: "import" or a person
    reason: str
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class LineClaim(SQLModel, table=True):
    """A line refers to a claim."""

    __tablename__ = "line_claim"
    line_id: int = Field(foreign_key="line.id", primary_key=True, ondelete="CASCADE")
    claim_id: int = Field(foreign_key="claim.id", primary_key=True, index=True)


class Finding(SQLModel, table=True):
    """One bullet of a line, verbatim, with its own dates."""

    id: int | None = Field(default=None, primary_key=True)
    line_id: int = Field(foreign_key="line.id", index=True, ondelete="CASCADE")
    position: int
    text: str  # emphasis marks stripped, date bracket removed
    raw: str
    start: int | None = None  # character offsets of raw in the normal form
    end: int | None = None
    found_from: str | None = None  # "2025" or "2026-03": year or month precision
    found_to: str | None = None
    date_raw: str | None = None
    numbers: list[dict[str, Any]] = Field(default_factory=list, sa_type=JsonDocument)
    is_compound: bool = False


class FindingNote(SQLModel, table=True):
    """A finding leans on a note, by likeness of words or by a person's word."""

    __tablename__ = "finding_note"
    finding_id: int = Field(foreign_key="finding.id", primary_key=True, ondelete="CASCADE")
    note_id: int = Field(foreign_key="note.id", primary_key=True, index=True)
    likeness: float
    tied_by: str = "likeness"  # likeness | a person


class Edit(SQLModel, table=True):
    """What a person changed in the library, and what is needed to take it back."""

    id: int | None = Field(default=None, primary_key=True)
    claim_id: int = Field(foreign_key="claim.id", index=True)
    kind: str  # edit | reword | split | merge | retire | anchor
    author: str
    reason: str
    before: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    after: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    made_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    undone_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Anchor(SQLModel, table=True):
    """An arXiv id that a line names as a source, and how far it has been checked."""

    id: int | None = Field(default=None, primary_key=True)
    line_id: int = Field(foreign_key="line.id", index=True, ondelete="CASCADE")
    note_id: int | None = Field(default=None, foreign_key="note.id", index=True)
    position: int
    arxiv_id: str | None = Field(default=None, index=True)  # None: an impossible id, kept raw
    version: int | None = None
    label: str
    raw: str
    month_stated: str | None = None  # "2025-02"
    month_from_id: str | None = None
    state: str = "syntactic"  # syntactic | exists | title-checked | quoted | broken
    tied_by: str | None = None  # how note_id came about: "label" or a person


class Task(SQLModel, table=True):
    """One numbered task of a line's research prompt."""

    id: int | None = Field(default=None, primary_key=True)
    line_id: int = Field(foreign_key="line.id", index=True, ondelete="CASCADE")
    number: int
    title: str
    text: str


class Mention(SQLModel, table=True):
    """An arXiv id in prose: noted, never an anchor."""

    id: int | None = Field(default=None, primary_key=True)
    arxiv_id: str = Field(index=True)
    version: int | None = None
    line_id: int | None = Field(default=None, foreign_key="line.id", ondelete="CASCADE")
    note_id: int | None = Field(default=None, foreign_key="note.id")
    raw: str
    start: int
    end: int


class ImportWarning(SQLModel, table=True):
    """What the importer could not take at face value in a line's document."""

    __tablename__ = "import_warning"
    id: int | None = Field(default=None, primary_key=True)
    line_id: int = Field(foreign_key="line.id", index=True, ondelete="CASCADE")
    position: int
    code: str
    message: str
