"""How far each anchor has been checked against the paper store.

Decides the states exists, title-checked and broken; "quoted" is decided where a claim is
held against its source. An id is broken only when arXiv was asked for it and said that it
does not know it.
"""

from sqlmodel import Session, col, select

from claims.search import query_words
from db.models import Anchor, HarvestWindow, Paper

STEM_LETTERS = 5  # "optimise" and "optimization" are the same word to a title check
SHARED = 0.5  # of the label's words


def check_anchors(session: Session) -> int:
    """Bring every anchor's state up to date; returns how many changed. Commits.

    A state only moves forward, and a broken id mends when its paper turns up.
    """
    anchors = list(session.exec(select(Anchor).where(col(Anchor.arxiv_id).is_not(None))))
    ids = {anchor.arxiv_id for anchor in anchors}
    query = select(Paper.arxiv_id, Paper.title).where(col(Paper.arxiv_id).in_(ids))
    titles = dict(session.exec(query).all())
    unknown = find_unknown_ids(session)
    changed = 0
    for anchor in anchors:
        state = _judge_state(anchor, titles.get(anchor.arxiv_id or ""), unknown)
        if state != anchor.state:
            anchor.state = state
            session.add(anchor)
            changed += 1
    session.commit()
    return changed


def find_unknown_ids(session: Session) -> set[str]:
    """The ids that arXiv was asked for and did not know."""
    query = select(HarvestWindow).where(
        HarvestWindow.purpose == "anchors", col(HarvestWindow.is_complete).is_(True)
    )
    return {i for window in session.exec(query) for i in window.detail.get("missing", [])}


def shares_title(label: str, title: str) -> bool:
    """Whether at least half of a label's telling words occur in a title."""
    wanted, present = _stems(label), _stems(title)
    return bool(wanted) and len(wanted & present) >= SHARED * len(wanted)


def _judge_state(anchor: Anchor, title: str | None, unknown: set[str]) -> str:
    if title is None:
        is_lost = anchor.arxiv_id in unknown and anchor.state == "syntactic"
        return "broken" if is_lost else anchor.state
    if anchor.state in ("quoted", "title-checked"):
        return anchor.state
    return "title-checked" if shares_title(anchor.label, title) else "exists"


def _stems(text: str) -> set[str]:
    return {word[:STEM_LETTERS] for word in query_words(text)}
