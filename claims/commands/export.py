"""``reassay claims export``: the library in a form that other tools read."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from sqlmodel import Session

from claims.commands.output import print_message
from claims.commands.setup import open_library
from claims.queries import find_line
from db.errors import ExportRefused, UsageError
from db.models import Line

FORMATS = ("json", "csv", "bibtex", "obsidian", "trig")


def export(
    ctx: typer.Context,
    form: Annotated[
        str, typer.Option("--format", metavar="FORM", help=f"One of {', '.join(FORMATS)}.")
    ] = "json",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: stdout.")] = None,
    line: Annotated[str | None, typer.Option(help="A unique part of a line's slug.")] = None,
    vault: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The Obsidian vault, which is only read.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(metavar="URI", help="Where nanopublications of trig live.")
    ] = None,
) -> None:
    """Write the library, or what one line leans on, as JSON, CSV, BibTeX, TriG or a patch.

    json is everything that a person made or decided, and 'reassay claims restore' takes it
    back in. obsidian writes a patch for the notes in --vault: 'patch -p1' puts it in.

    Example: reassay claims export --format csv --out claims.csv
    """
    if form not in FORMATS:
        raise UsageError(f"--format {form!r} is none: there are {', '.join(FORMATS)}")
    if (form == "obsidian") != (vault is not None):
        raise UsageError("--format obsidian and --vault DIR go together")
    with open_library(ctx) as session:
        chosen = find_line(session, line) if line else None
        text = _write(session, form, chosen, vault, base)
    if out is None:
        sys.stdout.write(text)
    else:
        _save(out, text)
        print_message(f"{out}: {len(text.encode())} bytes")


def _write(
    session: Session, form: str, line: Line | None, vault: Path | None, base: str | None
) -> str:
    if form == "json":
        from claims.exporting.library_json import write_library

        return write_library(session, line)
    if form == "csv":
        from claims.exporting.claims_csv import write_csv

        return write_csv(session, line)
    if form == "bibtex":
        return _write_bibtex(session, line)
    if vault is not None:
        return _write_patch(session, vault, line)
    from claims.exporting.trig import BASE, write_trig

    return write_trig(session, line, base or BASE)


def _write_bibtex(session: Session, line: Line | None) -> str:
    from claims.exporting.bibtex import write_bibtex

    bibliography = write_bibtex(session, line)
    if bibliography.not_fetched:
        print_message(
            f"{len(bibliography.not_fetched)} anchors have no entry, their papers were never "
            f"fetched: {', '.join(bibliography.not_fetched)}"
        )
    return bibliography.text


def _write_patch(session: Session, vault: Path, line: Line | None) -> str:
    from claims.exporting.vault_patch import write_vault_patch

    patch = write_vault_patch(session, vault, line)
    print_message(
        f"{patch.files} files to change; {len(patch.notes_without_file)} notes of the library "
        f"have no file in {vault}"
    )
    for name in patch.unreadable:
        print_message(f"not read: {name} is not UTF-8 text")
    return patch.text


def _save(out: Path, text: str) -> None:
    """Whole or not at all: a file of an interrupted export would restore as a damaged one."""
    beside = out.with_name(f"{out.name}.part")
    try:
        beside.write_bytes(text.encode())
        beside.replace(out)
    except OSError as error:
        raise ExportRefused(
            f"cannot write {out}: {error.strerror}; choose another --out"
        ) from error
