"""One batch of re-tests: canaries first, then fresh seeds within a budget.

Decides what starts next and when nothing more does. The parent writes the ledger, workers
only compute, so SQLite has one writer and a killed worker loses the seed in flight alone.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

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
from retest.experiments import MODULES, load_experiment
from retest.lanes import Lane, read_durations, say_not_checked
from retest.registration import register_protocol
from retest.results import conclude_stream
from retest.streams import (
    StartedSeed,
    censor_seed,
    fail_seed,
    finish_seed,
    interrupt_seed,
    open_stream,
    release_lost_seeds,
    start_seed,
)
from retest.workers import name_worker

Progress = Callable[[str], None]
CANARY_TIMEOUT_S = 300.0
LEAST_PATIENCE_S = 3600.0  # before a seed of another host is taken for lost
MOST_FAILURES = 3  # in a row, then an experiment rests until the next batch


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

    ``seeds`` asks for that many seeds an experiment at most, within the budget (an infinite
    ``budget_s`` leaves ``seeds`` alone to decide); seeds that fail are tried again and not
    counted, and a batch resumed for the same night counts those that the night already has.
    """

    profile: str
    budget_s: float
    jobs: int
    device: str = "auto"
    seeds: int | None = None
    night_id: int | None = None


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
        self.worker = name_worker()
        self.executor: LocalExecutor[tuple[Lane, StartedSeed | None]] = LocalExecutor(plan.jobs)
        self.began = time.monotonic()

    def run(self, experiments: Sequence[str]) -> BatchSummary:
        lanes = [self._open_lane(name) for name in experiments]
        self._run_canaries([lane for lane in lanes if self._fits(lane, lane.least_expected_s)])
        self._run_seeds([lane for lane in lanes if lane.canary_ok])
        return BatchSummary(
            experiments=tuple(self._summarise(lane) for lane in lanes),
            not_checked=tuple(filter(None, map(say_not_checked, lanes))),
            duration_s=time.monotonic() - self.began,
        )

    def stop(self) -> None:
        """End what is under way; its seeds will be tried again under their own numbers."""
        for lane, started in self.executor.stop():
            if started is not None:
                with open_session(self.engine) as session:
                    interrupt_seed(session, started)
                lane.running -= 1

    def _open_lane(self, name: str) -> Lane:
        protocol = load_experiment(name).PROTOCOL
        if self.plan.profile not in protocol.profiles:
            known = ", ".join(protocol.profiles)
            raise UsageError(f"{name} has no profile {self.plan.profile!r}; it has {known}")
        lane = Lane(protocol, self.plan.profile)
        with open_session(self.engine) as session:
            register_protocol(session, protocol)
            lane.durations = read_durations(session, lane)
        return lane

    def _run_canaries(self, lanes: list[Lane]) -> None:
        waiting = list(lanes)
        while waiting or not self.executor.is_idle:
            while waiting and self.executor.has_room:
                lane = waiting.pop(0)
                unit = self._plan_unit(lane, CANARY_TIMEOUT_S)
                self.executor.start(unit, (lane, None))
            for (lane, _), outcome in self.executor.collect():
                self._read_canary(lane, outcome)

    def _read_canary(self, lane: Lane, outcome: UnitOutcome) -> None:
        if outcome.status != "finished" or outcome.canary is None or outcome.environment is None:
            lane.canary_ok = False
            lane.skipped = f"its canary did not run ({outcome.error or outcome.status})"
            self.report_progress(f"{lane.name}: {lane.skipped}")
            return
        environment = dict(outcome.environment)
        with open_session(self.engine) as session:
            lane.stream = open_stream(
                session, lane.protocol, self.plan.profile, name_class(environment), environment
            )
            canary = record_canary(
                session, lane.stream, outcome.canary, environment, self.plan.night_id
            )
            patience = timedelta(seconds=max(LEAST_PATIENCE_S, 2 * lane.timeout_s))
            release_lost_seeds(session, lane.stream, patience)
            lane.durations = read_durations(session, lane)
            lane.done_before = self._count_tonight(session, lane.stream)
        lane.canary_ok = canary.is_ok
        if not canary.is_ok:
            lane.skipped = f"its canary missed: {canary.difference}"
        self.report_progress(f"{lane.name}: canary {'ok' if canary.is_ok else 'MISSED'}")

    def _plan_unit(self, lane: Lane, timeout_s: float, seed: int | None = None) -> Unit:
        return Unit(MODULES[lane.name], self.plan.profile, self.plan.device, timeout_s, seed)

    def _count_tonight(self, session: Session, stream: Stream) -> int:
        """Seeds that this night already has, when a number of seeds was asked for."""
        if self.plan.seeds is None or self.plan.night_id is None:
            return 0
        return session.exec(
            select(func.count())
            .select_from(SeedRun)
            .where(SeedRun.stream_id == stream.id, SeedRun.night_id == self.plan.night_id)
            .where(col(SeedRun.status).in_(["finished", "censored"]))
        ).one()

    def _run_seeds(self, lanes: list[Lane]) -> None:
        while True:
            while self.executor.has_room and (lane := self._choose(lanes)) is not None:
                self._start_seed(lane)
            if self.executor.is_idle:
                return
            for (lane, started), outcome in self.executor.collect():
                assert started is not None  # canaries are over
                self._close_seed(lane, started, outcome)

    def _choose(self, lanes: list[Lane]) -> Lane | None:
        """The lane with the fewest seeds tonight that still fits; ties in the order given."""
        wanting = [
            lane
            for lane in lanes
            if (self.plan.seeds is None or lane.taken < self.plan.seeds)
            and lane.failed_in_a_row < MOST_FAILURES
        ]
        fitting = [lane for lane in wanting if self._fits(lane, lane.expected_s)]
        return min(fitting, key=lambda lane: lane.taken, default=None)

    def _fits(self, lane: Lane, expected_s: float) -> bool:
        """Whether a seed's expected cost is still within the budget; if not, the lane says so."""
        left = self.plan.budget_s - (time.monotonic() - self.began)
        if expected_s <= left:
            return True
        lane.skipped = lane.skipped or (
            f"a seed takes about {describe_duration(expected_s)}, more than was left of the budget"
        )
        return False

    def _start_seed(self, lane: Lane) -> None:
        assert lane.stream is not None
        with open_session(self.engine) as session:
            started = start_seed(
                session, lane.stream, lane.protocol, self.worker, self.plan.night_id,
                avoid=lane.tried,
            )  # fmt: skip
        self.executor.start(self._plan_unit(lane, lane.timeout_s, started.seed), (lane, started))
        lane.running += 1

    def _close_seed(self, lane: Lane, started: StartedSeed, outcome: UnitOutcome) -> None:
        lane.running -= 1
        status, error = outcome.status, outcome.error
        with open_session(self.engine) as session:
            try:
                if outcome.status == "timed-out":
                    censor_seed(session, started, outcome.duration_s)
                    lane.censored += 1
                elif outcome.result is not None:
                    duration_s = outcome.duration_s
                    finish_seed(session, started, lane.protocol, outcome.result, duration_s)
                    lane.finished += 1
                    lane.durations.append(duration_s)
                else:
                    fail_seed(session, started, error or "no result", outcome.duration_s)
                    lane.failed += 1
            except SeedRefused as refusal:  # another process took it for lost, and over
                status, error = "failed", str(refusal)
                lane.failed += 1
        self._count_failures(lane, started, status, error)
        took = describe_duration(outcome.duration_s)
        note = f": {error}" if error else ""
        self.report_progress(f"{lane.name}: seed {started.index} {status} in {took}{note}")

    def _count_failures(
        self, lane: Lane, started: StartedSeed, status: str, error: str | None
    ) -> None:
        """A seed that fails by itself is not tried again tonight; three in a row end the lane."""
        if status == "finished":
            lane.failed_in_a_row = 0
            return
        lane.failed_in_a_row += 1
        if status == "failed":
            lane.tried.add(started.index)
        if lane.failed_in_a_row >= MOST_FAILURES:
            reason = error or "ran out of time"
            lane.skipped = f"{lane.failed_in_a_row} seeds in a row gave nothing, the last: {reason}"

    def _summarise(self, lane: Lane) -> ExperimentRun:
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
