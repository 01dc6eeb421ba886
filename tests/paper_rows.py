"""What a harvest left in the store, comparable between runs: no ids, no moments."""

from typing import NamedTuple

from sqlalchemy import Engine
from sqlmodel import col, select

from db.engine import open_session
from db.models import HarvestWindow, Paper, PaperVersion

OWN = {"id", "version_id", "paper_id", "first_seen_at", "seen_at", "withdrawn_seen_at"}


class PaperRows(NamedTuple):
    """Rows of paper and of paper_version, sorted."""

    papers: list[tuple[object, ...]]
    versions: list[tuple[object, ...]]

    @property
    def arxiv_ids(self) -> list[str]:
        return [str(row[0]) for row in self.papers]


def read_rows(engine: Engine) -> PaperRows:
    """Every column but those that tell one run from another."""
    with open_session(engine) as session:
        names = {paper.id: paper.arxiv_id for paper in session.exec(select(Paper))}
        papers = [
            (paper.arxiv_id, *_values(paper), names[paper.id])
            for paper in session.exec(select(Paper))
        ]
        in_force = set(session.exec(select(Paper.version_id)))
        versions = [
            (names[version.paper_id], version.version, *_values(version), version.id in in_force)
            for version in session.exec(select(PaperVersion))
        ]
    return PaperRows(sorted(papers, key=repr), sorted(versions, key=repr))


def read_windows(engine: Engine) -> list[HarvestWindow]:
    with open_session(engine) as session:
        return list(session.exec(select(HarvestWindow).order_by(col(HarvestWindow.id))))


def _values(row: Paper | PaperVersion) -> tuple[object, ...]:
    stated = row.model_dump()
    return tuple(repr(stated[name]) for name in sorted(stated) if name not in OWN)
