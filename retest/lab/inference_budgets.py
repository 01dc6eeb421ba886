"""What a model reaches within a budget of generated tokens, by strategy.

Decides how each strategy spends a budget and which answer it then gives. Strategies see the
model's own outputs only; ``coverage`` sees the right answers and is a bound, not a strategy. A
budget is a mean over prompts: every prompt gets as many samples (or steps) as it pays for at the
mean cost of one, and at least one. Knows nothing of arms and of how strategies are compared.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from retest.lab.decoding import decode_greedy, decode_sampled
from retest.lab.item_seeds import hash_seeds
from retest.lab.likelihoods import measure_outputs
from retest.lab.model import Transformer
from retest.lab.power_sampling import Walk, sample_power
from retest.lab.revision import Signs, revise
from retest.lab.sampling import Sampling
from retest.lab.selection import choose_best, choose_majority, estimate_pass_at_k
from retest.lab.tasks.styles import (
    Marks,
    Stepped,
    count_widest,
    count_written,
    read_answers,
)

Tokens = NDArray[np.int64]
STRATEGIES = ("greedy", "majority", "self_certainty", "revision", "power", "power_majority")
ORACLE = "coverage"
PROBE_SAMPLES = 8  # a prompt, to learn what a sample costs
REVISIONS = 2  # of every attempt
BURNT_SHARE = 0.25  # of a walk's steps that do not vote


@dataclass(frozen=True)
class Subject:
    """A model at its task's problems; ``name`` is the address of its random numbers."""

    model: Transformer
    marks: Marks
    problems: Stepped
    name: str
    seed: int

    @property
    def prompts(self) -> torch.Tensor:
        """The problems' prompts."""
        return torch.from_numpy(self.problems.prompts)

    @property
    def limit(self) -> int:
        """Tokens that an output may have."""
        return count_widest(self.problems.states.shape[1])

    def rate(self, answers: Tokens) -> float:
        """Share of the problems [n] that are answered right."""
        return float((answers == self.problems.gold).mean())


class Curve(NamedTuple):
    """Accuracy, and mean generated tokens a prompt, at each budget."""

    accuracy: dict[int, float]
    tokens: dict[int, float]


class Pool(NamedTuple):
    """Independent samples of every prompt: outputs [n, k, w], their answers and costs [n, k]."""

    outputs: Tokens
    answers: Tokens
    tokens: Tokens


@dataclass(frozen=True)
class Budgets:
    """Budgets as multiples of ``unit`` tokens a prompt, and the temperature of samples."""

    multiples: tuple[int, ...]
    unit: float
    temperature: float = 1.0
    alpha: float = 4.0

    @property
    def largest(self) -> int:
        """The largest multiple."""
        return max(self.multiples)

    def count(self, multiple: int, cost: float) -> int:
        """How many things of this mean cost a multiple pays for; at least one."""
        return max(1, int(multiple * self.unit / cost))


def write_greedily(subject: Subject) -> Tokens:
    """The most probable outputs [n, w]."""
    output = decode_greedy(subject.model, subject.prompts, subject.marks.stop, subject.limit)
    return output.numpy()


def draw_pool(subject: Subject, temperature: float, samples: int) -> Pool:
    """Independent samples; the first ones do not depend on how many there are."""
    name = f"{subject.name}/pool {temperature}"
    seeds = hash_seeds(name, subject.seed, range(len(subject.problems)), samples)
    outputs = decode_sampled(
        subject.model,
        subject.prompts,
        subject.marks.stop,
        subject.limit,
        Sampling(temperature),
        seeds,
    ).numpy()
    return Pool(
        outputs, read_answers(outputs, subject.marks), count_written(outputs, subject.marks.stop)
    )


def probe_cost(subject: Subject, temperature: float) -> float:
    """Mean tokens of a sample."""
    return float(draw_pool(subject, temperature, PROBE_SAMPLES).tokens.mean())


def follow_pool(subject: Subject, pool: Pool, budgets: Budgets, cost: float) -> dict[str, Curve]:
    """Majority, the most self-certain sample, and the oracle's coverage, of the same samples."""
    certainty = measure_certainty(subject, pool)
    right = (pool.answers == subject.problems.gold[:, None]).sum(axis=1)
    curves = {name: Curve({}, {}) for name in ("majority", "self_certainty", ORACLE)}
    for multiple in budgets.multiples:
        k = min(budgets.count(multiple, cost), pool.answers.shape[1])
        answers = pool.answers[:, :k]
        covered = estimate_pass_at_k(right, pool.answers.shape[1], k)
        rates = {
            "majority": subject.rate(choose_majority(answers)),
            "self_certainty": subject.rate(choose_best(answers, certainty[:, :k])),
            ORACLE: float(covered.mean()),
        }
        for name, rate in rates.items():
            curves[name].accuracy[multiple] = rate
            curves[name].tokens[multiple] = float(pool.tokens[:, :k].sum(axis=1).mean())
    return curves


def measure_certainty(subject: Subject, pool: Pool) -> NDArray[np.float64]:
    """Self-certainty of every sample [n, k]; samples that are alike are read once."""
    rows, samples, width = pool.outputs.shape
    items = np.repeat(np.arange(rows), samples)[:, None]
    every = np.concatenate((items, pool.outputs.reshape(-1, width)), axis=1)
    unique, places = np.unique(every, axis=0, return_inverse=True)
    logs = measure_outputs(
        subject.model,
        subject.prompts[torch.from_numpy(unique[:, 0])],
        torch.from_numpy(unique[:, 1:]),
        subject.marks.stop,
    )
    certainty: NDArray[np.float64] = logs.certainty.double().numpy()[places.reshape(-1)]
    return certainty.clip(min=0.0).reshape(rows, samples)


