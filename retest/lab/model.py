"""One small decoder-only transformer, shaped by a frozen record of options.

Decides how tokens become logits, with and without remembered keys and values. Knows nothing
of tasks, training or what the tokens mean. Normalisation has no weights, so that the blocks
hold 12 * depth * width^2 parameters exactly (at mlp_ratio 4 and full key-value heads) and
sizes compare cleanly.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Positions = Literal["learned", "rope", "none"]
ROPE_BASE = 10_000.0
INITIAL_DEVIATION = 0.02


@dataclass(frozen=True)
class ModelOptions:
    """What a model is made of; ``context`` is the longest sequence, in tokens."""

    vocabulary: int
    context: int
    depth: int = 3
    width: int = 64
    heads: int = 4
    kv_heads: int | None = None  # None: as many as heads
    mlp_ratio: float = 4.0
    positions: Positions = "rope"

    @property
    def head_width(self) -> int:
        """Channels of one head."""
        return self.width // self.heads

    @property
    def kept_heads(self) -> int:
        """Heads whose keys and values exist (fewer than ``heads``: they are shared)."""
        return self.heads if self.kv_heads is None else self.kv_heads


class LayerMemory:
    """Keys and values of one block for the positions seen: [n * kept heads, time, channel] each."""

    def __init__(self, options: ModelOptions, rows: int, device: torch.device) -> None:
        shape = (2, rows * options.kept_heads, options.context, options.head_width)
        self.pairs = torch.empty(shape, device=device)
        self.length = 0

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store new keys and values; returns all that are held."""
        end = self.length + keys.shape[1]
        self.pairs[0, :, self.length : end] = keys
        self.pairs[1, :, self.length : end] = values
        self.length = end
        return self.pairs[0, :, :end], self.pairs[1, :, :end]


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
    """Causal self-attention, written out: on short sequences it beats the fused kernel of a CPU."""

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self.options = options
        kept_width = options.kept_heads * options.head_width
        self.query = nn.Linear(options.width, options.width, bias=False)
        self.key = nn.Linear(options.width, kept_width, bias=False)
        self.value = nn.Linear(options.width, kept_width, bias=False)
        self.out = nn.Linear(options.width, options.width, bias=False)

    def forward(
        self,
        asking: Tensor,
        seen: Tensor,
        rotations: Tensor | None,
        hidden: Tensor,
        memory: LayerMemory | None,
    ) -> Tensor:
        """Attend from the last ``asking`` [n, t, width] positions to all that were ``seen``.

        ``hidden`` [t, all positions] is -inf where a position must not look. ``rotations``
        cover the positions of ``seen``.
        """
        rows, times, width = asking.shape
        heads, channels = self.options.heads, self.options.head_width
        queries = split_heads(self.query(asking), channels, rotations)
        keys = split_heads(self.key(seen), channels, rotations)
        values = split_heads(self.value(seen), channels, None)
        if memory is not None:
            keys, values = memory.append(keys, values)
        if self.options.kept_heads < heads:
            shared_by = heads // self.options.kept_heads
            keys = keys.repeat_interleave(shared_by, dim=0)
            values = values.repeat_interleave(shared_by, dim=0)
        scale = channels**-0.5
        scores = torch.baddbmm(hidden, queries, keys.transpose(1, 2), alpha=scale)
        mixed = torch.bmm(scores.softmax(-1), values)
        mixed = mixed.view(rows, heads, times, channels).transpose(1, 2)
        result: Tensor = self.out(mixed.reshape(rows, times, width))
        return result


class Block(nn.Module):
    """Attention and a two-layer perceptron, each on a normalised residual stream."""

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        inner = round(options.mlp_ratio * options.width)
        self.attention = Attention(options)
        self.widen = nn.Linear(options.width, inner, bias=False)
        self.narrow = nn.Linear(inner, options.width, bias=False)

    def forward(
        self,
        x: Tensor,
        asking_from: int,
        rotations: Tensor | None,
        hidden: Tensor,
        memory: LayerMemory | None,
    ) -> Tensor:
        """[n, t, width] -> [n, t - asking_from, width]: earlier positions are only looked at."""
        seen = normalise(x)
        x = x[:, asking_from:]
        x = x + self.attention(seen[:, asking_from:], seen, rotations, hidden, memory)
        inner = F.relu(self.widen(normalise(x)), inplace=True)
        result: Tensor = x + self.narrow(inner)
        return result


class Transformer(nn.Module):
    """The model: embedding, blocks, and a head of its own."""

    hidden: Tensor
    rotations: Tensor

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self.options = options
        self.embedding = nn.Embedding(options.vocabulary, options.width)
        if options.positions == "learned":
            self.position_embedding = nn.Embedding(options.context, options.width)
        self.blocks = nn.ModuleList(Block(options) for _ in range(options.depth))
        self.head = nn.Linear(options.width, options.vocabulary, bias=False)
        future = torch.full((options.context, options.context), float("-inf")).triu(1)
        self.register_buffer("hidden", future, persistent=False)
        self.register_buffer("rotations", make_rotations(options), persistent=False)

    def forward(
        self, tokens: Tensor, logits_from: int = 0, memories: list[LayerMemory] | None = None
    ) -> Tensor:
        """Logits [n, t - logits_from, vocabulary] for the tokens [n, t] that follow ``memories``.

        Positions before ``logits_from`` skip the part of the last block that nobody reads.
        """
        begin = memories[0].length if memories else 0
        end = begin + tokens.shape[1]
        x = self.embedding(tokens)
        if self.options.positions == "learned":
            x = x + self.position_embedding.weight[begin:end]
        rotations = self.rotations[begin:end] if self.options.positions == "rope" else None
        for number, block in enumerate(self.blocks):
            asking_from = logits_from if number == len(self.blocks) - 1 else 0
            hidden = self.hidden[begin + asking_from : end, :end]
            x = block(x, asking_from, rotations, hidden, memories[number] if memories else None)
        logits: Tensor = self.head(normalise(x))
        return logits

    def remember(self, rows: int) -> list[LayerMemory]:
        """Empty memories for decoding ``rows`` sequences."""
        device = self.embedding.weight.device
        return [LayerMemory(self.options, rows, device) for _ in self.blocks]


def build_model(options: ModelOptions, seed: int, device: torch.device) -> Transformer:
    """A model with weights drawn from the seed, the same on every device.

    Matrices that write to the residual stream start smaller with depth (GPT-2's rule).
    """
    generator = torch.Generator().manual_seed(seed)
    model = Transformer(options)
    for name, weight in model.named_parameters():
        writes = name.endswith(("out.weight", "narrow.weight"))
        shrink = (2 * options.depth) ** -0.5 if writes else 1.0
        spread = INITIAL_DEVIATION if "embedding" in name else weight.shape[1] ** -0.5
        nn.init.normal_(weight, std=spread * shrink, generator=generator)
    return model.to(device)


def count_parameters(model: nn.Module) -> int:
    """All trained numbers of a model."""
    return sum(weight.numel() for weight in model.parameters())


def count_block_parameters(model: Transformer) -> int:
    """The trained numbers of the blocks: size without embedding and head."""
    return count_parameters(model.blocks)
