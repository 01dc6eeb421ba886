"""Chains on numbers below a modulus, in the shape that styles of writing need.

The problems and their words are those of ``modular_chains``; marks for styles are added at the
end of its vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from retest.lab.item_seeds import hash_seed
from retest.lab.tasks.modular_chains import (
    SPLITS,
    ChainTask,
    compute_results,
    draw_chains,
    write_prompts,
)
from retest.lab.tasks.styles import ANSWER, BLANK, FIX, NOTHING, STOP, THINK, Marks, Stepped
from retest.lab.vocabulary import Vocabulary


@dataclass(frozen=True)
class ModularTask:
    """Chains of ``shortest`` to ``longest`` operations on numbers below ``modulus``."""

    modulus: int = 11
    shortest: int = 4
    longest: int = 10

    @cached_property
    def chains(self) -> ChainTask:
        """The task that draws the problems."""
        return ChainTask(self.modulus, self.shortest, self.longest)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words of the chains, then the marks of styles."""
        words = self.chains.vocabulary.words
        return Vocabulary((*words, THINK, ANSWER, FIX))

    @cached_property
    def marks(self) -> Marks:
        """The tokens of the marks."""
        return Marks(self.modulus, *self.vocabulary.encode((BLANK, THINK, ANSWER, FIX, STOP)))

    @property
    def prompt_tokens(self) -> int:
        """Tokens of every prompt."""
        return self.chains.prompt_words

    def draw(self, name: str, seed: int, count: int, apart_from: Sequence[Stepped] = ()) -> Stepped:
        """``count`` problems of the set ``name`` under a seed.

        Sets named after a split share no problem with other splits, whatever is in
        ``apart_from``; sets of any other name are for training.
        """
        split = name if name in SPLITS else "training"
        chains = draw_chains(self.chains, count, split, hash_seed(name, seed, 0))
        is_used = np.arange(self.longest) < chains.lengths[:, None]
        states = np.where(is_used, compute_results(self.chains, chains), NOTHING)
        return Stepped(write_prompts(self.chains, chains).numpy(), states, chains.lengths)
