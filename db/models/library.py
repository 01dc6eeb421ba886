"""Lines, claims, findings and anchors: what every listing of the library reads.

A claim belongs to a note (or a finding); lines refer to claims.
"""

from datetime import datetime
from typing import Any

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
