"""What the store can say to the three tasks of a line, and where it has nothing to say.

Decides by rule alone: limits are the numbers of a claim, contradictions are pairs of
confirmed opposite stances, openings are claims whose question is still open. Writes no
sentence about a paper that is not in the store.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from sqlmodel import Session, col, select

from claims.disagreements import Disagreement, find_disagreements
from db.models import Finding, Line, Task
from reports.claim_states import HUB, ClaimState
from reports.sources import IdGate
from reports.stances import ClaimEvidence, Stance

AGAINST = {"contradicts", "relaxes"}
CONTRADICTIONS = 2  # the number of that task
NEAR = timedelta(days=730)  # 24 months between two papers that disagree
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
    """Two confirmed stances on one claim that point opposite ways."""

    handle: str
    statement: str
    one: Stance
    other: Stance


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
    apart = tuple(find_disagreements(findings))
    return tuple(
        replace(view, disagreements=apart) if view.number == CONTRADICTIONS else view
        for view in (_make_task(task, claims, gate) for task in tasks)
    )


def _make_task(task: Task, rows: Sequence[Row], gate: IdGate) -> TaskView:
    is_second, is_third = task.number == CONTRADICTIONS, task.number == 3
    return TaskView(
        number=task.number,
        title=gate.mark_unknown(task.title),
        text=gate.mark_unknown(EMPHASIS.sub("", task.text)),
        limits=tuple(_make_limit(row) for row in rows) if task.number == 1 else (),
        oppositions=tuple(_find_oppositions(rows)) if is_second else (),
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


def _find_oppositions(rows: Sequence[Row]) -> list[Opposition]:
    found = []
    for state, evidence in rows:
        shown = [stance for stance in evidence.confirmed if stance.quote is not None]
        for one in (stance for stance in shown if stance.stance == "supports"):
            found += [
                Opposition(state.handle, state.statement, one, other)
                for other in shown
                if other.stance in AGAINST and _are_near(one, other)
            ]
    return found


def _are_near(one: Stance, other: Stance) -> bool:
    """Whether two papers lie within 24 months; an unknown date does not part them."""
    try:
        apart = date.fromisoformat(one.published) - date.fromisoformat(other.published)
    except ValueError:
        return True
    return abs(apart) <= NEAR


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
