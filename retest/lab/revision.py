"""Sequential revision: a model goes on from its own attempt as if it had to correct it.

The stop mark is replaced by the mark of a correction, and the model writes on. What follows
replaces the answer, or, where it holds an answer mark itself, the whole attempt. Nothing says
whether the attempt was right.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retest.lab.decoding import decode_sampled
from retest.lab.model import Transformer
from retest.lab.sampling import Sampling


class Signs(NamedTuple):
    """Tokens: what opens an answer, what announces a correction, what ends an output."""

    answer: int
    fix: int
    stop: int


class Revised(NamedTuple):
    """New attempts [n, w], and the tokens [n] that were generated for them."""

    attempts: NDArray[np.int64]
    tokens: NDArray[np.int64]


def revise(
    model: Transformer,
    prompts: Tensor,
    attempts: NDArray[np.int64],
    signs: Signs,
    sampling: Sampling,
    seeds: NDArray[np.uint64],
) -> Revised:
    """One revision of each attempt [n, w] at its prompt [n, p], one of ``seeds`` [n] each.

    The context of the model must hold p + 2 w tokens. The mark that is set for the model is not
    charged. A revision that does not fit into w tokens leaves the attempt as it was.
    """
    width = attempts.shape[1]
    is_stop = attempts == signs.stop
    ends = np.where(is_stop.any(1), is_stop.argmax(1), width - 1)
    forced = attempts.copy()
    forced[np.arange(len(forced)), ends] = signs.fix
    order = np.argsort(ends, kind="stable")
    written = decode_sampled(
        model, prompts[torch.from_numpy(order)], signs.stop, 2 * width, sampling,
        seeds[order, None], torch.from_numpy(forced[order]), torch.from_numpy(ends[order] + 1),
    )[:, 0].numpy()  # fmt: skip
    revised, tokens = attempts.copy(), np.empty(len(attempts), dtype=np.int64)
    for place, row in zip(order.tolist(), written.tolist(), strict=True):
        tail = cut(row[ends[place] + 1 :], signs.stop)
        tokens[place] = len(tail)
        fresh = join(attempts[place, : ends[place]].tolist(), tail, signs)
        if len(fresh) <= width:
            revised[place] = signs.stop
            revised[place, : len(fresh)] = fresh
    return Revised(revised, tokens)


def cut(row: list[int], stop: int) -> list[int]:
    """A row up to and with its first stop mark."""
    return row[: row.index(stop) + 1] if stop in row else row


def join(before: list[int], tail: list[int], signs: Signs) -> list[int]:
    """The attempt that a correction makes of what stood before."""
    if signs.answer in tail or signs.answer not in before:
        return tail
    place = len(before) - before[::-1].index(signs.answer)
    return [*before[:place], *tail]
