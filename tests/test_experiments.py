"""The experiments: registered records that hold, real seeds end to end, canaries, broken parts."""

import json
import subprocess
import sys
from typing import Any

import pytest

from retest.experiments import MODULES, load_experiment
from retest.lab.tasks import dispatch, sudoku
from retest.protocol import SeedResult, derive_seed

SECONDS = {"smoke": 60.0, "nightly": 180.0}


@pytest.mark.parametrize("name", MODULES)
def test_the_record_is_complete_and_hashes_alike(name: str) -> None:
    protocol = load_experiment(name).PROTOCOL
    assert protocol.experiment == name
    assert sorted(protocol.profiles) == ["full", "nightly", "smoke"]
    assert not protocol.profiles["smoke"].concludes
    assert all(protocol.profiles[key].seed_cost_s < most for key, most in SECONDS.items())
    assert protocol.hash() == protocol.hash() and len(protocol.hash()) == 64
    assert protocol.source_ids and len(protocol.note_slugs) == 3
    for estimand in protocol.estimands:
        assert estimand.kind == "bounded" and estimand.bounds is not None
        assert estimand.region_low is not None
        assert estimand.bounds[0] < estimand.region_low < estimand.bounds[1]


@pytest.mark.parametrize("name", MODULES)
def test_reading_a_protocol_loads_no_heavy_package(name: str) -> None:
    code = (
        f"import sys; from retest.experiments import load_experiment; load_experiment({name!r});"
        "print([m for m in ('torch', 'numpy', 'scipy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", MODULES)
def test_the_canary_gives_the_same_bytes_twice(name: str) -> None:
    run = load_experiment(name).run_canary
    first, second = (json.dumps(run("cpu"), sort_keys=True, allow_nan=False) for _ in range(2))
    assert first == second
    assert "final_loss" in first and "seconds" not in first


def check_result(name: str, result: SeedResult) -> None:
    protocol = load_experiment(name).PROTOCOL
    assert set(result.estimates) == {estimand.name for estimand in protocol.estimands}
    assert set(result.controls) == {control.name for control in protocol.controls}
    json.dumps(result.measures, allow_nan=False)
    for estimand in protocol.estimands:
        assert estimand.bounds is not None
        assert estimand.bounds[0] <= result.estimates[estimand.name] <= estimand.bounds[1]
    for control in protocol.controls:
        reading = result.controls[control.name]
        assert reading.passed == control.passes(reading.value)


@pytest.mark.slow
def test_one_arm_of_c03_end_to_end() -> None:
    """Positive control: the model has learned its task on elements that it never saw."""
    from retest.experiments import c03_distribution_shift as c03

    config = {**c03.PROTOCOL.profiles["smoke"].config, "test_items": 60}
    run = c03.run_arm(c03.REPLICATE, config, derive_seed("c03", 1, 0), "cpu")
    tests = run["tests"]
    assert tests["in_distribution"]["full"] > 0.95
    assert tests["in_distribution"]["answer_after_right_step"] > 0.95
    assert tests["composition"]["items"] == 60 and tests["composition"]["full"] < 0.2
    assert tests["insert_20"]["released_refuses"] > 0.4
    assert run["samples"]["length_5"][0].output != run["samples"]["length_5"][0].gold


def test_one_seed_of_c04_end_to_end() -> None:
    result = load_experiment("c04").run_seed(derive_seed("c04", 1, 0), "smoke", "cpu")
    check_result("c04", result)
    tasks = result.measures
    small, middle, large = tasks["sudoku"]["sizes"]["direct"]
    assert middle["block_parameters"] == 4 * small["block_parameters"]
    assert large["block_parameters"] == 16 * small["block_parameters"]
    assert large["excess"] > 0.3, "the model must have learned more than guessing"
    assert tasks["sudoku"]["slopes"]["direct"] == pytest.approx((large["mean"] - small["mean"]) / 4)
    assert result.controls["solver_satisfaction"].value == 1.0


def without_times(result: SeedResult) -> str:
    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: strip(part) for key, part in value.items() if "seconds" not in key}
        return [strip(part) for part in value] if isinstance(value, list) else value

    return json.dumps([dict(result.estimates), strip(dict(result.measures))], sort_keys=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_a_seed_run_twice_gives_the_same_bytes(name: str) -> None:
    run = load_experiment(name).run_seed
    assert without_times(run(11, "smoke", "cpu")) == without_times(run(11, "smoke", "cpu"))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_every_control_passes_on_a_nightly_seed(name: str) -> None:
    result = load_experiment(name).run_seed(derive_seed(name, 1, 0), "nightly", "cpu")
    check_result(name, result)
    assert all(reading.passed for reading in result.controls.values()), result.controls


# --- Broken parts must be caught by a control ---------------------------------------------------


def shrink(monkeypatch: pytest.MonkeyPatch, name: str) -> Any:
    """The experiment with its canary's size as its smoke profile."""
    import dataclasses

    module: Any = load_experiment(name)
    tiny = dataclasses.replace(module.PROTOCOL.profiles["smoke"], config=module.CANARY_CONFIG)
    profiles = {**module.PROTOCOL.profiles, "smoke": tiny}
    monkeypatch.setattr(module, "PROTOCOL", dataclasses.replace(module.PROTOCOL, profiles=profiles))
    return module


def test_a_constraint_checker_that_accepts_everything_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import numpy as np

    check = sudoku.check

    def accept(problems: Any, answers: Any) -> Any:
        return {family: np.ones_like(met) for family, met in check(problems, answers).items()}

    monkeypatch.setattr(sudoku, "check", accept)
    result = shrink(monkeypatch, "c04").run_seed(0, "smoke", "cpu")
    assert not result.controls["corrupted_satisfaction"].passed
    assert not result.controls["guess_satisfaction"].passed


def test_a_solver_that_solves_nothing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        dispatch, "solve", lambda problem: dispatch.split_problem(problem[None])[1][0]
    )
    result = shrink(monkeypatch, "c04").run_seed(0, "smoke", "cpu")
    assert not result.controls["solver_satisfaction"].passed
