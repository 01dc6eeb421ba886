"""One experiment's progress through a batch, and what it is expected to cost.

Decides how long a seed may take before it is censored, what it offers to the budget, and
what an experiment that ran nothing leaves unchecked. Knows nothing of processes.
"""

import statistics
from dataclasses import dataclass, field, replace

from sqlmodel import Session, col, select

from db.models import SeedRun, Stream
from retest.budgeting import Budget, Offer, read_standing
from retest.offers import LibraryWeight, read_offer
from retest.protocol import Protocol
from retest.results import StreamResult
from retest.streams import hash_code

TIMEOUT_FACTOR = 10.0  # of a seed's expected cost: a slow machine is not a failed seed
LEAST_TIMEOUT_S = 120.0


@dataclass
class Lane:
    """One experiment's progress through the batch."""

    protocol: Protocol
    profile: str
    stream: Stream | None = None
    canary_ok: bool | None = None
    done_before: int = 0  # by this same night, before it was interrupted
    running: int = 0
    finished: int = 0
    failed: int = 0
    censored: int = 0
    failed_in_a_row: int = 0
    tried: set[int] = field(default_factory=set)  # seeds that failed by themselves tonight
    skipped: str | None = None
    gave_way: bool = False  # skipped for lack of budget, and for no other reason
    durations: list[float] = field(default_factory=list)
    offer: Offer | None = None  # as the ledger stood after its last seed
    result: StreamResult | None = None

    @property
    def name(self) -> str:
        return self.protocol.experiment

    @property
    def taken(self) -> int:
        """Seeds of this night that are done or under way."""
        return self.done_before + self.finished + self.censored + self.running

    @property
    def present_offer(self) -> Offer:
        """What it offers, with the seeds under way taken as done."""
        assert self.offer is not None  # read when the lane is opened
        return replace(self.offer, cost_s=self.expected_s).after_seed(self.running)

    @property
    def least_expected_s(self) -> float:
        """The same before the stream is known: nothing is refused that may yet fit."""
        return min(self.expected_s, self.protocol.profiles[self.profile].seed_cost_s)

    @property
    def timeout_s(self) -> float:
        """How long a seed may run before it is censored."""
        return max(LEAST_TIMEOUT_S, TIMEOUT_FACTOR * self.expected_s)

    @property
    def expected_s(self) -> float:
        """What a seed is expected to cost here: the median of its past, else the plan."""
        if self.durations:
            return statistics.median(self.durations)
        return self.protocol.profiles[self.profile].seed_cost_s


def refresh_offer(session: Session, lane: Lane, weight: LibraryWeight) -> None:
    """Read what the lane's stream says by now."""
    lane.offer, lane.result = read_offer(
        session, lane.protocol, lane.profile, lane.stream,
        cost_s=lane.expected_s, weight=weight, tonight=lane.done_before + lane.finished,
    )  # fmt: skip


def say_resting(lane: Lane, budget: Budget) -> str | None:
    """Why a lane gets no more seeds for now; None for one that is live or due."""
    standing = read_standing(lane.present_offer, budget)
    return None if standing.is_wanted or standing.kind == "counted" else standing.reason


def say_not_checked(lane: Lane, budget: Budget) -> str | None:
    """What a lane without a single finished seed tonight leaves unchecked.

    One that had a seed a few days ago and gave way to others is not unchecked yet.
    """
    if lane.finished or lane.done_before:
        return None
    if lane.gave_way and not read_standing(lane.present_offer, budget).is_due:
        return None
    if lane.skipped:
        return f"{lane.name}: {lane.skipped}"
    lost = lane.failed + lane.censored
    return f"{lane.name}: none of {lost} seeds finished" if lost else None


def read_durations(session: Session, lane: Lane) -> list[float]:
    """Seconds of past seeds: of the lane's stream, or before it is known, of its code."""
    query = (
        select(SeedRun.duration_s)
        .join(Stream, col(Stream.id) == SeedRun.stream_id)
        .where(Stream.experiment == lane.name, Stream.profile == lane.profile)
        .where(Stream.code_hash == hash_code(lane.name))
        .where(col(SeedRun.status) == "finished", col(SeedRun.duration_s).is_not(None))
    )
    if lane.stream is not None:
        query = query.where(Stream.id == lane.stream.id)
    return [float(row) for row in session.exec(query).all() if row is not None]
