"""What needs a person: at most ten items, ranked by reach times strength.

Proposed stances are ranked as ``reassay queue`` ranks them, so that page and command agree;
for the rest reach is the number of lines that use a claim, and strength a fixed order. The
product ranks and is never printed.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import NamedTuple

from sqlmodel import Session, col, select

from claims.queue_ranking import rank_queue
from claims.verdicts import LOOK_AT
from claims.withdrawn_sources import find_withdrawn_sources
from db.columns import stored_id
from db.models import Claim, Evidence, Paper
from reports.claim_states import ClaimState, read_states
from reports.local_results import ExperimentResult
from reports.numbers import NOT_RECORDED, count, join_some
from reports.outline import ClaimOutline
from reports.sources import IdGate, Quote, read_shelf
from reports.stances import Stance, make_stance

SHOWN_ITEMS = 10
RANKED_PROPOSALS = 500  # that are looked at to find the first of each claim
SHOWN_HANDLES = 20
STRENGTH = {"id-broken": 1.0, "misquoted": 0.9, "overreach": 0.6, "unanchored": 0.3}
STRENGTH_WITHDRAWN = 1.0
STRENGTH_LOCAL = 0.95
SAID = {
    "id-broken": "the id of its source does not exist",
    "misquoted": "its source says something else",
    "overreach": "the claim is wider than its source, as far as read",
    "unanchored": "no readable paper is tied to it",
}


@dataclass(frozen=True)
class AttentionItem:
    """One thing for a person to decide."""

    handle: str
    statement: str
    reach: str
    what: str
    doubt: str
    quote: Quote | None
    reading: str  # what our own seeds say, where they are the reason
    row: str


class _Ranked(NamedTuple):
    weight: float
    kind: str  # stance | grounding | unanchored | withdrawn | local
    claim_id: int
    key: int | str  # stance row, or words for what it is
    more: int = 0  # further proposals on the same claim


def read_items(
    session: Session, outline: Sequence[ClaimOutline], gate: IdGate, today: date
) -> tuple[list[AttentionItem], int]:
    """The first ten items, and how many there are in all."""
    proposals = _rank_proposals(session, today)
    others = [*_rank_fields(outline), *_rank_withdrawn(session, outline)]
    ranked = sorted([*proposals, *others], key=lambda item: -item.weight)
    shown = ranked[:SHOWN_ITEMS]
    return _make_items(session, shown, gate), len(ranked)


def _rank_proposals(session: Session, today: date) -> list[_Ranked]:
    """The first proposal on each claim in the queue's order, and how many follow it.

    Against the other items each weighs lines times strength, but no more than one before.
    """
    ranking = rank_queue(session, top=RANKED_PROPOSALS, today=today, with_leanings=False)
    of_claim = Counter(row.claim_id for row in ranking.rows)
    first = {row.claim_id: row for row in reversed(ranking.rows)}
    rows = [row for row in ranking.rows if first[row.claim_id] is row]
    weights = accumulate((row.reach.lines * row.strength for row in rows), min)
    return [
        _Ranked(weight, "stance", row.claim_id, row.evidence_id, of_claim[row.claim_id] - 1)
        for weight, row in zip(weights, rows, strict=True)
    ]


def _rank_fields(outline: Sequence[ClaimOutline]) -> Iterator[_Ranked]:
    tracked = [claim for claim in outline if claim.headline != "RETIRED"]
    unanchored = [claim for claim in tracked if claim.grounding == "unanchored"]
    if unanchored:  # one decision asks for all of them: which papers do they come from?
        widest = max(unanchored, key=lambda claim: claim.reach)
        handles = join_some([claim.handle for claim in unanchored], SHOWN_HANDLES)
        weight = widest.reach * STRENGTH["unanchored"]
        yield _Ranked(weight, "unanchored", widest.claim_id, f"{len(unanchored)} {handles}")
    for claim in tracked:
        if claim.grounding in STRENGTH and claim.grounding != "unanchored":
            weight = claim.reach * STRENGTH[claim.grounding]
            yield _Ranked(weight, "grounding", claim.claim_id, claim.grounding)
        if claim.local in LOOK_AT:
            yield _Ranked(claim.reach * STRENGTH_LOCAL, "local", claim.claim_id, claim.local)


def _rank_withdrawn(session: Session, outline: Sequence[ClaimOutline]) -> Iterator[_Ranked]:
    reach = {claim.claim_id: claim.reach for claim in outline if claim.headline != "RETIRED"}
    for claim_id, sources in find_withdrawn_sources(session).items():
        if claim_id in reach:
            weight = reach[claim_id] * STRENGTH_WITHDRAWN
            for source in sources:
                yield _Ranked(weight, "withdrawn", claim_id, source.describe())


def _make_items(session: Session, shown: Sequence[_Ranked], gate: IdGate) -> list[AttentionItem]:
    ids = list(dict.fromkeys(item.claim_id for item in shown))
    claims = session.exec(select(Claim).where(col(Claim.id).in_(ids))).all()
    states = {s.claim_id: s for s in read_states(session, claims, gate, None)}
    stances = _read_stances(session, [i.key for i in shown if i.kind == "stance"])
    return [_make_item(item, states[item.claim_id], stances) for item in shown]


def _read_stances(session: Session, rows: Sequence[int | str]) -> dict[int | str, Stance]:
    pairs = session.exec(
        select(Evidence, Paper)
        .join(Paper, col(Paper.id) == Evidence.paper_id)
        .where(col(Evidence.id).in_(rows))
    ).all()
    shelf = read_shelf(session, [paper.arxiv_id for _, paper in pairs])
    return {stored_id(row.id): make_stance(row, paper, shelf) for row, paper in pairs}


def _make_item(item: _Ranked, state: ClaimState, stances: dict[int | str, Stance]) -> AttentionItem:
    quote, reading, row = None, "", ""
    if item.kind == "unanchored" and not str(item.key).startswith("1 "):
        return _make_unanchored(item, state)
    if item.kind == "stance":
        stance = stances[item.key]
        what, doubt = _describe_stance(stance)
        if item.more:
            others = count(item.more, "more proposal")
            what += f"; {others} on this claim: reassay queue --claim {state.handle}"
        quote, row = stance.quote, f"reassay decide {stance.row} confirm --why …"
    elif item.kind in {"grounding", "unanchored"}:
        word = state.grounding.word
        what = f"{word}: {SAID.get(word, NOT_RECORDED)}; {state.grounding.reason}"
        doubt, quote = _doubt_grounding(state), state.grounding.quote
    elif item.kind == "withdrawn":
        what = f"marked withdrawn: {item.key}"
        doubt = "the mark is read from the paper's own entry; a later version may stand"
    else:
        what = f"our own seeds read {item.key} ({state.local.transfer or 'no transfer tag'})"
        doubt, reading = _describe_local(state)
    return AttentionItem(
        handle=state.handle,
        statement=state.statement,
        reach=f"used by {count(state.reach, 'line')}",
        what=what,
        doubt=doubt,
        quote=quote,
        reading=reading,
        row=row,
    )


def _make_unanchored(item: _Ranked, state: ClaimState) -> AttentionItem:
    """All unanchored claims as one item: they ask for the same thing."""
    number, _, handles = str(item.key).partition(" ")
    return AttentionItem(
        handle="",
        statement=f"{number} claims are unanchored: {handles}",
        reach=f"the widest, {state.handle}, is used by {count(state.reach, 'line')}",
        what="no readable paper is tied to them: name the papers that they come from",
        doubt=_doubt_grounding(state),
        quote=None,
        reading="",
        row="",
    )


def _describe_stance(stance: Stance) -> tuple[str, str]:
    what = (
        f"proposed by the judge, not confirmed; not counted: arXiv:{stance.arxiv_id} "
        f"({stance.published}) {stance.stance}; {stance.sureness}"
    )
    if stance.limits:
        what += f"; {'; '.join(stance.limits)}"
    if stance.quote is None:
        what = f"UNGROUNDED: {what}"
    return what, "; ".join(stance.doubts)


def _doubt_grounding(state: ClaimState) -> str:
    if state.grounding.read == "abstract":
        return "only the abstract was read; words were compared, not meanings"
    if state.grounding.word == "unanchored":
        return "the paper may exist: its id is not in the note, or its text not in the store"
    return "words were compared, not meanings"


def _describe_local(state: ClaimState) -> tuple[str, str]:
    """Scale and limits of the experiments that differ, and what they read."""
    differing: list[tuple[ExperimentResult, str]] = [
        (result, reading)
        for result, reading in zip(state.local.results, state.local.readings, strict=True)
        if result.outcome in LOOK_AT
    ]
    doubts = [f"{result.scale}; cannot show: {result.cannot_show}" for result, _ in differing]
    return "; ".join(doubts) or "not recorded", "; ".join(reading for _, reading in differing)
