"""c02: styles and their reader, strategies against their definitions, twins that cost alike."""

import dataclasses
import json
import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session

from retest.experiments import c02_protocol_gap as c02
from retest.experiments.c02_showing import SHOWN_BUDGETS
from retest.lab.decoding import decode_sampled
from retest.lab.devices import open_device
from retest.lab.expert_iteration import Policy, Rounds, Sources, follow_policy, iterate_experts
from retest.lab.inference_budgets import (
    FAMILIES,
    STRATEGIES,
    Budgets,
    Curve,
    Subject,
    draw_pool,
    follow_pool,
    pick_strategies,
    pick_temperature,
    probe_cost,
)
from retest.lab.item_seeds import hash_seeds, open_stream
from retest.lab.likelihoods import mask_written, measure_outputs
from retest.lab.model import ModelOptions, Transformer, build_model
from retest.lab.power_sampling import Walk, sample_power
from retest.lab.revision import Signs, join, revise
from retest.lab.sampling import Sampling
from retest.lab.selection import NO_ANSWER, choose_majority
from retest.lab.tasks import style_checks
from retest.lab.tasks.modular_steps import ModularTask
from retest.lab.tasks.permutations import PermutationTask
from retest.lab.tasks.styles import (
    STYLES,
    Mixture,
    Stepped,
    SteppedTask,
    count_steps,
    count_widest,
    count_written,
    read_answers,
    write_mixture,
    write_outputs,
)
from retest.lab.training import TrainingOptions
from retest.outcomes import read_stream
from retest.protocol import Outcome
from tests.synthetic_ledger import fail_control, fill_stream, read_all, say

TASK = PermutationTask(3, 4, 6)
FIVE = PermutationTask(5, 4, 8, tuple(c02.FIVE_LETTERS))
MODULAR = ModularTask(11, 4, 6)
TASKS: list[SteppedTask] = [TASK, FIVE, MODULAR]


def build(task: SteppedTask, seed: int = 0, width: int = 16) -> Transformer:
    context = task.prompt_tokens + 2 * count_widest(task.longest)
    options = ModelOptions(len(task.vocabulary), context, depth=1, width=width, heads=2)
    return build_model(options, seed, open_device("cpu"))


def open_subject(task: SteppedTask = TASK, items: int = 6, name: str = "s") -> Subject:
    problems = task.draw("test", 1, items)
    return Subject(build(task), task.marks, problems, name, 5)


# --- Problems ----------------------------------------------------------------------------------


def multiply(words: list[str]) -> str:
    """The product by moving points, one permutation after the other."""
    result = []
    for start in range(len(words[0])):
        point = start
        for word in words:
            point = int(word[point]) - 1
        result.append(str(point + 1))
    return "".join(result)


@pytest.mark.parametrize("task", [TASK, FIVE])
def test_states_are_products_by_brute_force(task: PermutationTask) -> None:
    problems = task.draw("test", 3, 60)
    names = task.vocabulary.words
    for row in range(len(problems)):
        length = int(problems.lengths[row])
        words = [names[token] for token in problems.prompts[row, :length]]
        states = [names[token] for token in problems.states[row, :length]]
        assert states == [multiply(words[: step + 1]) for step in range(length)]
        assert names[int(problems.gold[row])] == multiply(words)
        assert (problems.states[row, length:] == -1).all()


def test_the_five_letters_reach_the_whole_group() -> None:
    reached = set(c02.FIVE_LETTERS)
    while True:
        more = {int(FIVE.products[a, b]) for a in reached for b in c02.FIVE_LETTERS} | reached
        if more == reached:
            break
        reached = more
    assert len(reached) == 120


@pytest.mark.parametrize("task", TASKS)
def test_problems_are_the_same_for_a_seed_and_differ_between_seeds(task: SteppedTask) -> None:
    first, again, other = (task.draw("test", seed, 50) for seed in (7, 7, 8))
    assert np.array_equal(first.prompts, again.prompts)
    assert np.array_equal(first.states, again.states)
    shared = {tuple(row) for row in first.prompts.tolist()} & {
        tuple(row) for row in other.prompts.tolist()
    }
    assert len(shared) < 25


