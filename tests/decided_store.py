"""A library with proposals that wait, for tests of the queue and of decisions."""

from datetime import date
from typing import Any

from sqlmodel import Session, col, select

from claims.edit_journal import Signature
from claims.literature import SearchExtent, conclude_literature
from db.columns import stored_id
from db.models import Claim, Evidence, Line, Paper, Verdict
from ingest.deciding import Wish
from reassay.deciding import Recorded, decide
from tests.papers_and_claims import add_claim, add_line, add_paper
from tests.report_store import add_stance, add_verdict

TODAY = date(2026, 11, 24)
ADA = Signature("Ada", "read it")
BOB = Signature("Bob", "read it too")
AGAINST = "We show that practice cannot be replaced by heat."
LIMIT = "On small decks heat still helps a little."
ABSTRACT = f"Prior work was divided. {AGAINST} {LIMIT} So it goes."
EXTENT = SearchExtent(date(2026, 11, 20), 100, "api")


def add_library(session: Session, claims: int = 3) -> list[Claim]:
    """Claims c1, c2, … of one line, each grounded, searched and unchallenged."""
    line = add_line(session)
    made = [add_claim(session, line, f"c{n}", f"Heat replaces practice, {n}.") for n in
            range(1, claims + 1)]  # fmt: skip
    for claim in made:
        add_grounded(session, claim)
    return made


def add_grounded(session: Session, claim: Claim, **values: Any) -> Verdict:
    fields = {
        "headline": "UNCHALLENGED",
        "grounding": "grounded",
        "searched_through": date(2026, 11, 20),
    }
    return add_verdict(session, claim, **{**fields, **values})


def add_newer(session: Session, number: int, abstract: str = ABSTRACT) -> Paper:
    paper = add_paper(session, f"2606.{number:05d}", f"Paper {number}", abstract, date(2026, 6, 29))
    paper.authors = [f"Author {number}"]
    session.add(paper)
    session.commit()
    return paper


def propose(
    session: Session, claim: Claim, number: int, stance: str = "contradicts", **values: Any
) -> Evidence:
    """A proposed row on a paper of its own."""
    paper = add_newer(session, number)
    return add_stance(session, claim, paper, stance, AGAINST, **values)


def lean(session: Session, claim: Claim, number: int, leaning: str, likely: float) -> Evidence:
    """An unclear row that leans to a stance, without a quote."""
    paper = add_newer(session, number)
    key = "supports" if leaning == "supports" else "against"
    row = add_stance(
        session,
        claim,
        paper,
        "unclear",
        AGAINST,
        confidence=None,
        quote=None,
        quote_start=None,
        quote_end=None,
        section=None,
        scope={"leaning": leaning, "probabilities": {key: likely, "neither": 1 - likely}},
    )
    start = ABSTRACT.index(LIMIT)
    row.closest = [
        {"section": "abstract", "start": start, "end": start + len(LIMIT), "text": LIMIT}
    ]
    session.add(row)
    session.commit()
    return row


def say(session: Session, row: Evidence, word: str, **values: Any) -> Recorded:
    """Ada decides."""
    wish = {key: tuple(value) for key, value in values.items() if key != "by"}
    by = values.get("by", ADA)
    return decide(session, stored_id(row.id), Wish(word, **wish), by, TODAY)


def read_literature(session: Session) -> dict[str, Any]:
    """The literature of every claim, and what every row counts as."""
    session.expire_all()
    claims = session.exec(select(Claim).order_by(col(Claim.id))).all()
    states = {claim.handle: conclude_literature(session, claim, EXTENT, TODAY) for claim in claims}
    rows = session.exec(select(Evidence).where(col(Evidence.split_from_id).is_(None))).all()
    return {
        **states,
        "rows": {row.id: row.model_dump(exclude={"created_at"}) for row in rows},
    }


def read_verdict(session: Session, claim: Claim) -> Verdict:
    return (
        session.exec(
            select(Verdict).where(Verdict.claim_id == claim.id).order_by(col(Verdict.id).desc())
        ).first()
        or Verdict()
    )


def add_second_line(session: Session, claim: Claim) -> Line:
    from db.models import LineClaim

    line = add_line(session, f"line-of-{claim.handle}")
    session.add(LineClaim(line_id=stored_id(line.id), claim_id=stored_id(claim.id)))
    session.commit()
    return line
