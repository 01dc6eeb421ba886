"""``reassay claims history``."""

from typing import Annotated

import typer

from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from claims.queries import find_claim
from claims.reading import read_history


def history(
    ctx: typer.Context,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="Handle or part of the slug.")],
    as_json: JsonOption = False,
) -> None:
    """Every revision and verdict of a claim, oldest first, and the revision each judged.

    Example: reassay claims history c4
    """
    with open_library(ctx) as session:
        events = read_history(session, find_claim(session, claim))
    if as_json:
        print_json(events)
        return
    for event in events:
        day = f"{event['at']:%F %R}"
        if event["event"] == "revision":
            print(f"{day}  revision {event['revision']} by {event['by']}: {event['reason']}")
            print(f"{'':16}  {event['statement']}")
        else:
            look = " · LOOK" if event["look"] else ""
            print(
                f"{day}  verdict {event['headline'] or '(hub)'}{look} on revision "
                f"{event['revision']} (night {event['night']})"
            )
            for mover in event["moved_by"]:
                print(f"{'':16}  {mover}")
