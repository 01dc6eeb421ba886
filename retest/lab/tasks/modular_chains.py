"""MODCHAIN: chains of operations on numbers below a modulus, with every result written out.

A prompt names operations and, last, the number that they begin with; the output is the result
of each operation in turn, of which the last is the answer::

    + 5 x 3 - 7 . . from 4 ->  9 4 20 </s>          (modulus 23)

Prompts are filled with ``.`` to one length, so that an operation's place is the same in each.
The number that the next operation applies to is always the last word, so that a model needs
little beside the table of ``3 * modulus ** 2`` facts; how much of it a model can hold depends on
its parameters. Difficulty is the number of operations, since errors compound.

Decides which problems there are, how they are written, and what is right. Prompts are shared
out among splits by a hash of their words: no two splits have one in common, under any seed.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from retest.lab.item_seeds import open_stream
from retest.lab.records import Records, join_records
from retest.lab.selection import NO_ANSWER
from retest.lab.vocabulary import Vocabulary

OPERATORS = ("+", "-", "x")
BLANK, FROM, STOP = ".", "from", "</s>"
RIGHT, WRONG = "right", "wrong"  # what a verifier says of a chain
SPLITS = {"training": range(16), "validation": range(16, 18), "verifier": range(18, 28)}
SPLITS["test"] = range(28, 32)
BUCKETS = 32
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class ChainTask:
    """Chains of ``fewest`` to ``most`` operations on numbers below ``modulus``.

    Operands 2, 3, ..., modulus - 1, 0, 1 are drawn as 1, 2**-s, 3**-s, ... with s ``skew``
    (Zipf's law; 0: alike). The numbers that they meet are close to uniform all the same.
    """

    modulus: int
    fewest: int
    most: int
    skew: float = 0.0

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Numbers, operators and marks; a number's token is the number."""
        numbers = tuple(str(number) for number in range(self.modulus))
        return Vocabulary((*numbers, *OPERATORS, BLANK, FROM, STOP, RIGHT, WRONG))

    @property
    def facts(self) -> int:
        """How many results there are to know."""
        return len(OPERATORS) * self.modulus**2

    @property
    def prompt_words(self) -> int:
        """Words of every prompt."""
        return 2 * self.most + 2

    @property
    def output_words(self) -> int:
        """Words of the longest output, its stop with it."""
        return self.most + 1

    @property
    def stop(self) -> int:
        """The token that ends an output and fills up what follows."""
        return self.vocabulary.places[STOP]


@dataclass(frozen=True)
class Chains:
    """Problems: ``start`` [n], and for each of n ``lengths`` that many of its row's operations.

    ``operators`` [n, most] are places in OPERATORS, ``operands`` [n, most] numbers.
    """

    start: Numbers
    lengths: Numbers
    operators: Numbers
    operands: Numbers

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: Numbers) -> "Chains":
        """Some of the problems."""
        return Chains(
            self.start[rows], self.lengths[rows], self.operators[rows], self.operands[rows]
        )


def draw_chains(task: ChainTask, count: int, split: str, seed: int) -> Chains:
    """``count`` problems of one split, drawn from the seed; lengths are equally likely.

    Only the small tables of short chains make a problem come twice; ``drop_repeats`` is for sets
    in which none may.
    """
    stream = open_stream(f"modular_chains/{task.modulus}/{split}", seed)
    drawn: list[Chains] = []
    missing = count
    while missing > 0:
        fresh = draw_any(task, 64 + 2 * missing * BUCKETS // len(SPLITS[split]), stream)
        buckets = find_buckets(task, fresh)
        is_ours = np.isin(buckets, np.array(SPLITS[split]))
        drawn.append(fresh.take(np.flatnonzero(is_ours)[:missing]))
        missing -= len(drawn[-1])
    return join(drawn)


def draw_any(task: ChainTask, count: int, stream: np.random.Generator) -> Chains:
    """Problems of any split; operations beyond a row's length are blank (0, 0)."""
    shape = (count, task.most)
    lengths = stream.integers(task.fewest, task.most + 1, count)
    used = np.arange(task.most) < lengths[:, None]
    return Chains(
        start=stream.integers(0, task.modulus, count),
        lengths=lengths,
        operators=stream.integers(0, len(OPERATORS), shape) * used,
        operands=(stream.choice(task.modulus, shape, p=weigh_operands(task)) + 2)
        % task.modulus
        * used,
    )


def weigh_operands(task: ChainTask) -> NDArray[np.float64]:
    """How likely the operands 2, 3, ..., modulus - 1, 0, 1 are, in this order."""
    weights = np.arange(1, task.modulus + 1, dtype=np.float64) ** -task.skew
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def join(parts: list[Chains]) -> Chains:
    """Problems one after another."""
    return Chains(
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.operators for part in parts]),
        np.concatenate([part.operands for part in parts]),
    )


