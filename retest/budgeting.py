"""Which experiment gets the next seed: where a second of the night buys most.

Decides who is due, who rests and who is served next. Pure: knows neither the database nor
processes nor a clock.

Who is served:

- A stream waits at most 7 days for a seed, one that rests 30 days; those that have waited
  that long are due. The due come first, the longest wait (in shares of its limit) before
  the others; one that never had a seed comes before all.
- Then the seed that is worth most a second:

      value = (1 + log2(1 + reach)) * (1 + days / 7) / (to_go * cost_s)

  ``reach`` counts the lines and claims that lean on the experiment, ``days`` since its last
  seed, ``to_go`` the seeds to a decision (at least 1; 30 where nobody can tell yet) and
  ``cost_s`` the median seconds of its seeds. It is Smith's rule, weight over remaining
  work: the sum of weighted times to a decision is least when it is followed.
  Seeds of a profile that never concludes take turns instead.

Who rests (and gets one seed in 30 days, so that a change is still seen):

- ``watch``: an outcome that is established over all tested claims;
- ``invalid``: a control failed on more seeds than the protocol allows, or the mean drifts;
- ``counted``: its unit is the night, and this night has its seed: more add little;
- ``futile``: undecided after 8 seeds or more, and the seeds to go cost more than 90 such
  nights. That is UNDECIDED (budget): what is missing is money, not an answer.

Choosing by what was seen does not harm the evidence: every stream's interval is valid
whenever its seeds stop.
"""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from retest.durations import describe_duration

Kind = Literal["live", "watch", "futile", "invalid", "counted"]
LONGEST_WAIT_DAYS = 7.0
REST_DAYS = 30.0
EARLY_DAYS = 0.5  # nights are not exactly a day apart
UNKNOWN_TO_GO = 30
BEYOND_COUNTING = 1001  # more seeds to go than anybody counts
FEWEST_FOR_FUTILITY = 8
HORIZON_NIGHTS = 90
LEAST_COST_S = 0.01
MOST_GRANTS = 2000  # of a forecast


@dataclass(frozen=True)
class Budget:
    """What a night may spend: seconds, and how many seeds run at a time."""

    seconds: float
    jobs: int

    @property
    def horizon_s(self) -> float:
        """Seconds of seeds that 90 such nights hold."""
        return HORIZON_NIGHTS * self.seconds * self.jobs


@dataclass(frozen=True)
class Offer:
    """One experiment as the budget sees it.

    ``seeds_to_go`` counts to a decision, or for a decided stream to an established one;
    None: more than anybody counts, or too few seeds to tell. ``days_waiting`` is the time
    since the last seed; None: there was none.
    """

    name: str
    cost_s: float
    seeds: int = 0
    seeds_to_go: int | None = None
    outcome: str = "UNDECIDED"
    is_established: bool = False
    is_invalid: bool = False  # by a control: more seeds do not mend it
    counts_nights: bool = False  # nights differ, so a night is one observation
    tonight: int = 0
    ahead: int = 0  # of these seeds, not run yet but foreseen: they tell nothing
    concludes: bool = True
    reach: int = 0
    days_waiting: float | None = None

    def after_seed(self, more: int = 1) -> "Offer":
        """The same once so many more seeds have run, if they are as foreseen."""
        if more <= 0:
            return self
        to_go = None if self.seeds_to_go is None else max(0, self.seeds_to_go - more)
        return replace(
            self,
            seeds=self.seeds + more,
            tonight=self.tonight + more,
            ahead=self.ahead + more,
            seeds_to_go=to_go,
            is_established=self.is_established or (to_go == 0 and self.concludes),
            days_waiting=0.0,
        )


@dataclass(frozen=True)
class Standing:
    """Whether an experiment is live or rests, whether it is due, and why, in words."""

    kind: Kind
    is_due: bool
    urgency: float  # days waited over the longest wait; infinite without any seed
    value: float  # a second, comparable between live experiments
    reason: str

    @property
    def is_wanted(self) -> bool:
        """Whether it gets seeds at all tonight."""
        return self.kind == "live" or self.is_due


@dataclass(frozen=True)
class Grant:
    """One seed of a forecast: when it begins, what it costs, and why it was chosen."""

    name: str
    begins_s: float
    cost_s: float
    reason: str


def read_standing(offer: Offer, budget: Budget) -> Standing:
    """Where an experiment stands before its next seed."""
    kind = _read_kind(offer, budget)
    is_due = _is_due(offer, kind)
    reason = _give_reason(offer, kind, is_due)
    return Standing(kind, is_due, _measure_urgency(offer, kind), measure_value(offer), reason)


def measure_value(offer: Offer) -> float:
    """What one more seed is worth a second of one process: the formula of this module."""
    cost_s = max(offer.cost_s, LEAST_COST_S)
    if not offer.concludes:
        return 1.0 / ((1 + offer.seeds) * cost_s)
    days = LONGEST_WAIT_DAYS if offer.days_waiting is None else offer.days_waiting
    weight = (1.0 + math.log2(1 + offer.reach)) * (1.0 + days / LONGEST_WAIT_DAYS)
    return weight / (_count_to_go(offer) * cost_s)


def choose(offers: Iterable[Offer], left_s: float, budget: Budget) -> Offer | None:
    """Who gets the next seed: of those that fit into ``left_s``, by the rule of this module.

    Ties fall to the fewest seeds, then to the order given. None: nobody fits, or all rest.
    """
    best: tuple[tuple[float, float, int], Offer] | None = None
    for offer in offers:
        kind = _read_kind(offer, budget)
        is_due = _is_due(offer, kind)
        if offer.cost_s > left_s or not (kind == "live" or is_due):
            continue
        urgency = _measure_urgency(offer, kind) if is_due else 0.0
        rank = (-urgency, -measure_value(offer), offer.seeds)
        if best is None or rank < best[0]:
            best = (rank, offer)
    return best[1] if best is not None else None


