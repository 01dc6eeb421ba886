"""c03: its arms run, its controls catch planted faults, and its outcomes are read as registered."""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from sqlmodel import Session

from retest.experiments import c03_distribution_shift as c03
from retest.lab.item_seeds import open_stream
from retest.lab.model import ModelOptions, Transformer, count_parameters
from retest.lab.tasks import chains
from retest.lab.tasks.chain_rates import ChainTest, check_judge
from retest.lab.tasks.chains import judge_output, write_all_prompts, write_gold
from retest.lab.tasks.string_arms import (
    NAMES,
    compare_arms,
    find_gaps,
    find_order,
    plan_arm,
    write_tests,
    write_training,
)
from retest.lab.tasks.string_functions import FUNCTIONS, find_commuting
from retest.lab.tasks.strings import StringTask, parse_composition, split_elements
from retest.outcomes import read_stream
from retest.protocol import Outcome, SeedResult
from retest.results import read_state
from tests.synthetic_ledger import fail_control, fill_stream, say

TASK = StringTask(NAMES)
TINY = {
    "arms": list(c03.ARMS),
    "test_items": 4,
    "model": {**c03.MODEL, "depth": 1, "width": 16},
    "training": {**c03.TRAINING, "steps": 2, "batch": 8},
}
SEED = 900_100  # no seed of the schedule


def shrink(monkeypatch: pytest.MonkeyPatch, config: Mapping[str, Any]) -> None:
    profiles = {
        name: dataclasses.replace(profile, config=config)
        for name, profile in c03.PROTOCOL.profiles.items()
    }
    monkeypatch.setattr(c03, "PROTOCOL", dataclasses.replace(c03.PROTOCOL, profiles=profiles))


