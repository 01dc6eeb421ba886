"""One small decoder-only transformer, shaped by a frozen record of options.

Decides how tokens become logits, with and without remembered keys and values. Knows nothing
of tasks, training or what the tokens mean. Normalisation has no weights, so that the blocks
hold 12 * depth * width^2 parameters exactly (at mlp_ratio 4 and full key-value heads) and
sizes compare cleanly.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retest.lab.attention import Attention, make_rotations, normalise
from retest.lab.experts import Experts
from retest.lab.latent import Latent, State, Transitions
from retest.lab.ngrams import NgramMemory
from retest.lab.options import ModelOptions
from retest.lab.passage import Memory, Passage

__all__ = [
    "ModelOptions",
    "Transformer",
    "build_model",
    "count_block_parameters",
    "count_parameters",
]

INITIAL_DEVIATION = 0.02
WRITERS = ("out.weight", "narrow.weight", "narrow")  # matrices that write to the residual stream
BLANK = ("convolution", "prior.weight", "posterior.weight")  # weights that begin at zero


class Block(nn.Module):
    """Attention and perceptrons, each on a normalised residual stream."""

    def __init__(self, options: ModelOptions, place: int) -> None:
        super().__init__()
        inner = options.inner_width
        if options.ngrams is not None and options.has_ngrams(place):
            self.ngrams = NgramMemory(options, options.ngrams, place)
        self.attention = Attention(options)
        if inner:
            self.widen = nn.Linear(options.width, inner, bias=False)
            if options.mlp == "swiglu":
                self.gate = nn.Linear(options.width, inner, bias=False)
            self.narrow = nn.Linear(inner, options.width, bias=False)
        if options.experts is not None and options.has_experts(place):
            self.experts = Experts(options.experts, options.width)
        self.parts = frozenset(dict(self.named_children()))

    def forward(self, x: Tensor, passage: Passage, asking_from: int = 0) -> Tensor:
        """[n, t, width] -> [n, t - asking_from, width]: earlier positions are only looked at."""
        number = passage.count_pass()
        if "ngrams" in self.parts:
            x = x + self.ngrams(x, passage, number)
        seen = normalise(x)
        x = x[:, asking_from:]
        x = x + self.attention(seen[:, asking_from:], seen, passage, number)
        ready = normalise(x)
        if "widen" in self.parts:
            x = x + self.narrow(self.activate(ready))
        if "experts" in self.parts:
            written, imbalance = self.experts(ready)
            passage.imbalances.append(imbalance)
            x = x + written
        return x

    def activate(self, x: Tensor) -> Tensor:
        """The inner channels of the block's own perceptron."""
        if "gate" in self.parts:
            gated: Tensor = F.silu(self.gate(x)) * self.widen(x)
            return gated
        return F.relu(self.widen(x), inplace=True)


