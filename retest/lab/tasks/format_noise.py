"""Damaged prompts: tokens inserted, deleted or replaced, and what can be known in spite of it.

After arXiv:2508.01191: with a probability a token of the chosen fields is deleted, replaced by
the unknown mark, or has that mark inserted before it; the right output stays that of the whole
prompt. Decides how prompts are damaged, and how often the best possible solver is right, which
is the ceiling that a model's exact match is read against.

Also scores outputs as the source's released code does (commit 078bb28), to show what that path
makes of perfect outputs; nothing here or elsewhere is measured by it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import perm
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from db.errors import UsageError
from retest.lab.item_seeds import open_stream
from retest.lab.records import Records
from retest.lab.tasks.chains import write_all_prompts, write_gold
from retest.lab.tasks.strings import LETTERS, STOP, UNKNOWN, Problems, StringTask

Kind = Literal["insert", "delete", "modify", "hybrid"]
Field = Literal["element", "functions", "mark"]
EDITS = ("insert", "delete", "modify")
MARK = -1  # the unknown mark in a damaged element, beside letters 0, 1, 2, ...


@dataclass(frozen=True)
class Noise:
    """What happens to each token of some fields of a prompt, and how often.

    ``hybrid`` picks one of the three edits at random, ``rate`` in all.
    """

    kind: Kind
    rate: float
    fields: tuple[Field, ...] = ("element",)

    @property
    def shares(self) -> dict[str, float]:
        """The probability of each edit of a token."""
        each = self.rate / 3 if self.kind == "hybrid" else self.rate
        return {edit: each if self.kind in (edit, "hybrid") else 0.0 for edit in EDITS}


def damage_prompts(
    task: StringTask, prompts: Sequence[Sequence[int]], noise: Noise, seed: int
) -> list[list[int]]:
    """The prompts with each token of the noise's fields perhaps edited, drawn from the seed."""
    stream = open_stream(f"strings/noise/{noise.kind}/{noise.rate}/{noise.fields}", seed)
    edits, shares = [*EDITS, "keep"], [*noise.shares.values(), 1 - noise.rate]
    unknown = task.vocabulary.places[UNKNOWN]
    damaged = []
    for prompt in prompts:
        drawn = stream.choice(edits, size=len(prompt), p=shares)
        row: list[int] = []
        for token, edit in zip(prompt, drawn, strict=True):
            edited = {"insert": [unknown, token], "delete": [], "modify": [unknown]}
            is_spared = edit == "keep" or find_field(task, token) not in noise.fields
            row += [token] if is_spared else edited[str(edit)]
        damaged.append(row)
    return damaged


def find_field(task: StringTask, token: int) -> Field:
    """Which part of a prompt a token belongs to."""
    if token < len(LETTERS):
        return "element"
    return "functions" if token < len(LETTERS) + len(task.functions) else "mark"


def write_damaged_records(
    task: StringTask, groups: Sequence[Problems], noise: Noise, seed: int
) -> Records:
    """Training records with damaged prompts and whole outputs, padded on the right."""
    prompts = damage_prompts(task, write_all_prompts(task, groups), noise, seed)
    outputs = write_gold(task, groups)
    longest = max(len(p) + len(o) for p, o in zip(prompts, outputs, strict=True))
    tokens = torch.full((len(prompts), longest), task.vocabulary.places[STOP])
    is_output = torch.zeros_like(tokens, dtype=torch.bool)
    for row, (prompt, output) in enumerate(zip(prompts, outputs, strict=True)):
        end = len(prompt) + len(output)
        tokens[row, :end] = torch.tensor([*prompt, *output])
        is_output[row, len(prompt) : end] = True
    return Records(tokens, is_output)


# --- The ceiling ---------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def find_ceiling(noise: Noise, length: int) -> float:
    """How often the best solver names the whole element that it sees damaged.

    Exact, for elements drawn evenly from 26 letters and a solver that knows the noise (but not
    which elements were held out): the sum over everything that can be seen of the largest joint
    probability. Functions are one-to-one, so a right output names the element. What differs in
    the names of letters only is counted once, times the number of ways to name them.

    Raises:
        UsageError: other fields than the element lose tokens; what they lose depends on training.
    """
    check_ceiling(noise)
    if noise.kind == "insert":
        return 1.0  # dropping the marks gives the prompt back
    total = sum(
        perm(len(LETTERS), letters) * weigh_candidates(noise, seen, length)[0]
        for seen, letters in list_damaged(noise, length)
    )
    return float(total / len(LETTERS) ** length)


