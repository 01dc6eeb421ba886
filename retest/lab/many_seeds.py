"""Several seeds trained at once: the weights of like models stacked, one product for all.

Decides how stacked models are trained so that each seed gets what it would get alone, up to
rounding: losses, gradient norms and clipping are a seed's own, and so are records and order.
On a GPU, where small models leave most of it idle, this pays; on one CPU core it does not
(docs/lab-notes.md), so that ``train_many`` there trains one after another.
"""

import copy
import time
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from retest.lab.experts import Experts
from retest.lab.model import Transformer
from retest.lab.records import Records
from retest.lab.training import (
    TrainingLog,
    TrainingOptions,
    count_tokens,
    draw_batches,
    open_optimiser,
    schedule_rate,
    score_loss,
    set_rate,
    train,
)


class Scored(nn.Module):
    """A model as a function from a batch to its loss."""

    def __init__(self, model: Transformer, first_output: int, balance: float) -> None:
        super().__init__()
        self.model, self.first_output, self.balance = model, first_output, balance

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """The loss of ``score_loss``."""
        return score_loss(self.model, tokens, targets, self.first_output, self.balance)


def train_many(
    models: Sequence[Transformer],
    records: Sequence[Records],
    options: TrainingOptions,
    seeds: Sequence[int],
) -> list[TrainingLog]:
    """Train model i on records i in the order of seed i, in place: together where that pays."""
    if models[0].device.type == "cuda" and len(models) > 1:
        return train_together(models, records, options, seeds)
    return [
        train(model, each, options, seed)
        for model, each, seed in zip(models, records, seeds, strict=True)
    ]


def train_together(
    models: Sequence[Transformer],
    records: Sequence[Records],
    options: TrainingOptions,
    seeds: Sequence[int],
) -> list[TrainingLog]:
    """Train model i on records i in the order of seed i, in place, all with each step.

    Models have one shape, and records one shape and one first output column. The seconds of a
    log are its share of the time that all took.
    """
    device, first_output = models[0].device, records[0].first_output
    tokens = torch.stack([each.tokens for each in records]).to(device)
    targets = torch.stack([each.find_targets() for each in records]).to(device)
    scored = open_scored(models[0], first_output, options)
    weights = {f"model.{name}": each for name, each in stack_module_state(list(models))[0].items()}
    losses = torch.empty(options.steps, len(models), device=device)
    optimiser = open_optimiser(weights.items(), options)
    orders = zip(*(draw_batches(tokens.shape[1], options, seed) for seed in seeds), strict=True)
    numbers = torch.arange(len(models), device=device)[:, None]

    def score(weights: Mapping[str, Tensor], tokens: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=options.is_mixed):
            loss: Tensor = functional_call(scored, dict(weights), (tokens, targets))
        return loss

    began = time.perf_counter()
    for step, order in enumerate(orders):
        rows = torch.stack(order).to(device)
        each = vmap(score)(weights, tokens[numbers, rows], targets[numbers, rows])
        optimiser.zero_grad(set_to_none=True)
        each.sum().backward()  # type: ignore[no-untyped-call]
        clip_each(weights.values(), options.clip_norm)
        set_rate(optimiser, schedule_rate(step, options))
        optimiser.step()
        losses[step] = each.detach()
    curves = losses.T.tolist()  # also waits for the device
    hand_back(models, weights)
    share = (time.perf_counter() - began) / len(models)
    return [TrainingLog(tuple(curve), count_tokens(records[0], options), share) for curve in curves]


def open_scored(model: Transformer, first_output: int, options: TrainingOptions) -> Scored:
    """A copy of a model into which stacked weights are put, with experts of a fixed shape."""
    scored = Scored(copy.deepcopy(model), first_output, options.balance)
    for part in scored.modules():
        if isinstance(part, Experts):
            part.computes_all = True
    return scored


def clip_each(weights: Iterable[Tensor], clip_norm: float) -> None:
    """Scale the stacked gradients [seeds, ...] so that no seed's norm is above ``clip_norm``."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients]).norm(dim=0)
    scales = (clip_norm / (norms + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(scales.view(-1, *[1] * (gradient.dim() - 1)))


@torch.no_grad()
def hand_back(models: Sequence[Transformer], weights: Mapping[str, Tensor]) -> None:
    """Write each seed's trained weights into its own model."""
    for number, model in enumerate(models):
        for name, weight in model.named_parameters():
            weight.copy_(weights[f"model.{name}"][number])
