"""``reassay claims history``."""

from typing import Annotated, Any

import typer

from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from claims.queries import find_claim
from claims.reading import read_history

INDENT = " " * 18


def history(
    ctx: typer.Context,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="Handle or part of the slug.")],
    as_json: JsonOption = False,
) -> None:
    """Every revision, edit, decision and verdict of a claim, oldest first.

    Example: reassay claims history c4
    """
    with open_library(ctx) as session:
        events = read_history(session, find_claim(session, claim))
    if as_json:
        print_json(events)
        return
    for event in events:
        day = f"{event['at']:%F %R}"
        print(f"{day}  {DESCRIBE[event['event']](event)}")


def _describe_revision(event: dict[str, Any]) -> str:
    head = f"revision {event['revision']} by {event['by']}: {event['reason']}"
    return f"{head}\n{INDENT}{event['statement']}"


def _describe_edit(event: dict[str, Any]) -> str:
    into = f" into {', '.join(event['into'])}" if event["into"] else ""
    revision = f" (revision {event['revision']})" if event["revision"] else ""
    text = (
        f"{event['kind']} of {event['claim']}{into} by {event['by']}: {event['reason']}{revision}"
    )
    if event["undone_at"] is None:
        return text
    taken_back = f"taken back {event['undone_at']:%F %R} by {event['undone_by'] or 'unknown'}"
    return f"{text}\n{INDENT}{taken_back}: {event['undone_why'] or 'no reason given'}"


def _describe_verdict(event: dict[str, Any]) -> str:
    look = " · LOOK" if event["look"] else ""
    when = f"night {event['night']}" if event["night"] else "between nights"
    head = f"verdict {event['headline'] or '(hub)'}{look} on revision {event['revision']} ({when})"
    return "\n".join([head, *(f"{INDENT}{mover}" for mover in event["moved_by"])])


def _describe_decision(event: dict[str, Any]) -> str:
    stance = f" as {event['stance']}" if event["stance"] else ""
    text = (
        f"{event['word']}{stance} of row {event['evidence']} (arXiv:{event['arxiv_id']} "
        f"{event['proposed']}) by {event['by']}: {event['reason']}"
    )
    if event["undone_at"] is None:
        return text
    return f"{text}\n{INDENT}taken back {event['undone_at']:%F %R}"


DESCRIBE = {
    "decision": _describe_decision,
    "revision": _describe_revision,
    "edit": _describe_edit,
    "verdict": _describe_verdict,
}
