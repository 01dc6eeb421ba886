"""``reassay ingest triage``."""

from dataclasses import asdict
from typing import Annotated

import typer

from claims.commands.output import JsonOption, print_json, print_message
from claims.commands.setup import open_library
from ingest.commands.judging_setup import judging_setup

ClaimOption = Annotated[
    str | None,
    typer.Option("--claim", metavar="CLAIM", help="Only this claim (handle or slug part)."),
]


def triage(
    ctx: typer.Context,
    claim: ClaimOption = None,
    top: Annotated[int, typer.Option(min=1, help="Candidates a claim at most.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Rank the stored papers that are newer than each claim and keep the best as candidates.

    Example: reassay ingest triage --claim c3 --top 20
    """
    from claims.queries import find_claim
    from ingest.embeddings import load_embedder
    from ingest.triage import triage as rank

    embedder = load_embedder(judging_setup(ctx).embeddings)
    with open_library(ctx) as session:
        summary = rank(
            session,
            embedder=embedder,
            claim_id=find_claim(session, claim).id if claim else None,
            top=top,
            report_progress=print_message,
        )
    if as_json:
        print_json(asdict(summary))
    else:
        print(
            f"{summary.claims} claims ranked by {summary.ranker}: "
            f"{summary.new_candidates} new candidates, {summary.candidates} in all"
        )
