"""Sampling from a power of a model's distribution, by resampling ends of what was written.

A Metropolis-Hastings walk over whole outputs x with target p(x)^alpha: cut the output at a place
drawn evenly, let the model write the rest anew, and accept by the ratio of targets and proposals.
Nothing but the model's own probabilities decides. After arXiv:2510.14901, without its growing
blocks: outputs here are short. Every token of a proposal is charged, accepted or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retest.lab.decoding import decode_sampled
from retest.lab.item_seeds import hash_seeds
from retest.lab.likelihoods import OutputLogs, mask_written, measure_outputs
from retest.lab.model import Transformer
from retest.lab.sampling import Sampling, draw_uniforms


@dataclass(frozen=True)
class Walk:
    """What to sample: the power, the temperature of proposals, and the mean tokens to spend."""

    alpha: float = 4.0
    temperature: float = 1.0
    tokens: float = 64.0  # a prompt
    most_steps: int = 1000


class Trace(NamedTuple):
    """Where a walk stood after every step, first output included."""

    outputs: NDArray[np.int64]  # [steps, n, w]
    tokens: NDArray[np.float64]  # [steps], generated a prompt so far, rejected ones included
    accepted: float  # share of the proposals


def sample_power(
    model: Transformer,
    prompts: Tensor,
    stop: int,
    limit: int,
    walk: Walk,
    address: tuple[str, int],
    items: Sequence[int] | None = None,
) -> Trace:
    """A walk for every prompt [n, p] until the mean of generated tokens reaches ``walk.tokens``.

    ``address`` is a stream's name and seed; ``items`` are the prompts' numbers in it.
    """
    items = range(len(prompts)) if items is None else items
    sampling = Sampling(walk.temperature)
    seeds = hash_seeds(f"{address[0]}/begin", address[1], items, 1)
    current = decode_sampled(model, prompts, stop, limit, sampling, seeds)[:, 0]
    known = measure_outputs(model, prompts, current, stop, walk.temperature)
    spent = mask_written(current, stop).sum(1).double()
    outputs, tokens, accepted = [current.numpy().copy()], [float(spent.mean())], 0.0
    while tokens[-1] < walk.tokens and len(tokens) <= walk.most_steps:
        seeds = hash_seeds(f"{address[0]}/step {len(tokens)}", address[1], items, 1)
        dice = torch.from_numpy(draw_uniforms(seeds[:, 0], limit + 2)[:, limit:])
        lengths = mask_written(current, stop).sum(1)
        cuts = (dice[:, 0] * lengths).long()
        proposal = resample(model, prompts, stop, limit, sampling, seeds, current, cuts)
        fresh = measure_outputs(model, prompts, proposal, stop, walk.temperature)
        moves = dice[:, 1].log() < weigh(known, fresh, lengths, proposal, cuts, stop, walk.alpha)
        spent += mask_written(proposal, stop).sum(1) - cuts
        current = torch.where(moves[:, None], proposal, current)
        known = OutputLogs(
            *(choose_rows(moves, new, old) for new, old in zip(fresh, known, strict=True))
        )
        accepted += float(moves.double().mean())
        outputs.append(current.numpy().copy())
        tokens.append(float(spent.mean()))
    return Trace(np.stack(outputs), np.array(tokens), accepted / max(1, len(tokens) - 1))


def resample(
    model: Transformer,
    prompts: Tensor,
    stop: int,
    limit: int,
    sampling: Sampling,
    seeds: NDArray[np.uint64],
    current: Tensor,
    cuts: Tensor,
) -> Tensor:
    """Outputs [n, limit] that keep ``cuts`` [n] tokens of ``current`` and go on afresh."""
    order = cuts.argsort(stable=True)  # rows that keep as much are decoded together
    written = decode_sampled(
        model, prompts[order], stop, limit, sampling, seeds[order.numpy()], current[order],
        cuts[order],
    )[:, 0]  # fmt: skip
    result = torch.empty_like(written)
    result[order] = written
    return result


def weigh(
    known: OutputLogs,
    fresh: OutputLogs,
    lengths: Tensor,
    proposal: Tensor,
    cuts: Tensor,
    stop: int,
    alpha: float,
) -> Tensor:
    """Log of the Metropolis-Hastings ratio [n]: targets, proposals, and the choice of a cut."""
    place = torch.arange(known.logs.shape[1])
    is_after = place >= cuts[:, None]
    targets = alpha * (fresh.logs.double().sum(1) - known.logs.double().sum(1))
    back = (known.proposed.double() * is_after).sum(1)
    forth = (fresh.proposed.double() * is_after).sum(1)
    new_lengths = mask_written(proposal, stop).sum(1)
    return targets + back - forth + lengths.double().log() - new_lengths.double().log()


def choose_rows(moves: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Rows of ``new`` where a walk moves, of ``old`` where it stays."""
    return torch.where(moves.view(-1, *[1] * (new.dim() - 1)), new, old)
