"""What the evidence so far says about a claim: CONSISTENT, SHIFTED, ATTENUATED, UNDECIDED.

Decides how an estimand's evidence is read against the claim region H and the margin, how
several estimands join (those of the whole claim, and those of each of its readings), and how
many seeds are still to go. An outcome latches: it stays until evidence crosses the opposite
bound. Controls and canaries, which make a stream
INVALID, are read in ``retest.results``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retest.evidence import Array, check_values
from retest.protocol import Estimand, Outcome, Reading
from retest.scales import unscale_value
from retest.statements import Column, Statements, foresee, join, prepare, prepare_scaled, weigh

Strength = Literal["none", "signal", "established"]
FAMILY_ALPHA = 0.10
LARGEST_LOG_E = 690.0  # e-values are given up to about 1e299, so that they stay numbers
WORDS: tuple[Outcome, ...] = ("UNDECIDED", "CONSISTENT", "ATTENUATED", "SHIFTED")
UNDECIDED, CONSISTENT, ATTENUATED, SHIFTED = range(4)


@dataclass(frozen=True)
class EstimandState:
    """One estimand after all seeds so far; e-values are the largest reached.

    ``low`` and ``high`` are the best bounds so far, each at alpha; ``present_low``,
    ``present_high`` and ``present`` are what the e-values after the last seed give alone.
    Where the best bounds exclude each other (``has_moved``: the mean itself moved within
    the stream) the present ones stand in for them.
    """

    name: str
    n: int
    mean: float | None
    low: float
    high: float
    outcome: Outcome
    e_consistent: float
    e_shifted: float
    seeds_to_go: int | None  # 0 once decided; None: not within 1,000, or too few to tell
    present_low: float
    present_high: float
    present: Outcome
    has_moved: bool


@dataclass(frozen=True)
class JointState:
    """Several estimands together; ``outcome`` has latched, ``present`` may have fallen back."""

    outcome: Outcome
    present: Outcome
    e_consistent: float
    e_shifted: float
    e_outside: float
    seeds_to_go: int | None

    def strength(self, alpha: float, live_claims: int) -> Strength:
        """How strong the outcome is: ``signal`` at 1/alpha, ``established`` at K/0.10."""
        by_outcome = {
            "CONSISTENT": self.e_consistent,
            "SHIFTED": self.e_shifted,
            "ATTENUATED": self.e_outside,
        }
        largest = by_outcome.get(self.outcome, 0.0)
        if largest >= max(live_claims, 1) / FAMILY_ALPHA and largest >= 1 / alpha:
            return "established"
        return "signal" if largest >= 1 / alpha else "none"


@dataclass(frozen=True)
class ReadingState(JointState):
    """One reading of the claim: its estimands together."""

    name: str


@dataclass(frozen=True)
class StreamState(JointState):
    """All estimands together, each alone, and each reading of the claim."""

    estimands: tuple[EstimandState, ...]
    readings: tuple[ReadingState, ...] = ()


def read_stream(
    estimands: Sequence[Estimand],
    values: Sequence[Sequence[float] | Array],
    alpha: float,
    readings: Sequence[Reading] = (),
) -> StreamState:
    """The state of a stream: ``values[i]`` are estimand i's per-seed values in seed order.

    Raises:
        SeedRefused: a value is not one finite number within the estimand's bounds.
    """
    columns = [
        prepare(estimand, check_values(column, estimand.bounds, estimand.kind), alpha)
        for estimand, column in zip(estimands, values, strict=True)
    ]
    groups = _list_groups(estimands, readings)
    weighed = _weigh_all(columns, groups)
    latched = [_latch(_read(statements, alpha)) for statements in weighed]
    left: list[int | None] = [0] * len(weighed)
    if "UNDECIDED" in latched:
        left = _foresee_all(columns, groups, latched, alpha)
    of_all = list(zip(weighed, latched, left, strict=True))
    whole, *joint = (_describe_joint(*of, alpha) for of in of_all[: len(groups)])
    return StreamState(
        **whole,
        estimands=tuple(
            _describe(column, *of)
            for column, of in zip(columns, of_all[len(groups) :], strict=True)
        ),
        readings=tuple(
            ReadingState(name=reading.name, **of)
            for reading, of in zip(readings, joint, strict=True)
        ),
    )


def _list_groups(estimands: Sequence[Estimand], readings: Sequence[Reading]) -> list[Sequence[int]]:
    """Positions of the estimands that are read together: all of them, then each reading's."""
    position = {estimand.name: i for i, estimand in enumerate(estimands)}
    members = [[position[name] for name in reading.estimands] for reading in readings]
    return [range(len(estimands)), *members]


