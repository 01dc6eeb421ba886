"""Accounts of days and categories, citations, vectors, and what a person decides.

Revision 0002. Columns with a reference are added in plain SQL: SQLite takes a reference
with a new column, and rebuilding a table that others refer to would cascade. There is no
way back but a copy made before.
"""

import sqlalchemy as sa
from alembic import op

from db.columns import JsonDocument, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_paper_tables()
    create_judging_tables()
    op.add_column("paper", sa.Column("withdrawn_seen_at", UtcDateTime(), nullable=True))
    op.add_column(
        "candidate",
        sa.Column("is_sample", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("evidence", sa.Column("studied", JsonDocument(), nullable=True))
    op.add_column("evidence", sa.Column("independence_key", sa.String(), nullable=True))
    op.add_column("evidence", sa.Column("confirmed_by", sa.String(), nullable=True))
    op.execute("ALTER TABLE evidence ADD COLUMN split_from_id INTEGER REFERENCES evidence (id)")
    op.create_index("ix_evidence_independence_key", "evidence", ["independence_key"])
    op.execute("UPDATE evidence SET confirmed_by = 'person' WHERE status = 'confirmed'")
    op.add_column("decision", sa.Column("stance", sa.String(), nullable=True))
    op.execute("ALTER TABLE decision ADD COLUMN other_claim_id INTEGER REFERENCES claim (id)")


def create_paper_tables() -> None:
    op.create_table(
        "harvest_day",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("window_id", sa.Integer(), sa.ForeignKey("harvest_window.id"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("revised", sa.Integer(), nullable=False),
        sa.UniqueConstraint("window_id", "day", "category"),
    )
    op.create_index("ix_harvest_day_window_id", "harvest_day", ["window_id"])
    op.create_index("ix_harvest_day_day", "harvest_day", ["day"])
    op.create_table(
        "citation",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("cited_arxiv_id", sa.String(), nullable=False),
        sa.Column("citing_key", sa.String(), nullable=False),
        sa.Column("citing_arxiv_id", sa.String(), nullable=True),
        sa.Column("citing_title", sa.String(), nullable=False),
        sa.Column("citing_published", sa.Date(), nullable=True),
        sa.Column("contexts", JsonDocument(), nullable=False),
        sa.Column("is_influential", sa.Boolean(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("first_seen_at", UtcDateTime(), nullable=False),
        sa.UniqueConstraint("cited_arxiv_id", "citing_key", "source"),
    )
    op.create_index("ix_citation_cited_arxiv_id", "citation", ["cited_arxiv_id"])
    op.create_index("ix_citation_citing_arxiv_id", "citation", ["citing_arxiv_id"])
    op.create_table(
        "paper_vector",
        sa.Column("paper_id", sa.Integer(), sa.ForeignKey("paper.id"), primary_key=True),
        sa.Column("model", sa.String(), primary_key=True),
        sa.Column("paper_version_id", sa.Integer(), nullable=False),
        sa.Column("scale", sa.Float(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
    )


def create_judging_tables() -> None:
    op.create_table(
        "judge_answer",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("prompt", sa.String(), nullable=False),
        sa.Column("pass_name", sa.String(), nullable=False),
        sa.Column(
            "claim_revision_id", sa.Integer(), sa.ForeignKey("claim_revision.id"), nullable=False
        ),
        sa.Column(
            "paper_version_id", sa.Integer(), sa.ForeignKey("paper_version.id"), nullable=False
        ),
        sa.Column("question_hash", sa.String(), nullable=False),
        sa.Column("answer", JsonDocument(), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("took_s", sa.Float(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.UniqueConstraint(
            "model", "prompt", "pass_name", "claim_revision_id", "paper_version_id"
        ),
    )
    op.create_table(
        "judge_measure",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("judge", sa.String(), nullable=False),
        sa.Column("measured_on", sa.String(), nullable=False),
        sa.Column("pairs_hash", sa.String(), nullable=False),
        sa.Column("pairs", sa.Integer(), nullable=False),
        sa.Column("result", JsonDocument(), nullable=False),
        sa.Column("measured_on_day", sa.Date(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
    )
    op.create_index("ix_judge_measure_judge", "judge_measure", ["judge"])
    op.create_table(
        "miss_estimate",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("night_id", sa.Integer(), sa.ForeignKey("night.id"), nullable=True),
        sa.Column("judge", sa.String(), nullable=False),
        sa.Column("below_cut", sa.Integer(), nullable=False),
        sa.Column("sampled", sa.Integer(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("miss_rate", sa.Float(), nullable=False),
        sa.Column("miss_rate_low", sa.Float(), nullable=False),
        sa.Column("miss_rate_high", sa.Float(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
    )
    op.create_index("ix_miss_estimate_night_id", "miss_estimate", ["night_id"])
