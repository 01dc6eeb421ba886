"""The dated state of claims."""

from datetime import date, datetime
from typing import Any

from sqlmodel import Field, SQLModel

from db.columns import JsonDocument, UtcDateTime, utc_now


class Verdict(SQLModel, table=True):
    """The state of a claim from one night on: a row only when something changed."""

    id: int | None = Field(default=None, primary_key=True)
    claim_id: int = Field(foreign_key="claim.id", index=True)
    claim_revision_id: int = Field(foreign_key="claim_revision.id")
    night_id: int | None = Field(default=None, foreign_key="night.id", index=True)
    headline: str | None = None  # None: a hub, which is no claim
    look: bool = False
    grounding: str
    grounding_detail: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    literature: str
    literature_detail: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    local: str
    local_detail: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    transfer: str | None = None
    searched_through: date | None = None
    moved_by: list[str] = Field(default_factory=list, sa_type=JsonDocument)
    decided_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime, index=True)
