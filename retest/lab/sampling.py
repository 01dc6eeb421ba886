"""Choosing a token from logits: the most probable, or one drawn by a number from 0 to 1.

Decides how temperature, top-k and top-p shape the distribution, and where the numbers come
from: a seed an item, so that a sample does not depend on what was decoded beside it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GAMMA = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Sampling:
    """How to sample; top-k first, then top-p of what it left (None: all)."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None


def choose(logits: Tensor, sampling: Sampling | None, uniforms: Tensor | None) -> Tensor:
    """Tokens [n] for logits [n, vocabulary]; without sampling the most probable ones.

    ``uniforms`` [n] in [0, 1) pick by inversion of the cumulative distribution.
    """
    if sampling is None or uniforms is None:
        return logits.argmax(-1)
    cumulative = shape(logits, sampling).cumsum(-1)
    aims = uniforms.to(cumulative) * cumulative[:, -1]
    return torch.searchsorted(cumulative, aims[:, None], right=True)[:, 0]


def shape(logits: Tensor, sampling: Sampling) -> Tensor:
    """Probabilities [n, vocabulary] in double precision, after temperature, top-k and top-p.

    Top-p keeps the smallest set of most probable tokens whose mass reaches ``top_p``.
    """
    scaled = logits.double() / sampling.temperature
    if sampling.top_k is not None:
        least = scaled.topk(min(sampling.top_k, scaled.shape[-1])).values[:, -1:]
        scaled = scaled.masked_fill(scaled < least, float("-inf"))
    probabilities = scaled.softmax(-1)
    if sampling.top_p is None:
        return probabilities
    ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
    is_beyond = ordered.cumsum(-1) - ordered >= sampling.top_p
    kept = torch.zeros_like(ordered).scatter(-1, order, ordered.masked_fill(is_beyond, 0.0))
    return kept / kept.sum(-1, keepdim=True)


def draw_uniforms(seeds: NDArray[np.uint64], count: int) -> NDArray[np.float64]:
    """``count`` numbers in [0, 1) from each seed [n]: [n, count], by SplitMix64.

    Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
    """
    with np.errstate(over="ignore"):
        steps = np.arange(1, count + 1, dtype=np.uint64) * GAMMA
        z = seeds[:, None] + steps
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.float64] = ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64)
    return mixed * 2.0**-53
