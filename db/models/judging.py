"""Which papers bear on which claim, what a judge proposes, what a person decided."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import UniqueConstraint, text
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
    is_sample: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class Ranking(SQLModel, table=True):
    """How far one ranker has read the store for one wording of a claim."""

    __table_args__ = (UniqueConstraint("claim_revision_id", "ranker"),)
    id: int | None = Field(default=None, primary_key=True)
    claim_revision_id: int = Field(foreign_key="claim_revision.id")
    ranker: str
    through_version_id: int  # highest paper_version.id that was looked at
    papers: int = 0  # that were scored
    feedback: dict[str, float] = Field(default_factory=dict, sa_type=JsonDocument)  # term weights
    ranked_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


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
    studied: dict[str, Any] | None = Field(default=None, sa_type=JsonDocument)  # models, dates
    independence_key: str | None = Field(default=None, index=True)  # one source counts once
    confirmed_by: str | None = None  # person | setting
    split_from_id: int | None = Field(default=None, foreign_key="evidence.id")
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class Decision(SQLModel, table=True):
    """A person's word on a stance row."""

    id: int | None = Field(default=None, primary_key=True)
    evidence_id: int = Field(foreign_key="evidence.id", index=True)
    word: str  # confirm | reject | right-stance-wrong-claim | split
    stance: str | None = None  # the person's own, where it differs from the row's
    other_claim_id: int | None = Field(default=None, foreign_key="claim.id")
    reason: str
    author: str
    decided_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    undone_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class JudgeAnswer(SQLModel, table=True):
    """A language model's answer, kept so that the same question is never paid for twice."""

    __tablename__ = "judge_answer"
    __table_args__ = (
        UniqueConstraint("model", "prompt", "pass_name", "claim_revision_id", "paper_version_id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    model: str
    prompt: str  # version of the prompt
    pass_name: str  # propose | verify
    claim_revision_id: int = Field(foreign_key="claim_revision.id")
    paper_version_id: int = Field(foreign_key="paper_version.id")
    question_hash: str  # of the whole question: a quote to verify is part of it
    answer: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    input_tokens: int = 0
    output_tokens: int = 0
    took_s: float = 0.0
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class JudgeMeasure(SQLModel, table=True):
    """What one judge was measured at, on which labelled pairs."""

    __tablename__ = "judge_measure"
    id: int | None = Field(default=None, primary_key=True)
    judge: str = Field(index=True)
    measured_on: str  # gold | decisions
    pairs_hash: str
    pairs: int
    result: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    measured_on_day: date
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class MissEstimate(SQLModel, table=True):
    """How many papers that bear on a claim one night's cut is believed to have left out."""

    __tablename__ = "miss_estimate"
    id: int | None = Field(default=None, primary_key=True)
    night_id: int | None = Field(default=None, foreign_key="night.id", index=True)
    judge: str
    below_cut: int  # pairs of claim and new paper that triage left out
    sampled: int
    found: int  # sampled pairs that bear on their claim
    miss_rate: float  # share of the pairs below the cut
    miss_rate_low: float
    miss_rate_high: float
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
