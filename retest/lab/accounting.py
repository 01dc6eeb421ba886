"""What a model costs: parameters, floating-point operations, bytes of keys and values.

Counted from the options alone, so that shapes can be compared before anything is built. A
multiplication with its addition is 2 operations. Only matrix products count, as in
arXiv:2001.08361 (appendix on counting): normalisation, softmax, activations, table look-ups and
the lookup memory's gate are left out. The tests hold these counts against built models and
against torch's own counter.
"""

from dataclasses import dataclass

from retest.lab.ngrams import KERNEL, list_primes
from retest.lab.options import ModelOptions


@dataclass(frozen=True)
class ParameterCount:
    """Trained numbers: all, and parts of them.

    ``active`` is what one token uses outside embedding and head: chosen experts only, and of
    the tables only the rows that it looks up. ``sparse`` is the rest of ``body``
    (arXiv:2601.07372, P_sparse = P_tot - P_act). ``attention`` and ``perceptrons`` are the
    dense parts whose ratio arXiv:2510.18245 varies.
    """

    total: int
    embedding: int  # token and position embeddings, and the head
    body: int  # everything else
    active: int
    attention: int
    perceptrons: int

    @property
    def sparse(self) -> int:
        """Trained numbers of the body that a token does not use."""
        return self.body - self.active


@dataclass(frozen=True)
class FlopCount:
    """Operations of a forward pass over a batch, by where they arise."""

    weights: int  # products with trained matrices
    attention: int  # queries with keys, and weights with values
    rotation: int  # rotary positions, written as products

    @property
    def forward(self) -> int:
        """Operations of inference."""
        return self.weights + self.attention + self.rotation

    @property
    def training(self) -> int:
        """Forward and backward: two more products for each, one more for fixed rotations."""
        return 3 * self.weights + 3 * self.attention + 2 * self.rotation


def count_attention(options: ModelOptions) -> int:
    """Trained numbers of one block's attention."""
    return 2 * options.width * options.head_width * (options.heads + options.kept_heads)


def count_perceptron(options: ModelOptions) -> int:
    """Trained numbers of one block's own perceptron."""
    matrices = 3 if options.mlp == "swiglu" else 2
    return matrices * options.width * options.inner_width


def count_expert(options: ModelOptions) -> int:
    """Trained numbers of one expert."""
    ratio = 0.0 if options.experts is None else options.experts.ratio
    return 2 * options.width * round(ratio * options.width)


def count_lookup(options: ModelOptions) -> tuple[int, int, int]:
    """Trained numbers of one lookup memory: its tables, what a token reads there, the rest."""
    ngrams = options.ngrams
    if ngrams is None:
        return 0, 0, 0
    tables = len(ngrams.orders) * ngrams.heads
    read = tables * ngrams.channels
    rest = 2 * read * options.width + (KERNEL * options.width if ngrams.convolves else 0)
    return sum(list_primes(ngrams.slots, tables)) * ngrams.channels, read, rest


def count_transitions(options: ModelOptions) -> int:
    """Trained numbers of a loop that are not blocks: adapter, prior and posterior."""
    loop, square = options.loop, options.width**2
    adapter = 2 * square if loop and loop.injects == "adapter" else 0
    return adapter + (6 * square if loop and loop.noise == "trained" else 0)


def account_parameters(options: ModelOptions) -> ParameterCount:
    """Trained numbers of a model of these options, exactly. A shared block counts once."""
    embedding = options.vocabulary * options.width * (1 if options.is_tied else 2)
    if options.positions == "learned":
        embedding += options.context * options.width
    attention = options.depth * count_attention(options)
    perceptrons = options.depth * count_perceptron(options)
    body = active = attention + perceptrons + count_transitions(options)
    tables, read, rest = count_lookup(options)
    for block in range(options.depth):
        if options.experts is not None and options.has_experts(block):
            router = options.experts.count * options.width
            body += router + options.experts.count * count_expert(options)
            active += router + options.experts.chosen * count_expert(options)
        if options.has_ngrams(block):
            body += tables + rest
            active += read + rest
    return ParameterCount(embedding + body, embedding, body, active, attention, perceptrons)


def count_flops(
    options: ModelOptions, rows: int, times: int, past: int = 0, loops: int | None = None
) -> FlopCount:
    """Operations for ``rows`` sequences of ``times`` tokens after ``past`` remembered ones.

    2 for each trained number that a token uses, in every pass that uses it, and
    4 * heads * channels * (past + times) a token and pass for attention: the whole square is
    computed, also what the mask hides. Experts count as chosen; what sorting pads is left out.
    Answers are not seen (inference, or training without a posterior): of trained noise only
    the prior counts, once a transition.
    """
    passes = options.list_passes(loops)
    tokens, end = rows * times, past + times
    weights = options.vocabulary * options.width + count_transition_products(options, loops)
    for block in passes:
        weights += count_attention(options) + count_perceptron(options)
        if options.experts is not None and options.has_experts(block):
            weights += options.experts.count * options.width
            weights += options.experts.chosen * count_expert(options)
        if options.ngrams is not None and options.has_ngrams(block):
            weights += 2 * count_lookup(options)[1] * options.width
    attention = 4 * tokens * end * options.heads * options.head_width * len(passes)
    turned = (options.heads + options.kept_heads) * options.head_width**2 * len(passes)
    rotation = 2 * tokens * turned if options.positions == "rope" else 0
    return FlopCount(2 * tokens * weights, attention, rotation)


def count_transition_products(options: ModelOptions, loops: int | None) -> int:
    """Trained numbers that the transitions of a loop use a token, beside their blocks."""
    loop = options.loop
    if loop is None:
        return 0
    transitions = loop.times if loops is None else loops
    square = options.width**2
    adapter = 2 * square * max(1, loop.inner) if loop.injects == "adapter" else 0
    return transitions * (adapter + (2 * square if loop.noise == "trained" else 0))


def count_cache_bytes(options: ModelOptions, bytes_each: int = 4) -> int:
    """Bytes of keys and values that decoding keeps a token: 2 * passes * kept heads * channels."""
    passes = len(options.list_passes())
    return 2 * passes * options.kept_heads * options.head_width * bytes_each
