"""The library in other forms: the round trip, and hostile text in every one of them."""

import csv
import io
import json
import re
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from claims.documents import normalise_text
from claims.edit_journal import Signature
from claims.editing import edit_claim, merge_claim, reword_claim, split_claim
from claims.exporting.bibtex import escape_tex, make_entry, write_bibtex
from claims.exporting.claims_csv import make_cell, write_csv
from claims.exporting.library_json import read_library, write_library
from claims.exporting.trig import write_trig
from claims.exporting.vault_patch import NoteState, set_front_matter, write_vault_patch
from claims.importing import import_text
from claims.queries import find_claim, find_line
from claims.restoring import restore_library
from claims.undoing import undo_edit
from db.columns import stored_id
from db.engine import open_database, open_session
from db.errors import ExportRefused
from db.models import (
    Anchor,
    Claim,
    ClaimRevision,
    Decision,
    Evidence,
    FindingNote,
    Mention,
    Note,
    Paper,
    PaperVersion,
    Verdict,
)
from tests.documents import write_line
from tests.papers_and_claims import add_paper, add_version

ADA = Signature("ada", "the source is narrower")
HOSTILE = (
    '=cmd|"/C calc"!A0 {\\input{x}} """ <b> & % $ # ; \' ^ ~ \u202e “q”\n\n@misc{x, title={y}}'
)


def fill(session: Session) -> None:
    """A library with something in every part that an export holds."""
    import_text(session, normalise_text(write_line()), "test")
    import_text(session, normalise_text(write_line("Is a cold kettle worse?")), "test")
    paper = add_paper(session, "2505.13379", "Ordered decks", "Old text.", date(2025, 5, 1))
    add_version(session, paper, "Ordered {decks", "Decks sort 50% more.", 2)
    add_evidence(session, "c3", paper, "confirmed")
    other = add_paper(session, "2601.00001", "A title & more", "It does not.", date(2026, 1, 1))
    add_evidence(session, "c2", other, "proposed")
    add_paper(session, "2601.00002", "Nothing rests on it", "No.", date(2026, 1, 1))
    reword_claim(session, find_claim(session, "c3"), HOSTILE, ADA)
    scope = {"b": "1", "a": "2"}
    edit_claim(session, find_claim(session, "c3"), ADA, limit="1e16", scope=scope)
    split_claim(session, find_claim(session, "c1"), ["Heat, 30000000000000000 decks.", "Two."], ADA)
    merge_claim(session, find_claim(session, "c4"), find_claim(session, "c2"), ADA)
    undo_edit(session, ADA)
    merge_claim(session, find_claim(session, "c5"), find_claim(session, "c2"), ADA)
    note = session.exec(select(Note)).first()
    assert note is not None
    note.note_date = date(2026, 2, 3)
    session.add_all(
        [
            note,
            Mention(arxiv_id="2505.13379", note_id=note.id, raw="2505.13379", start=1, end=3),
        ]
    )
    tie = FindingNote(finding_id=1, note_id=stored_id(note.id), likeness=0.1 + 0.2)
    session.merge(tie)
    session.commit()


def add_evidence(session: Session, handle: str, paper: Paper, status: str) -> None:
    claim = find_claim(session, handle)
    revision = session.exec(select(ClaimRevision).where(ClaimRevision.claim_id == claim.id)).one()
    version = session.exec(select(PaperVersion).where(PaperVersion.paper_id == paper.id)).first()
    assert version is not None
    evidence = Evidence(
        claim_id=stored_id(claim.id), claim_revision_id=stored_id(revision.id),
        paper_id=stored_id(paper.id), paper_version_id=stored_id(version.id),
        stance="relaxes", status=status, quote="text", quote_start=4, quote_end=8,
        section="abstract", confidence=0.9, judge="test 1",
    )  # fmt: skip
    session.add(evidence)
    session.flush()
    if status == "confirmed":
        session.add(
            Decision(evidence_id=stored_id(evidence.id), word="confirm", reason="yes", author="ada")
        )
    session.commit()


