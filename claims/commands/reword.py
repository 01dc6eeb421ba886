"""``reassay claims reword``: a new wording; the old ones stay."""

from typing import Annotated

import typer

from claims.commands.authorship import AuthorOption, WhyOption, edit_record, sign
from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from claims.editing import reword_claim
from claims.queries import find_claim


def reword(
    ctx: typer.Context,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="Handle or part of the slug.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The new wording.")],
    why: WhyOption,
    author: AuthorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a claim a new wording; verdicts keep pointing to the wording that they judged.

    Insight, limit and scope are read from it anew, except what 'reassay claims edit' set.

    Example: reassay claims reword c4 "On one problem family, 55-60%." --why "source is narrower"
    """
    with open_library(ctx) as session:
        found = find_claim(session, claim)
        edit = reword_claim(session, found, text, sign(author, why))
    if as_json:
        print_json(edit_record(edit, found.handle))
    else:
        print(f"{found.handle} has revision {found.revision_number}: {found.statement}")
