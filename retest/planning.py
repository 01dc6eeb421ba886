"""What a batch would do, without doing any of it: seeds, expected time, and why.

Decides nothing of its own: it asks ``retest.budgeting`` with what the ledger holds now. The
streams are those of the present code on which most seeds lie; which stream a real batch
continues is known only once its canaries have run.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from db import models
from db.errors import UsageError
from db.models import Night, Stream
from retest.batch_plan import BatchPlan
from retest.budgeting import (
    Budget,
    Grant,
    Offer,
    allot,
    count_grants,
    name_outcome,
    read_standing,
    take_turns,
)
from retest.experiments import load_experiment
from retest.lanes import Lane, read_durations, refresh_offer
from retest.offers import LibraryWeight, find_last_seed, read_weight
from retest.protocol import Protocol
from retest.streams import find_stream, hash_code

DEFAULT_BUDGET_S = 300.0


@dataclass(frozen=True)
class ExperimentForecast:
    """One experiment before a batch."""

    experiment: str
    seeds: int  # that would run
    expected_s: float  # of these seeds, on one process
    cost_s: float  # of one seed: the median of its past, else the protocol's plan
    cost_from: int  # how many seeds that median is of
    reason: str
    standing: str  # live, watch, futile, invalid or counted
    outcome: str
    seeds_so_far: int
    seeds_to_go: int | None
    last_seed_at: datetime | None
    reach: int
    arms: tuple[str, ...] = ()  # that this profile runs


@dataclass(frozen=True)
class BatchForecast:
    """A whole batch before it begins; ``expected_s`` leaves out the canaries."""

    profile: str
    budget_s: float | None
    jobs: int
    canaries: tuple[str, ...]
    experiments: tuple[ExperimentForecast, ...]
    order: tuple[str, ...]  # whose seeds begin, in this order
    expected_s: float

    def record(self) -> dict[str, Any]:
        """The forecast as plain data."""
        return asdict(self)


def forecast_batch(session: Session, experiments: Sequence[str], plan: BatchPlan) -> BatchForecast:
    """What ``run_batch`` would do with this plan now. Writes nothing.

    Raises:
        UsageError: an experiment has no such profile.
    """
    assert plan.jobs is not None
    budget, weight = Budget(plan.budget_s, plan.jobs), read_weight(session)
    lanes = [open_view(session, name, plan.profile, weight) for name in experiments]
    grants = _forecast([lane.present_offer for lane in lanes], plan, budget)
    counts = count_grants(grants)
    return BatchForecast(
        profile=plan.profile,
        budget_s=plan.budget_s if math.isfinite(plan.budget_s) else None,
        jobs=plan.jobs,
        canaries=tuple(experiments),
        experiments=tuple(
            describe_lane(session, lane, budget, counts.get(lane.name, 0), grants) for lane in lanes
        ),
        order=tuple(grant.name for grant in sorted(grants, key=lambda grant: grant.begins_s)),
        expected_s=max((grant.begins_s + grant.cost_s for grant in grants), default=0.0),
    )


def open_view(session: Session, name: str, profile: str, weight: LibraryWeight) -> Lane:
    """An experiment as a batch of this profile would find it.

    Raises:
        UsageError: it has no such profile.
    """
    protocol = load_experiment(name).PROTOCOL
    if profile not in protocol.profiles:
        known = ", ".join(protocol.profiles)
        raise UsageError(f"{name} has no profile {profile!r}; it has {known}")
    return view_experiment(session, protocol, profile, weight)


def view_experiment(
    session: Session, protocol: Protocol, profile: str, weight: LibraryWeight
) -> Lane:
    """The same for a protocol that is at hand."""
    return _open(session, Lane(protocol, profile, find_stream(session, protocol, profile)), weight)


def open_stream_view(
    session: Session, protocol: Protocol, stream: Stream, weight: LibraryWeight
) -> Lane | None:
    """The same for one stream; None if it is of another protocol or code than the present."""
    registered = session.get(models.Protocol, stream.protocol_id)
    is_present = registered is not None and registered.hash == protocol.hash()
    if not is_present or stream.code_hash != hash_code(protocol.experiment):
        return None
    return _open(session, Lane(protocol, stream.profile, stream), weight)


def _open(session: Session, lane: Lane, weight: LibraryWeight) -> Lane:
    lane.durations = read_durations(session, lane)
    refresh_offer(session, lane, weight)
    return lane


def describe_lane(
    session: Session, lane: Lane, budget: Budget, seeds: int, grants: Sequence[Grant] = ()
) -> ExperimentForecast:
    """An experiment's forecast, with the reason for its first seed (or for none)."""
    offer = lane.present_offer
    standing = read_standing(offer, budget)
    first = next((grant.reason for grant in grants if grant.name == lane.name), None)
    fits_not = f"{standing.reason}; others come first within the budget"
    rests = not standing.is_wanted
    return ExperimentForecast(
        experiment=lane.name,
        seeds=seeds,
        expected_s=seeds * offer.cost_s,
        cost_s=offer.cost_s,
        cost_from=len(lane.durations),
        reason=first or (standing.reason if rests or not grants else fits_not),
        standing=standing.kind,
        outcome=name_outcome(offer, budget),
        seeds_so_far=offer.seeds,
        seeds_to_go=lane.result.state.seeds_to_go if lane.result else None,
        last_seed_at=find_last_seed(session, lane.stream) if lane.stream else None,
        reach=offer.reach,
        arms=tuple(lane.protocol.profiles[lane.profile].config.get("arms", ())),
    )


def find_night_budget(session: Session, jobs: int) -> Budget:
    """What the last night could spend, which says what is futile; five minutes before any."""
    seconds = session.exec(select(Night.budget_s).order_by(col(Night.id).desc())).first()
    return Budget(seconds or DEFAULT_BUDGET_S, jobs)


def _forecast(offers: Sequence[Offer], plan: BatchPlan, budget: Budget) -> list[Grant]:
    if plan.seeds is not None:
        return take_turns(offers, plan.seeds, budget)
    grants = allot(offers, budget)
    if grants or plan.may_rest:
        return grants
    cheapest = min((offer.cost_s for offer in offers), default=math.inf)
    most = int(budget.seconds * budget.jobs / max(cheapest, 1.0))
    return take_turns(offers, most, budget)  # asked for by name: none of them rests
