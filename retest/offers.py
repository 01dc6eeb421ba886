"""What the budget is told of an experiment: seeds so far and to go, their cost, reach, wait.

Decides how the ledger and the outcome of a stream become an offer, and how far a decided
stream is from an established outcome. Knows nothing of what is chosen.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select

from db.columns import utc_now
from db.models import Binding, LineClaim, SeedRun, Stream
from retest.budgeting import Offer
from retest.outcomes import FAMILY_ALPHA
from retest.protocol import Protocol
from retest.results import DECIDED, StreamResult, read_state

DAY_S = 86_400.0
ENOUGH_SEEDS = 20  # to see whether a share of failed controls is what the protocol allows


@dataclass(frozen=True)
class LibraryWeight:
    """What leans on each experiment, and how many claims are tested at all."""

    reach: Mapping[str, int]  # lines that refer to the claims bound to it, and those claims
    live_claims: int


NO_WEIGHT = LibraryWeight({}, 1)


def read_weight(session: Session) -> LibraryWeight:
    """The weight of every bound experiment in this library."""
    claims: dict[str, set[int]] = {}
    for binding in session.exec(select(Binding)).all():
        claims.setdefault(binding.experiment, set()).add(binding.claim_id)
    bound = set().union(*claims.values()) if claims else set()
    lines: dict[int, set[int]] = {}
    rows = session.exec(
        select(LineClaim.claim_id, LineClaim.line_id).where(col(LineClaim.claim_id).in_(bound))
    ).all()
    for claim_id, line_id in rows:
        lines.setdefault(claim_id, set()).add(line_id)
    reach = {
        name: len(of) + len(set().union(*(lines.get(claim, set()) for claim in of)))
        for name, of in claims.items()
    }
    return LibraryWeight(reach, len(bound))


def make_offer(
    protocol: Protocol,
    profile: str,
    result: StreamResult | None,
    *,
    cost_s: float,
    last_seed_at: datetime | None,
    weight: LibraryWeight,
    tonight: int = 0,
) -> Offer:
    """An experiment's offer; ``result`` is None before it has a stream."""
    concludes = protocol.profiles[profile].concludes
    reach = weight.reach.get(protocol.experiment, 0)
    if result is None:
        return Offer(protocol.experiment, cost_s, concludes=concludes, reach=reach)
    waited = None if last_seed_at is None else (utc_now() - last_seed_at).total_seconds() / DAY_S
    strength = result.state.strength(protocol.alpha, weight.live_claims)
    return Offer(
        name=protocol.experiment,
        cost_s=cost_s,
        seeds=len(result.seeds) + result.waiting,
        seeds_to_go=count_to_go(result, weight.live_claims),
        outcome=result.outcome,
        is_established=result.outcome in DECIDED and strength == "established",
        is_invalid=result.outcome == "INVALID" and _is_beyond_mending(protocol, result),
        counts_nights=result.unit == "night",
        tonight=tonight,
        concludes=concludes,
        reach=reach,
        days_waiting=waited,
    )


def read_offer(
    session: Session,
    protocol: Protocol,
    profile: str,
    stream: Stream | None,
    *,
    cost_s: float,
    weight: LibraryWeight,
    tonight: int = 0,
) -> tuple[Offer, StreamResult | None]:
    """The offer of an experiment with this stream, and what the stream says."""
    result = read_state(session, stream, protocol) if stream else None
    last = find_last_seed(session, stream) if stream else None
    offer = make_offer(
        protocol, profile, result, cost_s=cost_s, last_seed_at=last, weight=weight,
        tonight=tonight,
    )  # fmt: skip
    return offer, result


def count_to_go(result: StreamResult, live_claims: int) -> int | None:
    """Seeds to a decision; once decided, to K / .10, if evidence goes on growing as it did.

    The log e-value grows about in proportion to the seeds, so n seeds with log e bring
    n * (log(K / .10) / log(e) - 1) more.
    """
    state, n = result.state, len(result.seeds)
    if state.outcome == "UNDECIDED":
        return state.seeds_to_go
    largest = {
        "CONSISTENT": state.e_consistent,
        "SHIFTED": state.e_shifted,
        "ATTENUATED": state.e_outside,
    }.get(state.outcome, 0.0)
    needed = math.log(max(live_claims, 1) / FAMILY_ALPHA)
    if largest <= 1.0:
        return None
    return max(0, math.ceil(n * (needed / math.log(largest) - 1)))


def find_last_seed(session: Session, stream: Stream) -> datetime | None:
    """When the newest seed of a stream ended, with a result or out of time."""
    return session.exec(
        select(func.max(SeedRun.finished_at))
        .where(SeedRun.stream_id == stream.id)
        .where(col(SeedRun.status).in_(["finished", "censored"]))
    ).one()


def _is_beyond_mending(protocol: Protocol, result: StreamResult) -> bool:
    """INVALID for a reason that more seeds cannot take away, or have not for many seeds."""
    if result.drifts:
        return True
    n, share = len(result.seeds), protocol.max_failed_controls
    is_early = share > 0 and n < ENOUGH_SEEDS
    return not is_early and any(control.failed > share * n for control in result.controls)
