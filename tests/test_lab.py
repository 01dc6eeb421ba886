"""The lab: model, decoding, training loop, streams of items, scores."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from db.errors import UsageError
from retest.lab.decoding import cut_at_stop, decode_greedy
from retest.lab.devices import open_device
from retest.lab.item_seeds import hash_seed, open_stream
from retest.lab.model import (
    ModelOptions,
    Transformer,
    build_model,
    count_block_parameters,
    count_parameters,
)
from retest.lab.records import NOT_SCORED, Records, join_records
from retest.lab.scores import measure_edit_distance, measure_slope
from retest.lab.training import TrainingOptions, draw_batches, schedule_rate, train

CPU = torch.device("cpu")
SMALL = ModelOptions(vocabulary=11, context=12, depth=2, width=16, heads=2)
SHAPES = [
    SMALL,
    dataclasses.replace(SMALL, positions="learned"),
    dataclasses.replace(SMALL, positions="none"),
    dataclasses.replace(SMALL, heads=4, kv_heads=2, mlp_ratio=2.0),
]
STOP = 10


@pytest.fixture(autouse=True)
def pinned() -> None:
    open_device("cpu")


def make_tokens(rows: int, times: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 10, (rows, times), generator=torch.Generator().manual_seed(seed))


def decode_slowly(model: Transformer, prompt: list[int], limit: int) -> list[int]:
    """Greedy decoding without memory, one row at a time: what the fast path must equal."""
    written: list[int] = []
    while len(written) < limit and (not written or written[-1] != STOP):
        logits = model(torch.tensor([prompt + written]))
        written.append(int(logits[0, -1].argmax()))
    return written


@pytest.mark.parametrize("options", SHAPES)
def test_decoding_with_memory_equals_decoding_without(options: ModelOptions) -> None:
    model = build_model(options, 3, CPU)
    prompts = make_tokens(8, 5)
    fast = cut_at_stop(decode_greedy(model, prompts, STOP, limit=7), STOP)
    assert fast == [decode_slowly(model, prompt, 7) for prompt in prompts.tolist()]
    assert len({tuple(row) for row in fast}) > 1


def test_decoding_stops_at_the_stop_token_only() -> None:
    model = build_model(SMALL, 0, CPU)
    prompts = make_tokens(64, 4)
    output = decode_greedy(model, prompts, STOP, limit=8)
    rows = cut_at_stop(output, STOP)
    assert {len(row) for row in rows} != {8}, "some row must stop early for this to test anything"
    for row, full in zip(rows, output.tolist(), strict=True):
        assert STOP not in row[:-1]
        assert full[len(row) :] == [STOP] * (8 - len(row))


def test_a_forced_prefix_is_written_and_then_continued() -> None:
    model = build_model(SMALL, 3, CPU)
    prompts, forced = make_tokens(5, 4), make_tokens(5, 3, seed=9)
    output = decode_greedy(model, prompts, STOP, limit=6, forced=forced)
    longer = decode_greedy(model, torch.cat((prompts, forced), dim=1), STOP, limit=3)
    assert torch.equal(output[:, :3], forced)
    assert torch.equal(output[:, 3:], longer)


@pytest.mark.parametrize("options", SHAPES)
def test_no_position_sees_the_future(options: ModelOptions) -> None:
    model = build_model(options, 1, CPU)
    tokens = make_tokens(4, 9)
    changed = tokens.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % 10
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


@pytest.mark.parametrize("options", SHAPES)
def test_leaving_out_unread_positions_changes_no_logit(options: ModelOptions) -> None:
    model = build_model(options, 1, CPU)
    tokens = make_tokens(4, 9)
    torch.testing.assert_close(model(tokens, logits_from=6), model(tokens)[:, 6:])


def test_rotary_positions_depend_on_distance_only() -> None:
    from retest.lab.model import make_rotations

    rotations = make_rotations(SMALL).double()
    query, key = torch.randn(2, SMALL.head_width, dtype=torch.float64)
    products = [
        float((query @ rotations[place + 3]) @ (key @ rotations[place])) for place in range(9)
    ]
    assert products == pytest.approx([products[0]] * 9, abs=1e-5)
    assert abs(products[0] - float(query @ key)) > 1e-3


def test_positions_matter_unless_there_are_none() -> None:
    tokens = torch.tensor([[1, 2, 3, 4], [2, 1, 3, 4]])
    for positions, same in (("rope", False), ("learned", False), ("none", True)):
        options = ModelOptions(11, 12, depth=1, width=16, heads=2, positions=positions)  # type: ignore[arg-type]
        last = build_model(options, 0, CPU)(tokens)[:, -1]
        assert torch.allclose(last[0], last[1], atol=1e-6) is same


def test_blocks_hold_twelve_squares_a_layer() -> None:
    model = build_model(ModelOptions(20, 8, depth=3, width=32), 0, CPU)
    assert count_block_parameters(model) == 12 * 3 * 32**2
    assert count_parameters(model) == 12 * 3 * 32**2 + 2 * 20 * 32


def test_only_output_tokens_are_learned() -> None:
    prompts, outputs = make_tokens(3, 4), make_tokens(3, 2, seed=5)
    records = join_records(prompts, outputs)
    assert records.first_output == 4
    assert torch.equal(records.find_targets(), outputs)
    masked = Records(records.tokens, records.is_output.clone())
    masked.is_output[0, 4] = False
    assert masked.find_targets()[0, 0] == NOT_SCORED


def test_the_loss_ignores_what_is_not_output() -> None:
    """Two records that differ only in an unscored token late in the row train alike."""
    tokens = make_tokens(16, 8)
    is_output = torch.zeros_like(tokens, dtype=torch.bool)
    is_output[:, 4:7] = True  # the last column is padding
    other = tokens.clone()
    other[:, 7] = (other[:, 7] + 1) % 10
    options = TrainingOptions(steps=3, batch=8)
    losses = [
        train(build_model(SMALL, 0, CPU), Records(rows, is_output), options, 0).losses
        for rows in (tokens, other)
    ]
    assert losses[0] == losses[1]
    scored = is_output.clone()
    scored[:, 7] = True
    all_scored = train(build_model(SMALL, 0, CPU), Records(tokens, scored), options, 0).losses
    assert all_scored != losses[0]


def test_training_twice_gives_the_same_bytes_and_another_seed_does_not() -> None:
    records = join_records(make_tokens(64, 4), make_tokens(64, 3, seed=1))

    def fit(seed: int) -> tuple[tuple[float, ...], bytes]:
        model = build_model(SMALL, seed, CPU)
        log = train(model, records, TrainingOptions(steps=10, batch=16), seed)
        return log.losses, model.head.weight.detach().numpy().tobytes()

    assert fit(7) == fit(7)
    assert fit(7) != fit(8)


def test_a_model_learns_to_copy() -> None:
    """Positive control of the loop itself: a task that any working training solves."""
    prompts = make_tokens(512, 3)
    model = build_model(dataclasses.replace(SMALL, width=32), 0, CPU)
    log = train(
        model, join_records(prompts, prompts), TrainingOptions(300, 64, learning_rate=4e-3), 0
    )
    fresh = make_tokens(100, 3, seed=77)
    copies = decode_greedy(model, fresh, STOP, limit=3)
    assert log.losses[0] > 2.0
    assert float((copies == fresh).all(dim=1).float().mean()) > 0.95


def test_batches_are_shuffled_passes() -> None:
    batches = list(draw_batches(10, TrainingOptions(steps=4, batch=5), seed=1))
    seen = Counter(torch.cat(batches).tolist())
    assert seen == dict.fromkeys(range(10), 2)
    assert batches[0].tolist() != [0, 1, 2, 3, 4]


def test_learning_rate_warms_up_and_falls_to_nothing() -> None:
    options = TrainingOptions(steps=100, learning_rate=1.0, warmup_share=0.1)
    rates = [schedule_rate(step, options) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001


def test_other_schedules_fall_straight_or_not_at_all() -> None:
    straight = TrainingOptions(steps=11, learning_rate=1.0, warmup_share=0.1, schedule="linear")
    rates = [schedule_rate(step, straight) for step in range(11)]
    assert rates == pytest.approx([1.0, *(1 - 0.1 * step for step in range(10))])
    constant = dataclasses.replace(straight, schedule="constant")
    assert {schedule_rate(step, constant) for step in range(1, 11)} == {1.0}


def test_mixed_precision_changes_digits_only() -> None:
    records = join_records(make_tokens(64, 4), make_tokens(64, 3, seed=1))
    plain, mixed = (
        train(build_model(SMALL, 0, CPU), records, TrainingOptions(10, 16, is_mixed=mixed), 0)
        for mixed in (False, True)
    )
    assert mixed.losses != plain.losses
    assert mixed.losses == pytest.approx(plain.losses, rel=0.02)


@pytest.mark.slow
def test_a_compiled_loss_changes_digits_only() -> None:
    records = join_records(make_tokens(64, 4), make_tokens(64, 3, seed=1))
    plain, compiled = (
        train(build_model(SMALL, 0, CPU), records, TrainingOptions(5, 16, is_compiled=each), 0)
        for each in (False, True)
    )
    assert compiled.losses == pytest.approx(plain.losses, rel=1e-3)


def test_streams_are_addressed_by_task_seed_and_index() -> None:
    addresses = [("a", 1, 0), ("a", 1, 1), ("a", 2, 0), ("b", 1, 0), ("a", 0, 1)]
    assert len({hash_seed(*address) for address in addresses}) == len(addresses)
    first = open_stream("a", 1, 0).integers(1 << 60, size=50)
    assert np.array_equal(first, open_stream("a", 1, 0).integers(1 << 60, size=50))
    assert not np.isin(first, open_stream("a", 2, 0).integers(1 << 60, size=50)).any()


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(UsageError, match="auto, cpu or cuda"):
        open_device("tpu")


words = st.lists(st.sampled_from("abc"), max_size=7)


@given(words, words)
def test_edit_distance_is_a_distance(left: list[str], right: list[str]) -> None:
    distance = measure_edit_distance(left, right)
    assert distance == measure_edit_distance(right, left)
    assert 0 <= distance <= 1
    assert (distance == 0) == (left == right)


def test_edit_distance_by_hand() -> None:
    assert measure_edit_distance("kitten", "sitting") == pytest.approx(3 / 7)
    assert measure_edit_distance("", "ab") == 1.0


def test_slope_is_per_doubling() -> None:
    assert measure_slope([100, 400], [0.5, 0.7]) == pytest.approx(0.1)
    assert measure_slope([1, 2, 4, 8], [0.1, 0.2, 0.3, 0.4]) == pytest.approx(0.1)
    assert measure_slope([1, 4], [0, 1]) == pytest.approx(0.5)
