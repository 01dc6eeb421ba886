"""``reassay papers load``: arXiv metadata and full texts of papers into the paper store."""

from pathlib import Path
from typing import Annotated, Any

import typer

from claims.commands.output import JsonOption, print_json, print_message, print_table
from db.engine import open_session
from db.errors import FullTextRefused, SnapshotRefused, UsageError
from ingest.anchor_checks import check_anchors
from ingest.commands.setup import open_store
from ingest.full_texts import is_full_text, load_full_text
from ingest.snapshot_harvest import load_snapshot
from ingest.withdrawals import stamp_withdrawals

COUNTS = ("seen", "new", "revised", "withdrawn", "unchanged", "bad_lines")


def load_papers(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Metadata (plain, .gz, .xz), .html or .txt."),
    ],
    arxiv_id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="Whose full text it is, if its name does not say."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Load papers from arXiv metadata, one JSON object a line, or full texts of stored papers.

    Takes arXiv's metadata snapshot, flat exports, and HTML or text named like 2603.23004v1.html.
    Loading a file again changes nothing. Example: reassay papers load arxiv-metadata.jsonl.gz
    """
    if arxiv_id is not None and (len(files) != 1 or not is_full_text(files[0])):
        raise UsageError("--id names the paper of one full text: give one .html or .txt file")
    with open_store(context) as engine:
        loaded = [
            _load_text(engine, file, arxiv_id) if is_full_text(file) else _load(engine, file)
            for file in files
        ]
        stamp_withdrawals(engine)
        with open_session(engine) as session:
            check_anchors(session)
    total = {name: sum(entry[name] for entry in loaded) for name in COUNTS}
    errors = [error for entry in loaded for error in entry["errors"]]
    if as_json:
        print_json({"files": loaded, **total, "errors": errors})
    else:
        _print_loaded(loaded)
    for error in errors:
        print_message(f"reassay: {error}")
    if any(entry["is_refused"] for entry in loaded):
        raise typer.Exit(1)


def _print_loaded(loaded: list[dict[str, Any]]) -> None:
    rows = [[e["file"], *(e[name] for name in COUNTS)] for e in loaded if _was_read(e)]
    if rows:
        print_table(["file", "seen", "new", "revised", "withdrawn", "unchanged", "bad lines"], rows)
    for entry in loaded:
        text = entry.get("text")
        if text:
            word = "stored" if text["changed"] else "no change"
            print(
                f"{entry['file']}  full text of arXiv:{text['arxiv_id']}v{text['version']}: "
                f"{text['sections']} sections, {text['characters']} letters, {word}"
            )


def _was_read(entry: dict[str, Any]) -> bool:
    """Whether a metadata file gave any line, so that its row of counts says something."""
    return "text" not in entry and not (entry["is_refused"] and not entry["seen"])


def _load_text(engine: Any, file: Path, arxiv_id: str | None) -> dict[str, Any]:
    """A full text's entry; it counts as no paper, since papers come from metadata."""
    entry: dict[str, Any] = {"file": str(file), **dict.fromkeys(COUNTS, 0), "text": None}
    try:
        stored = load_full_text(engine, file, arxiv_id)
    except FullTextRefused as error:
        return {**entry, "errors": [str(error)], "is_refused": True}
    return {**entry, "text": stored.__dict__, "errors": [], "is_refused": False}


def _load(engine: Any, file: Path) -> dict[str, Any]:
    entry: dict[str, Any] = {"file": str(file), **dict.fromkeys(COUNTS, 0)}
    try:
        count, source, _ = load_snapshot(engine, file, print_message)
    except SnapshotRefused as error:
        return {**entry, "errors": [str(error)], "is_refused": True}
    counted = {name: getattr(count, name) for name in COUNTS[:-1]}
    entry |= {**counted, "bad_lines": source.bad_lines}
    return {**entry, "errors": source.remarks, "is_refused": False}
