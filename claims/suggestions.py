"""Which stored papers may be the source of a note that names none, and why each may be.

Decides an order by reasons that a person can check: the work's author and year as the note
names them, a system's name in title or abstract, shared telling words. A suggestion is a
place to look; only a person ties an anchor.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import String, cast
from sqlmodel import Session, col, select

from claims.audit_findings import AUTHOR_YEAR
from claims.likeness import stem_words
from claims.search import STOPWORDS, search_papers
from claims.source_texts import OWN_BONUS, SourceText, find_closest
from db.columns import stored_id
from db.models import Claim, Note, Paper

SHOWN = 5
SEARCHED = 60  # papers that full text brings in
MOST_WITH_NAME = 25  # a word that more papers hold is no system's name
MOST_BY_AUTHOR = 200
WEIGHTS = {"words": 1.0, "search": 1.0, "sentence": 0.5}
BY_AUTHOR_AND_YEAR, BY_AUTHOR = 2.0, 0.4
NAME_IN_TITLE, NAME_IN_ABSTRACT = 1.5, 0.8
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
    for candidate in candidates.values():
        _add_likeness(text, claim.statement, candidate)
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
        for paper_id, paper in papers.items():
            place = _find_name(name, paper)
            if place is None:
                continue
            candidate = candidates.setdefault(paper_id, _Candidate(paper))
            candidate.score += NAME_IN_TITLE if place == "title" else NAME_IN_ABSTRACT
            candidate.reasons.append(f"{name} in its {place}")


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


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


def _add_likeness(text: str, statement: str, candidate: _Candidate) -> None:
    paper = candidate.paper
    wanted = stem_words(text)
    shared = wanted & stem_words(f"{paper.title} {paper.abstract}")
    candidate.score += WEIGHTS["words"] * len(shared) / max(len(wanted), 1)
    closest = find_closest(statement, _read_abstract(paper).abstract_passages)
    if closest is not None:
        bonus = OWN_BONUS if closest[1].is_own_work else 0.0
        candidate.score += WEIGHTS["sentence"] * (closest[0] + bonus)
    words = _show_words(text, shared)
    if words:
        candidate.reasons.append(f"shares {len(shared)} telling words: {', '.join(words)}")


def _read_abstract(paper: Paper) -> SourceText:
    return SourceText(paper.arxiv_id, paper.title, paper.abstract, (), None, 1, 1, False)


def _show_words(text: str, shared: set[str]) -> list[str]:
    """The longest words behind the shared stems, as the note spells them."""
    words = dict.fromkeys(w.lower() for w in re.findall(r"[A-Za-z]{4,}", text))
    telling = [word for word in words if stem_words(word) & shared]
    return sorted(telling, key=lambda word: -len(word))[:SHOWN_WORDS]


def _load(session: Session, ids: Sequence[int]) -> dict[int, Paper]:
    rows = session.exec(select(Paper).where(col(Paper.id).in_(list(ids))))
    return {stored_id(paper.id): paper for paper in rows}
