"""``reassay papers load``: arXiv metadata files into the paper store."""

from pathlib import Path
from typing import Annotated, Any

import typer

from claims.commands.output import JsonOption, print_json, print_message, print_table
from db.engine import open_session
from db.errors import SnapshotRefused
from ingest.anchor_checks import check_anchors
from ingest.commands.setup import open_store
from ingest.snapshot_harvest import load_snapshot

COUNTS = ("seen", "new", "revised", "withdrawn", "unchanged", "bad_lines")


def load_papers(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Plain, .gz or .xz.")],
    as_json: JsonOption = False,
) -> None:
    """Load papers from files of arXiv metadata, one JSON object a line.

    Takes arXiv's own metadata snapshot and flat exports. Loading a file again changes
    nothing. Example: reassay papers load arxiv-metadata.jsonl.gz
    """
    with open_store(context) as engine:
        loaded = [_load(engine, file) for file in files]
        with open_session(engine) as session:
            check_anchors(session)
    total = {name: sum(entry[name] for entry in loaded) for name in COUNTS}
    errors = [error for entry in loaded for error in entry["errors"]]
    if as_json:
        print_json({"files": loaded, **total, "errors": errors})
    else:
        rows = [[entry["file"], *(entry[name] for name in COUNTS)] for entry in loaded]
        print_table(["file", "seen", "new", "revised", "withdrawn", "unchanged", "bad lines"], rows)
    for error in errors:
        print_message(f"reassay: {error}")
    if any(entry["is_refused"] for entry in loaded):
        raise typer.Exit(1)


def _load(engine: Any, file: Path) -> dict[str, Any]:
    entry: dict[str, Any] = {"file": str(file), **dict.fromkeys(COUNTS, 0)}
    try:
        count, source, _ = load_snapshot(engine, file, print_message)
    except SnapshotRefused as error:
        return {**entry, "errors": [str(error)], "is_refused": True}
    counted = {name: getattr(count, name) for name in COUNTS[:-1]}
    entry |= {**counted, "bad_lines": source.bad_lines}
    return {**entry, "errors": source.remarks, "is_refused": False}
