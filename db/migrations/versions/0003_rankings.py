"""How far a ranker has read the store for a claim.

Revision 0003.
"""

import sqlalchemy as sa
from alembic import op

from db.columns import JsonDocument, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ranking",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column(
            "claim_revision_id", sa.Integer(), sa.ForeignKey("claim_revision.id"), nullable=False
        ),
        sa.Column("ranker", sa.String(), nullable=False),
        sa.Column("through_version_id", sa.Integer(), nullable=False),
        sa.Column("papers", sa.Integer(), nullable=False),
        sa.Column("feedback", JsonDocument(), nullable=False),
        sa.Column("ranked_at", UtcDateTime(), nullable=False),
        sa.UniqueConstraint("claim_revision_id", "ranker"),
    )