def allot(offers: Sequence[Offer], budget: Budget) -> list[Grant]:
    """How a night would spend its budget, if every seed takes its expected time.

    No seed begins that would not end within the budget, so the budget is never exceeded;
    a real night exceeds it by what its last seeds take beyond their expected time.
    """
    current = {offer.name: offer for offer in offers}
    free = [0.0] * budget.jobs
    grants: list[Grant] = []
    while len(grants) < MOST_GRANTS:
        begins_s = heapq.heappop(free)
        chosen = choose(current.values(), budget.seconds - begins_s, budget)
        if chosen is None:
            break
        cost_s = max(chosen.cost_s, LEAST_COST_S)
        reason = read_standing(chosen, budget).reason
        grants.append(Grant(chosen.name, begins_s, cost_s, reason))
        current[chosen.name] = chosen.after_seed()
        heapq.heappush(free, begins_s + cost_s)
    return grants


def take_turns(offers: Sequence[Offer], seeds: int, budget: Budget) -> list[Grant]:
    """The forecast when each experiment was asked for so many seeds: in turn, while they fit."""
    free = [0.0] * budget.jobs
    grants: list[Grant] = []
    for offer in [offer for _ in range(seeds) for offer in offers]:
        cost_s = max(offer.cost_s, LEAST_COST_S)
        if free[0] + cost_s <= budget.seconds:
            begins_s = heapq.heappop(free)
            grants.append(Grant(offer.name, begins_s, cost_s, f"{seeds} seeds were asked for"))
            heapq.heappush(free, begins_s + cost_s)
    return grants


def count_grants(grants: Iterable[Grant]) -> Mapping[str, int]:
    """Seeds of each experiment in a forecast."""
    counts: dict[str, int] = {}
    for grant in grants:
        counts[grant.name] = counts.get(grant.name, 0) + 1
    return counts


def name_outcome(offer: Offer, budget: Budget) -> str:
    """The outcome, with what is missing where it is the budget: ``UNDECIDED (budget)``."""
    is_futile = read_standing(offer, budget).kind == "futile"
    return f"{offer.outcome} (budget)" if is_futile else offer.outcome


def _read_kind(offer: Offer, budget: Budget) -> Kind:
    if not offer.concludes:
        return "live"
    if offer.is_invalid:
        return "invalid"
    if offer.is_established:
        return "watch"
    is_open = offer.outcome == "UNDECIDED" and _can_tell(offer)
    if offer.counts_nights and offer.tonight:
        return "counted"
    if is_open and _count_to_go(offer) * offer.cost_s > budget.horizon_s:
        return "futile"
    return "live"


def _find_longest_wait(kind: Kind) -> float:
    return LONGEST_WAIT_DAYS if kind == "live" else REST_DAYS


def _is_due(offer: Offer, kind: Kind) -> bool:
    days = offer.days_waiting
    return days is None or days >= _find_longest_wait(kind) - EARLY_DAYS


def _measure_urgency(offer: Offer, kind: Kind) -> float:
    days = offer.days_waiting
    return math.inf if days is None else days / _find_longest_wait(kind)


def _count_to_go(offer: Offer) -> int:
    if offer.seeds_to_go is not None:
        return max(1, offer.seeds_to_go)
    return BEYOND_COUNTING if _can_tell(offer) else UNKNOWN_TO_GO


def _can_tell(offer: Offer) -> bool:
    """Whether enough seeds have run to foresee the next ones."""
    return offer.seeds - offer.ahead >= FEWEST_FOR_FUTILITY


def _give_reason(offer: Offer, kind: Kind, is_due: bool) -> str:
    if offer.days_waiting is None:
        return "no seed yet"
    waited = f"last seed {_describe_days(offer.days_waiting)}"
    if kind == "live":
        why = _describe_to_go(offer) if offer.concludes else "a profile that never concludes"
        return f"{waited}, {'due; ' if is_due else ''}{why}"
    states = {
        "watch": f"{offer.outcome} is established",
        "invalid": "INVALID, and more seeds do not mend it",
        "counted": "nights differ, so one seed a night is what counts",
        "futile": f"UNDECIDED (budget): {_describe_to_go(offer)}, "
        f"more than {HORIZON_NIGHTS} such nights hold",
    }
    watched = "its monthly seed is due" if is_due else f"watched every {REST_DAYS:.0f} days"
    return f"{states[kind]}; {watched}, {waited}"


def _describe_to_go(offer: Offer) -> str:
    reach = f", reach {offer.reach}" if offer.reach else ""
    count = _count_to_go(offer)
    each = f"of {describe_duration(offer.cost_s)}"
    if offer.seeds_to_go is None:
        known = "more than 1000" if count == BEYOND_COUNTING else "an unknown number of"
        return f"{known} seeds to go {each}{reach}"
    seeds = "seed" if count == 1 else "seeds"
    goal = "" if offer.outcome == "UNDECIDED" else f" until {offer.outcome} is established"
    return f"about {count} {seeds} to go{goal} {each}{reach}"


def _describe_days(days: float) -> str:
    if days < 1:
        return "today"
    whole = int(days)
    return "1 day ago" if whole == 1 else f"{whole} days ago"
