"""The grounding audit: each kind of finding on a planted fault and silent on its clean twin."""

import json
import lzma
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session, select

from claims.anchoring import tie_anchor
from claims.audit import ClaimAudit, audit_all, audit_claim, audit_library
from claims.citations import split_essay
from claims.edit_journal import Signature
from claims.grounding import audit_grounding, audit_groundings
from claims.importing import import_file, import_text
from claims.number_checks import find_missing_numbers, find_qualifier_changes, read_numbers
from claims.queries import find_claim
from claims.source_texts import SourceText
from db.columns import stored_id
from db.engine import open_session
from db.models import Anchor, Claim, Note, Paper, PaperText
from ingest.snapshot_harvest import load_snapshot
from tests.documents import write_line
from tests.papers_and_claims import add_claim, add_line, add_paper, add_version

TODAY = date(2026, 11, 24)
PAPER = "2505.13379"
ME = Signature("me", "I looked it up")
SEED_IDS = {
    "c1": "2408.03314", "c2": "2504.14047", "c3": "2508.01191", "c5": "2408.03314",
    "c8": "2605.19376", "c10": "2402.14905", "c11": "2410.18890", "c12": "2601.07372",
}  # fmt: skip


def audit_one(
    session: Session, claim_text: str, abstract: str, title: str = "Ordered decks"
) -> Any:
    line = add_line(session)
    claim = add_claim(session, line, "c1", claim_text, anchor=PAPER)
    add_paper(session, PAPER, title, abstract)
    for anchor in session.exec(select(Anchor)):
        anchor.label = "Ordered decks"
    session.commit()
    return audit_claim(session, claim, TODAY)


def kinds(audit: ClaimAudit) -> set[str]:
    return {finding.kind for finding in audit.findings}


