"""One forward pass under way: where it stands, what it remembers, what it gives beside logits.

Decides what cached decoding keeps between calls. Knows nothing of weights.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from retest.lab.options import ModelOptions

# With rows last, a CPU attends to few positions of many sequences several times faster than by
# a batch of tiny products; beyond these bounds the products win (docs/lab-notes.md).
LONGEST_IN_COLUMNS, FEWEST_IN_COLUMNS = 48, 8


class LayerMemory:
    """Keys and values of one pass of one block.

    In one of two layouts: [rows * kept heads, time, channel], or ``is_in_columns``:
    [time, kept heads, channel, rows].
    """

    def __init__(self, options: ModelOptions, rows: int, room: int, device: torch.device) -> None:
        self.heads, self.channels, self.length = options.kept_heads, options.head_width, 0
        is_short = room <= LONGEST_IN_COLUMNS and rows >= FEWEST_IN_COLUMNS
        self.is_in_columns = is_short and device.type == "cpu"
        shape = (2, rows * self.heads, room, self.channels)
        if self.is_in_columns:
            shape = (2, room, self.heads * self.channels, rows)
        self.pairs = torch.empty(shape, device=device)
        self.weights: Tensor | None = None  # of query, key and value in one

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store new keys and values [rows * kept heads, t, channel]; returns all that are held."""
        begin, end = self.length, self.length + keys.shape[1]
        self.length = end
        if not self.is_in_columns:
            self.pairs[0, :, begin:end] = keys
            self.pairs[1, :, begin:end] = values
            return self.pairs[0, :, :end], self.pairs[1, :, :end]
        for place, fresh in enumerate((keys, values)):
            by_row = fresh.view(-1, self.heads, end - begin, self.channels)
            columns = self.pairs[place].view(-1, self.heads, self.channels, len(by_row))
            columns[begin:end] = by_row.permute(2, 1, 3, 0)
        return (keys, values) if begin == 0 else (self.read_rows(0), self.read_rows(1))

    def read_rows(self, place: int) -> Tensor:
        """All keys (0) or values (1), kept in columns, as [rows * kept heads, time, channel]."""
        held = self.pairs[place, : self.length]
        by_head = held.view(self.length, self.heads, self.channels, held.shape[-1])
        return by_head.permute(3, 1, 0, 2).flatten(0, 1)

    def append_column(self, pair: Tensor) -> tuple[Tensor, Tensor]:
        """Store one position [2, kept heads * channels, rows]; returns [time, ...] of both."""
        self.pairs[:, self.length] = pair
        self.length += 1
        return self.pairs[0, : self.length], self.pairs[1, : self.length]

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows only (each as often as it is named)."""
        if self.is_in_columns:
            self.pairs = self.pairs[..., rows]
            return
        heads = torch.arange(self.heads, device=rows.device)
        self.pairs = self.pairs[:, (rows[:, None] * self.heads + heads).flatten()]


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
        self.rows, self.tokens = len(rows), self.tokens[rows]
        for layer in self.layers.values():
            layer.keep(rows)
        self.histories = {number: past[rows] for number, past in self.histories.items()}


@dataclass
class Passage:
    """One call of a model: positions ``begin`` .. ``end`` - 1 of every row.

    ``rotations`` and ``hidden`` are cut to these positions, ``all_rotations`` are not; ``seen``
    are the tokens up to ``end``. Blocks leave here what else they found: the imbalance of
    experts, and how far noise drawn with knowledge of the answer lies from noise drawn without.
    """

    begin: int
    end: int
    seen: Tensor
    rotations: Tensor | None
    all_rotations: Tensor | None
    hidden: Tensor
    memory: Memory | None
    passes: int = 0
    imbalances: list[Tensor] = field(default_factory=list)
    divergences: list[Tensor] = field(default_factory=list)

    def count_pass(self) -> int:
        """The number of the pass that begins now."""
        self.passes += 1
        return self.passes - 1
