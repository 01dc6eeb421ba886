"""What every task of answers under constraints offers, and how its records are written.

Problems and answers are rows of small whole numbers, one token a number. A task brings a
generator, a checker that looks at problem and answer only, a solver that shares no code with
the generator, and answers that know nothing (the null baselines).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from retest.lab.decoding import cut_at_stop, decode_greedy
from retest.lab.model import Transformer
from retest.lab.records import Records, join_records

Numbers = NDArray[np.int64]  # [n, places]
Verdicts = Mapping[str, NDArray[np.bool_]]  # family -> [n, constraints of that family]
UNREADABLE = -1


@dataclass(frozen=True)
class Instances:
    """Problems [n, given numbers] and their best answers [n, asked numbers]."""

    problems: Numbers
    answers: Numbers

    def __len__(self) -> int:
        return len(self.problems)

    def keep(self, chosen: NDArray[np.bool_]) -> "Instances":
        """The chosen rows."""
        return Instances(self.problems[chosen], self.answers[chosen])

    def first(self, count: int) -> "Instances":
        """The first ``count`` rows."""
        return Instances(self.problems[:count], self.answers[:count])


class ConstraintTask(Protocol):
    """The shape of a task module."""

    NAME: str
    LARGEST: int  # numbers are 0 .. LARGEST

    def draw_instances(self, seed: int, purpose: str, count: int) -> Instances:
        """Instances of the seed's stream for this purpose ("training", "test")."""

    def check(self, problems: Numbers, answers: Numbers) -> Verdicts:
        """Which constraints each answer meets; unreadable answers meet none."""

    def solve(self, problem: NDArray[np.int64]) -> NDArray[np.int64]:
        """The best answer, found independently of the generator."""

    def corrupt(self, answers: Numbers) -> Numbers:
        """Right answers, each with one planted fault."""

    def guess(self, problems: Numbers, training: Instances, seed: int) -> Mapping[str, Numbers]:
        """The null baselines' answers, by name."""


def write_prompts(task: ConstraintTask, problems: Numbers) -> torch.Tensor:
    """``problem <solve>`` as tokens [n, given numbers + 1]."""
    return torch.from_numpy(add_mark(problems, count_words(task) - 2))


def write_direct(task: ConstraintTask, instances: Instances) -> torch.Tensor:
    """The answer and nothing else: [n, asked numbers + 1]."""
    return torch.from_numpy(add_mark(instances.answers, count_words(task) - 1))


# What a model is trained to write, by regime; every regime ends in the answer.
REGIMES: dict[str, Callable[[ConstraintTask, Instances], torch.Tensor]] = {"direct": write_direct}


def write_records(task: ConstraintTask, instances: Instances, regime: str) -> Records:
    """``problem <solve> output </s>`` as training records of a regime."""
    outputs = REGIMES[regime](task, instances)
    return join_records(write_prompts(task, instances.problems), outputs)


def add_mark(numbers: Numbers, mark: int) -> Numbers:
    """Rows of numbers with a closing mark."""
    return np.pad(numbers, ((0, 0), (0, 1)), constant_values=mark)


def count_words(task: ConstraintTask) -> int:
    """Size of the vocabulary: the numbers, <solve> and </s> (the last token)."""
    return task.LARGEST + 3


def read_answers(task: ConstraintTask, outputs: list[list[int]], places: int) -> Numbers:
    """Outputs (up to their stop) as answers; a row of UNREADABLE where one is not numbers."""
    stop = count_words(task) - 1
    answers = np.full((len(outputs), places), UNREADABLE, dtype=np.int64)
    for row, output in enumerate(outputs):
        numbers = output[:-1]
        if len(output) == places + 1 and output[-1] == stop and max(numbers) <= task.LARGEST:
            answers[row] = numbers
    return answers


def answer(model: Transformer, task: ConstraintTask, instances: Instances) -> Numbers:
    """The model's greedy answers; rows of UNREADABLE where it wrote something else."""
    prompts, stop = write_prompts(task, instances.problems), count_words(task) - 1
    outputs = decode_greedy(model, prompts, stop, model.options.context - prompts.shape[1])
    return read_answers(task, cut_at_stop(outputs, stop), instances.answers.shape[1])


@dataclass(frozen=True)
class Sets:
    """Training and test instances without a common problem."""

    training: Instances
    test: Instances


def draw_apart(task: ConstraintTask, seed: int, training_items: int, test_items: int) -> Sets:
    """Instances under the seed; test problems that training holds, or twice, are left out."""
    training = task.draw_instances(seed, "training", training_items)
    drawn = task.draw_instances(seed, "test", 2 * test_items)
    test = drawn.keep(find_new(drawn, training)).first(test_items)
    return Sets(training, test)


def find_new(test: Instances, training: Instances) -> NDArray[np.bool_]:
    """Which test problems occur neither in the training set nor earlier in the test set."""
    seen = {row.tobytes() for row in training.problems}
    is_new = np.zeros(len(test), dtype=np.bool_)
    for number, row in enumerate(test.problems):
        key = row.tobytes()
        is_new[number] = key not in seen
        seen.add(key)
    return is_new


def find_nearest(problems: Numbers, training: Instances) -> Numbers:
    """Answers of the training problems with the smallest sum of absolute differences."""
    known = training.problems.astype(np.int16)
    nearest = [int(np.abs(known - row).sum(axis=1).argmin()) for row in problems.astype(np.int16)]
    return training.answers[nearest]


def rate_answers(task: ConstraintTask, instances: Instances, answers: Numbers) -> dict[str, Any]:
    """Satisfaction rates of answers.

    ``families``: share of each family's constraints met; ``mean``: mean over the families;
    ``flat_mean``: mean over all constraints; ``all``: share of answers that meet every one.
    """
    verdicts = task.check(instances.problems, answers)
    families = {family: float(met.mean()) for family, met in verdicts.items()}
    every = np.concatenate(list(verdicts.values()), axis=1)
    return {
        "items": len(answers),
        "parse_rate": float((answers >= 0).all(axis=1).mean()),
        "families": families,
        "mean": sum(families.values()) / len(families),
        "flat_mean": float(every.mean()),
        "all": float(every.all(axis=1).mean()),
        "exact": float((answers == instances.answers).all(axis=1).mean()),
    }


def rate_solver(task: ConstraintTask, instances: Instances) -> dict[str, Any]:
    """The independent solver's rates, and the share of its answers that survive a planted fault."""
    solved = np.stack([task.solve(problem) for problem in instances.problems])
    corrupted = rate_answers(task, instances, task.corrupt(solved))
    return {"solver": rate_answers(task, instances, solved), "corrupted": corrupted["all"]}
