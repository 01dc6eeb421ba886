"""What leans on a claim, with exact spans; and which claims were left alone for too long."""

from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session, select

from claims.impact import find_impact
from claims.importing import import_text
from claims.leaning import read_leaning
from claims.model_dates import RELEASES, find_models
from claims.queries import find_claim
from claims.staleness import list_stale
from db.columns import stored_id
from db.engine import open_session
from db.models import Claim, ClaimRevision, Finding, FindingNote, Line, Verdict
from tests.documents import write_line
from tests.papers_and_claims import add_claim, add_line

TODAY = date(2026, 11, 24)
ESSAY = (
    "Ordered decks give more sorted cards, of late. Ducks swim Does order matter more than heat?."
)


def import_two(session: Session) -> None:
    text = write_line().replace("The corpus says it can", f"{ESSAY} The corpus says it can")
    import_text(session, text, "one")
    import_text(session, write_line(question="Is a second kettle any better?"), "two")


def test_everything_that_leans_is_listed_with_its_span(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        import_two(session)
        found = find_impact(session, find_claim(session, "c3"))
        assert [row["position"] for row in found["lines"]] == [3, 3]
        essays = {line.slug: line.essay for line in session.exec(select(Line))}
        assert found["sentences"]
        for row in found["sentences"]:
            paragraph = essays[row["line"]][row["paragraph"] - 1]
            assert paragraph[row["start"] : row["end"]] == row["text"]
        whys = [row["why"] for row in found["sentences"]]
        assert any(why.startswith("shares") for why in whys)
        assert sum(why == "cites the note" for why in whys) >= 3
        heat = find_impact(session, find_claim(session, "c1"))
        finding = heat["findings"][0]
        assert finding["position"] == 1
        assert finding["text"][finding["start"] : finding["end"]] == finding["clause"]
        assert 0 < finding["likeness"] <= 1
        assert finding["tied_by"] == "likeness"
        assert not any("Ducks" in row["text"] for row in heat["sentences"])


def test_a_persons_tie_counts_whatever_the_words(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        import_text(session, write_line(), "one")
        claim = find_claim(session, "c3")
        finding = session.exec(select(Finding).where(Finding.position == 0)).one()
        assert claim.note_id is not None
        session.add(
            FindingNote(
                finding_id=stored_id(finding.id), note_id=claim.note_id, likeness=0.0, tied_by="me"
            )
        )
        session.commit()
        rows = find_impact(session, claim)["findings"]
        assert (1, "me") in [(row["position"], row["tied_by"]) for row in rows]


def test_a_claim_in_no_line_has_no_impact(session: Session) -> None:
    claim = Claim(handle="c1", slug="s", statement="Alone it stands.", text="Alone it stands.")
    session.add(claim)
    session.commit()
    found = find_impact(session, claim)
    assert (found["lines"], found["findings"], found["sentences"]) == ([], [], [])


def test_a_finding_leans_on_its_like_note_alone(session: Session) -> None:
    import_text(session, write_line(), "one")
    for tie in session.exec(select(FindingNote)).all():
        session.delete(tie)
    session.commit()
    leaning = read_leaning(session, session.exec(select(Line)).all())
    notes = {find_claim(session, handle).note_id: handle for handle in ("c1", "c2", "c3")}
    tied = {notes[n]: [f.finding.position for f in lean.findings] for n, lean in leaning.items()}
    assert 0 in tied["c1"]
    assert 0 not in tied.get("c2", []) + tied.get("c3", [])


def verdict_for(session: Session, claim: Claim, **values: Any) -> None:
    revision = session.exec(select(ClaimRevision).where(ClaimRevision.claim_id == claim.id)).one()
    fields = {"grounding": "grounded", "literature": "silent", "local": "none", "look": False}
    session.add(
        Verdict(
            claim_id=stored_id(claim.id),
            claim_revision_id=stored_id(revision.id),
            **{**fields, **values},
        )
    )
    session.commit()


def test_stale_claims_are_listed_with_their_reasons(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        line = add_line(session)
        fresh = add_claim(session, line, "c1", "Decks help.")
        late = add_claim(session, line, "c2", "Decks help again.")
        unsearched = add_claim(session, line, "c3", "Decks help once more.")
        old_model = add_claim(session, line, "c4", "LLaMA-3.2 sorts decks; GPT-5 does too.")
        new_model = add_claim(session, line, "c5", "GPT-5 sorts decks.")
        add_claim(session, line, "c6", "How to sort?", kind="hub")
        add_claim(session, line, "c7", "Retired.", is_retired=True)
        never = add_claim(session, line, "c8", "Never searched.")
        for claim in (fresh, old_model, new_model):
            verdict_for(session, claim, searched_through=date(2026, 11, 20))
        verdict_for(session, late, searched_through=date(2026, 10, 19))
        verdict_for(
            session, unsearched, searched_through=date(2026, 11, 20), literature="unsearched"
        )
        rows = {row.id: row for row in list_stale(session, TODAY)}
        assert set(rows) == {"c2", "c3", "c4", never.handle}
        assert rows["c2"].reasons == ("last searched through 2026-10-19, 36 days ago",)
        assert rows["c3"].reasons == rows["c8"].reasons == ("never searched for",)
        assert rows["c4"].reasons == ("names LLaMA-3.2 (Sep 2024), 27 months old",)
        assert rows["c4"].record()["models"] == [{"name": "LLaMA-3.2", "released": "2024-09"}]


def test_thirty_five_days_are_not_yet_stale(session: Session) -> None:
    claim = add_claim(session, add_line(session), "c1", "Decks help.")
    verdict_for(session, claim, searched_through=date(2026, 10, 20))
    assert list_stale(session, TODAY) == []


def test_the_scope_of_a_claim_is_read_too(session: Session) -> None:
    claim = add_claim(session, add_line(session), "c1", "Decks help.")
    verdict_for(session, claim, searched_through=TODAY)
    revision = session.exec(select(ClaimRevision)).one()
    revision.scope = {"models": ["Qwen2.5-7B"], "n": 3}
    session.add(revision)
    session.commit()
    assert [row.reasons[0][:13] for row in list_stale(session, TODAY)] == ["names Qwen2.5"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("GPT-4o and GPT-4 differ", ["GPT-4", "GPT-4o"]),
        ("gpt4 and GPT 3.5", ["GPT 3.5", "gpt4"]),
        ("Llama-3.1-8B beats llama 2", ["llama 2", "Llama-3.1"]),
        ("DeepSeek-R1, o1 and o3-mini", ["o1", "DeepSeek-R1", "o3-mini"]),
        ("we opt for gemma rays, LLaMA-9, GPT-40 and proto1", []),
        ("BERT-like models of LLaMA-7B", ["BERT", "LLaMA"]),
    ],
)
def test_models_are_read_off_a_text(text: str, names: list[str]) -> None:
    assert [model.name for model in find_models(text)] == names


@given(st.sampled_from(sorted(RELEASES)), st.sampled_from(["-", " "]))
def test_every_family_is_found_under_its_own_date(name: str, join: str) -> None:
    written = name.replace(" ", join)
    found = find_models(f"We ask {written} to sort.")
    assert [f"{model.released:%Y-%m}" for model in found] == [RELEASES[name]]
    assert datetime.strptime(RELEASES[name], "%Y-%m").year < 2027  # noqa: DTZ007
