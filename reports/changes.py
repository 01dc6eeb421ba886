"""What changed since the verdict before: old and new side by side, and what moved it.

A change is a verdict of this night for a claim that had an older one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, func, select

from claims.verdicts import LOOK_AT
from db.columns import stored_id
from db.models import Claim, Verdict
from reports.claim_states import ClaimState, count_reach, name_headline, read_states
from reports.sources import IdGate
from reports.stances import ClaimEvidence, Stance, read_claim_evidence

SHOWN_CHANGES = 3
SHOWN_STANCES = 2
FIELDS = ("grounding", "literature", "local")


@dataclass(frozen=True)
class FieldChange:
    """One of the three fields, before and after."""

    name: str
    old: str
    new: str


@dataclass(frozen=True)
class Change:
    """One claim that moved, with everything that a reader needs to judge the move."""

    state: ClaimState
    old_headline: str
    old_look: bool
    new_headline: str
    new_look: bool
    fields: tuple[FieldChange, ...]
    moved_by: tuple[str, ...]
    shows_source: bool  # the source sentence belongs beside the claim
    stances: tuple[Stance, ...]
    shows_local: bool
    is_ungrounded: bool  # said to come from the literature, and no quote stands


def read_changes(session: Session, night_id: int | None, gate: IdGate) -> tuple[list[Change], int]:
    """At most three changes of a night, widest reach first, and how many there are."""
    pairs = _read_pairs(session, night_id)
    reach = count_reach(session, [new.claim_id for _, new in pairs])
    pairs.sort(
        key=lambda pair: (
            pair[0].headline == pair[1].headline,
            -reach.get(pair[1].claim_id, 0),
            pair[1].claim_id,
        )
    )
    shown = pairs[:SHOWN_CHANGES]
    ids = [new.claim_id for _, new in shown]
    claims = {stored_id(c.id): c for c in session.exec(select(Claim).where(col(Claim.id).in_(ids)))}
    states = read_states(session, [claims[claim_id] for claim_id in ids], gate, night_id)
    evidence = read_claim_evidence(session, ids)
    changes = [
        _make_change(old, new, state, evidence[new.claim_id], gate)
        for (old, new), state in zip(shown, states, strict=True)
    ]
    return changes, len(pairs)


def _read_pairs(session: Session, night_id: int | None) -> list[tuple[Verdict, Verdict]]:
    if night_id is None:
        return []
    new = {
        row.claim_id: row
        for row in session.exec(
            select(Verdict).where(Verdict.night_id == night_id).order_by(col(Verdict.id))
        )
    }
    before = (
        select(func.max(Verdict.id))
        .where(col(Verdict.claim_id).in_(list(new)))
        .where((col(Verdict.night_id).is_(None)) | (col(Verdict.night_id) < night_id))
        .group_by(col(Verdict.claim_id))
    )
    old = session.exec(select(Verdict).where(col(Verdict.id).in_(before))).all()
    return [(verdict, new[verdict.claim_id]) for verdict in old]


def _make_change(
    old: Verdict, new: Verdict, state: ClaimState, evidence: ClaimEvidence, gate: IdGate
) -> Change:
    fields = [
        FieldChange(name, str(getattr(old, name)), str(getattr(new, name)))
        for name in FIELDS
        if getattr(old, name) != getattr(new, name)
    ]
    if old.claim_revision_id != new.claim_revision_id:
        fields.append(FieldChange("wording", "an earlier revision", f"revision {state.revision}"))
    changed = {field.name for field in fields}
    stances = _choose_stances(old, new, changed, evidence)
    is_literature = "literature" in changed and new.literature not in {"silent", "unsearched"}
    return Change(
        state=state,
        old_headline=name_headline(old),
        old_look=old.look,
        new_headline=name_headline(new),
        new_look=new.look,
        fields=tuple(fields),
        moved_by=tuple(gate.hide_unknown(str(line)) for line in new.moved_by),
        shows_source=bool(changed & {"grounding", "wording"}),
        stances=stances,
        shows_local="local" in changed or (new.look and new.local in LOOK_AT),
        is_ungrounded=is_literature and not any(stance.quote for stance in stances),
    )


def _choose_stances(
    old: Verdict, new: Verdict, changed: set[str], evidence: ClaimEvidence
) -> tuple[Stance, ...]:
    chosen: Sequence[Stance] = ()
    if "literature" in changed:
        chosen = evidence.confirmed
    elif new.look and not old.look:
        chosen = evidence.proposed
    return tuple(chosen[:SHOWN_STANCES])
