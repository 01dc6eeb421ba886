"""Attention of one block, with rotary positions and remembered keys and values.

Decides how positions look at each other. Knows nothing of blocks and tasks.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retest.lab.options import ModelOptions
from retest.lab.passage import LayerMemory, Passage

ROPE_BASE = 10_000.0
LANES = 16  # a softmax over fewer numbers takes a slow path on a CPU: up to ten times the time


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
        if seen.shape[1] == 1 and passage.memory and passage.memory.layer(number).is_in_columns:
            return self.step(asking[:, 0], passage, passage.memory.layer(number))
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

    def step(self, x: Tensor, passage: Passage, layer: LayerMemory) -> Tensor:
        """``forward`` for one position [n, width] of many rows, whose memory is in columns."""
        heads, kept, channels = self.options.heads, layer.heads, layer.channels
        if layer.weights is None:
            layer.weights = self.join_weights(passage, layer)
        weights = layer.weights[layer.length if len(layer.weights) > 1 else 0]
        columns = (weights @ x.T).view(heads + 2 * kept, channels, -1)
        held = layer.append_column(columns[heads:].view(2, kept * channels, -1))
        keys, values = (each.view(-1, kept, 1, channels, len(x)) for each in held)
        queries = columns[:heads].view(kept, -1, channels, len(x))
        shares = (queries * keys).sum(3, keepdim=True).softmax(0)
        mixed = (shares * values).sum(0).view(heads * channels, -1)
        return (self.out.weight @ mixed).T[:, None]

    def join_weights(self, passage: Passage, layer: LayerMemory) -> Tensor:
        """Query, key and value in one matrix, turned for each position: [room or 1, ..., width]."""
        channels = layer.channels
        turned = torch.cat((self.query.weight * channels**-0.5, self.key.weight))[None]
        if passage.all_rotations is not None:
            turns = passage.all_rotations[: layer.pairs.shape[1], None].transpose(2, 3)
            turned = (turns @ turned.view(1, -1, channels, turned.shape[-1])).flatten(1, 2)
        fixed = self.value.weight.expand(len(turned), -1, -1)
        return torch.cat((turned, fixed), dim=1)

    def join(self, mixed: Tensor, rows: int, times: int = 1) -> Tensor:
        """[n * heads, t, channels] -> [n, t, width]."""
        heads, channels = self.options.heads, self.options.head_width
        mixed = mixed.reshape(rows, heads, times, channels).transpose(1, 2)
        result: Tensor = self.out(mixed.reshape(rows, times, heads * channels))
        return result


def mix(queries: Tensor, keys: Tensor, values: Tensor, hidden: Tensor | None = None) -> Tensor:
    """Values weighted by how queries match keys; ``hidden`` is -inf where none may look."""
    scale, length = queries.shape[-1] ** -0.5, keys.shape[1]
    if hidden is not None and length < LANES and not torch.is_grad_enabled():
        gap = LANES - length
        hidden = F.pad(hidden, (0, gap), value=float("-inf"))
        keys, values = (F.pad(each, (0, 0, 0, gap)) for each in (keys, values))
    if hidden is None:
        scores = torch.bmm(queries, keys.transpose(1, 2)) * scale
    else:
        scores = torch.baddbmm(hidden, queries, keys.transpose(1, 2), alpha=scale)
    return torch.bmm(scores.softmax(-1), values)
