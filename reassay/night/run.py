"""Runs a night: takes the lease, resumes or begins, records every step.

Decides what an incomplete night is: a step that failed, or that could not check what it
should have. Such a night still goes on to its report, and ends with exit code 3.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from db.columns import stored_id, utc_now
from db.engine import open_database, open_session
from db.models import Line, Night, NightStep
from reassay.night.context import NightContext, Report, StepResult
from reassay.night.lease import hold_lease
from reassay.night.steps import STEPS
from reassay.settings import Settings

DONE = {"finished", "incomplete", "failed"}


@dataclass(frozen=True)
class NightResult:
    """How a night ended."""

    night: int
    is_complete: bool
    not_checked: list[str]
    pages: list[str]


def run_night(
    settings: Settings,
    *,
    profile: str,
    budget_s: float,
    report_progress: Report,
    now: datetime | None = None,
) -> NightResult:
    """One whole night; one that was killed is taken up where it stopped.

    Raises:
        NightRunning: another night holds the lease on this database.
    """
    engine = open_database(settings.database_url)
    try:
        with hold_lease(engine, "night"):
            import_starter_if_empty(engine, report_progress)
            night = _begin(engine, profile, budget_s, report_progress)
            today = (now or utc_now()).date()
            context = NightContext(engine, settings, night, today, report_progress)
            for name in STEPS:
                _run_step(context, name)
            return _end(engine, night)
    finally:
        engine.dispose()


def import_starter_if_empty(engine: Engine, report_progress: Report) -> None:
    """An empty library gets the starter library, so that the first night has claims."""
    from claims.starter import import_starter

    with open_session(engine) as session:
        if session.exec(select(Line.id)).first() is None:
            imported = import_starter(session)
            report_progress(f"starter library imported: {imported.claims} claims")


def _begin(engine: Engine, profile: str, budget_s: float, report_progress: Report) -> Night:
    with open_session(engine) as session:
        night = session.exec(
            select(Night).where(col(Night.finished_at).is_(None)).order_by(col(Night.id).desc())
        ).first()
        if night is not None:
            report_progress(f"night {night.id} was interrupted: taking it up where it stopped")
            return night
        night = Night(profile=profile, budget_s=budget_s)
        session.add(night)
        session.commit()
        report_progress(f"night {night.id} ({profile}) begins")
        return night


def _run_step(context: NightContext, name: str) -> None:
    with open_session(context.engine) as session:
        step = _find_step(session, context.night_id, name)
        if step is not None and step.status in DONE:
            return
        if step is None:
            session.add(NightStep(night_id=context.night_id, name=name))
            session.commit()
    if name == "report":
        _settle(context)
    try:
        result = STEPS[name](context)
        status = "incomplete" if result.not_checked else "finished"
    except Exception as error:  # noqa: BLE001  (the night goes on to its report, which says so)
        reason = " ".join(str(error).split()) or type(error).__name__
        result = StepResult(not_checked=(f"{name} failed: {type(error).__name__}: {reason}",))
        status = "failed"
    for sentence in result.not_checked:
        context.report_progress(f"{name}: NOT CHECKED: {sentence}")
    _finish_step(context, name, status, result)


def _finish_step(context: NightContext, name: str, status: str, result: StepResult) -> None:
    detail: dict[str, Any] = {**result.detail, "notes": list(result.notes)}
    with open_session(context.engine) as session:
        step = _find_step(session, context.night_id, name)
        assert step is not None  # _run_step wrote it
        step.status, step.detail = status, detail
        step.not_checked, step.finished_at = list(result.not_checked), utc_now()
        session.add(step)
        session.commit()
        seconds = (step.finished_at - step.started_at).total_seconds()
    context.report_progress(f"{name}: {status} in {seconds:.0f} s")


def _settle(context: NightContext) -> None:
    """Before the report: whether the night, as far as it goes, is complete."""
    with open_session(context.engine) as session:
        night = session.get_one(Night, context.night_id)
        steps = session.exec(select(NightStep).where(NightStep.night_id == night.id)).all()
        is_complete = all(s.status == "finished" for s in steps if s.name != "report")
        night.status = "complete" if is_complete else "incomplete"
        session.add(night)
        session.commit()


def _end(engine: Engine, night: Night) -> NightResult:
    with open_session(engine) as session:
        stored = session.get_one(Night, stored_id(night.id))
        steps = session.exec(
            select(NightStep).where(NightStep.night_id == stored.id).order_by(col(NightStep.id))
        ).all()
        if any(step.status != "finished" for step in steps):
            stored.status = "incomplete"
        stored.finished_at = utc_now()
        session.add(stored)
        session.commit()
        pages: list[str] = next(
            (s.detail.get("pages", []) for s in steps if s.name == "report"), []
        )
        return NightResult(
            night=stored_id(stored.id),
            is_complete=stored.status == "complete",
            not_checked=[sentence for step in steps for sentence in step.not_checked],
            pages=pages,
        )


def _find_step(session: Session, night_id: int, name: str) -> NightStep | None:
    return session.exec(
        select(NightStep).where(NightStep.night_id == night_id, NightStep.name == name)
    ).first()
