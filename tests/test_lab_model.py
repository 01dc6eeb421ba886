"""The lab's model options: causality, counts against built models, loops, experts, lookups."""

import dataclasses

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from db.errors import UsageError
from retest.lab.accounting import account_parameters, count_cache_bytes, count_flops
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
from retest.lab.model import Transformer, build_model, count_parameters
from retest.lab.ngrams import list_primes
from retest.lab.options import ExpertOptions, LoopOptions, ModelOptions, NgramOptions
from retest.lab.records import join_records
from retest.lab.training import TrainingOptions, train

CPU = torch.device("cpu")
SMALL = ModelOptions(vocabulary=11, context=16, depth=2, width=16, heads=2)
LOOP = LoopOptions(first=1, last=2, times=3)
EXPERTS = ExpertOptions(count=4, chosen=2)
NGRAMS = NgramOptions(blocks=(1,), slots=50)
SHAPES: dict[str, dict[str, object]] = {
    "plain": {},
    "learned": {"positions": "learned"},
    "no positions": {"positions": "none"},
    "shared keys": {"heads": 4, "kv_heads": 2, "mlp_ratio": 2.0},
    "one key head": {"heads": 4, "kv_heads": 1, "positions": "learned"},
    "wide heads": {"channels": 12},
    "swiglu, tied": {"mlp": "swiglu", "is_tied": True},
    "repeated blocks": {"repeats": 2},
    "loop": {"depth": 3, "loop": LOOP},
    "loop, adapter": {"loop": dataclasses.replace(LOOP, injects="adapter", start="input")},
    "loop over all": {"loop": LoopOptions(0, 2, 2, injects="none", start="input")},
    "loop of two halves": {"depth": 3, "loop": dataclasses.replace(LOOP, inner=2)},
    "loop, fixed noise": {"loop": dataclasses.replace(LOOP, noise="fixed")},
    "loop, trained noise": {"loop": dataclasses.replace(LOOP, noise="trained", injects="adapter")},
    "experts": {"experts": EXPERTS},
    "experts alone": {"experts": ExpertOptions(3, 1, 2.0, (1,)), "mlp_ratio": 0.0},
    "lookups": {"ngrams": NGRAMS},
    "lookups, no convolution": {"ngrams": dataclasses.replace(NGRAMS, convolves=False)},
    "lookups by position": {"ngrams": dataclasses.replace(NGRAMS, address="position")},
    "lookups, experts, loop": {"ngrams": NGRAMS, "experts": EXPERTS, "loop": LOOP},
}


@pytest.fixture(autouse=True)
def pinned() -> None:
    open_device("cpu")


@pytest.fixture(params=SHAPES, ids=list(SHAPES))
def options(request: pytest.FixtureRequest) -> ModelOptions:
    return dataclasses.replace(SMALL, **SHAPES[request.param])


def make_tokens(rows: int, times: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 10, (rows, times), generator=torch.Generator().manual_seed(seed))


def build_rough(options: ModelOptions, seed: int = 0) -> Transformer:
    """A model none of whose weights is zero, as after training."""
    model = build_model(options, seed, CPU)
    generator = torch.Generator().manual_seed(seed + 1)
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn(weight.shape, generator=generator)
    return model


def make_latent(options: ModelOptions, rows: int, times: int) -> Latent | None:
    if options.loop is None or options.loop.noise == "none":
        return None
    noise = draw_noise("t", 0, range(rows), options.loop.times, times, options.width)
    return Latent(noise=noise)


def test_no_position_sees_the_future(options: ModelOptions) -> None:
    model, latent = build_rough(options), make_latent(options, 4, 9)
    tokens = make_tokens(4, 9)
    changed = tokens.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % 10
    before, after = model(tokens, latent=latent), model(changed, latent=latent)
    torch.testing.assert_close(before[:, :5], after[:, :5], atol=1e-6, rtol=1e-5)
    assert not torch.allclose(before[:, 5:], after[:, 5:], atol=1e-3)


def test_leaving_out_unread_positions_changes_no_logit(options: ModelOptions) -> None:
    model, latent = build_rough(options), make_latent(options, 4, 9)
    tokens = make_tokens(4, 9)
    short = model(tokens, logits_from=6, latent=latent)
    torch.testing.assert_close(short, model(tokens, latent=latent)[:, 6:], atol=1e-5, rtol=1e-5)


