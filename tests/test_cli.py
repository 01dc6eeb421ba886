"""The command line as a contract: help, exit codes, one-line errors, JSON."""

import json
import os
from pathlib import Path

import pytest

from reassay.cli import run
from reassay.command_table import COMMANDS, Entry
from tests.documents import write_line

ALL = [
    (*((group,) if isinstance(entry, Entry) else (group, name)),)
    for group, entry in COMMANDS.items()
    for name in (entry if isinstance(entry, dict) else [""])
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REASSAY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def line(tmp_path: Path) -> Path:
    file = tmp_path / "line.txt"
    file.write_text(write_line())
    return file


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help_with_an_example(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Example: reassay {' '.join(path)}" in " ".join(text.split()).replace(
        "--home ~/claims ", ""
    )


def test_import_and_read_back(line: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", str(line), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)["documents"][0]
    assert {"path", "line", "notes", "claims", "findings", "anchors", "tasks", "warnings"} <= set(
        document
    )
    assert document["changed"] is True
    assert run(["claims", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in rows] == ["c1", "c2", "c3"]
    assert set(rows[0]) >= {
        "id", "slug", "statement", "headline", "grounding", "literature", "local", "transfer",
        "dated", "anchors", "lines",
    }  # fmt: skip
    for command in (["show", "c3"], ["history", "c3"], ["search", "decks"]):
        assert run(["claims", *command]) == 0
        assert capsys.readouterr().out.strip()
        assert run(["claims", *command, "--json"]) == 0
        json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["claims", "show", "c99"], 1, "no claim 'c99'"),
        (["claims", "list", "--line", "nope"], 1, "is no line"),
        (["claims", "list", "--headline", "wrong"], 2, "is no headline"),
        (["claims", "list", "--since", "soon"], 2, "YYYY-MM-DD"),
        (["claims", "nope"], 2, "No such command"),
        (["nope"], 2, "No such command"),
        (["import"], 2, "PATH"),
        (["import", "missing.txt"], 1, "does not exist"),
        (["night", "run", "--profile", "huge"], 2, "smoke, nightly, full"),
        (["night", "run", "--budget", "lots"], 2, "300s"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert captured.out == ""


def test_one_bad_document_does_not_stop_the_others(
    line: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", "missing.txt", str(line)]) == 1
    assert run(["claims", "list", "--json"]) == 0
    assert "c3" in capsys.readouterr().out


def test_a_damaged_database_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir()
    (home / "reassay.db").write_text("this is no database" * 100)
    assert run(["claims", "list"]) == 1
    assert "is damaged" in capsys.readouterr().err


def test_a_database_damaged_inside_is_named(
    line: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", str(line)]) == 0
    file = home / "reassay.db"
    data = bytearray(file.read_bytes())
    data[8192:] = b"\xff" * (len(data) - 8192)  # all but the header and the schema's first page
    file.write_bytes(bytes(data))
    for extra in home.glob("reassay.db-*"):
        extra.unlink()
    capsys.readouterr()
    assert run(["claims", "list"]) == 1
    error = capsys.readouterr().err
    assert "damaged" in error
    assert len(error.strip().splitlines()) == 1


def test_a_group_called_bare_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["claims"]) == 2
    assert "Usage: reassay claims" in capsys.readouterr().out


def test_an_unwritable_home_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REASSAY_HOME", str(tmp_path / "file" / "home"))
    assert run(["init"]) == 1
    assert "REASSAY_HOME" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("REASSAY_COLOUR", "red", "unknown setting REASSAY_COLOUR"),
        ("REASSAY_ARXIV_DELAY_S", "1", "loopback"),
        ("REASSAY_ARXIV_DELAY_S", "soon", "arxiv_delay_s"),
    ],
)
def test_wrong_settings_are_usage_errors(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv(name, value)
    assert run(["init"]) == 2
    assert says in capsys.readouterr().err


def test_settings_come_from_file_then_environment_then_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reassay.settings import read_settings

    Path("reassay.toml").write_text('judge = "from-file"\ndevice = "cpu"\n')
    environment = {k: v for k, v in os.environ.items() if k.startswith("REASSAY_HOME")}
    settings = read_settings({**environment, "REASSAY_JUDGE": "from-env"}, {"home": tmp_path / "f"})
    assert (settings.judge, settings.device, settings.home) == ("from-env", "cpu", tmp_path / "f")
    assert str(tmp_path / "f" / "reassay.db") in settings.database_url


def test_an_unknown_key_in_the_file_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("reassay.toml").write_text("colour = 1\n")
    assert run(["init"]) == 2
    assert "colour" in capsys.readouterr().err


def test_a_smaller_delay_is_accepted_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASSAY_ARXIV_DELAY_S", "0")
    monkeypatch.setenv("REASSAY_ARXIV_API_URL", "http://127.0.0.1:9/api/query")
    monkeypatch.setenv("REASSAY_ARXIV_OAI_URL", "http://localhost:9/oai")
    assert run(["init"]) == 0


def test_debug_shows_the_traceback() -> None:
    from db.errors import ClaimNotFound

    with pytest.raises(ClaimNotFound):
        run(["--debug", "claims", "show", "c9"])
