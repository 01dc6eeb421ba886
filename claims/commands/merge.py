"""``reassay claims merge``: two claims that are one."""

from typing import Annotated

import typer

from claims.commands.authorship import AuthorOption, WhyOption, edit_record, sign
from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from claims.editing import merge_claim
from claims.queries import find_claim


def merge(
    ctx: typer.Context,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="Handle or part of the slug.")],
    into: Annotated[str, typer.Argument(metavar="INTO", help="The claim that stays.")],
    why: WhyOption,
    author: AuthorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Retire a claim in favour of another one, to which its lines refer from now on.

    Example: reassay claims merge c7 c2 --why "the same claim in other words"
    """
    with open_library(ctx) as session:
        found = find_claim(session, claim)
        edit = merge_claim(session, found, find_claim(session, into), sign(author, why))
    if as_json:
        print_json(edit_record(edit, found.handle))
    else:
        print(f"{found.handle} is {found.retired_reason}")
