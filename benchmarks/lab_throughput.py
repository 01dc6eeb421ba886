"""Training throughput of the lab on one CPU core, against a plain loop in the source's shape.

Both train the model of arXiv:2508.01191 (4 layers, 32 channels, 4 heads) on the same problems
at batch 256, one thread; time is CPU time of the process, the best of several rounds taken in
turn. The baseline is written as one would first write it: GPT-2 blocks with dropout, fused
attention, AdamW as it comes, records of 31 sub-word tokens, loss on every token (that is what
the source's released configuration does). The lab writes 18 word tokens a record and learns
the 11 of the output. Records a second is the comparable figure; tokens differ in meaning.

Run: python benchmarks/lab_throughput.py [--rounds 5] [--steps 20]
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from retest.experiments.c03_distribution_shift import MODEL, REPLICATE
from retest.lab.devices import open_device
from retest.lab.model import ModelOptions, build_model, count_parameters
from retest.lab.tasks.strings import StringTask, draw_elements, share_out, write_records
from retest.lab.training import TrainingOptions, train

BATCH = 256
SOURCE_SHAPE = {"depth": 4, "width": 32, "heads": 4}
SUBWORD_VOCABULARY, SUBWORD_CONTEXT, SUBWORD_TOKENS = 298, 256, 31


class PlainBlock(nn.Module):
    """A GPT-2 block: biases, dropout, tanh GELU."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        rows, times, width = x.shape
        parts = self.query_key_value(self.norm_1(x)).split(width, dim=2)
        query, key, value = (
            part.view(rows, times, self.heads, -1).transpose(1, 2) for part in parts
        )
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.dropout(self.out(mixed.transpose(1, 2).reshape(rows, times, width)))
        inner = F.gelu(self.widen(self.norm_2(x)), approximate="tanh")
        result: Tensor = x + self.dropout(self.narrow(inner))
        return result


class PlainModel(nn.Module):
    """GPT-2 with a head tied to the embedding."""

    def __init__(self, depth: int, width: int, heads: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(SUBWORD_VOCABULARY, width)
        self.places = nn.Embedding(SUBWORD_CONTEXT, width)
        self.dropout = nn.Dropout(0.1)
        self.blocks = nn.ModuleList(PlainBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.dropout(self.tokens(tokens) + self.places(torch.arange(tokens.shape[1])))
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.tokens.weight)


@dataclass(frozen=True)
class Contender:
    """A training loop to be timed: ``run(steps)`` trains so many steps of BATCH records."""

    name: str
    parameters: int
    record_tokens: int
    run: Callable[[int], object]


def make_plain() -> Contender:
    """The named baseline: a plain loop in the source's shape."""
    torch.manual_seed(0)
    model = PlainModel(**SOURCE_SHAPE)
    records = torch.randint(0, SUBWORD_VOCABULARY, (BATCH * 20, SUBWORD_TOKENS))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 10_000)
    rows = list(records)
    loader: DataLoader[Tensor] = DataLoader(rows, batch_size=BATCH, shuffle=True)  # type: ignore[arg-type]

    def run(steps: int) -> None:
        done = 0
        while done < steps:
            for batch in loader:
                logits = model(batch)[:, :-1]
                loss = F.cross_entropy(
                    logits.reshape(-1, SUBWORD_VOCABULARY), batch[:, 1:].flatten()
                )
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                done += 1
                if done == steps:
                    return

    return Contender("plain loop (baseline)", count_parameters(model), SUBWORD_TOKENS, run)


def make_lab(name: str, shape: dict[str, object]) -> Contender:
    """The lab's own loop on c03's records."""
    task = StringTask(tuple(REPLICATE["functions"]))
    elements = draw_elements(4, 20 * BATCH, seed=0)
    records = write_records(task, share_out(elements, REPLICATE["training"], 2000, apart=True))
    options = ModelOptions(vocabulary=len(task.vocabulary), context=32, **shape)  # type: ignore[arg-type]
    model = build_model(options, 0, torch.device("cpu"))

    def run(steps: int) -> None:
        train(model, records, TrainingOptions(steps=steps, batch=BATCH), seed=0)

    return Contender(name, count_parameters(model), records.tokens.shape[1], run)


def measure_cpu_seconds(contenders: list[Contender], steps: int, rounds: int) -> list[float]:
    """Least CPU seconds a step of each contender over the rounds, taken in turn."""
    for contender in contenders:
        contender.run(3)
    best = [float("inf")] * len(contenders)
    for _ in range(rounds):
        for place, contender in enumerate(contenders):
            began = time.process_time()
            contender.run(steps)
            best[place] = min(best[place], (time.process_time() - began) / steps)
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Training throughput of the lab on one core.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    open_device("cpu")
    pilot = {key: MODEL[key] for key in ("depth", "width", "heads")}
    contenders = [
        make_plain(),
        make_lab(
            "lab, source's shape, learned positions", {**SOURCE_SHAPE, "positions": "learned"}
        ),
        make_lab("lab, source's shape, rope", {**SOURCE_SHAPE, "positions": "rope"}),
        make_lab("lab, nightly c03, rope", {**pilot, "positions": "rope"}),
    ]
    seconds = measure_cpu_seconds(contenders, given.steps, given.rounds)
    print(f"torch {torch.__version__}, one thread, batch {BATCH}, CPU seconds of the process")
    print(f"{'':40}{'parameters':>11}{'tokens/s':>10}{'ratio':>7}{'records/s':>11}{'ratio':>7}")
    records = [BATCH / each for each in seconds]
    for contender, rate in zip(contenders, records, strict=True):
        tokens = rate * contender.record_tokens
        first = records[0] * contenders[0].record_tokens
        print(
            f"{contender.name:40}{contender.parameters:11,}{tokens:10,.0f}{tokens / first:7.2f}"
            f"{rate:11,.0f}{rate / records[0]:7.2f}"
        )


if __name__ == "__main__":
    main()
