"""Latent transitions: how a looped core's state is joined with the input and disturbed.

After arXiv:2502.05171 (a state renewed by a shared core, depth drawn anew each step) and
arXiv:2605.19376 (h = u + e, e ~ N(mean(u), deviation(u)^2), and in training a posterior that
also sees the answer). Decides what noise is; the blocks of the core live in ``model``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from retest.lab.attention import normalise
from retest.lab.item_seeds import hash_seed
from retest.lab.options import LoopOptions, ModelOptions


class State(NamedTuple):
    """What a core renews: [n, t, width] each; without inner passes only ``high`` is used."""

    high: Tensor
    low: Tensor

    def detach(self) -> "State":
        """The same state, cut from what led to it (deep supervision)."""
        return State(self.high.detach(), self.low.detach())


@dataclass(frozen=True)
class Latent:
    """How a looped model runs in one call.

    ``loops``: transitions (None: as built); only the last ``trained`` of them carry a gradient
    (None: all). ``noise`` [loops, n, t, width] is standard normal, drawn by the caller, so that
    a trajectory does not depend on what ran beside it; None adds none. ``answers`` [n, t] are
    the tokens that a posterior may see, in training only.
    """

    loops: int | None = None
    trained: int | None = None
    noise: Tensor | None = None
    answers: Tensor | None = None


class Gaussian(NamedTuple):
    """A diagonal Gaussian: mean and natural logarithm of the deviation."""

    mean: Tensor
    log_deviation: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """A draw from standard normal noise, with a gradient to both numbers."""
        return self.mean + self.log_deviation.exp() * noise


def measure_divergence(left: Gaussian, right: Gaussian) -> Tensor:
    """KL(left || right) in nats, summed over the last dimension."""
    ratio = (2 * (left.log_deviation - right.log_deviation)).exp()
    shift = ((left.mean - right.mean) * (-right.log_deviation).exp()) ** 2
    logs = right.log_deviation - left.log_deviation
    return (logs + 0.5 * (ratio + shift - 1)).sum(-1)


def balance_divergence(posterior: Gaussian, prior: Gaussian, share: float = 0.8) -> Tensor:
    """KL(posterior || prior) whose gradient goes by ``share`` to the prior, the rest to the other.

    Source: KL balancing, arXiv:2010.02193, algorithm 2.
    """
    to_prior = measure_divergence(Gaussian(*(each.detach() for each in posterior)), prior)
    to_posterior = measure_divergence(posterior, Gaussian(*(each.detach() for each in prior)))
    return share * to_prior + (1 - share) * to_posterior


class Transitions(nn.Module):
    """The trained parts of a loop that are not blocks: adapter, prior, posterior."""

    def __init__(self, options: ModelOptions, loop: LoopOptions) -> None:
        super().__init__()
        self.loop, width = loop, options.width
        if loop.injects == "adapter":
            self.adapter = nn.Linear(2 * width, width, bias=False)
        if loop.noise == "trained":
            self.prior = nn.Linear(width, 2 * width, bias=False)
            self.posterior = nn.Linear(2 * width, 2 * width, bias=False)

    def start(self, inputs: Tensor) -> State:
        """The first state."""
        high = inputs if self.loop.start == "input" else torch.zeros_like(inputs)
        return State(high, torch.zeros_like(inputs))

    def inject(self, state: Tensor, inputs: Tensor) -> Tensor:
        """The state joined with the embedded input."""
        if self.loop.injects == "added":
            return state + inputs
        if self.loop.injects == "adapter":
            joined: Tensor = self.adapter(torch.cat((state, inputs), dim=-1))
            return joined
        return state

    def disturb(
        self, state: Tensor, noise: Tensor, answers: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """The state with noise [n, t, width] on it, and the balanced divergence [n, t], if any.

        ``answers`` [n, t, width] are embedded: with them noise comes from the posterior.
        """
        if self.loop.noise == "none":
            return state, None
        if self.loop.noise == "fixed":
            return state + self.loop.deviation * noise, None
        ready = normalise(state)
        prior = self.read_gaussian(self.prior(ready))
        if answers is None:
            return state + prior.sample(noise), None
        both = torch.cat((ready, normalise(answers)), dim=-1)
        posterior = self.read_gaussian(self.posterior(both))
        return state + posterior.sample(noise), balance_divergence(posterior, prior)

    def read_gaussian(self, numbers: Tensor) -> Gaussian:
        """Mean and deviation from a layer's output; an untrained layer gives N(0, deviation^2)."""
        mean, log_ratio = numbers.chunk(2, dim=-1)
        return Gaussian(mean, log_ratio + float(np.log(self.loop.deviation)))


def draw_noise(
    task: str, seed: int, items: Sequence[int], loops: int, times: int, width: int
) -> Tensor:
    """Standard normal noise [loops, n, times, width], a row from the hash of (task, seed, item).

    Trajectories of one prompt are items of their own: repeat the prompt, number the items on.
    """
    rows = []
    for item in items:
        stream = np.random.Generator(np.random.PCG64(hash_seed(f"{task}/noise", seed, item)))
        rows.append(stream.standard_normal((loops, times, width), dtype=np.float32))
    return torch.from_numpy(np.stack(rows, axis=1))


def draw_depth(mean: int, generator: torch.Generator, sigma: float = 0.5) -> int:
    """A number of transitions, log-normal Poisson with about this mean, at least 1.

    tau ~ N(log mean - sigma^2 / 2, sigma), depth ~ Poisson(exp tau) + 1 (arXiv:2502.05171).
    """
    tau = torch.normal(
        torch.tensor(np.log(mean) - sigma**2 / 2, dtype=torch.float64), sigma, generator=generator
    )
    return int(torch.poisson(tau.exp(), generator=generator)) + 1
