"""``reassay queue``: what waits for a person, worst first."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from claims.commands.output import JsonOption, print_json, print_message, print_table
from claims.commands.setup import open_library
from claims.queries import find_claim, find_line
from claims.queue_items import QueueItem, read_queue
from claims.queue_ranking import Ranking, rank_queue
from db.columns import stored_id

SHOWN = 10  # what a person can take in on a morning
MOST_LIMITS = 2  # of a row; --json has them all


def queue(
    ctx: typer.Context,
    top: Annotated[int, typer.Option(min=1, help="Rows at most.")] = SHOWN,
    claim: Annotated[
        str | None, typer.Option(metavar="CLAIM", help="Only rows on this claim.")
    ] = None,
    line: Annotated[str | None, typer.Option(help="A unique part of a line's slug.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Proposed stances that wait for a person, by reach times strength times doubt.

    Directed stances come first. Rows that the judge left unclear follow by what they lean
    to, and say so. "Precision of such" is what people made of such proposals of that judge;
    before anyone decided, what its own card says of them.

    Example: reassay queue --top 3
    """
    today = datetime.now(UTC).date()
    with open_library(ctx) as session:
        ranking = rank_queue(
            session,
            top=top,
            today=today,
            claim_id=stored_id(find_claim(session, claim).id) if claim else None,
            line_id=stored_id(find_line(session, line).id) if line else None,
        )
        items = read_queue(session, ranking, today)
    if as_json:
        print_json([item.record() for item in items])
    elif items:
        _print_items(items, ranking)
    else:
        print_message("nothing waits: every proposal on the present wordings was decided")


def _print_items(items: list[QueueItem], ranking: Ranking) -> None:
    print_table(
        ("row", "claim", "headline", "stance", "paper", "precision of such", "what it says"),
        (_make_row(item) for item in items),
    )
    waiting = f"{ranking.directed} proposed stances wait"
    if ranking.leanings:
        waiting += f", and {ranking.leanings} unclear rows lean to one"
    first = items[0]
    word = f"confirm --stance {first.ranked.stance}" if first.ranked.is_leaning else "confirm"
    quote = "" if first.quote else ' --quote "…"'
    print_message(
        f"{waiting}; decide: reassay decide {first.ranked.evidence_id} {word}{quote} "
        '--why "…"   (or: reject, right-stance-wrong-claim, split)'
    )


def _make_row(item: QueueItem) -> tuple[object, ...]:
    ranked = item.ranked
    stance = f"leans: {ranked.stance}" if ranked.is_leaning else ranked.stance
    headline = item.headline or "–"
    if item.would_be and item.would_be != item.headline:
        headline = f"{headline} → {item.would_be}?"
    lines = f"{ranked.reach.lines} line{'' if ranked.reach.lines == 1 else 's'}"
    return (
        ranked.evidence_id,
        f"{item.claim}\n{lines}",
        headline,
        stance,
        f"arXiv:{item.arxiv_id}\n{item.published or 'no date'}",
        str(item.precision) if item.precision else "not measured yet",
        _describe(item),
    )


def _describe(item: QueueItem) -> str:
    if item.quote:
        said = f"“{item.quote.text}” [{item.quote.section}, offset {item.quote.start}]"
    elif item.closest:
        said = f"no quote; closest sentence: “{item.closest.text}” [{item.closest.section}]"
    else:
        said = "no quote, and no sentence close to the claim"
    # what was not measured stands in the column beside it
    doubts = "; ".join(doubt for doubt in item.doubts if "not measured" not in doubt)
    limits = "; ".join(item.limits[:MOST_LIMITS])
    return "\n".join(part for part in (said, f"claim: {item.statement}", limits, doubts) if part)
