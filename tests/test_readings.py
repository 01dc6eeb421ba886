"""Readings of a claim: how each joins its estimands, and where its outcome is shown."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from db.engine import open_database, open_session
from db.errors import ProtocolRefused
from db.models import Claim
from reassay.cli import run as run_cli
from reports.local_results import read_experiments, summarise_experiment
from retest.bindings import bind_experiments
from retest.conclusions import LocalConclusion, conclude_local
from retest.experiments import MODULES, load_experiment
from retest.outcomes import read_stream
from retest.protocol import Arm, Outcome, Profile, Protocol, Reading
from retest.registration import check_protocol
from retest.results import read_state
from tests.fake_experiment import FakeExperiment, fake, make_protocol, make_read_protocol
from tests.inline_executor import InlineExecutor, inline
from tests.synthetic_ledger import (
    fail_control,
    fill_stream,
    join_row,
    list_rows,
    place,
    read_row,
    say,
)
from tests.test_retest_commands import home, library, read, reassay

__all__ = ["fake", "home", "inline", "library"]

PROTOCOL = make_read_protocol()
SEEDS = 400
OUTCOMES: tuple[Outcome, ...] = ("CONSISTENT", "SHIFTED", "ATTENUATED", "UNDECIDED")
Capture = pytest.CaptureFixture[str]


def join_words(one: Outcome, two: Outcome) -> Outcome:
    """The outcome of a compound claim, by the words of its two parts."""
    for word in ("SHIFTED", "ATTENUATED", "UNDECIDED"):
        if word in (one, two):
            return word  # type: ignore[return-value]
    return "CONSISTENT"


# --- How readings join their estimands ------------------------------------------------------------


@pytest.mark.parametrize(("rate", "slope"), list(itertools.product(OUTCOMES, OUTCOMES)))
def test_every_combination_of_outcomes(
    session: Session, fake: FakeExperiment, rate: Outcome, slope: Outcome
) -> None:
    estimates = say(PROTOCOL, {"rate": rate, "slope": slope}, SEEDS)
    result = read_state(session, fill_stream(session, PROTOCOL, estimates), PROTOCOL)
    assert [state.outcome for state in result.state.estimands] == [rate, slope]
    assert {r.name: result.judge(r) for r in result.state.readings} == {
        "E1a": rate,
        "E1b": slope,
        "E1": join_words(rate, slope),
    }
    assert result.outcome == join_words(rate, slope), "the whole claim is all estimands"


@pytest.mark.parametrize("name", list(MODULES))
def test_the_decision_table_of_every_experiment(session: Session, name: str) -> None:
    """Row by row on invented seeds of its real protocol."""
    protocol = load_experiment(name).PROTOCOL
    rows = list_rows(protocol)
    reached = {outcome for row in rows for outcome in row.values()}
    assert {"CONSISTENT", "SHIFTED", "UNDECIDED"} <= reached
    for row in rows:
        assert read_row(session, protocol, row) == join_row(protocol, row), row


@pytest.mark.parametrize("name", list(MODULES))
def test_every_control_of_every_experiment_can_invalidate_it(session: Session, name: str) -> None:
    protocol = load_experiment(name).PROTOCOL
    for control in protocol.controls:
        said = read_row(session, protocol, {}, {control.name: fail_control(control)})
        assert set(said.values()) == {"INVALID"}, control.name
    assert set(read_row(session, protocol, {}, misses_canary=True).values()) == {"INVALID"}


@pytest.mark.parametrize("broken", ["control", "canary", "smoke"])
@pytest.mark.parametrize("rate", OUTCOMES)
def test_what_breaks_the_stream_breaks_its_readings(
    session: Session, fake: FakeExperiment, rate: Outcome, broken: str
) -> None:
    failing = {c.name: fail_control(c) for c in PROTOCOL.controls[:1] if broken == "control"}
    stream = fill_stream(
        session, PROTOCOL, say(PROTOCOL, {"rate": rate}), failing,
        profile="smoke" if broken == "smoke" else "nightly", misses_canary=broken == "canary",
    )  # fmt: skip
    result = read_state(session, stream, PROTOCOL)
    expected = "UNDECIDED" if broken == "smoke" else "INVALID"
    assert result.outcome == expected and result.reasons
    assert {result.judge(reading) for reading in result.state.readings} == {expected}


def test_a_reading_of_one_estimand_is_that_estimand_and_of_all_the_stream() -> None:
    values = [[row[e.name] for row in say(PROTOCOL, seeds=9)] for e in PROTOCOL.estimands]
    values[0] = [0.7, 0.8, 0.75, 0.9, 0.6, 0.7, 0.8, 0.75, 0.9]
    state = read_stream(PROTOCOL.estimands, values, PROTOCOL.alpha, PROTOCOL.readings)
    alone, _, together = state.readings
    rate = state.estimands[0]
    for name in ("outcome", "present", "e_consistent", "e_shifted", "seeds_to_go"):
        assert getattr(alone, name) == getattr(rate, name)
        assert getattr(together, name) == getattr(state, name)
    assert state == dataclasses.replace(
        read_stream(PROTOCOL.estimands, values, PROTOCOL.alpha), readings=state.readings
    ), "readings change nothing else"


def test_a_reading_has_seeds_to_go_of_its_own() -> None:
    values = [[0.8] * 12, [0.19, -0.1, 0.15] * 4]
    state = read_stream(PROTOCOL.estimands, values, PROTOCOL.alpha, PROTOCOL.readings)
    decided, open_one, whole = state.readings
    assert (decided.outcome, decided.seeds_to_go) == ("CONSISTENT", 0)
    assert open_one.outcome == whole.outcome == "UNDECIDED"
    assert open_one.seeds_to_go == state.estimands[1].seeds_to_go == whole.seeds_to_go
    assert open_one.seeds_to_go is not None and open_one.seeds_to_go > 0


def test_a_decided_stream_still_foresees_an_open_reading() -> None:
    """The whole claim is shifted by its slope; the rate alone needs more seeds."""
    values = [[0.6, 0.4, 0.62] * 10, [0.95] * 30]
    state = read_stream(PROTOCOL.estimands, values, PROTOCOL.alpha, PROTOCOL.readings)
    assert (state.outcome, state.seeds_to_go) == ("SHIFTED", 0)
    assert state.readings[0].outcome == "UNDECIDED"
    assert state.readings[0].seeds_to_go


def test_where_nights_differ_readings_count_nights_and_say_seeds(
    session: Session, fake: FakeExperiment
) -> None:
    """Twelve nights of eight seeds whose rate goes up and down by the night."""
    estimates = [
        {"rate": 0.62 + (0.05 if (j // 8) % 2 else -0.05) + 0.001 * (j % 3), "slope": 0.0}
        for j in range(96)
    ]
    result = read_state(session, fill_stream(session, PROTOCOL, estimates), PROTOCOL)
    assert result.unit == "night"
    rate = result.state.readings[0]
    assert rate.outcome == result.state.estimands[0].outcome == "UNDECIDED"
    assert rate.seeds_to_go == result.state.estimands[0].seeds_to_go
    assert rate.seeds_to_go is not None and rate.seeds_to_go % 8 == 0


# --- What is registered ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        ([Reading("E1a", "s", ("speed",))], "reading E1a: it names speed, and must name some"),
        ([Reading("E1a", "s", ())], "reading E1a: it names nothing"),
        ([Reading("E1a", "s", ("rate", "rate"))], "each once"),
        ([Reading("E1a", "s", ("rate",))] * 2, "each of its own name"),
        ([Reading("all", "s", ("rate",))], "'all' is the whole claim"),
    ],
)
def test_a_reading_of_nothing_is_refused(readings: list[Reading], said: str) -> None:
    with pytest.raises(ProtocolRefused, match=said):
        check_protocol(make_protocol(readings=tuple(readings)))


def test_a_profile_runs_arms_that_are_described() -> None:
    profiles = {"nightly": Profile({"arms": ["plain", "other"]}, seed_cost_s=1.0)}
    with pytest.raises(ProtocolRefused, match="profile nightly: no arm is named other"):
        check_protocol(make_read_protocol(profiles=profiles))
    with pytest.raises(ProtocolRefused, match="arms each of its own name"):
        check_protocol(make_read_protocol(arms=(Arm("plain", "a"), Arm("plain", "b"))))
    check_protocol(make_protocol(profiles=profiles)), "arms that nobody described are config"
    check_protocol(PROTOCOL)


def test_a_record_with_readings_comes_back_whole() -> None:
    assert Protocol.from_record(PROTOCOL.record()) == PROTOCOL
    assert place(PROTOCOL.estimands[1], "CONSISTENT") == 0.0


# --- Where they are shown -------------------------------------------------------------------------


@pytest.fixture
def filled(library: Path, fake: FakeExperiment) -> Path:
    """A library whose claim c1 was tested: the rate is high, the slope undecided."""
    fake.turn_into(PROTOCOL)
    with open_session(open_database(f"sqlite:///{library / 'reassay.db'}")) as session:
        bind_experiments(session)
        estimates = say(PROTOCOL, {"slope": "UNDECIDED"}, 30)
        fill_stream(session, PROTOCOL, estimates)
    return library


def conclude(home: Path) -> LocalConclusion:
    with open_session(open_database(f"sqlite:///{home / 'reassay.db'}")) as session:
        claim = session.exec(select(Claim)).first()
        assert claim is not None and claim.id is not None
        return conclude_local(session, claim.id, live_claims=1)


def test_history_shows_each_reading(filled: Path, capsys: Capture) -> None:
    (row,) = read(capsys, "history", "c1")
    assert [(r["name"], r["outcome"]) for r in row["readings"]] == [
        ("E1a", "CONSISTENT"), ("E1b", "UNDECIDED"), ("E1", "UNDECIDED"),
    ]  # fmt: skip
    assert row["outcome"] == "UNDECIDED"
    _, out, _ = reassay(capsys, "history", "c1")
    lines = [line for line in out.splitlines() if line.startswith("reading")]
    assert lines[0].startswith("reading   E1a CONSISTENT (rate; e-values: consistent ")
    assert lines[0].endswith("): The rate is high.")
    assert lines[1].startswith("reading   E1b UNDECIDED, more than 1000 seeds to go (slope;")
    assert len(lines) == 3


def test_explain_reads_like_a_methods_section(
    library: Path, fake: FakeExperiment, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    fake.turn_into(make_read_protocol(cannot_show="anything " * 40))
    monkeypatch.setenv("COLUMNS", "72")
    _, out, _ = reassay(capsys, "explain", "c1")
    for text in (
        "arm          plain (smoke, nightly): trained as everything is",
        "arm          shuffled (nightly): the same with the order",
        "reading      E1a: The rate is high.\n             read from rate\n",
        "consistent when each of rate, slope is, shifted when one",
        "control      refused at most 0.05: a wrong answer was accepted",
        "a control that fails on one seed makes the stream INVALID,",
        "profile      nightly: about 0 s a seed, 2 arms: plain, shuffled",
    ):
        assert text in out, text
    labels = [line.split("  ")[0] for line in out.splitlines()[1:] if not line.startswith(" ")]
    assert list(dict.fromkeys(labels)) == [
        "hash", "question", "tested as", "source", "transfer", "arm", "estimand", "reading",
        "control", "canary", "level", "profile", "cannot show", "chain",
    ]  # fmt: skip
    assert max(len(line) for line in out.splitlines()) <= 77, "the hash alone is longer"
    (record,) = read(capsys, "explain", "c1")
    assert [arm["name"] for arm in record["arms"]] == ["plain", "shuffled"]


def test_a_dry_run_names_the_arms_and_what_they_cost(
    library: Path, fake: FakeExperiment, capsys: Capture
) -> None:
    fake.turn_into(PROTOCOL)
    arguments = ("run", "c1", "--dry-run", "--seeds", "2")
    _, out, _ = reassay(capsys, *arguments)
    expected = "e01  nightly: 2 arms (plain, shuffled), about 0 s a seed; 2 of them about 0 s"
    assert expected in out
    assert read(capsys, *arguments)["experiments"][0]["arms"] == ["plain", "shuffled"]
    assert "smoke: 1 arm (plain)" in reassay(capsys, *arguments, "--profile", "smoke")[1]
    assert reassay(capsys, "list")[1].count("E1a") == 0, "nothing was run"


def test_run_says_each_reading_in_its_line(
    library: Path, fake: FakeExperiment, inline: type[InlineExecutor], capsys: Capture
) -> None:
    fake.turn_into(make_protocol(readings=(Reading("E1a", "The rate is high.", ("rate",)),)))
    _, out, _ = reassay(capsys, "run", "c1", "--seeds", "3")
    assert "  E1a UNDECIDED, about " in out and " seeds to go  all UNDECIDED" in out
    _, out, _ = reassay(capsys, "run", "c1", "--seeds", "12")
    assert out.rstrip().endswith("  E1a CONSISTENT  all CONSISTENT")


def test_list_shows_each_reading(filled: Path, capsys: Capture) -> None:
    (row,) = read(capsys, "list")
    (stream,) = row["streams"]
    assert [of["outcome"] for of in stream["readings"]] == ["CONSISTENT", "UNDECIDED", "UNDECIDED"]
    _, out, _ = reassay(capsys, "list")
    assert "E1a CONSISTENT" in " ".join(out.split())


def test_the_local_word_stays_the_whole_claims_and_readings_stand_beside_it(filled: Path) -> None:
    local = conclude(filled)
    assert local.local == "undecided"
    (experiment,) = local.detail["experiments"]
    rows: list[dict[str, Any]] = experiment["readings"]
    assert [(row["name"], row["outcome"]) for row in rows] == [
        ("E1a", "CONSISTENT"), ("E1b", "UNDECIDED"), ("E1", "UNDECIDED"),
    ]  # fmt: skip
    (shown,) = read_experiments(local.detail)
    assert [reading.outcome for reading in shown.claim_readings] == [
        "consistent", "undecided", "undecided",
    ]  # fmt: skip
    assert shown.claim_readings[0].statement == "The rate is high."
    assert summarise_experiment(shown).endswith(
        "read as E1a consistent, E1b undecided, E1 undecided"
    )


def test_a_verdict_of_before_readings_has_none() -> None:
    (shown,) = read_experiments({"experiments": [{"experiment": "e01", "estimands": []}]})
    assert shown.claim_readings == ()


def test_claims_show_prints_readings_with_their_statements(filled: Path, capsys: Capture) -> None:
    from db.models import ClaimRevision, Verdict

    with open_session(open_database(f"sqlite:///{filled / 'reassay.db'}")) as session:
        claim = session.exec(select(Claim)).first()
        assert claim is not None
        revision = ClaimRevision(
            claim_id=claim.id, number=1, statement="s", text="t", author="x", reason="r"
        )
        session.add(revision)
        session.flush()
        local = conclude(filled)
        session.add(
            Verdict(
                claim_id=claim.id, claim_revision_id=revision.id, headline="UNCHALLENGED",
                look=False, grounding="grounded", grounding_detail={}, literature="silent",
                literature_detail={}, local=local.local, local_detail=local.detail,
                transfer=local.transfer,
            )
        )  # fmt: skip
        session.commit()
    assert run_cli(["claims", "show", "c1"]) == 0
    out, _ = capsys.readouterr()
    assert "E1a CONSISTENT: The rate is high." in out
    assert "E1b UNDECIDED: The rate does not fall with size." in out
