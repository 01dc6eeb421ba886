"""What this room's commands are given by the front door, and how they open the store."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Protocol, cast

import typer
from sqlalchemy import Engine

from claims.commands.setup import LibrarySetup
from db.engine import open_database
from ingest.citations import CitationSetup
from ingest.harvest import HarvestSetup
from ingest.text_fetching import TextSetup


class IngestSetup(LibrarySetup, HarvestSetup, CitationSetup, TextSetup, Protocol):
    """Where the library is, and where its papers come from."""

    @property
    def arxiv_source(self) -> str: ...

    @property
    def arxiv_oai_url(self) -> str: ...

    @property
    def arxiv_feed_url(self) -> str: ...


def ingest_setup(context: typer.Context) -> IngestSetup:
    """The setup that the front door put into the command's context."""
    return cast(IngestSetup, context.obj)


@contextmanager
def open_store(context: typer.Context) -> Iterator[Engine]:
    """The library's database, for commands that write in many short transactions."""
    engine = open_database(ingest_setup(context).database_url)
    try:
        yield engine
    finally:
        engine.dispose()


def today_utc() -> date:
    """The present day in UTC, which arXiv counts days of submission in."""
    return datetime.now(UTC).date()