def test_export_wipe_restore_export_gives_the_same_bytes(
    any_engine: Engine, tmp_path: Path
) -> None:
    with open_session(any_engine) as session:
        fill(session)
        first = write_library(session)
    elsewhere = open_database(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    with open_session(elsewhere) as session:  # across databases
        counts = restore_library(session, first)
        assert counts["claims"] == 5
        assert write_library(session) == first
    wipe(any_engine)
    with open_session(any_engine) as session:  # and back into the one that it came from
        restore_library(session, first)
        assert write_library(session) == first
        undo_edit(session, ADA)  # the journal still works
        assert find_claim(session, "c5").retired_at is None
        assert reword_claim(session, find_claim(session, "c2"), "After.", ADA).id == 6
        with pytest.raises(ExportRefused, match="not empty"):
            restore_library(session, first)
    elsewhere.dispose()


def wipe(engine: Engine) -> None:
    from sqlmodel import SQLModel

    with engine.begin() as connection:
        connection.execute(Claim.__table__.update().values(merged_into_id=None))  # type: ignore[attr-defined]
        for table in reversed(SQLModel.metadata.sorted_tables):
            connection.execute(table.delete())


def test_the_document_says_what_refers_to_what(session: Session) -> None:
    fill(session)
    document = read_library(session)
    assert document["format"] == 1
    claim = next(row for row in document["claims"] if row["handle"] == "c3")
    evidence = claim["evidence"][0]
    assert (evidence["revision"], evidence["paper_version"]["arxiv_id"]) == (1, "2505.13379")
    assert evidence["decisions"][0]["author"] == "ada"
    assert [paper["arxiv_id"] for paper in document["papers"]] == ["2505.13379", "2601.00001"]
    assert "Decks sort 50% more." in [v["abstract"] for v in document["papers"][0]["versions"]]
    merged = next(row for row in document["claims"] if row["handle"] == "c5")
    assert merged["merged_into"] == "c2"
    assert [edit["kind"] for edit in document["edits"]] == [
        "reword", "edit", "split", "merge", "merge",
    ]  # fmt: skip
    assert set(document["lines"][0]) >= {
        "text", "notes", "claims", "findings", "anchors", "tasks", "warnings", "mentions",
    }  # fmt: skip


def test_one_line_can_be_taken_to_another_library(session: Session, tmp_path: Path) -> None:
    fill(session)
    notes = [("Is it cold?", "It is cold.")]
    other = write_line("Is a third kettle better?", notes=notes, anchors=())
    import_text(session, normalise_text(other), "test")
    part = write_library(session, find_line(session, "third-kettle"))
    assert "Ordered decks" not in part
    whole = write_library(session, find_line(session, "warmer-kettle"))
    assert "It is cold." not in whole
    engine = open_database(f"sqlite:///{tmp_path / 'part.db'}")
    with open_session(engine) as second:
        restore_library(second, whole)
        assert write_library(second) == whole
        assert write_library(second, find_line(second, "warmer")) == whole
    engine.dispose()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data | {"format": 2}, "no export of format 1"),
        (lambda data: [], "no export"),
        (lambda data: {k: v for k, v in data.items() if k != "papers"}, "damaged"),
        (lambda data: data | {"claims": [{"handle": 3}]}, "damaged"),
        (
            lambda data: data | {"notes": [n | {"colour": 1} for n in data["notes"]]},
            "has no colour",
        ),
        (lambda data: data | {"notes": data["notes"] * 2}, "damaged"),
        (lambda data: data | {"edits": [e | {"claim": "c99"} for e in data["edits"]]}, "c99"),
    ],
)
def test_what_is_no_export_is_refused_whole(
    any_engine: Engine, tmp_path: Path, change: Any, says: str
) -> None:
    source = open_database(f"sqlite:///{tmp_path / 'source.db'}")
    with open_session(source) as session:
        fill(session)
        data = json.loads(write_library(session))
    source.dispose()
    with open_session(any_engine) as session:
        with pytest.raises(ExportRefused, match=says):
            restore_library(session, json.dumps(change(data)))
        for table in (Note, Claim, Paper):
            assert session.exec(select(table)).all() == []
        restore_library(session, json.dumps(data))


