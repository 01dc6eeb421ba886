"""The queue: which proposals a person should look at first.

score = reach x strength x doubt, defined number by number in ``claims.queue_factors``:
reach is how much leans on the claim, strength how strongly the paper speaks against or for
it and how sure the judge is, doubt how much a confirmation would change and how unsure the
judge is. Directed stances come before all leanings of rows that stayed unclear; ties go to
the older row. "What would change" counts the paper as one more independent source beside
those of the claim's verdict; the exact grouping is made when the claim is concluded.

Scale: the factors of a claim are read once for all its rows; a row's scope is read only
where its score without it (no overlap can raise it) may still be among the first.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, case
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, func, select

from claims.queue_factors import (
    UNKNOWN_PROBABILITY,
    Reach,
    Standing,
    measure_change,
    measure_doubt,
    measure_strength,
)
from claims.waiting import DIRECTED, ProposedRow, keep_waiting
from db.columns import stored_id
from db.models import (
    Claim,
    Evidence,
    FindingNote,
    LineClaim,
    Task,
    Verdict,
)

CHUNK = 200  # rows whose scope is read at a time
RESTS_ON_RECENT_SUPPORT = ("supported", "contested")


@dataclass(frozen=True)
class Ranked:
    """A waiting row and its three factors; ``stance`` of a leaning is what it leans to."""

    evidence_id: int
    claim_id: int
    stance: str
    confidence: float | None
    is_leaning: bool
    reach: Reach
    strength: float
    doubt: float

    @property
    def score(self) -> float:
        """What ranks the row."""
        return self.reach.value * self.strength * self.doubt


@dataclass(frozen=True)
class Ranking:
    """The first rows of the queue, and how many wait in all."""

    rows: list[Ranked]
    directed: int
    leanings: int | None  # None: not counted, since directed rows fill the queue


def rank_queue(
    session: Session,
    *,
    top: int,
    today: date,
    claim_id: int | None = None,
    line_id: int | None = None,
    with_leanings: bool = True,
) -> Ranking:
    """The ``top`` rows that wait, of the library, of one claim or of one line's claims."""
    kept = _restrict(claim_id, line_id)
    directed = keep_waiting(session, _read_directed(session, kept))
    wanted = with_leanings and len(directed) < top
    leaning = keep_waiting(session, _read_leanings(session, kept)) if wanted else []
    ids = {row.claim_id for row in (*directed, *leaning)}
    claims = _Claims(session, ids, today)
    rows = _choose(session, directed, claims, top, is_leaning=False)
    rows += _choose(session, leaning, claims, top - len(rows), is_leaning=True)
    return Ranking(rows, len(directed), len(leaning) if wanted else None)


def _restrict(claim_id: int | None, line_id: int | None) -> list[ColumnElement[bool]]:
    kept: list[ColumnElement[bool]] = []
    if claim_id is not None:
        kept.append(col(Evidence.claim_id) == claim_id)
    if line_id is not None:
        of_line = select(LineClaim.claim_id).where(LineClaim.line_id == line_id)
        kept.append(col(Evidence.claim_id).in_(of_line))
    return kept


def _read_directed(session: Session, kept: Sequence[ColumnElement[bool]]) -> list[ProposedRow]:
    query = sql_select(*_columns(), col(Evidence.stance), col(Evidence.confidence)).where(
        col(Evidence.status) == "proposed", col(Evidence.stance).in_(DIRECTED), *kept
    )
    return [ProposedRow._make(row) for row in session.connection().execute(query).all()]


def _read_leanings(session: Session, kept: Sequence[ColumnElement[bool]]) -> list[ProposedRow]:
    """Unclear rows that lean to a directed stance, with the probability of what they lean to."""
    scope: Any = col(Evidence.scope)
    leaning = scope["leaning"].as_string()
    supports, against = (scope["probabilities"][k].as_float() for k in ("supports", "against"))
    likely = case((leaning == "supports", supports), else_=against)
    query = sql_select(*_columns(), leaning, likely).where(
        col(Evidence.status) == "proposed",
        col(Evidence.stance) == "unclear",
        leaning.in_(DIRECTED),
        *kept,
    )
    return [ProposedRow._make(row) for row in session.connection().execute(query).all()]


def _columns() -> list[Any]:
    names = ("id", "claim_id", "claim_revision_id", "paper_id", "paper_version_id")
    return [col(getattr(Evidence, name)) for name in names]


