"""Registration, streams, the seed ledger, canaries, bindings and what is concluded of them."""

import dataclasses
import json
import math
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from db.columns import stored_id, utc_now
from db.engine import open_session
from db.errors import ProtocolChanged, ProtocolRefused, SeedRefused
from db.models import Anchor, Binding, Claim, Line, Night, Note, SeedRun, Stream
from db.models import Protocol as StoredProtocol
from retest.bindings import bind_experiments, claims_of, experiments_of
from retest.canaries import record_canary
from retest.conclusions import LocalConclusion, conclude_local
from retest.environment import describe_difference, name_class, read_fingerprint
from retest.experiments import load_experiment
from retest.finished_seeds import describe_seeds, read_evidence
from retest.registration import register_protocol
from retest.results import conclude_stream, read_state
from retest.streams import (
    MOST_ATTEMPTS,
    censor_seed,
    claim_seed,
    fail_seed,
    finish_seed,
    hash_code,
    interrupt_seed,
    open_stream,
    release_lost_seeds,
    start_seed,
)
from retest.workers import is_lost, name_worker
from tests.fake_experiment import FakeExperiment, fake, make_protocol, make_result

__all__ = ["fake"]

PROTOCOL = make_protocol()
HERE = "here:1:1"
PATIENCE = timedelta(hours=1)


@pytest.fixture
def ledger(any_engine: Engine, fake: FakeExperiment) -> Any:
    """A session on each database with the fake experiment registered."""
    with open_session(any_engine) as session:
        yield session


@pytest.fixture
def store(session: Session, fake: FakeExperiment) -> Session:
    """A session on SQLite, for tests that are not about storage."""
    return session


def open_nightly(session: Session, environment: str = "cpu", profile: str = "nightly") -> Stream:
    return open_stream(session, PROTOCOL, profile, environment, {"torch": "2.13"})


def run_seeds(session: Session, stream: Stream, *values: float, control: float = 1.0) -> None:
    for value in values:
        started = start_seed(session, stream, PROTOCOL, HERE, None)
        finish_seed(session, started, PROTOCOL, make_result(value, control), 2.0)


def statuses(session: Session) -> list[tuple[int, str, int]]:
    rows = select(SeedRun.seed_index, SeedRun.status, SeedRun.attempt)
    return [tuple(row) for row in session.exec(rows.order_by(col(SeedRun.seed_index))).all()]  # type: ignore[misc]


# --- Registration ---------------------------------------------------------------------------------


def test_a_protocol_is_registered_once(ledger: Session) -> None:
    first, second = (register_protocol(ledger, PROTOCOL) for _ in range(2))
    assert first.id == second.id
    assert first.hash == PROTOCOL.hash()
    assert first.record["estimands"][0]["region_low"] == 0.5


def test_a_changed_protocol_of_the_same_version_is_refused(ledger: Session) -> None:
    register_protocol(ledger, PROTOCOL)
    moved = dataclasses.replace(PROTOCOL.estimands[0], region_low=0.4)
    with pytest.raises(ProtocolChanged, match="new version, or restore"):
        register_protocol(ledger, make_protocol(estimands=(moved,)))
    amended = make_protocol(
        version=2, estimands=(moved,), previous_hash=PROTOCOL.hash(), amendment="the end was .4"
    )
    assert register_protocol(ledger, amended).version == 2
    assert len(ledger.exec(select(StoredProtocol)).all()) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"controls": ()},
        {"estimands": ()},
        {"estimands": PROTOCOL.estimands * 2},
        {"alpha": 1.0},
        *(
            {"estimands": (dataclasses.replace(PROTOCOL.estimands[0], **change),)}
            for change in (
                {"margin": -0.1},
                {"bounds": None},
                {"bounds": (1.0, 0.0)},
                {"region_low": None},
                {"region_low": 0.6, "region_high": 0.5},
                {"region_low": 0.0},
                {"region_low": -1.0, "region_high": 2.0},
            )
        ),
    ],
    ids=str,
)
def test_a_protocol_that_leaves_something_open_is_refused(
    store: Session, changes: dict[str, Any]
) -> None:
    with pytest.raises(ProtocolRefused):
        register_protocol(store, make_protocol(**changes))
    assert store.exec(select(StoredProtocol)).all() == []


