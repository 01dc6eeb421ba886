"""Tying anchors by a person's word, suggesting them, and asking arXiv for them."""

import json
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from claims.anchoring import tie_anchor
from claims.audit import audit_claim
from claims.edit_journal import Signature
from claims.importing import import_text
from claims.queries import find_claim
from claims.suggestions import suggest_sources
from claims.undoing import undo_edit
from db.engine import open_session
from db.errors import AnchorRefused
from db.models import Anchor, Edit, HarvestWindow, Paper
from ingest.commands.audit import ask_for_anchors
from reassay.cli import run
from tests.documents import ANCHORS, write_line
from tests.papers_and_claims import add_paper

TODAY = date(2026, 11, 24)
ME = Signature("me", "its title says so")


@pytest.fixture
def library(any_engine: Engine) -> Engine:
    with open_session(any_engine) as session:
        import_text(session, write_line(), "test")
        add_paper(session, "2305.00001", "Heat", "We find that heat trades off against practice.")
    return any_engine


def anchors_of(session: Session, handle: str) -> list[Anchor]:
    note_id = find_claim(session, handle).note_id
    return list(session.exec(select(Anchor).where(Anchor.note_id == note_id)))


def test_a_new_id_becomes_an_anchor_once(library: Engine) -> None:
    with open_session(library) as session:
        claim = find_claim(session, "c1")
        tied = tie_anchor(session, claim, "arXiv:2305.00001v2", ME, TODAY)
        assert (tied.is_created, tied.changed, tied.title) == (True, True, "Heat")
        again = tie_anchor(session, claim, "2305.00001", ME, TODAY)
        assert (again.changed, again.edit_id) == (False, None)
        anchor = anchors_of(session, "c1")[0]
        assert (anchor.version, anchor.state, anchor.tied_by) == (2, "title-checked", "me")
        edit = session.exec(select(Edit)).one()
        assert (edit.kind, edit.author) == ("anchor", "me")
        assert edit.before == {"anchor_id": anchor.id, "created": True}
        assert audit_claim(session, find_claim(session, "c1"), TODAY).grounding == "grounded"


def test_a_listed_id_is_tied_and_can_be_undone(library: Engine) -> None:
    with open_session(library) as session:
        listed = session.exec(select(Anchor).where(Anchor.arxiv_id == "2603.23004")).one()
        assert listed.note_id is None
        tied = tie_anchor(session, find_claim(session, "c1"), "2603.23004", ME, TODAY)
        assert (tied.is_created, tied.is_stored) == (False, False)
        edit = session.exec(select(Edit)).one()
        assert edit.before == {"anchor_id": listed.id, "note_id": None, "tied_by": None}
        assert [a.id for a in anchors_of(session, "c1")] == [listed.id]
        undo_edit(session, ME)
        assert anchors_of(session, "c1") == []


def test_an_id_of_another_note_is_shared_not_stolen(library: Engine) -> None:
    with open_session(library) as session:
        tied = tie_anchor(session, find_claim(session, "c1"), "2505.13379", ME, TODAY)
        assert tied.is_created
        assert len(anchors_of(session, "c1")) == len(anchors_of(session, "c3")) == 1


@pytest.mark.parametrize(
    ("handle", "text", "says"),
    [
        ("c1", "2513.00001", "cannot be an arXiv id"),
        ("c1", "lemons", "cannot be an arXiv id"),
        ("c1", "2612.00001", "has not come yet"),
        ("c1", "2501.99999", "has no such paper"),
        ("c2", "2305.00001", "is a hub"),
    ],
)
def test_a_broken_id_is_refused(library: Engine, handle: str, text: str, says: str) -> None:
    with open_session(library) as session:
        session.add(
            HarvestWindow(
                source="api", purpose="anchors", query="", is_complete=True,
                detail={"missing": ["2501.99999"]},
            )
        )  # fmt: skip
        session.commit()
        with pytest.raises(AnchorRefused, match=says):
            tie_anchor(session, find_claim(session, handle), text, ME, TODAY)
        assert session.exec(select(Edit)).all() == []


def test_a_new_import_keeps_what_a_person_tied(library: Engine) -> None:
    with open_session(library) as session:
        tie_anchor(session, find_claim(session, "c1"), "2305.00001", ME, TODAY)
        tie_anchor(session, find_claim(session, "c1"), "2603.23004", ME, TODAY)
        changed = write_line(anchors=(ANCHORS[1], "arXiv:2601.00001 (Jan 2026) — Ducks"))
        import_text(session, changed, "test")
        ids = {anchor.arxiv_id: anchor.tied_by for anchor in anchors_of(session, "c1")}
        assert ids == {"2305.00001": "me", "2603.23004": "me"}
        for edit in session.exec(select(Edit)):
            anchor = session.get_one(Anchor, edit.before["anchor_id"])
            assert anchor.arxiv_id == edit.after["arxiv_id"]