GOOD = "We study decks. We find that ordered decks give up to 42% more sorted cards in all trials."
FAULTS: dict[str, tuple[str, str, str, str, str]] = {
    # name: kind, grounding, faulty claim, its clean twin, abstract
    "lost up to": (
        "qualifier", "overreach",
        "Ordered decks give 42% more sorted cards.",
        "Ordered decks give up to 42% more sorted cards.",
        GOOD,
    ),
    "added about": (
        "qualifier", "overreach",
        "Ordered decks give ~42% more sorted cards.",
        "Ordered decks give 42% more sorted cards.",
        "We find that ordered decks give 42% more sorted cards.",
    ),
    "number from nowhere": (
        "number-not-in-source", "overreach",
        "Ordered decks give more sorted cards than kettles, in 77% of trials.",
        "Ordered decks give more sorted cards than kettles.",
        "We find that ordered decks give more sorted cards. Kettles give none.",
    ),
    "another number": (
        "misquote", "misquoted",
        "Ordered decks give 24% more sorted cards.",
        "Ordered decks give 42% more sorted cards.",
        "We find that ordered decks give 42% more sorted cards.",
    ),
    "words changed in a quotation": (
        "misquote", "misquoted",
        "Ordered decks are “governed by the warmth of the kettle” and sort cards.",
        "Ordered decks are “bounded by the warmth of the kettle” and sort cards.",
        "We show that ordered decks sort cards and are bounded by the warmth of the kettle.",
    ),
    "a quotation from elsewhere": (
        "quote-not-found", "grounded",
        "Ordered decks sort more cards: “nobody ever asked any duck”.",
        "Ordered decks sort more cards: “decks sort more cards”.",
        "We show that ordered decks sort more cards than others.",
    ),
    "all tasks from one problem": (
        "overreach", "overreach",
        "Across sorting tasks, ordered decks help.",
        "On one sorting problem, ordered decks help.",
        "We ask whether ordered decks help on one card sorting problem. They help.",
    ),
    "regardless of what was not varied": (
        "overreach", "overreach",
        "Ordered decks sort more cards regardless of kettle temperature.",
        "Ordered decks sort more cards regardless of deck size.",
        "We vary the size of ordered decks. They sort more cards whatever the deck.",
    ),
    "emphasis of its own": (
        "emphasis-not-in-source", "overreach",
        "Ordered decks sort more cards, especially on damp evenings.",
        "Ordered decks sort more cards, especially on short evenings.",
        "We find that on evenings where time is short, ordered decks sort more cards.",
    ),
    "no sentence comes close": (
        "far-source", "overreach",
        "Practice beats warmth whenever children juggle lemons outside.",
        "Ordered decks help.",
        "We find that ordered decks help.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(session: Session, name: str) -> None:
    kind, grounding, faulty, _, abstract = FAULTS[name]
    audit = audit_one(session, faulty, abstract)
    assert kind in kinds(audit)
    assert audit.grounding == grounding


@pytest.mark.parametrize("name", FAULTS)
def test_its_clean_twin_is_silent(session: Session, name: str) -> None:
    _, _, _, clean, abstract = FAULTS[name]
    audit = audit_one(session, clean, abstract)
    assert audit.findings == ()
    assert audit.grounding == "grounded"


def test_many_benchmarks_bear_a_wide_claim(session: Session) -> None:
    abstract = "We test ordered decks on twelve sorting tasks and on the Card Sorting problem."
    assert "overreach" not in kinds(
        audit_one(session, "Across tasks, ordered decks help.", abstract)
    )


def test_a_background_sentence_does_not_outrank_the_papers_own(session: Session) -> None:
    abstract = (
        "Ordered decks are known to sort more cards than kettles. "
        "In this paper, we find that ordered decks sort more cards than ducks."
    )
    audit = audit_one(session, "Ordered decks sort more cards.", abstract)
    assert audit.passage is not None
    assert audit.passage.text.startswith("In this paper")


def test_the_record_holds_the_exact_span(session: Session) -> None:
    audit = audit_one(session, "Ordered decks give 42% more sorted cards.", GOOD)
    record = audit.record()
    assert set(record) == {"id", "slug", "grounding", "claim", "read", "source", "findings"}
    source = record["source"]
    assert GOOD[source["start"] : source["end"]] == source["quote"]
    assert (source["arxiv_id"], source["version"], source["section"]) == (PAPER, 1, "abstract")
    assert record["read"] == "abstract"
    finding = next(f for f in record["findings"] if f["kind"] == "qualifier")
    assert "up to 42%" in finding["source_text"]
    assert "42%" in finding["claim_text"]


def test_a_full_text_is_read_beyond_the_abstract(session: Session) -> None:
    claim_text = "Ordered decks give 77% more sorted cards."
    audit = audit_one(session, claim_text, "We find that ordered decks give more sorted cards.")
    assert "number-not-in-source" in kinds(audit)
    paper = session.exec(select(Paper)).one()
    text = "Abstract\nShort.\n5 Results\nWe find that ordered decks give 77% more sorted cards.\n"
    start = text.index("5 Results")
    session.add(
        PaperText(
            paper_id=stored_id(paper.id), version=2, text_hash="h", text=text, source="f.html",
            sections=[
                {"name": "Abstract", "start": 0, "end": start},
                {"name": "5 Results", "start": start, "end": len(text)},
            ],
        )
    )  # fmt: skip
    session.commit()
    again = audit_claim(session, find_claim(session, "c1"), TODAY)
    assert (again.grounding, again.findings) == ("grounded", ())
    source = again.record()["source"]
    assert (source["section"], source["version"]) == ("5 Results", 2)
    assert text[source["start"] : source["end"]] == source["quote"]
    assert "77%" in source["quote"]
    assert again.record()["read"] == "full text"


def test_ids_are_checked(session: Session) -> None:
    line = add_line(session)
    for handle, arxiv_id, state in (
        ("c1", "2612.00001", "syntactic"),
        ("c2", "2501.00001", "broken"),
        ("c3", "2501.00002", "syntactic"),
    ):
        claim = add_claim(session, line, handle, f"Ordered decks {handle} help.", anchor=arxiv_id)
        anchor = session.exec(select(Anchor).where(Anchor.note_id == claim.note_id)).one()
        anchor.state = state
    session.commit()
    audits = {a.claim.handle: a for a in audit_library(session, today=TODAY)[0]}
    assert (audits["c1"].grounding, kinds(audits["c1"])) == ("id-broken", {"id-broken"})
    assert "has not come yet" in audits["c1"].reason
    assert (audits["c2"].grounding, kinds(audits["c2"])) == ("id-broken", {"id-broken"})
    assert (audits["c3"].grounding, kinds(audits["c3"])) == ("unanchored", {"source-unread"})


def test_versions_withdrawals_and_titles(session: Session) -> None:
    audit_one(session, "Ordered decks give up to 42% more sorted cards.", GOOD)
    anchor = session.exec(select(Anchor)).one()
    paper = session.exec(select(Paper)).one()
    anchor.version = 1
    add_version(session, paper, paper.title, GOOD, 3)
    claim = find_claim(session, "c1")
    newer = [f for f in audit_claim(session, claim, TODAY).findings if f.kind == "newer-version"]
    assert "anchor says v1; the store has v3; the abstract is the same" in newer[0].message
    add_version(session, paper, paper.title, GOOD.replace("all trials", "most trials"), 4)
    newer = [f for f in audit_claim(session, claim, TODAY).findings if f.kind == "newer-version"]
    assert "wording changed" in newer[0].message
    assert "all trials" in (newer[0].claim_text or "")
    assert "most trials" in (newer[0].source_text or "")
    paper.is_withdrawn = True
    anchor.version, anchor.label = 4, "Lemon juggling children"
    session.commit()
    assert kinds(audit_claim(session, claim, TODAY)) == {"withdrawn", "title-differs"}
    assert "withdrawn" in audit_claim(session, claim, TODAY).reason


def test_a_line_is_audited_with_its_findings_and_essay(session: Session) -> None:
    add_paper(
        session, PAPER, "Ordered decks",
        "We find that ordered decks give up to 42% more sorted cards. Order matters.",
    )  # fmt: skip
    text = write_line(
        findings=(
            "Ordered decks give 42% more sorted cards (2024).",
            "Heat can replace practice, it trades off on short decks (2025).",
        )
    ).replace(
        "The corpus says it can",
        "Ordered decks give ~42% more cards Does order matter more than heat?. The corpus says",
    )
    import_text(session, text, "test")
    claims, lines = audit_library(session, today=TODAY)
    rows = {audit.claim.handle: audit for audit in claims}
    messages = [f.message for f in rows["c3"].findings]
    assert any(m.startswith("finding 1 of") and "'up to 42%'" in m for m in messages)
    assert any(m.startswith("the essay of") and "'about 42%'" in m for m in messages)
    assert any("2024; its paper arXiv:2505.13379 is of 2025-05" in m for m in messages)
    assert rows["c3"].grounding == "grounded"  # its own words are its source's
    assert "names work of 2023" in rows["c1"].findings[1].message
    assert kinds(rows["c2"]) == {"hub", "unanchored"}
    assert [f.kind for f in lines[0].findings] == ["anchor-without-note"]
    assert lines[0].record()["id"] == lines[0].line.slug


def test_two_notes_on_one_paper_are_one_support(session: Session) -> None:
    line = add_line(session)
    for handle in ("c1", "c2"):
        add_claim(session, line, handle, "Ordered decks help.", anchor=PAPER)
    add_claim(session, line, "c3", "Ordered decks help.", anchor="2505.13380")
    for arxiv_id in (PAPER, "2505.13380"):
        add_paper(session, arxiv_id, "A", "We find that ordered decks help.")
    rows = {a.claim.handle: kinds(a) for a in audit_library(session, today=TODAY)[0]}
    assert "shared-source" in rows["c1"] & rows["c2"]
    assert "shared-source" not in rows["c3"]


def test_the_verdict_and_the_audit_are_one_truth(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        import_text(session, write_line(), "test")
        add_paper(
            session, PAPER, "Ordered decks", "We find that ordered decks give 42% more cards."
        )
        audits = audit_all(session, TODAY)
        states = audit_groundings(session, TODAY)
        for claim in session.exec(select(Claim)).all():
            audit, state = audits[stored_id(claim.id)], states[stored_id(claim.id)]
            assert audit.grounding == state.grounding == audit_grounding(session, claim).grounding
            assert state.detail["reason"] == audit.reason
        line_only, _ = audit_library(session, line=None, today=TODAY)
        assert [a.record() for a in line_only] == [
            audits[stored_id(a.claim.id)].record() for a in line_only
        ]


def test_many_claims_take_seconds(engine: Engine) -> None:
    with open_session(engine) as session:
        line = add_line(session)
        count = 1500
        notes = [
            Note(slug=f"n{n}", title=f"Is {n}?", summary=f"Ordered decks give {n}% more cards.")
            for n in range(count)
        ]
        session.add_all(notes)
        session.flush()
        for n, note in enumerate(notes):
            text = note.summary
            session.add(
                Claim(handle=f"c{n}", slug=f"s{n}", note_id=note.id, statement=text, text=text)
            )
            session.add(
                Anchor(
                    line_id=stored_id(line.id), note_id=note.id, position=n, label="",
                    arxiv_id=f"2501.{n % 600:05d}", raw="x",
                )
            )  # fmt: skip
        for n in range(600):
            abstract = " ".join(
                f"We find that decks {m} of {n} give {m}% more cards." for m in range(8)
            )
            session.add(
                Paper(arxiv_id=f"2501.{n:05d}", title="A", abstract=abstract, source="test")
            )
        session.commit()
        started = time.monotonic()
        claims, _ = audit_library(session, today=TODAY)
        assert len(claims) == count
        assert time.monotonic() - started < 15  # 5,000 take 5 s on two busy cores


def test_qualifiers_reach_the_numbers_joined_to_theirs() -> None:
    found = read_numbers(
        "It achieves up to 2.1% higher accuracy and 42% greater throughput. Or 7%."
    )
    assert [(n.quantity.low, n.qualifier) for n in found] == [
        (2.1, "up to"), (42.0, "up to"), (7.0, None),
    ]  # fmt: skip
    assert find_qualifier_changes("at least 3x", read_numbers("more than 3x and 5x")) == []


def test_listed_and_latex_numbers_are_given() -> None:
    source = r"a 2.7%/4.3% boost over 125M/350M models, and $23\%$ more"
    assert find_missing_numbers("2.7–4.3% at 125M–350M scale and 23% more", source) == []
    assert [q.text for q in find_missing_numbers("9% at 350M", source)] == ["9%"]


@given(st.lists(st.sampled_from(["Is it so?", "Does it?", "Yes. ", "It holds ", "and ", "3.5% "])))
def test_sentences_of_an_essay_are_exact_spans(parts: list[str]) -> None:
    paragraph = "".join(parts)
    for sentence in split_essay(paragraph, ["Is it so?", "Does it?"]):
        assert paragraph[sentence.start : sentence.end] == sentence.text
        assert len(sentence.own_words()) == len(sentence.text)
        for cited in sentence.titles:
            assert paragraph[cited.start : cited.end] == cited.title


@given(st.text(max_size=300), st.text(max_size=200))
def test_passages_are_exact_spans(abstract: str, body: str) -> None:
    sections = ({"name": "1 A", "start": 0, "end": len(body) // 2},
                {"name": "2 B", "start": len(body) // 2, "end": len(body)})  # fmt: skip
    source = SourceText("x", "t", abstract, (), None, 1, 1, False, body, 1, sections)
    for passage in source.passages:
        text = body if passage.is_full_text else abstract
        assert text[passage.start : passage.end] == passage.text


@pytest.fixture(scope="module")
def anchors_file(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The seed's papers out of the corpus."""
    wanted = {*SEED_IDS.values(), "2502.05171", "2505.13379", "2510.18245", "2603.23004"}
    file = tmp_path_factory.mktemp("corpus") / "anchors.jsonl"
    with lzma.open(test_data / "corpus" / "papers.jsonl.xz", "rt") as lines, file.open("w") as kept:
        for line in lines:
            if line[8:18] in wanted and json.loads(line)["id"] in wanted:
                kept.write(line)
    return file


@pytest.mark.real_data
def test_the_seed_shows_what_a_first_audit_should(
    any_engine: Engine, test_data: Path, anchors_file: Path
) -> None:
    load_snapshot(any_engine, anchors_file, lambda _: None)
    with open_session(any_engine) as session:
        import_file(session, test_data / "seed" / "inference-compute-substitution.txt")
        claims, lines = audit_library(session, today=TODAY)
        bare = {a.claim.handle for a in claims if "unanchored" in kinds(a)}
        assert len(bare) == 9
        assert [a.claim.handle for a in claims if a.grounding == "hub"] == ["c6"]
        assert ["2502.05171" in f.message for f in lines[0].findings] == [True]
        for handle, arxiv_id in SEED_IDS.items():
            tie_anchor(session, find_claim(session, handle), arxiv_id, ME, TODAY)
        _check_seed({a.claim.handle: a for a in audit_library(session, today=TODAY)[0]})


def _check_seed(audits: dict[str, ClaimAudit]) -> None:
    def said(handle: str, kind: str) -> str:
        return " | ".join(f.message for f in audits[handle].findings if f.kind == kind)

    assert "2408.03314" in said("c1", "shared-source")
    assert "2408.03314" in said("c5", "shared-source")
    assert "finding 1" in said("c1", "date-conflict")
    assert "2024" in said("c1", "date-conflict")
    assert "finding 4" in said("c8", "date-conflict")
    assert "2026-05" in said("c8", "date-conflict")
    assert "finding 5" in said("c10", "date-conflict")
    assert "2024-02" in said("c10", "date-conflict")
    assert "Optimal Power Flow" in said("c4", "overreach")
    assert "confirm on the full text" in said("c4", "overreach")
    assert "difficult prompts" in said("c1", "emphasis-not-in-source")
    assert "somewhat non-trivial success rates" in said("c1", "emphasis-not-in-source")
    assert "the essay" in said("c9", "qualifier")
    assert "'about 42%'" in said("c9", "qualifier")
    assert audits["c4"].grounding == audits["c1"].grounding == "overreach"
    grounded = {h for h, audit in audits.items() if audit.grounding == "grounded"}
    assert grounded == {"c2", "c3", "c5", "c7", "c8", "c9", "c10", "c11", "c12"}
    for handle in ("c2", "c3", "c7", "c11", "c12"):
        assert kinds(audits[handle]) == set(), handle