@pytest.mark.parametrize("task", TASKS)
def test_training_shows_no_problem_of_a_set(task: SteppedTask) -> None:
    test = task.draw("test", 2, 100)
    validation = task.draw("validation", 2, 100, [test])
    training = task.draw("pretraining", 2, 4000, [validation, test])
    held = {tuple(row) for row in np.concatenate((test.prompts, validation.prompts)).tolist()}
    assert not held & {tuple(row) for row in training.prompts.tolist()}
    assert not {tuple(row) for row in test.prompts.tolist()} & {
        tuple(row) for row in validation.prompts.tolist()
    }


# --- Styles and their reader --------------------------------------------------------------------


def write_words(style: str, slip: int = -1) -> str:
    problems = TASK.solve(np.array([[1, 2, 3, 4, -1, -1]]))
    outputs = write_outputs(
        problems, np.array([STYLES.index(style)]), TASK.marks, np.array([slip]), np.array([0])
    )
    written = outputs[0, : count_written(outputs, TASK.marks.stop)[0]]
    return " ".join(TASK.vocabulary.decode(written.tolist()))


def test_styles_are_written_as_the_protocol_says() -> None:
    states = [multiply(["132", "213", "231", "312"][: step + 1]) for step in range(4)]
    assert write_words("direct") == f"<answer> {states[3]} </s>"
    assert write_words("skipping") == f"<think> . {states[1]} . <answer> {states[3]} </s>"
    assert write_words("full") == f"<think> {' '.join(states[:3])} <answer> {states[3]} </s>"
    assert write_words("full", 1) == (
        f"<think> {states[0]} 123 <fix> {states[1]} {states[2]} <answer> {states[3]} </s>"
    )
    assert write_words("full", 3) == (
        f"<think> {' '.join(states[:3])} <answer> 123 <fix> {states[3]} </s>"
    )


@given(st.integers(0, 10_000), st.sampled_from(range(3)))
def test_what_is_written_is_read_back_and_a_planted_fault_is_refused(seed: int, place: int) -> None:
    task = TASKS[place]
    problems = task.draw("training", seed, 8)
    mixture = Mixture(0.3, 0.3, 0.4, corrected=0.5)
    records = write_mixture(problems, mixture, task.marks, open_stream("t", seed))
    outputs = records.tokens[:, task.prompt_tokens :].numpy()
    assert (read_answers(outputs, task.marks) == problems.gold).all()
    assert (count_steps(outputs, task.marks) >= 1).all()
    assert np.array_equal(
        records.is_output[:, task.prompt_tokens :].sum(1).numpy(),
        count_written(outputs, task.marks.stop),
    ), "learned are the tokens up to the stop mark, and no others"
    for row, end in enumerate(count_written(outputs, task.marks.stop) - 1):
        outputs[row, end - 1] = (outputs[row, end - 1] + 1) % task.marks.states
    assert (read_answers(outputs, task.marks) != problems.gold).all()


@pytest.mark.parametrize(
    "text",
    [
        "<answer> </s>",
        "<answer> 123",
        "123 </s>",
        "<think> 123 213 </s>",
        "<answer> 123 213 </s>",
        "<answer> <fix> 123 </s>",
        "<answer> 123 <fix> </s>",
        "<answer> = </s>",
        "<answer> 123 <answer> </s>",
    ],
)
def test_an_output_of_another_form_holds_no_answer(text: str) -> None:
    tokens = TASK.vocabulary.encode(text.split())
    tokens += [TASK.vocabulary.places["="]] * (6 - len(tokens))
    assert read_answers(np.array(tokens), TASK.marks) == NO_ANSWER


def test_a_mixture_has_its_shares_and_its_agreeing_errors() -> None:
    problems = FIVE.draw("training", 1, 4000)
    mixture = Mixture(0.60, 0.25, 0.15, corrected=0.10, mistaken=0.80)
    records = write_mixture(problems, mixture, FIVE.marks, open_stream("t", 1))
    outputs = records.tokens[:, FIVE.prompt_tokens :].numpy()
    is_direct = outputs[:, 0] == FIVE.marks.answer
    assert is_direct.mean() == pytest.approx(0.60, abs=0.03)
    is_first = outputs[:, 1] == problems.states[:, 0]
    assert is_first[is_direct].mean() == pytest.approx(0.80, abs=0.03)
    answers = read_answers(outputs, FIVE.marks)
    assert (answers == problems.gold)[~is_direct].all()
    has_fix = (outputs == FIVE.marks.fix).any(axis=1)
    assert has_fix.mean() == pytest.approx(0.015, abs=0.008)


