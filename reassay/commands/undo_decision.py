"""``reassay undo``: takes the last decision on a stance back."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from claims.commands.authorship import AuthorOption, WhyOption, sign
from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from reassay.commands.decide import decision_record


def undo(
    ctx: typer.Context,
    why: WhyOption,
    evidence: Annotated[
        int | None, typer.Argument(metavar="EVIDENCE", help="The last decision on this row.")
    ] = None,
    author: AuthorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take the last decision on a stance back; the row waits again, and the verdict follows.

    The journal keeps both, signed. Edits of claims are taken back with 'reassay claims undo'.

    Example: reassay undo --why "I misread the abstract"
    """
    from reassay.deciding import undo_decision

    with open_library(ctx) as session:
        done = undo_decision(session, sign(author, why), datetime.now(UTC).date(), evidence)
    if as_json:
        print_json(decision_record(done))
        return
    decision = done.decision
    print(
        f"the {decision.word} of row {done.row.id} by {decision.author} ({decision.reason}) is "
        f"taken back: the row is {done.row.status} again"
    )
    for row in done.made:
        print(f"  row {row.id}, which it made, no longer counts")
    for change in done.claims:
        print(change)
