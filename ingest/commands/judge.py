"""``reassay ingest judge``."""

from dataclasses import asdict
from typing import Annotated

import typer

from claims.commands.output import JsonOption, print_json, print_message
from claims.commands.setup import open_library
from ingest.commands.judging_setup import judging_setup
from ingest.commands.triage import ClaimOption


def judge(
    ctx: typer.Context,
    claim: ClaimOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Candidates at most.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Propose a stance, with its quote, for each candidate that the judge has not seen.

    Example: reassay ingest judge --claim c3 --limit 20
    """
    from claims.queries import find_claim
    from ingest.judges import load_judge
    from ingest.judging import judge_candidates

    chosen = load_judge(judging_setup(ctx).judge)
    with open_library(ctx) as session:
        summary = judge_candidates(
            session,
            chosen,
            claim_id=find_claim(session, claim).id if claim else None,
            limit=limit,
            report_progress=print_message,
        )
    if as_json:
        print_json(asdict(summary))
    else:
        print(
            f"{summary.judged} candidates judged by {summary.judge}: {summary.proposed} stances "
            f"proposed, {summary.unclear} unclear, {summary.refused_quotes} quotes refused, "
            f"{summary.failed} failed"
        )
    if summary.failed:
        raise typer.Exit(3)
