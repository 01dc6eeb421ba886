"""Numbers that several experiments read off outputs: distances and slopes.

Measures one seed only; what seeds say together is weighed elsewhere.
"""

from collections.abc import Sequence

import numpy as np


def measure_edit_distance(left: Sequence[object], right: Sequence[object]) -> float:
    """Levenshtein distance over tokens, as a share of the longer sequence (0 to 1)."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(right, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1] / max(len(left), len(right), 1)


def measure_slope(sizes: Sequence[float], rates: Sequence[float]) -> float:
    """Least-squares change of a rate per doubling of size."""
    doublings = np.log2(np.asarray(sizes, dtype=np.float64))
    centred = doublings - doublings.mean()
    return float(centred @ np.asarray(rates, dtype=np.float64) / (centred @ centred))
