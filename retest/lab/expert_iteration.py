"""Training on rewards: write, reward the final answer only, and learn from what was rewarded.

Two ways: expert iteration (rounds of sampling, keeping and fitting, arXiv:1705.08439) and group
policy gradients (arXiv:2402.03300). Both count the tokens that sampling cost. What a reward is
comes in as a function of outputs; no step of a chain is ever looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retest.lab.decoding import decode_sampled
from retest.lab.item_seeds import hash_seed, hash_seeds
from retest.lab.likelihoods import mask_written
from retest.lab.losses import grpo_loss, measure_advantages, pick_logs
from retest.lab.model import Transformer
from retest.lab.records import Records
from retest.lab.sampling import Sampling
from retest.lab.training import TrainingOptions, fit, train

Reward = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]
"""Whether outputs [n, k, w] of the prompts with these numbers [n] are rewarded: [n, k]."""


@dataclass(frozen=True)
class Sources:
    """Prompts [n, p] to practise on, and how outputs end and are rewarded."""

    prompts: Tensor
    stop: int
    limit: int
    reward: Reward


@dataclass(frozen=True)
class Rounds:
    """Expert iteration: in each of ``rounds`` a like share of the prompts, ``samples`` each.

    At most ``kept`` different rewarded outputs a prompt are learned.
    """

    rounds: int
    samples: int
    training: TrainingOptions  # of every round
    kept: int = 2
    temperature: float = 1.0


class Practice(NamedTuple):
    """What training on rewards cost, and the share of samples that was rewarded, by round.

    ``sampled_tokens`` are those read (each prompt once) and those written.
    """

    sampled_tokens: int
    trained_tokens: int
    steps: int
    rewarded: list[float]


def iterate_experts(model: Transformer, sources: Sources, how: Rounds, seed: int) -> Practice:
    """Fit the model in place to its own rewarded outputs, round by round."""
    each = len(sources.prompts) // how.rounds
    sampled = trained = steps = 0
    rewarded: list[float] = []
    for number in range(how.rounds):
        items = np.arange(number * each, (number + 1) * each)
        seeds = hash_seeds(f"experts/{number}", seed, items.tolist(), how.samples)
        prompts = sources.prompts[torch.from_numpy(items)]
        outputs = decode_sampled(
            model, prompts, sources.stop, sources.limit, Sampling(how.temperature), seeds
        )
        right = sources.reward(outputs.numpy(), items)
        sampled += int(mask_written(outputs, sources.stop).sum()) + prompts.numel()
        rewarded.append(float(right.mean()))
        records = keep_rewarded(prompts, outputs, right, how.kept, sources.stop)
        if len(records.tokens):
            log = train(model, records, how.training, hash_seed("experts/order", seed, number))
            trained, steps = trained + log.tokens, steps + how.training.steps
    return Practice(sampled, trained, steps, rewarded)


def keep_rewarded(
    prompts: Tensor, outputs: Tensor, right: NDArray[np.bool_], kept: int, stop: int
) -> Records:
    """The first ``kept`` different rewarded outputs of every prompt, as records of one width."""
    rows: list[tuple[int, int]] = []
    for item, (written, marks) in enumerate(zip(outputs.tolist(), right.tolist(), strict=True)):
        found: dict[tuple[int, ...], int] = {}
        for place in range(len(written)):
            if marks[place] and len(found) < kept:
                found.setdefault(tuple(written[place]), place)
        rows += [(item, place) for place in found.values()]
    items = torch.tensor([item for item, _ in rows], dtype=torch.int64)
    places = torch.tensor([place for _, place in rows], dtype=torch.int64)
    chosen = outputs[items, places]
    tokens = torch.cat((prompts[items], chosen), dim=1)
    is_prompt = torch.zeros((len(items), prompts.shape[1]), dtype=torch.bool)
    return Records(tokens, torch.cat((is_prompt, mask_written(chosen, stop).bool()), dim=1))


@dataclass(frozen=True)
class Policy:
    """Group policy gradients: every step samples ``group`` outputs for each of a few prompts."""

    group: int
    training: TrainingOptions  # its batch is a number of prompts
    temperature: float = 1.0


def follow_policy(model: Transformer, sources: Sources, how: Policy, seed: int) -> Practice:
    """Fit the model in place by the surrogate of GRPO, one step for every batch of samples."""
    rewarded: list[float] = []
    sampled = 0

    def score(rows: Tensor) -> Tensor:
        nonlocal sampled
        items = rows.cpu().numpy()
        step = len(rewarded)
        seeds = hash_seeds(f"policy/{step}", seed, items.tolist(), how.group)
        prompts = sources.prompts[rows.cpu()]
        outputs = decode_sampled(
            model, prompts, sources.stop, sources.limit, Sampling(how.temperature), seeds
        ).clone()
        right = torch.from_numpy(sources.reward(outputs.numpy(), items))
        rewarded.append(float(right.double().mean()))
        flat = outputs.flatten(0, 1)
        sampled += int(mask_written(flat, sources.stop).sum()) + prompts.numel()
        return score_group(model, prompts, flat, right.float(), sources.stop)

    fit(model, score, len(sources.prompts), how.training, seed)
    width = sources.prompts.shape[1] + sources.limit
    trained = how.training.steps * how.training.batch * how.group * width
    return Practice(sampled, trained, how.training.steps, rewarded)


def score_group(
    model: Transformer, prompts: Tensor, outputs: Tensor, rewards: Tensor, stop: int
) -> Tensor:
    """The surrogate's loss for outputs [n * k, w] with rewards [n, k]."""
    model.train()
    device = model.device
    repeated = prompts.repeat_interleave(rewards.shape[1], dim=0)
    tokens = torch.cat((repeated, outputs), dim=1).to(device)
    logits = model(tokens[:, :-1], prompts.shape[1] - 1)
    logs = pick_logs(logits, tokens[:, prompts.shape[1] :])
    mask = mask_written(outputs, stop).to(device)
    advantages = measure_advantages(rewards, divides=True).flatten().to(device)
    return grpo_loss(logs, logs.detach(), mask, advantages)