# --- Decoding with openings of several lengths --------------------------------------------------


def test_rows_keep_as_much_of_an_opening_as_they_are_told() -> None:
    subject = open_subject()
    seeds = hash_seeds("t", 1, range(6), 2)
    forced = torch.arange(4).repeat(6, 1)
    kept = torch.tensor([0, 1, 2, 3, 4, 4])

    def decode(rows: slice, **how: Any) -> torch.Tensor:
        return decode_sampled(
            subject.model, subject.prompts[rows], TASK.marks.stop, 8, Sampling(), seeds[rows], **how
        )

    every = decode(slice(None), forced=forced, kept=kept)
    assert torch.equal(every[:1], decode(slice(0, 1)))
    assert torch.equal(every[4:], decode(slice(4, 6), forced=forced[4:]))
    for row in range(1, 4):
        alone = decode(slice(row, row + 1), forced=forced[row : row + 1, :row])
        assert torch.equal(every[row], alone[0])


# --- Strategies ---------------------------------------------------------------------------------


class Short:
    """A model over three tokens, the last of which stops, with outputs of at most three."""

    def __init__(self) -> None:
        options = ModelOptions(3, 8, depth=1, width=16, heads=2)
        self.model = build_model(options, 3, open_device("cpu"))
        with torch.no_grad():
            self.model.head.weight *= 4  # far from even
        self.prompts = torch.tensor([[0, 1]])

    def list_outputs(self) -> list[tuple[int, ...]]:
        kept = []
        for row in product(range(3), repeat=3):
            end = row.index(2) + 1 if 2 in row else 3
            if all(token == 2 for token in row[end:]):
                kept.append(row)
        return kept

    def find_logs(self, rows: list[tuple[int, ...]]) -> torch.Tensor:
        prompts = self.prompts.expand(len(rows), -1)
        return measure_outputs(self.model, prompts, torch.tensor(rows), 2).logs.double().sum(1)


def test_log_probabilities_of_all_outputs_sum_to_one() -> None:
    short = Short()
    rows = short.list_outputs()
    assert len(rows) == 1 + 2 + 4 * 3
    assert short.find_logs(rows).exp().sum().item() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(("alpha", "temperature"), [(4.0, 1.0), (2.0, 0.7), (1.0, 1.5)])
def test_a_walk_ends_as_often_on_an_output_as_its_power_says(
    alpha: float, temperature: float
) -> None:
    """Power sampling against the power of the distribution, by enumeration."""
    short = Short()
    rows = short.list_outputs()
    wanted = (alpha * short.find_logs(rows)).softmax(0).numpy()
    walkers = 3000
    walk = Walk(alpha, temperature, tokens=24.0)
    trace = sample_power(
        short.model, short.prompts.expand(walkers, -1), 2, 3, walk, ("t", 1), range(walkers)
    )
    last = [tuple(row) for row in trace.outputs[-1].tolist()]
    found = np.array([last.count(row) for row in rows]) / walkers
    assert np.abs(found - wanted).sum() / 2 < 0.04
    assert 0 < trace.accepted <= 1


def test_a_walk_pays_for_what_it_rejects() -> None:
    short = Short()
    prompts = short.prompts.expand(50, -1)
    walk = Walk(alpha=30.0, temperature=1.0, tokens=30.0)
    trace = sample_power(short.model, prompts, 2, 3, walk, ("t", 1), range(50))
    assert trace.accepted < 0.9, "at such a power proposals are rejected"
    assert (np.diff(trace.tokens) >= 1.0).all(), "each step writes a token a prompt at least"
    assert trace.tokens[-2] < 30.0 <= trace.tokens[-1]
    first = mask_written(torch.from_numpy(trace.outputs[0]), 2).sum(1).double().mean()
    assert trace.tokens[0] == pytest.approx(float(first))


