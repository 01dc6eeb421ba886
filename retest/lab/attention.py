"""Attention of one block, with rotary positions and remembered keys and values.

Decides how positions look at each other. Knows nothing of blocks and tasks.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retest.lab.options import ModelOptions
from retest.lab.passage import Passage

ROPE_BASE = 10_000.0


def normalise(x: Tensor) -> Tensor:
    """Layer normalisation without weights."""
    return F.layer_norm(x, x.shape[-1:])


def make_rotations(options: ModelOptions) -> Tensor:
    """Rotary positions (arXiv:2104.09864) as one matrix a position: [context, channel, channel].

    A batched product with these is faster on a CPU than the usual cosines and sines.
    """
    half = options.head_width // 2
    frequencies = ROPE_BASE ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.outer(torch.arange(options.context, dtype=torch.float64), frequencies)
    cosines, sines = torch.diag_embed(angles.cos()), torch.diag_embed(angles.sin())
    upper = torch.cat((cosines, sines), dim=2)
    lower = torch.cat((-sines, cosines), dim=2)
    return torch.cat((upper, lower), dim=1).float()


def split_heads(x: Tensor, channels: int, rotations: Tensor | None) -> Tensor:
    """[n, t, heads * channels] -> [n * heads, t, channels], rotated by position where asked."""
    rows, times, width = x.shape
    if rotations is None:
        heads = x.view(rows, times, width // channels, channels).transpose(1, 2)
        return heads.reshape(-1, times, channels)
    by_time = x.transpose(0, 1).reshape(times, -1, channels)
    return torch.bmm(by_time, rotations[-times:]).transpose(0, 1)


class Attention(nn.Module):
    """Self-attention, written out: on short sequences it beats the fused kernel of a CPU."""

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self.options = options
        all_heads = options.heads * options.head_width
        kept_heads = options.kept_heads * options.head_width
        self.query = nn.Linear(options.width, all_heads, bias=False)
        self.key = nn.Linear(options.width, kept_heads, bias=False)
        self.value = nn.Linear(options.width, kept_heads, bias=False)
        self.out = nn.Linear(all_heads, options.width, bias=False)

    def forward(self, asking: Tensor, seen: Tensor, passage: Passage, number: int) -> Tensor:
        """Attend from the last ``asking`` [n, t, width] positions to all that were ``seen``."""
        rows, times, _ = asking.shape
        options, rotations = self.options, passage.rotations
        heads, channels = options.heads, options.head_width
        queries = split_heads(self.query(asking), channels, rotations)
        keys = split_heads(self.key(seen), channels, rotations)
        values = split_heads(self.value(seen), channels, None)
        if passage.memory is not None:
            keys, values = passage.memory.layer(number).append(keys, values)
        shared_by = heads // options.kept_heads
        if shared_by > 1 and times == 1:  # heads that share keys ask together
            return self.join(mix(queries.reshape(-1, shared_by, channels), keys, values), rows)
        if shared_by > 1:
            keys = keys.repeat_interleave(shared_by, dim=0)
            values = values.repeat_interleave(shared_by, dim=0)
        hidden = passage.hidden[passage.hidden.shape[0] - times :]
        return self.join(mix(queries, keys, values, hidden), rows, times)

    def join(self, mixed: Tensor, rows: int, times: int = 1) -> Tensor:
        """[n * heads, t, channels] -> [n, t, width]."""
        heads, channels = self.options.heads, self.options.head_width
        mixed = mixed.reshape(rows, heads, times, channels).transpose(1, 2)
        result: Tensor = self.out(mixed.reshape(rows, times, heads * channels))
        return result


def mix(queries: Tensor, keys: Tensor, values: Tensor, hidden: Tensor | None = None) -> Tensor:
    """Values weighted by how queries match keys; ``hidden`` is -inf where none may look."""
    scale = queries.shape[-1] ** -0.5
    if hidden is None:
        scores = torch.bmm(queries, keys.transpose(1, 2)) * scale
    else:
        scores = torch.baddbmm(hidden, queries, keys.transpose(1, 2), alpha=scale)
    return torch.bmm(scores.softmax(-1), values)
