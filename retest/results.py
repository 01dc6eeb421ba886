"""Reads a stream: its seeds, whether its controls hold, and the outcome that follows.

A stream whose controls or canary fail, or that lost too many seeds, is INVALID whatever
its numbers say. Smoke streams never conclude.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import not_
from sqlmodel import Session, func, select

from db.columns import utc_now
from db.models import CanaryRun, SeedRun, Stream
from retest.canaries import read_last_canary
from retest.outcomes import Outcome, StreamState, read_stream
from retest.protocol import Protocol
from retest.streams import is_retriable, read_evidence, read_finished

DECIDED = {"CONSISTENT", "SHIFTED", "ATTENUATED"}
MOST_LOST = 0.05  # share of seeds that may be censored, or never finish, in a valid stream


@dataclass(frozen=True)
class ControlState:
    """A control over all seeds of a stream."""

    name: str
    passed: int
    failed: int
    minimum: float | None
    maximum: float | None
    worst: float | None


@dataclass(frozen=True)
class StreamResult:
    """Everything that a stream says."""

    state: StreamState
    outcome: Outcome
    reasons: tuple[str, ...]  # why it is INVALID, or why it cannot conclude
    controls: tuple[ControlState, ...]
    canary: CanaryRun | None
    seeds: tuple[int, ...]  # indices
    censored: int
    lost: int  # crashed at every attempt
    waiting: int  # finished, but after a seed that is still open


def read_state(session: Session, stream: Stream, protocol: Protocol) -> StreamResult:
    """Replay a stream from its ledger."""
    runs = read_evidence(session, stream)
    names = [estimand.name for estimand in protocol.estimands]
    values = [[run.measures["estimates"][name] for run in runs] for name in names]
    state = read_stream(protocol.estimands, values, protocol.alpha)
    controls = tuple(_read_control(protocol, runs, c.name) for c in protocol.controls)
    canary = read_last_canary(session, stream)
    censored = _count(session, stream, "censored")
    lost = _count_lost(session, stream)
    reasons = _find_faults(protocol, controls, canary, len(runs), censored + lost)
    outcome: Outcome = state.outcome
    if reasons:
        outcome = "INVALID"
    elif not protocol.profiles[stream.profile].concludes:
        outcome, reasons = "UNDECIDED", (f"a {stream.profile} run never concludes",)
    return StreamResult(
        state=state,
        outcome=outcome,
        reasons=tuple(reasons),
        controls=controls,
        canary=canary,
        seeds=tuple(run.seed_index for run in runs),
        censored=censored,
        lost=lost,
        waiting=len(read_finished(session, stream)) - len(runs),
    )


def conclude_stream(session: Session, stream: Stream, protocol: Protocol) -> Outcome:
    """The stream's outcome; one that decides is latched in its row, until the opposite one."""
    outcome = read_state(session, stream, protocol).outcome
    if outcome in DECIDED and stream.latched_outcome != outcome:
        stored = session.get_one(Stream, stream.id)
        stored.latched_outcome, stored.latched_at = outcome, utc_now()
        session.add(stored)
        session.commit()
    return outcome


def describe_seeds(seeds: tuple[int, ...]) -> str:
    """Seed numbers as ranges: ``0-4, 6``."""
    ranges: list[list[int]] = []
    for seed in sorted(seeds):
        if ranges and seed == ranges[-1][1] + 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges) or "none"


def _read_control(protocol: Protocol, runs: list[SeedRun], name: str) -> ControlState:
    control = next(c for c in protocol.controls if c.name == name)
    readings: list[dict[str, Any]] = [run.controls[name] for run in runs]
    values = [r["value"] for r in readings if r["value"] is not None]
    passed = sum(bool(reading["passed"]) for reading in readings)
    worst = None
    if values and len(values) == len(readings):  # a reading that is no number has no rank
        worst = min(values) if control.minimum is not None else max(values)
    return ControlState(
        name, passed, len(readings) - passed, control.minimum, control.maximum, worst
    )


def _find_faults(
    protocol: Protocol,
    controls: tuple[ControlState, ...],
    canary: CanaryRun | None,
    finished: int,
    missing: int,
) -> tuple[str, ...]:
    faults = [
        f"control {c.name} failed on {c.failed} of {finished} seeds ({_describe_worst(c)})"
        for c in controls
        if finished and c.failed / finished > protocol.max_failed_controls
    ]
    if canary is not None and not canary.is_ok:
        faults.append(f"the canary missed: {canary.difference}")
    if missing and missing / (finished + missing) > MOST_LOST:
        faults.append(f"{missing} of {finished + missing} seeds ran out of time or never finished")
    return tuple(faults)


def _describe_worst(control: ControlState) -> str:
    return "a reading was no number" if control.worst is None else f"worst {control.worst:.3g}"


def _count(session: Session, stream: Stream, status: str) -> int:
    return session.exec(
        select(func.count())
        .select_from(SeedRun)
        .where(SeedRun.stream_id == stream.id, SeedRun.status == status)
    ).one()


def _count_lost(session: Session, stream: Stream) -> int:
    """Seeds that crashed at every attempt."""
    return session.exec(
        select(func.count())
        .select_from(SeedRun)
        .where(SeedRun.stream_id == stream.id, SeedRun.status == "failed")
        .where(not_(is_retriable()))
    ).one()
