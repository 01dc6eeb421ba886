"""Nights and their steps, schedules and leases."""

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from db.columns import JsonDocument, UtcDateTime, utc_now


class Night(SQLModel, table=True):
    """One run of the main job; its id is the night's number."""

    id: int | None = Field(default=None, primary_key=True)
    profile: str
    budget_s: float
    status: str = "started"  # started | complete | incomplete
    started_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class NightStep(SQLModel, table=True):
    """One of the six steps of a night: written "started" first and "finished" last."""

    __tablename__ = "night_step"
    __table_args__ = (UniqueConstraint("night_id", "name"),)
    id: int | None = Field(default=None, primary_key=True)
    night_id: int = Field(foreign_key="night.id", index=True)
    name: str  # harvest | triage | judge | re-test | conclude | report
    status: str = "started"  # started | finished | incomplete | failed
    not_checked: list[str] = Field(default_factory=list, sa_type=JsonDocument)
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    started_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Schedule(SQLModel, table=True):
    """When nights run by themselves."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    cron: str
    profile: str
    budget_s: float
    is_enabled: bool = True
    last_fired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Lease(SQLModel, table=True):
    """Who holds a right that only one process may hold, and its last sign of life."""

    name: str = Field(primary_key=True)
    holder: str
    acquired_at: datetime = Field(sa_type=UtcDateTime)
    heartbeat_at: datetime = Field(sa_type=UtcDateTime)
