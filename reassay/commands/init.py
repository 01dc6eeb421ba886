"""``reassay init``: create the home directory and the database."""

import typer

from claims.commands.output import print_message
from claims.commands.setup import library_setup, open_library


def init(ctx: typer.Context) -> None:
    """Create the home directory and the database; both exist afterwards, whatever was there.

    Example: reassay --home ~/claims init
    """
    with open_library(ctx):
        print_message(f"library ready: {library_setup(ctx).database_url}")
