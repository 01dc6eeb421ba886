"""Random streams of items: by hash of (task, seed, index), never by seed + index.

Neighbouring seeds must not share items, and adding a test set must not change the training
set, so every stream has an address of its own.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def hash_seed(task: str, seed: int, index: int) -> int:
    """63 bits of SHA-256 over the address of an item or a block of items."""
    digest = hashlib.sha256(f"{task}/{seed}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def open_stream(task: str, seed: int, index: int = 0) -> np.random.Generator:
    """The random stream of block ``index`` of a task's items under a seed."""
    return np.random.Generator(np.random.PCG64(hash_seed(task, seed, index)))


def hash_seeds(task: str, seed: int, items: Sequence[int], samples: int) -> NDArray[np.uint64]:
    """A seed for every sample of every item: [items, samples], each the hash of its address."""
    rows = [
        [hash_seed(f"{task}/{sample}", seed, item) for sample in range(samples)] for item in items
    ]
    return np.array(rows, dtype=np.uint64)
