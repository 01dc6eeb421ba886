"""A small model with many samples against a larger one with one answer: gains, and their price.

Decides what is measured of the two sides: accuracy by number of samples, gains by difficulty at
every load, both at the source's number of samples and at the number that pays for the verifier,
the verifier whose labels are flipped, and the small block in a loop. Knows nothing of claims.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retest.lab.attempts import (
    SELECTORS,
    Attempts,
    accept_with_flips,
    find_ceiling,
    list_budgets,
    measure_dice_excess,
    measure_foreign,
    measure_planted_gap,
    measure_within,
)
from retest.lab.compute_exchange import (
    Selection,
    bill_large,
    bill_small,
    cost_sampling,
    find_charged_samples,
    find_samples,
)
from retest.lab.difficulty import average_by_bin, sort_into_bins
from retest.lab.model_bench import Bench, Tested, Trained, attempt, train_best
from retest.lab.tasks.chain_samples import (
    Written,
    measure_accuracy,
    measure_parse_rate,
    show_samples,
    write_greedily,
    write_samples,
)
from retest.lab.tasks.modular_chains import Chains
from retest.lab.verifiers import measure_auroc
from retest.protocol import Samples


def try_small(
    bench: Bench, small: Trained, verifier: Trained, selection: Selection, chains: Chains
) -> tuple[Tested, dict[str, Any], dict[str, float]]:
    """The small model on the test problems: (what others are held against, measures, gates)."""

    most = max(max(list_samples(bench, each["ratio"])) for each in bench.config["larger"].values())
    written, attempts = attempt(bench, small, verifier, chains, most, "test")
    apart_count = bench.config["bin_samples"]
    written_apart, apart = attempt(bench, small, verifier, chains, apart_count, "bins")
    greedy = write_greedily(small.model, bench.task, chains)
    solved = apart.is_right.mean(axis=1)
    bins = sort_into_bins(solved, chains.lengths)
    pooled = measure_auroc(apart.scores.reshape(-1), apart.is_right.reshape(-1))
    within = measure_within(apart)
    outputs = (written, written_apart, greedy)
    measures = {
        "small": {
            **small.measures,
            "greedy": measure_accuracy(bench.task, chains, greedy),
            "once": float(attempts.judge("oracle", 1).mean()),
            "parse_rate": min(measure_parse_rate(each) for each in outputs),
        },
        "verifier": {
            **verifier.measures,
            "auroc": drop_nan(pooled),
            "auroc_within_problems": drop_nan(within),
        },
        "bins": {
            "pass_at_1": average_by_bin(solved, bins),
            "operations": average_by_bin(chains.lengths, bins),
        },
        "by_samples": count_by_samples(bench, attempts),
        "labels_flipped": flip_labels(bench, attempts, solved),
    }
    gates = {
        "verifier_auroc": pooled,
        "verifier_auroc_within": within,
        "small_pass_at_1": float(solved.mean()),
    }
    tested = Tested(chains, written, attempts, bins, small, verifier, selection)
    return tested, measures, gates | check_selection(attempts, bench.seed)


def check_selection(attempts: Attempts, seed: int) -> dict[str, float]:
    """Controls with an answer that is known beforehand."""

    return {
        "planted_verifier_gap": measure_planted_gap(attempts),
        "dice_verifier_excess": measure_dice_excess(attempts, seed),
        "foreign_accuracy": measure_foreign(attempts),
    }


def drop_nan(value: float) -> float | None:
    """None for a number that there is not, as measures are plain JSON."""
    return None if math.isnan(value) else value


def list_samples(bench: Bench, ratio: float) -> list[int]:
    """k at each load for a model ``ratio`` times larger."""

    return [find_samples(ratio, load) for load in bench.config["loads"].values()]


def count_by_samples(bench: Bench, attempts: Attempts) -> dict[str, Any]:
    """Accuracy of each way to choose, over all problems, by the number of samples."""

    beside = [
        k for each in bench.config["larger"].values() for k in list_samples(bench, each["ratio"])
    ]
    return {
        f"k{samples}": {
            selector: float(attempts.judge(selector, samples).mean()) for selector in SELECTORS
        }
        for samples in list_budgets(attempts.answers.shape[1], beside)
    }


def flip_labels(bench: Bench, attempts: Attempts, solved: NDArray[np.float64]) -> dict[str, Any]:
    """A knowing verifier that lets wrong samples pass at a rate, against where it must end.

    The ceiling is that of arXiv:2411.17501, mean of p / (p + e (1 - p)) over problems; p is each
    problem's share of right samples, of all that were drawn and of those drawn apart.
    """

    most = attempts.answers.shape[1]
    address = bench.address("flips")
    return {
        f"percent_{round(100 * rate)}": {
            "accuracy": float(accept_with_flips(attempts, most, rate, address).mean()),
            "ceiling": find_ceiling(attempts.is_right.mean(axis=1), rate),
            "ceiling_apart": find_ceiling(solved, rate),
        }
        for rate in bench.config["flip_rates"]
    }


def compare(
    bench: Bench, larger: Trained, tested: Tested, ratio: float
) -> tuple[dict[str, Any], Written]:
    """A larger model that answers once against k samples, at every load."""

    task, chains = bench.task, tested.chains
    greedy = write_greedily(larger.model, task, chains)
    address = bench.address("samples/larger")
    once = write_samples(larger.model, task, chains, 1, bench.config["temperature"], address)
    is_right = greedy.answers[:, 0] == tested.attempts.gold
    small = tested.small.measures["block_parameters"]
    reached = average_by_bin(is_right, tested.bins)
    loads = {
        name: weigh_load(bench, larger, tested, reached, ratio, load)
        for name, load in bench.config["loads"].items()
    }
    measures = {
        **larger.measures,
        "ratio_of_parameters": larger.measures["block_parameters"] / small,
        "greedy": reached,
        "once": measure_accuracy(task, chains, once),
        "parse_rate": min(measure_parse_rate(each) for each in (greedy, once)),
        "loads": loads,
    }
    return measures, greedy


def weigh_load(
    bench: Bench,
    larger: Trained,
    tested: Tested,
    reached: Mapping[str, float],
    ratio: float,
    load: float,
) -> dict[str, Any]:
    """One load: gains by bin at the source's k, and at the k that pays for the verifier too."""

    work, selection = bench.work, tested.selection
    small, large = tested.small.model.options, larger.model.options
    samples = find_samples(ratio, load)
    charged = find_charged_samples(small, large, work, load, selection)
    against = bill_large(large, work, load)
    bare = bill_small(small, work, load, samples, None)
    full = bill_small(small, work, load, samples, selection)
    apart = cost_sampling(small, work, bench.config["bin_samples"])
    return {
        "load": load,
        "samples": samples,
        "samples_if_all_is_charged": charged,
        "samples_without_verifier": find_charged_samples(small, large, work, load, None),
        "accuracy": average_by_bin(tested.attempts.judge("verifier", samples), tested.bins),
        "gain": find_gains(tested, reached, samples),
        "charged_gain": find_gains(tested, reached, min(max(charged, 1), samples)),
        "operations": {
            "larger": asdict(against),
            "small": asdict(full),
            "small_to_larger": bare.total / against.total,
            "small_with_verifier_to_larger": full.total / against.total,
            "difficulty_to_samples": apart / cost_sampling(small, work, samples),
        },
    }