def test_text_that_is_not_json_is_refused(session: Session) -> None:
    for text in ("", "{", "[" * 100_000):
        with pytest.raises(ExportRefused):
            restore_library(session, text)


def test_csv_has_a_row_for_each_claim_and_no_formula(session: Session) -> None:
    fill(session)
    rows = list(csv.DictReader(io.StringIO(write_csv(session))))
    assert [row["id"] for row in rows] == ["c1", "c2", "c3", "c4", "c5"]
    assert rows[2]["text"] == f"'{HOSTILE}"
    assert rows[2]["scope"] == "a=2; b=1"
    assert rows[4]["went_to"] == "c2"
    assert rows[0]["went_to"] == "c4; c5"
    assert not [cell for row in rows for cell in row.values() if cell[:1] in set("=+-@\t\r")]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
def test_cells_that_would_compute_are_prefixed(text: str) -> None:
    assert make_cell(text) == f"'{text}"
    assert make_cell([text, "x"]).startswith("'")


def test_bibtex_has_what_was_fetched_and_nothing_else(session: Session) -> None:
    fill(session)
    text, missing = write_bibtex(session)
    assert missing == ["2603.23004"]
    assert re.findall(r"^@misc\{(.*),$", text, re.MULTILINE) == [
        "arXiv:2505.13379", "arXiv:2601.00001",
    ]  # fmt: skip
    assert "archivePrefix = {arXiv}" in text
    assert "year = {2025}" in text
    assert r"A title \& more" in text
    assert text.count("keywords = {proposed}") == 1
    only = write_bibtex(session, find_line(session, "cold-kettle"))
    assert "2505.13379" in only.text


def test_hostile_titles_stay_inside_their_entry() -> None:
    paper = Paper(
        arxiv_id="2601.00003", title="} @misc{evil, title={x}} \\input{/etc/passwd} $x$ {",
        abstract="", authors=["Smith, J.", "A and B", "{\\O}ne"], published=date(2026, 1, 1),
        source="test",
    )  # fmt: skip
    entry = make_entry(paper)
    depth = 0
    for place, char in enumerate(entry.rstrip()):
        depth += {"{": 1, "}": -1}.get(char, 0)
        assert depth > 0 or place in range(6) or place == len(entry.rstrip()) - 1
    assert depth == 0
    assert "\\input" not in entry
    assert " and " in entry
    assert "{Smith, J.} and {A and B}" in entry
    assert escape_tex("50% & #1_a") == r"50\% \& \#1\_a"


def add_verdict(session: Session, handle: str, headline: str) -> None:
    claim = find_claim(session, handle)
    revision = session.exec(
        select(ClaimRevision).where(
            ClaimRevision.claim_id == claim.id, ClaimRevision.number == claim.revision_number
        )
    ).one()
    session.add(
        Verdict(
            claim_id=stored_id(claim.id), claim_revision_id=stored_id(revision.id),
            headline=headline, grounding="grounded", literature="silent", local="none",
            decided_at=datetime(2026, 11, 3, tzinfo=UTC),
        )
    )  # fmt: skip
    session.commit()


VAULT = {
    "Can heat replace practice?.md": b"# Heat\n\nText with no front matter and no last line feed",
    "topics/Does order matter more than heat?.md": (
        b"---\r\ntags: [a]\r\nstatus: old\r\nevidence:\r\n  - x\r\n  - y\r\naliases:\r\n  - z\r\n"
        b"---\r\nBody \x0c stays.\r\n---\r\n"
    ),
    'odd "name" \\ and tab\t.md': (
        b"\xef\xbb\xbf---\ntitle: How should decks be chosen?\n---\nB\n"
    ),
    "other.md": b"Not a note of the library.\n",
    "latin.md": b"\xe9\xff",
    ".obsidian/Can heat replace practice?.md": b"hidden\n",
    "Can heat replace practice?.txt": b"not Markdown\n",
}


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    folder = tmp_path / "my vault"
    for name, content in VAULT.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.mark.parametrize("tool", ["git", "patch"])
