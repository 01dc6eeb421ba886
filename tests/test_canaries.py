"""Canaries: bytes on one CPU thread, tolerances elsewhere, and the nights that a miss spoils."""

import copy
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from db.engine import open_session
from db.models import CanaryRun, Night, Stream
from retest.canaries import find_spoiled_nights, has_fixed_order, record_canary
from retest.conclusions import describe_stream
from retest.environment import describe_difference
from retest.results import conclude_stream, read_state
from retest.streams import finish_seed, open_stream, start_seed
from retest.tolerances import CALIBRATION_RUNS, find_departure, find_tolerance, flatten
from tests.fake_experiment import FakeExperiment, fake, make_protocol, make_result

__all__ = ["fake"]

PROTOCOL = make_protocol()
CPU = {"device": "cpu", "threads": 1, "torch": "2.13.0"}
GPU = {"device": "cuda", "threads": 1, "torch": "2.13.0", "gpu": "H100", "driver": "570.1"}
RESULT = {"loss": [1.25, 1.125], "scores": {"exact": 0.5}, "arm": "replicate", "steps": 12}


@pytest.fixture
def ledger(any_engine: Engine, fake: FakeExperiment) -> Any:
    with open_session(any_engine) as session:
        yield session


@pytest.fixture
def store(session: Session, fake: FakeExperiment) -> Session:
    """A session on SQLite, for tests that are not about storage."""
    return session


def open_at(session: Session, environment: dict[str, Any], name: str = "class") -> Stream:
    return open_stream(session, PROTOCOL, "nightly", name, environment)


def move(by: float) -> dict[str, Any]:
    moved = copy.deepcopy(RESULT)
    moved["loss"][1] += by  # type: ignore[index]
    return moved


def add_night(session: Session) -> int:
    night = Night(profile="nightly", budget_s=1.0)
    session.add(night)
    session.commit()
    assert night.id is not None
    return night.id


# --- Bytes and tolerances -------------------------------------------------------------------------


def test_one_cpu_thread_has_a_fixed_order_and_nothing_else() -> None:
    assert has_fixed_order(CPU)
    assert not has_fixed_order({**CPU, "threads": 2})
    assert not has_fixed_order(GPU)


@pytest.mark.parametrize("environment", [CPU, {**CPU, "threads": 4}, GPU], ids=["1", "4", "gpu"])
def test_the_last_bit_counts_on_one_cpu_thread_only(
    store: Session, environment: dict[str, Any]
) -> None:
    stream = open_at(store, environment)
    record_canary(store, stream, RESULT, environment, None)
    run = record_canary(store, stream, move(2**-40), environment, None)
    assert run.is_ok is (environment is not CPU)


def test_a_gpu_canary_beyond_its_tolerance_misses_and_says_where(ledger: Session) -> None:
    stream = open_at(ledger, GPU)
    record_canary(ledger, stream, RESULT, GPU, None)
    run = record_canary(ledger, stream, move(0.01), {**GPU, "driver": "580.2"}, None)
    assert not run.is_ok
    assert run.difference is not None
    assert run.difference.startswith("driver 570.1 -> 580.2 (loss.1: ")
    assert "beyond" in run.difference
    assert read_state(ledger, stream, PROTOCOL).outcome == "INVALID"


def test_twenty_runs_fix_the_tolerance(ledger: Session) -> None:
    stream = open_at(ledger, GPU)
    random = np.random.default_rng(0)
    for by in [0.0, *random.uniform(-1e-5, 1e-5, CALIBRATION_RUNS - 1)]:
        assert record_canary(ledger, stream, move(float(by)), GPU, None).is_ok
    assert record_canary(ledger, stream, move(1.5e-5), GPU, None).is_ok
    assert not record_canary(ledger, stream, move(1e-4), GPU, None).is_ok, "it passed before"
    for _ in range(30):  # many good runs later the tolerance is what it was
        assert record_canary(ledger, stream, move(1.5e-5), GPU, None).is_ok
    assert not record_canary(ledger, stream, move(2.5e-5), GPU, None).is_ok


def test_a_miss_does_not_widen_the_tolerance(store: Session) -> None:
    stream = open_at(store, GPU)
    record_canary(store, stream, RESULT, GPU, None)
    assert not record_canary(store, stream, move(0.01), GPU, None).is_ok
    for _ in range(CALIBRATION_RUNS):
        assert record_canary(store, stream, move(1e-6), GPU, None).is_ok
    assert not record_canary(store, stream, move(1e-4), GPU, None).is_ok


