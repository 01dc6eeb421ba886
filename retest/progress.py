"""A batch in the middle, in numbers: seeds done, seeds expected, time left, interval so far.

Decides how many seeds are expected; knows nothing of terminals.
"""

import math
from collections.abc import Sequence

from retest.batch_plan import BatchPlan, BatchProgress, LaneProgress
from retest.budgeting import Budget, allot, count_grants
from retest.lanes import Lane
from retest.results import StreamResult


def describe_progress(
    lanes: Sequence[Lane], plan: BatchPlan, budget: Budget, left_s: float
) -> BatchProgress:
    """Every experiment's progress; what is to come is what the budget's rule would do."""
    if plan.seeds is not None:
        coming = {lane.name: max(0, plan.seeds - lane.taken) for lane in lanes if not lane.skipped}
        work_s = sum((coming.get(lane.name, 0) + lane.running) * lane.expected_s for lane in lanes)
        left_s = min(left_s, work_s / budget.jobs)
    else:
        ready = [lane.present_offer for lane in lanes if not lane.skipped]
        rest = Budget(max(0.0, left_s), budget.jobs) if math.isfinite(left_s) else budget
        coming = dict(count_grants(allot(ready, rest)))
    return BatchProgress(
        lanes=tuple(_describe_lane(lane, coming.get(lane.name, 0)) for lane in lanes),
        left_s=max(0.0, left_s),
    )


def _describe_lane(lane: Lane, coming: int) -> LaneProgress:
    done = lane.finished + lane.censored + lane.done_before
    return LaneProgress(
        experiment=lane.name,
        done=done,
        running=lane.running,
        wanted=done + lane.running + coming,
        interval=describe_interval(lane.result),
        note=lane.skipped or ("" if lane.canary_ok is not None else "canary"),
    )


def describe_interval(result: StreamResult | None) -> str:
    """Mean and interval of the first estimand that has seeds; empty before the first seed."""
    if result is None:
        return ""
    for state in result.state.estimands:
        if state.mean is not None:
            more = len(result.state.estimands) - 1
            others = f", and {more} more" if more else ""
            return (
                f"{state.name} {state.mean:.3f} [{state.low:.3f}, {state.high:.3f}] "
                f"n {state.n}{others}"
            )
    return ""
