"""``reassay papers search``: full-text search over the paper store."""

from typing import Annotated

import typer
from sqlmodel import col, select

from claims.commands.output import JsonOption, print_json, print_table
from claims.commands.setup import open_library
from claims.search import search_papers as search_store
from db.models import Paper


def search_papers(
    context: typer.Context,
    text: Annotated[list[str], typer.Argument(metavar="TEXT", help="Words; any may match.")],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Papers at most.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Search the stored papers' titles and abstracts, best match first.

    Example: reassay papers search "constraint satisfaction" --limit 5
    """
    with open_library(context) as session:
        hits = search_store(session, " ".join(text), limit)
        query = select(Paper).where(col(Paper.id).in_([hit.id for hit in hits]))
        papers = {paper.id: paper for paper in session.exec(query)}
    rows = [(papers[hit.id], hit) for hit in hits if hit.id in papers]
    if as_json:
        print_json(
            [
                {
                    "arxiv_id": paper.arxiv_id,
                    "title": paper.title,
                    "published": paper.published,
                    "listed": paper.listed,
                    "is_withdrawn": paper.is_withdrawn,
                    "score": hit.score,
                    "snippet": hit.snippet,
                }
                for paper, hit in rows
            ]
        )
        return
    print_table(
        ["arXiv", "day", "title", "match"],
        [[p.arxiv_id, p.published or p.listed, p.title, hit.snippet] for p, hit in rows],
    )
