"""From probabilities to answers: what the judge leans to, and where it says so.

Decides by measured precision. The answer is the class with the largest probability after
factors that give the best macro-F1; it is stated from the first band of probabilities on
whose measured precision is clearly better than chance. Factors and bands are chosen on rows
other than those that they are measured on.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.judges.intervals import Interval, confuse, macro_f1, wilson

CLASSES = ("supports", "against", "neither")
NEITHER = 2
FACTORS = [1.0, 1.3, 1.6, 1.9, 2.2, 2.5, 2.8, 3.1, 3.4, 3.7]
EDGES = (0.0, 0.2, 0.25, 0.3, 0.35, 0.45, 0.55, 0.65)  # of the probability of the answer's class
FEWEST_IN_BAND = 40  # a smaller band is joined with the one below
TIMES_CHANCE = 1.2  # the lower bound of a band's precision, over the class's share, to speak
WORDS = ((0.6, "likely"), (0.4, "leans"), (0.0, "hint"))  # from this measured precision on

Probabilities = NDArray[np.float64]


class Band(NamedTuple):
    """Answers of one class with a probability from ``low`` up to the next band's."""

    low: float
    right: int  # answers that were right, on claims that the model had not seen
    n: int
    speaks: bool

    @property
    def precision(self) -> float:
        """The share of answers that were right."""
        return self.right / self.n if self.n else 0.0

    @property
    def interval(self) -> Interval:
        """95 % Wilson interval of the precision."""
        return wilson(self.right, self.n)

    @property
    def word(self) -> str:
        """``likely``, ``leans`` or ``hint`` by measured precision; ``unclear`` if mute."""
        named = (word for least, word in WORDS if self.precision >= least)
        return next(named) if self.speaks else "unclear"


class Rule(NamedTuple):
    """Factors, and the bands of the two classes that take a side."""

    factors: tuple[float, float, float]
    bands: tuple[tuple[Band, ...], tuple[Band, ...]]  # supports, against; by rising ``low``

    def find_band(self, side: int, probability: float) -> Band | None:
        """The band of an answer; None where the class has none."""
        found = [band for band in self.bands[side] if band.low <= probability]
        return found[-1] if found else None


def lean(probabilities: Probabilities, factors: Sequence[float]) -> NDArray[np.int64]:
    """The class that each row leans to after weighting rare classes up."""
    return np.asarray(np.argmax(probabilities * np.array(factors), axis=1), dtype=np.int64)


def state(probabilities: Probabilities, rule: Rule) -> NDArray[np.int64]:
    """The class that each row states: its leaning where the band speaks, else neither."""
    answers = lean(probabilities, rule.factors)
    for row, side in enumerate(answers):
        if side != NEITHER:
            band = rule.find_band(int(side), float(probabilities[row, side]))
            if band is None or not band.speaks:
                answers[row] = NEITHER
    return answers


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


def choose_rule(probabilities: Probabilities, truth: NDArray[np.int64]) -> Rule:
    """Factors and bands from rows whose probabilities come from models that had not seen them."""
    factors = choose_factors(probabilities, truth)
    answers = lean(probabilities, factors)
    sides = []
    for side in range(NEITHER):
        mine = answers == side
        chance = float((truth == side).mean())
        sides.append(_form_bands(probabilities[mine, side], truth[mine] == side, chance))
    return Rule(factors, (sides[0], sides[1]))


def _form_bands(
    scores: NDArray[np.float64], is_right: NDArray[np.bool_], chance: float
) -> tuple[Band, ...]:
    counted: list[list[float]] = []
    for low, high in zip(EDGES, [*EDGES[1:], np.inf], strict=True):
        inside = (scores >= low) & (scores < high)
        n, right = int(inside.sum()), int(is_right[inside].sum())
        if counted and n < FEWEST_IN_BAND:
            counted[-1][1:] = [counted[-1][1] + right, counted[-1][2] + n]
        elif n:
            counted.append([low, right, n])
    bands: list[Band] = []
    for start, correct, total in counted:
        is_good = wilson(int(correct), int(total)).low >= TIMES_CHANCE * chance
        speaks = is_good or any(band.speaks for band in bands)
        bands.append(Band(start, int(correct), int(total), speaks))
    return tuple(bands)


def rule_from_json(document: Any) -> Rule:
    """A rule as ``json.loads`` gives it back: lists instead of tuples."""
    first, second, third = document[0]
    supports, against = (tuple(Band(*band) for band in side) for side in document[1])
    return Rule((first, second, third), (supports, against))
