"""The verdict table, row by row; independence of sources; grounding by words and numbers."""

from datetime import date, timedelta

import pytest
from sqlmodel import Session, select

from claims.documents import normalise_text
from claims.grounding import audit_grounding
from claims.importing import import_text
from claims.literature import SearchExtent, conclude_literature
from claims.queries import find_claim
from claims.reading import current_revision
from claims.verdicts import Basis, decide_headline, decide_look
from db.columns import stored_id
from db.models import Anchor, Claim, Evidence, Paper, PaperVersion
from tests.documents import write_line

TODAY = date(2026, 11, 24)
EXTENT = SearchExtent(through=TODAY, papers=100, source="arXiv")


def basis(grounding: str = "grounded", literature: str = "silent", **values: object) -> Basis:
    return Basis(
        **{"grounding": grounding, "literature": literature, "local": "none",
           "searched_through": TODAY, **values}  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "headline"),
    [
        (basis("misquoted", "supported"), "UNGROUNDED"),
        (basis("unanchored"), "UNGROUNDED"),
        (basis("id-broken", "contradicted"), "UNGROUNDED"),
        (basis("overreach", "supported"), "OVERSTATED"),
        (basis("hub"), None),
        (basis(literature="contradicted", independent_against=2), "MOVED"),
        (basis(literature="contradicted", independent_against=1), "CONTESTED"),
        (basis(literature="relaxed"), "NARROWED"),
        (basis(literature="contested"), "CONTESTED"),
        (basis(literature="supported"), "HOLDS"),
        (basis(literature="silent"), "UNCHALLENGED"),
        (basis(literature="unsearched"), "STALE"),
        (basis(literature="silent", searched_through=None), "STALE"),
        (basis(literature="silent", searched_through=TODAY - timedelta(days=35)), "UNCHALLENGED"),
        (basis(literature="silent", searched_through=TODAY - timedelta(days=36)), "STALE"),
        (basis(literature="supported", searched_through=TODAY - timedelta(days=36)), "STALE"),
        (basis("unanchored", is_retired=True), "RETIRED"),
    ],
)
def test_headline_table(row: Basis, headline: str | None) -> None:
    assert decide_headline(row, TODAY) == headline


@pytest.mark.parametrize("local", ["consistent", "shifted", "attenuated", "undecided", "invalid"])
def test_local_never_decides_a_headline(local: str) -> None:
    for grounding in ("grounded", "overreach", "unanchored"):
        with_local = basis(grounding, local=local)
        assert decide_headline(with_local, TODAY) == decide_headline(basis(grounding), TODAY)
        assert decide_look(with_local) == (local in {"shifted", "attenuated"})


def test_a_drift_of_our_own_experiment_asks_for_a_look() -> None:
    assert decide_look(basis(local="invalid", drifts=1))
    assert not decide_look(basis("hub", local="invalid", drifts=1))


def test_a_proposal_asks_for_a_look_and_no_more() -> None:
    row = basis(proposals=2)
    assert decide_headline(row, TODAY) == "UNCHALLENGED"
    assert decide_look(row)
    assert not decide_look(basis("hub", proposals=2))


@pytest.fixture
def claim(session: Session) -> Claim:
    import_text(session, normalise_text(write_line()), "test")
    return find_claim(session, "c3")


def add_paper(session: Session, arxiv_id: str, abstract: str, authors: list[str]) -> Paper:
    paper = Paper(
        arxiv_id=arxiv_id,
        title="Ordered decks",
        abstract=abstract,
        authors=authors,
        published=date(2026, 1, 5),
        source="snapshot",
    )
    session.add(paper)
    session.commit()
    return paper


def add_stance(session: Session, claim: Claim, paper: Paper, stance: str, status: str) -> None:
    version = PaperVersion(
        paper_id=stored_id(paper.id),
        version=1,
        text_hash="h",
        title=paper.title,
        abstract=paper.abstract,
        source="snapshot",
    )
    session.add(version)
    session.flush()
    session.add(
        Evidence(
            claim_id=stored_id(claim.id),
            claim_revision_id=stored_id(current_revision(session, claim).id),
            paper_id=stored_id(paper.id),
            paper_version_id=stored_id(version.id),
            stance=stance,
            status=status,
            judge="test",
        )
    )
    session.commit()