# --- Streams --------------------------------------------------------------------------------------


def test_a_change_of_code_opens_a_new_stream_and_the_old_one_stays(
    ledger: Session, fake: FakeExperiment
) -> None:
    before = open_nightly(ledger)
    assert open_nightly(ledger).id == before.id
    run_seeds(ledger, before, 0.8)
    fake.module.write_text(fake.module.read_text() + "\n# another line\n")
    after = open_nightly(ledger)
    assert after.id != before.id and after.code_hash != before.code_hash
    assert read_evidence(ledger, after) == []
    assert len(read_evidence(ledger, before)) == 1
    started = start_seed(ledger, after, PROTOCOL, HERE, None)
    assert started.index == 0, "a new stream starts its schedule anew"


def test_profile_and_environment_open_streams_of_their_own(ledger: Session) -> None:
    streams = [
        open_nightly(ledger),
        open_nightly(ledger, "cuda"),
        open_nightly(ledger, "cpu", "smoke"),
    ]
    assert len({stream.id for stream in streams}) == 3


def test_the_lab_is_part_of_the_code(fake: FakeExperiment, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hash_code("e01")
    read = Path.read_bytes

    def changed(path: Path) -> bytes:
        return read(path) + (b"\n" if path.name == "training.py" else b"")

    monkeypatch.setattr(Path, "read_bytes", changed)
    assert hash_code("e01") != before


# --- The ledger -----------------------------------------------------------------------------------


def test_seeds_are_started_in_order_and_stored_before_they_run(ledger: Session) -> None:
    stream = open_nightly(ledger)
    first, second = (start_seed(ledger, stream, PROTOCOL, HERE, None) for _ in range(2))
    assert (first.index, second.index) == (0, 1)
    assert statuses(ledger) == [(0, "started", 1), (1, "started", 1)]
    finish_seed(ledger, first, PROTOCOL, make_result(0.7, steps=3), 2.5)
    row = ledger.exec(select(SeedRun).where(SeedRun.seed_index == 0)).one()
    ledger.refresh(row)
    assert (row.status, row.value, row.duration_s) == ("finished", 0.7, 2.5)
    assert row.measures == {"estimates": {"rate": 0.7}, "measures": {"steps": 3}}
    assert row.controls == {"learned": {"value": 1.0, "passed": True}}
    assert row.finished_at is not None and row.seed == first.seed


def test_a_seed_that_the_stream_holds_is_refused(ledger: Session) -> None:
    stream = open_nightly(ledger)
    claim_seed(ledger, stream, PROTOCOL, HERE, None, 0)
    with pytest.raises(SeedRefused, match="already holds seed 0"):
        claim_seed(ledger, stream, PROTOCOL, "there:2:2", None, 0)
    assert statuses(ledger) == [(0, "started", 1)]


def test_two_processes_never_take_the_same_seed(any_engine: Engine, fake: FakeExperiment) -> None:
    with open_session(any_engine) as session:
        stream = open_nightly(session)
    gate = threading.Barrier(4)

    def work(worker: str) -> list[int]:
        gate.wait()
        taken = []
        for _ in range(8):
            with open_session(any_engine) as session:
                taken.append(start_seed(session, stream, PROTOCOL, worker, None).index)
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(work, [f"host:{n}:0" for n in range(4)]))
    assert sorted(chain.from_iterable(taken)) == list(range(32))


def test_two_batches_never_retry_the_same_seed(any_engine: Engine, fake: FakeExperiment) -> None:
    with open_session(any_engine) as session:
        stream = open_nightly(session)
        for _ in range(12):
            fail_seed(
                session, start_seed(session, stream, PROTOCOL, HERE, None, avoid=range(99)), "x", 1
            )
    gate = threading.Barrier(3)

    def work(worker: str) -> list[int]:
        gate.wait()
        taken = []
        for _ in range(4):
            with open_session(any_engine) as session:
                taken.append(start_seed(session, stream, PROTOCOL, worker, None).index)
        return taken

    with ThreadPoolExecutor(3) as pool:
        taken = list(pool.map(work, [f"host:{n}:0" for n in range(3)]))
    assert len(set(chain.from_iterable(taken))) == 12


