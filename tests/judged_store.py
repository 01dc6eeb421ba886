"""A claim, papers and candidates for tests of judging, and the answers of an honest model."""

from typing import Any

from sqlmodel import Session, select

from db.columns import stored_id
from db.models import Candidate, Claim, Paper
from ingest.judges import PaperText
from tests.papers_and_claims import add_claim, add_line, add_paper

CLAIM = "Sampling many answers and voting saturates: more samples bring no further accuracy."
TITLE = "When does voting over samples stop helping?"
FIRST = "Voting over many sampled answers is widely used to raise accuracy."
SECOND = "We find that accuracy saturates after 40 samples and falls by up to 3% beyond."
THIRD = "Code is available."
ABSTRACT = f"{FIRST} {SECOND} {THIRD}"
PAPER = PaperText("2503.00002", TITLE, ABSTRACT)


def propose(stance: str, quote: str = "", **more: Any) -> dict[str, Any]:
    """An answer of the first pass."""
    unknown = dict.fromkeys(("model", "task", "metric", "scale"), "unknown")
    given = {"stance": stance, "quote": quote, "studied_models": [], "studied_dates": []}
    return {**given, "scope": unknown, **more}


def answer_honestly(shape: str, content: str) -> dict[str, Any]:
    """Supports, by the second sentence, in both passes."""
    if shape == "ProposedAnswer":
        return propose("supports", SECOND)
    if shape == "VerifiedAnswer":
        stance = "supports" if SECOND in content else "none"
        return {"stance": stance, "addresses_reader": False}
    return {"quote": SECOND}


def fill(session: Session, papers: int = 1) -> Claim:
    """One claim, so many papers, each a candidate."""
    claim = add_claim(session, add_line(session), "c1", CLAIM)
    for number in range(papers):
        add_paper(session, f"2503.{number:05d}", TITLE, f"{ABSTRACT} Study {number}.")
    add_candidates(session, claim)
    return claim


def add_candidates(session: Session, claim: Claim, revision_id: int = 1) -> None:
    """Every paper as a candidate of one wording."""
    for rank, paper_id in enumerate(session.exec(select(Paper.id)).all(), start=1):
        session.add(
            Candidate(
                claim_id=stored_id(claim.id), claim_revision_id=revision_id,
                paper_id=stored_id(paper_id), ranker="r", rank=rank, score=1, lexical_score=1,
            )
        )  # fmt: skip
    session.commit()