def test_the_vault_patch_applies(session: Session, vault: Path, tool: str) -> None:
    fill(session)
    add_verdict(session, "c3", "MOVED")
    patch = write_vault_patch(session, vault)
    assert (patch.files, patch.unreadable) == (3, ["latin.md"])
    assert {name: (vault / name).read_bytes() for name in VAULT} == VAULT  # never in place
    (vault / "x.patch").write_bytes(patch.text.encode())
    if tool == "git":
        subprocess.run(["git", "init", "-q"], cwd=vault, check=True)
        commands = [["git", "apply", "--check", "x.patch"], ["git", "apply", "x.patch"]]
    else:
        begin = ["patch", "-p1", "--binary", "-i", "x.patch"]
        commands = [[*begin, "--dry-run"], begin]
    for command in commands:
        answer = subprocess.run(command, cwd=vault, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    assert (vault / "topics/Does order matter more than heat?.md").read_bytes() == (
        b"---\r\ntags: [a]\r\naliases:\r\n  - z\r\nstatus: moved\r\nchecked: 2026-11-03\r\n"
        b'evidence:\r\n  - "arXiv:2505.13379 source"\r\n  - "arXiv:2505.13379 relaxes"\r\n---\r\n'
        b"Body \x0c stays.\r\n---\r\n"
    )
    heat = (vault / "Can heat replace practice?.md").read_bytes()
    assert heat.startswith(b"---\nstatus: unchecked\n")
    assert heat.endswith(b"no last line feed")
    assert write_vault_patch(session, vault).text == ""  # up to date


def test_notes_without_a_file_are_named(session: Session, tmp_path: Path) -> None:
    fill(session)
    assert len(write_vault_patch(session, tmp_path).notes_without_file) == 3
    with pytest.raises(ExportRefused, match="no folder"):
        write_vault_patch(session, tmp_path / "missing")


def test_front_matter_that_never_closes_is_text() -> None:
    assert set_front_matter("---\nno end", NoteState("moved")) == (
        "---\nstatus: moved\n---\n---\nno end"
    )


def test_trig_reads_back_as_nanopublications(session: Session) -> None:
    from rdflib import Dataset, URIRef

    fill(session)
    text = write_trig(session, base="https://example.org/k/")
    dataset = Dataset()
    dataset.parse(data=text, format="trig")
    claim = find_claim(session, "c3")
    this = URIRef(f"https://example.org/k/claim/{claim.slug}/2")

    def values(predicate: str, subject: Any = None) -> list[Any]:
        return [o for _, _, o, _ in dataset.quads((subject, URIRef(predicate), None, None))]

    texts = [str(value) for value in values("https://schema.org/text")]
    assert HOSTILE in texts
    assert values("http://purl.org/nanopub/x/supersedes", this) == [URIRef(str(this)[:-1] + "1")]
    assert [str(v) for v in values("http://purl.org/dc/terms/creator", this)] == ["ada"]
    sources = {str(v) for v in values("http://www.w3.org/ns/prov#wasDerivedFrom")}
    assert sources == {"https://arxiv.org/abs/2505.13379"}  # the other anchor was never fetched
    graphs = {str(g.identifier) for g in dataset.graphs() if len(g)}
    assert {f"{this}#{part}" for part in ("head", "assertion", "provenance", "pubinfo")} <= graphs
    revisions = len(session.exec(select(ClaimRevision)).all())
    assert len(values("http://www.nanopub.org/nschema#hasAssertion")) == revisions
    edit_claim(session, claim, ADA, scope={"a/b <c>": HOSTILE, "é:ü": "x"})
    again = write_trig(session, base="https://example.org/k/")
    dataset.parse(data=again, format="trig")
    assert again == write_trig(session, base="https://example.org/k/")
    assert HOSTILE in values("urn:reassay:terms:scope/a%2Fb%20%3Cc%3E")[0]
    with pytest.raises(ExportRefused, match="no URI"):
        write_trig(session, base="https://example.org/> <x")


def test_anchors_of_the_library_stay(session: Session) -> None:
    """An export changes nothing."""
    fill(session)
    before = write_library(session)
    write_csv(session), write_bibtex(session), write_trig(session)
    assert write_library(session) == before
    assert len(session.exec(select(Anchor)).all()) == 4
