"""One batch of re-tests: canaries first, then fresh seeds within a budget.

Decides what starts next and when nothing more does. The parent writes the ledger, workers
only compute, so SQLite has one writer and a killed worker loses the seed in flight alone.
"""

import os
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine
from sqlmodel import Session, col, func, select

from db.engine import open_database, open_session
from db.errors import SeedRefused, UsageError
from db.models import SeedRun, Stream
from retest.canaries import record_canary
from retest.durations import describe_duration
from retest.environment import name_class
from retest.executors.local import LocalExecutor
from retest.executors.worker import Unit, UnitOutcome
from retest.experiments import load_experiment
from retest.protocol import Protocol
from retest.results import conclude_stream
from retest.streams import (
    StartedSeed,
    censor_seed,
    fail_seed,
    finish_seed,
    open_stream,
    register_protocol,
    release_lost_seeds,
    start_seed,
)

Progress = Callable[[str], None]
CANARY_TIMEOUT_S = 300.0
TIMEOUT_FACTOR = 10.0  # of a seed's expected cost: a slow machine is not a failed seed
LEAST_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class ExperimentRun:
    """What one batch did for one experiment."""

    experiment: str
    stream: int | None
    seeds_run: int
    failed: int
    censored: int
    canary_ok: bool | None
    outcome: str
    skipped: str | None  # why no (more) seeds were run


@dataclass(frozen=True)
class BatchSummary:
    """What one batch did."""

    experiments: tuple[ExperimentRun, ...]
    not_checked: tuple[str, ...]
    duration_s: float


@dataclass(frozen=True)
class BatchPlan:
    """How much one batch may do, and where.

    ``seeds`` asks for that many finished seeds an experiment at most; a batch resumed for
    the same night counts those that the night already has.
    """

    profile: str
    budget_s: float
    jobs: int
    device: str = "auto"
    seeds: int | None = None
    night_id: int | None = None


@dataclass
class _Lane:
    """One experiment's progress through the batch."""

    protocol: Protocol
    profile: str
    stream: Stream | None = None
    canary_ok: bool | None = None
    started: int = 0
    finished: int = 0
    failed: int = 0
    censored: int = 0
    skipped: str | None = None
    durations: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.protocol.experiment

    @property
    def expected_s(self) -> float:
        """What a seed is expected to cost here: the median of its past, else the plan."""
        if self.durations:
            return statistics.median(self.durations)
        return self.protocol.profiles[self.profile].seed_cost_s


def run_batch(
    database_url: str,
    experiments: Sequence[str],
    plan: BatchPlan,
    report_progress: Progress,
) -> BatchSummary:
    """Run canaries, then fresh seeds round-robin while their expected cost fits the budget.

    Raises:
        UsageError: an experiment has no such profile.
        ProtocolChanged: a protocol in code is not the registered one.
    """
    engine = open_database(database_url)
    batch = _Batch(engine, plan, report_progress)
    try:
        return batch.run(experiments)
    finally:
        batch.stop()
        engine.dispose()


