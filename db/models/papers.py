"""Papers, their versions, and the windows in which sources were asked for them."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from db.columns import JsonDocument, UtcDateTime, utc_now


class Paper(SQLModel, table=True):
    """One arXiv paper, under its bare id, with the newest text that was seen."""

    id: int | None = Field(default=None, primary_key=True)
    arxiv_id: str = Field(unique=True)
    title: str
    abstract: str
    authors: list[str] = Field(default_factory=list, sa_type=JsonDocument)
    categories: list[str] = Field(default_factory=list, sa_type=JsonDocument)  # primary first
    published: date | None = Field(default=None, index=True)  # day of first submission
    listed: date | None = Field(default=None, index=True)  # day of announcement
    updated: date | None = None
    comment: str | None = None
    version: int = 1  # highest number seen
    version_id: int | None = None  # paper_version that title and abstract are of
    is_withdrawn: bool = False
    source: str  # api | oai | snapshot | feed: where it was first seen
    first_seen_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime, index=True)


class PaperVersion(SQLModel, table=True):
    """One text of a paper; quotes point here, so an old text is never lost."""

    __tablename__ = "paper_version"
    __table_args__ = (UniqueConstraint("paper_id", "version", "text_hash"),)
    id: int | None = Field(default=None, primary_key=True)
    paper_id: int = Field(foreign_key="paper.id", index=True)
    version: int
    text_hash: str  # of title and abstract: some sources do not state the version
    title: str
    abstract: str
    comment: str | None = None
    source: str
    seen_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class PaperText(SQLModel, table=True):
    """A full text of one version of a paper, kept so that quotes may go beyond the abstract."""

    __tablename__ = "paper_text"
    __table_args__ = (UniqueConstraint("paper_id", "version", "text_hash"),)
    id: int | None = Field(default=None, primary_key=True)
    paper_id: int = Field(foreign_key="paper.id", index=True)
    version: int
    text_hash: str
    text: str
    sections: list[dict[str, Any]] = Field(default_factory=list, sa_type=JsonDocument)
    source: str  # the file's name, or arxiv.org/html
    loaded_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class HarvestWindow(SQLModel, table=True):
    """One question put to one source, what it answered, and whether in full."""

    __tablename__ = "harvest_window"
    id: int | None = Field(default=None, primary_key=True)
    night_id: int | None = Field(default=None, foreign_key="night.id", index=True)
    source: str  # api | oai | snapshot | feed
    purpose: str  # anchors | claim | recent | snapshot
    query: str
    claim_id: int | None = Field(default=None, foreign_key="claim.id")
    since: date | None = None
    until: date | None = None
    started_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    seen: int = 0
    new: int = 0
    revised: int = 0
    withdrawn: int = 0
    is_complete: bool = False
    error: str | None = None
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
