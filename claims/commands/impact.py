"""``reassay claims impact``: what leans on a claim."""

import textwrap
from typing import Annotated, Any

import typer

from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from claims.impact import find_impact
from claims.queries import find_claim

WIDTH = 100


def impact(
    ctx: typer.Context,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="Handle or part of the slug.")],
    as_json: JsonOption = False,
) -> None:
    """The lines, findings and essay sentences that lean on a claim, as exact spans.

    Example: reassay claims impact c4
    """
    with open_library(ctx) as session:
        found = find_impact(session, find_claim(session, claim))
    if as_json:
        print_json(found)
    else:
        _print_impact(found)


def _print_impact(found: dict[str, Any]) -> None:
    _print(f"{found['id']}  ", found["claim"])
    for line in found["lines"]:
        place = f", note {line['position']}" if line["position"] else ""
        _print("line      ", f"{line['slug']}{place}, cited {line['cited']} times")
    for row in found["findings"]:
        how = row["tied_by"] if row["tied_by"] != "likeness" else f"likeness {row['likeness']:.2f}"
        span = f"{row['start']}–{row['end']}"
        _print(
            "finding   ",
            f"{row['position']} ({row['dated'] or 'no date'}), {how}, letters {span}: "
            f"“{row['clause']}”",
        )
    for row in found["sentences"]:
        span = f"paragraph {row['paragraph']}, letters {row['start']}–{row['end']}"
        _print("sentence  ", f"{row['why']}, {span}: “{row['text']}”  ({row['line']})")


def _print(head: str, text: str) -> None:
    print(textwrap.fill(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head)))
