"""The two options of every command that changes the library: who, and why."""

import getpass
from typing import Annotated

import typer

from claims.edit_journal import Signature
from db.errors import UsageError
from db.models import Edit

WhyOption = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, kept.")]
AuthorOption = Annotated[
    str | None, typer.Option("--author", metavar="NAME", help="Who; default: the login name.")
]


def sign(author: str | None, why: str) -> Signature:
    """The signature under a change.

    Raises:
        UsageError: no name was given and the login has none.
    """
    if author is None:
        try:
            author = getpass.getuser()
        except (KeyError, OSError, ImportError) as error:
            raise UsageError("the login has no name: say who with --author NAME") from error
    return Signature(author, why)


def edit_record(edit: Edit, handle: str) -> dict[str, object]:
    """An edit as plain data, for ``--json``."""
    return {
        "edit": edit.id,
        "claim": handle,
        "kind": edit.kind,
        "author": edit.author,
        "why": edit.reason,
        "before": edit.before,
        "after": edit.after,
        "made_at": edit.made_at,
        "undone_at": edit.undone_at,
    }
