"""After judging: measures judges on what people decided, and confirms by setting.

Decides which proposals ``auto_confirm`` may confirm: those of a judge, stance and band of
probability whose precision on decided pairs has, with 30 pairs or more, a lower Wilson
bound above the setting. Never on a measure from elsewhere; never a proposal whose quote
does not stand in the paper's present text, whose abstract reads like an instruction, or
that would change a claim's headline: that is a person's to say. What was confirmed this
way is signed by the setting, can be undone row by row, and is counted in the report.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlmodel import Session, col, func, select

from claims.decision_journal import SETTING, UNDO, record_decision, set_status
from claims.edit_journal import Signature, edit_transaction
from claims.judge_quality import JudgeQuality, Precision, find_band, read_quality
from claims.queue_items import stand_quote
from claims.waiting import DIRECTED, is_waiting
from db.columns import stored_id
from db.models import Claim, ClaimRevision, Decision, Evidence, Paper, PaperVersion
from ingest.decisions import find_decided_judges, measure_judge
from ingest.judges import Judge
from reassay.reconcluding import project_headline

FEWEST_DECIDED = 30


@dataclass(frozen=True)
class Settled:
    """What the night did after judging, for its record."""

    detail: dict[str, Any]
    notes: tuple[str, ...]


def settle_proposals(
    session: Session,
    judge: Judge,
    *,
    is_offline: bool,
    auto_confirm: float | None,
    since: datetime,
    today: date,
) -> Settled:
    """Measure every judge that people decided on, and the present one; confirm by setting.

    ``since`` is the night's start: what an interrupted run of it confirmed is counted too.
    """
    judges = find_decided_judges(session)
    if not judges:
        nothing = () if auto_confirm is None else (_say_nothing(auto_confirm),)
        return Settled({"measured_judges": 0, "confirmed_by_setting": 0}, nothing)
    measure_judge(session, judge.name, today, fresh=judge if is_offline else None)
    for other in judges:
        if other != judge.name:
            measure_judge(session, other, today)
    measured = len({judge.name, *judges})
    if auto_confirm is None:
        return Settled({"measured_judges": measured, "confirmed_by_setting": 0}, ())
    left = confirm_by_setting(session, auto_confirm, today)
    said = _count_confirmed(session, since)
    notes = [f"{n} confirmed by setting at measured precision {how}" for how, n in said.items()]
    if said:
        notes.append("no person read these; 'reassay undo ROW --why …' takes one back")
    else:
        notes.append(_say_nothing(auto_confirm))
    if left:
        notes.append(f"{left} proposals at that precision would change a headline: left to you")
    detail = {"measured_judges": measured, "confirmed_by_setting": said.total(), "left": left}
    return Settled(detail, tuple(notes))


def confirm_by_setting(session: Session, minimum: float, today: date) -> int:
    """Confirm what may be; gives how many were left since they would change a headline."""
    quality = read_quality(session)
    query = (
        select(Evidence.id, Evidence.judge, Evidence.stance, Evidence.confidence)
        .join(ClaimRevision, col(ClaimRevision.id) == Evidence.claim_revision_id)
        .join(Claim, col(Claim.id) == Evidence.claim_id)
        .where(col(Evidence.stance).in_(DIRECTED), is_waiting())
        .where(col(Evidence.judge).in_(find_decided_judges(session)))
        .order_by(col(Evidence.id))
    )
    left = 0
    for row_id, judge, stance, confidence in session.exec(query).all():
        precision = _find_earned(quality, judge, stance, confidence, minimum)
        if precision is not None:
            left += _confirm(session, stored_id(row_id), precision, minimum, today)
    return left


def _find_earned(
    quality: JudgeQuality, judge: str, stance: str, confidence: float | None, minimum: float
) -> Precision | None:
    found = quality.find_decided(judge, "proposals", stance, find_band(confidence))
    if found is None or found.n < FEWEST_DECIDED or found.low <= minimum:
        return None
    return found


def _confirm(
    session: Session, row_id: int, precision: Precision, minimum: float, today: date
) -> bool:
    """Confirm one row, in a transaction of its own; True: it would change a headline."""
    with edit_transaction(session):
        row = session.get_one(Evidence, row_id)
        if row.status != "proposed" or not _may_count(session, row):
            return False
        claim = session.get_one(Claim, row.claim_id)
        before = project_headline(session, claim, today)
        reason = (
            f"auto_confirm {minimum:g}: precision {precision}, of {row.stance} by {row.judge}, "
            f"probability {precision.band}, measured {precision.day}"
        )
        row.status = "confirmed"
        session.add(row)
        session.flush()
        if before is None or project_headline(session, claim, today) != before:
            row.status = "proposed"
            session.add(row)
            return True
        decision = record_decision(session, row, "confirm", Signature(SETTING, reason))
        set_status(session, row, decision)
        return False


def _may_count(session: Session, row: Evidence) -> bool:
    paper = session.get_one(Paper, row.paper_id)
    version = session.get_one(PaperVersion, row.paper_version_id)
    is_present = paper.version_id in (None, version.id) and not paper.is_withdrawn
    return is_present and not row.scope.get("flags") and stand_quote(row, version) is not None


def _count_confirmed(session: Session, since: datetime) -> Counter[str]:
    """What was confirmed since a moment and stands, by the precision that it rests on."""
    rows = session.exec(
        select(Decision.reason, func.count())
        .where(Decision.author == SETTING, Decision.word != UNDO)
        .where(col(Decision.undone_at).is_(None), col(Decision.decided_at) >= since)
        .group_by(col(Decision.reason))
    ).all()
    return Counter({reason.split("precision ", 1)[-1]: n for reason, n in rows})


def _say_nothing(minimum: float) -> str:
    return (
        f"auto_confirm {minimum:g}: nothing was confirmed by setting; it needs {FEWEST_DECIDED} "
        "decided proposals of a stance and band with a lower bound above it"
    )