def test_a_crashed_seed_is_tried_again_under_its_own_number(ledger: Session) -> None:
    stream = open_nightly(ledger)
    first = start_seed(ledger, stream, PROTOCOL, HERE, None)
    start_seed(ledger, stream, PROTOCOL, HERE, None)
    fail_seed(ledger, first, "RuntimeError: no", 1.0)
    again = start_seed(ledger, stream, PROTOCOL, HERE, None)
    assert (again.index, again.seed, again.attempt) == (0, first.seed, 2)
    assert start_seed(ledger, stream, PROTOCOL, HERE, None).index == 2


def test_a_seed_is_given_up_after_three_crashes_of_its_own(ledger: Session) -> None:
    stream = open_nightly(ledger)
    for attempt in range(1, MOST_ATTEMPTS + 1):
        started = start_seed(ledger, stream, PROTOCOL, HERE, None)
        assert (started.index, started.attempt) == (0, attempt)
        fail_seed(ledger, started, "RuntimeError: no", 1.0)
    assert start_seed(ledger, stream, PROTOCOL, HERE, None).index == 1
    assert read_state(ledger, stream, PROTOCOL).lost == 1


def test_interruptions_never_use_a_seed_up(ledger: Session) -> None:
    stream = open_nightly(ledger)
    for attempt in range(1, 8):
        started = start_seed(ledger, stream, PROTOCOL, HERE, None)
        assert (started.index, started.attempt) == (0, attempt)
        interrupt_seed(ledger, started)
    assert read_state(ledger, stream, PROTOCOL).lost == 0


def test_a_seed_tried_in_this_batch_is_left_for_the_next(store: Session) -> None:
    stream = open_nightly(store)
    fail_seed(store, start_seed(store, stream, PROTOCOL, HERE, None), "no", 1.0)
    assert start_seed(store, stream, PROTOCOL, HERE, None, avoid={0}).index == 1
    assert start_seed(store, stream, PROTOCOL, HERE, None).index == 0


def test_a_stale_finish_is_refused(ledger: Session) -> None:
    stream = open_nightly(ledger)
    stale = start_seed(ledger, stream, PROTOCOL, "elsewhere:1:1", None)
    assert release_lost_seeds(ledger, stream, timedelta(0)) == 1
    again = start_seed(ledger, stream, PROTOCOL, HERE, None)
    assert (again.index, again.attempt) == (0, 2)
    for close in (
        lambda: finish_seed(ledger, stale, PROTOCOL, make_result(0.1), 1.0),
        lambda: fail_seed(ledger, stale, "late", 1.0),
        lambda: censor_seed(ledger, stale, 1.0),
    ):
        with pytest.raises(SeedRefused, match="no longer this worker's"):
            close()
    finish_seed(ledger, again, PROTOCOL, make_result(0.9), 1.0)
    assert [run.value for run in read_evidence(ledger, stream)] == [0.9]


def test_an_earlier_attempt_of_the_same_worker_is_refused(store: Session) -> None:
    stream = open_nightly(store)
    first = start_seed(store, stream, PROTOCOL, HERE, None)
    interrupt_seed(store, first)
    start_seed(store, stream, PROTOCOL, HERE, None)
    with pytest.raises(SeedRefused, match=r"attempt 1"):
        finish_seed(store, first, PROTOCOL, make_result(0.1), 1.0)
    assert statuses(store) == [(0, "started", 2)]


def test_a_finished_seed_is_not_finished_again(store: Session) -> None:
    stream = open_nightly(store)
    started = start_seed(store, stream, PROTOCOL, HERE, None)
    finish_seed(store, started, PROTOCOL, make_result(0.9), 1.0)
    with pytest.raises(SeedRefused):
        finish_seed(store, started, PROTOCOL, make_result(0.1), 1.0)


