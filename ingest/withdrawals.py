"""When the store first saw that a paper is withdrawn, and which papers are watched for it.

Whether it is withdrawn is decided where its records are read; this only dates it, so that a
morning page can tell tonight's news from what was known: one statement, safe to repeat, so
that a run that was broken off is made good by the next.
"""

from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Engine, Table, case, null, update
from sqlmodel import Session, col, or_, select

from db.columns import utc_now
from db.models import Anchor, Evidence, HarvestWindow, Paper

MOST_WATCHED = 500  # a night: five requests
REMEMBERED = timedelta(days=60)
ASKED_AGAIN_AFTER = timedelta(hours=18)  # once a night, also when nights begin a little early
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


def find_watched_ids(session: Session, most: int = MOST_WATCHED) -> list[str]:
    """Stored papers that claims rest on, to be asked for again: the longest unasked first.

    The query API selects by day of first submission, so that it never brings a new version
    of an old paper by itself. Those asked for within the last day are left out.
    """
    resting = or_(
        col(Paper.arxiv_id).in_(select(Anchor.arxiv_id).where(col(Anchor.arxiv_id).is_not(None))),
        col(Paper.id).in_(select(Evidence.paper_id).where(Evidence.status == "confirmed")),
    )
    ids = list(session.exec(select(Paper.arxiv_id).where(resting)))
    now = utc_now()
    last: dict[str, datetime] = {}
    windows = select(HarvestWindow.started_at, HarvestWindow.query).where(
        HarvestWindow.purpose == "anchors",
        col(HarvestWindow.is_complete).is_(True),
        col(HarvestWindow.started_at) > now - REMEMBERED,
    )
    for started_at, query in session.exec(windows.order_by(col(HarvestWindow.id))):
        last.update(dict.fromkeys(query.split(","), started_at))
    never = now - REMEMBERED
    waiting = [i for i in ids if last.get(i, never) < now - ASKED_AGAIN_AFTER]
    return sorted(waiting, key=lambda arxiv_id: (last.get(arxiv_id, never), arxiv_id))[:most]
