"""What ``retest explain`` and ``retest history`` show of versions, nights and drift."""

import sqlite3
from pathlib import Path

import pytest

from db.engine import open_database, open_session
from retest.experiments import load_experiment
from retest.protocol import Protocol
from retest.registration import register_protocol
from tests.fake_experiment import fake, make_protocol
from tests.inline_executor import InlineExecutor, inline
from tests.test_retest_commands import home, library, read, reassay

__all__ = ["fake", "home", "inline", "library"]

Capture = pytest.CaptureFixture[str]


def amend(monkeypatch: pytest.MonkeyPatch, before: Protocol, why: str) -> None:
    """Let the code hold a second version."""
    after = make_protocol(version=2, previous_hash=before.hash(), amendment=why)
    monkeypatch.setattr(load_experiment("e01"), "PROTOCOL", after)


def test_explain_shows_what_a_version_amended_and_why(
    library: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    engine = open_database(f"sqlite:///{library / 'reassay.db'}")
    first = make_protocol(alpha=0.1)
    with open_session(engine) as session:
        register_protocol(session, first)
    amend(monkeypatch, first, "one in ten is too many")
    code, out, _ = reassay(capsys, "explain", "c1")
    assert code == 0
    assert "one-sided, bounded data" in out
    assert f"amends {first.hash()[:12]}: one in ten is too many" in out
    assert "alpha: 0.1 -> 0.05" in out
    assert "version 2" in out and "never run in this library" in out
    (record,) = read(capsys, "explain", "c1")
    assert [link["version"] for link in record["chain"]] == [2, 1]
    assert record["chain"][0]["changed"] == ["alpha: 0.1 -> 0.05"]


def test_history_shows_earlier_versions_nights_and_drift(
    library: Path,
    inline: type[InlineExecutor],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    assert reassay(capsys, "run", "c1", "--seeds", "2")[0] == 0
    before = make_protocol()
    amend(monkeypatch, before, "another margin")
    assert reassay(capsys, "run", "c1", "--seeds", "3")[0] == 0
    old, new = read(capsys, "history", "c1")
    assert [(row["version"], row["n"]) for row in (old, new)] == [(1, 2), (2, 3)]
    assert (old["protocol_hash"], new["amends"]) == (before.hash(), before.hash())
    assert new["amendment"] == "another margin"
    assert new["night_effect"]["unit"] == "seed" and new["drift"] == []
    code, out, _ = reassay(capsys, "history", "c1")
    assert code == 0
    assert "e01 version 1" in out and "e01 version 2" in out
    assert "nights    1, too few to tell whether nights differ; unit seed, n = 3" in out
    assert "drift none seen" in out


def test_history_names_a_drift(
    library: Path, inline: type[InlineExecutor], capsys: Capture
) -> None:
    """Seeds of fifty days, the last of them moved, as if time had passed."""
    assert reassay(capsys, "run", "c1", "--seeds", "50", "--jobs", "1")[0] == 0
    ledger = sqlite3.connect(library / "reassay.db")
    day = "datetime('2026-01-01', '+' || seed_index || ' day')"
    ledger.execute(f"update seed_run set started_at = {day}")
    ledger.execute(
        "update seed_run set measures = json_set(measures, '$.estimates.rate', 0.6) "
        "where seed_index >= 25"
    )
    ledger.commit()
    ledger.close()
    (row,) = read(capsys, "history", "c1")
    assert (row["outcome"], row["latched_outcome"]) == ("INVALID", "CONSISTENT")
    assert (row["drift"][0]["since"], row["night_effect"]["nights"]) == (26, 50)
    _, out, _ = reassay(capsys, "history", "c1")
    assert "nights    50, one seed each, so that seeds are nights; unit seed, n = 50" in out
    assert "drift rate" in out
    assert "note      rate drifts: its mean went from 0.8 to 0.6 since night 26" in out


def test_a_run_under_a_changed_protocol_is_refused(
    library: Path,
    inline: type[InlineExecutor],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    assert reassay(capsys, "run", "c1", "--seeds", "1")[0] == 0
    monkeypatch.setattr(load_experiment("e01"), "PROTOCOL", make_protocol(alpha=0.2))
    code, _, err = reassay(capsys, "run", "c1", "--seeds", "1")
    assert code == 1
    assert "e01 version 1 differs from what was registered" in err
    monkeypatch.setattr(load_experiment("e01"), "PROTOCOL", make_protocol(version=2))
    code, _, err = reassay(capsys, "run", "c1", "--seeds", "1")
    assert code == 1 and "say in amendment why it was changed" in err
    (stream,) = read(capsys, "history", "c1")
    assert [seed["seed"] for seed in stream["seeds"]] == [0]
