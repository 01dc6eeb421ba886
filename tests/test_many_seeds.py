"""Seeds trained at once: each gets what it gets alone, whoever trains beside it."""

import dataclasses

import pytest
import torch
from torch import Tensor

from retest.lab.devices import open_device
from retest.lab.many_seeds import clip_each, train_many, train_together
from retest.lab.model import Transformer, build_model
from retest.lab.options import ExpertOptions, LoopOptions, ModelOptions, NgramOptions
from retest.lab.records import Records, join_records
from retest.lab.training import TrainingLog, TrainingOptions, train

CPU = torch.device("cpu")
SMALL = ModelOptions(vocabulary=11, context=12, depth=2, width=16, heads=2)
SHAPES = [
    SMALL,
    dataclasses.replace(SMALL, heads=4, kv_heads=2, positions="learned", mlp="swiglu"),
    dataclasses.replace(SMALL, loop=LoopOptions(0, 1, 2), is_tied=True),
    dataclasses.replace(SMALL, experts=ExpertOptions(3, 2), ngrams=NgramOptions((1,), slots=30)),
]
HOW = TrainingOptions(steps=12, batch=16, balance=0.1)


@pytest.fixture(autouse=True)
def pinned() -> None:
    open_device("cpu")


def make_records(seed: int) -> Records:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 11, (64, 7), generator=generator)
    return join_records(tokens[:, :4], tokens[:, :3])


def build(options: ModelOptions, seeds: list[int]) -> list[Transformer]:
    """Double precision: what is left of a difference is no rounding."""
    models = [build_model(options, seed, CPU) for seed in seeds]
    for model in models:
        model.double()
    return models


def run(options: ModelOptions, seeds: list[int]) -> tuple[list[TrainingLog], list[Tensor]]:
    models = build(options, seeds)
    logs = train_together(models, [make_records(seed) for seed in seeds], HOW, seeds)
    return logs, [torch.nn.utils.parameters_to_vector(model.parameters()) for model in models]


@pytest.mark.parametrize("options", SHAPES)
def test_together_each_gets_what_it_gets_alone(options: ModelOptions) -> None:
    logs, weights = run(options, [3, 8, 21])
    assert len({log.losses for log in logs}) == 3
    for place, seed in enumerate([3, 8, 21]):
        model = build(options, [seed])[0]
        alone = train(model, make_records(seed), HOW, seed)
        assert logs[place].losses == pytest.approx(alone.losses, rel=1e-9)
        vector = torch.nn.utils.parameters_to_vector(model.parameters())
        torch.testing.assert_close(weights[place], vector, atol=1e-7, rtol=1e-6)
        assert logs[place].tokens == alone.tokens


def test_a_seed_does_not_depend_on_who_trains_beside_it() -> None:
    (first, _, _), (weights, _, _) = run(SMALL, [3, 8, 21])
    (second, _), (again, _) = run(SMALL, [3, 99])
    assert first.losses == pytest.approx(second.losses, rel=1e-9)
    torch.testing.assert_close(weights, again, atol=1e-8, rtol=1e-7)


def test_in_single_precision_only_rounding_differs() -> None:
    seeds = [0, 1, 2, 3]
    records = [make_records(seed) for seed in seeds]
    together = [build_model(SMALL, seed, CPU) for seed in seeds]
    logs = train_together(together, records, HOW, seeds)
    for place, seed in enumerate(seeds):
        alone = train(build_model(SMALL, seed, CPU), records[place], HOW, seed)
        assert logs[place].losses == pytest.approx(alone.losses, rel=1e-3)


def test_gradients_are_clipped_a_seed_at_a_time() -> None:
    weights = [torch.zeros(2, 3), torch.zeros(2, 2, 2)]
    weights[0].grad = torch.tensor([[3.0, 0, 0], [0.1, 0, 0]])
    weights[1].grad = torch.tensor([[[4.0, 0], [0, 0]], [[0, 0], [0, 0.2]]])
    clip_each(weights, 1.0)
    assert weights[0].grad.tolist() == [pytest.approx([0.6, 0, 0]), pytest.approx([0.1, 0, 0])]
    assert weights[1].grad[0, 0, 0] == pytest.approx(0.8)
    assert weights[1].grad[1, 1, 1] == pytest.approx(0.2), "a small gradient beside a large one"


def test_on_a_cpu_seeds_are_trained_one_after_another() -> None:
    seeds = [1, 2]
    records = [make_records(seed) for seed in seeds]
    logs = train_many([build_model(SMALL, seed, CPU) for seed in seeds], records, HOW, seeds)
    for place, seed in enumerate(seeds):
        alone = train(build_model(SMALL, seed, CPU), records[place], HOW, seed)
        assert logs[place].losses == alone.losses
