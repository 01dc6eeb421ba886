"""The one training loop: AdamW, warm-up and a falling rate, loss on output tokens only.

Decides how a model is fitted, in an order drawn from the seed. ``train`` fits records; ``fit``
takes any loss over rows (preference pairs, samples with rewards). Knows nothing of tasks or of
what is measured afterwards.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retest.lab.model import Transformer
from retest.lab.records import NOT_SCORED, Records


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; ``learning_rate`` is the peak, shares are of ``steps``.

    ``balance`` weighs the imbalance of experts. Lookup tables learn at ``table_rate`` times the
    rate and do not decay. ``is_mixed`` computes in bfloat16 where torch's autocast does (faster
    where the processor has such products, from a width of 64 on), and ``is_compiled`` compiles
    the loss (minutes at the start, so only for long runs). Both change a result's digits: a
    protocol that wants them says so.
    """

    steps: int
    batch: int = 256
    learning_rate: float = 2e-3
    warmup_share: float = 0.05
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    betas: tuple[float, float] = (0.9, 0.98)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    balance: float = 0.0
    table_rate: float = 5.0
    is_mixed: bool = False
    is_compiled: bool = False


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
    """Learning rate at a step: linear warm-up, then as scheduled (to zero, or constant)."""
    warmup = max(1, round(options.warmup_share * options.steps))
    if step < warmup:
        return options.learning_rate * (step + 1) / warmup
    if options.schedule == "constant":
        return options.learning_rate
    done = (step - warmup) / max(1, options.steps - warmup)
    if options.schedule == "linear":
        return options.learning_rate * (1 - done)
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


def score_loss(
    model: Transformer, tokens: Tensor, targets: Tensor, first_output: int, balance: float = 0.0
) -> Tensor:
    """Mean cross-entropy over the output tokens of a batch, in nats, and what balances experts."""
    passage = model.open(tokens[:, :-1])
    logits = model.write_logits(model.read(tokens[:, :-1], passage, first_output - 1))
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=NOT_SCORED)
    if balance and passage.imbalances:
        loss = loss + balance * torch.stack(passage.imbalances).mean()
    return loss


def open_optimiser(
    weights: Iterable[tuple[str, Tensor]], options: TrainingOptions
) -> torch.optim.AdamW:
    """AdamW over named weights; lookup tables in a group of their own, without decay."""
    named = list(weights)
    tables = [weight for name, weight in named if name.endswith("tables")]
    groups: list[dict[str, Any]] = [
        {"params": [weight for name, weight in named if not name.endswith("tables")]}
    ]
    if tables:
        groups.append({"params": tables, "weight_decay": 0.0, "ratio": options.table_rate})
    return torch.optim.AdamW(
        groups, lr=0.0, betas=options.betas, weight_decay=options.weight_decay, fused=True
    )


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of a step, for every group at its ratio."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("ratio", 1.0)


def fit(
    model: nn.Module,
    score: Callable[[Tensor], Tensor],
    rows: int,
    options: TrainingOptions,
    seed: int,
) -> tuple[float, ...]:
    """Lower ``score`` (a loss, given the row numbers of a batch) in place; the loss of each step.

    Row numbers are drawn from the seed; a score that makes its own data may ignore them.
    """
    weights = list(model.parameters())
    device = weights[0].device
    optimiser = open_optimiser(model.named_parameters(), options)
    losses = torch.empty(options.steps, device=device)
    model.train()
    for step, chosen in enumerate(draw_batches(rows, options, seed)):
        loss = score(chosen.to(device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, options.clip_norm)
        set_rate(optimiser, schedule_rate(step, options))
        optimiser.step()
        losses[step] = loss.detach()
    return tuple(losses.tolist())  # also waits for the device


def train(model: Transformer, records: Records, options: TrainingOptions, seed: int) -> TrainingLog:
    """Fit the model to the records, in place, on the device where the model lies."""
    records = records.to(model.device)
    targets, first_output = records.find_targets(), records.first_output
    loss_of = torch.compile(score_loss) if options.is_compiled else score_loss

    def score(rows: Tensor) -> Tensor:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=options.is_mixed):
            return loss_of(
                model, records.tokens[rows], targets[rows], first_output, options.balance
            )

    began = time.perf_counter()
    losses = fit(model, score, len(records.tokens), options, seed)
    return TrainingLog(losses, count_tokens(records, options), time.perf_counter() - began)


def count_tokens(records: Records, options: TrainingOptions) -> int:
    """Tokens that a training reads."""
    return options.steps * options.batch * records.tokens.shape[1]
