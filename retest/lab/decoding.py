"""Batched decoding with remembered keys and values: greedy, or sampled with a seed an item.

Decides which tokens follow a prompt. Prompts of one call have one length; ``decode_each``
groups those that differ. A forced prefix is output that is written for the model before it
goes on by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retest.lab.latent import Latent
from retest.lab.model import Transformer
from retest.lab.passage import Memory
from retest.lab.sampling import Sampling, choose, draw_uniforms

ROWS_AT_ONCE = 256
Decoder = Callable[[Tensor, NDArray[np.int64]], Tensor]


@torch.inference_mode()
def decode_greedy(
    model: Transformer,
    prompts: Tensor,
    stop: int,
    limit: int,
    forced: Tensor | None = None,
    latent: Latent | None = None,
) -> Tensor:
    """Greedy continuations [n, limit] of ``prompts`` [n, p]; after ``stop`` only ``stop``.

    ``forced`` [n, f] opens each continuation and counts towards ``limit``. The context of
    the model must hold p + limit tokens. ``latent`` is for looped models; its noise
    [loops, n, p + limit, width] has a row a prompt and a column a position.
    """
    model.eval()
    chunks = []
    for begin in range(0, len(prompts), ROWS_AT_ONCE):
        rows = slice(begin, begin + ROWS_AT_ONCE)
        chunks.append(decode_rows(model, prompts, stop, limit, forced, latent, None, rows, None))
    return torch.cat(chunks)


@torch.inference_mode()
def decode_sampled(
    model: Transformer,
    prompts: Tensor,
    stop: int,
    limit: int,
    sampling: Sampling,
    seeds: NDArray[np.uint64],
    forced: Tensor | None = None,
    kept: Tensor | None = None,
) -> Tensor:
    """Samples [n, k, limit] for ``prompts`` [n, p], one of each of its ``seeds`` [n, k].

    ``kept`` [n] says how many of its ``forced`` tokens a prompt keeps (None: all of them).

    A sample depends on its prompt and its seed, not on the rows beside it (up to rounding of
    logits, which may differ in the last bit with the size of a batch). Seeds come from
    ``item_seeds.hash_seeds``. Prompts are read once for all their samples.
    """
    model.eval()
    each = seeds.shape[1]
    chunks = []
    size = max(1, ROWS_AT_ONCE // each)
    for begin in range(0, len(prompts), size):
        rows = slice(begin, begin + size)
        drawn = torch.from_numpy(draw_uniforms(seeds[rows].reshape(-1), limit))
        chunks.append(
            decode_rows(
                model, prompts, stop, limit, forced, None, sampling, rows, drawn, each, kept
            )
        )
    return torch.cat(chunks).view(len(prompts), each, limit)


def decode_rows(
    model: Transformer,
    prompts: Tensor,
    stop: int,
    limit: int,
    forced: Tensor | None,
    latent: Latent | None,
    sampling: Sampling | None,
    rows: slice,
    drawn: Tensor | None,
    each: int = 1,
    kept: Tensor | None = None,
) -> Tensor:
    """One batch of a decoding, on the model's device: [n * each, limit].

    ``drawn`` [n * each, limit] are uniform numbers; rows of one prompt lie side by side.
    """
    device = model.device
    if latent is not None and latent.noise is not None:
        latent = replace(latent, noise=latent.noise[:, rows].to(device))
    fresh = prompts[rows].to(device)
    output = torch.full((len(fresh) * each, limit), stop, dtype=torch.int64, device=device)
    written, later = 0, None
    if forced is not None:
        opening = forced[rows].to(device)
        later = None if kept is None else Opening(opening, kept[rows].to(device), each)
        opening = opening if later is None else later.shared
        written = opening.shape[1]
        output[:, :written] = opening.repeat_interleave(each, dim=0)
        fresh = torch.cat((fresh, opening), dim=1)
    memory = model.remember(len(fresh), prompts.shape[1] + limit)
    has_stopped = torch.zeros(len(output), dtype=torch.bool, device=device)
    while written < limit and not has_stopped.all():
        part = cut_noise(latent, memory.length, fresh.shape[1])
        logits = model(fresh, fresh.shape[1] - 1, memory, part)[:, -1]
        if len(logits) < len(output):
            logits = repeat_rows(logits, memory, each)
        chosen = choose(logits, sampling, None if drawn is None else drawn[:, written])
        if later is not None:
            chosen = later.replace(chosen, written)
        chosen = chosen.masked_fill(has_stopped, stop)
        output[:, written] = chosen
        has_stopped |= chosen == stop
        fresh = chosen[:, None]
        written += 1
    return output.cpu()


class Opening:
    """Forced tokens [n, f] of which every row keeps a number of its own [n]."""

    def __init__(self, forced: Tensor, kept: Tensor, each: int) -> None:
        self.shared = forced[:, : int(kept.min())]
        self.forced = forced.repeat_interleave(each, dim=0)
        self.kept = kept.repeat_interleave(each)

    def replace(self, chosen: Tensor, place: int) -> Tensor:
        """The tokens of column ``place``: forced ones where a row keeps them."""
        if place >= self.forced.shape[1]:
            return chosen
        return torch.where(place < self.kept, self.forced[:, place], chosen)


def repeat_rows(logits: Tensor, memory: Memory, each: int) -> Tensor:
    """Go from a row a prompt to ``each`` rows side by side, in the memory too."""
    repeated = torch.arange(len(logits), device=logits.device).repeat_interleave(each)
    memory.keep(repeated)
    return logits[repeated]


def cut_noise(latent: Latent | None, begin: int, times: int) -> Latent | None:
    """The latent with the noise of these positions only."""
    if latent is None or latent.noise is None:
        return latent
    return replace(latent, noise=latent.noise[:, :, begin : begin + times])


def decode_each(prompts: Sequence[Sequence[int]], decode: Decoder) -> list[Tensor]:
    """What ``decode`` writes for prompts of any lengths, in their order.

    ``decode`` gets the prompts of one length [n, p] and their places in ``prompts`` [n]
    (which pick seeds or forced prefixes), and returns a row a prompt.
    """
    outputs: dict[int, Tensor] = {}
    lengths = np.array([len(prompt) for prompt in prompts])
    for length in np.unique(lengths):
        places = np.flatnonzero(lengths == length)
        alike: list[int] = places.tolist()
        rows = decode(torch.tensor([list(prompts[place]) for place in alike]), places)
        outputs.update(zip(alike, rows, strict=True))
    return [outputs[place] for place in range(len(prompts))]


def cut_at_stop(output: Tensor, stop: int) -> list[list[int]]:
    """Each continuation up to and with its stop token, as plain lists."""
    rows: list[list[int]] = output.tolist()
    return [row[: row.index(stop) + 1] if stop in row else row for row in rows]