@pytest.mark.parametrize(
    "result",
    [
        make_result([0.5, 0.6]),
        make_result(math.nan),
        make_result(1.2),
        dataclasses.replace(make_result(), estimates={}),
        dataclasses.replace(make_result(), estimates={"rate": 0.5, "other": 0.5}),
        dataclasses.replace(make_result(), controls={}),
        make_result(items={1, 2}),
    ],
    ids=["items", "nan", "out of bounds", "none", "too many", "no control", "no JSON"],
)
def test_a_result_that_is_none_is_refused_and_leaves_the_seed_open(
    store: Session, result: Any
) -> None:
    stream = open_nightly(store)
    started = start_seed(store, stream, PROTOCOL, HERE, None)
    with pytest.raises(SeedRefused):
        finish_seed(store, started, PROTOCOL, result, 1.0)
    assert statuses(store) == [(0, "started", 1)]


def test_numbers_that_are_none_are_stored_as_null(ledger: Session) -> None:
    stream = open_nightly(ledger)
    started = start_seed(ledger, stream, PROTOCOL, HERE, None)
    result = make_result(0.5, control=math.nan, loss=[1.0, math.inf])
    finish_seed(ledger, started, PROTOCOL, result, 1.0)
    row = read_evidence(ledger, stream)[0]
    assert row.controls == {"learned": {"value": None, "passed": False}}
    measures = ledger.exec(select(SeedRun.measures)).one()
    assert measures == {"estimates": {"rate": 0.5}, "measures": {"loss": [1.0, None]}}
    assert read_state(ledger, stream, PROTOCOL).outcome == "INVALID"


def test_estimates_come_back_to_the_last_bit(ledger: Session) -> None:
    values = [0.1 + 0.2, 1 / 3, math.nextafter(0.5, 1), 5e-324]
    stream = open_nightly(ledger)
    run_seeds(ledger, stream, *values)
    ledger.expire_all()
    stored = [run.estimates["rate"] for run in read_evidence(ledger, stream)]
    assert stored == values


def test_an_open_seed_holds_back_those_after_it(store: Session) -> None:
    """Which values are weighed must not hang on which seed ended first."""
    stream = open_nightly(store)
    started = [start_seed(store, stream, PROTOCOL, HERE, None) for _ in range(4)]
    for seed, value in ((started[0], 0.1), (started[2], 0.3), (started[3], 0.4)):
        finish_seed(store, seed, PROTOCOL, make_result(value), 1.0)
    assert [run.value for run in read_evidence(store, stream)] == [0.1]
    assert read_state(store, stream, PROTOCOL).waiting == 2
    finish_seed(store, started[1], PROTOCOL, make_result(0.2), 1.0)
    assert [run.value for run in read_evidence(store, stream)] == [0.1, 0.2, 0.3, 0.4]
    assert read_state(store, stream, PROTOCOL).waiting == 0


# --- Workers --------------------------------------------------------------------------------------


def test_lost_workers_are_told_from_living_ones() -> None:
    now, host = utc_now(), socket.gethostname()
    me = name_worker()
    assert not is_lost(me, now - timedelta(days=9), now, PATIENCE)
    assert is_lost(f"{host}:{os.getpid()}:1", now, now, PATIENCE), "the number was used again"
    assert is_lost(f"{host}:{2**22 - 3}:5", now, now, PATIENCE)
    assert not is_lost("elsewhere:1:1", now, now, PATIENCE)
    assert is_lost("elsewhere:1:1", now - timedelta(hours=2), now, PATIENCE)


def test_seeds_of_lost_workers_are_released_and_others_are_not(ledger: Session) -> None:
    stream = open_nightly(ledger)
    gone = f"{socket.gethostname()}:{2**22 - 3}:5"
    for worker in (gone, name_worker(), "elsewhere:1:1"):
        start_seed(ledger, stream, PROTOCOL, worker, None)
    assert release_lost_seeds(ledger, stream, PATIENCE) == 1
    assert statuses(ledger) == [(0, "failed", 1), (1, "started", 1), (2, "started", 1)]


