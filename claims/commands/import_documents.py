"""``reassay import``: documents into lines, notes, claims, findings, anchors, tasks."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from claims.commands.output import JsonOption, print_json, print_message
from claims.commands.setup import open_library
from claims.importing import ImportedDocument, import_file
from db.errors import DocumentRefused

SHOWN_WARNINGS = 3  # of one code


def import_documents(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Text documents.")],
    as_json: JsonOption = False,
) -> None:
    """Read documents into lines, notes, claims, findings, anchors and tasks.

    Importing a document again changes nothing. A document that cannot be read is refused
    whole; the others are imported.

    Example: reassay import my-line.txt
    """
    documents: list[ImportedDocument] = []
    refusals: list[str] = []
    with open_library(ctx) as session:
        for path in paths:
            try:
                documents.append(import_file(session, path))
            except DocumentRefused as refusal:
                refusals.append(_name_file(path, str(refusal)))
    if as_json:
        print_json({"documents": [_as_json(document) for document in documents]})
    else:
        for document in documents:
            _print_document(document)
    for refusal_line in refusals[:-1]:
        print_message(f"reassay: {refusal_line}")
    if refusals:
        raise DocumentRefused(refusals[-1])


def _name_file(path: Path, refusal: str) -> str:
    return refusal if str(path) in refusal else f"{path}: {refusal}"


def _as_json(document: ImportedDocument) -> dict[str, Any]:
    values = asdict(document)
    return {**values, "warnings": [asdict(warning) for warning in document.warnings]}


def _print_document(document: ImportedDocument) -> None:
    if not document.changed:
        print(f"line   {document.line}  no change (same content)")
        return
    print(f"line   {document.line}  {'new' if document.is_new else 'changed'}")
    hubs = f" ({document.hubs} hub)" if document.hubs else ""
    print(
        f"notes  {document.notes}{hubs}      claims {document.claims}      "
        f"findings {document.findings}      anchors {document.anchors}      tasks {document.tasks}"
    )
    counts = Counter(warning.code for warning in document.warnings)
    shown: Counter[str] = Counter()
    for warning in document.warnings:
        shown[warning.code] += 1
        if shown[warning.code] <= SHOWN_WARNINGS:
            print(f"warn   {warning.code}: {warning.message}")
        elif shown[warning.code] == counts[warning.code]:
            rest = counts[warning.code] - SHOWN_WARNINGS
            print(f"warn   {warning.code}: {rest} more (--json lists all)")