def test_proposals_are_never_counted(session: Session, claim: Claim) -> None:
    paper = add_paper(session, "2601.00001", "Decks.", ["A"])
    add_stance(session, claim, paper, "contradicts", "proposed")
    state = conclude_literature(session, claim, EXTENT, TODAY)
    assert (state.literature, state.proposals) == ("silent", {"contradicts": 1})


def test_rejected_rows_are_gone(session: Session, claim: Claim) -> None:
    paper = add_paper(session, "2601.00001", "Decks.", ["A"])
    add_stance(session, claim, paper, "contradicts", "rejected")
    state = conclude_literature(session, claim, EXTENT, TODAY)
    assert (state.literature, state.proposals) == ("silent", {})


def test_papers_that_share_an_author_count_once(session: Session, claim: Claim) -> None:
    for number, authors in enumerate((["A", "B"], ["B", "C"], ["C"], ["D"]), 1):
        paper = add_paper(session, f"2601.0000{number}", "Decks.", authors)
        add_stance(session, claim, paper, "contradicts", "confirmed")
    state = conclude_literature(session, claim, EXTENT, TODAY)
    assert (state.literature, state.independent_against) == ("contradicted", 2)


def test_both_sides_are_contested(session: Session, claim: Claim) -> None:
    for number, stance in enumerate(("contradicts", "supports"), 1):
        paper = add_paper(session, f"2601.0000{number}", "Decks.", [f"A{number}"])
        add_stance(session, claim, paper, stance, "confirmed")
    assert conclude_literature(session, claim, EXTENT, TODAY).literature == "contested"


def test_an_old_support_does_not_hold_for_ever(session: Session, claim: Claim) -> None:
    paper = add_paper(session, "2601.00001", "Decks.", ["A"])
    add_stance(session, claim, paper, "supports", "confirmed")
    later = TODAY + timedelta(days=800)
    assert conclude_literature(session, claim, EXTENT, TODAY).literature == "supported"
    assert conclude_literature(session, claim, EXTENT, later).literature == "silent"


def test_nothing_searched_is_not_silence(session: Session, claim: Claim) -> None:
    nothing = SearchExtent(through=None, papers=0, source="arXiv")
    assert conclude_literature(session, claim, nothing, TODAY).literature == "unsearched"


def test_grounding_quotes_the_exact_span(session: Session, claim: Claim) -> None:
    abstract = "We study kettles. Ordered decks give up to 42% more sorted cards. We conclude."
    paper = add_paper(session, "2505.13379", abstract, ["A"])
    state = audit_grounding(session, claim)
    assert state.grounding == "grounded"
    detail = state.detail
    assert paper.abstract[detail["start"] : detail["end"]] == detail["quote"]
    assert "42%" in detail["quote"]
    assert detail["read"] == "abstract"


def test_a_number_that_its_source_lacks_is_overreach(session: Session, claim: Claim) -> None:
    add_paper(session, "2505.13379", "Ordered decks give more sorted cards.", ["A"])
    state = audit_grounding(session, claim)
    assert (state.grounding, state.detail["numbers_missing"]) == ("overreach", ["up to 42%"])


def test_a_source_about_something_else_is_overreach(session: Session, claim: Claim) -> None:
    add_paper(session, "2505.13379", "Ducks swim in 42% of all ponds.", ["A"])
    assert audit_grounding(session, claim).grounding == "overreach"


def test_without_a_text_nothing_is_grounded(session: Session, claim: Claim) -> None:
    assert audit_grounding(session, claim).grounding == "unanchored"
    anchor = session.exec(select(Anchor).where(Anchor.arxiv_id == "2505.13379")).one()
    anchor.state = "broken"
    session.add(anchor)
    session.commit()
    assert audit_grounding(session, claim).grounding == "id-broken"
    assert audit_grounding(session, find_claim(session, "c1")).grounding == "unanchored"
    assert audit_grounding(session, find_claim(session, "c2")).grounding == "hub"