# --- Validity and outcomes ------------------------------------------------------------------------


def test_a_stream_concludes_and_latches(ledger: Session) -> None:
    stream = open_nightly(ledger)
    run_seeds(ledger, stream, *[0.8] * 3)
    assert conclude_stream(ledger, stream, PROTOCOL) == "UNDECIDED"
    assert stream.latched_outcome is None
    run_seeds(ledger, stream, *[0.8] * 9)
    assert conclude_stream(ledger, stream, PROTOCOL) == "CONSISTENT"
    run_seeds(ledger, stream, *[0.2] * 10)
    assert conclude_stream(ledger, stream, PROTOCOL) == "CONSISTENT"
    state = read_state(ledger, stream, PROTOCOL)
    assert state.state.present == "UNDECIDED"
    stored = ledger.exec(select(Stream)).one()
    assert stored.latched_outcome == "CONSISTENT" and stored.latched_at is not None


def test_a_broken_control_is_invalid_whatever_the_numbers_say(store: Session) -> None:
    stream = open_nightly(store)
    run_seeds(store, stream, *[0.8] * 20)
    run_seeds(store, stream, 0.8, control=0.2)
    state = read_state(store, stream, PROTOCOL)
    assert (state.outcome, state.state.outcome) == ("INVALID", "CONSISTENT")
    assert "control learned failed on 1 of 21 seeds (worst 0.2)" in state.reasons[0]
    tolerant = make_protocol(max_failed_controls=0.05)
    assert read_state(store, stream, tolerant).outcome == "CONSISTENT"


def test_a_control_passes_by_the_registered_bounds(store: Session) -> None:
    """An experiment cannot wave its own control through."""
    stream = open_nightly(store)
    started = start_seed(store, stream, PROTOCOL, HERE, None)
    waved = make_result(0.8, control=0.2)
    waved = dataclasses.replace(
        waved, controls={"learned": waved.controls["learned"]._replace(passed=True)}
    )
    finish_seed(store, started, PROTOCOL, waved, 1.0)
    assert read_state(store, stream, PROTOCOL).controls[0].failed == 1


@pytest.mark.parametrize(("censored", "outcome"), [(1, "CONSISTENT"), (2, "INVALID")])
def test_more_than_one_seed_in_twenty_out_of_time_is_invalid(
    store: Session, censored: int, outcome: str
) -> None:
    stream = open_nightly(store)
    run_seeds(store, stream, *[0.8] * 19)
    for _ in range(censored):
        censor_seed(store, start_seed(store, stream, PROTOCOL, HERE, None), 120.0)
    state = read_state(store, stream, PROTOCOL)
    assert (state.outcome, state.censored) == (outcome, censored)
    run_seeds(store, stream, 0.8)
    assert len(read_evidence(store, stream)) == 20, "a censored seed holds nothing back"


def test_a_missed_canary_is_invalid_and_names_what_changed(ledger: Session) -> None:
    stream = open_nightly(ledger)
    run_seeds(ledger, stream, *[0.8] * 20)
    before, after = {"torch": "2.12", "cpu": "x"}, {"torch": "2.13", "cpu": "x"}
    first = record_canary(ledger, stream, {"a": 1, "b": 2.5}, before, None)
    same = record_canary(ledger, stream, {"b": 2.5, "a": 1}, before, None)
    assert (first.is_reference, same.is_reference, same.is_ok) == (True, False, True)
    assert read_state(ledger, stream, PROTOCOL).outcome == "CONSISTENT"
    missed = record_canary(ledger, stream, {"a": 1, "b": 2.5000000001}, after, None)
    assert (missed.is_ok, missed.difference) == (False, "torch 2.12 -> 2.13")
    state = read_state(ledger, stream, PROTOCOL)
    assert state.outcome == "INVALID"
    assert "torch 2.12 -> 2.13" in state.reasons[0]
    record_canary(ledger, stream, {"a": 1, "b": 2.5}, before, None)
    assert read_state(ledger, stream, PROTOCOL).outcome == "CONSISTENT"


