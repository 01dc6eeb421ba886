"""The lab's model options: causality, counts against built models, loops, experts, lookups."""

import dataclasses

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from db.errors import UsageError
from retest.lab.accounting import account_parameters, count_cache_bytes, count_flops
from retest.lab.devices import open_device
from retest.lab.latent import Latent, draw_noise
from retest.lab.model import Transformer, build_model, count_parameters
from retest.lab.options import ExpertOptions, LoopOptions, ModelOptions, NgramOptions

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
