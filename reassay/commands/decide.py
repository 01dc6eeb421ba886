"""``reassay decide``: a person's word on a proposed stance."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from sqlmodel import Session

from claims.commands.authorship import AuthorOption, WhyOption, sign
from claims.commands.output import JsonOption, print_json, print_message
from claims.commands.setup import open_library
from db.models import Claim

if TYPE_CHECKING:
    from reassay.deciding import Recorded


def decide_command(
    ctx: typer.Context,
    evidence: Annotated[int, typer.Argument(metavar="EVIDENCE", help="The row's number.")],
    word: Annotated[
        str, typer.Argument(help="confirm, reject, right-stance-wrong-claim or split.")
    ],
    why: WhyOption,
    stance: Annotated[
        list[str] | None, typer.Option(help="As this stance instead; twice for a split.")
    ] = None,
    claim: Annotated[
        list[str] | None, typer.Option(metavar="CLAIM", help="Of this claim; twice for a split.")
    ] = None,
    quote: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="An exact span of the paper; once for each part."),
    ] = None,
    author: AuthorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide on a row of 'reassay queue'; the claim's verdict follows at once.

    confirm: it counts, as it is or with --stance and --quote as you read it. reject: it does
    not; --stance mentions or out-of-scope may say what it is. right-stance-wrong-claim: it
    counts for --claim OTHER. split: it says two things: --stance twice (of this claim), or
    --claim twice (of two claims), or both in the same order. 'reassay undo' takes it back.

    Example: reassay decide 12 confirm --why "same benchmark, larger n"
    """
    from ingest.deciding import Wish
    from reassay.deciding import decide

    wish = Wish(word, tuple(stance or ()), tuple(claim or ()), tuple(quote or ()))
    with open_library(ctx) as session:
        done = decide(session, evidence, wish, sign(author, why), datetime.now(UTC).date())
        record = decision_record(done)
        handles = {row.id: _handle(session, row.claim_id) for row in [done.row, *done.made]}
    if as_json:
        print_json(record)
    else:
        _print_done(done, handles)


def _print_done(done: "Recorded", handles: Mapping[int | None, str]) -> None:
    for note in done.notes:
        print_message(note)
    if not done.is_new:
        print(f"row {done.row.id} stands so already, by {done.decision.author}: nothing changed")
        return
    print(f"recorded: row {done.row.id} ({handles[done.row.id]}) {PAST[done.decision.word]}")
    for row in done.made:
        print(f"  row {row.id} counts in its place: {row.stance} of {handles[row.id]}")
    for change in done.claims:
        print(change)
    print(f"decided pairs now {done.decided}")


PAST = {
    "confirm": "confirmed",
    "reject": "rejected",
    "right-stance-wrong-claim": "moved to another claim",
    "split": "split",
}


def _handle(session: Session, claim_id: int) -> str:
    return session.get_one(Claim, claim_id).handle


def decision_record(done: "Recorded") -> dict[str, Any]:
    """A decision and what it did, as plain data, for ``--json``."""
    decision = done.decision
    return {
        "decision": decision.id,
        "evidence": decision.evidence_id,
        "word": decision.word,
        "stance": decision.stance,
        "author": decision.author,
        "why": decision.reason,
        "decided_at": decision.decided_at,
        "undone_at": decision.undone_at,
        "is_new": done.is_new,
        "status": done.row.status,
        "made": [
            {
                "evidence": row.id,
                "claim_id": row.claim_id,
                "stance": row.stance,
                "status": row.status,
                "quote": row.quote,
            }
            for row in done.made
        ],
        "claims": [
            {
                "claim": change.claim,
                "headline_before": change.headline_before,
                "headline": change.headline,
                "literature_before": change.literature_before,
                "literature": change.literature,
                "waits_for_night": change.waits_for_night,
            }
            for change in done.claims
        ],
        "decided_pairs": done.decided,
        "notes": list(done.notes),
    }
