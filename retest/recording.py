"""Writes how a seed ended into the ledger.

Decides what a time-out, a crash, a lost worker and a result of another environment become.
Safe to repeat: a commit whose answer was lost is recognised.
"""

from sqlmodel import Session

from db.errors import SeedRefused
from db.models import SeedRun
from retest.environment import name_class
from retest.executors.worker import UnitOutcome
from retest.lanes import Lane
from retest.streams import StartedSeed, censor_seed, fail_seed, finish_seed

CLOSED = {"finished": "finished", "censored": "timed-out", "failed": "failed"}


def record_outcome(
    session: Session, lane: Lane, started: StartedSeed, outcome: UnitOutcome
) -> tuple[str, str | None]:
    """Record a seed's end; gives its status, as an executor names it, and the error if any."""
    status, error, duration_s = outcome.status, outcome.error, outcome.duration_s
    foreign = _find_foreign(lane, outcome)
    if status == "finished" and (outcome.result is None or foreign):
        status, error = "failed", foreign or "no result"
    try:
        if status == "timed-out":
            censor_seed(session, started, duration_s)
        elif status == "finished" and outcome.result is not None:
            finish_seed(
                session, started, lane.protocol, outcome.result, duration_s, cpu_s=outcome.cpu_s
            )
        else:
            fail_seed(session, started, error or "no result", duration_s)
    except SeedRefused as refusal:
        row = session.get_one(SeedRun, started.run_id)
        is_ours = (row.worker, row.attempt) == (started.worker, started.attempt)
        if not is_ours or CLOSED.get(row.status) != status:  # another took it for lost
            return "failed", str(refusal)
    return status, error


def _find_foreign(lane: Lane, outcome: UnitOutcome) -> str | None:
    """Whether a seed ran where the stream's seeds do not: then it is none of them."""
    if outcome.environment is None or lane.stream is None:
        return None
    ran_on = name_class(dict(outcome.environment))
    if ran_on == lane.stream.environment_class:
        return None
    return f"it ran on {ran_on}, and the stream's seeds on {lane.stream.environment_class}"
