"""``reassay retest list | explain | run | history``: output, JSON, exit codes, what names mean."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session

from db.engine import open_database, open_session
from db.errors import UsageError
from db.models import Claim, Note
from reassay.cli import run as run_cli
from retest.durations import describe_duration, parse_duration
from tests.fake_experiment import FakeExperiment, fake
from tests.inline_executor import InlineExecutor, inline
from tests.test_batch import is_running, wait_until

__all__ = ["fake", "inline"]

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: FakeExperiment) -> Path:
    """A home whose library holds one claim that the fake experiment bears on, and one other."""
    home = tmp_path / "home"
    monkeypatch.setenv("REASSAY_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture
def library(home: Path) -> Path:
    with open_session(open_database(f"sqlite:///{home / 'reassay.db'}")) as session:
        add_claim(session, "a-rate-above-a-half", "c1")
        add_claim(session, "something-else", "c2")
    return home


def add_claim(session: Session, slug: str, handle: str) -> None:
    note = Note(slug=slug, title=slug, summary="A note.")
    session.add(note)
    session.flush()
    session.add(Claim(handle=handle, slug=slug, note_id=note.id, statement="s", text="t"))
    session.commit()


def reassay(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    code = run_cli(["retest", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def read(capsys: Capture, *arguments: str) -> Any:
    code, out, err = reassay(capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


# --- run ------------------------------------------------------------------------------------------


def test_run_says_what_the_seeds_say(
    library: Path, inline: type[InlineExecutor], capsys: Capture
) -> None:
    code, out, err = reassay(capsys, "run", "c1", "--seeds", "3", "--jobs", "1")
    assert code == 0
    assert out.startswith("e01  control ok  canary ok  stream 1 seeds 0-2  rate 0.800 [")
    assert "UNDECIDED, about" in out and "seeds to go" in out
    assert "e01: seed 2 finished in 1 s" in err
    code, out, _ = reassay(capsys, "run", "c1", "--seeds", "9")
    assert "seeds 0-11" in out and "CONSISTENT" in out
    for word in ("prove", "refute", "confirm", "significant"):
        assert word not in out.lower()


def test_run_works_by_experiment_on_an_empty_library(
    home: Path, inline: type[InlineExecutor], capsys: Capture
) -> None:
    code, out, _ = reassay(capsys, "run", "e01", "--profile", "smoke", "--seeds", "1")
    assert code == 0
    assert "UNDECIDED (a smoke run never concludes)" in out
    assert reassay(capsys, "run", "--profile", "smoke", "--seeds", "1")[0] == 0
    streams = read(capsys, "list")[0]["streams"]
    assert [(s["profile"], s["seeds"]) for s in streams] == [("smoke", 2)]


def test_run_as_json(library: Path, inline: type[InlineExecutor], capsys: Capture) -> None:
    (row,) = read(capsys, "run", "c1", "--seeds", "2")["experiments"]
    assert (row["experiment"], row["seeds_run"], row["canary_ok"]) == ("e01", 2, True)


def test_run_without_a_budget_that_fits_runs_nothing_and_says_so(
    library: Path, inline: type[InlineExecutor], capsys: Capture
) -> None:
    code, out, err = reassay(capsys, "run", "c1", "--budget", "0.1s")
    assert code == 3
    assert "nothing was run: a seed takes about 0 s, more than was left of the budget" in out
    assert err.count("\n") == 1
    assert inline.started == []


def test_run_shows_a_missed_canary(
    library: Path, inline: type[InlineExecutor], capsys: Capture
) -> None:
    assert reassay(capsys, "run", "c1", "--seeds", "12")[0] == 0
    inline.script = {"loss": 9.9}
    code, out, err = reassay(capsys, "run", "c1", "--seeds", "1")
    assert code == 3
    assert "canary MISSED" in out and "INVALID" in out
    assert "its canary missed" in err


@pytest.mark.parametrize(
    "options",
    [
        ("--profile", "weekly"),
        ("--budget", "soon"),
        ("--budget", "0s"),
        ("--device", "tpu"),
        ("--executor", "cloud"),
        ("--seeds", "0"),
        ("--jobs", "0"),
        ("--speed", "9"),
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_one_line_and_exit_2(
    library: Path, inline: type[InlineExecutor], capsys: Capture, options: tuple[str, ...]
) -> None:
    code, out, err = reassay(capsys, "run", "c1", *options)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and "Traceback" not in err
    assert inline.started == []


def test_without_ray_one_line_says_what_to_install(
    library: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    for how in ("option", "setting"):
        if how == "setting":
            monkeypatch.setenv("REASSAY_EXECUTOR", "ray")
        option = ("--executor", "ray") if how == "option" else ()
        code, out, err = reassay(capsys, "run", "c1", *option)
        assert (code, out) == (2, "")
        assert "pip install 'reassay[ray]'" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--profile", "weekly"), "--profile 'weekly' is none of smoke, nightly, full"),
        (("--device", "tpu"), "--device 'tpu' is none of auto, cpu, cuda"),
        (("--executor", "cloud"), "--executor 'cloud' is none of local, ray"),
        (("--budget", "soon"), "'soon' is no duration: write 300s, 20m or 2h"),
        (("--seeds", "many"), "--seeds"),
    ],
    ids=" ".join,
)
def test_a_wrong_option_says_what_is_allowed(
    library: Path, capsys: Capture, options: tuple[str, ...], said: str
) -> None:
    assert said in reassay(capsys, "run", "c1", *options)[2]


def test_a_wrong_executor_in_the_settings_is_named(
    library: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REASSAY_EXECUTOR", "cloud")
    code, _, err = reassay(capsys, "run", "c1")
    assert code == 2 and "setting executor" in err and "'ray'" in err


# --- Dry run --------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_run_and_runs_nothing(
    library: Path, inline: type[InlineExecutor], capsys: Capture
) -> None:
    before = (library / "reassay.db").stat().st_size
    code, out, err = reassay(capsys, "run", "--dry-run", "--jobs", "1", "--budget", "2s")
    assert (code, err, inline.started) == (0, "", [])
    assert "no seed yet" in out and "0 s (planned)" in out
    assert "10 seeds in about 2 s, 1 at once, within 2 s, after 1 canaries" in out
    assert (library / "reassay.db").stat().st_size == before
    reassay(capsys, "run", "c1", "--seeds", "5")
    forecast = read(capsys, "run", "--dry-run", "--jobs", "2", "--budget", "3s")
    (row,) = forecast["experiments"]
    assert (row["seeds_so_far"], row["cost_s"], row["cost_from"]) == (5, 1.0, 5)
    assert row["seeds"] == row["seeds_to_go"] == 4 and len(forecast["order"]) == 4
    assert "last seed today, about 4 seeds to go of 1 s" in row["reason"]
    assert (forecast["budget_s"], forecast["jobs"], forecast["executor"]) == (3.0, 2, "local")
    asked = read(capsys, "run", "c1", "--dry-run", "--seeds", "3")
    assert asked["experiments"][0]["reason"] == "3 seeds were asked for"
    assert (asked["experiments"][0]["seeds"], asked["budget_s"]) == (3, None)


def test_what_rests_is_said_before_and_after(
    library: Path, inline: type[InlineExecutor], capsys: Capture
) -> None:
    reassay(capsys, "run", "c1", "--seeds", "30")
    (row,) = read(capsys, "run", "--dry-run")["experiments"]
    assert (row["seeds"], row["standing"]) == (0, "watch")
    inline.started.clear()
    code, out, _ = reassay(capsys, "run")
    assert (code, inline.started) == (0, ["canary"])
    assert "rests: CONSISTENT is established; watched every 30 days, last seed today" in out


# --- Ctrl-C ---------------------------------------------------------------------------------------


CLI = """
import sys
from retest.experiments import MODULES
MODULES.clear()
MODULES["e01"] = "fake_e01"
from reassay.cli import main
if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("sent", ["SIGINT", "SIGTERM"])
def test_a_run_that_is_broken_off_is_one_line_and_leaves_no_process(
    library: Path, fake: FakeExperiment, tmp_path: Path, sent: str, capsys: Capture
) -> None:
    fake.stand_in_for_torch()
    fake.script(s1="hang once", s2="hang once")
    script = tmp_path / "cli.py"
    script.write_text(CLI)
    paths = os.pathsep.join([str(Path(__file__).parent.parent), str(fake.folder)])
    command = [sys.executable, str(script), "retest", "run", "e01", "--seeds", "4", "--jobs", "2"]
    process = subprocess.Popen(
        [*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": paths}, start_new_session=True,
    )  # fmt: skip
    wait_until(lambda: {1, 2} <= set(fake.tried()), 60)
    if sent == "SIGINT":
        os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to workers too
    else:
        process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "Traceback" not in err and "KeyboardInterrupt" not in err
    assert err.splitlines()[-1] == (
        "reassay: interrupted: 1 seeds are kept, and 2 under way were given up; they run again "
        "under their own numbers next time"
    )
    summary = json.loads(out)
    assert (summary["given_up"], summary["experiments"][0]["seeds_run"]) == (2, 1)
    wait_until(lambda: not any(is_running(pid) for pid in fake.pids()), 10)
    (stream,) = read(capsys, "history", "e01")
    assert [(s["seed"], s["status"], s["error"]) for s in stream["seeds"]] == [
        (0, "finished", None), (1, "failed", "interrupted"), (2, "failed", "interrupted"),
    ]  # fmt: skip


# --- The bar --------------------------------------------------------------------------------------


def test_on_a_terminal_there_is_a_bar_with_seeds_and_interval(
    library: Path, inline: type[InlineExecutor], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    code, out, err = reassay(capsys, "run", "c1", "--seeds", "3", "--jobs", "1")
    assert code == 0 and out.startswith("e01  control ok")
    for text in ("e01", "/3", "rate 0.800 [", "left", "seed 2 finished"):
        assert text in err, text
    assert "\x1b[?25h" in err, "the cursor is given back"
    code, out, err = reassay(capsys, "run", "c1", "--seeds", "1", "--json")
    assert "\x1b" not in err and json.loads(out)["experiments"]


def test_without_a_terminal_there_are_plain_lines(
    library: Path, inline: type[InlineExecutor], capsys: Capture
) -> None:
    err = reassay(capsys, "run", "c1", "--seeds", "2", "--jobs", "1")[2]
    assert "\x1b" not in err
    assert err.splitlines() == [
        "e01: canary ok", "e01: seed 0 finished in 1 s", "e01: seed 1 finished in 1 s",
    ]  # fmt: skip


# --- Names ----------------------------------------------------------------------------------------


def test_a_claim_answers_to_handle_slug_part_and_experiment(library: Path, capsys: Capture) -> None:
    for name in ("c1", "above-a-half", "e01", "E01", " c1 "):
        assert read(capsys, "explain", name)[0]["experiment"] == "e01"


def test_a_claim_handle_wins_over_an_experiment(library: Path, capsys: Capture) -> None:
    with open_session(open_database(f"sqlite:///{library / 'reassay.db'}")) as session:
        add_claim(session, "named-like-an-experiment", "e01")
    code, _, err = reassay(capsys, "explain", "e01")
    assert code == 1
    assert "no experiment bears on e01 (named-like-an-experiment)" in err


@pytest.mark.parametrize("command", ["explain", "history", "run"])
@pytest.mark.parametrize(
    ("name", "message"),
    [("c2", "no experiment bears on c2"), ("zzz", "no claim 'zzz'")],
)
def test_what_has_no_experiment_is_one_line_and_exit_1(
    library: Path, capsys: Capture, command: str, name: str, message: str
) -> None:
    code, out, err = reassay(capsys, command, name)
    assert (code, out) == (1, "")
    assert message in err and err.count("\n") == 1


# --- list, explain, history -----------------------------------------------------------------------


def test_list_names_experiments_claims_and_streams(
    library: Path, inline: type[InlineExecutor], capsys: Capture
) -> None:
    (row,) = read(capsys, "list")
    assert (row["experiment"], row["claims"], row["streams"]) == ("e01", ["c1"], [])
    reassay(capsys, "run", "c1", "--seeds", "12")
    (stream,) = read(capsys, "list")[0]["streams"]
    assert (stream["profile"], stream["seeds"]) == ("nightly", 12)
    assert stream["latched_outcome"] == stream["outcome"] == "CONSISTENT"
    assert (stream["seeds_to_go"], stream["cost_s"], stream["standing"]) == (0, 1.0, "watch")
    assert stream["last_seed_at"] is not None and stream["is_present"]
    assert row["reach"] == 1, "one claim is bound to it, and no line refers to it"
    code, out, err = reassay(capsys, "list")
    assert (code, err) == (0, "")
    assert "nightly: 12, CONSISTENT" in out and "A rate" in out


def test_list_shows_a_stream_in_the_middle_and_one_of_older_code(
    library: Path,
    inline: type[InlineExecutor],
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    fake: FakeExperiment,
) -> None:
    reassay(capsys, "run", "c1", "--seeds", "5")
    fake.module.write_text(fake.module.read_text() + "# changed\n")
    reassay(capsys, "run", "c1", "--seeds", "3")
    old, new = read(capsys, "list")[0]["streams"]
    assert (old["standing"], old["is_present"], old["seeds_to_go"]) == ("closed", False, None)
    assert (new["standing"], new["outcome"], new["seeds"]) == ("live", "UNDECIDED", 3)
    assert new["seeds_to_go"] >= 1 and "seeds to go" in new["why"]
    assert f"nightly: 3, UNDECIDED, about {new['seeds_to_go']} to go" in reassay(capsys, "list")[1]


def test_explain_prints_what_was_fixed_beforehand(library: Path, capsys: Capture) -> None:
    code, out, _ = reassay(capsys, "explain", "c1")
    assert code == 0
    for text in ("at least 0.5, margin 0.05", "alpha = 0.05", "learned at least 0.95",
                 "never concludes", "cannot show  anything", "first 63 bits"):  # fmt: skip
        assert text in out, text
    (record,) = read(capsys, "explain", "c1")
    assert len(record["hash"]) == 64 and record["estimands"][0]["name"] == "rate"


def test_history_lists_every_seed(
    library: Path, inline: type[InlineExecutor], capsys: Capture
) -> None:
    code, out, err = reassay(capsys, "history", "c1")
    assert (code, out) == (0, "") and "no seed has run yet" in err
    inline.script = {"1": "failed"}
    reassay(capsys, "run", "c1", "--seeds", "2", "--jobs", "1")
    (stream,) = read(capsys, "history", "c1")
    assert [seed["status"] for seed in stream["seeds"]] == ["finished", "failed", "finished"]
    assert stream["seeds"][0]["estimates"] == {"rate": 0.8}
    assert (stream["canaries"], stream["canaries_missed"]) == (1, 0)
    code, out, _ = reassay(capsys, "history", "c1")
    assert code == 0
    assert "rate 0.800" in out and "failed: x" in out and "learned 1.000 ok" in out


@pytest.mark.parametrize("command", ["list", "explain", "run", "history", "samples"])
def test_every_command_has_help_with_an_example(capsys: Capture, command: str) -> None:
    code, out, _ = reassay(capsys, command, "--help")
    assert code == 0
    assert "Example: reassay retest" in out and "--json" in out


# --- Durations ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"), [("300s", 300), ("5m", 300), ("1h", 3600), ("1.5h", 5400), ("45", 45)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5m", "5 d", "0s", "nan", "inf", "1e3s", "5m3s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no duration"):
        parse_duration(text)


def test_durations_are_described() -> None:
    assert [describe_duration(s) for s in (5, 600, 7200)] == ["5 s", "10 min", "2.0 h"]
