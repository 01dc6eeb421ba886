"""When the store first saw that a paper is withdrawn.

Whether it is withdrawn is decided where its records are read; this only dates it, so that a
morning page can tell tonight's news from what was known. One statement, safe to repeat: a
run that was broken off is made good by the next.
"""

from datetime import datetime
from typing import cast

from sqlalchemy import Engine, Table, case, null, update

from db.columns import utc_now
from db.models import Paper

PAPER = cast(Table, Paper.__table__)  # type: ignore[attr-defined]


def stamp_withdrawals(engine: Engine, now: datetime | None = None) -> int:
    """Date the withdrawn papers that have no date; how many rows changed.

    A paper that a later version brought back loses its date: should it be withdrawn again,
    that is news again.
    """
    is_withdrawn, seen_at = PAPER.c.is_withdrawn, PAPER.c.withdrawn_seen_at
    lacks_date = is_withdrawn.is_(True) & seen_at.is_(None)
    came_back = is_withdrawn.is_(False) & seen_at.is_not(None)
    statement = (
        update(PAPER)
        .where(lacks_date | came_back)
        .values(withdrawn_seen_at=case((is_withdrawn.is_(True), now or utc_now()), else_=null()))
    )
    with engine.begin() as connection:
        return int(connection.execute(statement).rowcount)
