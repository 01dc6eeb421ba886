"""How far one twin stays behind the other: arms once, one twin at every budget, the gap.

Decides how strategies are chosen (on validation problems) and what is then compared (on test
problems). Knows nothing of regions, claims or what a gap means.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from retest.lab.inference_budgets import (
    FAMILIES,
    Budgets,
    Curve,
    Pool,
    Subject,
    draw_pool,
    pick_strategies,
    pick_temperature,
    write_greedily,
)
from retest.lab.post_training import Twin
from retest.lab.selection import NO_ANSWER, choose_majority, find_covered
from retest.lab.tasks.style_checks import (
    describe_styles,
    rate_forced_chain,
    rate_gold,
    rate_planted_majority,
    rate_planted_wrong,
)
from retest.lab.tasks.styles import Stepped, SteppedTask, Tokens, count_written, read_answers
from retest.protocol import SAMPLES_KEPT, Sample

MAJORITY = 8  # samples of an arm that answers by majority
COVERED_AT = 64  # samples


@dataclass(frozen=True)
class Sweep:
    """Budgets as multiples of the other twin's tokens, what may be chosen among, and how."""

    multiples: tuple[int, ...]
    temperatures: tuple[float, ...]
    strategies: tuple[str, ...]
    alpha: float


class Followed(NamedTuple):
    """A twin on test problems: curves by strategy, and what validation chose."""

    curves: dict[str, Curve]
    temperatures: dict[str, float]
    strategies: dict[int, str]  # by budget


def measure_arm(subject: Subject, twin: Twin) -> dict[str, Any]:
    """An arm answering once, and by the majority of a few samples."""
    outputs = write_greedily(subject)
    answers = read_answers(outputs, subject.marks)
    pool = draw_pool(subject, 1.0, MAJORITY)
    return {
        **twin.log,
        "greedy": subject.rate(answers),
        "mean_tokens": float(count_written(outputs, subject.marks.stop).mean()),
        "parse_rate": float((answers != NO_ANSWER).mean()),
        f"majority_{MAJORITY}": subject.rate(choose_majority(pool.answers)),
        "styles": describe_styles(subject, pool),
    }


def follow_twin(test: Subject, validation: Stepped, sweep: Sweep, unit: float) -> Followed:
    """A twin at every multiple of ``unit`` tokens: chosen on validation, measured on test."""
    chooser = replace(test, problems=validation, name=f"{test.name}/validation")
    on_validation: dict[str, Curve] = {}
    on_test: dict[str, Curve] = {}
    temperatures: dict[str, float] = {}
    for follow in FAMILIES:
        budgets = {
            each: Budgets(sweep.multiples, unit, each, sweep.alpha) for each in sweep.temperatures
        }
        tried = {each: follow(chooser, budgets[each]) for each in sweep.temperatures}
        best = pick_temperature(tried, max(sweep.multiples))
        on_validation |= tried[best]
        on_test |= follow(test, budgets[best])
        temperatures |= dict.fromkeys(tried[best], best)
    strategies = pick_strategies(on_validation, sweep.strategies, sweep.multiples)
    return Followed(on_test, temperatures, strategies)


def compare(reached: float, floor: float, followed: Followed) -> dict[str, Any]:
    """Curves and their gaps to ``reached``, by strategy and by budget ("b1", "b2", ...).

    ``gap`` is to the strategy that validation chose at each budget, ``gap_of_last`` to the one
    that it chose at the largest, and ``recovered`` the share of the distance from ``floor``
    (answering once) to ``reached`` that is closed.
    """
    curves = {name: key_budgets(curve.accuracy) for name, curve in followed.curves.items()}
    strategies = key_budgets(followed.strategies)
    gap = {budget: reached - curves[name][budget] for budget, name in strategies.items()}
    distance, last = reached - floor, followed.strategies[max(followed.strategies)]
    return {
        "nr": curves,
        "nr_tokens": {name: key_budgets(curve.tokens) for name, curve in followed.curves.items()},
        "gaps": {
            name: {budget: reached - rate for budget, rate in curve.items()}
            for name, curve in curves.items()
        },
        "gap": gap,
        "gap_of_last": {budget: reached - rate for budget, rate in curves[last].items()},
        "strategies": strategies,
        "temperatures": followed.temperatures,
        "recovered": {
            budget: 1 - left / distance if distance > 0 else 0.0 for budget, left in gap.items()
        },
    }


def key_budgets(by_budget: Mapping[int, Any]) -> dict[str, Any]:
    """Budgets as keys of plain data."""
    return {f"b{budget}": value for budget, value in by_budget.items()}


def measure_gates(rewarded: Subject, other: Subject, arms: Mapping[str, Any]) -> dict[str, float]:
    """What must hold before a gap says anything."""
    problems, marks = other.problems, other.marks
    pool = draw_pool(other, 1.0, COVERED_AT)
    planted = rate_planted_majority(problems, marks, COVERED_AT, other.seed)
    read = [float((pool.answers != NO_ANSWER).mean())]
    return {
        "greedy_gap": arms["R"]["greedy"] - arms["NR"]["greedy"],
        "covered_share": share_covered(rewarded, other, pool),
        "parse_rate": min(read + [arm["parse_rate"] for arm in arms.values()]),
        "full_chain_share": describe_styles(other, pool)["full"]["share"],
        "forced_chain_accuracy": rate_forced_chain(other),
        "gold_accuracy": rate_gold(problems, marks),
        "planted_wrong_accuracy": rate_planted_wrong(problems, marks),
        "planted_majority_accuracy": planted,
    }


def share_covered(rewarded: Subject, other: Subject, pool: Pool) -> float:
    """Of the problems that only ``rewarded`` answers, greedily: share that ``pool`` holds."""
    gold = other.problems.gold
    has, lacks = (
        read_answers(write_greedily(subject), subject.marks) == gold
        for subject in (rewarded, other)
    )
    is_open = has & ~lacks
    return float(find_covered(pool.answers, gold)[is_open].mean()) if is_open.any() else 0.0


def show_samples(task: SteppedTask, subject: Subject) -> dict[str, list[Sample]]:
    """The first few problems, answered greedily and by one sample, as words."""
    first = replace(subject, problems=subject.problems.take(slice(0, SAMPLES_KEPT)))
    written = {
        "greedy": write_greedily(first),
        "sampled": draw_pool(first, 1.0, 1).outputs[:, 0],
    }
    return {way: describe_outputs(task, first, outputs) for way, outputs in written.items()}


def describe_outputs(task: SteppedTask, subject: Subject, outputs: Tokens) -> list[Sample]:
    """Each output [n, w] of the subject's problems as words, with the verifier's word."""
    words, problems = task.vocabulary, subject.problems
    answers, lengths = read_answers(outputs, task.marks), count_written(outputs, task.marks.stop)
    return [
        Sample(
            prompt=" ".join(words.decode(problems.prompts[row].tolist())),
            gold=words.words[int(problems.gold[row])],
            output=" ".join(words.decode(outputs[row, : lengths[row]].tolist())),
            verdict=judge_answer(int(answers[row]), int(problems.gold[row])),
        )
        for row in range(len(problems))
    ]


def judge_answer(answer: int, gold: int) -> str:
    """The verifier's word on one answer."""
    if answer == NO_ANSWER:
        return "wrong: no answer"
    return "right" if answer == gold else "wrong: the answer"