def test_self_certainty_is_none_for_an_even_model_and_grows_with_sharpness() -> None:
    subject = open_subject()
    outputs = torch.full((6, 3), TASK.marks.stop)
    read = [
        measure_outputs(scale_head(subject.model, by), subject.prompts, outputs, TASK.marks.stop)
        for by in (0.0, 1.0, 4.0)
    ]
    assert torch.allclose(read[0].certainty, torch.zeros(6), atol=1e-5)
    assert (read[1].certainty > 0).all() and (read[2].certainty > read[1].certainty).all()
    assert torch.allclose(read[0].logs[:, 0], torch.tensor(-math.log(len(TASK.vocabulary))))
    assert (read[1].logs[:, 1:] == 0).all(), "nothing counts after the stop mark"


def scale_head(model: Transformer, by: float) -> Transformer:
    import copy

    scaled = copy.deepcopy(model)
    with torch.no_grad():
        scaled.head.weight *= by
    return scaled


@pytest.mark.parametrize(
    ("before", "tail", "joined"),
    [
        ([90, 5], [6, 99], [90, 6, 99]),  # a new answer in place of the old
        ([91, 1, 2, 90, 5], [6, 99], [91, 1, 2, 90, 6, 99]),
        ([90, 5], [91, 1, 90, 6, 99], [91, 1, 90, 6, 99]),  # a whole new attempt
        ([5], [6, 99], [6, 99]),  # no answer was there to replace
    ],
)
def test_a_revision_replaces_the_answer_or_the_attempt(
    before: list[int], tail: list[int], joined: list[int]
) -> None:
    assert join(before, tail, Signs(90, 92, 99)) == joined


def test_a_revision_goes_on_from_the_attempt_and_counts_its_own_tokens() -> None:
    subject = open_subject(items=8)
    pool = draw_pool(subject, 1.0, 1)
    marks = TASK.marks
    signs = Signs(marks.answer, marks.fix, marks.stop)
    attempts = pool.outputs[:, 0]
    seeds = hash_seeds("t", 1, range(8), 1)[:, 0]
    revised = revise(subject.model, subject.prompts, attempts, signs, Sampling(), seeds)
    assert revised.attempts.shape == attempts.shape and (revised.tokens >= 1).all()
    for row in range(8):
        end = int(pool.tokens[row, 0]) - 1
        opening = [*attempts[row, :end].tolist(), marks.fix]
        alone = decode_sampled(
            subject.model, subject.prompts[row : row + 1], marks.stop, 2 * attempts.shape[1],
            Sampling(), seeds[row : row + 1, None], torch.tensor([opening]),
        )[0, 0].tolist()  # fmt: skip
        tail = alone[end + 1 :]
        tail = tail[: tail.index(marks.stop) + 1] if marks.stop in tail else tail
        assert revised.tokens[row] == len(tail)


def test_budgets_are_spent_as_counted_and_never_passed_by_much() -> None:
    """Tokens that a strategy reports are those of what it used, and stay near the budget."""
    subject = open_subject(items=20)
    cost = probe_cost(subject, 1.0)
    budgets = Budgets((2, 4, 8), unit=cost)
    curves = {name: each for follow in FAMILIES for name, each in follow(subject, budgets).items()}
    assert set(curves) == {*STRATEGIES, "coverage"}
    for name, curve in curves.items():
        for multiple in budgets.multiples:
            assert 0 < curve.tokens[multiple] <= 1.3 * multiple * cost, name
    pool = draw_pool(subject, 1.0, 8)
    expected = pool.tokens[:, :4].sum(axis=1).mean()
    assert curves["majority"].tokens[4] == pytest.approx(expected)
    assert curves["majority"].accuracy[4] == subject.rate(choose_majority(pool.answers[:, :4]))
    covered = (pool.answers == subject.problems.gold[:, None]).any(axis=1).mean()
    assert follow_pool(subject, pool, budgets, cost)["coverage"].accuracy[8] == pytest.approx(
        covered
    )


