"""What one night did and did not do, from the rows that its steps left.

Decides which claims an incomplete night left unchecked. Tolerates a step that recorded
little: what is missing is reported as missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlmodel import Session, col, func, select

from db.columns import stored_id
from db.models import (
    Anchor,
    Binding,
    Candidate,
    Claim,
    Evidence,
    HarvestWindow,
    Night,
    NightStep,
    Paper,
    Verdict,
)
from reports.sources import IdGate, name_source

EXPECTED = ("harvest", "triage", "judge", "re-test", "conclude")
PURPOSES = {
    "anchors": "anchor papers",
    "claim": "searches for a claim",
    "recent": "recent papers",
    "snapshot": "snapshot",
    "citations": "who cites the anchors",
    "full text": "full texts of candidates",
}


@dataclass(frozen=True)
class WindowCount:
    """Harvest counts of one kind of window from one source."""

    kind: str
    source: str
    windows: int
    complete: int
    seen: int
    new: int
    revised: int
    withdrawn: int


@dataclass(frozen=True)
class NightRecord:
    """A night's steps, gaps and counts; ``night`` is None when none has run."""

    night: Night | None
    details: dict[str, dict[str, Any]]
    gaps: tuple[tuple[str, str], ...]  # step and sentence: what makes the night incomplete
    limits: tuple[tuple[str, str], ...]  # what was left out by choice
    windows: tuple[WindowCount, ...]
    claims: int
    unchecked: int  # claims that an incomplete night left unchecked
    later: int  # claims without a verdict although the night is complete
    changed: int
    entered: int
    is_first: bool

    @property
    def is_from_snapshot(self) -> bool:
        """Whether papers came from a file and not from arXiv itself."""
        named = str(self.details.get("harvest", {}).get("source") or "")
        return "snapshot" in named.lower() or any(w.source == "snapshot" for w in self.windows)

    @property
    def night_id(self) -> int | None:
        return self.night.id if self.night else None


def find_newest_night(session: Session) -> int | None:
    """The number of the newest night; None when none has run."""
    return session.exec(select(func.max(Night.id))).one()


def read_night(session: Session, night_id: int | None, gate: IdGate) -> NightRecord:
    """The record of one night."""
    claims = session.exec(select(func.count()).select_from(Claim)).one()
    night = session.get(Night, night_id) if night_id is not None else None
    if night is None:
        return NightRecord(None, {}, (), (), (), claims, claims, 0, 0, 0, False)
    steps = session.exec(
        select(NightStep).where(NightStep.night_id == night.id).order_by(col(NightStep.id))
    ).all()
    gaps = tuple((name, gate.hide_unknown(said)) for name, said in _find_gaps(night, steps))
    changed, entered, is_first = _count_verdicts(session, stored_id(night.id))
    is_complete = not gaps and night.status == "complete"
    return NightRecord(
        night=night,
        details={step.name: dict(step.detail) for step in steps},
        gaps=gaps,
        limits=tuple(
            (step.name, gate.hide_unknown(str(note)))
            for step in steps
            for note in step.detail.get("notes") or []
        ),
        windows=_count_windows(session, stored_id(night.id)),
        claims=claims,
        unchecked=0 if is_complete else _count_unchecked(session, night, steps, claims),
        later=_count_without_verdict(session) if is_complete else 0,
        changed=changed,
        entered=entered,
        is_first=is_first,
    )


def read_searched_through(record: NightRecord) -> date | None:
    """The day up to which the night's harvest says the store is complete."""
    text = record.details.get("harvest", {}).get("searched_through")
    try:
        return date.fromisoformat(str(text)) if text else None
    except ValueError:
        return None


def _find_gaps(night: Night, steps: Sequence[NightStep]) -> list[tuple[str, str]]:
    gaps: list[tuple[str, str]] = []
    recorded = {step.name: step for step in steps}
    for name in EXPECTED:
        step = recorded.get(name)
        if step is None:
            gaps.append((name, f"the {name} step did not run"))
            continue
        gaps += [(name, str(sentence)) for sentence in step.not_checked]
        if step.status == "started":
            gaps.append((name, f"the {name} step began and did not finish"))
        elif step.status != "finished" and not step.not_checked:
            gaps.append((name, f"the {name} step is {step.status} and recorded no reason"))
    if not gaps and night.status != "complete":
        gaps.append(("night", f"it is recorded as {night.status}, and no reason is recorded"))
    return gaps


def _count_verdicts(session: Session, night_id: int) -> tuple[int, int, bool]:
    """Changed claims, claims that entered, and whether no verdict is older."""
    mine = session.exec(select(Verdict).where(Verdict.night_id == night_id)).all()
    first = dict(
        session.exec(
            select(Verdict.claim_id, func.min(Verdict.id)).group_by(col(Verdict.claim_id))
        ).all()
    )
    entered = sum(first.get(verdict.claim_id) == verdict.id for verdict in mine)
    oldest = min((verdict.id or 0 for verdict in mine), default=0)
    older = session.exec(select(Verdict.id).where(col(Verdict.id) < oldest).limit(1)).first()
    earlier = session.exec(select(Night.id).where(col(Night.id) < night_id).limit(1)).first()
    is_first = older is None and (entered > 0 or earlier is None)
    return len(mine) - entered, entered, is_first


