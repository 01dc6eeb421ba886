"""What a night did not do and what is not known, so that silence is not read as support.

Sentences and counts for the section "Not done, not known".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, func, select

from db.models import Anchor, Evidence, Mention, Paper
from reports.night_record import NightRecord, WindowCount
from reports.numbers import NOT_RECORDED, count, format_number, join_some, read_count
from reports.outline import ClaimOutline
from reports.sources import IdGate

ALPHA = 0.05  # error rate of one claim's stream, unless its protocol says otherwise
SHOWN_HANDLES = 20
SHOWN_IDS = 20


@dataclass(frozen=True)
class RetestCount:
    """What a night's re-tests of one experiment came to."""

    experiment: str
    seeds_run: str
    failed: str
    censored: str
    canary: str
    outcome: str
    skipped: str


@dataclass(frozen=True)
class OpenEnds:
    """Everything for "Not done, not known"."""

    gaps: tuple[tuple[str, str], ...]
    limits: tuple[tuple[str, str], ...]
    sentences: tuple[str, ...]
    windows: tuple[WindowCount, ...]
    retests: tuple[RetestCount, ...]
    unchecked_ids: tuple[str, ...]
    unchecked_ids_rest: int


def read_open_ends(
    session: Session, record: NightRecord, outline: Sequence[ClaimOutline], gate: IdGate
) -> OpenEnds:
    """The open ends of a night over the whole library."""
    sentences = [*_say_unknown(outline), *_say_signals(outline), *_say_unread(session)]
    if record.night is not None:
        sentences += [*_say_triage(record.details), *_say_judge(record.details, gate)]
        sentences += _say_budget(record.details.get("re-test", {}), gate)
    ids = find_unchecked_ids(session, None)
    return OpenEnds(
        gaps=record.gaps,
        limits=record.limits,
        sentences=tuple(sentences),
        windows=record.windows,
        retests=_read_retests(record.details.get("re-test", {}), gate),
        unchecked_ids=tuple(ids[:SHOWN_IDS]),
        unchecked_ids_rest=max(0, len(ids) - SHOWN_IDS),
    )


def find_unchecked_ids(session: Session, line_id: int | None) -> list[str]:
    """Ids that documents name and the store does not have; of one line, or of all."""
    known = select(Paper.arxiv_id)
    found: set[str] = set()
    for table in (Anchor, Mention):
        query = select(table.arxiv_id).where(
            col(table.arxiv_id).is_not(None), col(table.arxiv_id).not_in(known)
        )
        if line_id is not None:
            query = query.where(table.line_id == line_id)
        found |= {str(arxiv_id) for arxiv_id in session.exec(query.distinct()).all()}
    return sorted(found)


def _say_unknown(outline: Sequence[ClaimOutline]) -> list[str]:
    claims = [claim for claim in outline if not claim.is_hub]
    sentences = []
    idle = [claim.handle for claim in claims if not claim.has_experiment]
    if idle:
        shown = join_some(idle, SHOWN_HANDLES)
        sentences.append(f"{count(len(idle), 'claim')} without an experiment: {shown}.")
    read = {claim.source_id: claim.read for claim in claims if claim.source_id and claim.read}
    brief = sum(of_source == "abstract" for of_source in read.values())
    if read:
        of_all = count(len(read), "source that was read", "sources that were read")
        sentences.append(f"Known by abstract only: {brief:,} of {of_all}.")
    unread = sum(claim.source_id is None or claim.read is None for claim in claims)
    if unread:
        sentences.append(f"{count(unread, 'claim')} without a source text in the store.")
    unsearched = sum(claim.literature == "unsearched" for claim in claims)
    if unsearched:
        sentences.append(f"{count(unsearched, 'claim')} not searched for in newer papers.")
    return sentences


def _say_unread(session: Session) -> list[str]:
    """Confirmed rows that count and that nobody has read."""
    query = select(func.count()).select_from(Evidence)
    unread = session.exec(
        query.where(Evidence.status == "confirmed", Evidence.confirmed_by == "setting")
    ).one()
    if not unread:
        return []
    return [
        f"{count(unread, 'confirmed stance')} of those that count: confirmed by setting "
        "(auto_confirm), not read by a person."
    ]


