"""The wordings of claims, and what a person changed in the library."""

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from db.columns import JsonDocument, UtcDateTime, utc_now


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
