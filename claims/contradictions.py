"""Confirmed stances that point opposite ways: on one claim, or on two that say alike.

Decides which pairs belong side by side: one supports, the other contradicts or relaxes,
their papers lie within 24 months, and neither studies another model or task than the claim
does. Two claims count as alike by their words (``claims.likeness``). Which side is right is
a person's question.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from sqlmodel import Session, col, select

from claims.likeness import measure_overlap
from db.columns import stored_id
from db.models import Claim, ClaimRevision, Evidence, LineClaim, Paper

NEAR = timedelta(days=730)  # 24 months between two papers that disagree
AGAINST = ("contradicts", "relaxes")
ALIKE = 0.5  # of the shorter claim's telling words stand in the other
DECISIVE_AXES = ("model", "task")


@dataclass(frozen=True)
class Position:
    """One confirmed stance with its quote."""

    evidence_id: int
    claim_id: int
    handle: str
    statement: str
    stance: str
    arxiv_id: str
    title: str
    published: date | None
    quote: str
    is_elsewhere: bool  # another model or task than the claim's


@dataclass(frozen=True)
class Contradiction:
    """Two positions side by side, the supporting one first."""

    one: Position
    other: Position

    @property
    def is_between_claims(self) -> bool:
        """Whether the two speak of two claims of the library."""
        return self.one.claim_id != self.other.claim_id

    def record(self) -> dict[str, Any]:
        """As plain data for scripts."""
        return {"between_claims": self.is_between_claims, **asdict(self)}


def find_contradictions(session: Session, line_id: int | None = None) -> list[Contradiction]:
    """All pairs that touch a claim of the line (or of the library), newest paper first."""
    positions = _read_positions(session)
    if line_id is not None:
        query = select(LineClaim.claim_id).where(LineClaim.line_id == line_id)
        inside = set(session.exec(query))
        touched = [position for position in positions if position.claim_id in inside]
        pairs = {*_cross(touched, positions), *_cross(positions, touched)}
    else:
        pairs = set(pair_opposites(positions))
    return sorted(pairs, key=_newest, reverse=True)


def pair_opposites(positions: Sequence[Position]) -> list[Contradiction]:
    """Every support beside every stance against it that is near in time and in scope."""
    return list(_cross(positions, positions))


def _cross(ones: Iterable[Position], others: Iterable[Position]) -> Iterator[Contradiction]:
    against = [p for p in others if p.stance in AGAINST and not p.is_elsewhere]
    for one in ones:
        if one.stance == "supports" and not one.is_elsewhere:
            for other in against:
                if _are_near(one, other) and _are_alike(one, other):
                    yield Contradiction(one, other)


def _are_near(one: Position, other: Position) -> bool:
    """An unknown date does not part two papers."""
    if one.published is None or other.published is None:
        return True
    return abs(one.published - other.published) <= NEAR


def _are_alike(one: Position, other: Position) -> bool:
    if one.claim_id == other.claim_id:
        return one.arxiv_id != other.arxiv_id
    return measure_overlap(one.statement, other.statement) >= ALIKE


def _newest(pair: Contradiction) -> tuple[date, int]:
    days = [day for day in (pair.one.published, pair.other.published) if day]
    return max(days, default=date.min), pair.other.evidence_id


def _read_positions(session: Session) -> list[Position]:
    query = (
        select(Evidence, Claim, Paper)
        .join(Claim, col(Claim.id) == Evidence.claim_id)
        .join(Paper, col(Paper.id) == Evidence.paper_id)
        .join(ClaimRevision, col(ClaimRevision.id) == Evidence.claim_revision_id)
        .where(
            Evidence.status == "confirmed",
            col(Evidence.quote).is_not(None),
            ClaimRevision.number == Claim.revision_number,
            col(Claim.retired_at).is_(None),
            col(Paper.is_withdrawn).is_(False),
            col(Evidence.stance).in_(("supports", *AGAINST)),
        )
        .order_by(col(Evidence.id))
    )
    return [
        Position(
            evidence_id=stored_id(row.id),
            claim_id=row.claim_id,
            handle=claim.handle,
            statement=claim.statement,
            stance=row.stance,
            arxiv_id=paper.arxiv_id,
            title=paper.title,
            published=paper.published or paper.listed,
            quote=row.quote or "",
            is_elsewhere=any(row.scope.get(axis) == "other" for axis in DECISIVE_AXES),
        )
        for row, claim, paper in session.exec(query)
    ]
