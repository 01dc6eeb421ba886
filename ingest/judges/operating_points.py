"""From probabilities to answers: where the judge may speak, and what it leans to.

Decides thresholds by measured precision and factors by macro-F1; both are chosen on rows
other than those that they are measured on.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from ingest.judges.intervals import confuse, macro_f1, wilson
from ingest.judges.weights import CLASSES

TARGETS = {"supports": 0.70, "against": 0.60}  # precision at which it may speak
FEWEST_SPOKEN, SLACK = 40, 0.10
FACTORS = [1.0, 1.3, 1.6, 1.9, 2.2, 2.5, 2.8, 3.1, 3.4, 3.7]

Probabilities = NDArray[np.float64]


def lean(probabilities: Probabilities, factors: tuple[float, ...]) -> NDArray[np.int64]:
    """The class that each row leans to after weighting rare classes up."""
    return np.asarray(np.argmax(probabilities * np.array(factors), axis=1), dtype=np.int64)


def score_f1(truth: NDArray[np.int64], answers: NDArray[np.int64]) -> float:
    """Three-way macro-F1."""
    return macro_f1(confuse(truth.tolist(), answers.tolist(), len(CLASSES)))


def choose_factors(
    probabilities: Probabilities, truth: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Factors on the first two classes that give these rows the best macro-F1."""
    scored = [
        (score_f1(truth, lean(probabilities, (first, second, 1.0))), first, second)
        for first, second in product(FACTORS, FACTORS)
    ]
    _, first, second = max(scored)
    return first, second, 1.0


def choose_threshold(
    scores: NDArray[np.float64], is_right: NDArray[np.bool_], target: float
) -> float | None:
    """The lowest probability above which precision reached the target; None if none did.

    First by the lower Wilson bound; where the data do not allow that, by the share itself,
    with at least ``FEWEST_SPOKEN`` answers and a lower bound within ``SLACK`` of the target.
    """
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(is_right[order])
    sure, likely = None, None
    for n in range(FEWEST_SPOKEN, len(order) + 1):
        low = wilson(int(right[n - 1]), n).low
        if low >= target:
            sure = float(scores[order[n - 1]])
        if right[n - 1] / n >= target and low >= target - SLACK:
            likely = float(scores[order[n - 1]])
    return sure if sure is not None else likely
