"""``reassay report``: the morning page and the line pages, from what the store holds."""

from pathlib import Path
from typing import Annotated

import typer

from claims.commands.output import JsonOption, print_json
from claims.commands.setup import library_setup, open_library
from claims.queries import find_line


def report(
    ctx: typer.Context,
    line: Annotated[
        str | None, typer.Option("--line", metavar="L", help="Only this line's page.")
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", metavar="LIST", help="md, html, or both.")
    ] = "md,html",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder (default: reports/latest).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the morning page and a page for each line, as of the newest night.

    With --line, of the line pages only that one is written. --json prints the list of the
    written files.

    Example: reassay report --format html --out reports
    """
    from db.columns import utc_now
    from reports.night_record import find_newest_night
    from reports.writing import check_formats, write_report

    wanted = list(dict.fromkeys(name.strip().lower() for name in formats.split(",")))
    check_formats(wanted)
    folder = out or library_setup(ctx).home / "reports" / "latest"
    with open_library(ctx) as session:
        pages = write_report(
            session,
            night_id=find_newest_night(session),
            out=folder,
            formats=wanted,
            line=find_line(session, line) if line is not None else None,
            today=utc_now().date(),
        )
    if as_json:
        print_json([str(page) for page in pages])
    else:
        for page in pages:
            print(page)
