"""Confirmed stances that point opposite ways, on one claim or on two that are alike."""

from dataclasses import replace
from datetime import date

import pytest
from sqlmodel import Session

from claims.contradictions import Position, find_contradictions, pair_opposites
from db.columns import stored_id
from tests.papers_and_claims import add_claim, add_line
from tests.report_store import add_paper, add_stance

FOR = Position(
    1, 1, "c1", "Warm kettles sort cards", "supports", "2501.00001", "Kettles", date(2025, 1, 1),
    "Kettles sort them.", False,
)  # fmt: skip
OPPOSITE = replace(FOR, evidence_id=2, stance="contradicts", arxiv_id="2601.00002")


def test_one_claim_two_papers() -> None:
    (pair,) = pair_opposites([FOR, OPPOSITE])
    assert (pair.one, pair.other, pair.is_between_claims) == (FOR, OPPOSITE, False)


@pytest.mark.parametrize(
    "change",
    [
        {"stance": "supports"},
        {"published": date(2027, 1, 2)},
        {"is_elsewhere": True},
        {"arxiv_id": FOR.arxiv_id},
        {"claim_id": 2, "statement": "Depth beats width in small decks"},
    ],
)
def test_what_is_no_contradiction(change: dict[str, object]) -> None:
    assert pair_opposites([FOR, replace(OPPOSITE, **change)]) == []  # type: ignore[arg-type]


def test_two_claims_that_say_nearly_the_same() -> None:
    other = replace(
        OPPOSITE, claim_id=2, handle="c2", statement="A warm kettle can sort cards well"
    )
    (pair,) = pair_opposites([FOR, other])
    assert pair.is_between_claims


def test_an_unknown_date_does_not_part_two_papers() -> None:
    assert len(pair_opposites([FOR, replace(OPPOSITE, published=None)])) == 1


def test_pairs_are_found_from_either_line(session: Session) -> None:
    here, there = add_line(session, "here"), add_line(session, "there")
    one = add_claim(session, here, "c1", "Warm kettles sort cards")
    other = add_claim(session, there, "c2", "A warm kettle can sort cards well")
    agrees = add_paper(session, "2607.00001", "We agree. Kettles sort cards.")
    denies = add_paper(session, "2607.00002", "We deny it. Kettles sort nothing at all.")
    add_stance(session, one, agrees, "supports", "Kettles sort cards.", status="confirmed")
    proposal = add_stance(session, other, denies, "contradicts", "Kettles sort nothing at all.")
    assert find_contradictions(session) == []
    proposal.status = "confirmed"
    session.add(proposal)
    session.commit()
    (pair,) = find_contradictions(session)
    assert (pair.one.handle, pair.other.handle) == ("c1", "c2")
    assert pair.record()["other"]["quote"] == "Kettles sort nothing at all."
    for line in (here, there):
        assert find_contradictions(session, stored_id(line.id)) == [pair]
    denies.is_withdrawn = True
    session.add(denies)
    session.commit()
    assert find_contradictions(session) == []