def test_the_first_samples_do_not_depend_on_how_many_are_drawn() -> None:
    subject = open_subject()
    assert np.array_equal(
        draw_pool(subject, 1.0, 3).outputs, draw_pool(subject, 1.0, 5).outputs[:, :3]
    )


def test_strategies_and_temperatures_are_picked_by_what_they_reach() -> None:
    def curve(*rates: float) -> Curve:
        return Curve(dict(zip((1, 2), rates, strict=True)), {1: 1.0, 2: 2.0})

    cool, warm = (
        {"majority": curve(0.5, 0.6), "power": curve(0.1, 0.9)},
        {"majority": curve(0.9, 0.5), "power": curve(0.1, 0.9)},
    )
    assert pick_temperature({1.0: cool, 0.7: warm}, 2) == 1.0
    assert pick_temperature({0.7: {"majority": curve(0, 0.5)}, 1.0: cool}, 2) == 1.0
    assert pick_temperature({0.7: {**warm, "coverage": curve(1, 1)}, 1.0: cool}, 2) == 0.7
    assert (
        pick_temperature(
            {
                0.7: {"majority": curve(0, 0.5), "coverage": curve(1, 1)},
                1.0: {"majority": curve(0, 0.6), "coverage": curve(0, 0.7)},
            },
            2,
        )
        == 1.0
    ), "the oracle has no say"
    assert pick_strategies(cool, ("majority", "power"), (1, 2)) == {1: "majority", 2: "power"}
    assert pick_strategies(cool, ("majority",), (2,)) == {2: "majority"}


# --- Training on rewards -------------------------------------------------------------------------


def reward_state_zero(task: PermutationTask) -> Any:
    def reward(outputs: Any, items: Any) -> Any:
        return read_answers(outputs, task.marks) == 0

    return reward


def learn_answers(model: Transformer, task: PermutationTask) -> None:
    """Teach a model the form of a bare answer."""
    from retest.lab.training import train

    problems = task.draw("form", 1, 1280)
    records = write_mixture(problems, Mixture(1.0, 0.0, 0.0), task.marks, open_stream("t", 1))
    train(model, records, TrainingOptions(steps=40, batch=32, learning_rate=1e-2), 1)


@pytest.mark.parametrize("way", ["experts", "policy"])
def test_both_ways_raise_what_is_rewarded_and_count_what_they_sample(way: str) -> None:
    model = build(TASK)
    learn_answers(model, TASK)
    prompts = torch.from_numpy(TASK.draw("practice", 1, 96).prompts)
    sources = Sources(prompts, TASK.marks.stop, count_widest(6), reward_state_zero(TASK))
    options = TrainingOptions(steps=12, batch=16, learning_rate=5e-3)
    if way == "experts":
        practice = iterate_experts(model, sources, Rounds(3, 4, options), seed=1)
        assert practice.steps == 36
    else:
        practice = follow_policy(model, sources, Policy(4, options), seed=1)
        assert practice.steps == 12
    assert practice.rewarded[-1] > practice.rewarded[0] + 0.2
    width = prompts.shape[1] + count_widest(6)
    rows = 36 * 16 if way == "experts" else 12 * 16 * 4
    assert practice.trained_tokens == rows * width
    written = 96 * 4 if way == "experts" else 12 * 16 * 4
    read = 96 if way == "experts" else 12 * 16
    least, most = 3 * written // 2, count_widest(6) * written
    assert least < practice.sampled_tokens - read * prompts.shape[1] < most


def test_only_rewarded_outputs_are_learned() -> None:
    from retest.lab.expert_iteration import keep_rewarded

    prompts = torch.tensor([[7], [8]])
    outputs = torch.tensor([[[1, 9, 9], [1, 9, 9], [2, 3, 9]], [[4, 9, 9], [5, 9, 9], [6, 9, 9]]])
    right = np.array([[True, True, True], [False, False, True]])
    records = keep_rewarded(prompts, outputs, right, kept=2, stop=9)
    assert records.tokens.tolist() == [[7, 1, 9, 9], [7, 2, 3, 9], [8, 6, 9, 9]]
    assert records.is_output.tolist() == [
        [False, True, True, False], [False, True, True, True], [False, True, True, False],
    ]  # fmt: skip


