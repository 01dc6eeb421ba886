"""Concludes: joins the three fields of each claim into its headline and dates the change.

Decides when a verdict is new (a word changed, or a paper was withdrawn) and what is named as
having moved it. The fields themselves come from the rooms that know them.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlmodel import Session, col, func, select

from claims.edit_journal import edit_transaction
from claims.grounding import GroundingState, audit_groundings
from claims.literature import LiteratureState, SearchExtent, conclude_literature
from claims.queries import current_verdicts
from claims.reading import current_revision
from claims.verdicts import Basis, decide_headline, decide_look
from claims.waiting import DIRECTED, is_waiting
from claims.withdrawn_sources import WithdrawnSource, find_withdrawn_sources
from db.columns import stored_id
from db.models import Anchor, Binding, Claim, ClaimRevision, Evidence, Night, Paper, Verdict
from reassay.night.context import StepResult
from retest.conclusions import LocalConclusion, conclude_local, count_drifts

WORDS = ("headline", "look", "grounding", "literature", "local", "transfer", "claim_revision_id")
DETAILS = ("grounding_detail", "literature_detail", "local_detail", "searched_through")
SHOWN_PROPOSALS = 3
WITHDRAWN = "withdrawn_ids"  # in grounding_detail: withdrawn papers that the claim rests on


def conclude_library(
    session: Session, night: Night, searched: tuple[date | None, str], today: date
) -> StepResult:
    """One verdict row for each claim whose state has changed in a word.

    No decision falls between what is read of a claim and the verdict that is written of it.
    """
    papers = session.exec(select(func.count()).select_from(Paper)).one()
    extent = SearchExtent(through=searched[0], papers=papers, source=searched[1])
    live = len(set(session.exec(select(Binding.claim_id)).all()))
    groundings = audit_groundings(session, today)
    changed = 0
    with edit_transaction(session):
        verdicts = current_verdicts(session)
        withdrawn = find_withdrawn_sources(session)
        claims = session.exec(select(Claim).order_by(col(Claim.id))).all()
        audited = [claim for claim in claims if claim.id in groundings]  # others came since
        for claim in audited:
            claim_id = stored_id(claim.id)
            verdict = _conclude_claim(
                session,
                claim,
                groundings[claim_id],
                extent,
                live,
                withdrawn.get(claim_id, []),
                today,
            )
            changed += _store(session, verdict, verdicts.get(claim_id), night)
    return StepResult(detail={"claims": len(audited), "changed": changed})


def _conclude_claim(
    session: Session,
    claim: Claim,
    grounding: GroundingState,
    extent: SearchExtent,
    live: int,
    lost: Sequence[WithdrawnSource],
    today: date,
) -> Verdict:
    _mark_quoted(session, grounding)
    literature = conclude_literature(session, claim, extent, today)
    local = conclude_local(session, stored_id(claim.id), live_claims=live)
    basis = Basis(
        grounding=grounding.grounding,
        literature=literature.literature,
        local=local.local,
        searched_through=extent.through,
        independent_against=literature.independent_against,
        proposals=sum(literature.proposals.values()),
        is_retired=claim.retired_at is not None,
        withdrawn=len(lost),
        drifts=count_drifts(local.detail),
    )
    return Verdict(
        claim_id=stored_id(claim.id),
        claim_revision_id=stored_id(current_revision(session, claim).id),
        headline=decide_headline(basis, today),
        look=decide_look(basis),
        grounding=grounding.grounding,
        grounding_detail={**grounding.detail, WITHDRAWN: sorted({s.arxiv_id for s in lost})},
        literature=literature.literature,
        literature_detail=literature.detail,
        local=local.local,
        local_detail=local.detail,
        transfer=local.transfer,
        searched_through=extent.through,
        moved_by=[
            *_name_movers(session, claim, grounding, literature, local),
            *(f"withdrawn: {source.describe()}" for source in lost),
        ],
    )


def _store(session: Session, verdict: Verdict, last: Verdict | None, night: Night) -> bool:
    """Add the verdict when a word of it, or what it rests on, is new.

    Else the numbers of the last one are brought up to date.
    """
    is_same = last is not None and all(getattr(verdict, w) == getattr(last, w) for w in WORDS)
    if last is not None and is_same and _withdrawn(verdict) == _withdrawn(last):
        for name in DETAILS:
            setattr(last, name, getattr(verdict, name))
        session.add(last)
        return False
    if last is not None:
        verdict.moved_by = _only_changed(verdict, last)
    verdict.night_id = night.id
    session.add(verdict)
    return True


def _only_changed(verdict: Verdict, last: Verdict) -> list[str]:
    """Of what stands behind a verdict, the part whose word is not that of the last one."""
    fields = ("grounding", "literature", "local")
    moved = [f for f in fields if getattr(verdict, f) != getattr(last, f)]
    if _withdrawn(verdict) != _withdrawn(last):
        moved.append("withdrawn")
    elif verdict.look != last.look and "local" not in moved:
        moved.append("proposed")
    if verdict.claim_revision_id != last.claim_revision_id:
        moved.append("wording")
    kept = [line for line in verdict.moved_by if line.split(":")[0] in moved]
    back = _withdrawn(last) - _withdrawn(verdict)
    kept += [f"withdrawn: arXiv:{arxiv_id} no longer is" for arxiv_id in sorted(back)]
    return kept or [f"{name} changed" for name in moved] or ["time passed since the last search"]


def _withdrawn(verdict: Verdict) -> set[str]:
    """The withdrawn papers that a verdict's claim rested on."""
    return set(verdict.grounding_detail.get(WITHDRAWN, []))


def _name_movers(
    session: Session,
    claim: Claim,
    grounding: GroundingState,
    literature: LiteratureState,
    local: LocalConclusion,
) -> list[str]:
    detail: dict[str, Any] = grounding.detail
    source = f" (arXiv:{detail['arxiv_id']})" if detail.get("arxiv_id") else ""
    movers = [f"grounding: {detail['reason']}{source}"]
    if literature.detail["confirmed_ids"]:
        ids = ", ".join(f"arXiv:{paper}" for paper in literature.detail["confirmed_ids"])
        movers.append(f"literature: {literature.literature} by {ids}")
    proposed = _proposed_ids(session, claim)
    if proposed:
        ids = ", ".join(f"arXiv:{paper} ({stance})" for paper, stance in proposed)
        movers.append(f"proposed: {ids}; not confirmed, not counted")
    if local.local != "none":
        movers.append(f"local: {local.local} with it, {local.transfer}")
    return movers


def _proposed_ids(session: Session, claim: Claim) -> list[tuple[str, str]]:
    rows = session.exec(
        select(Paper.arxiv_id, Evidence.stance)
        .join(Paper, col(Paper.id) == Evidence.paper_id)
        .join(ClaimRevision, col(ClaimRevision.id) == Evidence.claim_revision_id)
        .join(Claim, col(Claim.id) == Evidence.claim_id)
        .where(Evidence.claim_id == claim.id, is_waiting())
        .where(col(Evidence.stance).in_(DIRECTED))
        .order_by(col(Evidence.confidence).desc())
        .limit(SHOWN_PROPOSALS)
    ).all()
    return [(paper, stance) for paper, stance in rows]


def _mark_quoted(session: Session, grounding: GroundingState) -> None:
    """An anchor whose paper gave a quote has reached the last state of an id."""
    if grounding.grounding != "grounded":
        return
    for anchor_id in grounding.quoted_anchors:
        anchor = session.get(Anchor, anchor_id)
        if anchor is not None and anchor.state == "title-checked":
            anchor.state = "quoted"
            session.add(anchor)
