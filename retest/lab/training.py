"""The one training loop: AdamW, warm-up and cosine, loss on output tokens only.

Decides how a model is fitted to records, in an order drawn from the seed. Knows nothing of
tasks or of what is measured afterwards.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from retest.lab.model import Transformer
from retest.lab.records import NOT_SCORED, Records


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; ``learning_rate`` is the peak, shares are of ``steps``."""

    steps: int
    batch: int = 256
    learning_rate: float = 2e-3
    warmup_share: float = 0.05
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    betas: tuple[float, float] = (0.9, 0.98)


@dataclass(frozen=True)
class TrainingLog:
    """What a training cost and where its loss went (nats an output token, one a step)."""

    losses: tuple[float, ...]
    tokens: int
    seconds: float

    def summarise(self) -> dict[str, float | int]:
        """The log as plain data for a seed's measures."""
        last = self.losses[-20:]
        return {
            "steps": len(self.losses),
            "tokens": self.tokens,
            "train_seconds": round(self.seconds, 2),
            "final_loss": sum(last) / len(last),
        }


def schedule_rate(step: int, options: TrainingOptions) -> float:
    """Learning rate at a step: linear warm-up, then a cosine to zero at the end."""
    warmup = max(1, round(options.warmup_share * options.steps))
    if step < warmup:
        return options.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, options.steps - warmup)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def draw_batches(rows: int, options: TrainingOptions, seed: int) -> Iterator[Tensor]:
    """Row numbers of every batch: shuffled passes over the records, drawn from the seed."""
    generator = torch.Generator().manual_seed(seed)
    pending = torch.empty(0, dtype=torch.int64)
    for _ in range(options.steps):
        while len(pending) < options.batch:
            pending = torch.cat((pending, torch.randperm(rows, generator=generator)))
        yield pending[: options.batch]
        pending = pending[options.batch :]


def score_loss(model: Transformer, tokens: Tensor, targets: Tensor, first_output: int) -> Tensor:
    """Mean cross-entropy over the output tokens of a batch, in nats."""
    logits = model(tokens[:, :-1], logits_from=first_output - 1)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=NOT_SCORED)


def train(model: Transformer, records: Records, options: TrainingOptions, seed: int) -> TrainingLog:
    """Fit the model to the records, in place, on the device where the model lies."""
    device = model.embedding.weight.device
    records = records.to(device)
    targets, first_output = records.find_targets(), records.first_output
    weights = list(model.parameters())
    optimiser = torch.optim.AdamW(
        weights, lr=0.0, betas=options.betas, weight_decay=options.weight_decay, fused=True
    )
    losses = torch.empty(options.steps, device=device)
    model.train()
    began = time.perf_counter()
    for step, chosen in enumerate(draw_batches(len(records.tokens), options, seed)):
        rows = chosen.to(device)
        loss = score_loss(model, records.tokens[rows], targets[rows], first_output)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, options.clip_norm)
        optimiser.param_groups[0]["lr"] = schedule_rate(step, options)
        optimiser.step()
        losses[step] = loss.detach()
    curve = tuple(losses.tolist())  # also waits for the device
    tokens = options.steps * options.batch * records.tokens.shape[1]
    return TrainingLog(curve, tokens, time.perf_counter() - began)
