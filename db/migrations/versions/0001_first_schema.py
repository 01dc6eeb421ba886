"""The first schema: library, papers, judging, re-tests, nights, and full text.

Revision 0001. Full text is FTS5 with triggers on SQLite and a generated tsvector with a
GIN index on PostgreSQL; both are read through ``claims.search`` alone.
"""

import sqlalchemy as sa
from alembic import op

from db.columns import JsonDocument, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SEARCHED = {
    "paper": ("title", "abstract"),
    "claim": ("statement", "text"),
    "note": ("title", "summary"),
}


def upgrade() -> None:
    create_tables()
    dialect = op.get_bind().dialect.name
    for table, (first, second) in SEARCHED.items():
        if dialect == "sqlite":
            create_fts5(table, first, second)
        else:
            create_tsvector(table, first, second)


def create_fts5(table: str, first: str, second: str) -> None:
    """An external-content index: the text is stored once, triggers keep it current."""
    fts = f"{table}_fts"
    op.execute(
        f"CREATE VIRTUAL TABLE {fts} USING fts5({first}, {second}, content='{table}', "
        "content_rowid='id', tokenize='porter unicode61')"
    )
    add = f"INSERT INTO {fts}(rowid, {first}, {second}) VALUES (new.id, new.{first}, new.{second});"
    remove = (
        f"INSERT INTO {fts}({fts}, rowid, {first}, {second}) "
        f"VALUES ('delete', old.id, old.{first}, old.{second});"
    )
    op.execute(f"CREATE TRIGGER {fts}_insert AFTER INSERT ON {table} BEGIN {add} END")
    op.execute(f"CREATE TRIGGER {fts}_delete AFTER DELETE ON {table} BEGIN {remove} END")
    op.execute(
        f"CREATE TRIGGER {fts}_update AFTER UPDATE OF {first}, {second} ON {table} "
        f"BEGIN {remove} {add} END"
    )


def create_tsvector(table: str, first: str, second: str) -> None:
    op.execute(
        f"ALTER TABLE {table} ADD COLUMN search tsvector GENERATED ALWAYS AS ("
        f"setweight(to_tsvector('english', {first}), 'A') || "
        f"setweight(to_tsvector('english', {second}), 'B')) STORED"
    )
    op.execute(f"CREATE INDEX ix_{table}_search ON {table} USING gin(search)")


