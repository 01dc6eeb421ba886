"""``reassay claims search``."""

from typing import Annotated

import typer

from claims.commands.output import JsonOption, print_json, print_message, print_table
from claims.commands.setup import open_library
from claims.search import search_claims
from db.models import Claim


def search(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT")],
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Claims that hold any word of a text, best first; matching words stand in [ ].

    Example: reassay claims search "constraint satisfaction"
    """
    with open_library(ctx) as session:
        hits = search_claims(session, text, limit)
        found = [(hit, session.get_one(Claim, hit.id)) for hit in hits]
    rows = [
        {
            "id": c.handle,
            "slug": c.slug,
            "statement": c.statement,
            "score": h.score,
            "match": h.snippet,
        }
        for h, c in found
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(("id", "match"), ((row["id"], row["match"]) for row in rows))
    else:
        print_message(f"no claim holds a word of {text!r}")