def find_chances(
    task: StringTask, prompts: Sequence[Sequence[int]], noise: Noise, length: int
) -> list[float]:
    """The same for damaged prompts one by one: how likely the best guess of each element is.

    The mean over a test set is the ceiling of these very items, free of how many of them
    happened to be damaged.

    Raises:
        UsageError: as ``find_ceiling``.
    """
    check_ceiling(noise)
    if noise.kind == "insert":
        return [1.0] * len(prompts)
    chances = []
    for prompt in prompts:
        best, total = weigh_candidates(noise, rename_letters(task, prompt), length)
        chances.append(best / total)
    return chances


def check_ceiling(noise: Noise) -> None:
    """Refuse noise whose ceiling is not known."""
    if noise.kind != "insert" and noise.fields != ("element",):
        raise UsageError("a ceiling is known for noise on elements, or for insertion anywhere")


def rename_letters(task: StringTask, prompt: Sequence[int]) -> tuple[int, ...]:
    """The letters and marks of a prompt, letters named 0, 1, ... as they appear."""
    unknown = task.vocabulary.places[UNKNOWN]
    seen = [token for token in prompt if token < len(LETTERS) or token == unknown]
    names = {token: name for name, token in enumerate(dict.fromkeys(t for t in seen if t < 26))}
    return tuple(names.get(token, MARK) for token in seen)


@lru_cache(maxsize=4096)
def weigh_candidates(noise: Noise, seen: tuple[int, ...], length: int) -> tuple[float, float]:
    """Probability of ``seen`` under the likeliest element, and summed over all elements.

    Letters that do not appear are alike, so one stands for all of them.
    """
    letters = len({part for part in seen if part != MARK})
    candidates = np.array(list(product(range(letters + 1), repeat=length)))
    likelihoods = find_likelihoods(seen, candidates, noise.shares)
    ways = (len(LETTERS) - letters) ** (candidates == letters).sum(axis=1)
    return float(likelihoods.max()), float(likelihoods @ ways)


def list_damaged(noise: Noise, length: int) -> set[tuple[tuple[int, ...], int]]:
    """Every damaged element up to the names of its letters, with how many letters it has."""
    possible = [edit for edit, share in noise.shares.items() if share > 0]
    places = {"keep": (0,), "insert": (MARK, 0), "delete": (), "modify": (MARK,)}
    shapes = {
        tuple(part for edit in edits for part in places[edit])
        for edits in product(["keep", *possible], repeat=length)
    }
    return {
        (fill_shape(shape, names), len(set(names)))
        for shape in shapes
        for names in list_namings(sum(part != MARK for part in shape))
    }


def fill_shape(shape: Sequence[int], names: Sequence[int]) -> tuple[int, ...]:
    """A shape with its letters named in order."""
    rest = iter(names)
    return tuple(MARK if part == MARK else next(rest) for part in shape)


def list_namings(count: int) -> Iterator[tuple[int, ...]]:
    """Ways to name letters 0, 1, ... in order of first appearance: 00, 01 for two of them."""
    if count == 0:
        yield ()
        return
    for names in list_namings(count - 1):
        for name in range(max(names, default=-1) + 2):
            yield (*names, name)


def find_likelihoods(
    seen: Sequence[int], candidates: NDArray[np.int64], shares: Mapping[str, float]
) -> NDArray[np.float64]:
    """Probability that noise makes ``seen`` of each candidate [k, length]: [k]."""
    kept = 1 - sum(shares.values())
    width = len(seen)
    reached = np.zeros((width + 1, len(candidates)))  # by how much of ``seen`` is explained
    reached[0] = 1.0
    for letter in candidates.T:
        after = shares["delete"] * reached
        for place, token in enumerate(seen):
            if token == MARK:
                after[place + 1] += shares["modify"] * reached[place]
                if place + 1 < width:
                    shown = letter == seen[place + 1]
                    after[place + 2] += shares["insert"] * shown * reached[place]
            else:
                after[place + 1] += kept * (letter == token) * reached[place]
        reached = after
    last: NDArray[np.float64] = reached[width]
    return last


# --- The released scoring, to be shown -----------------------------------------------------------


def cut_as_released(prompt: str, output: str) -> str:
    """What the released code takes for the prediction.

    It decodes prompt and output without the unknown mark, and then cuts off as many characters
    as the prompt has with it: each mark eats five characters of the prediction.
    """
    return f"{prompt} {output}".replace(UNKNOWN, "")[len(prompt) :].strip()


def match_as_released(
    task: StringTask,
    prompts: Sequence[Sequence[int]],
    outputs: Sequence[Sequence[int]],
    gold: Sequence[Sequence[int]],
) -> float:
    """Exact match of outputs as the released code would score it."""
    texts = [
        [" ".join(task.vocabulary.decode(row)).removesuffix(f" {STOP}") for row in rows]
        for rows in (prompts, outputs, gold)
    ]
    matches = [
        cut_as_released(prompt, output) == right
        for prompt, output, right in zip(*texts, strict=True)
    ]
    return float(sum(matches) / len(matches))