def follow_revisions(subject: Subject, pool: Pool, budgets: Budgets, cost: float) -> Curve:
    """Attempts that are each revised in turn; the answer is the majority of the last versions.

    A budget that does not pay for all revisions of one attempt goes into as many as it pays.
    """
    marks = subject.marks
    signs = Signs(marks.answer, marks.fix, marks.stop)
    chains = min(budgets.count(budgets.largest, cost), pool.answers.shape[1])
    prompts = subject.prompts.repeat_interleave(chains, dim=0)
    attempts = pool.outputs[:, :chains].reshape(len(prompts), -1)
    versions, spent = [pool.answers[:, :chains]], [pool.tokens[:, :chains]]
    for number in range(REVISIONS):
        name = f"{subject.name}/revision {number} at {budgets.temperature}"
        seeds = hash_seeds(name, subject.seed, range(len(subject.problems)), chains)
        revised = revise(
            subject.model, prompts, attempts, signs, Sampling(budgets.temperature),
            seeds.reshape(-1),
        )  # fmt: skip
        attempts = revised.attempts
        versions.append(read_answers(attempts, marks).reshape(-1, chains))
        spent.append(spent[-1] + revised.tokens.reshape(-1, chains))
    return spend_on_revisions(subject, versions, spent, budgets)


def spend_on_revisions(
    subject: Subject, versions: list[Tokens], spent: list[Tokens], budgets: Budgets
) -> Curve:
    """What versions of attempts, and their tokens so far (each [n, chains]), give by budget."""
    curve = Curve({}, {})
    costs = [float(tokens.mean()) for tokens in spent]
    for multiple in budgets.multiples:
        paid = [number for number, cost in enumerate(costs) if cost <= multiple * budgets.unit]
        number = max(paid, default=0)
        k = min(budgets.count(multiple, costs[number]), versions[0].shape[1])
        curve.accuracy[multiple] = subject.rate(choose_majority(versions[number][:, :k]))
        curve.tokens[multiple] = float(spent[number][:, :k].sum(axis=1).mean())
    return curve


def follow_walk(subject: Subject, budgets: Budgets) -> dict[str, Curve]:
    """Power sampling: the walk's last output, and the answer that it visited most."""
    walk = Walk(budgets.alpha, budgets.temperature, budgets.largest * budgets.unit)
    name = f"{subject.name}/walk {budgets.temperature}"
    trace = sample_power(
        subject.model, subject.prompts, subject.marks.stop, subject.limit, walk,
        (name, subject.seed),
    )  # fmt: skip
    answers = read_answers(trace.outputs, subject.marks).T
    curves = {name: Curve({}, {}) for name in ("power", "power_majority")}
    for multiple in budgets.multiples:
        within = int((trace.tokens <= multiple * budgets.unit).sum())
        steps = max(1, within)
        voting = answers[:, int(BURNT_SHARE * steps) : steps]
        rates = {
            "power": subject.rate(answers[:, steps - 1]),
            "power_majority": subject.rate(choose_majority(voting)),
        }
        for name, rate in rates.items():
            curves[name].accuracy[multiple] = rate
            curves[name].tokens[multiple] = float(trace.tokens[steps - 1])
    return curves


def follow_samples(subject: Subject, budgets: Budgets) -> dict[str, Curve]:
    """What is made of independent samples: the pool's strategies, revisions, and the oracle."""
    cost = probe_cost(subject, budgets.temperature)
    pool = draw_pool(subject, budgets.temperature, budgets.count(budgets.largest, cost))
    return {
        **follow_pool(subject, pool, budgets, cost),
        "revision": follow_revisions(subject, pool, budgets, cost),
    }


def follow_greedy(subject: Subject, budgets: Budgets) -> dict[str, Curve]:
    """Answering once, which no budget changes."""
    outputs = write_greedily(subject)
    rate = subject.rate(read_answers(outputs, subject.marks))
    tokens = float(count_written(outputs, subject.marks.stop).mean())
    multiples = budgets.multiples
    return {"greedy": Curve(dict.fromkeys(multiples, rate), dict.fromkeys(multiples, tokens))}


FAMILIES: tuple[Callable[[Subject, Budgets], dict[str, Curve]], ...] = (
    follow_greedy,
    follow_samples,
    follow_walk,
)
"""Ways to spend that share what is generated, and so a temperature."""


def pick_temperature(tried: Mapping[float, Mapping[str, Curve]], largest: int) -> float:
    """The temperature whose best strategy reaches most at the largest budget; ties: the first.

    The oracle has no say.
    """

    def reach(temperature: float) -> float:
        curves = tried[temperature]
        return max(curve.accuracy[largest] for name, curve in curves.items() if name != ORACLE)

    return max(tried, key=reach)


def pick_strategies(
    curves: Mapping[str, Curve], names: Sequence[str], multiples: Sequence[int]
) -> dict[int, str]:
    """The best of the named strategies at every budget; ties go to the first named."""
    return {
        multiple: max(names, key=lambda name: curves[name].accuracy[multiple])
        for multiple in multiples
    }
