"""What the lab is held against: Hugging Face's Trainer and generate, and a plain loop.

All train or run the model of arXiv:2508.01191 (GPT-2 with 4 layers, 32 channels, 4 heads) on
c03's problems, written with byte-level sub-words as the source's released configuration does: 31
tokens a record, loss on every token. Needs the extra ``bench`` for Hugging Face's part.
"""

import importlib.util
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from retest.experiments.c03_distribution_shift import REPLICATE
from retest.lab.model import count_parameters
from retest.lab.tasks.strings import StringTask, draw_elements, share_out, write_records

BATCH = 256
SOURCE_SHAPE = {"depth": 4, "width": 32, "heads": 4}
SUBWORD_VOCABULARY, SUBWORD_CONTEXT, SUBWORD_TOKENS = 298, 256, 31
UNTIMED_STEPS = 3  # a training's first steps set things up
MISSING = "not measured: Hugging Face's Trainer is not here (pip install 'reassay[bench]')"


@dataclass(frozen=True)
class Contender:
    """A training loop to be timed: ``run(steps)`` gives the CPU seconds of a step of BATCH rows."""

    name: str
    parameters: int
    record_tokens: int
    run: Callable[[int], float]


def has_hugging_face() -> bool:
    """Whether the Trainer can be imported."""
    return all(importlib.util.find_spec(name) for name in ("transformers", "accelerate"))


def write_problems() -> tuple[StringTask, Tensor]:
    """c03's training task and 6,000 of its records as word tokens [n, 18]."""
    task = StringTask(tuple(REPLICATE["functions"]))
    elements = draw_elements(4, 20 * BATCH, seed=0)
    problems = share_out(elements, REPLICATE["training"], 2000, apart=True)
    return task, write_records(task, problems).tokens


def write_subwords() -> Tensor:
    """The same records as byte-level sub-words [n, 31], with a tokeniser trained on them."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    task, words = write_problems()
    texts = [" ".join(task.vocabulary.decode(row[:-1])) for row in words.tolist()]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=SUBWORD_VOCABULARY,
        special_tokens=["</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    stop = tokenizer.token_to_id("</s>")
    rows = torch.tensor([[*tokenizer.encode(text).ids, stop] for text in texts])
    if rows.shape[1] != SUBWORD_TOKENS:
        raise ValueError(f"a record has {rows.shape[1]} sub-words, not {SUBWORD_TOKENS}")
    return rows


def build_gpt2() -> Any:
    """GPT-2 in the source's shape, as transformers builds it (dropout .1, fused attention)."""
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=SUBWORD_VOCABULARY,
        n_positions=SUBWORD_CONTEXT,
        n_embd=SOURCE_SHAPE["width"],
        n_layer=SOURCE_SHAPE["depth"],
        n_head=SOURCE_SHAPE["heads"],
        bos_token_id=0,
        eos_token_id=0,
        loss_type="ForCausalLM",
    )
    return GPT2LMHeadModel(config)


class SubwordRecords(Dataset[dict[str, Tensor]]):
    """Records as the Trainer takes them: every token is a label."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        return {"input_ids": self.rows[place], "labels": self.rows[place]}


def make_hugging_face() -> Contender:
    """The Trainer with the source's settings (AdamW 3e-3, cosine, warm-up, clip 1.0, no bf16).

    Timed are its steps after the first ones: start-up, tokeniser and data preparation are left
    out, in its favour.
    """
    from transformers import Trainer, TrainerCallback, TrainingArguments

    model, records = build_gpt2(), SubwordRecords(write_subwords())

    class Clock(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.seconds: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.seconds.append(time.process_time())

    def run(steps: int) -> float:
        clock = Clock()
        with tempfile.TemporaryDirectory() as folder:
            how = TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=BATCH,
                max_steps=steps + UNTIMED_STEPS,
                learning_rate=3e-3,
                lr_scheduler_type="cosine",
                warmup_steps=2,
                weight_decay=0.01,
                max_grad_norm=1.0,
                use_cpu=True,
                report_to=[],
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
            )
            trainer = Trainer(model=model, args=how, train_dataset=records, callbacks=[clock])
            trainer.train()
        timed = clock.seconds[UNTIMED_STEPS - 1 :]
        return (timed[-1] - timed[0]) / steps

    return Contender("Hugging Face Trainer", count_parameters(model), SUBWORD_TOKENS, run)


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


def make_plain() -> Contender:
    """A loop in the source's shape without a framework, as one would first write it."""
    torch.manual_seed(0)
    model = PlainModel(**SOURCE_SHAPE)
    rows = list(torch.randint(0, SUBWORD_VOCABULARY, (BATCH * 20, SUBWORD_TOKENS)))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 10_000)
    loader: DataLoader[Tensor] = DataLoader(rows, batch_size=BATCH, shuffle=True)  # type: ignore[arg-type]

    def run(steps: int) -> float:
        began = time.process_time()
        for _, batch in zip(range(steps), repeat_batches(loader), strict=False):
            logits = model(batch)[:, :-1]
            loss = F.cross_entropy(logits.reshape(-1, SUBWORD_VOCABULARY), batch[:, 1:].flatten())
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        return (time.process_time() - began) / steps

    return Contender("plain loop", count_parameters(model), SUBWORD_TOKENS, run)


def repeat_batches(loader: DataLoader[Tensor]) -> Any:
    """Shuffled passes without an end."""
    while True:
        yield from loader


def measure_in_turn(runs: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """The least of each run over the rounds, taken in turn so that all meet the same load."""
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        for place, run in enumerate(runs):
            best[place] = min(best[place], run())
    return best
