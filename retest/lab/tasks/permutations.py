"""State tracking: the product of permutations, applied from left to right.

A problem is a row of permutations, one token each, and its answer is their product; the states
on the way are the products so far. Rows shorter than the longest are filled up on the right, so
that every prompt has one length and step i stands at one distance from permutation i. Decides
which problems there are; ``styles`` writes and reads them.

Source of the task: arXiv:2404.08819 (word problems of S_5 and fixed-depth transformers).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import numpy as np

from retest.lab.item_seeds import open_stream
from retest.lab.tasks.styles import (
    ANSWER,
    BLANK,
    FIX,
    NOTHING,
    STOP,
    THINK,
    Marks,
    Stepped,
    Tokens,
)
from retest.lab.vocabulary import Vocabulary

END = "="


@dataclass(frozen=True)
class PermutationTask:
    """Products of ``shortest`` to ``longest`` permutations of ``points`` points.

    ``letters``: which elements of the group, by their place in lexicographic order, may stand
    in a problem (None: all).
    """

    points: int = 3
    shortest: int = 4
    longest: int = 10
    letters: tuple[int, ...] | None = None

    @cached_property
    def group(self) -> tuple[tuple[int, ...], ...]:
        """All permutations of the points; a token is a place in here."""
        return tuple(permutations(range(self.points)))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Permutations in one-line notation, then marks."""
        names = ("".join(str(point + 1) for point in each) for each in self.group)
        return Vocabulary((*names, BLANK, END, THINK, ANSWER, FIX, STOP))

    @cached_property
    def marks(self) -> Marks:
        """The tokens of the marks."""
        return Marks(len(self.group), *self.vocabulary.encode((BLANK, THINK, ANSWER, FIX, STOP)))

    @cached_property
    def products(self) -> Tokens:
        """The token of "a, then b" [group, group]."""
        places = {each: place for place, each in enumerate(self.group)}
        return np.array(
            [[places[tuple(b[point] for point in a)] for b in self.group] for a in self.group]
        )

    @property
    def prompt_tokens(self) -> int:
        """Tokens of every prompt."""
        return self.longest + 1

    def draw(self, name: str, seed: int, count: int, apart_from: Sequence[Stepped] = ()) -> Stepped:
        """``count`` problems of the set ``name`` under a seed, none of them in ``apart_from``.

        Items of a set may repeat; a set for testing is drawn first and named in ``apart_from``.
        """
        stream = open_stream(f"permutations/{self.points}/{name}", seed)
        taken = np.concatenate([[-1], *(self.number(each) for each in apart_from)])
        kept: list[Tokens] = []
        while sum(map(len, kept)) < count:
            words = self.draw_words(count, stream)
            kept.append(words[~np.isin(self.number_words(words), taken)])
        return self.solve(np.concatenate(kept)[:count])

    def draw_words(self, count: int, stream: np.random.Generator) -> Tokens:
        """Rows of tokens [count, longest], NOTHING beyond a length drawn evenly."""
        letters = np.array(self.letters or range(len(self.group)))
        words = letters[stream.integers(0, len(letters), size=(count, self.longest))]
        lengths = stream.integers(self.shortest, self.longest + 1, size=count)
        return np.where(np.arange(self.longest) < lengths[:, None], words, NOTHING)

    def solve(self, words: Tokens) -> Stepped:
        """Prompts and the state after every step for rows of tokens [n, longest]."""
        states = np.full_like(words, NOTHING)
        states[:, 0] = words[:, 0]
        for step in range(1, words.shape[1]):
            product = self.products[states[:, step - 1], words[:, step]]
            states[:, step] = np.where(words[:, step] == NOTHING, NOTHING, product)
        blank, end = self.vocabulary.encode((BLANK, END))
        filled = np.where(words == NOTHING, blank, words)
        prompts = np.concatenate((filled, np.full((len(words), 1), end)), axis=1)
        return Stepped(prompts, states, (words != NOTHING).sum(axis=1))

    def number(self, problems: Stepped) -> Tokens:
        """A number of its own for every problem [n]."""
        words = problems.prompts[:, : self.longest]
        return self.number_words(np.where(words < len(self.group), words, NOTHING))

    def number_words(self, words: Tokens) -> Tokens:
        """A number of its own for every row of tokens [n]; wraps around for long rows of S_5."""
        base = len(self.group) + 1
        is_exact = self.longest * math.log2(base) < 63
        powers = np.array(
            [pow(base if is_exact else 1_000_003, place, 2**63) for place in range(self.longest)]
        )
        with np.errstate(over="ignore"):
            numbers: Tokens = ((words + 1) * powers).sum(axis=1)
        return numbers
