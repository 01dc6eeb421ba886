"""Economic dispatch on three buses in a triangle of equal lines (direct-current flow).

A problem is, for each bus, demand, least and greatest output and cost of its generator, then
the limits of lines 1-2, 1-3, 2-3, all in whole MW: 15 numbers. An answer is the three
outputs. With equal reactances, line i-j carries (I_i - I_j) / 3, where I is output minus
demand. Families: bounds, lines, balance; each within 1 MW or 1 %, whichever is more.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from retest.lab.item_seeds import open_stream
from retest.lab.tasks.constraints import Instances, Numbers, Verdicts, find_nearest

NAME = "dispatch"
LARGEST = 99
LINES = ((0, 1), (0, 2), (1, 2))
BLOCK = 4096
TOLERANCE_MW, TOLERANCE_SHARE = 1.0, 0.01
NO_LIMIT_MW = 999
DEMAND_MW, LEAST_MW, SPAN_MW, COST, LIMIT_MW = (10, 41), (0, 11), (15, 61), (1, 51), (1, 11)


def split_problem(problems: Numbers) -> tuple[Numbers, Numbers, Numbers, Numbers, Numbers]:
    """Demands, least outputs, greatest outputs, costs and line limits: [n, 3] each."""
    buses = problems[:, :12].reshape(-1, 3, 4)
    return buses[:, :, 0], buses[:, :, 1], buses[:, :, 2], buses[:, :, 3], problems[:, 12:]


def draw_instances(seed: int, purpose: str, count: int) -> Instances:
    """Feasible instances of the seed's stream for this purpose, with their cheapest answers."""
    problems: list[Numbers] = []
    answers: list[Numbers] = []
    block = 0
    while sum(map(len, problems)) < count:
        drawn = draw_problems(open_stream(f"dispatch/{purpose}", seed, block))
        best = find_cheapest(drawn)
        feasible = np.flatnonzero(best[:, 0] >= 0)
        problems.append(drawn[feasible])
        answers.append(best[feasible])
        block += 1
    return Instances(np.concatenate(problems), np.concatenate(answers)).first(count)


def draw_problems(stream: np.random.Generator) -> Numbers:
    """One block of problems, feasible or not; the three costs of a problem differ."""
    demand = stream.integers(*DEMAND_MW, size=(BLOCK, 3))
    least = stream.integers(*LEAST_MW, size=(BLOCK, 3))
    greatest = least + stream.integers(*SPAN_MW, size=(BLOCK, 3))
    choices = np.broadcast_to(np.arange(*COST), (BLOCK, COST[1] - COST[0]))
    cost = stream.permuted(choices, axis=1)[:, :3]
    limits = stream.integers(*LIMIT_MW, size=(BLOCK, 3))
    buses = np.stack((demand, least, greatest, cost), axis=2).reshape(BLOCK, 12)
    return np.concatenate((buses, limits), axis=1)


def find_cheapest(problems: Numbers) -> Numbers:
    """Exact cheapest whole-MW outputs [n, 3]; a row of -1 where there are none.

    For each first output the second lies in an interval (the third closes the balance), and
    cost is linear along it, so one end of the interval is the cheapest.
    """
    demand, least, greatest, cost, _ = (part[:, :, None] for part in split_problem(problems))
    first = np.arange(LARGEST + 1)[None, :]
    low, high = bound_second_output(problems, first)
    second = np.where(cost[:, 1] < cost[:, 2], high, low)
    third = demand.sum(axis=1) - first - second
    price = cost[:, 0] * first + cost[:, 1] * second + cost[:, 2] * third
    is_possible = (low <= high) & (first >= least[:, 0]) & (first <= greatest[:, 0])
    best = np.where(is_possible, price, np.iinfo(np.int64).max).argmin(axis=1, keepdims=True)
    parts = [np.take_along_axis(part, best, axis=1) for part in (second, third)]
    found = np.concatenate((best, *parts), axis=1)
    has_answer = np.logical_or.reduce(is_possible, axis=1, keepdims=True)
    return np.where(has_answer, found, -1)


