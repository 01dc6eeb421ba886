"""What a batch of re-tests is asked to do, and what it says during and after.

Plain values; decides nothing.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExperimentRun:
    """What one batch did for one experiment."""

    experiment: str
    stream: int | None
    seeds_run: int
    failed: int
    censored: int
    canary_ok: bool | None
    outcome: str  # "UNDECIDED (budget)" where a decision costs more than anybody will spend
    skipped: str | None  # why no (more) seeds were run
    resting: str | None = None  # why it needs none for now


@dataclass(frozen=True)
class BatchSummary:
    """What one batch did."""

    experiments: tuple[ExperimentRun, ...]
    not_checked: tuple[str, ...]
    duration_s: float
    budget_s: float | None = None  # None: a number of seeds alone decided
    given_up: int = 0  # seeds in flight when it was stopped; they are run again


@dataclass(frozen=True)
class BatchPlan:
    """How much one batch may do, and where.

    ``seeds`` asks for that many seeds an experiment at most, within the budget (an infinite
    ``budget_s`` leaves ``seeds`` alone to decide); seeds that fail are tried again and not
    counted, and a batch resumed for the same night counts those that the night already has.
    ``may_rest`` leaves out experiments that need no seed for now. ``jobs`` None: one a core.
    """

    profile: str
    budget_s: float
    jobs: int | None
    device: str = "auto"
    seeds: int | None = None
    night_id: int | None = None
    executor: str = "local"
    may_rest: bool = False


@dataclass(frozen=True)
class LaneProgress:
    """One experiment in the middle of a batch; ``wanted`` counts all seeds of the batch."""

    experiment: str
    done: int
    running: int
    wanted: int
    interval: str
    note: str


@dataclass(frozen=True)
class BatchProgress:
    """A batch in the middle; ``left_s`` is the time that it may still take."""

    lanes: tuple[LaneProgress, ...]
    left_s: float


class BatchInterrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM: seeds in flight were given up, everything finished is kept."""

    def __init__(self, summary: BatchSummary) -> None:
        super().__init__("the batch was interrupted")
        self.summary = summary