# --- One seed ------------------------------------------------------------------------------------


def shrink(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """The canary's size as the smoke profile."""
    tiny = dataclasses.replace(
        c02.PROTOCOL.profiles["smoke"], config={**c02.CANARY_CONFIG, **changes}
    )
    profiles = {**c02.PROTOCOL.profiles, "smoke": tiny}
    monkeypatch.setattr(c02, "PROTOCOL", dataclasses.replace(c02.PROTOCOL, profiles=profiles))


def test_every_arm_and_task_of_the_full_profile_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    full = c02.PROTOCOL.profiles["full"].config
    assert set(full["arms"]) | set(full["tasks"]) - {c02.PRIMARY} == {
        arm.name for arm in c02.PROTOCOL.arms
    }
    tasks = {name: {**task, "longest": 5} for name, task in full["tasks"].items()}
    shrink(
        monkeypatch,
        arms=full["arms"],
        tasks=tasks,
        rates=full["rates"],
        temperatures=full["temperatures"],
        policy={"steps": 2, "batch": 4, "group": 2},
    )
    result = c02.run_seed(0, "smoke", "cpu")
    assert set(result.measures) == set(full["tasks"])
    assert set(result.samples) == set(full["arms"])
    json.dumps(result.measures, allow_nan=False)
    for task in result.measures.values():
        assert set(task["arms"]) == set(full["arms"])
        assert set(task["nr"]) == {*c02.VERIFIER_FREE, "coverage"}
        assert task["gates"]["compute_ratio"] >= 1.0
    for by_task in result.samples.values():
        for rows in by_task.values():
            assert len(rows) == 10 and all(row.verdict for row in rows)


@pytest.fixture(scope="module")
def measures() -> dict[str, Any]:
    """What tiny twins give on the primary task, at every budget that is shown."""
    config = {**c02.CANARY_CONFIG, "budgets": list(SHOWN_BUDGETS)}
    return c02.run_task(c02.PRIMARY, config, 3, "cpu")[0]


def test_twins_cost_alike(measures: dict[str, Any]) -> None:
    arms = measures["arms"]
    assert arms["R"]["steps"] == 8 and min(arms["R"]["rewarded"]) > 0
    rewarded = arms["R"]["trained_tokens"] + arms["R"]["sampled_tokens"] / 3
    assert arms["R"]["cost"] == pytest.approx(rewarded)
    task = c02.open_task(c02.CANARY_CONFIG["tasks"][c02.PRIMARY])
    one_step = 32 * (task.prompt_tokens + count_widest(task.longest))
    for arm in ("NR", "R_distill"):
        assert rewarded <= arms[arm]["cost"] < rewarded + one_step
        assert arms[arm]["steps"] >= arms["R"]["steps"]


def test_the_gap_is_that_of_the_strategy_that_validation_picked(measures: dict[str, Any]) -> None:
    for budget, gap in measures["gap"].items():
        strategy = measures["strategies"][budget]
        assert strategy in c02.VERIFIER_FREE, "the oracle never decides"
        reached = measures["nr"][strategy][budget]
        assert gap == pytest.approx(measures["arms"]["R"]["greedy"] - reached)


@pytest.mark.parametrize(
    ("gap", "estimates"),
    [
        ({"b16": 0.15, "b32": 0.12, "b64": 0.11}, (0.15, 0.11, -0.02)),
        ({"b16": 0.90, "b32": 0.50, "b64": 0.30}, (0.20, 0.20, -0.08)),
        ({"b16": -0.30, "b32": 0.00, "b64": -0.20}, (-0.10, -0.10, 0.05)),
        ({"b1": 0.10, "b2": 0.10, "b4": 0.04}, (0.04, 0.04, -0.03)),  # smoke: what there is
    ],
)
def test_estimates_by_hand(gap: dict[str, float], estimates: tuple[float, ...]) -> None:
    found = c02.read_estimates({"gap": gap, "gap_of_last": gap})
    assert tuple(found.values()) == pytest.approx(estimates)


def test_a_reader_that_accepts_a_planted_fault_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        style_checks, "read_answers", lambda outputs, marks: np.zeros(len(outputs), dtype=np.int64)
    )
    shrink(monkeypatch)
    result = c02.run_seed(0, "smoke", "cpu")
    assert not result.controls["gold_accuracy"].passed


