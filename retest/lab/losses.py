"""Losses over log-probabilities: preference pairs, and policy gradients with group baselines.

Plain functions of tensors; they know nothing of models and tasks. Everywhere ``logs`` [n, t]
are log-probabilities of the tokens that were written and ``mask`` [n, t] is 1 on tokens that the
policy wrote (prompts, padding, and what an executor answered are 0). Advantages come in
groups: [groups, samples of one prompt], flattened to [n] in that order.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Weighting = Literal["sequence", "tokens"]


def pick_logs(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probabilities [n, t] of ``tokens`` [n, t] under logits [n, t, vocabulary]."""
    return logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]


def sum_logs(logs: Tensor, mask: Tensor) -> Tensor:
    """Log-probability [n] of each sequence: summed over its own tokens only."""
    return (logs * mask).sum(-1)


def compare_rewards(
    chosen: Tensor,
    rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    beta: float = 0.1,
) -> tuple[Tensor, Tensor]:
    """Implicit rewards of both sides [n]: beta * (log pi - log reference), arXiv:2305.18290."""
    return beta * (chosen - reference_chosen), beta * (rejected - reference_rejected)


def dpo_loss(
    chosen: Tensor,
    rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    beta: float = 0.1,
) -> Tensor:
    """Direct preference optimisation, arXiv:2305.18290, equation 7, over sequence sums [n]."""
    better, worse = compare_rewards(chosen, rejected, reference_chosen, reference_rejected, beta)
    return -F.logsigmoid(better - worse).mean()


def rpo_loss(
    chosen: Tensor,
    rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    lengths: Tensor,
    beta: float = 0.1,
    share: float = 1.0,
) -> Tensor:
    """DPO plus ``share`` times the negative log-likelihood of the chosen side a token.

    After arXiv:2404.19733 (``lengths`` [n] are the chosen sides' tokens).
    """
    preference = dpo_loss(chosen, rejected, reference_chosen, reference_rejected, beta)
    return preference + share * (-chosen / lengths).mean()


def nll_loss(logs: Tensor, mask: Tensor) -> Tensor:
    """Mean negative log-likelihood a token of the policy: imitation of what was written."""
    return -(logs * mask).sum() / mask.sum()


def measure_advantages(rewards: Tensor, divides: bool = False) -> Tensor:
    """Rewards [groups, samples] less the mean of their group; ``divides`` by its deviation too.

    Source: arXiv:2402.03300, section 4.1.2; without the division arXiv:2503.20783.
    """
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    if not divides:
        return centred
    return centred / (rewards.std(dim=1, correction=0, keepdim=True) + 1e-6)


def reinforce_loss(logs: Tensor, mask: Tensor, advantages: Tensor) -> Tensor:
    """- mean over sequences of advantage * log-probability of the sequence (Williams, 1992)."""
    return -(advantages * sum_logs(logs, mask)).mean()


def clip_surrogate(logs: Tensor, old_logs: Tensor, advantages: Tensor, clip: float = 0.2) -> Tensor:
    """min(ratio A, clip(ratio) A) of every token [n, t], arXiv:1707.06347, equation 7."""
    ratios = (logs - old_logs.detach()).exp()
    gains = advantages[:, None]
    return torch.minimum(ratios * gains, ratios.clamp(1 - clip, 1 + clip) * gains)


def average_tokens(values: Tensor, mask: Tensor, weighting: Weighting) -> Tensor:
    """Mean of token values: over each sequence first, or over all tokens of the batch at once."""
    if weighting == "tokens":
        return (values * mask).sum() / mask.sum().clamp(min=1)
    return ((values * mask).sum(-1) / mask.sum(-1).clamp(min=1)).mean()


def grpo_loss(
    logs: Tensor,
    old_logs: Tensor,
    mask: Tensor,
    advantages: Tensor,
    clip: float = 0.2,
    weighting: Weighting = "sequence",
) -> Tensor:
    """- clipped surrogate, each sequence over its length (arXiv:2402.03300, without its KL term).

    ``weighting`` "tokens" averages over all tokens of the batch, as some released code does.
    """
    return -average_tokens(clip_surrogate(logs, old_logs, advantages, clip), mask, weighting)


def degrpo_loss(
    logs: Tensor,
    old_logs: Tensor,
    mask: Tensor,
    advantages: Tensor,
    alpha: float = 1e-3,
    clip: float = 0.2,
    weighting: Weighting = "sequence",
) -> Tensor:
    """Decoupled GRPO: the first token (the mode) is weighted apart from the response.

    - mean of (alpha * L_0 + 1/T sum over t = 1..T of L_t), arXiv:2505.13379; with ``weighting``
    "tokens" both parts are means over the batch, as in its released code.
    """
    gains = clip_surrogate(logs, old_logs, advantages, clip)
    mode, response = gains[:, 0].mean(), average_tokens(gains[:, 1:], mask[:, 1:], weighting)
    return -(alpha * mode + response)


def matched_mode_loss(
    logs: Tensor,
    old_logs: Tensor,
    mask: Tensor,
    advantages: Tensor,
    alpha: float = 1e-3,
    clip: float = 0.2,
) -> Tensor:
    """GRPO whose mode tokens keep weights c / (T + 1), with c so that their mean is ``alpha``.

    The control for decoupling: the step of the mode is as small as in ``degrpo_loss``, but a
    long response still mutes its own mode token.
    """
    gains = clip_surrogate(logs, old_logs, advantages, clip)
    weights = 1 / mask.sum(-1)
    weights = alpha * weights / weights.mean()
    response = average_tokens(gains[:, 1:], mask[:, 1:], "sequence")
    return -((weights * gains[:, 0]).mean() + response)


def kl_penalty(logs: Tensor, reference_logs: Tensor, mask: Tensor) -> Tensor:
    """Mean a token of r - 1 - log r, r = reference / policy: an estimate of KL, never negative.

    Source: arXiv:2402.03300, equation 4 ("k3" of Schulman's note on approximating KL).
    """
    logs_ratio = reference_logs.detach() - logs
    return average_tokens(logs_ratio.exp() - 1 - logs_ratio, mask, "tokens")


def entropy(logits: Tensor, mask: Tensor) -> Tensor:
    """Mean entropy a token of the policy, in nats, for logits [n, t, vocabulary]."""
    logs = logits.log_softmax(-1)
    return average_tokens(-(logs.exp() * logs).sum(-1), mask, "tokens")