def find_buckets(task: ChainTask, chains: Chains) -> Numbers:
    """The bucket of each problem, 0 .. 31, by an FNV-1a hash of its prompt's tokens."""
    mixed = np.full(len(chains), 0xCBF29CE484222325, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in write_prompts(task, chains).numpy().T.astype(np.uint64):
            mixed = (mixed ^ column) * np.uint64(0x100000001B3)
    return (mixed >> np.uint64(32)).astype(np.int64) % BUCKETS


def drop_repeats(task: ChainTask, chains: Chains, count: int) -> Chains:
    """The first ``count`` problems that differ from all before them.

    Raises:
        ValueError: there are fewer.
    """
    rows = write_prompts(task, chains).numpy()
    first = np.sort(np.unique(rows, axis=0, return_index=True)[1])[:count]
    if len(first) < count:
        raise ValueError(f"only {len(first)} of {count} problems differ")
    return chains.take(first)


def compute_results(task: ChainTask, chains: Chains) -> Numbers:
    """The result of every operation [n, most]; after a row's last one its answer goes on."""
    current = chains.start
    results = np.empty_like(chains.operands)
    for step in range(task.most):
        operand = chains.operands[:, step]
        every = np.stack((current + operand, current - operand, current * operand))
        after = every[chains.operators[:, step], np.arange(len(chains))] % task.modulus
        current = np.where(step < chains.lengths, after, current)
        results[:, step] = current
    return results


def find_answers(task: ChainTask, chains: Chains) -> Numbers:
    """The right answers [n]."""
    return compute_results(task, chains)[:, -1]


def write_prompts(task: ChainTask, chains: Chains) -> torch.Tensor:
    """Prompt tokens [n, prompt_words]."""
    places = task.vocabulary.places
    used = np.arange(task.most) < chains.lengths[:, None]
    tokens = np.empty((len(chains), task.prompt_words), dtype=np.int64)
    tokens[:, 0:-2:2] = np.where(used, places["+"] + chains.operators, places[BLANK])
    tokens[:, 1:-2:2] = np.where(used, chains.operands, places[BLANK])
    tokens[:, -2], tokens[:, -1] = places[FROM], chains.start
    return torch.from_numpy(tokens)


def write_outputs(task: ChainTask, chains: Chains) -> torch.Tensor:
    """The right outputs [n, output_words]; after the stop only stops."""
    results = compute_results(task, chains)
    used = np.arange(task.most) < chains.lengths[:, None]
    tokens = np.full((len(chains), task.output_words), task.stop, dtype=np.int64)
    tokens[:, :-1] = np.where(used, results, task.stop)
    return torch.from_numpy(tokens)


def write_records(task: ChainTask, chains: Chains) -> Records:
    """Training records; an output is learned up to its first stop."""
    records = join_records(write_prompts(task, chains), write_outputs(task, chains))
    place = np.arange(task.output_words)
    records.is_output[:, task.prompt_words :] = torch.from_numpy(place <= chains.lengths[:, None])
    return records


def read_answers(task: ChainTask, outputs: Numbers) -> Numbers:
    """The answer [...] that each output [..., output_words] gives: its last number.

    NO_ANSWER where the output has not the form of a chain: numbers, at least one, then a stop.
    """
    length = (outputs != task.stop).cumprod(axis=-1).sum(axis=-1)
    within = np.arange(outputs.shape[-1]) < length[..., None]
    has_form = ((outputs < task.modulus) | ~within).all(axis=-1)
    is_read = has_form & (length > 0) & (length < outputs.shape[-1])
    last = np.take_along_axis(outputs, np.maximum(length - 1, 0)[..., None], axis=-1)[..., 0]
    answers: Numbers = np.where(is_read, last, NO_ANSWER)
    return answers


def find_right_so_far(
    task: ChainTask, chains: Chains, outputs: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether each output [n, k, output_words] is right up to and with each of its words."""
    right = outputs == write_outputs(task, chains).numpy()[:, None]
    so_far: NDArray[np.bool_] = np.logical_and.accumulate(right, axis=-1)
    return so_far


def find_written(task: ChainTask, outputs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which words of outputs [..., output_words] were written: up to and with the first stop."""
    is_stop = outputs == task.stop
    before = np.zeros_like(is_stop)
    before[..., 1:] = np.logical_or.accumulate(is_stop, axis=-1)[..., :-1]
    written: NDArray[np.bool_] = ~before
    return written
