"""How often the papers that claims rest on are cited, as citation indexes state it.

Pressure, not evidence: a citation does not say what the citing work found. Each index is
told apart, since they count differently; nothing is added up over them.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select as select_columns  # sqlmodel types four at most
from sqlmodel import Session, col, func, select

from db.models import Citation, HarvestWindow, Paper

INDEX_NAMES = {"openalex": "OpenAlex", "semantic-scholar": "Semantic Scholar"}


@dataclass(frozen=True)
class CitedBy:
    """What one index says of one paper; ``works`` None: it does not know the paper."""

    source: str
    works: int | None  # citing works that it named
    stored: int  # of them, papers of our store
    newest: date | None
    asked_at: datetime | None  # the last whole answer

    def describe(self) -> str:
        """``cited by 12 works, 3 of them in the store, newest 2026-11-01 (OpenAlex, ...)``."""
        asked = f", asked {self.asked_at:%F}" if self.asked_at else ", not asked in full"
        name = f"({INDEX_NAMES.get(self.source, self.source)}{asked})"
        if self.works is None:
            return f"not known to the index {name}"
        newest = f", newest {self.newest}" if self.newest else ""
        works = "1 work" if self.works == 1 else f"{self.works} works"
        return f"cited by {works}, {self.stored} of them in the store{newest} {name}"


def read_cited_by(session: Session, arxiv_ids: Collection[str]) -> dict[str, list[CitedBy]]:
    """By arXiv id, an entry for each index that was asked about it."""
    counts = _count(session, arxiv_ids)
    found: dict[str, list[CitedBy]] = defaultdict(list)
    query = (
        select(HarvestWindow)
        .where(HarvestWindow.purpose == "citations", col(HarvestWindow.is_complete).is_(True))
        .where(col(HarvestWindow.query).in_(list(arxiv_ids)))
    )
    last = {(w.query, w.source): w for w in session.exec(query.order_by(col(HarvestWindow.id)))}
    for (arxiv_id, source), window in last.items():
        works, stored, newest = counts.pop((arxiv_id, source), (0, 0, None))
        is_known = works or window.detail.get("total") is not None
        found[arxiv_id].append(
            CitedBy(source, works if is_known else None, stored, newest, window.finished_at)
        )
    for (arxiv_id, source), (works, stored, newest) in counts.items():
        found[arxiv_id].append(CitedBy(source, works, stored, newest, None))
    return dict(found)


def _count(
    session: Session, arxiv_ids: Collection[str]
) -> dict[tuple[str, str], tuple[int, int, Any]]:
    query = (
        select_columns(
            col(Citation.cited_arxiv_id),
            col(Citation.source),
            func.count(col(Citation.id)),
            func.count(col(Paper.id)),
            func.max(col(Citation.citing_published)),
        )
        .join(Paper, col(Paper.arxiv_id) == Citation.citing_arxiv_id, isouter=True)
        .where(col(Citation.cited_arxiv_id).in_(list(arxiv_ids)))
        .group_by(col(Citation.cited_arxiv_id), col(Citation.source))
    )
    return {
        (cited, source): (works, stored, newest)
        for cited, source, works, stored, newest in session.connection().execute(query)
    }
