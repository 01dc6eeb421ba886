"""Re-tests: registered protocols, evidence streams, and the ledger of seeds."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, UniqueConstraint
from sqlmodel import Field, SQLModel

from db.columns import JsonDocument, UtcDateTime, utc_now


class Protocol(SQLModel, table=True):
    """What an experiment fixed before its first run, under the hash of that record."""

    __table_args__ = (UniqueConstraint("experiment", "version"),)
    id: int | None = Field(default=None, primary_key=True)
    hash: str = Field(unique=True)
    experiment: str = Field(index=True)  # c03, c04, ...
    version: int
    record: dict[str, Any] = Field(sa_type=JsonDocument)
    previous_hash: str | None = None  # the protocol that this one amends
    registered_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class Binding(SQLModel, table=True):
    """An experiment bears on a claim, with a transfer tag."""

    claim_id: int = Field(foreign_key="claim.id", primary_key=True)
    experiment: str = Field(primary_key=True)
    transfer: str  # direct | analogue | illustration
    bound_by: str  # "source id", "note slug" or a person


class Stream(SQLModel, table=True):
    """Evidence under one protocol, one code hash and one environment class."""

    __table_args__ = (UniqueConstraint("protocol_id", "profile", "code_hash", "environment_class"),)
    id: int | None = Field(default=None, primary_key=True)
    protocol_id: int = Field(foreign_key="protocol.id", index=True)
    experiment: str = Field(index=True)
    profile: str  # smoke | nightly | full; smoke never concludes
    code_hash: str
    environment_class: str  # short name, e.g. "cpu-1-thread torch 2.13"
    environment: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    latched_outcome: str | None = None  # CONSISTENT | SHIFTED | ATTENUATED, once reached
    latched_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    opened_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class SeedRun(SQLModel, table=True):
    """One seed of a stream: written "started" first and "finished" last."""

    __tablename__ = "seed_run"
    __table_args__ = (UniqueConstraint("stream_id", "seed_index"),)
    id: int | None = Field(default=None, primary_key=True)
    stream_id: int = Field(foreign_key="stream.id", index=True)
    night_id: int | None = Field(default=None, foreign_key="night.id", index=True)
    seed_index: int  # j of the seed schedule
    seed: int = Field(sa_type=BigInteger)  # H(experiment, version, j)
    status: str = "started"  # started | finished | failed | censored
    attempt: int = 1
    worker: str  # host:pid; a finish by another worker is refused
    value: float | None = None  # the estimand on this seed
    measures: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    controls: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    error: str | None = None
    duration_s: float | None = None
    started_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class CanaryRun(SQLModel, table=True):
    """A re-run of a fixed seed: never evidence, only a watch on the environment."""

    __tablename__ = "canary_run"
    id: int | None = Field(default=None, primary_key=True)
    stream_id: int = Field(foreign_key="stream.id", index=True)
    night_id: int | None = Field(default=None, foreign_key="night.id", index=True)
    digest: str  # SHA-256 of the canary's result
    is_reference: bool  # the first one of the stream, which later ones must equal
    is_ok: bool
    environment: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    difference: str | None = None  # what changed in the environment, when it missed
    ran_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
