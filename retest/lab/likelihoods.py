"""How probable a model finds what was written, and how certain it was on the way.

Reads outputs that exist; writes none. Knows nothing of what they mean.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from retest.lab.losses import pick_logs
from retest.lab.model import Transformer

ROWS_AT_ONCE = 512


class OutputLogs(NamedTuple):
    """What ``measure_outputs`` gives, in nats; tokens after the first stop count as 0."""

    logs: Tensor  # [n, w], each written token under the model
    proposed: Tensor  # [n, w], the same at the temperature asked for
    certainty: Tensor  # [n], self-certainty a token


@torch.inference_mode()
def measure_outputs(
    model: Transformer, prompts: Tensor, outputs: Tensor, stop: int, temperature: float = 1.0
) -> OutputLogs:
    """Log-probabilities of ``outputs`` [n, w] after ``prompts`` [n, p], up to the first stop.

    Self-certainty is the divergence of the model's distribution from the even one, KL(U || p),
    averaged over the tokens of an output (arXiv:2502.18581, equation 5); it is never negative.
    """
    model.eval()
    parts = [
        measure_rows(model, prompts[rows], outputs[rows], stop, temperature)
        for begin in range(0, len(prompts), ROWS_AT_ONCE)
        for rows in [slice(begin, begin + ROWS_AT_ONCE)]
    ]
    return OutputLogs(*(torch.cat(part) for part in zip(*parts, strict=True)))


def measure_rows(
    model: Transformer, prompts: Tensor, outputs: Tensor, stop: int, temperature: float
) -> OutputLogs:
    """One batch of ``measure_outputs``."""
    prompts, outputs = prompts.to(model.device), outputs.to(model.device)
    mask = mask_written(outputs, stop)
    logits = model(torch.cat((prompts, outputs[:, :-1]), dim=1), prompts.shape[1] - 1)
    every = logits.log_softmax(-1)
    logs = every.gather(-1, outputs[..., None])[..., 0]
    proposed = logs if temperature == 1 else pick_logs(logits / temperature, outputs)
    spread = (-every.mean(-1) - math.log(logits.shape[-1])) * mask
    certainty = spread.sum(-1) / mask.sum(-1)
    return OutputLogs((logs * mask).cpu(), (proposed * mask).cpu(), certainty.cpu())


def mask_written(outputs: Tensor, stop: int) -> Tensor:
    """1 for tokens [..., w] up to and with the first stop, 0 after it."""
    is_stop = outputs == stop
    return (is_stop.cumsum(-1) - is_stop.int() == 0).int()
