"""What the store can say to the three tasks of a line, and where it has nothing to say.

Decides by rule alone: limits are the numbers of a claim, contradictions are
those of ``claims.contradictions``, openings are claims whose question is still open. Writes no
sentence about a paper that is not in the store.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlmodel import Session, col, select

from claims.contradictions import AGAINST, find_contradictions
from claims.disagreements import Disagreement, find_disagreements
from db.models import Finding, Line, Task
from reports.claim_states import HUB, ClaimState
from reports.sources import IdGate
from reports.stances import ClaimEvidence, Stance, read_claim_evidence

CONTRADICTIONS = 2  # the number of that task
EMPHASIS = re.compile(r"\*+")
Row = tuple[ClaimState, ClaimEvidence]


@dataclass(frozen=True)
class LimitRow:
    """The two parts of a claim that age apart."""

    handle: str
    insight: str
    limits: tuple[str, ...]
    headline: str
    moved_by: tuple[str, ...]  # confirmed ids only


@dataclass(frozen=True)
class Opposition:
    """Two confirmed stances that point opposite ways, on one claim or on two that are alike."""

    handle: str
    statement: str
    one: Stance
    other: Stance
    other_handle: str | None = None  # of the second claim, where there are two
    other_statement: str | None = None


@dataclass(frozen=True)
class Opening:
    """An open claim that a research question could start from."""

    handle: str
    statement: str
    why: str


@dataclass(frozen=True)
class TaskView:
    """One task of the line in its own words, and what the store has for it."""

    number: int
    title: str
    text: str
    limits: tuple[LimitRow, ...] = ()
    oppositions: tuple[Opposition, ...] = ()
    proposed_both_ways: tuple[str, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    openings: tuple[Opening, ...] = ()


def read_tasks(
    session: Session, line: Line, rows: Sequence[Row], gate: IdGate
) -> tuple[TaskView, ...]:
    """The line's tasks in order; the first three get what the store holds for them."""
    tasks = session.exec(
        select(Task).where(Task.line_id == line.id).order_by(col(Task.number), col(Task.id))
    ).all()
    claims = [row for row in rows if row[0].headline not in {HUB, "RETIRED"}]
    findings = session.exec(
        select(Finding).where(Finding.line_id == line.id).order_by(col(Finding.position))
    ).all()
    views = [_make_task(task, claims, gate) for task in tasks]
    if not any(view.number == CONTRADICTIONS for view in views):
        return tuple(views)
    apart = tuple(find_disagreements(findings))
    oppositions = tuple(_read_oppositions(session, line, claims))
    return tuple(
        replace(view, disagreements=apart, oppositions=oppositions)
        if view.number == CONTRADICTIONS
        else view
        for view in views
    )


def _make_task(task: Task, rows: Sequence[Row], gate: IdGate) -> TaskView:
    is_second, is_third = task.number == CONTRADICTIONS, task.number == 3
    return TaskView(
        number=task.number,
        title=gate.mark_unknown(task.title),
        text=gate.mark_unknown(EMPHASIS.sub("", task.text)),
        limits=tuple(_make_limit(row) for row in rows) if task.number == 1 else (),
        proposed_both_ways=tuple(_find_proposed(rows)) if is_second else (),
        openings=tuple(_find_openings(rows)) if is_third else (),
    )


def _make_limit(row: Row) -> LimitRow:
    state, evidence = row
    return LimitRow(
        handle=state.handle,
        insight=state.statement,
        limits=state.limits,
        headline=state.headline,
        moved_by=tuple(
            f"arXiv:{stance.arxiv_id} {stance.stance}"
            for stance in evidence.confirmed
            if stance.stance in AGAINST and stance.quote is not None
        ),
    )


def _read_oppositions(session: Session, line: Line, rows: Sequence[Row]) -> list[Opposition]:
    """Pairs that touch the line; the other claim may stand in another line."""
    pairs = find_contradictions(session, line.id)
    wanted = {position.claim_id for pair in pairs for position in (pair.one, pair.other)}
    known = {state.claim_id: evidence for state, evidence in rows}
    known |= read_claim_evidence(session, sorted(wanted - known.keys()))
    stances = {
        stance.row: stance
        for claim_id in wanted
        for stance in known[claim_id].confirmed
        if stance.quote is not None
    }
    return [
        Opposition(
            pair.one.handle,
            pair.one.statement,
            stances[pair.one.evidence_id],
            stances[pair.other.evidence_id],
            pair.other.handle if pair.is_between_claims else None,
            pair.other.statement if pair.is_between_claims else None,
        )
        for pair in pairs
        if stances.keys() >= {pair.one.evidence_id, pair.other.evidence_id}
    ]


def _find_proposed(rows: Sequence[Row]) -> list[str]:
    """Claims with open proposals on both sides."""
    return [
        state.handle
        for state, evidence in rows
        if any(stance.stance == "supports" for stance in evidence.proposed)
        and any(stance.stance in AGAINST for stance in evidence.proposed)
    ]


def _find_openings(rows: Sequence[Row]) -> list[Opening]:
    openings = []
    for state, _ in rows:
        reasons = []
        if state.literature.word == "contested":
            reasons.append("literature: contested")
        if state.local.word == "undecided":
            reasons.append(f"local: undecided ({state.local.transfer or 'no transfer tag'})")
        if state.headline == "UNCHALLENGED":
            reasons.append("UNCHALLENGED: searched, and no confirmed row yet")
        if reasons:
            openings.append(Opening(state.handle, state.statement, "; ".join(reasons)))
    return openings