def _choose(
    session: Session, rows: Sequence[ProposedRow], claims: "_Claims", top: int, *, is_leaning: bool
) -> list[Ranked]:
    """The best by true score: those by score without scope first, until none left can win."""
    if top <= 0:
        return []
    order = [(-claims.bound(row, is_leaning), row) for row in rows]
    heapq.heapify(order)
    best: list[tuple[float, int, Ranked]] = []
    while order and (len(best) < top or -order[0][0] > best[0][0]):
        chunk = [heapq.heappop(order)[1] for _ in range(min(CHUNK, len(order)))]
        scopes = _read_scopes(session, [row.evidence_id for row in chunk])
        for row in chunk:
            ranked = claims.rank(row, scopes[row.evidence_id], is_leaning=is_leaning)
            heapq.heappush(best, (ranked.score, -ranked.evidence_id, ranked))
            if len(best) > top:
                heapq.heappop(best)
    return [ranked for _, _, ranked in sorted(best, key=lambda item: (-item[0], -item[1]))]


def _read_scopes(session: Session, ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    query = select(Evidence.id, Evidence.scope).where(col(Evidence.id).in_(ids))
    return {stored_id(row_id): scope or {} for row_id, scope in session.exec(query).all()}


class _Claims:
    """What the factors need of the claims that rows wait for."""

    def __init__(self, session: Session, ids: set[int], today: date) -> None:
        few = ids if len(ids) <= CHUNK else None
        self._factors: dict[tuple[int, str, bool], float] = {}  # of a claim, without the row's
        self._reach = _read_reach(session, few)
        standings = read_standings(session, few)
        self._change = {
            (claim_id, stance): measure_change(standings.get(claim_id, Standing()), stance, today)
            for claim_id in ids
            for stance in DIRECTED
        }

    def bound(self, row: ProposedRow, is_leaning: bool) -> float:
        """The score without a scope, which no scope can raise."""
        factors = self._factors.get((row.claim_id, row.stance, is_leaning))
        if factors is None:
            sure = self.rank(row._replace(confidence=1.0), {}, is_leaning=is_leaning)
            factors = self._factors[row.claim_id, row.stance, is_leaning] = (
                sure.score / measure_doubt(1.0, 1.0)
            )
        likely = UNKNOWN_PROBABILITY if row.confidence is None else row.confidence
        return factors * likely * measure_doubt(1.0, likely)

    def rank(self, row: ProposedRow, scope: Mapping[str, Any], *, is_leaning: bool) -> Ranked:
        change = self._change[row.claim_id, row.stance]
        return Ranked(
            row.evidence_id,
            row.claim_id,
            row.stance,
            row.confidence,
            is_leaning,
            reach=self._reach.get(row.claim_id, Reach()),
            strength=measure_strength(row.stance, row.confidence, scope, is_leaning=is_leaning),
            doubt=measure_doubt(change, row.confidence),
        )


def _read_reach(session: Session, ids: set[int] | None) -> dict[int, Reach]:
    """Lines, their tasks, and findings tied to the note, by claim id."""
    tasks_of = (
        select(Task.line_id, func.count().label("tasks")).group_by(col(Task.line_id)).subquery()
    )
    lines = (
        sql_select(
            col(LineClaim.claim_id), func.count(), func.coalesce(func.sum(tasks_of.c.tasks), 0)
        )
        .outerjoin(tasks_of, tasks_of.c.line_id == col(LineClaim.line_id))
        .group_by(col(LineClaim.claim_id))
    )
    findings = (
        sql_select(col(Claim.id), func.count())
        .join(FindingNote, col(FindingNote.note_id) == col(Claim.note_id))
        .group_by(col(Claim.id))
    )
    if ids is not None:
        lines = lines.where(col(LineClaim.claim_id).in_(ids))
        findings = findings.where(col(Claim.id).in_(ids))
    connection = session.connection()
    leaning = {row[0]: row[1] for row in connection.execute(findings)}
    return {
        row[0]: Reach(row[1], leaning.get(row[0], 0), int(row[2]))
        for row in connection.execute(lines)
    }


def read_standings(session: Session, ids: set[int] | None) -> dict[int, Standing]:
    """Where claims stand, by claim id; of all claims that have a verdict when ids are None."""
    newest = sql_select(func.max(Verdict.id)).group_by(col(Verdict.claim_id))
    if ids is not None:
        newest = newest.where(col(Verdict.claim_id).in_(ids))
    names = ("claim_id", "headline", "grounding", "literature", "searched_through")
    detail: Any = col(Verdict.literature_detail)
    counts = [detail["confirmed"][stance].as_integer() for stance in DIRECTED]
    query = sql_select(*(col(getattr(Verdict, name)) for name in names), *counts)
    rows = session.connection().execute(query.where(col(Verdict.id).in_(newest)))
    return {row[0]: _make_standing(*row[1:]) for row in rows}


def _make_standing(
    headline: str | None,
    grounding: str,
    literature: str,
    searched_through: date | None,
    contradicts: int | None,
    relaxes: int | None,
    supports: int | None,
) -> Standing:
    return Standing(
        headline=headline,
        grounding=grounding,
        literature=literature,
        searched_through=searched_through,
        supports=supports or 0,
        recent_support=literature in RESTS_ON_RECENT_SUPPORT,
        contradicts=contradicts or 0,
        relaxes=relaxes or 0,
    )