def find_gains(
    tested: Tested, reached: Mapping[str, float], samples: int
) -> dict[str, dict[str, float]]:
    """Gains over the larger model (``reached``, by bin) for every way to choose among samples."""

    gains = {}
    for selector in SELECTORS:
        means = average_by_bin(tested.attempts.judge(selector, samples), tested.bins)
        gains[selector] = {place: means[place] - reached[place] for place in means}
    return gains


def loop_small(bench: Bench, tested: Tested, ratio: float) -> tuple[dict[str, Any], Samples]:
    """The small block looped, each depth trained afresh, with k / loops samples a problem.

    Inference costs the same at every depth, training does not. The verifier is the one that was
    taught on samples of the block without a loop. k is that of a model ``ratio`` times larger.
    """

    budgets = {name: find_samples(ratio, load) for name, load in bench.config["loads"].items()}
    measures, shown = {}, {}
    for loops in bench.config["loops"]:
        looped = train_best(bench, f"loops/{loops}", bench.config["small"], loops)
        counts = {name: max(1, samples // loops) for name, samples in budgets.items()}
        written, attempts = attempt(
            bench, looped, tested.verifier, tested.chains, max(counts.values()), f"loops/{loops}"
        )
        greedy = write_greedily(looped.model, bench.task, tested.chains)
        measures[f"loops_{loops}"] = {
            **looped.measures,
            "greedy": measure_accuracy(bench.task, tested.chains, greedy),
            "loads": {
                name: {
                    "samples": samples,
                    "operations": cost_sampling(looped.model.options, bench.work, samples),
                    **{
                        selector: float(attempts.judge(selector, samples).mean())
                        for selector in ("verifier", "majority", "oracle")
                    },
                }
                for name, samples in counts.items()
            },
        }
        shown[f"loops_{loops}"] = {"test": show_samples(bench.task, tested.chains, written)}
    return measures, shown