class Transformer(nn.Module):
    """The model: embedding, blocks (some perhaps in a loop), and a head."""

    hidden: Tensor
    rotations: Tensor

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self.options = options
        self.embedding = nn.Embedding(options.vocabulary, options.width)
        if options.positions == "learned":
            self.position_embedding = nn.Embedding(options.context, options.width)
        self.blocks = nn.ModuleList(Block(options, place) for place in range(options.depth))
        if options.loop is not None:
            self.transitions = Transitions(options, options.loop)
        if not options.is_tied:
            self.head = nn.Linear(options.width, options.vocabulary, bias=False)
        hidden = torch.full((options.context, options.context), float("-inf")).triu(1)
        if not options.is_causal:
            hidden.zero_()
        self.register_buffer("hidden", hidden, persistent=False)
        self.register_buffer("rotations", make_rotations(options), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.embedding.weight.device

    def forward(
        self,
        tokens: Tensor,
        logits_from: int = 0,
        memory: Memory | None = None,
        latent: Latent | None = None,
    ) -> Tensor:
        """Logits [n, t - logits_from, vocabulary] for the tokens [n, t] that follow ``memory``.

        Positions before ``logits_from`` skip the part of the last block that nobody reads.
        """
        return self.write_logits(self.read(tokens, self.open(tokens, memory), logits_from, latent))

    def open(self, tokens: Tensor, memory: Memory | None = None) -> Passage:
        """A passage over these tokens, after what ``memory`` holds."""
        begin = memory.length if memory else 0
        end = begin + tokens.shape[1]
        seen = tokens
        if memory is not None:
            memory.tokens[:, begin:end] = tokens
            memory.length, seen = end, memory.tokens[:, :end]
        turns = self.rotations if self.options.positions == "rope" else None
        here = None if turns is None else turns[begin:end]
        return Passage(begin, end, seen, here, turns, self.hidden[begin:end, :end], memory)

    def read(
        self, tokens: Tensor, passage: Passage, logits_from: int = 0, latent: Latent | None = None
    ) -> Tensor:
        """Normalised last states [n, t - logits_from, width]: what the head (or a probe) reads."""
        x = self.embedding(tokens)
        if self.options.positions == "learned":
            x = x + self.position_embedding.weight[passage.begin : passage.end]
        if self.options.loop is None:
            return self.finish(x, passage, logits_from)
        inputs = self.prepare(x, passage)
        state = self.loop(inputs, passage, latent or Latent())
        return self.finish(state.high, passage, logits_from)

    def prepare(self, x: Tensor, passage: Passage) -> Tensor:
        """The blocks before the loop; their output is the input of every transition."""
        first = self.options.loop.first if self.options.loop else 0
        for block in self.list_outside(0, first):
            x = block(x, passage)
        return x

    def loop(self, inputs: Tensor, passage: Passage, latent: Latent) -> State:
        """All transitions from the first state on."""
        options = self.options.loop
        if options is None:
            raise ValueError("a model without a loop has no transitions")
        loops = options.times if latent.loops is None else latent.loops
        untrained = 0 if latent.trained is None else loops - latent.trained
        answers = None if latent.answers is None else self.embedding(latent.answers)
        state = self.transitions.start(inputs)
        for number in range(loops):
            noise = None if latent.noise is None else latent.noise[number]
            with torch.set_grad_enabled(torch.is_grad_enabled() and number >= untrained):
                state = self.transit(state, inputs, passage, noise, answers)
        return state

    def transit(
        self,
        state: State,
        inputs: Tensor,
        passage: Passage,
        noise: Tensor | None = None,
        answers: Tensor | None = None,
    ) -> State:
        """One transition of the state; ``answers`` are embedded tokens [n, t, width]."""
        high, low = state
        for _ in range(self.options.loop.inner if self.options.loop else 0):
            low = self.core(self.transitions.inject(low + high, inputs), passage)
        if self.options.loop and self.options.loop.inner:
            high = self.core(high + low, passage)
        else:
            high = self.core(self.transitions.inject(high, inputs), passage)
        if noise is not None:
            high, divergence = self.transitions.disturb(high, noise, answers)
            if divergence is not None:
                passage.divergences.append(divergence)
        return State(high, low)

    def core(self, x: Tensor, passage: Passage) -> Tensor:
        """The blocks of the loop, once."""
        loop = self.options.loop
        for block in self.blocks[loop.first : loop.last] if loop else ():
            x = block(x, passage)
        return x

    def finish(self, x: Tensor, passage: Passage, logits_from: int = 0) -> Tensor:
        """The blocks after the loop (without one: all), normalised, from ``logits_from`` on."""
        blocks = self.list_outside(self.options.loop.last if self.options.loop else 0, None)
        for block in blocks[:-1]:
            x = block(x, passage)
        return normalise(blocks[-1](x, passage, logits_from) if blocks else x[:, logits_from:])

    def list_outside(self, begin: int, end: int | None) -> list[nn.Module]:
        """Blocks outside a loop in the order of their passes."""
        return [block for block in self.blocks[begin:end] for _ in range(self.options.repeats)]

    def write_logits(self, states: Tensor) -> Tensor:
        """Logits of normalised states."""
        weight = self.embedding.weight if self.options.is_tied else self.head.weight
        return F.linear(states, weight)

    def remember(self, rows: int, room: int | None = None) -> Memory:
        """Empty memory for decoding ``rows`` sequences of up to ``room`` tokens (None: context)."""
        return Memory(self.options, rows, room or self.options.context, self.device)


def build_model(options: ModelOptions, seed: int, device: torch.device) -> Transformer:
    """A model with weights drawn from the seed, the same on every device.

    Matrices that write to the residual stream start smaller with depth (GPT-2's rule).
    """
    generator = torch.Generator().manual_seed(seed)
    model = Transformer(options)
    passes = len(options.list_passes())
    for name, weight in model.named_parameters():
        if name.endswith(BLANK):
            nn.init.zeros_(weight)
            continue
        shrink = (2 * passes) ** -0.5 if name.endswith(WRITERS) else 1.0
        is_table = "embedding" in name or name.endswith("tables")
        spread = INITIAL_DEVIATION if is_table else weight.shape[-1] ** -0.5
        nn.init.normal_(weight, std=spread * shrink, generator=generator)
    return model.to(device)


def count_parameters(model: nn.Module) -> int:
    """All trained numbers of a model."""
    return sum(weight.numel() for weight in model.parameters())


def count_block_parameters(model: Transformer) -> int:
    """The trained numbers of the blocks: size without embedding and head."""
    return count_parameters(model.blocks)
