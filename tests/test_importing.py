"""Documents into the library, on both databases; and the seed that a user handed over."""

from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, func, select

from claims import importing
from claims.documents import normalise_text
from claims.importing import ImportedDocument, import_file, import_text
from claims.queries import find_claim, find_line, list_claims
from claims.reading import read_claim, read_history
from claims.starter import import_starter
from db.engine import open_session
from db.errors import ClaimNotFound, DocumentRefused, LineNotFound
from db.models import Anchor, Claim, ClaimRevision, Finding, ImportWarning, Line, Note, Task
from tests.documents import NOTES, write_line

TABLES = (Line, Note, Claim, ClaimRevision, Finding, Anchor, Task, ImportWarning)


def load(session: Session, text: str, source: str = "test") -> ImportedDocument:
    return import_text(session, normalise_text(text), source)


def count_rows(session: Session) -> dict[str, int]:
    return {
        table.__name__: session.exec(select(func.count()).select_from(table)).one()
        for table in TABLES
    }


def test_importing_twice_changes_nothing(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        first = load(session, write_line())
        rows = count_rows(session)
        again = load(session, write_line(gap="\n"))
        assert (first.is_new, first.changed) == (True, True)
        assert (again.is_new, again.changed) == (False, False)
        assert again.warnings == first.warnings
        assert count_rows(session) == rows


def test_a_changed_note_makes_a_revision(any_engine: Engine) -> None:
    changed = [(NOTES[0][0], "Heat never replaces practice."), *NOTES[1:]]
    with open_session(any_engine) as session:
        load(session, write_line())
        again = load(session, write_line(notes=changed))
        claim = find_claim(session, "c1")
        assert (again.changed, claim.revision_number) == (True, 2)
        assert claim.statement == "Heat never replaces practice."
        assert [event["revision"] for event in read_history(session, claim)] == [1, 2]
        assert count_rows(session)["Finding"] == 2


def test_a_note_of_two_lines_is_one_claim_and_keeps_its_wording(any_engine: Engine) -> None:
    other = [(NOTES[0][0], "Worded otherwise elsewhere.")]
    with open_session(any_engine) as session:
        load(session, write_line())
        second = load(session, write_line("Is a cold kettle worse?", notes=other))
        rows = list_claims(session)
        assert len(rows) == 3
        assert len(rows[0].lines) == 2
        assert rows[0].statement.startswith("Ada et al.")
        assert "note-wording" in [warning.code for warning in second.warnings]


def test_a_failed_import_leaves_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(importing, "_store_parts", fail)
    with open_session(engine) as session:
        with pytest.raises(RuntimeError):
            load(session, write_line())
        assert sum(count_rows(session).values()) == 0


def test_claims_answer_to_handle_and_slug_part(session: Session) -> None:
    load(session, write_line())
    assert find_claim(session, "C2").handle == "c2"
    assert find_claim(session, "order-matter").handle == "c3"
    for name in ("c9", "heat", "", "%", "100%_"):
        with pytest.raises(ClaimNotFound):
            find_claim(session, name)
    with pytest.raises(LineNotFound):
        find_line(session, "nothing")
    assert find_line(session, "warmer-kettle").topic == "kettles"


def test_a_claim_shows_its_sources(session: Session) -> None:
    load(session, write_line())
    state = read_claim(session, find_claim(session, "c3"))
    assert state["anchors"] == ["2505.13379"]
    assert state["sources"][0]["title"] is None
    assert state["numbers"][0]["text"] == "up to 42%"


def test_the_starter_library_has_the_shape_of_the_seed(session: Session) -> None:
    check_counts(import_starter(session))
    assert not import_starter(session).changed


@pytest.mark.real_data
def test_the_seed(session: Session, test_data: Path) -> None:
    seed = test_data / "seed" / "inference-compute-substitution.txt"
    imported = import_file(session, seed)
    check_counts(imported)
    months = session.exec(select(Anchor.month_stated, Anchor.month_from_id)).all()
    assert all(stated == from_id for stated, from_id in months)
    assert (
        "2502.05171"
        in next(w for w in imported.warnings if w.code == "anchor-without-note").message
    )
    assert not import_file(session, seed).changed


@pytest.mark.real_data
@pytest.mark.parametrize(
    "name", ["s01_canonical.txt", "s02_variant_b_short.txt", "s06_no_prompt.txt"]
)
def test_example_documents(session: Session, test_data: Path, name: str) -> None:
    import json

    expected = json.loads((test_data / "documents" / "expected" / f"{name}.json").read_text())
    imported = import_file(session, test_data / "documents" / name)
    line = session.exec(select(Line)).one()
    assert line.question == expected["question"]
    assert line.essay == expected["essay"]
    assert line.topic == expected["topic"]
    assert [n.title for n in session.exec(select(Note)).all()] == [
        note["title"] for note in expected["notes"]
    ]
    assert [
        (f.text, f.found_from, [n["text"] for n in f.numbers])
        for f in session.exec(select(Finding)).all()
    ] == [(f["text"], f["date"]["start"], f["numbers"]) for f in expected["findings"]]
    assert [(a.arxiv_id, a.month_stated, a.label) for a in session.exec(select(Anchor)).all()] == [
        (a["id"], a["stated"], a["label"]) for a in expected["anchors"]
    ]
    assert [(t.number, t.title, t.text) for t in session.exec(select(Task)).all()] == [
        (t["n"], t["title"], t["text"]) for t in expected["tasks"]
    ]
    has_span = any(w.code == "finding-span" for w in imported.warnings)
    assert has_span == any("span" in warning for warning in expected["warnings"])


def check_counts(imported: ImportedDocument) -> None:
    counts = (imported.notes, imported.hubs, imported.claims, imported.findings)
    assert (*counts, imported.anchors, imported.tasks) == (12, 1, 12, 5, 4, 3)
    codes = [warning.code for warning in imported.warnings]
    assert {code: codes.count(code) for code in codes} == {
        "finding-span": 1,
        "anchor-without-note": 1,
        "note-without-anchor": 9,
        "date-conflict": 1,
    }
    hubs = [w for w in imported.warnings if w.message.startswith("hub without an anchor")]
    assert len(hubs) == 1


def test_a_refused_document_stores_nothing(session: Session, tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_text("There is no question in it.\n" * 50)
    with pytest.raises(DocumentRefused):
        import_file(session, file)
    assert sum(count_rows(session).values()) == 0