def test_every_weight_gets_a_gradient(options: ModelOptions) -> None:
    model, latent = build_rough(options), make_latent(options, 8, 9)
    tokens = make_tokens(8, 9)
    if latent is not None:
        latent = dataclasses.replace(latent, answers=tokens)
    passage = model.open(tokens)
    logits = model.write_logits(model.read(tokens, passage, latent=latent))
    (logits.logsumexp(-1).sum() + sum(each.sum() for each in passage.divergences)).backward()
    assert all(weight.grad is not None for weight in model.parameters())
    dead = [name for name, weight in model.named_parameters() if not weight.grad.abs().sum()]
    assert dead == []


def test_counted_parameters_are_those_of_the_model(options: ModelOptions) -> None:
    model, counted = build_model(options, 0, CPU), account_parameters(options)
    assert counted.total == count_parameters(model)
    names = ("embedding", "position_embedding", "head.")
    outer = sum(each.numel() for name, each in model.named_parameters() if name.startswith(names))
    assert counted.embedding == outer
    assert counted.body == counted.total - outer
    assert 0 < counted.active <= counted.body
    assert (counted.sparse > 0) == (options.experts is not None or options.ngrams is not None)


def test_counted_operations_are_those_that_torch_counts(options: ModelOptions) -> None:
    if options.experts is not None:  # all experts for every token: nothing is padded
        count = options.experts.count
        even = dataclasses.replace(options.experts, chosen=count)
        options = dataclasses.replace(options, experts=even)
    model, latent = build_model(options, 0, CPU), make_latent(options, 3, 7)
    tokens = make_tokens(3, 7)
    with FlopCounterMode(display=False) as counter:
        loss = model(tokens, latent=latent).sum()
    counted = count_flops(options, 3, 7)
    assert counter.get_total_flops() == counted.forward
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    assert counter.get_total_flops() + backward.get_total_flops() == counted.training


def test_counted_operations_of_a_step_with_memory() -> None:
    model = build_model(SMALL, 0, CPU)
    memory = model.remember(3)
    model(make_tokens(3, 5), memory=memory)
    with FlopCounterMode(display=False) as counter:
        model(make_tokens(3, 1), memory=memory)
    assert counter.get_total_flops() == count_flops(SMALL, 3, 1, past=5).forward
    kept = sum(layer.pairs[:, :, :6].numel() for layer in memory.layers.values())
    assert kept * 4 == 3 * 6 * count_cache_bytes(SMALL)


def test_attention_and_perceptrons_can_trade_parameters() -> None:
    """The ratio of arXiv:2510.18245 for the public shape of a 3B model: 3.0."""
    shape = ModelOptions(
        128, 16, 28, 3072, heads=24, kv_heads=8, channels=128, mlp="swiglu", mlp_ratio=8192 / 3072
    )
    counted = account_parameters(shape)
    assert counted.perceptrons / counted.attention == pytest.approx(3.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"heads": 3},
        {"heads": 4, "kv_heads": 3},
        {"channels": 5},
        {"loop": LoopOptions(1, 5, 2)},
        {"loop": LoopOptions(0, 1, 0)},
        {"experts": ExpertOptions(2, 3)},
        {"ngrams": NgramOptions(blocks=(2,))},
    ],
)
def test_options_that_do_not_fit_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="cannot be built"):
        dataclasses.replace(SMALL, **wrong)


def test_without_causality_early_positions_see_late_ones() -> None:
    model = build_model(dataclasses.replace(SMALL, is_causal=False), 0, CPU)
    tokens = make_tokens(2, 6)
    changed = tokens.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 10
    assert not torch.allclose(model(tokens)[:, 0], model(changed)[:, 0], atol=1e-4)


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
    from retest.lab.training import open_optimiser, set_rate

    model = build_model(dataclasses.replace(SMALL, ngrams=NGRAMS), 0, CPU)
    optimiser = open_optimiser(model.named_parameters(), TrainingOptions(steps=1))
    set_rate(optimiser, 0.01)
    body, tables = optimiser.param_groups
    assert (tables["lr"], tables["weight_decay"]) == (0.05, 0.0)
    assert (body["lr"], body["weight_decay"]) == (0.01, 0.01)
    assert [each.shape for each in tables["params"]] == [model.blocks[1].ngrams.tables.shape]
