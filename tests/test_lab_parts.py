"""Parts of the lab's model by hand: repeated blocks, loops, noise, experts, lookup memory."""

import dataclasses

import pytest
import torch
from torch import Tensor

from retest.lab.devices import open_device
from retest.lab.experts import Experts, measure_imbalance
from retest.lab.latent import (
    Gaussian,
    Latent,
    balance_divergence,
    draw_depth,
    draw_noise,
    measure_divergence,
)
from retest.lab.model import Transformer, build_model
from retest.lab.ngrams import list_primes
from retest.lab.options import ExpertOptions, LoopOptions, ModelOptions, NgramOptions
from retest.lab.records import join_records
from retest.lab.training import TrainingOptions, open_optimiser, set_rate, train

CPU = torch.device("cpu")
SMALL = ModelOptions(vocabulary=11, context=16, depth=2, width=16, heads=2)
LOOP = LoopOptions(first=1, last=2, times=3)
NGRAMS = NgramOptions(blocks=(1,), slots=50)


@pytest.fixture(autouse=True)
def pinned() -> None:
    open_device("cpu")


def make_tokens(rows: int, times: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 10, (rows, times), generator=torch.Generator().manual_seed(seed))


def build_rough(options: ModelOptions, seed: int = 0) -> Transformer:
    """A model none of whose weights is zero, as after training."""
    model = build_model(options, seed, CPU)
    generator = torch.Generator().manual_seed(seed + 1)
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn(weight.shape, generator=generator)
    return model


def test_a_repeated_block_is_the_block_twice() -> None:
    once, twice = (build_model(dataclasses.replace(SMALL, repeats=n), 0, CPU) for n in (1, 2))
    twice.load_state_dict(once.state_dict())
    passage, tokens = once.open(make_tokens(2, 5)), make_tokens(2, 5)
    x = once.embedding(tokens)
    for block in (once.blocks[0], once.blocks[0], once.blocks[1], once.blocks[1]):
        x = block(x, passage)
    by_hand = once.head(torch.nn.functional.layer_norm(x, (16,)))
    torch.testing.assert_close(twice(tokens), by_hand)


def test_a_loop_by_hand_equals_the_loop() -> None:
    options = dataclasses.replace(SMALL, depth=3, loop=LOOP)
    model, tokens = build_rough(options), make_tokens(2, 5)
    passage = model.open(tokens)
    inputs = model.blocks[0](model.embedding(tokens), passage)
    state = torch.zeros_like(inputs)
    for _ in range(5):
        state = model.blocks[1](state + inputs, passage)
    by_hand = model.write_logits(model.finish(state, passage))
    torch.testing.assert_close(model(tokens, latent=Latent(loops=5)), by_hand)


def test_only_the_last_transitions_are_trained() -> None:
    options = dataclasses.replace(SMALL, loop=LoopOptions(0, 2, 4, start="input"))
    tokens = make_tokens(2, 5)

    def gradient(trained: int | None) -> Tensor:
        model = build_rough(options)
        model(tokens, latent=Latent(trained=trained)).logsumexp(-1).sum().backward()
        return model.blocks[0].widen.weight.grad

    torch.testing.assert_close(gradient(4), gradient(None))
    assert not torch.allclose(gradient(2), gradient(None))


def test_supervision_by_steps_can_carry_a_detached_state() -> None:
    model, tokens = build_rough(dataclasses.replace(SMALL, depth=3, loop=LOOP)), make_tokens(2, 5)
    passage = model.open(tokens)
    inputs = model.prepare(model.embedding(tokens), passage)
    state = model.transitions.start(inputs)
    for _ in range(3):
        state = model.transit(state, inputs, passage)
        model.write_logits(model.finish(state.high, passage)).logsumexp(-1).mean().backward(
            retain_graph=True
        )
        state = state.detach()
    torch.testing.assert_close(state.high, model.loop(inputs, model.open(tokens), Latent()).high)


def test_trajectories_differ_by_their_noise_and_repeat_with_it() -> None:
    options = dataclasses.replace(SMALL, loop=dataclasses.replace(LOOP, noise="fixed"))
    model, prompt = build_rough(options), make_tokens(1, 6)
    noise = draw_noise("width", 3, range(8), 3, 6, 16)
    together = model(prompt.expand(8, -1), latent=Latent(noise=noise))
    alone = model(prompt, latent=Latent(noise=draw_noise("width", 3, [5], 3, 6, 16)))
    torch.testing.assert_close(together[5:6], alone, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)
    quiet = model(prompt)
    assert not torch.allclose(together[0], quiet[0], atol=1e-3)


def test_untrained_noise_has_the_deviation_it_was_given() -> None:
    loop = dataclasses.replace(LOOP, noise="trained", deviation=0.3)
    model = build_model(dataclasses.replace(SMALL, loop=loop), 0, CPU)
    states, noise = torch.zeros(4, 5, 16), torch.ones(4, 5, 16)
    moved, divergence = model.transitions.disturb(states, noise, None)
    torch.testing.assert_close(moved, torch.full_like(states, 0.3))
    assert divergence is None
    _, divergence = model.transitions.disturb(states, noise, states)
    torch.testing.assert_close(divergence, torch.zeros(4, 5))


