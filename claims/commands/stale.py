"""``reassay claims stale``: claims to look at again."""

import typer

from claims.commands.output import JsonOption, print_json, print_message, print_table
from claims.commands.setup import open_library
from claims.staleness import list_stale
from db.columns import utc_now


def stale(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Claims last searched for more than 35 days ago or never, or about models of 18 months.

    Example: reassay claims stale
    """
    with open_library(ctx) as session:
        rows = list_stale(session, utc_now().date())
    if as_json:
        print_json([row.record() for row in rows])
    elif rows:
        print_table(
            ("id", "why", "claim"), ((r.id, "; ".join(r.reasons), r.statement) for r in rows)
        )
    else:
        print_message("no claim is stale")
