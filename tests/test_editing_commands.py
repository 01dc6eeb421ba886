"""Editing, export and restore from the command line."""

import getpass
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from reassay.cli import run
from tests.documents import write_line

WHY = ["--why", "because", "--author", "ada"]


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REASSAY_HOME", str(tmp_path / "home"))
    (tmp_path / "line.txt").write_text(write_line())
    assert run(["import", "line.txt"]) == 0
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    code = run(list(arguments))
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return captured.out


def answer_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(answer(capsys, *arguments, "--json"))


def test_a_session_of_edits(capsys: pytest.CaptureFixture[str]) -> None:
    assert "revision 2" in answer(capsys, "claims", "reword", "c3", "Anew.", *WHY)
    pairs = ["--scope", "task=sorting", "--scope", "n=3", "--found-to", "2026-03"]
    edit = answer_json(capsys, "claims", "edit", "c3", "--insight", "It helps.", *pairs, *WHY)
    assert (edit["kind"], edit["author"], edit["why"]) == ("edit", "ada", "because")
    assert "split into c4, c5: because" in answer(
        capsys, "claims", "split", "c2", "One.", "Two.", *WHY
    )
    assert "merged into c3" in answer(capsys, "claims", "merge", "c4", "c3", *WHY)
    assert "retired" in answer(capsys, "claims", "retire", "c5", *WHY)
    shown = answer(capsys, "claims", "show", "c4")
    assert "retired     " in shown
    assert "went to     c3" in shown
    assert "went to     c4" in answer(capsys, "claims", "show", "c2")
    assert "retire of c5 by ada (because)" in answer(capsys, "claims", "undo", *WHY)
    history = answer(capsys, "claims", "history", "c5")
    assert "split of c2 into c4, c5 by ada" in history
    assert "taken back" in history
    events = answer_json(capsys, "claims", "history", "c3")
    assert [event["event"] for event in events].count("edit") == 3


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["reword", "c3", "Anew."], 2, "--why"),
        (["reword", "c3", "Anew.", "--why", " "], 1, "needs an author and a reason"),
        (["reword", "c3", " ", *WHY], 1, "plain text"),
        (["edit", "c3", *WHY], 2, "nothing to change"),
        (["edit", "c3", "--scope", "task", *WHY], 2, "KEY=VALUE"),
        (["edit", "c3", "--found-from", "May", *WHY], 1, "is no date"),
        (["split", "c3", "One.", *WHY], 1, "at least two"),
        (["merge", "c3", "c3", *WHY], 1, "into itself"),
        (["retire", "c9", *WHY], 1, "no claim 'c9'"),
        (["undo", *WHY], 1, "nothing to take back"),
        (["export", "--format", "docx"], 2, "there are json"),
        (["export", "--format", "obsidian"], 2, "--vault"),
        (["export", "--vault", "."], 2, "--vault"),
        (["export", "--format", "obsidian", "--vault", "nowhere"], 1, "no folder"),
        (["export", "--format", "trig", "--base", "not a uri"], 1, "no URI"),
        (["export", "--line", "nope"], 1, "is no line"),
        (["export", "--out", "no/where.json"], 1, "cannot write"),
        (["restore", "line.txt"], 1, "not JSON"),
        (["restore", "missing.json"], 1, "cannot read"),
        (["search", "decks", "--in", "books"], 2, "there are claims"),
    ],
)
def test_refusals_are_one_line(
    arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(["claims", *arguments]) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert captured.out == ""


def test_the_author_is_the_login_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "grace")
    edit = answer_json(capsys, "claims", "retire", "c1", "--why", "because")
    assert edit["author"] == "grace"

    def fail() -> str:
        raise OSError("no username set in the environment")

    monkeypatch.setattr(getpass, "getuser", fail)
    assert run(["claims", "retire", "c2", "--why", "because"]) == 2
    assert "--author NAME" in capsys.readouterr().err


def test_export_restore_export(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "claims", "reword", "c3", "Änew “quoted”.", *WHY)
    first = answer(capsys, "claims", "export")
    answer(capsys, "claims", "export", "--out", "library.json")
    assert (library / "library.json").read_text(encoding="utf-8") == first
    assert run(["claims", "restore", "library.json"]) == 1
    assert "not empty" in capsys.readouterr().err
    elsewhere = ["--home", str(library / "elsewhere"), "claims"]
    assert "claims 3" in answer(capsys, *elsewhere, "restore", "library.json")
    assert answer(capsys, *elsewhere, "export") == first


def test_every_form_goes_to_stdout(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (library / "Can heat replace practice?.md").write_text("Text.\n")
    assert answer(capsys, "claims", "export", "--format", "csv").startswith("id,slug,")
    assert "nanopub" in answer(capsys, "claims", "export", "--format", "trig")
    assert answer(capsys, "claims", "export", "--format", "bibtex") == ""  # nothing was fetched
    patch = answer(capsys, "claims", "export", "--format", "obsidian", "--vault", ".")
    assert "+status: unchecked" in patch


def test_what_to_install_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rdflib", None)
    assert run(["claims", "export", "--format", "trig"]) == 2
    assert "pip install 'reassay[rdf]'" in capsys.readouterr().err


def test_search_in_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    rows = answer_json(capsys, "claims", "search", "decks", "--in", "claims,notes,papers")
    assert {row["kind"] for row in rows} == {"claims", "notes"}
    for row in rows:
        start, end = row["spans"][0]
        assert row["excerpt"][start:end].lower() in {"deck", "decks"}
    assert "[" in answer(capsys, "claims", "search", "decks")
