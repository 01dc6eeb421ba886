"""Documents into the library, on both databases; and the seed that a user handed over."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, func, select

from claims import importing
from claims.documents import normalise_text
from claims.finding_notes import ENOUGH_LIKENESS
from claims.importing import ImportedDocument, import_file, import_text
from claims.queries import find_claim, find_line, list_claims
from claims.reading import read_claim, read_history
from claims.slugs import make_slug
from claims.starter import import_starter
from db.engine import open_database, open_session
from db.errors import ClaimNotFound, DocumentRefused, LineNotFound
from db.models import (
    Anchor,
    Claim,
    ClaimRevision,
    Finding,
    FindingNote,
    ImportWarning,
    Line,
    LineNote,
    Note,
    Task,
)
from tests.documents import FINDINGS, NOTES, write_line

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
    def fail(*_: object, **__: object) -> None:
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
    "name", ["s01_canonical.txt", "s02_variant_b_short.txt", "s06_no_prompt.txt", "s07_page.html"]
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
    assert (line.standfirst, line.declared_notes) == (
        expected["standfirst"],
        expected["declared_notes"],
    )
    for note, wanted in zip(session.exec(select(Note)).all(), expected["notes"], strict=True):
        assert note.summary == wanted["summary"]
        own = (wanted["href"] or f"/notes/{make_slug(wanted['title'])}/").split("/")[-2]
        assert note.slug == own
    cited = session.exec(select(LineNote.cited).order_by(col(LineNote.position))).all()
    assert list(cited) == [note["cited"] for note in expected["notes"]]
    told = [w for w in imported.warnings if w.code in ("finding-span", "part-absent")]
    assert len(told) == len(expected["warnings"])
    for warning, wanted in zip(told, sorted(expected["warnings"]), strict=False):
        word = "span" if "span" in wanted else "no "
        assert word in warning.message


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


def test_a_changed_note_shows_its_change(session: Session) -> None:
    load(session, write_line())
    again = load(session, write_line(notes=[(NOTES[0][0], "Heat never does."), *NOTES[1:]]))
    assert [change.note for change in again.changes] == ["can-heat-replace-practice"]
    assert f"-{NOTES[0][1]}\n+Heat never does." in again.changes[0].diff


def test_compound_findings_are_proposed_for_splitting_and_stay_whole(session: Session) -> None:
    imported = load(session, write_line())
    assert [(split.finding, len(split.parts)) for split in imported.splits] == [(2, 2)]
    assert session.exec(select(func.count()).select_from(Finding)).one() == 2


def test_findings_are_tied_to_notes_with_a_score(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        load(session, write_line())
        ties = session.exec(
            select(FindingNote, Note).join(Note, col(Note.id) == FindingNote.note_id)
        ).all()
        assert (NOTES[0][0], "likeness") in [(note.title, tie.tied_by) for tie, note in ties]
        assert all(ENOUGH_LIKENESS <= tie.likeness <= 1 for tie, _ in ties)


def test_what_people_did_outlives_a_changed_document(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        load(session, write_line())
        claim, note = find_claim(session, "c1"), session.exec(select(Note)).first()
        finding = session.exec(select(Finding).order_by(col(Finding.position))).all()[1]
        anchor = session.exec(select(Anchor).where(col(Anchor.note_id).is_(None))).one()
        assert note is not None
        anchor.note_id, anchor.tied_by, anchor.state = note.id, "Ada", "title-checked"
        tie = FindingNote(finding_id=finding.id, note_id=note.id, likeness=0, tied_by="Ada")
        session.merge(tie)
        claim.text = claim.statement = "In her words."
        claim.revision_number, claim.finding_id = 2, finding.id
        session.add(
            ClaimRevision(
                claim_id=claim.id, number=2, statement="In her words.", text="In her words.",
                author="Ada", reason="clearer",
            )
        )  # fmt: skip
        session.commit()
        notes = [(NOTES[0][0], "Heat never does."), *NOTES[1:]]
        again = load(session, write_line(notes=notes, findings=["A new one (2025).", FINDINGS[1]]))
        session.expire_all()
        claim = find_claim(session, "c1")
        assert (claim.text, claim.revision_number) == ("In her words.", 2)
        assert "claim-edited" in [warning.code for warning in again.warnings]
        assert claim.finding_id == finding.id
        people = session.exec(select(FindingNote).where(FindingNote.tied_by == "Ada")).one()
        assert people.finding_id == finding.id
        kept = session.exec(select(Anchor).where(Anchor.tied_by == "Ada")).one()
        assert (kept.note_id, kept.state) == (note.id, "title-checked")
        load(session, write_line(findings=["Nothing else (2025)."]))
        session.expire_all()
        assert find_claim(session, "c1").finding_id is None


def test_two_notes_of_one_title_stay_two(any_engine: Engine) -> None:
    title = NOTES[0][0]
    notes = [(title, "It can."), (title, "It cannot, on long decks.")]
    with open_session(any_engine) as session:
        imported = load(session, write_line(notes=notes))
        assert imported.claims == 2
        assert "note-same-title" in [warning.code for warning in imported.warnings]
        load(session, write_line("Is it the second?", notes=notes[1:]))
        assert {len(row.lines) for row in list_claims(session)} == {1, 2}


def test_questions_that_share_a_cut_slug_stay_apart(any_engine: Engine) -> None:
    long = "Does a very long question about warm kettles and their many decks keep its own name"
    first, second = f"{long} when it is cut here?", f"{long} when it is cut there?"
    assert make_slug(first) == make_slug(second)
    with open_session(any_engine) as session:
        one = load(session, write_line(first, notes=[(first, "It does.")]))
        other = load(session, write_line(second, notes=[(second, "It does not.")]))
        assert one.line != other.line
        assert "slug-shared" in [warning.code for warning in other.warnings]
        assert [row.statement for row in list_claims(session)] == ["It does.", "It does not."]
        again = load(session, write_line(second, notes=[(second, "It does not.")]))
        assert (again.changed, again.line) == (False, other.line)
        assert again.warnings == other.warnings


def test_claims_carry_insight_limit_scope_and_directions(session: Session) -> None:
    import_starter(session)
    revisions = session.exec(select(ClaimRevision).order_by(col(ClaimRevision.claim_id))).all()
    with_limit = {f"c{r.claim_id}" for r in revisions if r.limit}
    assert with_limit == {"c4", "c9", "c10"}
    depth = revisions[9]
    assert depth.insight is not None
    assert depth.insight.startswith("Composing concepts")
    assert depth.scope["scale"].startswith("125M–350M")
    assert depth.numbers[0]["direction"] == "higher"


def import_many(url: str, first: int, ready: Any) -> None:
    engine = open_database(url)
    with open_session(engine) as session:
        ready.wait()
        for number in range(first, first + 12):
            notes = [(f"Is note {n} true?", f"Note {n} holds.") for n in range(number % 6, 9)]
            load(session, write_line(f"What does line {number} ask?", notes=notes))
    engine.dispose()


def test_two_processes_import_at_once(database_url: str) -> None:
    open_database(database_url).dispose()
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(2)
    workers = [
        context.Process(target=import_many, args=(database_url, first, ready)) for first in (0, 6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    engine = open_database(database_url)
    with open_session(engine) as session:
        assert session.exec(select(func.count()).select_from(Line)).one() == 18
        handles = session.exec(select(Claim.handle)).all()
        assert sorted(handles) == sorted({f"c{number}" for number in range(1, 10)})
    engine.dispose()


def test_a_claim_shows_its_parts_and_when_it_was_found(session: Session) -> None:
    import_starter(session)
    state = read_claim(session, find_claim(session, "c4"))
    assert (state["found_from"], state["found_to"]) == ("2026", "2026")
    assert "55–60%" in state["limit"]
    assert {"insight", "scope", "note_date"} <= set(state)