def create_tables() -> None:
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("acquired_at", UtcDateTime(), nullable=False),
        sa.Column("heartbeat_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "line",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("standfirst", sa.String(), nullable=True),
        sa.Column("essay", JsonDocument(), nullable=False),
        sa.Column("topic", sa.String(), nullable=True),
        sa.Column("declared_notes", sa.Integer(), nullable=True),
        sa.Column("span_from", sa.String(), nullable=True),
        sa.Column("span_to", sa.String(), nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("unread", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("imported_at", UtcDateTime(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
    )
    op.create_index("ix_line_content_hash", "line", ["content_hash"], unique=False)
    op.create_table(
        "night",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("budget_s", sa.Float(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "note",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column("claim_title", sa.String(), nullable=True),
        sa.Column("topic", sa.String(), nullable=True),
        sa.Column("note_date", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
    )
    op.create_table(
        "paper",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("arxiv_id", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("abstract", sa.String(), nullable=False),
        sa.Column("authors", JsonDocument(), nullable=False),
        sa.Column("categories", JsonDocument(), nullable=False),
        sa.Column("published", sa.Date(), nullable=True),
        sa.Column("listed", sa.Date(), nullable=True),
        sa.Column("updated", sa.Date(), nullable=True),
        sa.Column("comment", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=True),
        sa.Column("is_withdrawn", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("first_seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("arxiv_id"),
    )
    op.create_index("ix_paper_first_seen_at", "paper", ["first_seen_at"], unique=False)
    op.create_index("ix_paper_listed", "paper", ["listed"], unique=False)
    op.create_index("ix_paper_published", "paper", ["published"], unique=False)
    op.create_table(
        "protocol",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("experiment", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("record", JsonDocument(), nullable=False),
        sa.Column("previous_hash", sa.String(), nullable=True),
        sa.Column("registered_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("experiment", "version"),
        sa.UniqueConstraint("hash"),
    )
    op.create_index("ix_protocol_experiment", "protocol", ["experiment"], unique=False)
    op.create_table(
        "schedule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("cron", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("budget_s", sa.Float(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("last_fired_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "anchor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("note_id", sa.Integer(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("arxiv_id", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("raw", sa.String(), nullable=False),
        sa.Column("month_stated", sa.String(), nullable=True),
        sa.Column("month_from_id", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("tied_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["line_id"], ["line.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["note_id"],
            ["note.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_anchor_arxiv_id", "anchor", ["arxiv_id"], unique=False)
    op.create_index("ix_anchor_line_id", "anchor", ["line_id"], unique=False)
    op.create_index("ix_anchor_note_id", "anchor", ["note_id"], unique=False)
    op.create_table(
        "finding",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("raw", sa.String(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=True),
        sa.Column("end", sa.Integer(), nullable=True),
        sa.Column("found_from", sa.String(), nullable=True),
        sa.Column("found_to", sa.String(), nullable=True),
        sa.Column("date_raw", sa.String(), nullable=True),
        sa.Column("numbers", JsonDocument(), nullable=False),
        sa.Column("is_compound", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["line.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_finding_line_id", "finding", ["line_id"], unique=False)
    op.create_table(
        "import_warning",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["line.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_import_warning_line_id", "import_warning", ["line_id"], unique=False)
    op.create_table(
        "line_note",
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("note_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("cited", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["line.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["note_id"],
            ["note.id"],
        ),
        sa.PrimaryKeyConstraint("line_id", "note_id"),
    )
    op.create_table(
        "mention",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("arxiv_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("line_id", sa.Integer(), nullable=True),
        sa.Column("note_id", sa.Integer(), nullable=True),
        sa.Column("raw", sa.String(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["line.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["note_id"],
            ["note.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_mention_arxiv_id", "mention", ["arxiv_id"], unique=False)
    op.create_table(
        "night_step",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("night_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("not_checked", JsonDocument(), nullable=False),
        sa.Column("detail", JsonDocument(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["night_id"],
            ["night.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("night_id", "name"),
    )
    op.create_index("ix_night_step_night_id", "night_step", ["night_id"], unique=False)
    op.create_table(
        "paper_text",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("paper_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text_hash", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("sections", JsonDocument(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("loaded_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["paper_id"],
            ["paper.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("paper_id", "version", "text_hash"),
    )
    op.create_index("ix_paper_text_paper_id", "paper_text", ["paper_id"], unique=False)
    op.create_table(
        "paper_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("paper_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text_hash", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("abstract", sa.String(), nullable=False),
        sa.Column("comment", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["paper_id"],
            ["paper.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("paper_id", "version", "text_hash"),
    )
    op.create_index("ix_paper_version_paper_id", "paper_version", ["paper_id"], unique=False)
    op.create_table(
        "stream",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("protocol_id", sa.Integer(), nullable=False),
        sa.Column("experiment", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("environment_class", sa.String(), nullable=False),
        sa.Column("environment", JsonDocument(), nullable=False),
        sa.Column("latched_outcome", sa.String(), nullable=True),
        sa.Column("latched_at", UtcDateTime(), nullable=True),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["protocol_id"],
            ["protocol.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("protocol_id", "profile", "code_hash", "environment_class"),
    )
    op.create_index("ix_stream_experiment", "stream", ["experiment"], unique=False)
    op.create_index("ix_stream_protocol_id", "stream", ["protocol_id"], unique=False)
    op.create_table(
        "task",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["line.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_task_line_id", "task", ["line_id"], unique=False)
    op.create_table(
        "canary_run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("stream_id", sa.Integer(), nullable=False),
        sa.Column("night_id", sa.Integer(), nullable=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("is_reference", sa.Boolean(), nullable=False),
        sa.Column("is_ok", sa.Boolean(), nullable=False),
        sa.Column("environment", JsonDocument(), nullable=False),
        sa.Column("difference", sa.String(), nullable=True),
        sa.Column("ran_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["night_id"],
            ["night.id"],
        ),
        sa.ForeignKeyConstraint(
            ["stream_id"],
            ["stream.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_canary_run_night_id", "canary_run", ["night_id"], unique=False)
    op.create_index("ix_canary_run_stream_id", "canary_run", ["stream_id"], unique=False)
    op.create_table(
        "claim",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("handle", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("note_id", sa.Integer(), nullable=True),
        sa.Column("finding_id", sa.Integer(), nullable=True),
        sa.Column("statement", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("revision_number", sa.Integer(), nullable=False),
        sa.Column("merged_into_id", sa.Integer(), nullable=True),
        sa.Column("retired_at", UtcDateTime(), nullable=True),
        sa.Column("retired_reason", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["finding_id"],
            ["finding.id"],
        ),
        sa.ForeignKeyConstraint(
            ["merged_into_id"],
            ["claim.id"],
        ),
        sa.ForeignKeyConstraint(
            ["note_id"],
            ["note.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("handle"),
        sa.UniqueConstraint("slug"),
    )
    op.create_index("ix_claim_finding_id", "claim", ["finding_id"], unique=False)
    op.create_index("ix_claim_note_id", "claim", ["note_id"], unique=False)
    op.create_table(
        "finding_note",
        sa.Column("finding_id", sa.Integer(), nullable=False),
        sa.Column("note_id", sa.Integer(), nullable=False),
        sa.Column("likeness", sa.Float(), nullable=False),
        sa.Column("tied_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["finding_id"], ["finding.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["note_id"],
            ["note.id"],
        ),
        sa.PrimaryKeyConstraint("finding_id", "note_id"),
    )
    op.create_index("ix_finding_note_note_id", "finding_note", ["note_id"], unique=False)
    op.create_table(
        "seed_run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("stream_id", sa.Integer(), nullable=False),
        sa.Column("night_id", sa.Integer(), nullable=True),
        sa.Column("seed_index", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("measures", JsonDocument(), nullable=False),
        sa.Column("controls", JsonDocument(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("duration_s", sa.Float(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["night_id"],
            ["night.id"],
        ),
        sa.ForeignKeyConstraint(
            ["stream_id"],
            ["stream.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("stream_id", "seed_index"),
    )
    op.create_index("ix_seed_run_night_id", "seed_run", ["night_id"], unique=False)
    op.create_index("ix_seed_run_stream_id", "seed_run", ["stream_id"], unique=False)
    op.create_table(
        "binding",
        sa.Column("claim_id", sa.Integer(), nullable=False),
        sa.Column("experiment", sa.String(), nullable=False),
        sa.Column("transfer", sa.String(), nullable=False),
        sa.Column("bound_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["claim_id"],
            ["claim.id"],
        ),
        sa.PrimaryKeyConstraint("claim_id", "experiment"),
    )
    op.create_table(
        "claim_revision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("claim_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("statement", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("insight", sa.String(), nullable=True),
        sa.Column("limit", sa.String(), nullable=True),
        sa.Column("numbers", JsonDocument(), nullable=False),
        sa.Column("scope", JsonDocument(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["claim_id"],
            ["claim.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("claim_id", "number"),
    )
    op.create_index("ix_claim_revision_claim_id", "claim_revision", ["claim_id"], unique=False)
    op.create_table(
        "edit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("claim_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("before", JsonDocument(), nullable=False),
        sa.Column("after", JsonDocument(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("undone_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["claim_id"],
            ["claim.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_edit_claim_id", "edit", ["claim_id"], unique=False)
    op.create_table(
        "harvest_window",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("night_id", sa.Integer(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("query", sa.String(), nullable=False),
        sa.Column("claim_id", sa.Integer(), nullable=True),
        sa.Column("since", sa.Date(), nullable=True),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("revised", sa.Integer(), nullable=False),
        sa.Column("withdrawn", sa.Integer(), nullable=False),
        sa.Column("is_complete", sa.Boolean(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("detail", JsonDocument(), nullable=False),
        sa.ForeignKeyConstraint(
            ["claim_id"],
            ["claim.id"],
        ),
        sa.ForeignKeyConstraint(
            ["night_id"],
            ["night.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_harvest_window_night_id", "harvest_window", ["night_id"], unique=False)
    op.create_table(
        "line_claim",
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("claim_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["claim_id"],
            ["claim.id"],
        ),
        sa.ForeignKeyConstraint(["line_id"], ["line.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("line_id", "claim_id"),
    )
    op.create_index("ix_line_claim_claim_id", "line_claim", ["claim_id"], unique=False)
    op.create_table(
        "candidate",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("claim_id", sa.Integer(), nullable=False),
        sa.Column("claim_revision_id", sa.Integer(), nullable=False),
        sa.Column("paper_id", sa.Integer(), nullable=False),
        sa.Column("night_id", sa.Integer(), nullable=True),
        sa.Column("ranker", sa.String(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("lexical_score", sa.Float(), nullable=False),
        sa.Column("embedding_score", sa.Float(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["claim_id"],
            ["claim.id"],
        ),
        sa.ForeignKeyConstraint(
            ["claim_revision_id"],
            ["claim_revision.id"],
        ),
        sa.ForeignKeyConstraint(
            ["night_id"],
            ["night.id"],
        ),
        sa.ForeignKeyConstraint(
            ["paper_id"],
            ["paper.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("claim_revision_id", "paper_id", "ranker"),
    )
    op.create_index("ix_candidate_claim_id", "candidate", ["claim_id"], unique=False)
    op.create_index("ix_candidate_paper_id", "candidate", ["paper_id"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("claim_id", sa.Integer(), nullable=False),
        sa.Column("claim_revision_id", sa.Integer(), nullable=False),
        sa.Column("paper_id", sa.Integer(), nullable=False),
        sa.Column("paper_version_id", sa.Integer(), nullable=False),
        sa.Column("night_id", sa.Integer(), nullable=True),
        sa.Column("stance", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("quote", sa.String(), nullable=True),
        sa.Column("quote_start", sa.Integer(), nullable=True),
        sa.Column("quote_end", sa.Integer(), nullable=True),
        sa.Column("section", sa.String(), nullable=True),
        sa.Column("closest", JsonDocument(), nullable=False),
        sa.Column("numbers", JsonDocument(), nullable=False),
        sa.Column("scope", JsonDocument(), nullable=False),
        sa.Column("judge", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["claim_id"],
            ["claim.id"],
        ),
        sa.ForeignKeyConstraint(
            ["claim_revision_id"],
            ["claim_revision.id"],
        ),
        sa.ForeignKeyConstraint(
            ["night_id"],
            ["night.id"],
        ),
        sa.ForeignKeyConstraint(
            ["paper_id"],
            ["paper.id"],
        ),
        sa.ForeignKeyConstraint(
            ["paper_version_id"],
            ["paper_version.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("claim_revision_id", "paper_version_id", "judge"),
    )
    op.create_index("ix_evidence_claim_id", "evidence", ["claim_id"], unique=False)
    op.create_index("ix_evidence_night_id", "evidence", ["night_id"], unique=False)
    op.create_index("ix_evidence_paper_id", "evidence", ["paper_id"], unique=False)
    op.create_table(
        "verdict",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("claim_id", sa.Integer(), nullable=False),
        sa.Column("claim_revision_id", sa.Integer(), nullable=False),
        sa.Column("night_id", sa.Integer(), nullable=True),
        sa.Column("headline", sa.String(), nullable=True),
        sa.Column("look", sa.Boolean(), nullable=False),
        sa.Column("grounding", sa.String(), nullable=False),
        sa.Column("grounding_detail", JsonDocument(), nullable=False),
        sa.Column("literature", sa.String(), nullable=False),
        sa.Column("literature_detail", JsonDocument(), nullable=False),
        sa.Column("local", sa.String(), nullable=False),
        sa.Column("local_detail", JsonDocument(), nullable=False),
        sa.Column("transfer", sa.String(), nullable=True),
        sa.Column("searched_through", sa.Date(), nullable=True),
        sa.Column("moved_by", JsonDocument(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["claim_id"],
            ["claim.id"],
        ),
        sa.ForeignKeyConstraint(
            ["claim_revision_id"],
            ["claim_revision.id"],
        ),
        sa.ForeignKeyConstraint(
            ["night_id"],
            ["night.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_verdict_claim_id", "verdict", ["claim_id"], unique=False)
    op.create_index("ix_verdict_decided_at", "verdict", ["decided_at"], unique=False)
    op.create_index("ix_verdict_night_id", "verdict", ["night_id"], unique=False)
    op.create_table(
        "decision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("evidence_id", sa.Integer(), nullable=False),
        sa.Column("word", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.Column("undone_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["evidence_id"],
            ["evidence.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_decision_evidence_id", "decision", ["evidence_id"], unique=False)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in SEARCHED:
            op.execute(f"DROP TABLE {table}_fts")
    op.drop_index("ix_decision_evidence_id", table_name="decision")
    op.drop_table("decision")
    op.drop_index("ix_verdict_night_id", table_name="verdict")
    op.drop_index("ix_verdict_decided_at", table_name="verdict")
    op.drop_index("ix_verdict_claim_id", table_name="verdict")
    op.drop_table("verdict")
    op.drop_index("ix_evidence_paper_id", table_name="evidence")
    op.drop_index("ix_evidence_night_id", table_name="evidence")
    op.drop_index("ix_evidence_claim_id", table_name="evidence")
    op.drop_table("evidence")
    op.drop_index("ix_candidate_paper_id", table_name="candidate")
    op.drop_index("ix_candidate_claim_id", table_name="candidate")
    op.drop_table("candidate")
    op.drop_index("ix_line_claim_claim_id", table_name="line_claim")
    op.drop_table("line_claim")
    op.drop_index("ix_harvest_window_night_id", table_name="harvest_window")
    op.drop_table("harvest_window")
    op.drop_index("ix_edit_claim_id", table_name="edit")
    op.drop_table("edit")
    op.drop_index("ix_claim_revision_claim_id", table_name="claim_revision")
    op.drop_table("claim_revision")
    op.drop_table("binding")
    op.drop_index("ix_seed_run_stream_id", table_name="seed_run")
    op.drop_index("ix_seed_run_night_id", table_name="seed_run")
    op.drop_table("seed_run")
    op.drop_index("ix_finding_note_note_id", table_name="finding_note")
    op.drop_table("finding_note")
    op.drop_index("ix_claim_note_id", table_name="claim")
    op.drop_index("ix_claim_finding_id", table_name="claim")
    op.drop_table("claim")
    op.drop_index("ix_canary_run_stream_id", table_name="canary_run")
    op.drop_index("ix_canary_run_night_id", table_name="canary_run")
    op.drop_table("canary_run")
    op.drop_index("ix_task_line_id", table_name="task")
    op.drop_table("task")
    op.drop_index("ix_stream_protocol_id", table_name="stream")
    op.drop_index("ix_stream_experiment", table_name="stream")
    op.drop_table("stream")
    op.drop_index("ix_paper_version_paper_id", table_name="paper_version")
    op.drop_table("paper_version")
    op.drop_index("ix_paper_text_paper_id", table_name="paper_text")
    op.drop_table("paper_text")
    op.drop_index("ix_night_step_night_id", table_name="night_step")
    op.drop_table("night_step")
    op.drop_index("ix_mention_arxiv_id", table_name="mention")
    op.drop_table("mention")
    op.drop_table("line_note")
    op.drop_index("ix_import_warning_line_id", table_name="import_warning")
    op.drop_table("import_warning")
    op.drop_index("ix_finding_line_id", table_name="finding")
    op.drop_table("finding")
    op.drop_index("ix_anchor_note_id", table_name="anchor")
    op.drop_index("ix_anchor_line_id", table_name="anchor")
    op.drop_index("ix_anchor_arxiv_id", table_name="anchor")
    op.drop_table("anchor")
    op.drop_table("schedule")
    op.drop_index("ix_protocol_experiment", table_name="protocol")
    op.drop_table("protocol")
    op.drop_index("ix_paper_published", table_name="paper")
    op.drop_index("ix_paper_listed", table_name="paper")
    op.drop_index("ix_paper_first_seen_at", table_name="paper")
    op.drop_table("paper")
    op.drop_table("note")
    op.drop_table("night")
    op.drop_index("ix_line_content_hash", table_name="line")
    op.drop_table("line")
    op.drop_table("lease")
