"""One forward pass under way: where it stands, what it remembers, what it gives beside logits.

Decides what cached decoding keeps between calls. Knows nothing of weights.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from retest.lab.options import ModelOptions


class LayerMemory:
    """Keys and values of one pass of one block: [rows * kept heads, time, channel] each."""

    def __init__(self, options: ModelOptions, rows: int, room: int, device: torch.device) -> None:
        shape = (2, rows * options.kept_heads, room, options.head_width)
        self.pairs = torch.empty(shape, device=device)
        self.length = 0

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store new keys and values; returns all that are held."""
        end = self.length + keys.shape[1]
        self.pairs[0, :, self.length : end] = keys
        self.pairs[1, :, self.length : end] = values
        self.length = end
        return self.pairs[0, :, :end], self.pairs[1, :, :end]


class Memory:
    """What a model remembers of ``rows`` sequences of up to ``room`` tokens."""

    def __init__(self, options: ModelOptions, rows: int, room: int, device: torch.device) -> None:
        self.options, self.rows, self.room, self.device = options, rows, room, device
        self.tokens = torch.zeros(rows, room, dtype=torch.int64, device=device)
        self.length = 0
        self.layers: dict[int, LayerMemory] = {}  # by the number of the pass
        self.histories: dict[int, Tensor] = {}  # of lookups, by the number of the pass

    def layer(self, number: int) -> LayerMemory:
        """The keys and values of a pass."""
        if number not in self.layers:
            self.layers[number] = LayerMemory(self.options, self.rows, self.room, self.device)
        return self.layers[number]

    def extend(self, number: int, fresh: Tensor) -> Tensor:
        """Add what a lookup wrote [n, t, width]; returns all of it [n, all positions, width]."""
        known = self.histories.get(number)
        self.histories[number] = fresh if known is None else torch.cat((known, fresh), dim=1)
        return self.histories[number]

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows only (each as often as it is named)."""
        heads = self.options.kept_heads
        pairs = (rows[:, None] * heads + torch.arange(heads, device=rows.device)).flatten()
        self.rows, self.tokens = len(rows), self.tokens[rows]
        for layer in self.layers.values():
            layer.pairs = layer.pairs[:, pairs]
        self.histories = {number: past[rows] for number, past in self.histories.items()}


@dataclass
class Passage:
    """One call of a model: positions ``begin`` .. ``end`` - 1 of every row.

    ``rotations`` and ``hidden`` are cut to these positions; ``seen`` are the tokens up to
    ``end``. Blocks leave here what else they found: the imbalance of experts, and how far
    noise drawn with knowledge of the answer lies from noise drawn without.
    """

    begin: int
    end: int
    seen: Tensor
    rotations: Tensor | None
    hidden: Tensor
    memory: Memory | None
    passes: int = 0
    imbalances: list[Tensor] = field(default_factory=list)
    divergences: list[Tensor] = field(default_factory=list)

    def count_pass(self) -> int:
        """The number of the pass that begins now."""
        self.passes += 1
        return self.passes - 1
