"""Which stored papers may be the source of a note that names none, and why each may be.

Decides an order by reasons that a person can check: the work's author and year as the note
names them, a system's name in title or abstract, shared telling words. A suggestion is a
place to look; only a person ties an anchor.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from sqlalchemy import String, cast
from sqlmodel import Session, col, select

from claims.audit_findings import AUTHOR_YEAR
from claims.search import STOPWORDS, WORD, search_papers
from claims.source_texts import SourceText, find_closest
from db.columns import stored_id
from db.models import Anchor, Claim, LineClaim, Note, Paper

SHOWN = 5
SEARCHED = 300  # papers that full text brings in
MOST_WITH_NAME = 25  # a word that more papers hold is no system's name
MOST_BY_AUTHOR = 200
WEIGHTS = {"search": 1.0, "words": 1.0, "pairs": 2.0, "sentence": 1.0}
HEAD = 6  # letters: "difficult" and "difficulty" are one word here
BY_AUTHOR_AND_YEAR, BY_AUTHOR = 2.0, 0.4
NAME_IN_TITLE, NAME_IN_ABSTRACT = 1.5, 0.8
ANCHOR_OF_LINE = 0.3
FIRST_WITH_NAME = 0.7  # a system's own paper comes before those that use it
NAME = re.compile(r"\b(?:[A-Z][\w]*[A-Z][\w]*|[A-Z][a-z]{4,}\w*)(?:-[A-Z0-9][\w.]*)?\b")
SHOWN_WORDS = 6


@dataclass
class _Candidate:
    """A paper and the reasons for it so far."""

    paper: Paper
    score: float = 0.0
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Suggestion:
    """A stored paper that may be a claim's source; the score orders one answer only."""

    arxiv_id: str
    title: str
    authors: tuple[str, ...]
    published: str | None
    score: float
    reasons: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """As plain data, for scripts."""
        return {
            "arxiv_id": self.arxiv_id,
            "title": self.title,
            "authors": list(self.authors),
            "published": self.published,
            "score": self.score,
            "reasons": list(self.reasons),
        }


def suggest_sources(session: Session, claim: Claim, limit: int = SHOWN) -> list[Suggestion]:
    """The stored papers most likely to be a claim's source, best first."""
    note = session.get(Note, claim.note_id) if claim.note_id else None
    text = f"{note.title} {claim.text}" if note else claim.text
    candidates: dict[int, _Candidate] = {}
    _add_by_search(session, text, candidates)
    _add_by_name(session, claim.text, candidates)
    _add_by_author(session, claim.text, candidates)
    _add_by_line(session, claim, candidates)
    _add_likeness(text, claim.statement, list(candidates.values()))
    best = sorted(candidates.values(), key=lambda c: (-c.score, c.paper.arxiv_id))[:limit]
    return [_finish(candidate) for candidate in best]


def _finish(candidate: _Candidate) -> Suggestion:
    paper = candidate.paper
    day = paper.published or paper.listed
    return Suggestion(
        arxiv_id=paper.arxiv_id,
        title=paper.title,
        authors=tuple(paper.authors),
        published=day.isoformat() if day else None,
        score=round(candidate.score, 3),
        reasons=tuple(candidate.reasons),
    )


def _add_by_search(session: Session, text: str, candidates: dict[int, _Candidate]) -> None:
    hits = search_papers(session, text, SEARCHED)
    top = max((hit.score for hit in hits), default=0.0)
    papers = _load(session, [hit.id for hit in hits])
    for hit in hits:
        share = hit.score / top if top > 0 else 0.0
        candidates[hit.id] = _Candidate(papers[hit.id], WEIGHTS["search"] * share)


def _add_by_name(session: Session, text: str, candidates: dict[int, _Candidate]) -> None:
    """Papers that hold a name of the note which few papers hold."""
    for name in find_names(text):
        hits = search_papers(session, name, MOST_WITH_NAME + 1)
        if not hits or len(hits) > MOST_WITH_NAME:
            continue
        papers = _load(session, [hit.id for hit in hits])
        holding = [p for p in papers.values() if _find_name(name, p)]
        first = min(holding, key=lambda p: p.arxiv_id, default=None)
        for paper in holding:
            place = _find_name(name, paper)
            candidate = candidates.setdefault(stored_id(paper.id), _Candidate(paper))
            candidate.score += NAME_IN_TITLE if place == "title" else NAME_IN_ABSTRACT
            candidate.reasons.append(f"{name} in its {place}")
            if paper is first and len(holding) > 1:
                candidate.score += FIRST_WITH_NAME
                candidate.reasons.append(f"the first of {len(holding)} stored papers with {name}")


