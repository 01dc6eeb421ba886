"""A small mixture of experts: each token goes through a few of many perceptrons.

Decides the routing and measures its imbalance. Tokens are sorted by expert and padded to the
fullest one, so that all experts are two batched products; none is dropped.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retest.lab.options import ExpertOptions


class Experts(nn.Module):
    """Top-k routing over two-layer perceptrons, weighted by the router's probabilities.

    ``computes_all`` sends every token through every expert and masks: dearer, but of a fixed
    shape, which many seeds trained at once need.
    """

    def __init__(self, options: ExpertOptions, width: int) -> None:
        super().__init__()
        inner = round(options.ratio * width)
        self.options, self.computes_all = options, False
        self.router = nn.Linear(width, options.count, bias=False)
        self.widen = nn.Parameter(torch.empty(options.count, inner, width))
        self.narrow = nn.Parameter(torch.empty(options.count, width, inner))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[n, t, width] -> the same, and the imbalance of the routing (1 when even)."""
        flat = x.reshape(-1, x.shape[-1])
        probabilities = self.router(flat).softmax(-1)
        weights, chosen = probabilities.topk(self.options.chosen, dim=-1)
        compute = self.compute_all if self.computes_all else self.compute_sorted
        return compute(flat, weights, chosen).view_as(x), measure_imbalance(probabilities, chosen)

    def compute_all(self, flat: Tensor, weights: Tensor, chosen: Tensor) -> Tensor:
        """Every token [m, width] through every expert; weights of those not chosen are 0."""
        spread = torch.zeros(len(flat), self.options.count, device=flat.device, dtype=flat.dtype)
        spread = spread.scatter(1, chosen, weights)
        inner = F.relu(torch.einsum("md,eid->mei", flat, self.widen)) * spread[:, :, None]
        return torch.einsum("mei,edi->md", inner, self.narrow)

    def compute_sorted(self, flat: Tensor, weights: Tensor, chosen: Tensor) -> Tensor:
        """Each token [m, width] through its chosen experts [m, k] only."""
        experts, order = chosen.flatten().sort(stable=True)
        counts = torch.bincount(experts, minlength=self.options.count)
        room = int(counts.max())
        begins = counts.cumsum(0) - counts
        places = torch.arange(len(experts), device=flat.device) - begins[experts]
        slots = experts * room + places
        rows = order // self.options.chosen
        padded = flat.new_zeros(self.options.count * room, flat.shape[1])
        padded = padded.index_copy(0, slots, flat[rows]).view(self.options.count, room, -1)
        inner = F.relu(torch.bmm(padded, self.widen.transpose(1, 2)))
        outputs = torch.bmm(inner, self.narrow.transpose(1, 2)).flatten(0, 1)[slots]
        weighted = outputs * weights.flatten()[order][:, None]
        return torch.zeros_like(flat).index_add(0, rows, weighted)


def measure_imbalance(probabilities: Tensor, chosen: Tensor) -> Tensor:
    """Experts * sum of (share of choices * mean probability): 1 when even, experts at worst.

    Source: arXiv:2101.03961, equations 4 to 6; for several choices a token, shares of choices.
    """
    count = probabilities.shape[-1]
    shares = F.one_hot(chosen, count).float().mean(dim=(0, 1))
    return count * (shares * probabilities.mean(dim=0)).sum()