def test_wrong_answers_that_are_read_as_right_are_caught() -> None:
    problems = TASK.draw("test", 1, 40)
    assert style_checks.rate_gold(problems, TASK.marks) == 1.0
    assert style_checks.rate_planted_wrong(problems, TASK.marks) == 0.0
    off = TASK.marks._replace(answer=TASK.marks.think)
    assert style_checks.rate_planted_majority(problems, off, 400, 1) == 1.0
    assert style_checks.rate_planted_majority(problems, off, 1, 1) < 0.6


def test_twins_that_have_learned_nothing_fail_the_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)
    result = c02.run_seed(0, "smoke", "cpu")
    for name in ("greedy_gap", "forced_chain_accuracy", "parse_rate"):
        assert not result.controls[name].passed


# --- The decision ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "whole", "at_order", "regardless"),
    [
        ({}, "CONSISTENT", "CONSISTENT", "CONSISTENT"),
        ({"gap_slope": "SHIFTED"}, "SHIFTED", "CONSISTENT", "SHIFTED"),
        ({"gap_at_largest": "SHIFTED"}, "SHIFTED", "CONSISTENT", "SHIFTED"),
        ({"gap_at_order": "SHIFTED"}, "SHIFTED", "SHIFTED", "CONSISTENT"),
        ({"gap_at_largest": "UNDECIDED"}, "UNDECIDED", "CONSISTENT", "UNDECIDED"),
        ({"gap_slope": "UNDECIDED"}, "UNDECIDED", "CONSISTENT", "UNDECIDED"),
        (
            {"gap_at_order": "SHIFTED", "gap_at_largest": "SHIFTED"},
            "SHIFTED",
            "SHIFTED",
            "SHIFTED",
        ),
    ],
)
def test_the_decision_table_row_by_row(
    outcomes: dict[str, Outcome], whole: Outcome, at_order: Outcome, regardless: Outcome
) -> None:
    protocol = c02.PROTOCOL
    rows = say(protocol, outcomes)
    columns = [[row[estimand.name] for row in rows] for estimand in protocol.estimands]
    state = read_stream(protocol.estimands, columns, protocol.alpha, protocol.readings)
    assert state.outcome == whole
    assert {reading.name: reading.outcome for reading in state.readings} == {
        "C2a": at_order,
        "C2b": regardless,
    }


@pytest.mark.parametrize("name", [control.name for control in c02.PROTOCOL.controls])
def test_a_gate_that_fails_makes_the_stream_invalid(session: Session, name: str) -> None:
    from retest.results import read_state

    control = next(each for each in c02.PROTOCOL.controls if each.name == name)
    rows = say(c02.PROTOCOL, seeds=20)
    stream = fill_stream(session, c02.PROTOCOL, rows, {name: fail_control(control)})
    assert read_state(session, stream, c02.PROTOCOL).outcome == "INVALID"
    assert not read_all(c02.PROTOCOL, {name: fail_control(control)})[name].passed


def test_outcomes_have_words_and_paths_lead_to_numbers(measures: dict[str, Any]) -> None:
    readings = {"all", *(reading.name for reading in c02.PROTOCOL.readings)}
    assert set(c02.SHOWN.means) == readings
    for words in c02.SHOWN.means.values():
        assert set(words) == {"CONSISTENT", "SHIFTED", "ATTENUATED", "UNDECIDED", "INVALID"}
    paths = [number.path for number in c02.SHOWN.source_numbers]
    for curve in c02.SHOWN.curves:
        paths += [path for series in curve.series.values() for _, path in series]
    for path in paths:
        found: Any = {c02.PRIMARY: measures}
        for key in path.split("."):
            found = found[key]
        assert isinstance(found, float)


def test_stepped_problems_can_be_taken_apart() -> None:
    problems = TASK.draw("test", 1, 10)
    part = problems.take(slice(2, 5))
    assert isinstance(part, Stepped) and len(part) == 3
    assert np.array_equal(part.gold, problems.gold[2:5])
