"""One batch of re-tests: canaries first, then fresh seeds within a budget.

Decides what starts next and when nothing more does; which experiment is served first is
``retest.budgeting``'s to say. The parent writes the ledger, workers only compute, so SQLite
has one writer and a killed worker loses the seed in flight alone.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy import Engine
from sqlmodel import Session, col, func, select

from db.engine import is_sqlite, open_database
from db.errors import UsageError
from db.models import SeedRun, Stream
from retest.batch_plan import (
    BatchInterrupted,
    BatchPlan,
    BatchProgress,
    BatchSummary,
    ExperimentRun,
)
from retest.budgeting import Budget, choose, name_outcome, read_standing
from retest.canaries import record_canary
from retest.durations import describe_duration
from retest.environment import name_class
from retest.executors.executor import Executor
from retest.executors.opening import open_executor
from retest.executors.worker import Unit, UnitOutcome
from retest.experiments import MODULES, load_experiment
from retest.lanes import Lane, read_durations, refresh_offer, say_not_checked, say_resting
from retest.offers import NO_WEIGHT, LibraryWeight, read_weight
from retest.planning import view_experiment
from retest.progress import describe_progress
from retest.reconnecting import keep_trying
from retest.recording import record_outcome
from retest.registration import register_protocol
from retest.results import conclude_stream
from retest.stopping import StopRequest, listen_for_stop
from retest.streams import (
    StartedSeed,
    interrupt_seed,
    open_stream,
    release_lost_seeds,
    start_seed,
)
from retest.workers import name_worker

__all__ = [
    "BatchInterrupted",
    "BatchPlan",
    "BatchProgress",
    "BatchSummary",
    "ExperimentRun",
    "run_batch",
]

Progress = Callable[[str], None]
Watch = Callable[[BatchProgress], None]
Result = TypeVar("Result")
SQLITE_ON_A_CLUSTER = (
    "seeds run on {nodes} nodes, and their ledger is an SQLite file that only this machine may "
    "write: start batches here alone, or set REASSAY_DATABASE_URL to a PostgreSQL"
)
CANARY_TIMEOUT_S = 300.0
LEAST_PATIENCE_S = 3600.0  # before a seed of another host is taken for lost
MOST_FAILURES = 3  # in a row, then an experiment rests until the next batch


def run_batch(
    database_url: str,
    experiments: Sequence[str],
    plan: BatchPlan,
    report_progress: Progress,
    watch: Watch | None = None,
) -> BatchSummary:
    """Run canaries, then fresh seeds while their expected cost fits the budget.

    Raises:
        UsageError: an experiment has no such profile, or there is no such executor.
        ProtocolChanged: a protocol in code is not the registered one.
        BatchInterrupted: somebody asked to stop.
    """
    engine = open_database(database_url)
    try:
        with listen_for_stop() as stop:
            executor = open_executor(plan.executor, plan.jobs, plan.device, report_progress)
            if executor.nodes > 1 and is_sqlite(engine):
                report_progress(SQLITE_ON_A_CLUSTER.format(nodes=executor.nodes))
            batch = _Batch(engine, plan, executor, report_progress, watch, stop)
            try:
                batch.run(experiments)
            finally:
                batch.stop()
            if stop.is_made:
                raise BatchInterrupted(batch.summarise())
            return batch.summarise()
    finally:
        engine.dispose()


@dataclass
class _Batch:
    engine: Engine
    plan: BatchPlan
    executor: Executor[tuple[Lane, StartedSeed | None]]
    report_progress: Progress
    watch: Watch | None
    stopping: StopRequest
    worker: str = field(default_factory=name_worker)
    lanes: list[Lane] = field(default_factory=list)
    weight: LibraryWeight = NO_WEIGHT
    spent_before_s: float = 0.0
    given_up: int = 0

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        self.budget = Budget(self.plan.budget_s, self.executor.jobs)

    def run(self, experiments: Sequence[str]) -> None:
        self.spent_before_s = self._ask(self._read_spent)
        self.weight = self._ask(read_weight)
        self.lanes = [self._open_lane(name) for name in experiments]
        self._run_canaries(sorted(self.lanes, key=self._measure_wait, reverse=True))
        if self.plan.night_id is not None:
            self._leave_out_spoiled()
        self._run_seeds([lane for lane in self.lanes if lane.canary_ok and not lane.skipped])
        self._tell()

    def stop(self) -> None:
        """End what is under way; its seeds will be tried again under their own numbers."""
        for lane, started in self.executor.stop():
            if started is not None:
                self._ask(partial(interrupt_seed, started=started))
                lane.running -= 1
                self.given_up += 1

    def summarise(self) -> BatchSummary:
        """What was done, for each experiment."""
        is_cut = self.stopping.is_made
        unchecked = [say_not_checked(lane, self.budget) for lane in self.lanes]
        return BatchSummary(
            experiments=tuple(self._summarise(lane) for lane in self.lanes),
            not_checked=() if is_cut else tuple(filter(None, unchecked)),
            duration_s=time.monotonic() - self.began,
            budget_s=self.plan.budget_s if math.isfinite(self.plan.budget_s) else None,
            given_up=self.given_up,
        )

    def _ask(self, work: Callable[[Session], Result]) -> Result:
        """One transaction of the ledger, which outlasts a database that restarts."""
        return keep_trying(self.engine, work, self.report_progress)

    @property
    def left_s(self) -> float:
        """What is left of the budget."""
        return self.plan.budget_s - self.spent_before_s - (time.monotonic() - self.began)

    def _read_spent(self, session: Session) -> float:
        """What this night's seeds took before it was interrupted, by the clock."""
        if self.plan.night_id is None:
            return 0.0
        query = select(func.sum(SeedRun.duration_s))
        seconds = session.exec(query.where(SeedRun.night_id == self.plan.night_id)).one()
        return float(seconds or 0.0) / self.executor.jobs

    def _open_lane(self, name: str) -> Lane:
        protocol = load_experiment(name).PROTOCOL
        if self.plan.profile not in protocol.profiles:
            known = ", ".join(protocol.profiles)
            raise UsageError(f"{name} has no profile {self.plan.profile!r}; it has {known}")
        lane = Lane(protocol, self.plan.profile)

        def read(session: Session) -> None:
            register_protocol(session, protocol)
            lane.durations = read_durations(session, lane)
            lane.offer = view_experiment(session, protocol, lane.profile, self.weight).offer

        self._ask(read)
        return lane

    def _measure_wait(self, lane: Lane) -> float:
        """How long a lane has waited: where canaries use the budget up, nobody is always last."""
        return read_standing(lane.present_offer, self.budget).urgency

    def _run_canaries(self, lanes: list[Lane]) -> None:
        waiting = list(lanes)
        while (waiting or not self.executor.is_idle) and not self.stopping.is_made:
            while waiting and self.executor.has_room:
                lane = waiting.pop(0)
                if self._fits(lane, lane.least_expected_s):
                    self.executor.start(self._plan_unit(lane, CANARY_TIMEOUT_S), (lane, None))
            for (lane, _), outcome in self._collect():
                self._read_canary(lane, outcome)

    def _collect(self) -> list[tuple[tuple[Lane, StartedSeed | None], UnitOutcome]]:
        self._tell()
        return [] if self.executor.is_idle else self.executor.collect()

    def _tell(self) -> None:
        if self.watch is not None:
            self.watch(describe_progress(self.lanes, self.plan, self.budget, self.left_s))

    def _read_canary(self, lane: Lane, outcome: UnitOutcome) -> None:
        if outcome.status != "finished" or outcome.canary is None or outcome.environment is None:
            lane.canary_ok = False
            lane.skipped = f"its canary did not run ({outcome.error or outcome.status})"
            self.report_progress(f"{lane.name}: {lane.skipped}")
            return
        canary, environment = outcome.canary, dict(outcome.environment)

        def record(session: Session) -> str | None:
            lane.stream = open_stream(
                session, lane.protocol, self.plan.profile, name_class(environment), environment
            )
            run = record_canary(session, lane.stream, canary, environment, self.plan.night_id)
            patience = timedelta(seconds=max(LEAST_PATIENCE_S, 2 * lane.timeout_s))
            release_lost_seeds(session, lane.stream, patience)
            lane.durations = read_durations(session, lane)
            lane.done_before = self._count_tonight(session, lane.stream)
            refresh_offer(session, lane, self.weight)
            return None if run.is_ok else f"its canary missed: {run.difference}"

        lane.skipped = self._ask(record)
        lane.canary_ok = lane.skipped is None
        self.report_progress(f"{lane.name}: canary {'ok' if lane.canary_ok else 'MISSED'}")

    def _leave_out_spoiled(self) -> None:
        """Seeds of a night count for no experiment of a class in which a canary missed."""
        missed = {
            lane.stream.environment_class: lane.name
            for lane in self.lanes
            if lane.stream is not None and lane.canary_ok is False
        }
        for lane in self.lanes:
            if lane.canary_ok and lane.stream is not None:
                by = missed.get(lane.stream.environment_class)
                if by is not None:
                    lane.skipped = f"the canary of {by} missed here: seeds would not count tonight"

    def _plan_unit(self, lane: Lane, timeout_s: float, seed: int | None = None) -> Unit:
        return Unit(MODULES[lane.name], self.plan.profile, self.plan.device, timeout_s, seed)

    def _count_tonight(self, session: Session, stream: Stream) -> int:
        """Seeds that this night already has, from before it was interrupted."""
        if self.plan.night_id is None:
            return 0
        return session.exec(
            select(func.count())
            .select_from(SeedRun)
            .where(SeedRun.stream_id == stream.id, SeedRun.night_id == self.plan.night_id)
            .where(col(SeedRun.status).in_(["finished", "censored"]))
        ).one()

    def _run_seeds(self, lanes: list[Lane]) -> None:
        while not self.stopping.is_made:
            while self.executor.has_room and (lane := self._choose(lanes)) is not None:
                self._start_seed(lane)
            if self.executor.is_idle:
                return
            for (lane, started), outcome in self._collect():
                assert started is not None  # canaries are over
                self._close_seed(lane, started, outcome)

    def _choose(self, lanes: list[Lane]) -> Lane | None:
        """Who is served next: in turn for a number of seeds, else where it buys most."""
        wanting = [
            lane
            for lane in lanes
            if (self.plan.seeds is None or lane.taken < self.plan.seeds)
            and lane.failed_in_a_row < MOST_FAILURES
            and not (self.plan.may_rest and say_resting(lane, self.budget))
        ]
        fitting = [lane for lane in wanting if self._fits(lane, lane.expected_s)]
        if self.plan.seeds is not None or not fitting:
            return min(fitting, key=lambda lane: lane.taken, default=None)
        offers = {lane.name: lane.present_offer for lane in fitting}
        chosen = choose(offers.values(), self.left_s, self.budget)
        if chosen is None and not self.plan.may_rest:  # asked for by name: it does not rest
            return min(fitting, key=lambda lane: lane.taken)
        return next((lane for lane in fitting if chosen and lane.name == chosen.name), None)

    def _fits(self, lane: Lane, expected_s: float) -> bool:
        """Whether a seed's expected cost is still within the budget; if not, the lane says so."""
        if expected_s <= self.left_s:
            return True
        if lane.skipped is None:
            lane.gave_way = True
            lane.skipped = (
                f"a seed takes about {describe_duration(expected_s)}, more than was left of the "
                "budget"
            )
        return False

    def _start_seed(self, lane: Lane) -> None:
        stream = lane.stream
        assert stream is not None
        started = self._ask(
            lambda session: start_seed(
                session, stream, lane.protocol, self.worker, self.plan.night_id,
                avoid=lane.tried,
            )
        )  # fmt: skip
        self.executor.start(self._plan_unit(lane, lane.timeout_s, started.seed), (lane, started))
        lane.running += 1

    def _close_seed(self, lane: Lane, started: StartedSeed, outcome: UnitOutcome) -> None:
        lane.running -= 1
        status, error = self._ask(lambda session: record_outcome(session, lane, started, outcome))
        lane.finished += status == "finished"
        lane.censored += status == "timed-out"
        lane.failed += status in ("failed", "died")
        if status == "finished":
            lane.durations.append(outcome.duration_s)
        self._count_failures(lane, started, status, error)
        self._ask(lambda session: refresh_offer(session, lane, self.weight))
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
            lane.gave_way = False
            lane.skipped = f"{lane.failed_in_a_row} seeds in a row gave nothing, the last: {reason}"

    def _summarise(self, lane: Lane) -> ExperimentRun:
        outcome, stream = "UNDECIDED", lane.stream
        if stream is not None:
            outcome = self._ask(lambda s: conclude_stream(s, stream, lane.protocol))
        if self.plan.may_rest and outcome == "UNDECIDED":
            outcome = name_outcome(lane.present_offer, self.budget)
        return ExperimentRun(
            experiment=lane.name,
            stream=stream.id if stream else None,
            seeds_run=lane.finished,
            failed=lane.failed,
            censored=lane.censored,
            canary_ok=lane.canary_ok,
            outcome=outcome,
            skipped=lane.skipped,
            resting=say_resting(lane, self.budget) if self.plan.may_rest else None,
        )
