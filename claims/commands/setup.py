"""What a command is given by the front door, and how it opens the library.

Only the front door reads settings and the environment; each room states, as a Protocol,
the part of them that its commands need.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

import typer
from sqlmodel import Session

from db.engine import open_database, open_session


class LibrarySetup(Protocol):
    """Where the library is."""

    @property
    def home(self) -> Path: ...

    @property
    def database_url(self) -> str: ...


def library_setup(context: typer.Context) -> LibrarySetup:
    """The setup that the front door put into the command's context."""
    return cast(LibrarySetup, context.obj)


@contextmanager
def open_library(context: typer.Context) -> Iterator[Session]:
    """A session on the library's database, created and migrated when due."""
    engine = open_database(library_setup(context).database_url)
    try:
        with open_session(engine) as session:
            yield session
    finally:
        engine.dispose()