class _Batch:
    def __init__(self, engine: Engine, plan: BatchPlan, report_progress: Progress) -> None:
        self.engine = engine
        self.plan = plan
        self.report_progress = report_progress
        self.worker = f"{socket.gethostname()}:{os.getpid()}"
        self.executor: LocalExecutor[tuple[_Lane, StartedSeed | None]] = LocalExecutor(plan.jobs)
        self.began = time.monotonic()

    def run(self, experiments: Sequence[str]) -> BatchSummary:
        lanes = [self._open_lane(name) for name in experiments]
        self._run_canaries(lanes)
        self._run_seeds([lane for lane in lanes if lane.canary_ok])
        return BatchSummary(
            experiments=tuple(self._summarise(lane) for lane in lanes),
            not_checked=tuple(
                f"{lane.name}: {lane.skipped}"
                for lane in lanes
                if lane.skipped and not lane.finished
            ),
            duration_s=time.monotonic() - self.began,
        )

    def stop(self) -> None:
        """End what is under way; its seeds will be tried again under their own numbers."""
        for lane, started in self.executor.stop():
            if started is not None:
                with open_session(self.engine) as session:
                    fail_seed(session, started, "interrupted", 0.0)
                lane.failed += 1

    def _open_lane(self, name: str) -> _Lane:
        protocol = load_experiment(name).PROTOCOL
        if self.plan.profile not in protocol.profiles:
            known = ", ".join(protocol.profiles)
            raise UsageError(f"{name} has no profile {self.plan.profile!r}; it has {known}")
        with open_session(self.engine) as session:
            register_protocol(session, protocol)
        return _Lane(protocol, self.plan.profile)

    def _run_canaries(self, lanes: list[_Lane]) -> None:
        waiting = list(lanes)
        while waiting or not self.executor.is_idle:
            while waiting and self.executor.has_room:
                lane = waiting.pop(0)
                unit = Unit(lane.name, self.plan.profile, self.plan.device, CANARY_TIMEOUT_S)
                self.executor.start(unit, (lane, None))
            for (lane, _), outcome in self.executor.collect():
                self._read_canary(lane, outcome)

    def _read_canary(self, lane: _Lane, outcome: UnitOutcome) -> None:
        if outcome.status != "finished" or outcome.canary is None or outcome.environment is None:
            lane.canary_ok = False
            lane.skipped = f"its canary did not run ({outcome.error or outcome.status})"
            return
        environment = dict(outcome.environment)
        with open_session(self.engine) as session:
            lane.stream = open_stream(
                session, lane.protocol, self.plan.profile, name_class(environment), environment
            )
            canary = record_canary(
                session, lane.stream, outcome.canary, environment, self.plan.night_id
            )
            release_lost_seeds(session, lane.stream, _find_alive(session, lane.stream))
            lane.durations = _read_durations(session, lane.stream)
            lane.started = self._count_tonight(session, lane.stream)
        lane.canary_ok = canary.is_ok
        if not canary.is_ok:
            lane.skipped = f"its canary missed: {canary.difference}"
        self.report_progress(f"{lane.name}: canary {'ok' if canary.is_ok else 'MISSED'}")

    def _count_tonight(self, session: Session, stream: Stream) -> int:
        """Seeds that this night already finished, when a number of seeds was asked for."""
        if self.plan.seeds is None or self.plan.night_id is None:
            return 0
        return session.exec(
            select(func.count())
            .select_from(SeedRun)
            .where(SeedRun.stream_id == stream.id, SeedRun.night_id == self.plan.night_id)
            .where(SeedRun.status == "finished")
        ).one()

    def _run_seeds(self, lanes: list[_Lane]) -> None:
        while True:
            while self.executor.has_room and (lane := self._choose(lanes)) is not None:
                self._start_seed(lane)
            if self.executor.is_idle:
                return
            for (lane, started), outcome in self.executor.collect():
                assert started is not None  # canaries are over
                self._close_seed(lane, started, outcome)

    def _choose(self, lanes: list[_Lane]) -> _Lane | None:
        """The lane with the fewest seeds tonight that still fits; ties in the order given."""
        left = self.plan.budget_s - (time.monotonic() - self.began)
        fitting = []
        for lane in lanes:
            if self.plan.seeds is not None and lane.started >= self.plan.seeds:
                continue
            if lane.expected_s > left:
                lane.skipped = lane.skipped or (
                    f"a seed takes about {describe_duration(lane.expected_s)}, more than was "
                    "left of the budget"
                )
                continue
            fitting.append(lane)
        return min(fitting, key=lambda lane: lane.started, default=None)

    def _start_seed(self, lane: _Lane) -> None:
        assert lane.stream is not None
        with open_session(self.engine) as session:
            started = start_seed(
                session, lane.stream, lane.protocol, self.worker, self.plan.night_id
            )
        timeout_s = max(LEAST_TIMEOUT_S, TIMEOUT_FACTOR * lane.expected_s)
        unit = Unit(lane.name, self.plan.profile, self.plan.device, timeout_s, started.seed)
        self.executor.start(unit, (lane, started))
        lane.started += 1

    def _close_seed(self, lane: _Lane, started: StartedSeed, outcome: UnitOutcome) -> None:
        with open_session(self.engine) as session:
            if outcome.status == "timed-out":
                censor_seed(session, started, outcome.duration_s)
                lane.censored += 1
            elif outcome.status == "failed" or outcome.result is None:
                fail_seed(session, started, outcome.error or "no result", outcome.duration_s)
                lane.failed += 1
            else:
                self._finish(session, lane, started, outcome)
        took = describe_duration(outcome.duration_s)
        note = f": {outcome.error}" if outcome.error else ""
        self.report_progress(f"{lane.name}: seed {started.index} {outcome.status} in {took}{note}")

    def _finish(
        self, session: Session, lane: _Lane, started: StartedSeed, outcome: UnitOutcome
    ) -> None:
        assert outcome.result is not None
        try:
            finish_seed(session, started, lane.protocol, outcome.result, outcome.duration_s)
        except SeedRefused as refusal:
            fail_seed(session, started, str(refusal), outcome.duration_s)
            lane.failed += 1
            return
        lane.finished += 1
        lane.durations.append(outcome.duration_s)

    def _summarise(self, lane: _Lane) -> ExperimentRun:
        outcome = "UNDECIDED"
        if lane.stream is not None:
            with open_session(self.engine) as session:
                outcome = conclude_stream(session, lane.stream, lane.protocol)
        return ExperimentRun(
            experiment=lane.name,
            stream=lane.stream.id if lane.stream else None,
            seeds_run=lane.finished,
            failed=lane.failed,
            censored=lane.censored,
            canary_ok=lane.canary_ok,
            outcome=outcome,
            skipped=lane.skipped,
        )


def _read_durations(session: Session, stream: Stream) -> list[float]:
    rows = session.exec(
        select(SeedRun.duration_s).where(
            SeedRun.stream_id == stream.id, col(SeedRun.status) == "finished"
        )
    ).all()
    return [row for row in rows if row is not None]


def _find_alive(session: Session, stream: Stream) -> list[str]:
    """Workers of this stream's started seeds that still live, as far as can be seen here.

    A worker on another host counts as alive: its own batch releases what it loses.
    """
    workers = session.exec(
        select(SeedRun.worker)
        .where(SeedRun.stream_id == stream.id, SeedRun.status == "started")
        .distinct()
    ).all()
    return [worker for worker in workers if _is_alive(worker)]


def _is_alive(worker: str) -> bool:
    host, _, pid = worker.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