def test_smoke_never_concludes(store: Session) -> None:
    stream = open_nightly(store, profile="smoke")
    run_seeds(store, stream, *[0.8] * 30)
    assert conclude_stream(store, stream, PROTOCOL) == "UNDECIDED"
    assert stream.latched_outcome is None


def test_seed_numbers_are_described_as_ranges() -> None:
    assert describe_seeds((0, 1, 2, 4, 6, 7)) == "0-2, 4, 6-7"
    assert describe_seeds(()) == "none"


def test_the_fingerprint_names_the_environment() -> None:
    fingerprint = read_fingerprint("cpu")
    json.dumps(fingerprint, allow_nan=False)
    assert {"python", "torch", "blas", "cpu", "threads", "device", "system"} <= set(fingerprint)
    name = name_class({**fingerprint, "threads": 1})
    assert name.startswith("cpu, 1 thread") and "torch 2." in name and "python 3." in name
    assert describe_difference(fingerprint, {**fingerprint, "blas": "other"}) == (
        f"blas {fingerprint['blas']} -> other"
    )
    assert "nothing" in describe_difference(fingerprint, fingerprint)


# --- Bindings and the LOCAL field -----------------------------------------------------------------


def add_claim(session: Session, slug: str, handle: str, arxiv_id: str | None = None) -> Claim:
    note = Note(slug=slug, title=slug, summary="A note.")
    session.add(note)
    session.flush()
    claim = Claim(handle=handle, slug=slug, note_id=note.id, statement="s", text="t")
    session.add(claim)
    if arxiv_id:
        line = session.exec(select(Line)).first()
        if line is None:
            line = Line(slug="line", question="?", text="", source="test", content_hash="h")
            session.add(line)
            session.flush()
        session.add(
            Anchor(
                line_id=stored_id(line.id), note_id=note.id, position=0, arxiv_id=arxiv_id,
                label="a", raw="a",
            )
        )  # fmt: skip
    session.commit()
    return claim


def test_an_experiment_is_bound_by_slug_first(ledger: Session) -> None:
    add_claim(ledger, "another-note", "c1", "2501.00001")
    add_claim(ledger, "a-rate-above-a-half", "c2")
    assert bind_experiments(ledger) == 1
    assert bind_experiments(ledger) == 0
    assert [claim.handle for claim in claims_of(ledger, "e01")] == ["c2"]
    binding = ledger.exec(select(Binding)).one()
    assert (binding.transfer, binding.bound_by) == ("analogue", "note slug")


def test_without_a_slug_the_source_binds(ledger: Session) -> None:
    claim = add_claim(ledger, "another-note", "c1", "2501.00001")
    add_claim(ledger, "a-third-note", "c2", "2501.00002")
    assert bind_experiments(ledger) == 1
    assert [b.bound_by for b in experiments_of(ledger, stored_id(claim.id))] == ["source id"]


def test_what_a_person_bound_stays(store: Session) -> None:
    claim = add_claim(store, "a-rate-above-a-half", "c1")
    by_hand = Binding(
        claim_id=stored_id(claim.id), experiment="e01", transfer="direct", bound_by="K."
    )
    store.add(by_hand)
    store.commit()
    assert bind_experiments(store) == 0
    assert store.exec(select(Binding)).one().transfer == "direct"


def conclude(session: Session, live_claims: int = 1) -> LocalConclusion:
    claim = session.exec(select(Claim)).first() or add_claim(session, "a-rate-above-a-half", "c1")
    bind_experiments(session)
    local = conclude_local(session, stored_id(claim.id), live_claims=live_claims)
    json.dumps(local.detail, allow_nan=False)
    return local


def test_without_an_experiment_nothing_is_local(store: Session) -> None:
    claim = add_claim(store, "unrelated", "c1")
    local = conclude_local(store, stored_id(claim.id), live_claims=1)
    assert (local.local, local.transfer, local.detail) == ("none", None, {"experiments": []})


