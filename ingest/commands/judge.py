"""``reassay ingest judge``."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from claims.commands.output import JsonOption, print_json, print_message
from claims.commands.setup import open_library
from ingest.commands.judging_setup import judging_setup, load_set_judge
from ingest.commands.triage import ClaimOption

if TYPE_CHECKING:
    from ingest.judging import JudgeSummary


def judge(
    ctx: typer.Context,
    claim: ClaimOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Candidates at most.")] = None,
    by: Annotated[
        str | None, typer.Option("--judge", help="Another judge than the setting's, this once.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Propose a stance, with its quote, for each candidate that the judge has not seen.

    Answers whose measured precision lies below REASSAY_JUDGE_FLOOR are kept as leanings.
    A language model stops at the limits of the settings; the rest waits for the next run.

    Example: reassay ingest judge --claim c3 --limit 20
    """
    from claims.queries import find_claim
    from ingest.judging import judge_candidates

    setup = judging_setup(ctx)
    chosen = load_set_judge(setup, by)
    with open_library(ctx) as session:
        summary = judge_candidates(
            session,
            chosen,
            claim_id=find_claim(session, claim).id if claim else None,
            limit=limit,
            floor=setup.judge_floor,
            report_progress=print_message,
        )
    if as_json:
        print_json(asdict(summary))
    else:
        _print(summary)
    if summary.failed or summary.postponed:
        raise typer.Exit(3)


def _print(summary: "JudgeSummary") -> None:
    print(
        f"{summary.judged} candidates judged by {summary.judge}: {summary.proposed} stances "
        f"proposed, {summary.unclear} unclear, {summary.refused_quotes} quotes refused, "
        f"{summary.failed} failed"
    )
    if summary.calls or summary.recalled:
        print(
            f"{summary.calls} requests, {summary.input_tokens} tokens read and "
            f"{summary.output_tokens} written; {summary.recalled} answers were kept from before"
        )
    if summary.postponed:
        print(f"{summary.postponed} candidates wait for the next run: {summary.stopped_by}")