def bound_second_output(problems: Numbers, first: Numbers) -> tuple[Numbers, Numbers]:
    """Least and greatest second output that every other constraint allows: [n, firsts] each."""
    demand, least, greatest, _, limits = (part[:, :, None] for part in split_problem(problems))
    total = demand.sum(axis=1)
    swing = 3 * limits  # |I_i - I_j| may be three times the limit of line i-j
    centre_12 = first - demand[:, 0] + demand[:, 1]
    centre_13 = demand[:, 0] - demand[:, 2] + total - 2 * first
    centre_23 = demand[:, 1] - demand[:, 2] + total - first  # of twice the second output
    lows = (
        least[:, 1] + 0 * first,
        total - first - greatest[:, 2],
        centre_12 - swing[:, 0],
        centre_13 - swing[:, 1],
        -((swing[:, 2] - centre_23) // 2),
    )
    highs = (
        greatest[:, 1] + 0 * first,
        total - first - least[:, 2],
        centre_12 + swing[:, 0],
        centre_13 + swing[:, 1],
        (centre_23 + swing[:, 2]) // 2,
    )
    return np.maximum.reduce(lows), np.minimum.reduce(highs)


def check(problems: Numbers, answers: Numbers) -> Verdicts:
    """Which constraints the outputs meet, within the tolerance."""
    demand, least, greatest, _, limits = split_problem(problems)
    is_readable = (answers >= 0).all(axis=1, keepdims=True)
    injected = answers - demand
    flows = np.stack([(injected[:, i] - injected[:, j]) / 3 for i, j in LINES], axis=1)
    surplus = injected.sum(axis=1, keepdims=True)
    met = {
        "bounds": (answers >= least - slack(least)) & (answers <= greatest + slack(greatest)),
        "lines": np.abs(flows) <= limits + slack(limits),
        "balance": np.abs(surplus) <= slack(demand.sum(axis=1, keepdims=True)),
    }
    return {family: is_met & is_readable for family, is_met in met.items()}


def slack(limits: Numbers) -> NDArray[np.float64]:
    """The tolerance around a limit, in MW."""
    allowed: NDArray[np.float64] = np.maximum(TOLERANCE_MW, TOLERANCE_SHARE * limits)
    return allowed


def solve(problem: NDArray[np.int64]) -> NDArray[np.int64]:
    """The cheapest whole-MW outputs by scipy's HiGHS, with bus angles as variables."""
    from scipy.optimize import linprog

    demand, least, greatest, cost, limits = (part[0] for part in split_problem(problem[None]))
    # Variables: three outputs, then the angles of buses 2 and 3 (bus 1 is the reference).
    lines = np.array([[0, 0, 0, -1, 0], [0, 0, 0, 0, -1], [0, 0, 0, 1, -1]], dtype=float)
    balance = np.concatenate((np.eye(3), np.zeros((3, 2))), axis=1)
    for row, (i, j) in enumerate(LINES):
        balance[i] -= lines[row]
        balance[j] += lines[row]
    result = linprog(
        np.concatenate((cost, [0, 0])),
        A_ub=np.concatenate((lines, -lines)),
        b_ub=np.concatenate((limits, limits)),
        A_eq=balance,
        b_eq=demand,
        bounds=[*zip(least, greatest, strict=True), (None, None), (None, None)],
        integrality=[1, 1, 1, 0, 0],
    )
    outputs: NDArray[np.float64] = result.x[:3]
    return np.rint(outputs).astype(np.int64)


def corrupt(answers: Numbers) -> Numbers:
    """Each answer with 20 MW too much from the first generator."""
    faulty = answers.copy()
    faulty[:, 0] += 20
    return faulty


def guess(problems: Numbers, training: Instances, seed: int) -> Mapping[str, Numbers]:
    """Mid-point of the bounds, the mean training answer, the nearest problem's, a random one."""
    _, least, greatest, _, _ = split_problem(problems)
    stream = open_stream("dispatch/guess", seed)
    mean = np.rint(training.answers.mean(axis=0)).astype(np.int64)
    return {
        "N0": (least + greatest) // 2,
        "N1": np.broadcast_to(mean, least.shape),
        "N2": find_nearest(problems, training),
        "N3": stream.integers(least, greatest + 1),
    }


def share_binding(problems: Numbers) -> float:
    """Share of problems whose line limits make the cheapest answer dearer than without them."""
    unlimited = problems.copy()
    unlimited[:, 12:] = NO_LIMIT_MW
    cost = split_problem(problems)[3]
    dearer = (cost * find_cheapest(problems)).sum(1) > (cost * find_cheapest(unlimited)).sum(1)
    return float(dearer.mean())