def find_names(text: str) -> list[str]:
    """Words that may be a system's name: written with capitals, and no everyday word."""
    return [
        name
        for name in dict.fromkeys(NAME.findall(text))
        if name.lower() not in STOPWORDS and AUTHOR_YEAR.match(name) is None
    ]


def _find_name(name: str, paper: Paper) -> str | None:
    pattern = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    if pattern.search(paper.title):
        return "title"
    return "abstract" if pattern.search(paper.abstract) else None


def _add_by_author(session: Session, text: str, candidates: dict[int, _Candidate]) -> None:
    """Papers by an author that the note names, of the year that it names or any other."""
    for named in AUTHOR_YEAR.finditer(text):
        who, year = named["who"], int(named["year"])
        query = (
            select(Paper)
            .where(cast(col(Paper.authors), String).like(f"%{_escape(who)}%", escape="\\"))
            .where(col(Paper.arxiv_id).like(f"{year % 100:02d}%"))
            .order_by(col(Paper.id))
            .limit(MOST_BY_AUTHOR)
        )
        for paper in session.exec(query):
            position = next(
                (n for n, author in enumerate(paper.authors) if author.split()[-1:] == [who]), None
            )
            if position is None:
                continue
            candidate = candidates.setdefault(stored_id(paper.id), _Candidate(paper))
            first = position == 0
            candidate.score += BY_AUTHOR_AND_YEAR if first else BY_AUTHOR
            role = "first author" if first else "an author"
            candidate.reasons.append(f"{who} is {role}, submitted in {year}, as the note says")


def _add_by_line(session: Session, claim: Claim, candidates: dict[int, _Candidate]) -> None:
    """Anchors of the claim's lines: several notes of a line often rest on one paper."""
    lines = select(LineClaim.line_id).where(LineClaim.claim_id == claim.id)
    listed = select(Anchor.arxiv_id).where(col(Anchor.line_id).in_(lines))
    for paper in session.exec(select(Paper).where(col(Paper.arxiv_id).in_(listed))):
        candidate = candidates.setdefault(stored_id(paper.id), _Candidate(paper))
        candidate.score += ANCHOR_OF_LINE
        candidate.reasons.append("an anchor of the same line")


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


def _add_likeness(text: str, statement: str, candidates: Sequence[_Candidate]) -> None:
    """Rare words and neighbouring words that note and paper share, and the closest sentence.

    A word is worth more the fewer of the candidates hold it.
    """
    wanted = _Words.of(text)
    held = [_Words.of(f"{c.paper.title}. {c.paper.abstract}") for c in candidates]
    counts = Counter(word for words in held for word in words.heads & wanted.heads)
    worth = {w: math.log((len(held) + 1) / (counts[w] + 0.5)) for w in wanted.heads}
    whole = sum(worth.values()) or 1.0
    for candidate, words in zip(candidates, held, strict=True):
        shared = wanted.heads & words.heads
        pairs = wanted.pairs & words.pairs
        candidate.score += WEIGHTS["words"] * sum(worth[w] for w in shared) / whole
        candidate.score += WEIGHTS["pairs"] * len(pairs) / max(len(wanted.pairs), 1)
        closest = find_closest(statement, _read_abstract(candidate.paper).abstract_passages)
        if closest is not None:
            candidate.score += WEIGHTS["sentence"] * (closest[0] + closest[1].own_bonus)
        telling = sorted(shared, key=lambda w: -worth[w])[:SHOWN_WORDS]
        if telling:
            spelled = ", ".join(wanted.spelling[w] for w in telling)
            candidate.reasons.append(f"shares {len(shared)} telling words: {spelled}")


@dataclass(frozen=True)
class _Words:
    """The heads of a text's telling words, and which of them stand side by side."""

    heads: frozenset[str]
    pairs: frozenset[frozenset[str]]
    spelling: dict[str, str]

    @classmethod
    def of(cls, text: str) -> "_Words":
        words = [w.lower() for w in WORD.findall(text) if len(w) > 2]
        told = [w for w in words if w not in STOPWORDS]
        heads = [w[:HEAD] for w in told]
        pairs = {frozenset(pair) for pair in pairwise(heads) if pair[0] != pair[1]}
        return cls(frozenset(heads), frozenset(pairs), dict(zip(heads, told, strict=True)))


def _read_abstract(paper: Paper) -> SourceText:
    return SourceText(paper.arxiv_id, paper.title, paper.abstract, (), None, 1, 1, False)


def _load(session: Session, ids: Sequence[int]) -> dict[int, Paper]:
    rows = session.exec(select(Paper).where(col(Paper.id).in_(list(ids))))
    return {stored_id(paper.id): paper for paper in rows}
