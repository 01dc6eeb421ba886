"""A learned outcome verifier: a model that reads a prompt with its chain and says right or wrong.

Decides how it is asked (one word after the chain) and what its score is: the probability of
"right" as the next word (an outcome reward model as in arXiv:2408.03314; arXiv:2110.14168). It
is the lab's transformer, trained with the lab's loop on samples of prompts that nothing else
uses. Knows nothing of how its scores choose among samples.
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
    """The tokens with which a verifier is asked and answers."""

    ask: int
    right: int
    wrong: int


def write_verdicts(words: Verdicts, chains: Tensor, is_right: NDArray[np.bool_]) -> Records:
    """Training records: prompts with chains [n, t], the question, and one verdict to learn."""
    answers = np.where(is_right, words.right, words.wrong).astype(np.int64)
    tokens = torch.cat((ask(words, chains), torch.from_numpy(answers)[:, None]), dim=1)
    is_output = torch.zeros_like(tokens, dtype=torch.bool)
    is_output[:, -1] = True
    return Records(tokens, is_output)


def add_chains(words: Verdicts, verdicts: Records, right: Records) -> Records:
    """Right chains [m, t] to be written, beside verdicts [n, t + 2]: both tasks in one training.

    A verifier that also learns to write knows what follows from what; one bit a chain teaches
    it little more than which prompts are hard (arXiv:2110.14168, appendix on verifiers, trains
    both too).
    """
    filling = torch.full((len(right.tokens), 2), words.ask)
    tokens = torch.cat((right.tokens, filling), dim=1)
    is_output = torch.cat((right.is_output, torch.zeros_like(filling, dtype=torch.bool)), dim=1)
    return Records(torch.cat((verdicts.tokens, tokens)), torch.cat((verdicts.is_output, is_output)))


def ask(words: Verdicts, chains: Tensor) -> Tensor:
    """Chains [n, t], each followed by the question: [n, t + 1]."""
    return torch.cat((chains, torch.full((len(chains), 1), words.ask)), dim=1)


@torch.inference_mode()
def score_chains(
    model: Transformer, words: Verdicts, prompts: Tensor, outputs: Tensor
) -> NDArray[np.float64]:
    """The probability of "right" for each output [n, k, q] after its prompt [n, p]: [n, k].

    A prompt is read once for all its outputs, as in sampling.
    """
    model.eval()
    each = outputs.shape[1]
    scores = []
    for begin in range(0, len(prompts), max(1, ROWS_AT_ONCE // each)):
        rows = slice(begin, begin + max(1, ROWS_AT_ONCE // each))
        fresh = prompts[rows].to(model.device)
        asked = ask(words, outputs[rows].flatten(0, 1)).to(model.device)
        memory = model.remember(len(fresh), prompts.shape[1] + asked.shape[1])
        model(fresh, fresh.shape[1] - 1, memory)
        memory.keep(torch.arange(len(fresh), device=model.device).repeat_interleave(each))
        logits = model(asked, asked.shape[1] - 1, memory)[:, -1]
        scores.append(logits.double().softmax(-1)[:, words.right].cpu())
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