@pytest.fixture(scope="module")
def everything() -> Iterator[SeedResult]:
    """One seed of every arm, in tiny sizes."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch, TINY)
        sizes = [name for name in c03.ARMS if name.endswith(tuple(c03.SIZES))]
        for name in sizes:
            patch.setitem(c03.ARMS, name, {**c03.ARMS[name], "model": {"depth": 2, "width": 8}})
        yield c03.run_seed(SEED, "full", "cpu")


# --- The record ---------------------------------------------------------------------------------


def test_version_2_amends_version_1() -> None:
    assert c03.PROTOCOL.version == 2
    assert c03.PROTOCOL.previous_hash is not None
    assert c03.PROTOCOL.previous_hash.startswith("c00b34d4dbd5576e")
    assert c03.PROTOCOL.amendment and "eight" in c03.CLAIM_AS_TESTED


def test_every_arm_is_described_and_every_reading_is_made_of_estimands() -> None:
    assert [arm.name for arm in c03.PROTOCOL.arms] == list(c03.ARMS)
    assert c03.PROTOCOL.profiles["full"].config["arms"] == list(c03.ARMS)
    assert set(c03.PROTOCOL.profiles["nightly"].config["arms"]) >= set(c03.DECISIVE)
    named = [name for reading in c03.PROTOCOL.readings for name in reading.estimands]
    assert named == [estimand.name for estimand in c03.PROTOCOL.estimands]


def test_every_outcome_of_every_reading_has_its_words() -> None:
    outcomes = {"CONSISTENT", "SHIFTED", "ATTENUATED", "UNDECIDED", "INVALID"}
    assert {name: set(words) for name, words in c03.SHOWN.means.items()} == dict.fromkeys(
        ["C3a", "C3b", "all"], outcomes
    )
    assert "qualified" in c03.SHOWN.means["all"]["SHIFTED"]


def find_number(measures: Mapping[str, Any], path: str) -> Any:
    value: Any = measures
    for key in path.split("."):
        value = value[key]
    return value


def test_what_is_shown_is_measured(everything: SeedResult) -> None:
    paths = [number.path for number in c03.SHOWN.source_numbers]
    points = [
        point for curve in c03.SHOWN.curves for line in curve.series.values() for point in line
    ]
    assert len(paths) > 15 and len(points) > 40
    for path in [*paths, *(path for _, path in points)]:
        assert isinstance(find_number(everything.measures, path), float), path


# What (C3a, C3b, the whole claim) are for what the gaps are.
DECISIONS: list[tuple[dict[str, Outcome], tuple[Outcome, Outcome, Outcome]]] = [
    ({}, ("CONSISTENT", "CONSISTENT", "CONSISTENT")),
    ({"gap_composition_diverse": "SHIFTED"}, ("CONSISTENT", "SHIFTED", "SHIFTED")),  # qualified
    ({"gap_composition_diverse": "UNDECIDED"}, ("CONSISTENT", "UNDECIDED", "UNDECIDED")),
    ({"gap_composition": "SHIFTED"}, ("SHIFTED", "CONSISTENT", "SHIFTED")),
    ({"gap_length": "SHIFTED"}, ("SHIFTED", "CONSISTENT", "SHIFTED")),
    ({"gap_steps": "SHIFTED"}, ("SHIFTED", "CONSISTENT", "SHIFTED")),
    ({"gap_steps": "ATTENUATED"}, ("ATTENUATED", "CONSISTENT", "ATTENUATED")),
    ({"gap_length": "UNDECIDED"}, ("UNDECIDED", "CONSISTENT", "UNDECIDED")),
    (
        {"gap_length": "UNDECIDED", "gap_composition_diverse": "SHIFTED"},
        ("UNDECIDED", "SHIFTED", "SHIFTED"),
    ),
]


@pytest.mark.parametrize(("gaps", "outcomes"), DECISIONS)
def test_outcomes_are_read_as_registered(
    session: Session, gaps: dict[str, Outcome], outcomes: tuple[Outcome, ...]
) -> None:
    stream = fill_stream(session, c03.PROTOCOL, say(c03.PROTOCOL, gaps))
    result = read_state(session, stream, c03.PROTOCOL)
    readings = [result.judge(reading) for reading in result.state.readings]
    assert (*readings, result.outcome) == outcomes


@pytest.mark.parametrize("control", [control.name for control in c03.PROTOCOL.controls])
def test_any_control_that_fails_makes_it_invalid(session: Session, control: str) -> None:
    failing = {c.name: fail_control(c) for c in c03.PROTOCOL.controls if c.name == control}
    stream = fill_stream(session, c03.PROTOCOL, say(c03.PROTOCOL, seeds=12), failing)
    result = read_state(session, stream, c03.PROTOCOL)
    assert result.outcome == "INVALID" and control in " ".join(result.reasons)
    assert {result.judge(reading) for reading in result.state.readings} == {"INVALID"}


def test_a_dozen_seeds_like_the_pilots_are_enough() -> None:
    """What pilot seeds gave: the claim is qualified after twelve."""
    protocol = c03.PROTOCOL
    pilots = [(1.0, 0.006), (0.999, 0.026), (0.962, 0.083), (0.999, 0.175), (1.0, 0.097)]
    steps, diverse = ([pilots[seed % 5][column] for seed in range(14)] for column in (0, 1))
    values = [[1.0] * 14, [1.0] * 14, steps, diverse]
    state = read_stream(protocol.estimands, values, protocol.alpha, protocol.readings)
    assert [reading.outcome for reading in state.readings] == ["CONSISTENT", "SHIFTED"]
    assert state.outcome == "SHIFTED"


# --- The arms -----------------------------------------------------------------------------------


@pytest.mark.parametrize("functions", [4, 6, 8])
def test_each_function_is_held_out_once_in_each_place(functions: int) -> None:
    arm = plan_arm(functions)
    held_out = arm["tests"]["composition"]["compositions"]
    assert len(arm["training"]) + len(held_out) == functions**2
    assert not set(arm["training"]) & set(held_out)
    taught = list(range(functions))
    for place in (0, 1):
        assert sorted(parse_composition(name)[place] for name in held_out) == taught
        seen = Counter(parse_composition(name)[place] for name in arm["training"])
        assert seen == dict.fromkeys(taught, functions - 1)


def test_dose_2_is_the_split_of_the_source() -> None:
    assert c03.DOSES[2] == "replicate"
    assert c03.REPLICATE["training"] == ["F1F1", "F1F2", "F2F1"]
    assert c03.REPLICATE["functions"][:2] == ("rot13", "left1")


def test_steps_are_tested_on_pairs_that_training_showed() -> None:
    for functions in (2, 8):
        arm = plan_arm(functions)
        for name in arm["tests"]["steps_3"]["compositions"]:
            first, second, third = (f"F{part}" for part in name.split("F")[1:])
            assert {first + second, second + third} <= set(arm["training"])


def test_what_is_said_of_commuting_pairs_holds() -> None:
    commuting = {frozenset(pair) for pair in find_commuting(NAMES)}
    assert len(commuting) == 13
    free = {}
    for functions in (4, 6, 8):
        pairs = plan_arm(functions)["tests"]["composition"]["compositions"]
        names = [frozenset(NAMES[place] for place in parse_composition(pair)) for pair in pairs]
        free[functions] = sum(pair not in commuting for pair in names)
    assert free == {4: 2, 6: 4, 8: 6}


def test_all_arms_read_as_many_tokens() -> None:
    known, _ = split_elements(4, 0.1, SEED)
    how = {**c03.TRAINING, "steps": 30}
    read = {}
    for name, arm in c03.ARMS.items():
        records, options = write_training(arm, how, known[:4000], SEED)
        widths = records.tokens.shape[1] if "noise" not in arm else 18  # without what was inserted
        read[name] = options["steps"] * options["batch"] * widths
        assert len(records.tokens) >= options["steps"] * options["batch"], "one pass"
    assert set(read.values()) == {30 * 64 * 18}


def read_elements(task: StringTask, test: ChainTest) -> set[tuple[int, ...]]:
    return {
        tuple(token for token in prompt if token < 26)
        for prompt in write_all_prompts(task, test.groups)
    }


def test_no_tested_element_was_trained_on() -> None:
    known, held_out = split_elements(4, 0.1, SEED)
    for arm in (c03.REPLICATE, c03.DIVERSE):
        records, _ = write_training(arm, {**c03.TRAINING, "steps": 20}, known, SEED)
        trained = {tuple(row[:4]) for row in records.tokens.tolist()}
        for test in write_tests(arm, held_out, 60, SEED).values():
            assert not trained & read_elements(TASK, test)


def test_left_out_letters_are_in_every_item_of_their_test_set_and_nowhere_else() -> None:
    _, held_out = split_elements(4, 0.1, SEED)
    tests = write_tests(c03.ARMS["letters"], held_out, 60, SEED)
    has_any = {
        name: [bool({12, 25} & set(element)) for element in read_elements(TASK, test)]
        for name, test in tests.items()
    }
    assert all(has_any.pop("letters_new"))
    assert not any(any(each) for each in has_any.values())


def test_neighbouring_seeds_draw_other_items() -> None:
    drawn = []
    for seed in (SEED, SEED + 1, SEED):
        _, held_out = split_elements(4, 0.1, seed)
        tests = write_tests(c03.REPLICATE, held_out, 300, seed)
        drawn.append({name: test.write_prompts(TASK) for name, test in tests.items()})
    assert drawn[0] == drawn[2]
    for name, prompts in drawn[0].items():
        if name != "length_2":  # 676 elements in all
            shared = {tuple(p) for p in prompts} & {tuple(p) for p in drawn[1][name]}
            assert len(shared) < 0.05 * len(prompts), name


# --- A seed -------------------------------------------------------------------------------------


def test_every_arm_of_the_full_profile_runs(everything: SeedResult) -> None:
    assert [*everything.measures] == [*c03.ARMS, "between_arms"]
    json.dumps(everything.measures, allow_nan=False)
    for name, arm in c03.ARMS.items():
        assert [*everything.measures[name]["tests"]] == list(arm["tests"])
        assert [*everything.samples[name]] == list(arm["tests"])
    assert {"steps_help_replicate", "steps_help_diverse8"} < set(
        everything.measures["between_arms"]
    )


def test_sizes_are_what_their_names_say() -> None:
    parameters = []
    for size in c03.SIZES.values():
        options = ModelOptions(vocabulary=len(TASK.vocabulary), **{**c03.MODEL, **size["model"]})
        with torch.device("meta"):
            parameters.append(count_parameters(Transformer(options)))
    small, middle, large = parameters
    assert 50_000 < small < 75_000  # 68,610 with the source's vocabulary and context
    assert 0.9e6 < middle < 1.1e6 and 9e6 < large < 11e6


def test_samples_are_items_as_words(everything: SeedResult) -> None:
    sample = everything.samples["marks_seen"]["insert_20"][0]
    words = sample.prompt.split()
    assert words[-1] == "<think>" and sample.gold.endswith("</s>")
    assert sample.verdict.startswith("wrong: ")
    assert all(len(each) <= 10 for tests in everything.samples.values() for each in tests.values())


def test_a_model_that_has_not_learned_fails_its_control_only(everything: SeedResult) -> None:
    failed = [name for name, control in everything.controls.items() if not control.passed]
    assert failed == ["in_distribution_accuracy"]


@pytest.mark.parametrize(
    ("verdict", "failed"),
    [
        (True, {"foreign_gold_accuracy", "planted_fault_accuracy"}),
        (False, {"in_distribution_accuracy", "perfect_accuracy"}),
    ],
)
def test_a_judge_that_always_says_the_same_is_caught(
    monkeypatch: pytest.MonkeyPatch, verdict: bool, failed: set[str]
) -> None:
    shrink(monkeypatch, {**TINY, "arms": list(c03.DECISIVE)})
    monkeypatch.setattr(chains, "is_right", lambda _output, _gold: verdict)
    controls = c03.run_seed(SEED, "nightly", "cpu").controls
    assert failed <= {name for name, control in controls.items() if not control.passed}


def test_a_judge_that_looks_at_the_beginning_only_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chains, "is_right", lambda output, gold: output[:4] == gold[:4])
    _, held_out = split_elements(4, 0.1, SEED)
    test = write_tests(c03.REPLICATE, held_out, 30, SEED)["composition"]
    gold = write_gold(TASK, test.groups)
    assert check_judge(TASK, gold, gold)["planted_fault"] > 0


def test_a_solver_that_is_right_beyond_the_ceiling_is_caught() -> None:
    """It reads the right outputs: what noise destroyed it cannot have known."""
    from retest.lab.tasks.format_noise import Noise, find_chances

    noise = Noise("modify", 0.2)
    _, held_out = split_elements(4, 0.1, SEED)
    test = write_tests(c03.REPLICATE, held_out, 300, SEED)["modify_20"]
    chances = find_chances(TASK, test.write_prompts(TASK), noise, 4)
    control = next(each for each in c03.PROTOCOL.controls if each.name == "above_ceiling")
    assert not control.passes(1.0 - sum(chances) / len(chances))


# --- What is read off rates ---------------------------------------------------------------------


def make_tests(**rates: float) -> dict[str, dict[str, float]]:
    return {name: {"full": rate, "answer": rate} for name, rate in rates.items()}


def test_gaps_are_means_over_the_test_sets_of_an_axis() -> None:
    tests = make_tests(
        in_distribution=1.0, composition=0.25, length_2=0.0, length_3=0.2, length_5=0.2,
        length_6=0.0, steps_1=0.5, steps_3=0.0,
    )  # fmt: skip
    assert find_gaps(tests) == pytest.approx({"composition": 0.75, "length": 0.9, "steps": 0.75})


def test_order_says_whether_more_shift_costs_more() -> None:
    tests = make_tests(in_distribution=1.0, length_2=0.0, length_3=0.3, length_5=0.3, length_6=0.0)
    assert find_order(tests) == {"length": pytest.approx(-1.0)}
    assert find_order(make_tests(
        in_distribution=1.0, composition=1.0, function_partly_new=1.0, function_all_new=1.0,
    )) == {"function": None}  # fmt: skip


def test_arms_are_compared_on_unseen_compositions() -> None:
    rates = {"replicate": 0.0, "diverse4": 0.4, "diverse8": 0.9, "answer_only_diverse8": 0.5}
    tests = {name: make_tests(composition=rate) for name, rate in rates.items()}
    compared = compare_arms(tests, c03.DOSES)
    assert compared == {
        "order_of_doses": pytest.approx(1.0),
        "steps_help_diverse8": pytest.approx(0.4),
    }


def test_self_consistency_is_told_from_being_right() -> None:
    """A chain with a wrong first step whose answer follows from it is consistent, and wrong."""
    problems = TASK.vocabulary.encode
    gold = problems("N O P Q [F2] <answer> O P Q N </s>".split())
    wrote = problems("A B C D [F2] <answer> B C D A </s>".split())
    score = judge_output(TASK, (0, 1), gold, wrote)
    assert score.follows_prompt and score.is_fluent and not score.full and not score.answer


def test_functions_do_what_their_names_say() -> None:
    """The verifier's functions against plain string programs."""

    def shift(letter: str, by: int) -> str:
        return chr((ord(letter) - 65 + by) % 26 + 65)

    plain: dict[str, Callable[[str], str]] = {
        "rot13": lambda text: "".join(shift(each, 13) for each in text),
        "left1": lambda text: text[1:] + text[0],
        "reverse": lambda text: text[::-1],
        "ramp": lambda text: "".join(shift(each, place) for place, each in enumerate(text)),
        "mirror": lambda text: "".join(chr(155 - ord(each)) for each in text),
        "evens7": lambda text: "".join(
            shift(each, 0 if place % 2 else 7) for place, each in enumerate(text)
        ),
        "swap_first": lambda text: text[1] + text[0] + text[2:],
        "swap_ends": lambda text: text[-1] + text[1:-1] + text[0],
    }  # fmt: skip
    assert list(plain) == list(NAMES)
    stream = open_stream("tests/functions", SEED)
    for length in (2, 3, 4, 5, 6):
        elements = stream.integers(0, 26, (30, length))
        for place, name in enumerate(NAMES):
            for before, after in zip(elements, TASK.apply(place, elements), strict=True):
                text = "".join(chr(65 + letter) for letter in before)
                assert plain[name](text) == "".join(chr(65 + letter) for letter in after)


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_functions_take_elements_of_any_length_that_a_model_may_write(name: str) -> None:
    for letters in (1, 2, 7):
        element = open_stream("tests/lengths", letters).integers(0, 26, (3, letters))
        assert FUNCTIONS[name](element).shape == (3, letters)
