"""``reassay claims undo``: takes the last edit back."""

from typing import Annotated

import typer

from claims.commands.authorship import AuthorOption, WhyOption, edit_record, sign
from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from claims.edit_journal import take_claim
from claims.queries import find_claim
from claims.undoing import undo_edit


def undo(
    ctx: typer.Context,
    why: WhyOption,
    claim: Annotated[
        str | None, typer.Option(metavar="CLAIM", help="Only edits of this claim.")
    ] = None,
    author: AuthorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take the last edit that stands back, exactly; the journal keeps it, marked undone.

    It is refused when something later depends on it. Decisions on stances are taken back
    with 'reassay undo'.

    Example: reassay claims undo --claim c4 --why "the source says it after all"
    """
    with open_library(ctx) as session:
        chosen = find_claim(session, claim) if claim else None
        edit = undo_edit(session, sign(author, why), chosen)
        found = take_claim(session, edit.claim_id)
    if as_json:
        print_json(edit_record(edit, found.handle))
    else:
        print(f"the {edit.kind} of {found.handle} by {edit.author} ({edit.reason}) is taken back")
