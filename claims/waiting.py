"""Which stance rows wait for a person: one rule, for the queue, the night and the pages.

A row waits when it is proposed for the present wording of a claim in force, no one has
decided on what that paper says about that wording, and its judge has not read a newer
text of the paper since. The rule is a condition for queries; over a whole library, where
it would be asked a hundred thousand times, only the rows that it may touch are asked.
Decides nothing of a row's weight.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlalchemy import select as sql_select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from db.models import Claim, ClaimRevision, Evidence, PaperVersion

DIRECTED = ("contradicts", "relaxes", "supports")
CHUNK = 500


def is_open() -> ColumnElement[bool]:
    """Proposed, for the present wording of a claim in force.

    A condition on ``Evidence`` joined with its ``ClaimRevision`` and ``Claim``.
    """
    return and_(
        col(Evidence.status) == "proposed",
        col(ClaimRevision.number) == col(Claim.revision_number),
        col(Claim.retired_at).is_(None),
    )


def is_waiting() -> ColumnElement[bool]:
    """Open and not settled: the same joins; for a query over the rows of a few claims."""
    other = aliased(Evidence)
    return and_(is_open(), ~exists().where(_settles(other)))


class ProposedRow(NamedTuple):
    """A proposed row with what tells whether it waits."""

    evidence_id: int
    claim_id: int
    claim_revision_id: int
    paper_id: int
    paper_version_id: int
    stance: str
    confidence: float | None


def keep_waiting(session: Session, rows: Sequence[ProposedRow]) -> list[ProposedRow]:
    """Those of many proposed rows that wait.

    Only a row whose paper someone decided on, or whose text is not its paper's newest, is
    asked of the database one by one.
    """
    wordings = _read_wordings_in_force(session)
    decided, outdated = _read_decided(session), _read_outdated(session)
    kept: list[ProposedRow] = []
    doubtful: list[ProposedRow] = []
    for row in rows:
        if row.claim_revision_id not in wordings:
            continue
        is_doubtful = (
            (row.claim_revision_id, row.paper_id) in decided or row.paper_version_id in outdated
        )  # fmt: skip
        (doubtful if is_doubtful else kept).append(row)
    waiting = _ask_waiting(session, [row.evidence_id for row in doubtful])
    return kept + [row for row in doubtful if row.evidence_id in waiting]


def _read_wordings_in_force(session: Session) -> set[int]:
    query = (
        sql_select(col(ClaimRevision.id))
        .join(Claim, col(Claim.id) == col(ClaimRevision.claim_id))
        .where(
            col(Claim.retired_at).is_(None),
            col(ClaimRevision.number) == col(Claim.revision_number),
        )
    )
    return {int(row[0] or 0) for row in session.connection().execute(query)}


def _read_decided(session: Session) -> set[tuple[int, int]]:
    query = sql_select(col(Evidence.claim_revision_id), col(Evidence.paper_id)).where(
        col(Evidence.status).in_(("confirmed", "rejected"))
    )
    return {(row[0], row[1]) for row in session.connection().execute(query)}


def _read_outdated(session: Session) -> set[int]:
    newer = aliased(PaperVersion)
    is_outdated = exists().where(
        col(newer.paper_id) == col(PaperVersion.paper_id), col(newer.id) != col(PaperVersion.id)
    )
    query = sql_select(col(PaperVersion.id)).where(is_outdated)
    return {int(row[0] or 0) for row in session.connection().execute(query)}


def _ask_waiting(session: Session, ids: Sequence[int]) -> set[int]:
    waiting: set[int] = set()
    for start in range(0, len(ids), CHUNK):
        query = (
            sql_select(col(Evidence.id))
            .join(ClaimRevision, col(ClaimRevision.id) == col(Evidence.claim_revision_id))
            .join(Claim, col(Claim.id) == col(Evidence.claim_id))
            .where(col(Evidence.id).in_(ids[start : start + CHUNK]), is_waiting())
        )
        waiting |= {int(row[0] or 0) for row in session.connection().execute(query)}
    return waiting


def _settles(other: Any) -> ColumnElement[bool]:
    """Whether another row on the same wording and paper makes a decision on this one idle.

    Decided: on the same text, or confirmed with the same stance on an older one. Rows that
    a decision made and an undo withdrew are rejected and point to their origin.
    """
    is_decided = or_(
        and_(
            other.status == "confirmed",
            or_(
                other.paper_version_id == col(Evidence.paper_version_id),
                other.stance == col(Evidence.stance),
            ),
        ),
        and_(
            other.status == "rejected",
            other.split_from_id.is_(None),
            other.paper_version_id == col(Evidence.paper_version_id),
        ),
    )
    is_newer = and_(other.judge == col(Evidence.judge), other.id > col(Evidence.id))
    return and_(
        other.claim_revision_id == col(Evidence.claim_revision_id),
        other.paper_id == col(Evidence.paper_id),
        or_(is_decided, is_newer),
    )