def _count_without_verdict(session: Session) -> int:
    judged = select(Verdict.claim_id)
    query = select(func.count()).select_from(Claim).where(col(Claim.id).not_in(judged))
    return session.exec(query).one()


def _count_unchecked(
    session: Session, night: Night, steps: Sequence[NightStep], claims: int
) -> int:
    """How many claims an incomplete night did not check in full."""
    recorded = {step.name: step for step in steps}
    ids: set[int] = set()
    for name in EXPECTED:
        step = recorded.get(name)
        if step is not None and step.status == "finished":
            continue
        reached = _find_reached(session, night, name, step)
        if reached is None:
            return claims
        ids |= reached
    return min(claims, len(ids))


def _find_reached(
    session: Session, night: Night, name: str, step: NightStep | None
) -> set[int] | None:
    """Claims that an unfinished step concerns; None means all of them."""
    if name == "triage" and step is not None and step.status == "incomplete":
        return _claims_of_missing_texts(session, night)
    if name == "harvest" and step is not None and step.status == "incomplete":
        return _claims_of_open_windows(session, night)
    if name == "judge" and step is not None and step.status == "incomplete":
        return _claims_with_unjudged(session)
    if name == "re-test":
        return _claims_of_experiments(session, step.detail if step else {})
    return None


def _claims_of_open_windows(session: Session, night: Night) -> set[int] | None:
    """An index of citations that did not answer leaves the claims of its anchors unchecked."""
    rows = session.exec(
        select(HarvestWindow.claim_id, HarvestWindow.purpose, HarvestWindow.query)
        .where(HarvestWindow.night_id == night.id, HarvestWindow.purpose != "full text")
        .where(col(HarvestWindow.is_complete).is_(False))
    ).all()
    cited = [query for _, purpose, query in rows if purpose == "citations"]
    asked = [claim_id for claim_id, purpose, _ in rows if purpose != "citations"]
    if not rows or any(claim_id is None for claim_id in asked):
        return None
    resting = (
        select(Claim.id)
        .join(Anchor, col(Anchor.note_id) == Claim.note_id)
        .where(col(Anchor.arxiv_id).in_(cited))
    )
    return {i for i in [*asked, *session.exec(resting)] if i is not None}


def _claims_of_missing_texts(session: Session, night: Night) -> set[int] | None:
    rows = session.exec(
        select(HarvestWindow.query)
        .where(HarvestWindow.night_id == night.id, HarvestWindow.purpose == "full text")
        .where(col(HarvestWindow.is_complete).is_(False))
    ).all()
    papers = [paper.rpartition("v")[0] for paper in rows]
    of_papers = (
        select(Candidate.claim_id)
        .join(Paper, col(Paper.id) == Candidate.paper_id)
        .where(col(Paper.arxiv_id).in_(papers))
    )
    return set(session.exec(of_papers)) or None


def _claims_with_unjudged(session: Session) -> set[int] | None:
    judged = select(Evidence.id).where(
        Evidence.claim_revision_id == Candidate.claim_revision_id,
        Evidence.paper_id == Candidate.paper_id,
    )
    rows = session.exec(select(Candidate.claim_id).where(~judged.exists()).distinct()).all()
    return set(rows) or None


def _claims_of_experiments(session: Session, detail: Mapping[str, Any]) -> set[int]:
    """Claims bound to an experiment that was skipped or failed; all bound ones if unknown."""
    query = select(Binding.claim_id)
    experiments = detail.get("experiments")
    if isinstance(experiments, Mapping) and experiments:
        missed = [
            name
            for name, row in experiments.items()
            if isinstance(row, Mapping)
            and (row.get("skipped") or row.get("failed") or row.get("canary_ok") is False)
        ]
        if missed:
            query = query.where(col(Binding.experiment).in_(missed))
    return set(session.exec(query).all())


def _count_windows(session: Session, night_id: int) -> tuple[WindowCount, ...]:
    rows = session.exec(select(HarvestWindow).where(HarvestWindow.night_id == night_id)).all()
    kinds: dict[tuple[str, str], list[HarvestWindow]] = {}
    for row in rows:
        kinds.setdefault((row.purpose, row.source), []).append(row)
    return tuple(
        WindowCount(
            kind=PURPOSES.get(purpose, purpose),
            source=name_source(source),
            windows=len(of_kind),
            complete=sum(row.is_complete for row in of_kind),
            seen=sum(row.seen for row in of_kind),
            new=sum(row.new for row in of_kind),
            revised=sum(row.revised for row in of_kind),
            withdrawn=sum(row.withdrawn for row in of_kind),
        )
        for (purpose, source), of_kind in sorted(kinds.items())
    )
