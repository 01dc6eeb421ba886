"""Decoding: memory against none for every model option, sampling, forced prefixes, stops."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from retest.lab.decoding import cut_at_stop, decode_each, decode_greedy, decode_sampled
from retest.lab.devices import open_device
from retest.lab.item_seeds import hash_seeds
from retest.lab.latent import Latent, draw_noise
from retest.lab.model import Transformer, build_model
from retest.lab.options import ExpertOptions, LoopOptions, ModelOptions, NgramOptions
from retest.lab.sampling import Sampling, choose, draw_uniforms, shape

CPU = torch.device("cpu")
STOP = 10
SMALL = ModelOptions(vocabulary=11, context=16, depth=2, width=16, heads=2)


@pytest.fixture(autouse=True)
def pinned() -> None:
    open_device("cpu")


def make_tokens(rows: int, times: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 10, (rows, times), generator=torch.Generator().manual_seed(seed))


def build_rough(options: ModelOptions, seed: int = 0) -> Transformer:
    model = build_model(options, seed, CPU)
    generator = torch.Generator().manual_seed(seed + 1)
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn(weight.shape, generator=generator)
    return model


loops = st.builds(
    LoopOptions,
    first=st.integers(0, 1),
    last=st.just(2),
    times=st.integers(1, 3),
    inner=st.integers(0, 2),
    injects=st.sampled_from(["none", "added", "adapter"]),
    start=st.sampled_from(["input", "zeros"]),
    noise=st.sampled_from(["none", "fixed", "trained"]),
)
experts = st.builds(
    ExpertOptions,
    count=st.integers(2, 4),
    chosen=st.integers(1, 2),
    blocks=st.sampled_from([None, (0,), (1,)]),
)
ngrams = st.builds(
    NgramOptions,
    blocks=st.sampled_from([(0,), (1,), (0, 1)]),
    orders=st.sampled_from([(2, 3), (3,), (1, 4)]),
    heads=st.integers(1, 2),
    slots=st.just(40),
    channels=st.just(4),
    convolves=st.booleans(),
    address=st.sampled_from(["tokens", "position"]),
)


@st.composite
def shapes(draw: st.DrawFn) -> ModelOptions:
    return ModelOptions(
        vocabulary=11,
        context=16,
        depth=2,
        width=16,
        heads=4,
        kv_heads=draw(st.sampled_from([None, 1, 2])),
        mlp_ratio=draw(st.sampled_from([0.0, 2.0])),
        positions=draw(st.sampled_from(["learned", "rope", "none"])),
        channels=draw(st.sampled_from([None, 6])),
        mlp=draw(st.sampled_from(["relu", "swiglu"])),
        is_tied=draw(st.booleans()),
        repeats=draw(st.integers(1, 2)),
        loop=draw(st.none() | loops),
        experts=draw(st.none() | experts),
        ngrams=draw(st.none() | ngrams),
    )


@settings(max_examples=50, deadline=None, derandomize=True)
@given(shapes(), st.integers(1, 6), st.integers(1, 3), st.sampled_from([3, 9]))
def test_remembered_logits_equal_those_of_the_whole(
    options: ModelOptions, first: int, each: int, rows: int
) -> None:
    """Whatever the options, and however the sequence is cut into calls; 9 rows lie in columns."""
    model, tokens = build_rough(options), make_tokens(rows, 12)
    noise = None
    if options.loop is not None:
        noise = draw_noise("t", 0, range(rows), options.loop.times, 12, options.width)
    whole = model(tokens, latent=Latent(noise=noise))
    memory = model.remember(rows, 12)
    assert memory.layer(0).is_in_columns == (rows == 9)
    parts = []
    for begin, end in zip([0, *range(first, 12, each)], [*range(first, 12, each), 12], strict=True):
        part = None if noise is None else noise[:, :, begin:end]
        parts.append(model(tokens[:, begin:end], memory=memory, latent=Latent(noise=part)))
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=2e-5, rtol=2e-4)


@pytest.mark.parametrize("rows", [3, 9])
def test_a_prompt_of_which_only_the_last_logits_are_read_is_remembered_whole(rows: int) -> None:
    model, tokens = build_rough(SMALL), make_tokens(rows, 7)
    memory = model.remember(rows, 7)
    with torch.inference_mode():
        whole = model(tokens)
        last = model(tokens[:, :6], logits_from=5, memory=memory)
        fresh = model(tokens[:, 6:], memory=memory)
    torch.testing.assert_close(last, whole[:, 5:6], atol=2e-5, rtol=2e-4)
    torch.testing.assert_close(fresh, whole[:, 6:], atol=2e-5, rtol=2e-4)


def decode_slowly(model: Transformer, prompt: list[int], limit: int, latent: Latent) -> list[int]:
    written: list[int] = []
    while len(written) < limit and (not written or written[-1] != STOP):
        tokens = torch.tensor([prompt + written])
        noise = None if latent.noise is None else latent.noise[:, :, : tokens.shape[1]]
        logits = model(tokens, latent=dataclasses.replace(latent, noise=noise))
        written.append(int(logits[0, -1].argmax()))
    return written


def test_a_looped_model_decodes_with_its_own_noise() -> None:
    options = dataclasses.replace(SMALL, loop=LoopOptions(0, 2, 3, noise="fixed", deviation=0.3))
    model, prompts = build_rough(options), make_tokens(6, 4)
    noise = draw_noise("t", 1, range(6), 3, 10, 16)
    fast = decode_greedy(model, prompts, STOP, limit=6, latent=Latent(noise=noise))
    for row, prompt in enumerate(prompts.tolist()):
        slow = decode_slowly(model, prompt, 6, Latent(noise=noise[:, row : row + 1]))
        assert cut_at_stop(fast, STOP)[row] == slow
    deeper = decode_greedy(model, prompts, STOP, limit=6, latent=Latent(loops=1))
    assert not torch.equal(fast, deeper)


def sample(
    model: Transformer, prompts: Tensor, seeds: np.ndarray, how: Sampling | None = None
) -> Tensor:
    return decode_sampled(model, prompts, STOP, 8, how or Sampling(), seeds)


def test_a_sample_depends_on_its_prompt_and_seed_only() -> None:
    model, prompts = build_rough(SMALL), make_tokens(40, 5)
    seeds = hash_seeds("test", 0, range(40), 16)
    together = sample(model, prompts, seeds)
    assert together.shape == (40, 16, 8)
    for row in (0, 17, 39):
        alone = sample(model, prompts[row : row + 1], seeds[row : row + 1])
        assert torch.equal(together[row], alone[0])
        last = sample(model, prompts[row : row + 1], seeds[row : row + 1, 15:])
        assert torch.equal(together[row, 15:], last[0])
    order = np.random.default_rng(0).permutation(40)
    shuffled = sample(model, prompts[order], seeds[order])
    assert torch.equal(shuffled, together[order])
    other = sample(model, prompts, hash_seeds("test", 1, range(40), 16))
    assert not torch.equal(other, together)


def test_samples_follow_the_models_probabilities() -> None:
    model, prompt = build_rough(SMALL), make_tokens(1, 5)
    drawn = sample(model, prompt, hash_seeds("test", 2, [0], 4000))[0, :, 0]
    shares = torch.bincount(drawn, minlength=11) / 4000
    wanted = model(prompt)[0, -1].softmax(-1).detach()
    deviations = (wanted * (1 - wanted) / 4000).sqrt()
    assert bool(((shares - wanted).abs() < 4 * deviations + 1e-4).all())


def test_cold_samples_are_greedy() -> None:
    model, prompts = build_rough(SMALL), make_tokens(10, 5)
    seeds = hash_seeds("test", 0, range(10), 2)
    cold = sample(model, prompts, seeds, Sampling(temperature=1e-4))
    greedy = decode_greedy(model, prompts, STOP, 8)
    assert torch.equal(cold[:, 0], greedy)
    assert torch.equal(cold[:, 1], greedy)
    assert torch.equal(sample(model, prompts, seeds, Sampling(top_k=1))[:, 0], greedy)


def test_samples_stop_and_take_a_forced_prefix() -> None:
    model, prompts, forced = build_rough(SMALL), make_tokens(20, 4), make_tokens(20, 2, seed=5)
    seeds = hash_seeds("test", 0, range(20), 3)
    rows = decode_sampled(model, prompts, STOP, 7, Sampling(), seeds, forced)
    assert torch.equal(rows[:, :, :2], forced[:, None].expand(-1, 3, -1))
    flat = rows.flatten(0, 1)
    lengths = {len(row) for row in cut_at_stop(flat, STOP)}
    assert len(lengths) > 1
    for row, full in zip(cut_at_stop(flat, STOP), flat.tolist(), strict=True):
        assert full[len(row) :] == [STOP] * (7 - len(row))


def test_temperature_sharpens_and_top_k_and_top_p_cut() -> None:
    logits = torch.tensor([[0.5, 0.2, 0.15, 0.1, 0.05]]).log()
    assert shape(logits, Sampling()).tolist() == [pytest.approx([0.5, 0.2, 0.15, 0.1, 0.05])]
    squares = [0.25, 0.04, 0.0225, 0.01, 0.0025]
    sharp = shape(logits, Sampling(temperature=0.5))[0].tolist()
    assert sharp == pytest.approx([square / sum(squares) for square in squares])
    two = [0.5 / 0.7, 0.2 / 0.7, 0, 0, 0]
    assert shape(logits, Sampling(top_k=2))[0].tolist() == pytest.approx(two)
    assert shape(logits, Sampling(top_p=0.6))[0].tolist() == pytest.approx(two)
    assert shape(logits, Sampling(top_p=0.4))[0].tolist() == pytest.approx([1, 0, 0, 0, 0])
    shuffled = torch.tensor([[0.1, 0.5, 0.05, 0.2, 0.15]]).log()
    assert shape(shuffled, Sampling(top_p=0.6))[0].tolist() == pytest.approx(
        [0, 0.5 / 0.7, 0, 0.2 / 0.7, 0]
    )


def test_the_ends_of_the_unit_interval_pick_possible_tokens() -> None:
    logits = torch.tensor([[float("-inf"), 0.0, 0.0, float("-inf")]]).expand(3, -1)
    ends = torch.tensor([0.0, 0.49, 1 - 2.0**-53], dtype=torch.float64)
    assert choose(logits, Sampling(), ends).tolist() == [1, 1, 2]


def test_uniform_numbers_are_splitmix() -> None:
    """Reference outputs of SplitMix64 from seed 1234567 (first three, as published)."""
    outputs = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    drawn = draw_uniforms(np.array([1234567], dtype=np.uint64), 3)
    assert drawn[0].tolist() == [(output >> 11) * 2.0**-53 for output in outputs]
    many = draw_uniforms(hash_seeds("u", 0, range(200), 5).reshape(-1), 20)
    assert float(many.mean()) == pytest.approx(0.5, abs=4 / math.sqrt(12 * many.size))
    assert many.min() >= 0 and many.max() < 1


def test_seeds_of_samples_have_addresses_of_their_own() -> None:
    first = hash_seeds("a", 0, range(10), 8)
    assert np.unique(first).size == 80
    assert np.array_equal(first[:, :3], hash_seeds("a", 0, range(10), 3))
    assert np.array_equal(first[4:6], hash_seeds("a", 0, [4, 5], 8))
    assert not np.isin(first, hash_seeds("a", 1, range(10), 8)).any()


def test_prompts_of_any_lengths_are_decoded_in_their_order() -> None:
    model = build_rough(SMALL)
    prompts = [[1, 2, 3], [4, 5], [6, 7, 8], [9]]
    seeds = hash_seeds("t", 0, range(4), 1)

    def decode(rows: Tensor, places: np.ndarray) -> Tensor:
        return decode_sampled(model, rows, STOP, 5, Sampling(), seeds[places])[:, 0]

    for place, row in enumerate(decode_each(prompts, decode)):
        one = np.array([place])
        assert torch.equal(row, decode(torch.tensor([prompts[place]]), one)[0])
