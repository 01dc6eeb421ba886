"""Functions from strings to strings of the same length, and which of them commute.

Each is one-to-one, so that a right answer names one element and guessing has no shortcut.
``rot13`` and ``left1`` are those of arXiv:2508.01191; the others were chosen here so that few
pairs commute. None is a power of another one. Elements are letters [n, letters], each 0..25.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Elements = NDArray[np.int64]  # [n, letters], each 0..25


def swap_places(elements: Elements, left: int, right: int) -> Elements:
    """The letters of two places exchanged; a single letter (a model may write one) stays."""
    if elements.shape[1] < 2:
        return elements
    swapped = elements.copy()
    swapped[:, [left, right]] = elements[:, [right, left]]
    return swapped


def find_places(elements: Elements) -> NDArray[np.int64]:
    """0, 1, 2, ... for the letters of an element."""
    return np.arange(elements.shape[1], dtype=np.int64)


FUNCTIONS: dict[str, Callable[[Elements], Elements]] = {
    "rot13": lambda elements: (elements + 13) % 26,
    "left1": lambda elements: np.roll(elements, -1, axis=1),
    "reverse": lambda elements: elements[:, ::-1],
    "ramp": lambda elements: (elements + find_places(elements)) % 26,  # A A A A -> A B C D
    "mirror": lambda elements: 25 - elements,  # A <-> Z
    "evens7": lambda elements: (elements + 7 * (find_places(elements) % 2 == 0)) % 26,
    "swap_first": lambda elements: swap_places(elements, 0, 1),
    "swap_ends": lambda elements: swap_places(elements, 0, -1),
}


def find_commuting(names: Sequence[str], length: int = 4) -> list[tuple[str, str]]:
    """The pairs of functions whose order does not matter for any element of this length.

    Each function moves places and adds to letters (or mirrors them), so elements that hold
    every letter in every place, each place at its own pace, tell all of them apart.
    """
    letters = np.arange(26, dtype=np.int64)[:, None]
    probes = (letters * np.arange(1, 2 * length, 2) + find_places(letters.repeat(length, 1))) % 26
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    return [
        (a, b)
        for a, b in pairs
        if np.array_equal(FUNCTIONS[a](FUNCTIONS[b](probes)), FUNCTIONS[b](FUNCTIONS[a](probes)))
    ]
