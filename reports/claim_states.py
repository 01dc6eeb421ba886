"""The state of claims as pages show it: three fields kept apart, each with what it rests on.

Reads claims in bulk, so that a page of many claims costs a handful of queries. Decides no
word: the words are those of the current verdicts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, func, select

from db.columns import stored_id
from db.models import Anchor, Claim, ClaimRevision, LineClaim, Note, Verdict
from reports.local_results import ExperimentResult, read_experiments, summarise_experiment
from reports.numbers import NOT_RECORDED, count, read_count, write_day
from reports.sources import IdGate, Quote, Shelf, name_source, read_shelf

NOT_JUDGED = "NOT CHECKED"
HUB = "(hub)"


@dataclass(frozen=True)
class Grounding:
    """The claim against its own source; ``quote`` is None when no sentence stands."""

    word: str
    reason: str
    read: str
    quote: Quote | None
    numbers_missing: tuple[str, ...]
    is_ungrounded: bool  # a source is named, but its sentence is not in the store


@dataclass(frozen=True)
class Literature:
    """What newer work says: counts and the extent of the search."""

    word: str
    confirmed: str
    proposed: str
    searched: str


@dataclass(frozen=True)
class Local:
    """What our own seeds say, with the scale that it holds for."""

    word: str
    transfer: str
    results: tuple[ExperimentResult, ...]
    readings: tuple[str, ...]


@dataclass(frozen=True)
class ClaimState:
    """One claim as of its newest verdict."""

    claim_id: int
    revision_id: int | None
    handle: str
    title: str
    statement: str
    text: str
    revision: int
    limits: tuple[str, ...]  # its numbers, as its text gives them
    reach: int  # lines that use it
    headline: str
    look: bool
    since: str  # day of the verdict
    is_changed: bool
    is_earlier_wording: bool  # the verdict judged an earlier revision
    grounding: Grounding
    literature: Literature
    local: Local
    moved_by: tuple[str, ...]
    anchors: tuple[str, ...]  # ids in the store


@dataclass(frozen=True)
class _Rows:
    notes: dict[int, Note]
    revisions: dict[int, ClaimRevision]
    verdicts: dict[int, Verdict]
    reach: dict[int, int]
    anchors: dict[int, list[str]]
    shelf: Shelf


def read_states(
    session: Session, claims: Sequence[Claim], gate: IdGate, night_id: int | None
) -> list[ClaimState]:
    """The states of these claims, in their order."""
    rows = _read_rows(session, claims)
    return [_make_state(claim, rows, gate, night_id) for claim in claims]


def count_reach(session: Session, claim_ids: Sequence[int] | None = None) -> dict[int, int]:
    """How many lines use each of these claims (or of all), by claim id."""
    query = select(LineClaim.claim_id, func.count()).group_by(col(LineClaim.claim_id))
    if claim_ids is not None:
        query = query.where(col(LineClaim.claim_id).in_(claim_ids))
    return dict(session.exec(query).all())


def read_verdicts(session: Session, claim_ids: Sequence[int]) -> dict[int, Verdict]:
    """The newest verdict of each of these claims, by claim id."""
    newest = (
        select(func.max(Verdict.id))
        .where(col(Verdict.claim_id).in_(claim_ids))
        .group_by(col(Verdict.claim_id))
    )
    rows = session.exec(select(Verdict).where(col(Verdict.id).in_(newest))).all()
    return {row.claim_id: row for row in rows}


def _read_rows(session: Session, claims: Sequence[Claim]) -> _Rows:
    ids = [stored_id(claim.id) for claim in claims]
    note_ids = [claim.note_id for claim in claims if claim.note_id is not None]
    notes = session.exec(select(Note).where(col(Note.id).in_(note_ids))).all()
    revisions = session.exec(
        select(ClaimRevision)
        .join(Claim, col(Claim.id) == ClaimRevision.claim_id)
        .where(col(Claim.id).in_(ids), ClaimRevision.number == Claim.revision_number)
    ).all()
    verdicts = read_verdicts(session, ids)
    anchors: dict[int, list[str]] = {}
    rows = session.exec(select(Anchor).where(col(Anchor.note_id).in_(note_ids))).all()
    for anchor in rows:
        anchors.setdefault(anchor.note_id or 0, []).append(anchor.arxiv_id or "")
    named = [v.grounding_detail.get("arxiv_id") for v in verdicts.values()]
    shelf = read_shelf(session, [*named, *(i for ids_of in anchors.values() for i in ids_of)])
    return _Rows(
        notes={stored_id(note.id): note for note in notes},
        revisions={row.claim_id: row for row in revisions},
        verdicts=verdicts,
        reach=count_reach(session, ids),
        anchors=anchors,
        shelf=shelf,
    )


def _make_state(claim: Claim, rows: _Rows, gate: IdGate, night_id: int | None) -> ClaimState:
    claim_id = stored_id(claim.id)
    note = rows.notes.get(claim.note_id or 0)
    verdict = rows.verdicts.get(claim_id)
    revision = rows.revisions.get(claim_id)
    numbers = revision.numbers if revision else []
    sources = sorted(set(rows.anchors.get(claim.note_id or 0, [])) & set(rows.shelf.papers))
    return ClaimState(
        claim_id=claim_id,
        revision_id=revision.id if revision else None,
        handle=claim.handle,
        title=gate.mark_unknown(note.title if note else claim.statement),
        statement=gate.mark_unknown(claim.statement),
        text=gate.mark_unknown(claim.text),
        revision=claim.revision_number,
        limits=tuple(str(n["text"]) for n in numbers if isinstance(n, Mapping) and n.get("text")),
        reach=rows.reach.get(claim_id, 0),
        headline=name_headline(verdict),
        look=verdict.look if verdict else False,
        since=verdict.decided_at.date().isoformat() if verdict else "",
        is_changed=bool(verdict and night_id is not None and verdict.night_id == night_id),
        is_earlier_wording=bool(verdict and revision and verdict.claim_revision_id != revision.id),
        grounding=read_grounding(verdict, rows.shelf, gate),
        literature=_read_literature(verdict),
        local=_read_local(verdict),
        moved_by=tuple(gate.hide_unknown(str(line)) for line in verdict.moved_by)
        if verdict
        else (),
        anchors=tuple(sources),
    )


def name_headline(verdict: Verdict | None) -> str:
    """The headline, "(hub)" for a topic page, or that no night has judged the claim."""
    if verdict is None:
        return NOT_JUDGED
    return verdict.headline or HUB


def read_grounding(verdict: Verdict | None, shelf: Shelf, gate: IdGate) -> Grounding:
    """The grounding field; its quote is checked again before it may be shown."""
    if verdict is None:
        return Grounding(NOT_RECORDED, "no night has checked it", "nothing", None, (), False)
    detail = verdict.grounding_detail
    span = {**detail, "text": detail.get("quote")} if detail.get("quote") else {}
    quote = shelf.check_quote(detail.get("arxiv_id"), span)
    return Grounding(
        word=verdict.grounding,
        reason=gate.hide_unknown(str(detail.get("reason") or NOT_RECORDED)),
        read=str(detail.get("read") or "nothing"),
        quote=quote,
        numbers_missing=tuple(str(n) for n in detail.get("numbers_missing") or []),
        is_ungrounded=quote is None and bool(detail.get("arxiv_id") or detail.get("quote")),
    )


def _read_literature(verdict: Verdict | None) -> Literature:
    if verdict is None:
        return Literature("unsearched", "", "", "no night has searched for it")
    detail = verdict.literature_detail
    return Literature(
        word=verdict.literature,
        confirmed=_list_counts(detail.get("confirmed")),
        proposed=_list_counts(detail.get("proposed")),
        searched=_describe_search(detail),
    )


def _list_counts(counts: object) -> str:
    """``supports 2, relaxes 1``: independent sources; empty when there are none."""
    if not isinstance(counts, Mapping):
        return ""
    return ", ".join(f"{stance} {number}" for stance, number in counts.items() if number)


def _describe_search(detail: Mapping[str, Any]) -> str:
    papers, found = read_count(detail, "searched_papers"), read_count(detail, "candidates")
    if NOT_RECORDED in {papers, found}:
        return "extent of the search not recorded"
    noun = "candidate" if found == "1" else "candidates"
    through = detail.get("searched_through")
    if not through:
        return f"{found} {noun} of {papers} stored papers; not searched up to any day"
    source = name_source(detail.get("source"))
    return f"{found} {noun} of {papers} stored papers, {source}, through {write_day(through)}"


def _read_local(verdict: Verdict | None) -> Local:
    if verdict is None:
        return Local("none", "", (), ())
    results = read_experiments(verdict.local_detail)
    return Local(
        word=verdict.local,
        transfer=verdict.transfer or "",
        results=results,
        readings=tuple(summarise_experiment(result) for result in results),
    )


def describe_reach(state: ClaimState) -> str:
    """``6 lines use it``."""
    return f"{count(state.reach, 'line')} {'uses' if state.reach == 1 else 'use'} it"
