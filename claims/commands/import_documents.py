"""``reassay import``: documents into lines, notes, claims, findings, anchors, tasks."""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlmodel import Session

from claims.commands.output import JsonOption, print_json, print_message
from claims.commands.setup import open_library
from claims.documents import MAX_BYTES
from claims.import_paths import STANDARD_INPUT, expand_argument
from claims.importing import ImportedDocument, import_bytes, import_file
from db.errors import DocumentRefused

SHOWN_WARNINGS = 3  # of one code
SHOWN_DIFF_LINES = 40


def import_documents(
    ctx: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Text, HTML or Markdown files, folders, patterns in quotes, or - for stdin.",
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Read documents into lines, notes, claims, findings, anchors and tasks.

    Takes lines, notes and topic hubs as text, HTML or Markdown; of a folder (an Obsidian
    vault) all of them. Importing a document again changes nothing; a changed note shows
    the change. A document that cannot be read is refused whole; the others are imported.

    Example: reassay import my-line.txt
    """
    documents: list[ImportedDocument] = []
    refusals: list[str] = []
    with open_library(ctx) as session:
        for name, refusal in _name_files(paths):
            if refusal:
                refusals.append(refusal)
                continue
            try:
                document = _import_one(session, name)
            except DocumentRefused as error:
                refusals.append(_name_file(name, str(error)))
                continue
            documents.append(document)
            if not as_json:
                _print_document(document)
    if as_json:
        print_json({"documents": [_as_json(document) for document in documents]})
    for refusal in refusals[:-1]:
        print_message(f"reassay: {refusal}")
    if refusals:
        raise DocumentRefused(refusals[-1])


def _name_files(paths: list[str]) -> Iterator[tuple[str, str | None]]:
    """Every file that the arguments name, once, or why an argument names none."""
    seen: set[str] = set()
    for argument in paths:
        try:
            names = expand_argument(argument)
        except DocumentRefused as error:
            yield argument, str(error)
            continue
        yield from ((name, None) for name in names if name not in seen)
        seen.update(names)


def _import_one(session: Session, name: str) -> ImportedDocument:
    if name == STANDARD_INPUT:
        return import_bytes(session, sys.stdin.buffer.read(MAX_BYTES + 1), "standard input")
    return import_file(session, Path(name))


def _name_file(name: str, refusal: str) -> str:
    return refusal if name in refusal else f"{name}: {refusal}"


def _as_json(document: ImportedDocument) -> dict[str, Any]:
    return {**asdict(document), "line": document.line or None}


def _print_document(document: ImportedDocument) -> None:
    word = document.kind.ljust(6)
    name = document.line or document.note or document.path
    if document.changed:
        print(f"{word} {name}  {'new' if document.is_new else 'changed'}")
        if document.kind == "line":
            _print_counts(document)
    else:
        print(f"{word} {name}  no change (same content)")
    if document.changed or document.kind != "line":
        _print_warnings(document)
    if not document.changed:
        return
    for split in document.splits:
        parts = " | ".join(split.parts)
        print(f"split  finding {split.finding} states {len(split.parts)} things: {parts}")
    for change in document.changes:
        lines = change.diff.split("\n")
        print("\n".join(lines[:SHOWN_DIFF_LINES]))
        if len(lines) > SHOWN_DIFF_LINES:
            print(f"({len(lines) - SHOWN_DIFF_LINES} lines more of this change: --json has all)")


def _print_counts(document: ImportedDocument) -> None:
    hubs = f" ({document.hubs} hub{'s' * (document.hubs > 1)})" if document.hubs else ""
    print(
        f"notes  {document.notes}{hubs}      claims {document.claims}      "
        f"findings {document.findings}      anchors {document.anchors}      tasks {document.tasks}"
    )


def _print_warnings(document: ImportedDocument) -> None:
    counts = Counter(warning.code for warning in document.warnings)
    shown: Counter[str] = Counter()
    for warning in document.warnings:
        shown[warning.code] += 1
        if shown[warning.code] <= SHOWN_WARNINGS:
            print(f"warn   {warning.code}: {warning.message}")
        elif shown[warning.code] == counts[warning.code]:
            rest = counts[warning.code] - SHOWN_WARNINGS
            print(f"warn   {warning.code}: {rest} more (--json lists all)")
