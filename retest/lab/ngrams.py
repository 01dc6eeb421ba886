"""Lookup memory: hashed n-grams of tokens address rows of tables that join the residual stream.

After arXiv:2601.07372, section 2, without the compression of the vocabulary and without several
branches: s_n = XOR over j < n of r_j * token[t - j], row = s_n mod a prime, gate = sigmoid of
the match between state and looked-up key. Decides addresses and gates; knows nothing of tasks.
"""

import hashlib

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retest.lab.options import ModelOptions, NgramOptions
from retest.lab.passage import Passage

KERNEL = 4


def list_primes(least: int, count: int) -> list[int]:
    """The first ``count`` primes from ``least`` on: tables of one order collide apart."""
    primes: list[int] = []
    number = max(2, least)
    while len(primes) < count:
        if all(number % divisor for divisor in range(2, int(number**0.5) + 1)):
            primes.append(number)
        number += 1
    return primes


def make_multipliers(block: int, count: int) -> Tensor:
    """Odd 62-bit multipliers of a block, fixed by hash: the same in every model."""
    digests = [
        hashlib.sha256(f"ngrams/{block}/{place}".encode()).digest() for place in range(count)
    ]
    return torch.tensor([(int.from_bytes(digest[:8], "big") >> 2) | 1 for digest in digests])


class NgramMemory(nn.Module):
    """What is added to the residual stream before one block."""

    multipliers: Tensor
    sizes: Tensor
    offsets: Tensor

    def __init__(self, options: ModelOptions, ngrams: NgramOptions, block: int) -> None:
        super().__init__()
        self.options, self.missing = ngrams, options.vocabulary
        primes = list_primes(ngrams.slots, len(ngrams.orders) * ngrams.heads)
        sizes = torch.tensor(primes).view(len(ngrams.orders), ngrams.heads)
        offsets = torch.tensor([0, *primes[:-1]]).cumsum(0).view_as(sizes)
        found = len(primes) * ngrams.channels
        self.tables = nn.Parameter(torch.empty(sum(primes), ngrams.channels))
        self.key = nn.Linear(found, options.width, bias=False)
        self.value = nn.Linear(found, options.width, bias=False)
        if ngrams.convolves:
            self.convolution = nn.Parameter(torch.empty(KERNEL, options.width))
        self.register_buffer("sizes", sizes, persistent=False)
        self.register_buffer("offsets", offsets, persistent=False)
        multipliers = make_multipliers(block, max(ngrams.orders))
        self.register_buffer("multipliers", multipliers, persistent=False)

    def forward(self, x: Tensor, passage: Passage, number: int) -> Tensor:
        """[n, t, width] -> what the memory adds there."""
        rows = self.find_rows(passage.seen)[:, passage.begin :]
        found = F.embedding(rows, self.tables).flatten(2)
        keys, values = self.key(found), self.value(found)
        width = x.shape[-1:]
        match = (F.rms_norm(x, width) * F.rms_norm(keys, width)).sum(-1, keepdim=True)
        gated: Tensor = torch.sigmoid(match * width[0] ** -0.5) * values
        if not self.options.convolves:
            return gated
        history = F.rms_norm(gated, width)
        if passage.memory is not None:
            history = passage.memory.extend(number, history)
        return F.silu(self.convolve(history, passage.end - passage.begin)) + gated

    def find_rows(self, tokens: Tensor) -> Tensor:
        """Rows of the tables for every position of tokens [n, t]: [n, t, orders * heads]."""
        if self.options.address == "position":
            tokens = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
        products, hashed = [], []
        for back, multiplier in enumerate(self.multipliers):
            earlier = F.pad(tokens, (back, 0), value=self.missing)[:, : tokens.shape[1]]
            products.append(earlier * multiplier)
        for order in self.options.orders:
            mixed = products[0]
            for product in products[1:order]:
                mixed = mixed ^ product
            hashed.append(mixed)
        rows = torch.stack(hashed, dim=-1)[..., None] % self.sizes + self.offsets
        return rows.flatten(2)

    def convolve(self, history: Tensor, times: int) -> Tensor:
        """Causal depthwise convolution, dilated by the largest order, of the last ``times``."""
        dilation, length = max(self.options.orders), history.shape[1]
        padded = F.pad(history, (0, 0, (KERNEL - 1) * dilation, 0))
        ends = [length + (KERNEL - 1 - back) * dilation for back in range(KERNEL)]
        terms = [
            padded[:, end - times : end] * weight
            for end, weight in zip(ends, self.convolution, strict=True)
        ]
        return torch.stack(terms).sum(0)
