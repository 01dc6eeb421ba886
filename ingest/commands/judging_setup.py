"""What the commands that rank and judge are given by the front door."""

from typing import Protocol, cast

import typer

from claims.commands.setup import LibrarySetup


class JudgingSetup(LibrarySetup, Protocol):
    """Where the library is, which embeddings rank and which judge judges."""

    @property
    def embeddings(self) -> str: ...

    @property
    def judge(self) -> str: ...


def judging_setup(context: typer.Context) -> JudgingSetup:
    """The setup that the front door put into the command's context."""
    return cast(JudgingSetup, context.obj)
