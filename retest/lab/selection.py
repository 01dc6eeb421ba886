"""Choosing one answer among many samples, and what a choice can reach at best.

Decides which answer k samples of a prompt give: by majority, by weights of a verifier, or, as a
bound that nobody can use, by the right answer itself. Answers are whole numbers; a sample that
holds no answer is NO_ANSWER. Knows nothing of models or of what a weight was made from.
"""

import numpy as np
from numpy.typing import NDArray

NO_ANSWER = -1

Answers = NDArray[np.integer]
Weights = NDArray[np.floating]


def choose_majority(answers: Answers) -> NDArray[np.int64]:
    """The answer that most of a prompt's samples [n, k] give: [n].

    Ties go to the answer that came first. NO_ANSWER wins only where no sample has an answer.
    """
    return choose_weighted(answers, np.ones(answers.shape))


def choose_weighted(answers: Answers, weights: Weights) -> NDArray[np.int64]:
    """The answer with the largest sum of weights [n, k] over its samples: [n].

    This is best-of-N weighted, argmax over a of the sum of V(s) over samples s with answer a
    (arXiv:2408.03314, section 5.1). Weights are at least 0. Ties go to the answer that came
    first. NO_ANSWER wins only where no sample has an answer.

    Raises:
        ValueError: a weight is negative, or the shapes differ.
    """
    check_weights(answers, weights)
    return pick(answers, sum_alike(answers, weights))


def choose_best(answers: Answers, weights: Weights) -> NDArray[np.int64]:
    """The answer of the one sample [n, k] with the largest weight: [n].

    Ties go to the sample that came first. NO_ANSWER wins only where no sample has an answer.

    Raises:
        ValueError: a weight is negative, or the shapes differ.
    """
    check_weights(answers, weights)
    return pick(answers, weights)


def find_covered(answers: Answers, gold: Answers) -> NDArray[np.bool_]:
    """Whether any sample [n, k] of a prompt gives the right answer [n]: [n], the oracle's choice.

    An upper bound on every choice among these samples; no method has it to use.
    """
    covered: NDArray[np.bool_] = (answers == gold[:, None]).any(axis=1)
    return covered


def estimate_pass_at_k(right: Answers, samples: int, k: int) -> NDArray[np.float64]:
    """Chance that k of a prompt's ``samples`` hold a right one, when ``right`` [n] are: [n].

    1 - C(n - c, k) / C(n, k), without bias (arXiv:2107.03374, equation 1).

    Raises:
        ValueError: k is not between 1 and ``samples``, or a count is not between 0 and it.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"k = {k} is not between 1 and the {samples} samples")
    counts = np.asarray(right, dtype=np.int64)
    if counts.size and not 0 <= counts.min() <= counts.max() <= samples:
        raise ValueError(f"counts of right samples are not between 0 and {samples}")
    drawn = np.arange(k)
    wrong = np.clip(samples - counts[:, None] - drawn, 0, None)
    missed: NDArray[np.float64] = np.prod(wrong / (samples - drawn), axis=1)
    return 1.0 - missed


def sum_alike(answers: Answers, weights: Weights) -> NDArray[np.float64]:
    """For each sample [n, k] the sum of the weights of its prompt's samples that agree with it.

    Samples that agree get the very same sum, bit by bit.
    """
    labels = np.empty(answers.shape, dtype=np.int64)
    for row, own in enumerate(answers):
        labels[row] = np.unique(own, return_inverse=True)[1].reshape(-1)
    labels += np.arange(len(answers))[:, None] * answers.shape[1]
    sums = np.zeros(answers.size)
    np.add.at(sums, labels.reshape(-1), weights.reshape(-1))
    shared: NDArray[np.float64] = sums[labels]
    return shared


def pick(answers: Answers, scores: Weights) -> NDArray[np.int64]:
    """The answer [n] of the first sample with the largest score; samples without one come last."""
    ranked = np.where(answers == NO_ANSWER, -1.0, scores)
    best = ranked.argmax(axis=1)
    chosen: NDArray[np.int64] = answers[np.arange(len(answers)), best].astype(np.int64)
    return chosen


def check_weights(answers: Answers, weights: Weights) -> None:
    """Refuse weights that a choice cannot be made with."""
    if answers.shape != weights.shape or answers.ndim != 2:
        raise ValueError(f"answers {answers.shape} and weights {weights.shape} do not match")
    if weights.size and not weights.min() >= 0:
        raise ValueError("a weight is negative or not a number")
