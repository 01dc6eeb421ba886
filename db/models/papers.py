"""Papers, their versions, and the windows in which sources were asked for them."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import LargeBinary, UniqueConstraint
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
    withdrawn_seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
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
    purpose: str  # anchors | claim | recent | backfill | changes | feed | snapshot
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


class HarvestDay(SQLModel, table=True):
    """What one window brought for one day of first submission and one category."""

    __tablename__ = "harvest_day"
    __table_args__ = (UniqueConstraint("window_id", "day", "category"),)
    id: int | None = Field(default=None, primary_key=True)
    window_id: int = Field(foreign_key="harvest_window.id", index=True)
    day: date = Field(index=True)
    category: str
    seen: int = 0
    new: int = 0
    revised: int = 0


class Citation(SQLModel, table=True):
    """A work that cites an anchor, as a citation index states it: pressure, not evidence."""

    __table_args__ = (UniqueConstraint("cited_arxiv_id", "citing_key", "source"),)
    id: int | None = Field(default=None, primary_key=True)
    cited_arxiv_id: str = Field(index=True)
    citing_key: str  # the index's own id of the citing work
    citing_arxiv_id: str | None = Field(default=None, index=True)
    citing_title: str
    citing_published: date | None = None
    contexts: list[str] = Field(default_factory=list, sa_type=JsonDocument)
    is_influential: bool | None = None  # Semantic Scholar's own word
    source: str  # openalex | semantic-scholar
    first_seen_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class PaperVector(SQLModel, table=True):
    """A paper's embedding, one byte a dimension: ``value = byte * scale``."""

    __tablename__ = "paper_vector"
    paper_id: int = Field(foreign_key="paper.id", primary_key=True)
    model: str = Field(primary_key=True)
    paper_version_id: int  # text that was embedded
    scale: float
    vector: bytes = Field(sa_type=LargeBinary)
