"""The anchors of a line: how far each id has been checked, and under which title.

An id that the store has not is not listed here; the page names it among the ids that are
not yet checked, never as a source.
"""

from dataclasses import dataclass

from sqlmodel import Session, col, select

from db.models import Anchor, Line, Note, Paper
from reports.numbers import NOT_RECORDED
from reports.sources import IdGate, describe_published

STATES = {
    "syntactic": "the id is possible; its title has not been compared",
    "exists": "arXiv has it; its title has not been compared with the label",
    "title-checked": "its title fits the label",
    "quoted": "a sentence of it is quoted",
    "broken": "arXiv has no such paper",
}


@dataclass(frozen=True)
class AnchorView:
    """One anchor whose paper is in the store."""

    arxiv_id: str
    title: str
    label: str
    published: str
    months: str  # where the stated month and the id's month differ
    state: str
    meaning: str
    note: str
    is_withdrawn: bool


def read_anchors(session: Session, line: Line, gate: IdGate) -> tuple[AnchorView, ...]:
    """Anchors of the line with a stored paper, in the document's order."""
    rows = session.exec(
        select(Anchor, Paper, Note.title)
        .join(Paper, col(Paper.arxiv_id) == Anchor.arxiv_id)
        .join(Note, col(Note.id) == Anchor.note_id, isouter=True)
        .where(Anchor.line_id == line.id)
        .order_by(col(Anchor.position))
    ).all()
    return tuple(
        AnchorView(
            arxiv_id=paper.arxiv_id,
            title=paper.title,
            label=gate.hide_unknown(anchor.label),
            published=describe_published(paper),
            months=_compare_months(anchor),
            state=anchor.state,
            meaning=STATES.get(anchor.state, NOT_RECORDED),
            note=note_title or "tied to no note",
            is_withdrawn=paper.is_withdrawn,
        )
        for anchor, paper, note_title in rows
    )


def _compare_months(anchor: Anchor) -> str:
    stated, named = anchor.month_stated, anchor.month_from_id
    if stated and named and stated != named:
        return f"the document says {stated}, the id says {named}"
    return ""
