"""``reassay ingest triage``."""

from dataclasses import asdict
from typing import Annotated

import typer

from claims.commands.output import JsonOption, print_json, print_message
from claims.commands.setup import open_library
from db.errors import UsageError
from ingest.commands.judging_setup import judging_setup

ClaimOption = Annotated[
    str | None,
    typer.Option("--claim", metavar="CLAIM", help="Only this claim (handle or slug part)."),
]


def triage(
    ctx: typer.Context,
    claim: ClaimOption = None,
    top: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Candidates a claim at most.")
    ] = None,
    recall: Annotated[
        float | None,
        typer.Option(min=0.5, max=0.9, help="Keep this share of what bears on a claim instead."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Hold new papers against every claim and new claims against the store; keep the best.

    How many are kept is set by --top, by --recall (measured on labelled pairs), or by the
    setting REASSAY_TRIAGE_CUT.
    Example: reassay ingest triage --claim c3 --top 20
    """
    from claims.queries import find_claim
    from ingest.cut import read_cut
    from ingest.embeddings import load_embedder
    from ingest.triage import triage as rank

    if top is not None and recall is not None:
        raise UsageError("--top and --recall are two ways to set one cut: give one of them")
    setup = judging_setup(ctx)
    embedder = load_embedder(setup.embeddings)
    wanted = str(top) if top is not None else f"recall:{recall}" if recall else setup.triage_cut
    with open_library(ctx) as session:
        summary = rank(
            session,
            embedder=embedder,
            claim_id=find_claim(session, claim).id if claim else None,
            cut=read_cut(wanted),
            report_progress=print_message,
        )
    if as_json:
        print_json(asdict(summary))
    else:
        print(
            f"{summary.claims} claims, {summary.new_claims} of them new, and {summary.new_papers} "
            f"new papers ranked by {summary.ranker}: "
            f"{summary.new_candidates} new candidates, {summary.candidates} in all"
        )
