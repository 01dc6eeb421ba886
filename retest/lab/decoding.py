"""Batched greedy decoding with remembered keys and values.

Decides which tokens follow a prompt. Prompts of one call have one length; callers group
them. A forced prefix is output that is written for the model before it goes on by itself.
"""

import torch
from torch import Tensor

from retest.lab.model import Transformer

ROWS_AT_ONCE = 512


@torch.inference_mode()
def decode_greedy(
    model: Transformer, prompts: Tensor, stop: int, limit: int, forced: Tensor | None = None
) -> Tensor:
    """Greedy continuations [n, limit] of ``prompts`` [n, p]; after ``stop`` only ``stop``.

    ``forced`` [n, f] opens each continuation and counts towards ``limit``. The context of
    the model must hold p + limit tokens.
    """
    model.eval()
    device = model.embedding.weight.device
    chunks = []
    for begin in range(0, len(prompts), ROWS_AT_ONCE):
        rows = slice(begin, begin + ROWS_AT_ONCE)
        opening = None if forced is None else forced[rows].to(device)
        chunks.append(decode_rows(model, prompts[rows].to(device), stop, limit, opening).cpu())
    return torch.cat(chunks)


def decode_rows(
    model: Transformer, prompts: Tensor, stop: int, limit: int, forced: Tensor | None
) -> Tensor:
    """One batch of ``decode_greedy``, on the model's device."""
    rows = len(prompts)
    output = torch.full((rows, limit), stop, dtype=torch.int64, device=prompts.device)
    written = 0
    if forced is not None:
        written = forced.shape[1]
        output[:, :written] = forced
        prompts = torch.cat((prompts, forced), dim=1)
    memories = model.remember(rows)
    fresh = prompts
    has_stopped = torch.zeros(rows, dtype=torch.bool, device=prompts.device)
    while written < limit and not has_stopped.all():
        logits = model(fresh, logits_from=fresh.shape[1] - 1, memories=memories)
        chosen = logits[:, -1].argmax(-1).masked_fill(has_stopped, stop)
        output[:, written] = chosen
        has_stopped |= chosen == stop
        fresh = chosen[:, None]
        written += 1
    return output


def cut_at_stop(output: Tensor, stop: int) -> list[list[int]]:
    """Each continuation up to and with its stop token, as plain lists."""
    rows: list[list[int]] = output.tolist()
    return [row[: row.index(stop) + 1] if stop in row else row for row in rows]
