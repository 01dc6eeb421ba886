"""``reassay claims contradictions``: confirmed stances that point opposite ways."""

from typing import Annotated

import typer

from claims.commands.output import JsonOption, print_json, print_message
from claims.commands.setup import open_library
from claims.contradictions import Contradiction, Position, find_contradictions
from claims.queries import find_line
from db.columns import stored_id


def contradictions(
    ctx: typer.Context,
    line: Annotated[str | None, typer.Option(help="Only pairs that touch this line.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Pairs of confirmed stances, one for and one against, with both quotes.

    On one claim, or on two claims that say nearly the same, when the papers lie within 24
    months and study the claim's own models and tasks.
    Example: reassay claims contradictions
    """
    with open_library(ctx) as session:
        line_id = stored_id(find_line(session, line).id) if line else None
        pairs = find_contradictions(session, line_id)
    if as_json:
        print_json([pair.record() for pair in pairs])
        return
    for pair in pairs:
        print(_format(pair))
    if not pairs:
        print_message("no confirmed stances point opposite ways")


def _format(pair: Contradiction) -> str:
    return "\n".join(_describe(position) for position in (pair.one, pair.other)) + "\n"


def _describe(position: Position) -> str:
    day = position.published or "no date"
    return (
        f"{position.handle:6} {position.stance:11} arXiv:{position.arxiv_id}  {day}  "
        f"[{position.evidence_id}]\n       “{position.quote}”"
    )
