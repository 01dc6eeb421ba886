"""Which stance rows wait for a person: one condition, for the queue, the night and the pages.

A row waits when it is proposed for the present wording of a claim in force, no one has
decided on what that paper says about that wording, and its judge has not read a newer
text of the paper since. Decides nothing of its weight.
"""

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlalchemy.orm import aliased
from sqlmodel import col

from db.models import Claim, ClaimRevision, Evidence

DIRECTED = ("contradicts", "relaxes", "supports")


def is_waiting() -> ColumnElement[bool]:
    """The condition on ``Evidence`` joined with its ``ClaimRevision`` and ``Claim``."""
    return and_(
        col(Evidence.status) == "proposed",
        col(ClaimRevision.number) == col(Claim.revision_number),
        col(Claim.retired_at).is_(None),
        ~_is_settled(),
    )


def _is_settled() -> ColumnElement[bool]:
    """Another row on the same wording and paper makes a decision on this one idle.

    Decided: on the same text, or confirmed with the same stance on an older one. Rows that
    a decision made and an undo withdrew are rejected and point to their origin.
    """
    other = aliased(Evidence)
    is_decided = or_(
        and_(
            col(other.status) == "confirmed",
            or_(
                col(other.paper_version_id) == col(Evidence.paper_version_id),
                col(other.stance) == col(Evidence.stance),
            ),
        ),
        and_(
            col(other.status) == "rejected",
            col(other.split_from_id).is_(None),
            col(other.paper_version_id) == col(Evidence.paper_version_id),
        ),
    )
    is_newer = and_(
        col(other.judge) == col(Evidence.judge),
        col(other.paper_version_id) != col(Evidence.paper_version_id),
        col(other.id) > col(Evidence.id),
    )
    return exists().where(
        col(other.claim_revision_id) == col(Evidence.claim_revision_id),
        col(other.paper_id) == col(Evidence.paper_id),
        or_(is_decided, is_newer),
    )
