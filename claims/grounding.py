"""Does the claim's own source say it? Read off the stored text of its anchors, offline.

Decides by words and numbers alone, from the abstract: the closest sentence, how much of
the claim the source's words cover, and whether the claim's numbers stand there. It does
not know the full text, so it says which text was read; a person has the last word.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session, col, select

from claims.likeness import measure_overlap, stem_words
from claims.quantities import Quantity, find_quantities
from claims.sentences import Sentence, split_sentences
from claims.verdicts import Grounding
from db.models import Anchor, Claim, Note, Paper

ENOUGH_COVERED = 0.35  # of the statement's telling words, anywhere in title and abstract
ENOUGH_LIKENESS = 0.25  # of the closest sentence and the statement
SAME_VALUE = 1e-9


@dataclass(frozen=True)
class GroundingState:
    """The word, and the sentence and reason that it rests on."""

    grounding: Grounding
    detail: dict[str, Any] = field(default_factory=dict)
    quoted_anchors: tuple[int, ...] = ()  # ids of anchors whose paper gave the quote


def audit_grounding(session: Session, claim: Claim) -> GroundingState:
    """The grounding field of one claim, from what the store holds today."""
    note = session.get(Note, claim.note_id) if claim.note_id else None
    if note is not None and note.kind == "hub":
        return _say("hub", "a topic page: it heads claims and makes none of its own")
    anchors = _find_anchors(session, claim)
    if not anchors:
        return _say("unanchored", "no paper is tied to its note")
    ids = ", ".join(sorted({str(anchor.arxiv_id) for anchor in anchors}))
    if all(anchor.state == "broken" for anchor in anchors):
        return _say("id-broken", f"arXiv has no paper {ids}")
    papers = _find_papers(session, anchors)
    if not papers:
        return _say("unanchored", f"the text of {ids} has not been read: it is not in the store")
    return _compare(claim, papers, anchors)


def _say(grounding: Grounding, reason: str) -> GroundingState:
    return GroundingState(grounding, {"reason": reason, "read": None})


def _find_anchors(session: Session, claim: Claim) -> Sequence[Anchor]:
    return session.exec(
        select(Anchor)
        .where(col(Anchor.note_id).is_not(None), Anchor.note_id == claim.note_id)
        .where(col(Anchor.arxiv_id).is_not(None))
        .order_by(col(Anchor.id))
    ).all()


def _find_papers(session: Session, anchors: Sequence[Anchor]) -> Sequence[Paper]:
    ids = [anchor.arxiv_id for anchor in anchors]
    return session.exec(
        select(Paper).where(col(Paper.arxiv_id).in_(ids)).order_by(col(Paper.id))
    ).all()


def _compare(claim: Claim, papers: Sequence[Paper], anchors: Sequence[Anchor]) -> GroundingState:
    """The claim beside the paper whose abstract holds the closest sentence."""
    scored = [
        (measure_overlap(claim.statement, sentence.text), paper, sentence)
        for paper in papers
        for sentence in split_sentences(paper.abstract)
    ]
    if not scored:
        return _say("unanchored", "the stored source has no abstract to read")
    likeness, paper, sentence = max(scored, key=lambda row: row[0])
    missing = _find_missing(claim.text, f"{paper.title}\n{paper.abstract}")
    covered = _measure_cover(claim.statement, f"{paper.title} {paper.abstract}")
    grounding, reason = _decide(paper, likeness, covered, missing)
    return GroundingState(
        grounding,
        _describe(paper, sentence, likeness, covered, missing) | {"reason": reason},
        tuple(a.id for a in anchors if a.arxiv_id == paper.arxiv_id and a.id is not None),
    )


def _decide(
    paper: Paper, likeness: float, covered: float, missing: Sequence[Quantity]
) -> tuple[Grounding, str]:
    withdrawn = "; the paper is marked withdrawn" if paper.is_withdrawn else ""
    if missing:
        numbers = ", ".join(quantity.text for quantity in missing)
        reason = f"its abstract does not give {numbers}; only the abstract was read"
        return "overreach", reason + withdrawn
    if likeness < ENOUGH_LIKENESS or covered < ENOUGH_COVERED:
        reason = "no sentence of its abstract comes close; only the abstract was read"
        return "overreach", reason + withdrawn
    return "grounded", f"the closest sentence of its abstract says so in like words{withdrawn}"


def _find_missing(claim_text: str, source_text: str) -> list[Quantity]:
    """Quantities of the claim that the source does not give; years and ratios aside."""
    given = find_quantities(source_text)
    return [
        wanted
        for wanted in find_quantities(claim_text)
        if wanted.unit and not any(_same_value(wanted, quantity) for quantity in given)
    ]


def _same_value(one: Quantity, other: Quantity) -> bool:
    return (
        abs(one.low - other.low) < SAME_VALUE
        and abs(one.high - other.high) < SAME_VALUE
        and _unit_kind(one) == _unit_kind(other)
    )


def _unit_kind(quantity: Quantity) -> str:
    unit = (quantity.unit or "").lower()
    return "x" if unit in {"x", "×", "times", "fold"} else unit.removesuffix(" parameters")


def _measure_cover(statement: str, source_text: str) -> float:
    wanted = stem_words(statement)
    return len(wanted & stem_words(source_text)) / len(wanted) if wanted else 0.0


def _describe(
    paper: Paper, sentence: Sentence, likeness: float, covered: float, missing: Sequence[Quantity]
) -> dict[str, Any]:
    return {
        "read": "abstract",
        "arxiv_id": paper.arxiv_id,
        "title": paper.title,
        "section": "abstract",
        "quote": sentence.text,
        "start": sentence.start,
        "end": sentence.end,
        "likeness": round(likeness, 3),
        "covered": round(covered, 3),
        "numbers_missing": [quantity.text for quantity in missing],
    }
