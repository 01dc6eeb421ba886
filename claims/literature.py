"""What newer work says about a claim, from the stance rows that a person confirmed.

Decides the word for the whole; which papers are one source is decided in
``claims.independence``. Proposals are counted apart and never enter; a paper that was
withdrawn no longer counts. Knows nothing of how a stance was judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlmodel import Session, col, select

from claims.independence import Source, group_sources, read_source
from claims.verdicts import Literature
from claims.waiting import is_waiting
from db.models import Candidate, Claim, ClaimRevision, Evidence, Paper

RECENT = timedelta(days=730)  # 24 months
DIRECTED = ("supports", "contradicts", "relaxes")


@dataclass(frozen=True)
class SearchExtent:
    """How far newer work was searched: the store's papers up to a day."""

    through: date | None
    papers: int
    source: str  # "arXiv" or "snapshot NAME"


@dataclass(frozen=True)
class LiteratureState:
    """The word, and what it rests on."""

    literature: Literature
    independent_for: int
    independent_against: int
    proposals: dict[str, int]
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Row:
    stance: str
    source: Source
    published: date | None
    is_withdrawn: bool


def conclude_literature(
    session: Session, claim: Claim, extent: SearchExtent, today: date
) -> LiteratureState:
    """The literature field of one claim."""
    all_confirmed = _read_rows(session, claim, "confirmed")
    confirmed = [row for row in all_confirmed if not row.is_withdrawn]
    proposed = _read_rows(session, claim, "proposed")
    supports = count_independent([r for r in confirmed if r.stance == "supports"])
    recent_support = any(
        r.stance == "supports" and r.published and today - r.published <= RECENT for r in confirmed
    )
    against = count_independent([r for r in confirmed if r.stance == "contradicts"])
    relaxes = count_independent([r for r in confirmed if r.stance == "relaxes"])
    is_searched = extent.through is not None and extent.papers > 0
    proposals = {
        stance: count_independent([r for r in proposed if r.stance == stance])
        for stance in DIRECTED
        if any(r.stance == stance for r in proposed)
    }
    return LiteratureState(
        literature=decide_word(
            supports=supports,
            recent_support=recent_support,
            against=against,
            relaxes=relaxes,
            is_searched=is_searched,
        ),
        independent_for=supports,
        independent_against=against,
        proposals=proposals,
        detail={
            "searched_papers": extent.papers,
            "searched_through": extent.through.isoformat() if extent.through else None,
            "source": extent.source,
            "candidates": _count_candidates(session, claim),
            "confirmed": {"supports": supports, "contradicts": against, "relaxes": relaxes},
            "proposed": proposals,
            "confirmed_ids": sorted({row.source.arxiv_id for row in confirmed}),
            "withdrawn_ids": sorted(
                {row.source.arxiv_id for row in all_confirmed if row.is_withdrawn}
            ),
        },
    )


def _count_candidates(session: Session, claim: Claim) -> int:
    """Papers that triage kept for the present wording, without those drawn as a sample."""
    query = (
        select(Candidate.paper_id)
        .join(ClaimRevision, col(ClaimRevision.id) == Candidate.claim_revision_id)
        .where(
            Candidate.claim_id == claim.id,
            ClaimRevision.number == claim.revision_number,
            col(Candidate.is_sample).is_(False),
        )
        .distinct()
    )
    return len(session.exec(query).all())


def count_independent(rows: Sequence[_Row]) -> int:
    """Sources that count once each, by ``claims.independence``."""
    return len(group_sources([row.source for row in rows]))


def decide_word(
    *, supports: int, recent_support: bool, against: int, relaxes: int, is_searched: bool
) -> Literature:
    """The literature word of so many confirmed independent papers of each stance."""
    if against and supports and recent_support:
        return "contested"
    if against:
        return "contradicted"
    if relaxes:
        return "relaxed"
    if supports and recent_support:
        return "supported"
    return "silent" if is_searched else "unsearched"


def _read_rows(session: Session, claim: Claim, status: str) -> list[_Row]:
    query = (
        select(Evidence, Paper)
        .join(Paper, col(Paper.id) == Evidence.paper_id)
        .join(ClaimRevision, col(ClaimRevision.id) == Evidence.claim_revision_id)
        .where(
            Evidence.claim_id == claim.id,
            Evidence.status == status,
            ClaimRevision.number == claim.revision_number,
            col(Evidence.stance).in_(DIRECTED),
        )
    )
    if status == "proposed":  # what someone decided on does not wait, whoever proposes it again
        query = query.join(Claim, col(Claim.id) == Evidence.claim_id).where(is_waiting())
    rows = session.exec(query).all()
    return [
        _Row(
            row.stance,
            read_source(paper.arxiv_id, paper.authors, paper.title, paper.abstract),
            paper.published or paper.listed,
            paper.is_withdrawn,
        )
        for row, paper in rows
    ]
