"""What a model is made of: frozen records, checked when they are made.

Decides which combinations make sense. Knows nothing of tensors: reading a protocol needs no
torch.
"""

from dataclasses import dataclass
from typing import Literal

from db.errors import UsageError

Positions = Literal["learned", "rope", "none"]


@dataclass(frozen=True)
class LoopOptions:
    """Blocks ``first`` .. ``last`` - 1 form a core that is applied again and again to a state.

    With ``inner`` = 0 the state is one tensor and a transition is one pass of the core over it
    (arXiv:2502.05171). With ``inner`` = K the state is a pair: K passes renew the low half from
    low + high + input, then one pass renews the high half from high + low (arXiv:2510.04871).
    ``injects`` says how the embedded input joins the state: not at all, added, or by a trained
    adapter from both side by side. ``start`` is the first state. ``noise`` is added to the
    (high) state after every transition: none, of one ``deviation``, or of a mean and deviation
    that are trained with the model (arXiv:2605.19376).
    """

    first: int
    last: int
    times: int  # transitions, where a call does not say otherwise
    inner: int = 0
    injects: Literal["none", "added", "adapter"] = "added"
    start: Literal["input", "zeros"] = "zeros"
    noise: Literal["none", "fixed", "trained"] = "none"
    deviation: float = 0.1  # of fixed noise; of trained noise before training


@dataclass(frozen=True)
class ExpertOptions:
    """A mixture of two-layer perceptrons beside the block's own (mlp_ratio 0: in its place).

    Each token goes to the ``chosen`` most probable of ``count`` experts, each of
    ``ratio`` * width inner channels. ``blocks``: which blocks have them (None: all).
    """

    count: int
    chosen: int = 1
    ratio: float = 1.0
    blocks: tuple[int, ...] | None = None


@dataclass(frozen=True)
class NgramOptions:
    """A lookup memory addressed by hashes of the last tokens (arXiv:2601.07372).

    For every order and head there is a table of at least ``slots`` rows (a prime number of
    them) of ``channels`` numbers. ``address`` "position" hashes the place instead of the
    tokens: the same parameters without the information, as a control.
    """

    blocks: tuple[int, ...]  # before which blocks it is added
    orders: tuple[int, ...] = (2, 3)
    heads: int = 4
    slots: int = 1000
    channels: int = 8
    convolves: bool = True
    address: Literal["tokens", "position"] = "tokens"


@dataclass(frozen=True)
class ModelOptions:
    """What a model is made of; ``context`` is the longest sequence, in tokens.

    Raises:
        UsageError: the numbers do not fit each other.
    """

    vocabulary: int
    context: int
    depth: int = 3  # blocks with weights of their own
    width: int = 64
    heads: int = 4
    kv_heads: int | None = None  # None: as many as heads
    mlp_ratio: float = 4.0
    positions: Positions = "rope"
    channels: int | None = None  # of one head; None: width / heads
    mlp: Literal["relu", "swiglu"] = "relu"
    is_tied: bool = False  # the head is the embedding
    is_causal: bool = True
    repeats: int = 1  # times that each block outside a loop is applied in place
    loop: LoopOptions | None = None
    experts: ExpertOptions | None = None
    ngrams: NgramOptions | None = None

    def __post_init__(self) -> None:
        fault = find_fault(self)
        if fault:
            raise UsageError(f"such a model cannot be built: {fault}")

    @property
    def head_width(self) -> int:
        """Channels of one head."""
        return self.width // self.heads if self.channels is None else self.channels

    @property
    def kept_heads(self) -> int:
        """Heads whose keys and values exist (fewer than ``heads``: they are shared)."""
        return self.heads if self.kv_heads is None else self.kv_heads

    @property
    def inner_width(self) -> int:
        """Inner channels of a block's own perceptron."""
        return round(self.mlp_ratio * self.width)

    def has_experts(self, block: int) -> bool:
        """Whether a block has experts."""
        chosen = None if self.experts is None else self.experts.blocks
        return self.experts is not None and (chosen is None or block in chosen)

    def has_ngrams(self, block: int) -> bool:
        """Whether the lookup memory is added before a block."""
        return self.ngrams is not None and block in self.ngrams.blocks

    def list_passes(self, loops: int | None = None) -> list[int]:
        """The block of every pass in order, with ``loops`` transitions (None: as built)."""
        loop = self.loop
        if loop is None:
            return [block for block in range(self.depth) for _ in range(self.repeats)]
        core = list(range(loop.first, loop.last))
        outside = [
            [block for block in blocks for _ in range(self.repeats)]
            for blocks in (range(loop.first), range(loop.last, self.depth))
        ]
        times = (loop.times if loops is None else loops) * (loop.inner + 1)
        return outside[0] + core * times + outside[1]


def find_fault(options: ModelOptions) -> str | None:
    """What does not fit in the options, in words; None when all does."""
    loop, experts, ngrams = options.loop, options.experts, options.ngrams
    if options.channels is None and options.width % options.heads:
        return "the width is no multiple of the heads"
    if options.heads % options.kept_heads:
        return "the heads are no multiple of the key-value heads"
    if options.positions == "rope" and options.head_width % 2:
        return "rotary positions need an even number of channels in a head"
    if loop and not 0 <= loop.first < loop.last <= options.depth:
        return f"the loop's blocks {loop.first} .. {loop.last - 1} are not among {options.depth}"
    if loop and (loop.times < 1 or loop.inner < 0):
        return "a loop needs at least one transition"
    if experts and not 1 <= experts.chosen <= experts.count:
        return "more experts are chosen for a token than there are"
    if ngrams and (min(ngrams.orders) < 1 or max(ngrams.blocks) >= options.depth):
        return "the lookup memory names a block or an order that does not exist"
    return None
