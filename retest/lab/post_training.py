"""Twins: one base, taught by rewards, by more of the same text, or by chains written for it.

Decides how each arm is made from the base, and that arms cost alike: the twin that goes on with
the base's own mixture reads as many tokens as the rewarded one, and is also given, as further
steps, what the other spent on sampling (a sampled token counts as a third of a trained one: two
of six operations a parameter). Knows nothing of how arms are then compared.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from retest.lab.decoding import decode_sampled
from retest.lab.expert_iteration import (
    Policy,
    Practice,
    Rounds,
    Sources,
    follow_policy,
    iterate_experts,
)
from retest.lab.item_seeds import hash_seed, hash_seeds, open_stream
from retest.lab.model import ModelOptions, Transformer, build_model, count_parameters
from retest.lab.sampling import Sampling
from retest.lab.selection import choose_majority
from retest.lab.tasks.styles import (
    Mixture,
    Stepped,
    SteppedTask,
    count_widest,
    read_answers,
    write_mixture,
)
from retest.lab.training import TrainingLog, TrainingOptions, train

SAMPLED_WEIGHT = 1 / 3  # of a trained token
JUDGED_SAMPLES = 8  # a prompt, to choose among learning rates


@dataclass(frozen=True)
class Recipe:
    """How a base and its twins are trained.

    The base first reads full chains alone (``warm``), then the mixture; only the mixture says
    how often it uses a style. ``rates`` are learning rates tried after it, for every arm alike.
    """

    model: Mapping[str, Any]
    mixture: Mixture
    warm: TrainingOptions
    pretraining: TrainingOptions
    rounds: Rounds
    practice_prompts: int
    rates: tuple[float, ...]
    policy: Policy | None = None


class Sets(NamedTuple):
    """Problems that no training shows: for choosing, and for the result."""

    validation: Stepped
    test: Stepped


class Twin(NamedTuple):
    """A trained arm, what its training cost (in trained tokens), and plain data about it."""

    model: Transformer
    cost: float
    log: dict[str, Any]


@dataclass(frozen=True)
class Nursery:
    """Where twins are trained: a task, its sets, a recipe, and the address of random numbers."""

    task: SteppedTask
    sets: Sets
    recipe: Recipe
    name: str
    seed: int

    def number(self, purpose: str) -> int:
        """A seed for one purpose."""
        return hash_seed(f"{self.name}/{purpose}", self.seed, 0)

    def write(self, purpose: str, mixture: Mixture, count: int) -> Any:
        """Records of fresh problems in a mixture of styles."""
        problems = self.task.draw(purpose, self.seed, count, self.sets)
        stream = open_stream(f"{self.name}/styles of {purpose}", self.seed)
        return write_mixture(problems, mixture, self.task.marks, stream)

    @property
    def width(self) -> int:
        """Tokens of a record."""
        return self.task.prompt_tokens + count_widest(self.task.longest)


def draw_sets(task: SteppedTask, seed: int, validation: int, test: int) -> Sets:
    """Validation and test problems; none is in both."""
    tests = task.draw("test", seed, test)
    return Sets(task.draw("validation", seed, validation, [tests]), tests)


def raise_base(nursery: Nursery, device: torch.device) -> Twin:
    """The base: full chains for a start, then the mixture."""
    recipe, task = nursery.recipe, nursery.task
    options = ModelOptions(
        vocabulary=len(task.vocabulary),
        context=task.prompt_tokens + 2 * count_widest(task.longest),
        **recipe.model,
    )
    model = build_model(options, nursery.number("weights"), device)
    only_full = Mixture(0.0, 0.0, 1.0, recipe.mixture.corrected)
    logs = [
        train_on(nursery, model, "warm-up", only_full, recipe.warm),
        train_on(nursery, model, "pretraining", recipe.mixture, recipe.pretraining),
    ]
    cost = float(sum(log.tokens for log in logs))
    return Twin(model, cost, {"parameters": count_parameters(model), **logs[-1].summarise()})


def train_on(
    nursery: Nursery,
    model: Transformer,
    purpose: str,
    mixture: Mixture,
    how: TrainingOptions,
) -> TrainingLog:
    """Fit the model in place to fresh records of a mixture, each seen once."""
    records = nursery.write(purpose, mixture, how.steps * how.batch)
    return train(model, records, how, nursery.number(f"order of {purpose}"))


def open_sources(nursery: Nursery) -> Sources:
    """Prompts to practise on; a reward is a right final answer, whatever stands before it."""
    task = nursery.task
    problems = task.draw("practice", nursery.seed, nursery.recipe.practice_prompts, nursery.sets)

    def reward(outputs: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.bool_]:
        right: NDArray[np.bool_] = (
            read_answers(outputs, task.marks) == problems.gold[items][:, None]
        )
        return right

    prompts = torch.from_numpy(problems.prompts)
    return Sources(prompts, task.marks.stop, count_widest(task.longest), reward)


def reward_base(nursery: Nursery, base: Transformer, rate: float) -> Twin:
    """R: the base after expert iteration."""
    how = nursery.recipe.rounds
    how = replace(how, training=replace(how.training, learning_rate=rate))
    model = copy.deepcopy(base)
    practice = iterate_experts(model, open_sources(nursery), how, nursery.number("experts"))
    return note_practice(nursery, model, practice, rate)


def reward_by_policy(nursery: Nursery, base: Transformer, rate: float) -> Twin:
    """R by group policy gradients instead."""
    how = nursery.recipe.policy
    if how is None:
        raise ValueError("the recipe says nothing of a policy")
    how = replace(how, training=replace(how.training, learning_rate=rate))
    model = copy.deepcopy(base)
    practice = follow_policy(model, open_sources(nursery), how, nursery.number("policy"))
    return note_practice(nursery, model, practice, rate)


def note_practice(nursery: Nursery, model: Transformer, practice: Practice, rate: float) -> Twin:
    """A rewarded arm with its cost: trained tokens, and a third for each read or sampled one."""
    cost = practice.trained_tokens + SAMPLED_WEIGHT * practice.sampled_tokens
    return Twin(model, cost, {"learning_rate": rate, "cost": cost, **practice._asdict()})


def go_on(nursery: Nursery, base: Transformer, rate: float, cost: float, full: bool) -> Twin:
    """NR (or R by distillation): the base after ``cost`` tokens more of the mixture (of chains).

    As many whole steps as the cost pays for, rounded up: never fewer than the rewarded twin's.
    """
    how, recipe = nursery.recipe.rounds.training, nursery.recipe
    steps = math.ceil(cost / (how.batch * nursery.width))
    how = replace(how, steps=steps, learning_rate=rate)
    mixture = Mixture(0.0, 0.0, 1.0) if full else recipe.mixture
    model = copy.deepcopy(base)
    log = train_on(nursery, model, "chains" if full else "further text", mixture, how)
    facts = {"learning_rate": rate, "cost": log.tokens, **log.summarise()}
    return Twin(model, float(log.tokens), facts)


def try_rates(nursery: Nursery, rates: Sequence[float], make: Callable[[float], Twin]) -> Twin:
    """The twin of the learning rate whose majority of samples is best on validation."""
    twins = [make(rate) for rate in rates]
    if len(twins) == 1:
        return twins[0]
    return max(twins, key=lambda twin: judge(nursery, twin.model))


def judge(nursery: Nursery, model: Transformer) -> float:
    """Accuracy of the majority of a few samples on validation problems."""
    problems, marks = nursery.sets.validation, nursery.task.marks
    seeds = hash_seeds(f"{nursery.name}/judge", nursery.seed, range(len(problems)), JUDGED_SAMPLES)
    limit = count_widest(nursery.task.longest)
    outputs = decode_sampled(
        model, torch.from_numpy(problems.prompts), marks.stop, limit, Sampling(), seeds
    )
    answers = choose_majority(read_answers(outputs, marks))
    return float((answers == problems.gold).mean())


def train_twins(nursery: Nursery, device: torch.device, arms: Sequence[str]) -> dict[str, Twin]:
    """The base and the named arms: R, NR, and where named R_distill and R_grpo."""
    base, rates = raise_base(nursery, device), nursery.recipe.rates
    rewarded = try_rates(nursery, rates, lambda rate: reward_base(nursery, base.model, rate))
    twins = {"base": base, "R": rewarded}
    makers: dict[str, Callable[[float], Twin]] = {
        "NR": lambda rate: go_on(nursery, base.model, rate, rewarded.cost, full=False),
        "R_distill": lambda rate: go_on(nursery, base.model, rate, rewarded.cost, full=True),
        "R_grpo": lambda rate: reward_by_policy(nursery, base.model, rate),
    }
    for arm in arms:
        if arm in makers:
            twins[arm] = try_rates(nursery, rates, makers[arm])
    return twins