def test_the_tolerance_is_a_pure_function_of_the_first_runs() -> None:
    assert find_tolerance(1.0, [1.0] * 5) == pytest.approx(1e-3)
    assert find_tolerance(1.0, [1.0] * 20) == pytest.approx(1e-6)
    assert find_tolerance(1.0, [1.0] * 19 + [1.1]) == pytest.approx(0.2)
    assert find_tolerance(0.0, []) == pytest.approx(1e-6)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"arm": "other"}, "arm"),
        ({"extra": 1}, "extra"),
        ({"loss": [1.25]}, "loss.1"),
        ({"steps": None}, "steps"),
        ({"scores": {"exact": True}}, "scores.exact"),
    ],
)
def test_what_is_no_number_must_be_equal(changes: dict[str, Any], place: str) -> None:
    departure = find_departure(RESULT, {**RESULT, **changes}, [RESULT])
    assert departure is not None and departure.startswith(place)
    assert find_departure(RESULT, copy.deepcopy(RESULT), [RESULT]) is None


def test_leaves_are_named_by_their_place() -> None:
    assert flatten({"a": [1, {"b": 2}], "c": "x"}) == {"a.0": 1, "a.1.b": 2, "c": "x"}


@pytest.mark.parametrize("part", ["python", "torch", "numpy", "blas", "cpu", "threads", "gpu"])
def test_each_part_of_the_environment_is_named(store: Session, part: str) -> None:
    stream = open_at(store, CPU)
    record_canary(store, stream, RESULT, {**CPU, part: "old"}, None)
    run = record_canary(store, stream, move(0.1), {**CPU, part: "new"}, None)
    assert run.difference is not None and f"{part} old -> new" in run.difference
    assert describe_difference({part: 1}, {part: 1}) == "nothing in the fingerprint changed"


# --- The night that a miss spoils -----------------------------------------------------------------


def run_seeds(session: Session, stream: Stream, night: int | None, *values: float) -> None:
    for value in values:
        started = start_seed(session, stream, PROTOCOL, "here:1:1", night)
        finish_seed(session, started, PROTOCOL, make_result(value), 1.0)


@pytest.fixture
def pair(ledger: Session) -> tuple[Stream, Stream]:
    """Two streams of one environment class; each has its reference."""
    streams = (
        open_at(ledger, CPU),
        open_stream(ledger, PROTOCOL, "smoke", "class", CPU),
    )
    for stream in streams:
        record_canary(ledger, stream, RESULT, CPU, None)
    return streams


def test_a_miss_spoils_the_night_of_every_stream_of_its_class(
    ledger: Session, pair: tuple[Stream, Stream]
) -> None:
    stream, other = pair
    first, second, third = (add_night(ledger) for _ in range(3))
    elsewhere = open_at(ledger, GPU, "gpu class")
    for night in (first, second):
        record_canary(ledger, stream, RESULT, CPU, night)
        record_canary(ledger, elsewhere, RESULT, GPU, night)
        run_seeds(ledger, stream, night, *[0.8] * 12)
        run_seeds(ledger, elsewhere, night, *[0.8] * 12)
    assert conclude_stream(ledger, stream, PROTOCOL) == "CONSISTENT"
    record_canary(ledger, other, move(1.0), {**CPU, "torch": "2.13.1"}, second)
    spoiled = read_state(ledger, stream, PROTOCOL)
    assert spoiled.outcome == "INVALID"
    assert (
        "same environment missed in this night: e01: torch 2.13.0 -> 2.13.1" in spoiled.reasons[0]
    )
    assert (spoiled.seeds, spoiled.spoiled) == (tuple(range(12)), 12)
    assert read_state(ledger, elsewhere, PROTOCOL).outcome == "CONSISTENT"
    assert list(find_spoiled_nights(ledger, "class")) == [second]

    record_canary(ledger, stream, RESULT, CPU, third)
    run_seeds(ledger, stream, third, 0.8)
    after = describe_stream(ledger, stream, PROTOCOL)
    assert (after["outcome"], after["n"]) == ("CONSISTENT", 13)
    assert after["run_set"].endswith("seeds 0-11, 24")
    assert any("12 seeds do not count" in note for note in after["notes"])


def test_a_miss_by_hand_spoils_no_night(ledger: Session, pair: tuple[Stream, Stream]) -> None:
    stream, other = pair
    run_seeds(ledger, stream, None, *[0.8] * 12)
    record_canary(ledger, other, move(1.0), CPU, None)
    assert read_state(ledger, stream, PROTOCOL).outcome == "CONSISTENT"


def test_a_fingerprint_is_kept_with_every_canary(
    ledger: Session, pair: tuple[Stream, Stream]
) -> None:
    run = record_canary(ledger, pair[0], RESULT, CPU, None)
    stored = ledger.get_one(CanaryRun, run.id)
    assert stored.environment == CPU
    assert not stored.is_reference and stored.is_ok
