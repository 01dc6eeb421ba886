"""``reassay claims search``."""

from typing import Annotated

import typer

from claims.commands.output import JsonOption, print_json, print_message, print_table
from claims.commands.setup import open_library
from claims.search import KINDS, LibraryHit, search_library
from db.errors import UsageError


def search(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT")],
    within: Annotated[
        str, typer.Option("--in", help=f"Any of {', '.join(KINDS)}, separated by commas.")
    ] = "claims",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Claims, notes or papers that hold any word of a text, best first.

    Matching words stand in [ ]; --json gives their offsets in the excerpt.

    Example: reassay claims search "constraint satisfaction" --in claims,notes
    """
    kinds = _parse_kinds(within)
    with open_library(ctx) as session:
        hits = search_library(session, text, kinds=kinds, limit=limit)
    if as_json:
        print_json([_as_data(hit) for hit in hits])
    elif hits:
        print_table(
            ("in", "id", "match"), ((hit.kind, hit.name, hit.marked_excerpt()) for hit in hits)
        )
    else:
        print_message(f"none of the {' or '.join(kinds)} holds a word of {text!r}")


def _parse_kinds(within: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(part.strip() for part in within.split(",") if part.strip()))
    if not kinds or not set(kinds) <= set(KINDS):
        raise UsageError(f"--in {within!r}: there are {', '.join(KINDS)}")
    return kinds


def _as_data(hit: LibraryHit) -> dict[str, object]:
    return {
        "kind": hit.kind,
        "id": hit.name,
        "slug": hit.slug,
        "statement": hit.title,
        "score": hit.score,
        "match": hit.marked_excerpt(),
        "excerpt": hit.excerpt,
        "spans": [list(span) for span in hit.spans],
        "retired": hit.is_retired,
    }
