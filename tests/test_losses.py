"""Losses over log-probabilities, each against the same thing written out by hand."""

import math

import pytest
import torch
from torch import Tensor

from retest.lab.losses import (
    average_tokens,
    clip_surrogate,
    compare_rewards,
    degrpo_loss,
    dpo_loss,
    entropy,
    grpo_loss,
    kl_penalty,
    matched_mode_loss,
    measure_advantages,
    nll_loss,
    pick_logs,
    reinforce_loss,
    rpo_loss,
    sum_logs,
)
from retest.lab.model import ModelOptions, build_model
from retest.lab.training import TrainingOptions, fit

LOGS = torch.tensor([[-0.5, -1.0, -2.0, -9.0], [-0.2, -0.7, -9.0, -9.0]])
OLD = torch.tensor([[-0.6, -1.6, -1.9, -3.0], [-0.2, -0.3, -5.0, -4.0]])
MASK = torch.tensor([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
GAINS = torch.tensor([1.0, -0.5])


def clip_by_hand(row: int, place: int, clip: float = 0.2) -> float:
    ratio = math.exp(float(LOGS[row, place] - OLD[row, place]))
    gain = float(GAINS[row])
    return min(ratio * gain, min(max(ratio, 1 - clip), 1 + clip) * gain)


def test_logs_are_picked_from_logits() -> None:
    logits = torch.tensor([[[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]]])
    picked = pick_logs(logits, torch.tensor([[2, 1]]))
    first = 2.0 - math.log(1 + math.e + math.e**2)
    second = -math.log(math.e**3 + 2)
    assert picked.tolist() == [pytest.approx([first, second], abs=1e-6)]


def test_sequences_are_summed_over_their_own_tokens_only() -> None:
    assert sum_logs(LOGS, MASK).tolist() == pytest.approx([-3.5, -0.9])
    assert float(nll_loss(LOGS, MASK)) == pytest.approx(4.4 / 5)


def test_dpo_by_hand() -> None:
    chosen, rejected = torch.tensor([-2.0, -5.0]), torch.tensor([-3.0, -4.0])
    reference = torch.tensor([-2.5, -5.0]), torch.tensor([-2.0, -4.5])
    margins = [0.3 * ((-2 + 2.5) - (-3 + 2)), 0.3 * ((-5 + 5) - (-4 + 4.5))]
    by_hand = sum(math.log(1 + math.exp(-margin)) for margin in margins) / 2
    assert float(dpo_loss(chosen, rejected, *reference, beta=0.3)) == pytest.approx(by_hand)
    lengths = torch.tensor([4.0, 5.0])
    whole = rpo_loss(chosen, rejected, *reference, lengths, beta=0.3, share=0.7)
    assert float(whole) == pytest.approx(by_hand + 0.7 * (2 / 4 + 5 / 5) / 2)
    better, worse = compare_rewards(chosen, rejected, *reference, beta=0.3)
    assert better.tolist() == pytest.approx([0.15, 0.0])
    assert worse.tolist() == pytest.approx([-0.3, 0.15])


def test_dpo_starts_at_log_two_and_knows_no_preference_when_labels_are_swapped() -> None:
    logs = torch.tensor([-2.0, -5.0])
    assert float(dpo_loss(logs, logs, logs, logs)) == pytest.approx(math.log(2))


def test_advantages_are_centred_in_their_group() -> None:
    rewards = torch.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    assert measure_advantages(rewards).tolist() == [[0.5, -0.5, -0.5, 0.5], [0.0] * 4]
    divided = measure_advantages(rewards, divides=True)
    assert divided[0].tolist() == pytest.approx([1, -1, -1, 1], abs=1e-4)
    assert divided[1].tolist() == [0.0] * 4


def test_reinforce_by_hand() -> None:
    assert float(reinforce_loss(LOGS, MASK, GAINS)) == pytest.approx(-(-3.5 + 0.45) / 2)


def test_the_surrogate_is_clipped_on_the_side_that_would_gain() -> None:
    by_hand = [[clip_by_hand(row, place) for place in range(4)] for row in range(2)]
    found = clip_surrogate(LOGS, OLD, GAINS)
    assert found.tolist() == [pytest.approx(row) for row in by_hand]
    assert by_hand[0][1] == 1.2, "a ratio of 1.82 with a gain is cut"
    assert by_hand[1][1] == -0.4, "and one of 0.67 with a loss, at 0.8"


def test_grpo_by_hand() -> None:
    first = [clip_by_hand(0, place) for place in range(3)]
    second = [clip_by_hand(1, place) for place in range(2)]
    by_sequence = -(sum(first) / 3 + sum(second) / 2) / 2
    by_token = -(sum(first) + sum(second)) / 5
    assert float(grpo_loss(LOGS, OLD, MASK, GAINS)) == pytest.approx(by_sequence)
    found = grpo_loss(LOGS, OLD, MASK, GAINS, weighting="tokens")
    assert float(found) == pytest.approx(by_token)


def test_decoupled_grpo_by_hand() -> None:
    modes = (clip_by_hand(0, 0) + clip_by_hand(1, 0)) / 2
    rest = [clip_by_hand(0, 1) + clip_by_hand(0, 2), clip_by_hand(1, 1)]
    by_sequence = -(0.01 * modes + (rest[0] / 2 + rest[1]) / 2)
    by_token = -(0.01 * modes + sum(rest) / 3)
    assert float(degrpo_loss(LOGS, OLD, MASK, GAINS, 0.01)) == pytest.approx(by_sequence)
    found = degrpo_loss(LOGS, OLD, MASK, GAINS, 0.01, weighting="tokens")
    assert float(found) == pytest.approx(by_token)


def test_matched_modes_have_the_mean_weight_asked_for() -> None:
    mean = (1 / 3 + 1 / 2) / 2
    modes = clip_by_hand(0, 0) * 0.01 / 3 / mean + clip_by_hand(1, 0) * 0.01 / 2 / mean
    rest = ((clip_by_hand(0, 1) + clip_by_hand(0, 2)) / 2 + clip_by_hand(1, 1)) / 2
    found = matched_mode_loss(LOGS, OLD, MASK, GAINS, 0.01)
    assert float(found) == pytest.approx(-(modes / 2 + rest))
    even = torch.ones(2, 4)
    torch.testing.assert_close(
        matched_mode_loss(LOGS, OLD, even, GAINS, 0.01), degrpo_loss(LOGS, OLD, even, GAINS, 0.01)
    )


def test_the_penalty_estimates_kl() -> None:
    by_hand = [
        math.exp(difference) - 1 - difference
        for difference in (-0.1, -0.6, 0.1, 0.0, 0.4)  # reference less policy, on the mask
    ]
    assert float(kl_penalty(LOGS, OLD, MASK)) == pytest.approx(sum(by_hand) / 5, abs=1e-6)
    assert float(kl_penalty(LOGS, LOGS, MASK)) == 0.0


def test_entropy_by_hand() -> None:
    logits = torch.tensor([[[0.0, 0.0], [50.0, 0.0], [7.0, 7.0]]])
    assert float(entropy(logits, torch.tensor([[1.0, 1.0, 0.0]]))) == pytest.approx(math.log(2) / 2)


def test_a_sequence_without_own_tokens_counts_as_nothing() -> None:
    assert float(average_tokens(LOGS, torch.zeros(2, 4), "sequence")) == 0.0
    assert float(average_tokens(LOGS, torch.zeros(2, 4), "tokens")) == 0.0


def write_sequences(value: int) -> Tensor:
    """Prompts of two tokens, then two tokens of one value."""
    generator = torch.Generator().manual_seed(0)
    prompts = torch.randint(0, 4, (32, 2), generator=generator)
    return torch.cat((prompts, torch.full((32, 2), value)), dim=1)


def test_the_loop_prefers_what_dpo_prefers() -> None:
    """Positive control of the loop with a preference loss, and of its negative (labels swapped)."""
    good, bad = write_sequences(5), write_sequences(6)
    mask = torch.tensor([0.0, 1.0, 1.0])
    reference = build_model(ModelOptions(8, 4, depth=1, width=16, heads=2), 0, torch.device("cpu"))

    def read(model: torch.nn.Module, tokens: Tensor) -> Tensor:
        return sum_logs(pick_logs(model(tokens[:, :-1]), tokens[:, 1:]), mask)

    def margin(swaps: bool) -> float:
        model = build_model(reference.options, 0, torch.device("cpu"))
        pair = (bad, good) if swaps else (good, bad)

        def score(rows: Tensor) -> Tensor:
            sides = [read(each, side[rows]) for each in (model, reference) for side in pair]
            return dpo_loss(sides[0], sides[1], sides[2].detach(), sides[3].detach())

        losses = fit(model, score, 32, TrainingOptions(steps=30, batch=16), 0)
        assert losses[0] == pytest.approx(math.log(2), abs=1e-5)
        assert losses[-1] < 0.6
        return float((read(model, good) - read(model, bad)).mean().detach())

    assert margin(swaps=False) > 1 > -1 > margin(swaps=True)


def test_the_loop_learns_from_rewards_alone() -> None:
    """Positive control of policy gradients: the rewarded token becomes the likely one."""
    model = build_model(ModelOptions(8, 4, depth=1, width=16, heads=2), 0, torch.device("cpu"))
    prompts = write_sequences(0)[:, :2]
    generator = torch.Generator().manual_seed(1)

    def score(rows: Tensor) -> Tensor:
        asked = prompts[rows].repeat_interleave(4, dim=0)
        logits = model(asked, logits_from=1)
        with torch.no_grad():
            drawn = torch.multinomial(logits[:, 0].softmax(-1), 1, generator=generator)
        rewards = (drawn == 3).float().view(-1, 4)
        logs = pick_logs(logits, drawn)
        gains = measure_advantages(rewards).flatten()
        return grpo_loss(logs, logs.detach(), torch.ones_like(logs), gains)

    before = float(model(prompts)[:, -1].softmax(-1)[:, 3].mean().detach())
    fit(model, score, 32, TrainingOptions(steps=60, batch=16, schedule="constant"), 0)
    after = float(model(prompts)[:, -1].softmax(-1)[:, 3].mean().detach())
    assert before < 0.3
    assert after > 0.9
