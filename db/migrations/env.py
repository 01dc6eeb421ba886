"""Alembic's entry: runs migrations on the connection that ``db.engine`` hands over."""

from alembic import context
from sqlmodel import SQLModel

from db.models import load_all_tables

load_all_tables()
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
