"""A learned verifier: a model that reads a prompt with its chain and says right or wrong.

Decides how it is asked and what its score is. After every word of a chain it says whether all is
right so far; the score is the probability that it says "right" after each, up to the last one
(the last step's verdict, as in arXiv:2408.03314, for a model that had said "right" before). A
verifier that is asked once, at the end, learned which prompts are hard and nothing about their
samples (docs/lab-notes.md). It is the lab's transformer, trained with the lab's loop on samples
of prompts that nothing else uses. Knows nothing of how its scores choose among samples.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retest.lab.model import Transformer
from retest.lab.records import Records

ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Verdicts:
    """The tokens with which a verifier answers."""

    right: int
    wrong: int


def write_verdicts(
    words: Verdicts, prompts: Tensor, outputs: Tensor, is_right: Tensor, is_written: Tensor
) -> Records:
    """Training records [n * k, p + 2 q]: a verdict to be learned after each word of an output.

    ``outputs`` [n, k, q] follow ``prompts`` [n, p]; ``is_right`` [n, k, q] says whether all up to
    a word is right, ``is_written`` [n, k, q] which words there are. After the first "wrong" of an
    output nothing is learned: all that follows is wrong too.
    """
    verdicts = torch.where(is_right, words.right, words.wrong)
    rows = interleave(outputs, verdicts)
    repeated = prompts.repeat_interleave(outputs.shape[1], dim=0)
    was_right = torch.cat((torch.ones_like(is_right[..., :1]), is_right[..., :-1]), dim=-1)
    learned = interleave(torch.zeros_like(is_right), was_right & is_written)
    return Records(
        torch.cat((repeated, rows), dim=1),
        torch.cat((torch.zeros_like(repeated, dtype=torch.bool), learned), dim=1),
    )


def interleave(words: Tensor, verdicts: Tensor) -> Tensor:
    """Words [n, k, q] with a verdict [n, k, q] after each: [n * k, 2 q]."""
    return torch.stack((words, verdicts), dim=-1).flatten(2).flatten(0, 1)


@torch.inference_mode()
def score_chains(
    model: Transformer, words: Verdicts, prompts: Tensor, outputs: Tensor, is_written: Tensor
) -> NDArray[np.float64]:
    """The probability of "right" after every word of each output: [n, k].

    A prompt is read once for all its outputs, as in sampling.
    """
    model.eval()
    each = outputs.shape[1]
    size = max(1, ROWS_AT_ONCE // each)
    scores = []
    for begin in range(0, len(prompts), size):
        rows = slice(begin, begin + size)
        fresh = prompts[rows].to(model.device)
        said = interleave(outputs[rows], torch.full_like(outputs[rows], words.right))[:, :-1]
        memory = model.remember(len(fresh), prompts.shape[1] + said.shape[1])
        model(fresh, fresh.shape[1] - 1, memory)
        memory.keep(torch.arange(len(fresh), device=model.device).repeat_interleave(each))
        logits = model(said.to(model.device), 0, memory)[:, 0::2].double()
        logs = logits.log_softmax(-1)[..., words.right].cpu()
        scores.append((logs * is_written[rows].flatten(0, 1)).sum(-1).exp())
    found: NDArray[np.float64] = torch.cat(scores).view(len(prompts), each).numpy()
    return found


def measure_auroc(scores: NDArray[np.float64], is_right: NDArray[np.bool_]) -> float:
    """Chance that a right one scores above a wrong one, ties as one half; NaN without both.

    The Mann-Whitney statistic over all pairs.
    """
    rights, wrongs = int(is_right.sum()), int((~is_right).sum())
    if not rights or not wrongs:
        return float("nan")
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[places.reshape(-1)]
    return float((ranks[is_right].sum() - rights * (rights + 1) / 2) / (rights * wrongs))
