"""Training records: token rows, and which of their tokens are output to be learned."""

from dataclasses import dataclass

import torch
from torch import Tensor

NOT_SCORED = -100  # torch's cross-entropy leaves such targets out


@dataclass(frozen=True)
class Records:
    """Rows of one length: ``tokens`` [n, t] int64 and ``is_output`` [n, t] bool.

    Shorter rows are padded on the right with any token that is not output: attention looks
    only backwards, so padding there changes nothing.
    """

    tokens: Tensor
    is_output: Tensor

    @property
    def first_output(self) -> int:
        """The first column in which any row has output (at least 1)."""
        return max(1, int(self.is_output.any(dim=0).int().argmax()))

    def find_targets(self) -> Tensor:
        """What the model must write from ``first_output`` on: [n, t - first_output]."""
        kept = self.tokens.masked_fill(~self.is_output, NOT_SCORED)
        return kept[:, self.first_output :].contiguous()

    def to(self, device: torch.device) -> "Records":
        """The same records on a device."""
        return Records(self.tokens.to(device), self.is_output.to(device))


def join_records(prompts: Tensor, outputs: Tensor) -> Records:
    """Prompts [n, p] and the outputs [n, q] to be learned after them."""
    tokens = torch.cat((prompts, outputs), dim=1)
    is_output = torch.zeros_like(tokens, dtype=torch.bool)
    is_output[:, prompts.shape[1] :] = True
    return Records(tokens, is_output)