def _say_signals(outline: Sequence[ClaimOutline]) -> list[str]:
    live = sum(claim.has_experiment for claim in outline)
    if not live:
        return []
    return [
        f"Expected false local signals: at most {format_number(ALPHA)} × {live:,} = "
        f"{format_number(ALPHA * live)} (α = {format_number(ALPHA)} a claim, "
        f"K = {count(live, 'claim')} with an experiment)."
    ]


def _say_triage(details: Mapping[str, Mapping[str, Any]]) -> list[str]:
    detail = details.get("triage")
    if detail is None:
        return []
    return [
        f"Triage: papers ranked {read_count(detail, 'ranked')}, claims "
        f"{read_count(detail, 'claims')}, candidates {read_count(detail, 'candidates')}."
    ]


def _say_judge(details: Mapping[str, Mapping[str, Any]], gate: IdGate) -> list[str]:
    detail = details.get("judge")
    if detail is None:
        return []
    name = gate.hide_unknown(str(detail.get("judge") or f"name {NOT_RECORDED}"))
    quality = _describe_quality(detail.get("quality") or detail.get("judge_quality"))
    return [
        f"Judge: {name}; measured quality: {quality}.",
        f"Judged {read_count(detail, 'judged')}, proposed {read_count(detail, 'proposed')}, "
        f"unclear {read_count(detail, 'unclear')}, dropped because the quote does not stand in "
        f"the text {read_count(detail, 'refused_quotes')}.",
    ]


def _say_budget(detail: Mapping[str, Any], gate: IdGate) -> list[str]:
    """What the re-tests' budget went to, and what was left out: for lack of it, or by choice."""
    budget, rows = detail.get("budget"), detail.get("experiments")
    if not isinstance(budget, Mapping) or not isinstance(rows, Mapping):
        return []
    given, spent = budget.get("given_s"), budget.get("spent_s")
    if not isinstance(given, int | float) or not isinstance(spent, int | float):
        return []
    went_to = [
        f"{name} {count(row['seeds_run'], 'seed')}"
        for name, row in sorted(rows.items())
        if isinstance(row, Mapping) and row.get("seeds_run")
    ]
    sentences = [
        f"Re-tests took {spent:,.0f} s of a budget of {given:,.0f} s: "
        f"{', '.join(went_to) or 'no seed'}."
    ]
    for said, key in (("Re-tests that got no seed", "skipped"), ("Re-tests that rest", "resting")):
        named = [
            f"{name} ({gate.hide_unknown(str(row[key]))})"
            for name, row in sorted(rows.items())
            if isinstance(row, Mapping) and row.get(key) and not row.get("seeds_run")
        ]
        if named:
            sentences.append(f"{said}: {'; '.join(named)}.")
    return sentences


def _describe_quality(quality: object) -> str:
    if isinstance(quality, Mapping):
        parts = [
            f"{name} {format_number(v) if isinstance(v, int | float) else v}"
            for name, v in quality.items()
        ]
        return ", ".join(parts) or NOT_RECORDED
    return str(quality) if quality else NOT_RECORDED


def _read_retests(detail: Mapping[str, Any], gate: IdGate) -> tuple[RetestCount, ...]:
    experiments = detail.get("experiments")
    if not isinstance(experiments, Mapping):
        return ()
    return tuple(
        _make_retest(str(name), row, gate)
        for name, row in sorted(experiments.items())
        if isinstance(row, Mapping)
    )


def _make_retest(name: str, row: Mapping[str, Any], gate: IdGate) -> RetestCount:
    canary = row.get("canary_ok")
    skipped = row.get("skipped") or row.get("resting")
    return RetestCount(
        experiment=name,
        seeds_run=read_count(row, "seeds_run"),
        failed=read_count(row, "failed"),
        censored=read_count(row, "censored"),
        canary=NOT_RECORDED if canary is None else ("same" if canary else "MISSED"),
        outcome=str(row.get("outcome") or NOT_RECORDED).lower(),
        skipped=_describe_skipped(skipped, gate),
    )


def _describe_skipped(skipped: object, gate: IdGate) -> str:
    if skipped is True:
        return "skipped"
    return gate.hide_unknown(str(skipped)) if skipped else "–"
