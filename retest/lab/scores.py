"""Numbers that several experiments read off outputs: distances, BLEU and slopes.

Measures one seed only; what seeds say together is weighed elsewhere.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ORDERS = (1, 2, 3, 4)
EPSILON = 0.1  # takes the place of a count of zero (nltk's method1)


def measure_edit_distance(left: Sequence[object], right: Sequence[object]) -> float:
    """Levenshtein distance over the items, as a share of the longer sequence (0 to 1)."""
    longest = max(len(left), len(right), 1)
    begin = 0
    while begin < min(len(left), len(right)) and left[begin] == right[begin]:
        begin += 1
    left, right = left[begin:], right[begin:]  # a common beginning costs nothing
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(right, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1] / longest


def measure_bleu(wrote: Sequence[object], right: Sequence[object]) -> float:
    """Sentence BLEU of one output against one reference, 0 to 1, over orders 1 to 4.

    As nltk's ``sentence_bleu`` with its smoothing ``method1`` (Chen and Cherry 2014): clipped
    counts, an order without a match counts as .1 of one, nothing in common gives 0, and an
    output shorter than the reference is punished. An output of fewer than four words has no
    four words in a row, so that a right one of three words scores .56.
    """
    if not set(wrote) & set(right):
        return 0.0
    logs = []
    for order in ORDERS:
        mine, theirs = count_ngrams(wrote, order), count_ngrams(right, order)
        matches = sum(min(count, theirs[ngram]) for ngram, count in mine.items())
        logs.append(math.log((matches or EPSILON) / max(1, sum(mine.values()))))
    shortness = min(0.0, 1 - len(right) / len(wrote))
    return math.exp(shortness + math.fsum(logs) / len(ORDERS))


def count_ngrams(words: Sequence[object], order: int) -> Counter[tuple[object, ...]]:
    """How often each run of ``order`` words occurs."""
    return Counter(tuple(words[i : i + order]) for i in range(len(words) - order + 1))


def measure_slope(sizes: Sequence[float], rates: Sequence[float]) -> float:
    """Least-squares change of a rate per doubling of size."""
    doublings = np.log2(np.asarray(sizes, dtype=np.float64))
    centred = doublings - doublings.mean()
    return float(centred @ np.asarray(rates, dtype=np.float64) / (centred @ centred))


def measure_rank_correlation(levels: Sequence[float], rates: Sequence[float]) -> float | None:
    """Spearman's correlation with shared ranks for ties; None where one of the two is constant."""
    first, second = (rank_evenly(np.asarray(of, dtype=np.float64)) for of in (levels, rates))
    if not first.size or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def rank_evenly(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0; equal values share the mean of their ranks."""
    below = (values[:, None] > values).sum(axis=1)
    alike = (values[:, None] == values).sum(axis=1)
    ranks: NDArray[np.float64] = below + (alike - 1) / 2
    return ranks
