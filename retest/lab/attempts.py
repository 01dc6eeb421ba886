"""Many answers to each problem, with a verifier's scores: how good is each way to choose one?

Decides what verifier, majority and oracle make of the first k samples, and holds selection
against what is known beforehand: a verifier that knows the truth reaches all that the samples
cover, one that throws dice reaches no more than a single sample, and one that lets wrong
answers pass at a known rate ends at a known level. Knows nothing of how samples were made.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retest.lab.item_seeds import open_stream
from retest.lab.selection import (
    choose_best,
    choose_majority,
    choose_weighted,
    find_covered,
)
from retest.lab.verifiers import measure_auroc

SELECTORS = ("verifier", "best", "majority", "oracle")
DICE = 50  # throws over which a verifier without knowledge is averaged


@dataclass(frozen=True)
class Attempts:
    """Answers [n, k] in the order in which they were drawn, scores [n, k], right ones [n]."""

    answers: NDArray[np.int64]
    scores: NDArray[np.float64]
    gold: NDArray[np.int64]

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Which samples give the right answer: [n, k]."""
        right: NDArray[np.bool_] = self.answers == self.gold[:, None]
        return right

    def judge(self, selector: str, samples: int) -> NDArray[np.bool_]:
        """Whether the choice among the first ``samples`` is right, for each problem: [n].

        ``verifier`` weighs answers by scores, ``best`` takes the one best sample, ``majority``
        counts, ``oracle`` is right wherever any sample is.
        """
        answers, scores = self.answers[:, :samples], self.scores[:, :samples]
        if selector == "oracle":
            return find_covered(answers, self.gold)
        chosen = {
            "verifier": lambda: choose_weighted(answers, scores),
            "best": lambda: choose_best(answers, scores),
            "majority": lambda: choose_majority(answers),
        }[selector]()
        right: NDArray[np.bool_] = chosen == self.gold
        return right


def measure_planted_gap(attempts: Attempts) -> float:
    """What a verifier that knows the truth misses of the problems that the samples cover: 0."""
    samples = attempts.answers.shape[1]
    knowing = Attempts(attempts.answers, attempts.is_right.astype(np.float64), attempts.gold)
    covered = attempts.judge("oracle", samples).mean()
    return float(covered - knowing.judge("verifier", samples).mean())


def measure_dice_excess(attempts: Attempts, seed: int) -> float:
    """How much better than one sample the best by thrown scores is, over many throws: near 0."""
    stream = open_stream("attempts/dice", seed)
    samples = attempts.answers.shape[1]
    throws = [
        Attempts(attempts.answers, stream.random(attempts.answers.shape), attempts.gold)
        for _ in range(DICE)
    ]
    reached = np.mean([each.judge("best", samples).mean() for each in throws])
    return float(reached - attempts.is_right.mean())


def measure_foreign(attempts: Attempts) -> float:
    """Share right when every choice is held against the next problem's answer: chance alone."""
    foreign = Attempts(attempts.answers, attempts.scores, np.roll(attempts.gold, -1))
    return float(foreign.judge("verifier", attempts.answers.shape[1]).mean())


def measure_within(attempts: Attempts) -> float:
    """Mean AUROC of the scores within problems that have right and wrong samples (NaN: none).

    Over all samples together a verifier also gains from knowing which problems are hard, which
    helps no choice among samples of one problem.
    """
    rows = zip(attempts.scores, attempts.is_right, strict=True)
    mixed = [measure_auroc(*row) for row in rows if 0 < row[1].sum() < len(row[1])]
    return float(np.mean(mixed)) if mixed else float("nan")


def accept_with_flips(
    attempts: Attempts, samples: int, flip_rate: float, seed: int
) -> NDArray[np.bool_]:
    """Whether the first accepted of the first samples is right: [n]; the first one where none is.

    Right samples are accepted, wrong ones too at ``flip_rate`` (arXiv:2411.17501: resampling
    until a verifier with false positives says yes).
    """
    drawn = open_stream("attempts/flips", seed).random(attempts.answers.shape)[:, :samples]
    is_right = attempts.is_right[:, :samples]
    accepted = is_right | (drawn < flip_rate)
    chosen = accepted.argmax(axis=1)
    right: NDArray[np.bool_] = is_right[np.arange(len(is_right)), chosen]
    return right


def find_ceiling(pass_rates: NDArray[np.float64], flip_rate: float) -> float:
    """Where accuracy ends with ever more samples: mean of p / (p + e (1 - p)), 0 where p is 0.

    ``pass_rates`` [n] are each problem's share of right samples.
    """
    let_through = pass_rates + flip_rate * (1 - pass_rates)
    levels = np.divide(pass_rates, let_through, out=np.zeros(len(pass_rates)), where=pass_rates > 0)
    return float(levels.mean())


def list_budgets(most: int, beside: Sequence[int]) -> list[int]:
    """Powers of two up to ``most``, and the budgets that are compared: in order, once each."""
    powers = [2**power for power in range(most.bit_length())]
    return sorted({*powers, *beside})
