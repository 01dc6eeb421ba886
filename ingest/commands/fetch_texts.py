"""``reassay papers fetch``: full texts of stored papers from arXiv's HTML pages."""

from typing import Annotated, Any

import typer
from sqlalchemy import Engine

from claims.arxiv_ids import ArxivId, parse_arxiv_id
from claims.commands.output import JsonOption, print_json, print_message
from db.engine import open_session
from db.errors import FullTextRefused, PaperNotFound, QuestionRefused, SourceUnavailable
from ingest.commands.setup import ingest_setup, open_store
from ingest.text_fetching import TextPages, fetch_full_text, find_newest_version, open_pages

REFUSED, INCOMPLETE = 1, 3


def fetch_texts(
    context: typer.Context,
    papers: Annotated[list[str], typer.Argument(metavar="ID...", help="arXiv ids or URLs.")],
    as_json: JsonOption = False,
) -> None:
    """Fetch the full text of stored papers from arXiv, one request every three seconds.

    It stays in the local store: arXiv's terms do not let anyone pass it on. With a version
    (2502.05171v1) that one is fetched. Exit code 3 when arXiv did not answer.
    Example: reassay papers fetch 2502.05171
    """
    with open_store(context) as engine:
        wanted = [_read_id(engine, text) for text in papers]
        pages = open_pages(ingest_setup(context))
        results = [_fetch(engine, pages, paper) for paper in wanted]
    if as_json:
        print_json([{k: v for k, v in row.items() if k != "code"} for row in results])
    else:
        for row in results:
            print(_format(row))
    for row in results:
        if row["error"]:
            print_message(f"reassay: {row['arxiv_id']}v{row['version']}: {row['error']}")
    code = max(row["code"] for row in results)
    if code:
        raise typer.Exit(code)


def _read_id(engine: Engine, text: str) -> ArxivId:
    """An id with its version; refused before anything is asked of arXiv."""
    found = parse_arxiv_id(text)
    if found is None:
        raise PaperNotFound(f"{text!r} is not an arXiv id: write it like 2502.05171")
    with open_session(engine) as session:
        newest = find_newest_version(session, found.id)
    return ArxivId(found.id, found.version or newest, found.year, found.month)


def _fetch(engine: Engine, pages: TextPages, paper: ArxivId) -> dict[str, Any]:
    row: dict[str, Any] = {
        "arxiv_id": paper.id,
        "version": paper.version,
        "outcome": "failed",
        "sections": None,
        "characters": None,
        "error": None,
        "code": 0,
    }
    try:
        fetched = fetch_full_text(engine, pages, paper)
    except (QuestionRefused, FullTextRefused) as error:
        return {**row, "error": str(error), "code": REFUSED}
    except SourceUnavailable as error:
        return {**row, "error": str(error), "code": INCOMPLETE}
    row["outcome"] = fetched.outcome
    if fetched.text is not None:
        row |= {"sections": fetched.text.sections, "characters": fetched.text.characters}
    return row


def _format(row: dict[str, Any]) -> str:
    head = f"arXiv:{row['arxiv_id']}v{row['version']}  {row['outcome']}"
    if row["characters"] is None:
        return head
    return f"{head}: {row['sections']} sections, {row['characters']} letters"
