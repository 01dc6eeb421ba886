"""Brings a claim's verdict up to date at once after a person's word, without a night.

Only the literature is read anew, and with it the headline: a decision says nothing about
the claim's own source, about our own seeds, or about how far newer papers were searched,
so these stay as the last night left them. A claim that no night has judged in its present
wording waits for one.
"""

from dataclasses import dataclass
from datetime import date
from typing import cast

from sqlmodel import Session, col, select

from claims.literature import LiteratureState, SearchExtent, conclude_literature
from claims.reading import current_revision
from claims.verdicts import Basis, Grounding, Local, decide_headline, decide_look
from claims.withdrawn_sources import find_withdrawn_sources
from db.columns import stored_id
from db.models import Claim, Verdict
from reassay.night.conclude import WORDS
from retest.conclusions import count_drifts


@dataclass(frozen=True)
class Reconclusion:
    """A claim's headline and literature before and after; None: no verdict."""

    claim: str
    headline_before: str | None
    headline: str | None
    literature_before: str | None
    literature: str | None
    waits_for_night: bool = False

    def __str__(self) -> str:
        if self.waits_for_night:
            return f"{self.claim}: no verdict on its present wording yet; the next night reaches it"
        if self.headline_before != self.headline:
            return (
                f"{self.claim}: {self.headline_before or '(hub)'} → {self.headline or '(hub)'} "
                f"(literature {self.literature_before} → {self.literature})"
            )
        if self.literature_before != self.literature:
            return (
                f"{self.claim}: headline unchanged ({self.headline or '(hub)'}); literature "
                f"{self.literature_before} → {self.literature}"
            )
        return f"{self.claim} unchanged: {self.headline or '(hub)'}, literature {self.literature}"


def reconclude(session: Session, claim_id: int, said: str, today: date) -> Reconclusion:
    """A verdict row that names the decision, where a word of the verdict changed by it.

    Where none did, the numbers of the last verdict are brought up to date, as a night does.
    """
    claim = session.get_one(Claim, claim_id)
    last = _read_last(session, claim_id)
    if last is None or last.claim_revision_id != current_revision(session, claim).id:
        return Reconclusion(claim.handle, None, None, None, None, waits_for_night=True)
    before = Reconclusion(
        claim.handle, last.headline, last.headline, last.literature, last.literature
    )
    state = conclude_literature(session, claim, _read_extent(last), today)
    verdict = _make_verdict(session, claim, last, state, today)
    verdict.moved_by = [said, *_name_papers(state)]
    if all(getattr(verdict, word) == getattr(last, word) for word in WORDS):
        last.literature_detail = verdict.literature_detail
        session.add(last)
    else:
        session.add(verdict)
    session.flush()
    return Reconclusion(
        claim.handle,
        before.headline_before,
        verdict.headline,
        before.literature_before,
        verdict.literature,
    )


def project_headline(session: Session, claim: Claim, today: date) -> str | None:
    """The headline that the rows as they are now give a claim, without storing a verdict.

    None: no night has judged its present wording, so that nothing can be said.
    """
    last = _read_last(session, stored_id(claim.id))
    if last is None or last.claim_revision_id != current_revision(session, claim).id:
        return None
    state = conclude_literature(session, claim, _read_extent(last), today)
    return _make_verdict(session, claim, last, state, today).headline or "hub"


def _read_last(session: Session, claim_id: int) -> Verdict | None:
    return session.exec(
        select(Verdict).where(Verdict.claim_id == claim_id).order_by(col(Verdict.id).desc())
    ).first()


def _read_extent(last: Verdict) -> SearchExtent:
    """The search that the last verdict rests on: a decision is none."""
    detail = last.literature_detail
    return SearchExtent(
        through=last.searched_through,
        papers=int(detail.get("searched_papers") or 0),
        source=str(detail.get("source") or "arXiv"),
    )


def _make_verdict(
    session: Session, claim: Claim, last: Verdict, state: LiteratureState, today: date
) -> Verdict:
    lost = find_withdrawn_sources(session).get(stored_id(claim.id), [])
    basis = Basis(
        grounding=cast(Grounding, last.grounding),
        literature=state.literature,
        local=cast(Local, last.local),
        searched_through=last.searched_through,
        independent_against=state.independent_against,
        proposals=sum(state.proposals.values()),
        is_retired=claim.retired_at is not None,
        withdrawn=len(lost),
        drifts=count_drifts(last.local_detail),
    )
    return Verdict(
        claim_id=stored_id(claim.id),
        claim_revision_id=last.claim_revision_id,
        headline=decide_headline(basis, today),
        look=decide_look(basis),
        grounding=last.grounding,
        grounding_detail=last.grounding_detail,
        literature=state.literature,
        literature_detail=state.detail,
        local=last.local,
        local_detail=last.local_detail,
        transfer=last.transfer,
        searched_through=last.searched_through,
    )


def _name_papers(state: LiteratureState) -> list[str]:
    ids = ", ".join(f"arXiv:{paper}" for paper in state.detail["confirmed_ids"])
    return [f"literature: {state.literature} by {ids}"] if ids else []
