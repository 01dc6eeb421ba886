"""Which papers bear on which claim, what a judge proposes, what a person decided."""

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from db.columns import JsonDocument, UtcDateTime, utc_now


class Candidate(SQLModel, table=True):
    """A paper that triage ranked high enough for one wording of a claim."""

    __table_args__ = (UniqueConstraint("claim_revision_id", "paper_id", "ranker"),)
    id: int | None = Field(default=None, primary_key=True)
    claim_id: int = Field(foreign_key="claim.id", index=True)
    claim_revision_id: int = Field(foreign_key="claim_revision.id")
    paper_id: int = Field(foreign_key="paper.id", index=True)
    night_id: int | None = Field(default=None, foreign_key="night.id")
    ranker: str  # name and version of the ranking
    rank: int
    score: float  # fused
    lexical_score: float
    embedding_score: float | None = None
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class Evidence(SQLModel, table=True):
    """A stance row: what one paper version says about one claim revision.

    A stance other than unclear or out-of-scope carries an exact quote; without a quote
    there is no stance. ``proposed`` until a person confirms; only confirmed rows count.
    """

    __table_args__ = (UniqueConstraint("claim_revision_id", "paper_version_id", "judge"),)
    id: int | None = Field(default=None, primary_key=True)
    claim_id: int = Field(foreign_key="claim.id", index=True)
    claim_revision_id: int = Field(foreign_key="claim_revision.id")
    paper_id: int = Field(foreign_key="paper.id", index=True)
    paper_version_id: int = Field(foreign_key="paper_version.id")
    night_id: int | None = Field(default=None, foreign_key="night.id", index=True)
    stance: str  # supports | contradicts | relaxes | mentions | out-of-scope | unclear
    status: str = "proposed"  # proposed | confirmed | rejected
    confidence: float | None = None  # the judge's calibrated probability of its stance
    quote: str | None = None
    quote_start: int | None = None  # character offsets in the section of the paper version
    quote_end: int | None = None
    section: str | None = None  # title | abstract
    closest: list[dict[str, Any]] = Field(default_factory=list, sa_type=JsonDocument)  # spans
    numbers: list[dict[str, Any]] = Field(default_factory=list, sa_type=JsonDocument)
    scope: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    judge: str  # name and version
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class Decision(SQLModel, table=True):
    """A person's word on a stance row."""

    id: int | None = Field(default=None, primary_key=True)
    evidence_id: int = Field(foreign_key="evidence.id", index=True)
    word: str  # confirm | reject
    reason: str
    author: str
    decided_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    undone_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
