"""``reassay claims anchor``: tie a paper to a claim's note, or see which it may be."""

from typing import Annotated

import typer

from claims.anchoring import TiedAnchor, tie_anchor
from claims.commands.authorship import AuthorOption, WhyOption, sign
from claims.commands.output import JsonOption, print_json, print_message
from claims.commands.setup import open_library
from claims.queries import find_claim
from claims.suggestions import Suggestion, suggest_sources
from db.models import Claim

DEFAULT_WHY = "this is the paper that the note rests on"
FIRST_AUTHORS = 3


def anchor(
    ctx: typer.Context,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="Handle or part of the slug.")],
    arxiv_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="An arXiv id; left out: suggestions.")
    ] = None,
    why: WhyOption = DEFAULT_WHY,
    author: AuthorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tie an arXiv id to the note of a claim; without an id, list the likeliest papers.

    A tie is recorded and can be taken back. Example: reassay claims anchor c4 2603.23004
    """
    with open_library(ctx) as session:
        found = find_claim(session, claim)
        if arxiv_id is None:
            _print_suggestions(found, suggest_sources(session, found), as_json)
            return
        tied = tie_anchor(session, found, arxiv_id, sign(author, why))
    if as_json:
        print_json({"id": found.handle, **tied.__dict__})
    else:
        print(_describe(found, tied))
    if not tied.is_stored:
        print_message(
            f"the store lacks {tied.arxiv_id}: the next night asks arXiv for it, and "
            "'reassay claims audit --online' asks now"
        )


def _describe(claim: Claim, tied: TiedAnchor) -> str:
    title = f"  {tied.title}" if tied.title else ""
    if not tied.changed:
        return f"no change: arXiv:{tied.arxiv_id} is tied to {claim.handle} already{title}"
    return f"{claim.handle}  tied to arXiv:{tied.arxiv_id}  {tied.state}{title}"


def _print_suggestions(claim: Claim, rows: list[Suggestion], as_json: bool) -> None:
    if as_json:
        print_json([row.record() for row in rows])
        return
    if not rows:
        print_message(f"no stored paper shares a word with {claim.handle}")
        return
    for row in rows:
        print(f"{row.score:5.2f}  arXiv:{row.arxiv_id}  {row.title}")
        some = ", ".join(row.authors[:FIRST_AUTHORS]) + (
            " et al." if len(row.authors) > FIRST_AUTHORS else ""
        )
        print(f"       {some} ({row.published or 'no date'})")
        for reason in row.reasons:
            print(f"       {reason}")
    print_message(f"suggestions by words alone; 'reassay claims anchor {claim.handle} ID' ties one")
