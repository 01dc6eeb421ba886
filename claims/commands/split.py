"""``reassay claims split``: one claim that is several."""

from typing import Annotated

import typer

from claims.commands.authorship import AuthorOption, WhyOption, edit_record, sign
from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from claims.editing import split_claim
from claims.queries import find_claim


def split(
    ctx: typer.Context,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="Handle or part of the slug.")],
    parts: Annotated[list[str], typer.Argument(metavar="PART...", help="The new claims.")],
    why: WhyOption,
    author: AuthorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Retire a claim in favour of new ones, to which its lines refer from now on.

    Example: reassay claims split c5 "Heat helps." "Heat costs time." --why "two claims in one"
    """
    with open_library(ctx) as session:
        found = find_claim(session, claim)
        edit = split_claim(session, found, parts, sign(author, why))
    if as_json:
        print_json(edit_record(edit, found.handle))
    else:
        print(f"{found.handle} is {found.retired_reason}")