def _weigh_all(columns: Sequence[Column], groups: Sequence[Sequence[int]]) -> list[Statements]:
    """The statements of each group, then of each estimand alone."""
    singles = [weigh(column) for column in columns]
    return [*(join([singles[i] for i in group]) for group in groups), *singles]


def _foresee_all(
    columns: Sequence[Column],
    groups: Sequence[Sequence[int]],
    latched: Sequence[Outcome],
    alpha: float,
) -> list[int | None]:
    """Seeds to go of each group, and of each estimand; 0 for what is decided."""
    n = len(columns[0].scaled)
    longer = [
        prepare_scaled(c.estimand, np.concatenate((c.scaled, foresee(c.estimand, c.scaled))), alpha)
        for c in columns
    ]
    return [
        _count_to_go(ahead, n, alpha) if outcome == "UNDECIDED" else 0
        for ahead, outcome in zip(_weigh_all(longer, groups), latched, strict=True)
    ]


def _describe_joint(
    joint: Statements, outcome: Outcome, seeds_to_go: int | None, alpha: float
) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "present": _last(_read_present(joint, alpha)),
        "e_consistent": _last_e(joint.most_inside),
        "e_shifted": _last_e(joint.most_beyond),
        "e_outside": _last_e(joint.most_outside),
        "seeds_to_go": seeds_to_go,
    }


def _describe(
    column: Column, single: Statements, outcome: Outcome, seeds_to_go: int | None
) -> EstimandState:
    estimand, n = column.estimand, len(column.scaled)
    best, present = column.find_bounds()
    shown = best if best.low <= best.high else present
    return EstimandState(
        name=estimand.name,
        n=n,
        mean=unscale_value(estimand, float(np.mean(column.scaled))) if n else None,
        low=shown.low,
        high=shown.high,
        outcome=outcome,
        e_consistent=_last_e(single.most_inside),
        e_shifted=_last_e(single.most_beyond),
        seeds_to_go=seeds_to_go,
        present_low=present.low,
        present_high=present.high,
        present=_last(_read_present(single, column.alpha)),
        has_moved=best.low > best.high,
    )


def _read(statements: Statements, alpha: float) -> NDArray[np.int_]:
    """The outcome after each seed, from the best evidence so far.

    Where "inside" and "outside" have both been reached, the mean has moved (or one of
    them was false), and the present evidence decides between them.
    """
    needed = math.log(1 / alpha)
    outside = np.maximum(statements.most_outside, statements.most_beyond)
    contradicts = (statements.most_inside >= needed) & (outside >= needed)
    best = _name(statements.most_inside, statements.most_outside, statements.most_beyond, alpha)
    if not contradicts.any():
        return best
    return np.where(contradicts, _read_present(statements, alpha), best)


def _read_present(statements: Statements, alpha: float) -> NDArray[np.int_]:
    return _name(statements.inside, statements.outside, statements.beyond, alpha)


def _name(inside: Array, outside: Array, beyond: Array, alpha: float) -> NDArray[np.int_]:
    needed = math.log(1 / alpha)
    codes = np.where(inside >= needed, CONSISTENT, UNDECIDED)
    codes[outside >= needed] = ATTENUATED
    codes[beyond >= needed] = SHIFTED
    return codes


def _latch(codes: NDArray[np.int_]) -> Outcome:
    """The outcome that stands: the last one reached, of which SHIFTED outlasts ATTENUATED."""
    reached = codes[codes != UNDECIDED]
    firm = np.flatnonzero(reached != ATTENUATED)
    if not reached.size:
        return "UNDECIDED"
    last_firm = int(reached[firm[-1]]) if firm.size else UNDECIDED
    return "SHIFTED" if last_firm == SHIFTED else WORDS[int(reached[-1])]


def _last(codes: NDArray[np.int_]) -> Outcome:
    return WORDS[int(codes[-1])] if codes.size else "UNDECIDED"


def _last_e(most: Array) -> float:
    return math.exp(min(float(most[-1]), LARGEST_LOG_E)) if most.size else 0.0


def _count_to_go(ahead: Statements, n: int, alpha: float) -> int | None:
    """Seeds until a decision, if the coming ones are as foreseen."""
    decided = _read(ahead, alpha)[n:] != UNDECIDED
    return int(np.argmax(decided)) + 1 if decided.any() else None