def test_divergence_is_torchs_and_balancing_moves_its_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = (
        Gaussian(*torch.randn(2, 3, 4, generator=generator).requires_grad_().unbind())
        for _ in range(2)
    )
    torchs = torch.distributions.kl_divergence(
        *(torch.distributions.Normal(each.mean, each.log_deviation.exp()) for each in (left, right))
    ).sum(-1)
    plain = measure_divergence(left, right)
    torch.testing.assert_close(plain, torchs)
    balanced = balance_divergence(left, right, share=0.8)
    torch.testing.assert_close(balanced, plain)
    full = torch.autograd.grad(plain.sum(), right.mean, retain_graph=True)[0]
    part = torch.autograd.grad(balanced.sum(), right.mean, retain_graph=True)[0]
    torch.testing.assert_close(part, 0.8 * full)
    full = torch.autograd.grad(plain.sum(), left.mean, retain_graph=True)[0]
    part = torch.autograd.grad(balanced.sum(), left.mean)[0]
    torch.testing.assert_close(part, 0.2 * full)


def test_drawn_depths_have_about_the_mean_asked_for() -> None:
    generator = torch.Generator().manual_seed(0)
    depths = [draw_depth(8, generator) for _ in range(6000)]
    assert sum(depths) / 6000 == pytest.approx(9, abs=0.3)  # a mean of 8, plus 1
    assert min(depths) >= 1
    assert len(set(depths)) > 10


def test_sorted_experts_equal_masked_experts() -> None:
    experts = Experts(ExpertOptions(5, 2, 1.5), 8)
    for weight in experts.parameters():
        torch.nn.init.normal_(weight, generator=torch.Generator().manual_seed(1))
    x = torch.randn(3, 7, 8, generator=torch.Generator().manual_seed(2))
    sparse, imbalance = experts(x)
    experts.computes_all = True
    dense, again = experts(x)
    torch.testing.assert_close(sparse, dense)
    torch.testing.assert_close(imbalance, again)


def test_an_expert_is_weighted_by_its_probability() -> None:
    experts = Experts(ExpertOptions(3, 1), 4)
    for weight in experts.parameters():
        torch.nn.init.normal_(weight, generator=torch.Generator().manual_seed(3))
    x = torch.randn(1, 1, 4, generator=torch.Generator().manual_seed(4))
    probabilities = (experts.router.weight @ x[0, 0]).softmax(0)
    best = int(probabilities.argmax())
    by_hand = probabilities[best] * experts.narrow[best] @ (experts.widen[best] @ x[0, 0]).relu()
    torch.testing.assert_close(experts(x)[0][0, 0], by_hand)


def test_imbalance_is_one_when_even_and_the_count_at_worst() -> None:
    even = torch.full((8, 4), 0.25)
    assert measure_imbalance(even, torch.arange(8)[:, None] % 4) == pytest.approx(1.0)
    one = torch.zeros(8, 4)
    one[:, 2] = 1.0
    assert measure_imbalance(one, torch.full((8, 1), 2)) == pytest.approx(4.0)


def test_balancing_spreads_tokens_over_experts() -> None:
    options = dataclasses.replace(SMALL, experts=ExpertOptions(4, 1), mlp_ratio=0.0)
    prompts = make_tokens(256, 4)
    records = join_records(prompts, prompts)

    def final_imbalance(balance: float) -> float:
        model = build_model(options, 0, CPU)
        with torch.no_grad():
            for block in model.blocks:
                block.experts.router.weight[0] += 1.0
        how = TrainingOptions(steps=60, batch=64, learning_rate=4e-3, balance=balance)
        train(model, records, how, 0)
        passage = model.open(records.tokens)
        model.read(records.tokens, passage)
        return float(torch.stack(passage.imbalances).mean().detach())

    assert final_imbalance(0.5) < min(1.2, final_imbalance(0.0))


def test_rows_of_tables_depend_on_the_last_tokens_only() -> None:
    memory = build_model(dataclasses.replace(SMALL, ngrams=NGRAMS), 0, CPU).blocks[1].ngrams
    tokens = torch.tensor([[1, 2, 3, 4, 5], [9, 9, 3, 4, 5], [9, 9, 9, 4, 5]])
    rows = memory.find_rows(tokens)
    assert torch.equal(rows[0, 4], rows[1, 4])
    assert torch.equal(rows[0, 4, :4], rows[2, 4, :4]), "order 2 sees two tokens"
    assert not torch.equal(rows[0, 4, 4:], rows[2, 4, 4:]), "order 3 sees three"
    assert torch.equal(rows, memory.find_rows(tokens))
    sizes = torch.tensor(list_primes(50, 8)).cumsum(0)
    assert bool((rows < sizes).all() and (rows >= sizes - torch.tensor(list_primes(50, 8))).all())


def test_the_control_addresses_by_position_not_by_token() -> None:
    ngrams = dataclasses.replace(NGRAMS, address="position")
    memory = build_model(dataclasses.replace(SMALL, ngrams=ngrams), 0, CPU).blocks[1].ngrams
    rows = memory.find_rows(make_tokens(3, 6))
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0, 3], rows[0, 4])


def test_primes_by_hand() -> None:
    assert list_primes(8, 4) == [11, 13, 17, 19]


def test_tables_learn_at_their_own_rate_without_decay() -> None:
    model = build_model(dataclasses.replace(SMALL, ngrams=NGRAMS), 0, CPU)
    optimiser = open_optimiser(model.named_parameters(), TrainingOptions(steps=1))
    set_rate(optimiser, 0.01)
    body, tables = optimiser.param_groups
    assert (tables["lr"], tables["weight_decay"]) == (0.05, 0.0)
    assert (body["lr"], body["weight_decay"]) == (0.01, 0.01)
    assert [each.shape for each in tables["params"]] == [model.blocks[1].ngrams.tables.shape]
