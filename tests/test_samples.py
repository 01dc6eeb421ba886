"""Samples of seeds: what enters the ledger, which seeds keep them, and how they are shown."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from db.engine import open_database, open_session
from db.errors import SamplesNotFound, SeedRefused
from db.models import SeedRun
from retest.conclusions import describe_stream
from retest.finished_seeds import read_evidence
from retest.measurements import LONGEST_WORDS, check_samples, keeps_samples
from retest.protocol import SAMPLES_KEPT, Sample, Samples
from retest.results import read_state
from retest.samples import choose_samples, find_samples
from retest.streams import finish_seed, open_stream, start_seed
from tests.fake_experiment import FakeExperiment, fake, make_protocol, make_result
from tests.synthetic_ledger import fill_stream, say
from tests.test_retest_commands import home, library, read, reassay

__all__ = ["fake", "home", "library"]

PROTOCOL = make_protocol()
Capture = pytest.CaptureFixture[str]


def make_samples(seed: int, *verdicts: str) -> Samples:
    """Two arms with one or two test sets, a sample for each verdict in each of them."""
    kept = [Sample(f"2 + {n} + {seed}", str(n), "5", word) for n, word in enumerate(verdicts)]
    return {"plain": {"seen": kept, "unseen": kept}, "shuffled": {"seen": kept}}


# --- What enters the ledger -----------------------------------------------------------------------


def test_the_first_eight_seeds_and_every_fiftieth_keep_their_samples() -> None:
    assert [j for j in range(160) if keeps_samples(j)] == [*range(8), 50, 100, 150]


def test_samples_come_back_from_the_ledger_and_later_seeds_keep_none(
    any_engine: Engine, fake: FakeExperiment
) -> None:
    with open_session(any_engine) as session:
        stream = open_stream(session, PROTOCOL, "nightly", "cpu", {"torch": "2.13"})
        for index in range(9):
            started = start_seed(session, stream, PROTOCOL, "here:1:1", None)
            words = make_samples(index, "right", "wrong: the sum")
            finish_seed(session, started, PROTOCOL, replace(make_result(), samples=words), 1.0)
        found = find_samples(session, "e01")
        assert found.seeds == (7, 6, 5, 4, 3, 2, 1, 0)
        assert found.arms == {"plain": ["seen", "unseen"], "shuffled": ["seen"]}
        first = found.samples[0]
        assert (first.seed, first.arm, first.test) == (7, "plain", "seen")
        assert (first.prompt, first.gold, first.output) == ("2 + 0 + 7", "0", "5")
        assert [s.is_wrong for s in found.samples[:2]] == [False, True]
        last = session.exec(select(SeedRun.measures).where(SeedRun.seed_index == 8)).one()
        assert "samples" not in last
        assert len(read_evidence(session, stream)) == 9


def test_a_seed_without_samples_has_no_place_for_them(
    session: Session, fake: FakeExperiment
) -> None:
    fill_stream(session, PROTOCOL, say(PROTOCOL, seeds=1))
    assert session.exec(select(SeedRun.measures)).one().keys() == {"estimates", "measures"}


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ({"a": {"s": [Sample("p", "g", "o", "right")] * (SAMPLES_KEPT + 1)}}, "a, s: 11 samples"),
        ({"a": {"s": [Sample("p", 3, "o", "right")]}}, "a, s: the gold of a sample is a string"),  # type: ignore[arg-type]
        ({"a": {"s": [Sample("p", "g", ["o"], "right")]}}, "the output of a sample is a string"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_sample_is_refused(samples: Samples, said: str) -> None:
    with pytest.raises(SeedRefused, match=said):
        check_samples(samples)


def test_long_words_are_cut_and_a_null_is_replaced() -> None:
    checked = check_samples({"a": {"s": [Sample("p" * 5000, "g\0", "", "wrong")]}})
    (sample,) = checked["a"]["s"]
    assert len(sample.prompt) == LONGEST_WORDS and sample.prompt.endswith("p…")
    assert (sample.gold, sample.output) == ("g\ufffd", "")


def test_evidence_never_loads_samples_or_measures(
    session: Session, fake: FakeExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a stream says hangs on estimates and controls alone, however much lies beside them."""
    large = {"tests": {str(n): [0.1] * 100 for n in range(50)}}
    stream = fill_stream(
        session, PROTOCOL, say(PROTOCOL, seeds=8), measures=[large] * 8,
        samples=[make_samples(0, *["right"] * SAMPLES_KEPT)] * 8,
    )  # fmt: skip
    read_sizes = []
    loads = json.loads

    def watch(text: str, **options: Any) -> Any:
        read_sizes.append(len(text))
        return loads(text, **options)

    monkeypatch.setattr(json, "loads", watch)
    session.expire_all()
    assert read_state(session, stream, PROTOCOL).outcome == "UNDECIDED"
    assert describe_stream(session, stream, PROTOCOL)["n"] == 8
    assert max(read_sizes) < 1000
    session.exec(select(SeedRun)).all()
    assert max(read_sizes) > 20_000, "the watch sees what is loaded"


# --- Which are shown ------------------------------------------------------------------------------


