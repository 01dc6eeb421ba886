"""``reassay claims edit``: the parts of a claim other than its wording."""

from typing import Annotated

import typer

from claims.commands.authorship import AuthorOption, WhyOption, edit_record, sign
from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from claims.editing import edit_claim
from claims.queries import find_claim
from db.errors import UsageError

NoText = str | None


def edit(
    ctx: typer.Context,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="Handle or part of the slug.")],
    why: WhyOption,
    insight: Annotated[NoText, typer.Option(metavar="TEXT", help="The durable part.")] = None,
    limit: Annotated[NoText, typer.Option(metavar="TEXT", help="What its numbers say.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Model class, task, scale ...; may be repeated."),
    ] = None,
    found_from: Annotated[NoText, typer.Option(metavar="DATE", help="2026 or 2026-03.")] = None,
    found_to: Annotated[NoText, typer.Option(metavar="DATE", help="2026 or 2026-03.")] = None,
    author: AuthorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a claim's insight, limit, scope or dates; an empty value takes one away.

    Example: reassay claims edit c4 --limit "55-60%" --scope task=OPF --why "as the source says"
    """
    changes = _parse_scope(scope or [])
    dates = {"found_from": found_from, "found_to": found_to}
    changes.update({name: value for name, value in dates.items() if value is not None})
    if insight is None and limit is None and not changes:
        raise UsageError("nothing to change: give --insight, --limit, --scope or a date")
    with open_library(ctx) as session:
        found = find_claim(session, claim)
        made = edit_claim(
            session, found, sign(author, why), insight=insight, limit=limit, scope=changes
        )
    if as_json:
        print_json(edit_record(made, found.handle))
    else:
        print(f"{found.handle} has revision {found.revision_number}")


def _parse_scope(pairs: list[str]) -> dict[str, str]:
    changes = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key.strip() or not equals:
            raise UsageError(f"--scope {pair!r} is no pair: write KEY=VALUE, such as task=maths")
        changes[key.strip()] = value
    return changes