def test_the_named_work_comes_before_its_like(library: Engine) -> None:
    alike = (("2304.00001", ["B. Bee"]), ("2305.00002", ["Ada Ada"]), ("2405.00003", ["Ada Ada"]))
    with open_session(library) as session:
        for arxiv_id, authors in alike:
            paper = add_paper(session, arxiv_id, "On practice", "We study warm hands.")
            paper.authors = authors
            session.add(paper)
        session.commit()
        rows = suggest_sources(session, find_claim(session, "c1"), 9)
        ids = [row.arxiv_id for row in rows if row.arxiv_id in dict(alike)]
        assert ids == ["2305.00002", "2304.00001", "2405.00003"]
        reasons = next(row.reasons for row in rows if row.arxiv_id == "2305.00002")
        assert "Ada is first author, submitted in 2023, as the note says" in reasons


def test_the_first_paper_with_a_name_is_suggested_first(any_engine: Engine) -> None:
    notes = [("Does it sort?", "KettleSort orders decks of cards by the warmth of each card.")]
    with open_session(any_engine) as session:
        import_text(session, write_line(notes=notes), "test")
        add_paper(session, "2502.00001", "Sorting by warmth", "We present KettleSort, for decks.")
        add_paper(session, "2602.00001", "After", "We use KettleSort for decks of cards.")
        for n in range(5):
            add_paper(session, f"2503.0000{n}", "Decks", "We order decks of cards by warmth.")
        rows = suggest_sources(session, find_claim(session, "c1"))
        assert rows[0].arxiv_id == "2502.00001"
        assert "KettleSort in its abstract" in rows[0].reasons
        assert "the first of 2 stored papers with KettleSort" in rows[0].reasons


def test_online_asks_for_known_ids_too(library: Engine, tmp_path: Path) -> None:
    from tests.arxiv_server import InventedPaper, run_arxiv_server
    from tests.test_harvest import Setup, open_api

    with open_session(library) as session:
        add_paper(session, "2505.13379", "Ordered decks", "We find that decks help.")
    papers = [
        InventedPaper("2505.13379", "2025-05-19", "Ordered decks", "We find little.", version=2),
        InventedPaper("2603.23004", "2026-03-24", "Cold kettles", "We find that cold helps."),
    ]
    with run_arxiv_server(papers) as server:
        summary = ask_for_anchors(library, Setup(tmp_path), None, open_api(server, tmp_path))
    assert summary.unanswered == []
    with open_session(library) as session:
        versions = {p.arxiv_id: p.version for p in session.exec(select(Paper))}
        assert (versions["2505.13379"], versions["2603.23004"]) == (2, 1)


def test_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REASSAY_HOME", str(tmp_path / "home"))
    (tmp_path / "line.txt").write_text(write_line())
    papers = [{"id": "2305.00001", "title": "Heat", "abstract": "Heat trades off with practice."}]
    (tmp_path / "papers.jsonl").write_text("".join(json.dumps(p) + "\n" for p in papers))
    assert run(["import", "line.txt"]) == run(["papers", "load", "papers.jsonl"]) == 0
    capsys.readouterr()
    assert run(["claims", "anchor", "c1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["arxiv_id"] == "2305.00001"
    assert run(["claims", "anchor", "c1"]) == 0
    assert "shares" in capsys.readouterr().out
    assert run(["claims", "anchor", "c1", "2305.00001", "--why", "read it", "--author", "me"]) == 0
    assert "tied to arXiv:2305.00001" in capsys.readouterr().out
    assert run(["claims", "anchor", "c1", "2305.00001", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changed"] is False
    assert run(["claims", "anchor", "c3", "2513.00001"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert run(["claims", "anchor", "c3", "2401.00001"]) == 0
    assert "the store lacks 2401.00001" in capsys.readouterr().err
    assert run(["claims", "audit", "--line", "kettle"]) == 0
    shown = capsys.readouterr().out
    assert "c1    grounded" in shown
    assert "unanchored" in shown or "source-unread" in shown
    assert run(["claims", "audit", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in rows][:3] == ["c1", "c2", "c3"]
    assert rows[0]["source"]["arxiv_id"] == "2305.00001"
    for command in (["impact", "c1"], ["stale"]):
        assert run(["claims", *command]) == 0
        assert capsys.readouterr().out.strip()