def test_arms_and_sets_are_shown_in_turn_newest_seed_first(
    session: Session, fake: FakeExperiment
) -> None:
    fill_stream(
        session, PROTOCOL, say(PROTOCOL, seeds=3),
        samples=[make_samples(j, "right", "wrong: the sum") for j in range(3)],
    )  # fmt: skip
    found = find_samples(session, "e01")
    four = choose_samples(found.samples, 4)
    assert [(s.arm, s.test, s.seed) for s in four] == [
        ("plain", "seen", 2), ("plain", "unseen", 2),
        ("shuffled", "seen", 2), ("shuffled", "seen", 2),
    ]  # fmt: skip
    wrong = choose_samples(found.samples, 100, only_wrong=True)
    assert len(wrong) == 9 and all(s.verdict == "wrong: the sum" for s in wrong)
    of_one = choose_samples(found.samples, 100, arm="plain", test="unseen", seed=1)
    assert [s.prompt for s in of_one] == ["2 + 0 + 1", "2 + 1 + 1"]


def test_the_present_stream_comes_first_then_one_that_kept_any(
    session: Session, fake: FakeExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SamplesNotFound, match="no seed of e01 has run yet"):
        find_samples(session, "e01")
    old = fill_stream(
        session, PROTOCOL, say(PROTOCOL, seeds=2), profile="smoke",
        samples=[make_samples(j, "right") for j in range(2)],
    )  # fmt: skip
    present = fill_stream(session, PROTOCOL, say(PROTOCOL, seeds=1))
    assert find_samples(session, "e01").stream == old.id, "the present one kept none"
    with pytest.raises(SamplesNotFound, match=f"stream {present.id} of e01 kept samples"):
        find_samples(session, "e01", present.id)
    fill_stream(session, PROTOCOL, say(PROTOCOL, seeds=1), samples=[make_samples(1, "right")])
    assert find_samples(session, "e01").stream == present.id
    assert find_samples(session, "e01", old.id).profile == "smoke"


# --- The command ----------------------------------------------------------------------------------


@pytest.fixture
def sampled(library: Path) -> Path:
    """A library whose experiment has three seeds with samples."""
    with open_session(open_database(f"sqlite:///{library / 'reassay.db'}")) as session:
        fill_stream(
            session, PROTOCOL, say(PROTOCOL, seeds=3),
            samples=[make_samples(j, "right", "wrong: the \x1b[2Jsum") for j in range(3)],
        )  # fmt: skip
    return library


def test_samples_are_printed_for_a_person(sampled: Path, capsys: Capture) -> None:
    code, out, _ = reassay(capsys, "samples", "c1", "--n", "2", "--wrong", "--arm", "shuffled")
    assert code == 0
    assert out.splitlines()[0].endswith("samples kept by seeds 0-2")
    assert "shuffled, seen, seed 2\n  prompt  2 + 1 + 2\n  gold    1\n  output  5\n" in out
    assert "  verdict wrong: the \ufffd[2Jsum" in out, "what a model wrote moves no cursor"
    assert out.count("prompt") == 2


def test_samples_as_json(sampled: Path, capsys: Capture) -> None:
    (row,) = read(capsys, "samples", "c1", "--seed", "1", "--set", "seen")
    assert (row["experiment"], row["seeds"]) == ("e01", [2, 1, 0])
    assert row["arms"] == {"plain": ["seen", "unseen"], "shuffled": ["seen"]}
    assert [(s["arm"], s["verdict"][:5]) for s in row["samples"]] == [
        ("plain", "right"), ("plain", "wrong"), ("shuffled", "right"), ("shuffled", "wrong"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--arm", "other"), "no arm 'other' kept samples; arms are: plain, shuffled"),
        (("--set", "other"), "no test set 'other' kept samples; sets are: seen, unseen"),
        (("--arm", "shuffled", "--set", "unseen"), "of arm shuffled kept samples; sets are: seen"),
        (("--seed", "9"), "seed 9 kept no samples; these did: 0, 1, 2"),
        (("--stream", "99"), "e01 has no stream 99: 'reassay retest history e01' lists"),
    ],
)
def test_an_unknown_name_is_one_line_that_says_which_there_are(
    sampled: Path, capsys: Capture, options: tuple[str, ...], said: str
) -> None:
    code, out, err = reassay(capsys, "samples", "c1", *options)
    assert (code, out) == (1, "")
    assert said in err and len(err.strip().splitlines()) == 1


def test_a_stream_that_kept_none_says_so(library: Path, capsys: Capture) -> None:
    code, _, err = reassay(capsys, "samples", "c1")
    assert code == 1 and "no seed of e01 has run yet" in err
    with open_session(open_database(f"sqlite:///{library / 'reassay.db'}")) as session:
        fill_stream(session, PROTOCOL, say(PROTOCOL, seeds=3))
    code, _, err = reassay(capsys, "samples", "c1")
    assert code == 1 and "no seed of any stream of e01 kept samples" in err


def test_history_shows_no_samples_and_measures_in_json_alone(
    sampled: Path, capsys: Capture
) -> None:
    (row,) = read(capsys, "history", "c1")
    assert row["seeds"][0]["measures"] == {} and "samples" not in json.dumps(row)
    with open_session(open_database(f"sqlite:///{sampled / 'reassay.db'}")) as session:
        rows = session.exec(select(SeedRun.measures).order_by(col(SeedRun.id))).all()
    assert all("samples" in measures for measures in rows)
