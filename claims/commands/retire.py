"""``reassay claims retire``: out of force, with a reason."""

from typing import Annotated

import typer

from claims.commands.authorship import AuthorOption, WhyOption, edit_record, sign
from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from claims.editing import retire_claim
from claims.queries import find_claim


def retire(
    ctx: typer.Context,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="Handle or part of the slug.")],
    why: WhyOption,
    author: AuthorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a claim out of force; its lines keep showing it, as retired.

    Example: reassay claims retire c9 --why "its paper was withdrawn"
    """
    with open_library(ctx) as session:
        found = find_claim(session, claim)
        edit = retire_claim(session, found, sign(author, why))
    if as_json:
        print_json(edit_record(edit, found.handle))
    else:
        print(f"{found.handle} is retired: {found.retired_reason}")
