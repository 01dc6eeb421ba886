"""``reassay claims list``."""

from typing import Annotated

import typer

from claims.commands.options import parse_day
from claims.commands.output import JsonOption, print_json, print_message, print_table
from claims.commands.setup import open_library
from claims.queries import ClaimRow, find_line, list_claims
from db.errors import UsageError

HEADLINES = frozenset(
    "holds unchallenged narrowed contested moved overstated ungrounded stale retired hub".split()
)


def list_claims_command(
    ctx: typer.Context,
    line: Annotated[str | None, typer.Option(help="A unique part of a line's slug.")] = None,
    headline: Annotated[
        str | None, typer.Option(help="Headlines to keep, separated by commas.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only claims whose verdict changed since this day.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Claims in import order, each with its headline and the three fields behind it.

    Example: reassay claims list --headline moved,contested --since 2026-06-01
    """
    day = parse_day(since, "--since")
    with open_library(ctx) as session:
        rows = list_claims(
            session,
            line=find_line(session, line) if line else None,
            headlines=_parse_headlines(headline),
            since=day,
        )
    if as_json:
        print_json([row.__dict__ for row in rows])
    elif rows:
        _print_rows(rows)
    else:
        print_message("no claims; 'reassay import FILE' brings some in")


def _parse_headlines(text: str | None) -> set[str] | None:
    if text is None:
        return None
    wanted = {part.strip().lower() for part in text.split(",") if part.strip()}
    unknown = sorted(wanted - HEADLINES)
    if unknown or not wanted:
        raise UsageError(
            f"--headline {text!r}: {', '.join(unknown) or 'nothing'} is no headline; "
            f"there are {', '.join(sorted(HEADLINES))}"
        )
    return wanted


def _print_rows(rows: list[ClaimRow]) -> None:
    print_table(
        ("id", "headline", "grounding", "literature", "local", "claim"),
        (
            (r.id, _headline(r), r.grounding, r.literature or "–", r.local, r.statement)
            for r in rows
        ),
    )


def _headline(row: ClaimRow) -> str:
    word = row.headline or ("(hub)" if row.grounding == "hub" else "–")
    return f"{word} · LOOK" if row.look else word