def test_without_a_concluding_seed_nothing_is_local(store: Session) -> None:
    run_seeds(store, open_nightly(store, profile="smoke"), *[0.8] * 30)
    local = conclude(store)
    (experiment,) = local.detail["experiments"]
    assert (local.local, local.transfer, experiment["n"]) == ("none", None, 0)
    assert experiment["cannot_show"] == "anything"
    assert experiment["estimands"][0]["n"] == 0


def test_the_local_field_carries_all_that_a_report_prints(ledger: Session) -> None:
    stream = open_nightly(ledger)
    record_canary(ledger, stream, {"a": 1}, {"torch": "2.13"}, None)
    run_seeds(ledger, stream, *[0.8] * 12)
    local = conclude(ledger)
    (experiment,) = local.detail["experiments"]
    (estimand,) = experiment["estimands"]
    assert (local.local, local.transfer) == ("consistent", "analogue")
    expected = {
        "experiment": "e01",
        "outcome": "CONSISTENT",
        "latched": False,
        "strength": "established",
        "profile": "nightly",
        "scale": "no model at all",
        "n": 12,
        "unit": "seed",
        "alpha": 0.05,
        "run_set": f"stream {stream.id}, seeds 0-11",
        "canary": {"ok": True, "difference": None},
        "censored": 0,
        "notes": ["decided within 1 of the 10 nights that it takes to tell whether nights differ"],
    }
    assert {key: experiment[key] for key in expected} == expected
    assert experiment["controls"]["learned"] == {
        "passed": 12, "failed": 0, "minimum": 0.95, "maximum": None, "worst": 1.0,
    }  # fmt: skip
    assert (estimand["n"], estimand["unit"], estimand["region"]) == (12, "share", [0.5, None])
    assert estimand["low"] < estimand["mean"] < estimand["high"]
    assert estimand["e_consistent"] >= 20 and estimand["seeds_to_go"] == 0
    assert conclude(ledger, live_claims=100_000).detail["experiments"][0]["strength"] == "signal"


def test_an_undecided_claim_says_how_many_seeds_are_to_go(store: Session) -> None:
    run_seeds(store, open_nightly(store), 0.8, 0.7, 0.75)
    local = conclude(store)
    assert local.local == "undecided"
    assert local.detail["experiments"][0]["estimands"][0]["seeds_to_go"] > 0
    assert local.detail["experiments"][0]["strength"] == "none"


def test_a_fall_back_is_shown_beside_the_latched_outcome(store: Session) -> None:
    run_seeds(store, open_nightly(store), *[0.8] * 12, *[0.2] * 10)
    local = conclude(store)
    experiment = local.detail["experiments"][0]
    assert (local.local, experiment["outcome"], experiment["latched"]) == (
        "consistent", "CONSISTENT", True,
    )  # fmt: skip
    assert experiment["present"] == "UNDECIDED"
    assert experiment["estimands"][0]["present"]["low"] < 0.5
    assert any("UNDECIDED" in note for note in experiment["notes"])


def test_an_invalid_stream_has_no_strength(store: Session) -> None:
    run_seeds(store, open_nightly(store), *[0.8] * 20, control=0.0)
    local = conclude(store)
    assert local.local == "invalid"
    assert local.detail["experiments"][0]["strength"] == "none"


def test_seeds_of_earlier_code_do_not_conclude(store: Session, fake: FakeExperiment) -> None:
    run_seeds(store, open_nightly(store), *[0.8] * 20)
    assert conclude(store).local == "consistent"
    fake.module.write_text(fake.module.read_text() + "\n# changed\n")
    assert conclude(store).local == "none"


def test_the_larger_stream_speaks(store: Session) -> None:
    run_seeds(store, open_nightly(store), *[0.8] * 20)
    run_seeds(store, open_nightly(store, "other"), 0.2)
    assert conclude(store).local == "consistent"


def test_nights_can_be_named(store: Session) -> None:
    night = Night(profile="nightly", budget_s=1.0)
    store.add(night)
    store.commit()
    started = start_seed(store, open_nightly(store), PROTOCOL, HERE, night.id)
    assert store.get_one(SeedRun, started.run_id).night_id == night.id
    assert load_experiment("e01").PROTOCOL.experiment == "e01"
