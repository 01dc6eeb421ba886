"""Rates of a test set of chains: what a model writes, judged, beside what a judge must refuse.

Decides which rates there are and which items are kept to be looked at. One output is judged in
``chains``; what rates mean for a claim is the experiment's matter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retest.lab.decoding import cut_at_stop, decode_each, decode_greedy
from retest.lab.item_seeds import hash_seed
from retest.lab.model import Transformer
from retest.lab.tasks import chains
from retest.lab.tasks.chains import ChainScore, name_fault, write_all_prompts, write_gold
from retest.lab.tasks.format_noise import (
    Noise,
    damage_prompts,
    find_ceiling,
    find_chances,
    match_as_released,
)
from retest.lab.tasks.strings import ANSWER, STOP, Problems, StringTask, write_prompts
from retest.protocol import SAMPLES_KEPT, Sample

OF_STEPS = {  # rates that say nothing where right outputs have no steps
    "reasoning", "edit_distance_reasoning", "bleu_reasoning", "follows_prompt", "follows_itself",
}  # fmt: skip
LONGER = 6  # tokens that an output may have beyond the right one before it is cut off


@dataclass(frozen=True)
class ChainTest:
    """A test set: problems of one length and number of steps, and what damages their prompts."""

    groups: Sequence[Problems]
    noise: Noise | None = None
    seed: int = 0  # of the noise

    @property
    def compositions(self) -> list[str]:
        """The name of every item's composition: F1F2."""
        return [
            "".join(f"F{place + 1}" for place in problems.composition)
            for problems in self.groups
            for _ in range(len(problems))
        ]

    def write_prompts(self, task: StringTask) -> list[list[int]]:
        """What the model is asked, item by item."""
        prompts = write_all_prompts(task, self.groups)
        return damage_prompts(task, prompts, self.noise, self.seed) if self.noise else prompts


@dataclass(frozen=True)
class ChainReading:
    """Rates of one test set, and the first of its items as words."""

    rates: Mapping[str, Any]
    samples: tuple[Sample, ...]


def score_chains(model: Transformer, task: StringTask, test: ChainTest) -> ChainReading:
    """What the model writes for a test set, as rates.

    ``foreign_gold`` scores each output against the right output of the next item, and
    ``planted_fault`` right outputs with one token changed: a working judge refuses both, and
    accepts every right output (``perfect``). ``released_refuses`` is the share of right outputs
    that the source's released code would call wrong, ``released_full`` its exact match of what
    the model wrote. Noise has a ``ceiling``, and exact match is compared with that of these very
    items (``above_ceiling``).
    """
    prompts, gold = test.write_prompts(task), write_gold(task, test.groups)
    outputs = decode_chains(model, task, prompts, gold)
    scores = judge_all(task, test.groups, gold, outputs)
    rates: dict[str, Any] = {"items": len(scores), **average(scores)}
    if task.vocabulary.places[ANSWER] not in gold[0]:
        rates = {name: rate for name, rate in rates.items() if name not in OF_STEPS}
    rates["fluent_but_wrong"] = find_share([s.is_fluent and not s.full for s in scores])
    rates["by_composition"] = average_apart(test.compositions, scores)
    rates |= check_judge(task, gold, outputs)
    rates["released_refuses"] = 1 - match_as_released(task, prompts, gold, gold)
    rates["released_full"] = match_as_released(task, prompts, outputs, gold)
    if test.noise is None:
        rates["answer_after_right_step"] = find_share(judge_forced_answers(model, task, test))
    else:
        length = test.groups[0].elements.shape[1]
        rates["ceiling"] = find_ceiling(test.noise, length)
        chances = find_chances(task, prompts, test.noise, length)
        rates["above_ceiling"] = rates["full"] - find_share(chances)
    shown = range(0, len(scores), max(1, len(scores) // SAMPLES_KEPT))[:SAMPLES_KEPT]
    samples = [show(task, prompts[i], gold[i], outputs[i], scores[i]) for i in shown]
    return ChainReading(rates, tuple(samples))


def decode_chains(
    model: Transformer, task: StringTask, prompts: list[list[int]], gold: list[list[int]]
) -> list[list[int]]:
    """What the model writes for each prompt, up to its stop, or a few tokens too many."""
    stop = task.vocabulary.places[STOP]
    most = len(gold[0]) + LONGER

    def decode(alike: Tensor, _places: NDArray[np.int64]) -> Tensor:
        limit = min(most, model.options.context - alike.shape[1])
        return decode_greedy(model, alike, stop, limit)

    outputs = decode_each(prompts, decode)
    return [cut_at_stop(row[None], stop)[0] for row in outputs]


def judge_all(
    task: StringTask, groups: Sequence[Problems], gold: list[list[int]], outputs: list[list[int]]
) -> list[ChainScore]:
    """The score of every output."""
    compositions = [problems.composition for problems in groups for _ in range(len(problems))]
    return [chains.judge_output(task, *of) for of in zip(compositions, gold, outputs, strict=True)]


def average(scores: Sequence[ChainScore]) -> dict[str, float]:
    """The mean of every part of the scores."""
    return {
        field.name: find_share([float(getattr(score, field.name)) for score in scores])
        for field in fields(ChainScore)
    }


def average_apart(names: Sequence[str], scores: Sequence[ChainScore]) -> dict[str, float]:
    """Exact match of the whole output for each composition."""
    rights: dict[str, list[float]] = {}
    for name, score in zip(names, scores, strict=True):
        rights.setdefault(name, []).append(float(score.full))
    return {name: find_share(each) for name, each in rights.items()}


def check_judge(
    task: StringTask, gold: list[list[int]], outputs: list[list[int]]
) -> dict[str, float]:
    """What the judge makes of outputs of other items, of planted faults, and of right outputs."""
    words = len(task.vocabulary)
    places = [hash_seed("strings/fault", row, 0) % len(right) for row, right in enumerate(gold)]
    faulty = [
        [(token + 1) % words if place == at else token for at, token in enumerate(right)]
        for place, right in zip(places, gold, strict=True)
    ]
    judged = {
        "foreign_gold": zip(outputs, [*gold[1:], gold[0]], strict=True),
        "planted_fault": zip(faulty, gold, strict=True),
        "perfect": zip([list(right) for right in gold], gold, strict=True),
    }
    return {
        name: find_share([chains.is_right(output, right) for output, right in pairs])
        for name, pairs in judged.items()
    }


def judge_forced_answers(model: Transformer, task: StringTask, test: ChainTest) -> list[bool]:
    """Whether the answer is right when the right steps up to <answer> are given."""
    prompts = torch.cat([write_prompts(task, problems) for problems in test.groups])
    gold = torch.tensor(write_gold(task, test.groups))
    is_mark = gold[0] == task.vocabulary.places[ANSWER]
    steps = int(is_mark.int().argmax()) + 1 if bool(is_mark.any()) else 0
    stop = task.vocabulary.places[STOP]
    outputs = decode_greedy(model, prompts, stop, gold.shape[1], forced=gold[:, :steps])
    verdicts: list[bool] = (outputs == gold).all(dim=1).tolist()
    return verdicts


def show(
    task: StringTask, prompt: list[int], gold: list[int], output: list[int], score: ChainScore
) -> Sample:
    """One item as words."""
    texts = [" ".join(task.vocabulary.decode(row)) for row in (prompt, gold, output)]
    return Sample(prompt=texts[0], gold=texts[1], output=texts[2], verdict=name_fault(score))


def find_share(values: Sequence[float]) -> float:
    """Mean of rates or truth values."""
    return sum(values) / len(values)
