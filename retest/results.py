"""Reads a stream: its seeds, whether its controls hold, and the outcome that follows.

A stream whose controls or canary fail, whose mean drifts, or that lost too many seeds, is
INVALID whatever its numbers say; seeds of a night in which a canary of the same class
missed do not count. Where nights differ, the unit is the night's mean. Smoke streams never
conclude.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from sqlalchemy import not_
from sqlmodel import Session, func, select

from db.columns import utc_now
from db.models import CanaryRun, SeedRun, Stream
from retest.canaries import find_spoiled_nights, read_last_canary
from retest.drift import Drift, find_drift
from retest.finished_seeds import FinishedSeed, count_finished, read_evidence
from retest.night_effect import NightEffect, find_night_effect
from retest.nights import Array, Groups, average_nights, group_by_night
from retest.outcomes import EstimandState, ReadingState, StreamState, read_stream
from retest.protocol import Estimand, Outcome, Protocol
from retest.streams import is_retriable

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
    """Everything that a stream says.

    ``state`` is read from seeds, or from night means where ``night_effect`` was found;
    its ``n`` and ``seeds_to_go`` are in seeds either way.
    """

    state: StreamState
    outcome: Outcome
    reasons: tuple[str, ...]  # why it is INVALID, or why it cannot conclude
    controls: tuple[ControlState, ...]
    canary: CanaryRun | None
    seeds: tuple[int, ...]  # indices
    censored: int
    lost: int  # crashed at every attempt
    waiting: int  # finished, but after a seed that is still open
    spoiled: int  # finished, but in a night in which a canary of this class missed
    night_effect: NightEffect
    drifts: tuple[Drift, ...]

    @property
    def unit(self) -> Literal["seed", "night"]:
        """What counts as one observation."""
        return "night" if self.night_effect.is_found else "seed"

    @property
    def units(self) -> int:
        """How many observations there are."""
        return self.night_effect.nights if self.night_effect.is_found else len(self.seeds)

    def judge(self, part: EstimandState | ReadingState) -> Outcome:
        """The outcome of a reading or an estimand; what makes the stream INVALID makes it so."""
        return self.outcome if self.reasons else part.outcome


def read_state(session: Session, stream: Stream, protocol: Protocol) -> StreamResult:
    """Replay a stream from its ledger."""
    spoiled = find_spoiled_nights(session, stream.environment_class)
    ready = read_evidence(session, stream)
    runs = [run for run in ready if run.night_id not in spoiled]
    columns = [
        np.array([run.estimates[estimand.name] for run in runs], dtype=np.float64)
        for estimand in protocol.estimands
    ]
    nights = group_by_night(runs)
    effect = find_night_effect(columns, nights)
    drifts = find_drift(protocol.estimands, columns, nights)
    controls = tuple(_read_control(protocol, runs, c.name) for c in protocol.controls)
    canary = read_last_canary(session, stream)
    censored = _count(session, stream, "censored")
    lost = _count_lost(session, stream)
    state = weigh_stream(protocol, columns, nights, effect)
    faults = (
        *_find_faults(protocol, controls, canary, len(runs), censored + lost),
        *_find_spoiling(canary, spoiled),
        *(describe_drift(drift) for drift in drifts),
    )
    outcome, reasons = _judge(protocol, stream, state, faults)
    return StreamResult(
        state=state,
        outcome=outcome,
        reasons=reasons,
        controls=controls,
        canary=canary,
        seeds=tuple(run.seed_index for run in runs),
        censored=censored,
        lost=lost,
        waiting=count_finished(session, stream) - len(ready),
        spoiled=len(ready) - len(runs),
        night_effect=effect,
        drifts=drifts,
    )


def weigh_stream(
    protocol: Protocol, columns: Sequence[Array], nights: Groups, effect: NightEffect
) -> StreamState:
    """The evidence of the seeds, or of night means where there is a night effect.

    ``columns[i]`` are estimand i's values, one a seed in seed order; ``nights`` numbers
    their nights. What is counted in nights is given in seeds again.
    """
    if not effect.is_found:
        return read_stream(protocol.estimands, columns, protocol.alpha, protocol.readings)
    means = [average_nights(column, nights) for column in columns]
    averages = [_average(estimand) for estimand in protocol.estimands]
    state = read_stream(averages, means, protocol.alpha, protocol.readings)
    seeds = len(nights)

    def to_seeds(units: int | None) -> int | None:
        return None if units is None else math.ceil(units * seeds / effect.nights)

    return replace(
        state,
        seeds_to_go=to_seeds(state.seeds_to_go),
        estimands=tuple(
            replace(one, n=seeds, seeds_to_go=to_seeds(one.seeds_to_go)) for one in state.estimands
        ),
        readings=tuple(
            replace(one, seeds_to_go=to_seeds(one.seeds_to_go)) for one in state.readings
        ),
    )


def describe_drift(drift: Drift) -> str:
    """A drift alarm in words."""
    return (
        f"{drift.estimand} drifts: its mean went from {drift.before:.3g} to {drift.after:.3g} "
        f"since night {drift.since} of the stream (seen at night {drift.raised_at}), and no "
        "canary says why: find the cause, then give the protocol a new version"
    )


def _average(estimand: Estimand) -> Estimand:
    """The same estimand for night means: a mean of 0/1 values is a share."""
    return replace(estimand, kind="bounded") if estimand.kind == "binary" else estimand


def _judge(
    protocol: Protocol, stream: Stream, state: StreamState, faults: tuple[str, ...]
) -> tuple[Outcome, tuple[str, ...]]:
    if faults:
        return "INVALID", faults
    if not protocol.profiles[stream.profile].concludes:
        return "UNDECIDED", (f"a {stream.profile} run never concludes",)
    return state.outcome, ()


def conclude_stream(session: Session, stream: Stream, protocol: Protocol) -> Outcome:
    """The stream's outcome; one that decides is latched in its row, until the opposite one.

    What was latched on seeds is taken back when their nights turn out to differ and night
    means do not bear it out.
    """
    result = read_state(session, stream, protocol)
    outcome, latched = result.outcome, stream.latched_outcome
    if outcome in DECIDED:
        latched = outcome
    elif outcome == "UNDECIDED" and result.night_effect.is_found:
        latched = None
    if latched != stream.latched_outcome:
        stored = session.get_one(Stream, stream.id)
        stored.latched_outcome, stored.latched_at = latched, utc_now() if latched else None
        session.add(stored)
        session.commit()
    return outcome


def describe_reading(name: str, outcome: str, seeds_to_go: int | None) -> str:
    """``C1a UNDECIDED, about 12 seeds to go``."""
    if outcome != "UNDECIDED":
        return f"{name} {outcome}"
    left = "more than 1000" if seeds_to_go is None else f"about {seeds_to_go}"
    return f"{name} UNDECIDED, {left} seeds to go"


def _read_control(protocol: Protocol, runs: list[FinishedSeed], name: str) -> ControlState:
    control = next(c for c in protocol.controls if c.name == name)
    readings = [run.controls[name] for run in runs]
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


def _find_spoiling(canary: CanaryRun | None, spoiled: dict[int, str]) -> tuple[str, ...]:
    """Whether another canary of the same class missed in the night of the last one."""
    if canary is None or not canary.is_ok or canary.night_id not in spoiled:
        return ()
    return (f"a canary of the same environment missed in this night: {spoiled[canary.night_id]}",)


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
