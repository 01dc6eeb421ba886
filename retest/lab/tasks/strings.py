"""String functions applied one after another, with the steps written out.

After arXiv:2508.01191: an element of capital letters, a chain of functions, and as output
the element after every step with the functions that remain, then the answer::

    A B C D [F1] [F2] <think>  N O P Q [F2] <answer> O P Q N </s>

Decides which items there are and how they are written; ``chains`` judges what a model writes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from retest.lab.item_seeds import open_stream
from retest.lab.records import Records, join_records
from retest.lab.tasks.string_functions import FUNCTIONS, Elements
from retest.lab.vocabulary import Vocabulary

LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
THINK, ANSWER, STOP, UNKNOWN = "<think>", "<answer>", "</s>", "<unk>"
Composition = tuple[int, ...]  # places in StringTask.functions, applied left to right


@dataclass(frozen=True)
class StringTask:
    """Which functions [F1], [F2], ... stand for, and whether steps are written out."""

    functions: tuple[str, ...]
    shows_steps: bool = True

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Letters, function names and marks."""
        names = tuple(f"[F{place + 1}]" for place in range(len(self.functions)))
        return Vocabulary((*LETTERS, *names, THINK, ANSWER, STOP, UNKNOWN))

    def apply(self, function: int, elements: Elements) -> Elements:
        """The elements after one function."""
        return FUNCTIONS[self.functions[function]](elements)


@dataclass(frozen=True)
class Problems:
    """Elements [n, letters] that all go through one composition."""

    elements: Elements
    composition: Composition

    def __len__(self) -> int:
        return len(self.elements)

    def take(self, row: int) -> "Problems":
        """One problem alone."""
        return Problems(self.elements[row : row + 1], self.composition)


def share_out(
    elements: Elements, compositions: Sequence[str], each: int, apart: bool
) -> list[Problems]:
    """``each`` problems of every composition, on the same elements or (``apart``) on fresh ones."""
    return [
        Problems(
            elements.take(range(begin, begin + each), axis=0, mode="wrap"), parse_composition(name)
        )
        for number, name in enumerate(compositions)
        for begin in [number * each if apart else 0]
    ]


def parse_composition(text: str) -> Composition:
    """``"F1F2"`` as (0, 1)."""
    return tuple(int(name) - 1 for name in text.split("F")[1:])


def split_elements(length: int, held_out_share: float, seed: int) -> tuple[Elements, Elements]:
    """All elements of a length in an order drawn from the seed: (training, held out)."""
    codes = open_stream(f"strings/elements/{length}", seed).permutation(26**length)
    held_out = round(held_out_share * len(codes))
    return spell(codes[held_out:], length), spell(codes[:held_out], length)


def draw_elements(length: int, count: int, seed: int) -> Elements:
    """``count`` different elements of a length."""
    stream = open_stream(f"strings/elements/{length}", seed)
    return spell(stream.choice(26**length, size=count, replace=False), length)


def part_letters(elements: Elements, letters: Sequence[int]) -> tuple[Elements, Elements]:
    """The elements without any of these letters, and those that have one."""
    has_any = np.isin(elements, letters).any(axis=1)
    return elements[~has_any], elements[has_any]


def spell(codes: NDArray[np.int64], length: int) -> Elements:
    """Numbers 0 .. 26^length - 1 as letters [n, length]."""
    places = 26 ** np.arange(length - 1, -1, -1, dtype=np.int64)
    return codes[:, None] // places % 26


def write_prompts(task: StringTask, problems: Problems) -> torch.Tensor:
    """Prompt tokens [n, letters + functions + 1]."""
    mark = THINK if task.shows_steps and len(problems.composition) > 1 else ANSWER
    functions = [len(LETTERS) + place for place in problems.composition]
    tail = [*functions, *task.vocabulary.encode([mark])]
    return torch.from_numpy(join_columns(problems.elements, tail))


def write_outputs(task: StringTask, problems: Problems) -> torch.Tensor:
    """The right output of every problem, with its stop token."""
    names = task.vocabulary
    elements = problems.elements
    parts: list[Elements | list[int]] = []
    remaining = list(problems.composition)
    while remaining:
        elements = task.apply(remaining.pop(0), elements)
        if task.shows_steps or not remaining:
            parts.append(elements)
        if task.shows_steps and remaining:
            parts.append([len(LETTERS) + place for place in remaining])
            parts.append(names.encode([THINK if len(remaining) > 1 else ANSWER]))
    return torch.from_numpy(join_columns(*parts, names.encode([STOP])))


def write_records(task: StringTask, groups: Sequence[Problems]) -> Records:
    """Prompts and right outputs as training records; all groups have one length."""
    prompts = torch.cat([write_prompts(task, problems) for problems in groups])
    outputs = torch.cat([write_outputs(task, problems) for problems in groups])
    return join_records(prompts, outputs)


def join_columns(*parts: Elements | Sequence[int]) -> NDArray[np.int64]:
    """Element blocks and constant columns side by side: [n, columns]."""
    rows = max(len(part) for part in parts if isinstance(part, np.ndarray))
    blocks = [
        part
        if isinstance(part, np.ndarray)
        else np.broadcast_to(np.asarray(part, dtype=np.int64), (rows, len(part)))
        for part in parts
    ]
    return np.concatenate(blocks, axis=1)
