"""Ranks the stored papers against each claim and keeps the best as candidates.

Two rankings, each scaled to 0..1 and added by halves: BM25 (or PostgreSQL's own rank) over
the store, and the likeness of embeddings for its best hits alone. Decides which papers are
newer than a claim; knows nothing of what they say. A paper that shares no word with the
claim is never found.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from langchain_core.embeddings import Embeddings
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select

from claims.search import Hit, search_papers
from db.columns import stored_id
from db.models import Anchor, Candidate, Claim, ClaimRevision, Finding, Line, LineClaim, Note, Paper
from ingest.embeddings import WordLlamaEmbeddings, embed_matrix

TOP = 50
DEPTH = 300  # hits of the lexical ranking that are embedded
RANKER_VERSION = 2
# Words of a note that say who found something, not what: an author's rare name would
# otherwise outweigh every word of the claim.
CITATION = re.compile(r"\b[A-Z][\w'’-]+(?: et al\.?| and [A-Z][\w'’-]+)?,? \((?:19|20)\d{2}\)")
REPORTING = re.compile(
    r"\b(?:research|work|trials|experiments|results?|authors?|reports?|shows?|showed|finds?|found|"
    r"reveals?|suggest(?:s|ing)?|indicates?)\b",
    re.IGNORECASE,
)
PROGRESS_EVERY = 25
CACHED_PAPERS = 50_000  # vectors kept during one run: about 50 MB


@dataclass(frozen=True)
class TriageSummary:
    """What ranking came to; ``candidates`` counts those in force after it."""

    ranker: str
    claims: int = 0
    ranked: int = 0  # claim-paper pairs that were scored
    candidates: int = 0
    new_candidates: int = 0


class RankedPaper(NamedTuple):
    """A paper's fused score and its parts, each scaled within one ranking's hits."""

    paper_id: int
    score: float
    lexical_score: float
    embedding_score: float


class Ranker:
    """Ranks papers for a text; keeps the vectors of papers that it has embedded."""

    def __init__(self, embedder: Embeddings) -> None:
        self._embedder = embedder
        self._vectors: dict[int, object] = {}

    @property
    def name(self) -> str:
        """Name and version, as candidates carry it."""
        return f"bm25+{name_embedder(self._embedder)}-{RANKER_VERSION}"

    def rank_papers(
        self, session: Session, text: str, *, since: date | None, excluded: set[int]
    ) -> list[RankedPaper]:
        """Up to ``DEPTH`` papers, best first."""
        import numpy as np

        found = search_papers(session, text, DEPTH + len(excluded), since=since)
        hits = [hit for hit in found if hit.id not in excluded][:DEPTH]
        if not hits:
            return []
        self._embed(session, hits)
        claim = embed_matrix(self._embedder, [text])[0]
        papers = np.array([self._vectors[hit.id] for hit in hits])
        lexical = scale_to_unit([hit.score for hit in hits])
        likeness = scale_to_unit((papers @ claim).tolist())
        ranked = [
            RankedPaper(hit.id, 0.5 * a + 0.5 * b, a, b)
            for hit, a, b in zip(hits, lexical, likeness, strict=True)
        ]
        return sorted(ranked, key=lambda paper: (-paper.score, paper.paper_id))

    def _embed(self, session: Session, hits: list[Hit]) -> None:
        if len(self._vectors) > CACHED_PAPERS:
            self._vectors.clear()
        missing = [hit.id for hit in hits if hit.id not in self._vectors]
        if not missing:
            return
        rows = session.exec(
            select(Paper.id, Paper.title, Paper.abstract).where(col(Paper.id).in_(missing))
        ).all()
        vectors = embed_matrix(self._embedder, [f"{title} {text}" for _, title, text in rows])
        for (paper_id, _, _), vector in zip(rows, vectors, strict=True):
            self._vectors[stored_id(paper_id)] = vector


def triage(
    session: Session,
    *,
    embedder: Embeddings,
    night_id: int | None = None,
    claim_id: int | None = None,
    top: int = TOP,
    report_progress: Callable[[str], None] = lambda line: None,
) -> TriageSummary:
    """Rank the store against every claim (or one) and add what is new among the best.

    Topic hubs and retired claims are left out. Idempotent: on an unchanged store a second
    run adds nothing; a paper is stored once for a wording of a claim. Each claim is its
    own transaction.
    """
    ranker = Ranker(embedder)
    claims = find_rankable_claims(session, claim_id)
    ranked = new = 0
    for number, (claim, revision, text) in enumerate(claims, start=1):
        papers = ranker.rank_papers(
            session,
            text,
            since=date_claim(session, claim),
            excluded=find_own_papers(session, claim),
        )
        ranked += len(papers)
        new += _store(session, revision, papers[:top], ranker.name, night_id)
        if number % PROGRESS_EVERY == 0 or number == len(claims):
            report_progress(f"ranked papers for {number} of {len(claims)} claims")
    return TriageSummary(
        ranker.name, len(claims), ranked, _count_candidates(session, claim_id, ranker.name), new
    )


def find_rankable_claims(
    session: Session, claim_id: int | None
) -> list[tuple[Claim, ClaimRevision, str]]:
    """Claims in force with their current wording and the text that they are ranked by."""
    query = (
        select(Claim, ClaimRevision, Note.title)
        .join(ClaimRevision, col(ClaimRevision.claim_id) == Claim.id)
        .join(Note, col(Note.id) == Claim.note_id, isouter=True)
        .where(
            ClaimRevision.number == Claim.revision_number,
            col(Claim.retired_at).is_(None),
            col(Note.kind).is_(None) | (col(Note.kind) != "hub"),
        )
        .order_by(col(Claim.id))
    )
    if claim_id is not None:
        query = query.where(Claim.id == claim_id)
    return [
        (claim, revision, write_query(title, revision.text))
        for claim, revision, title in session.exec(query).all()
    ]


def write_query(title: str | None, text: str) -> str:
    """The words that a claim is ranked by: its note's question and its text, credits left out."""
    subject = f"{title} {text}" if title else text
    return REPORTING.sub(" ", CITATION.sub(" ", subject))


def date_claim(session: Session, claim: Claim) -> date | None:
    """The day from which a paper is newer than the claim; None: no limit is known.

    The first day of the earliest tied anchor's month, else of the date that the claim's
    own finding states, else of the earliest span of its lines.
    """
    for dates in (_anchor_months(session, claim), _finding_dates(session, claim)):
        if dates:
            return min(dates)
    spans = session.exec(
        select(Line.span_from)
        .join(LineClaim, col(LineClaim.line_id) == Line.id)
        .where(LineClaim.claim_id == claim.id)
    ).all()
    return min(_first_days(spans), default=None)


def find_own_papers(session: Session, claim: Claim) -> set[int]:
    """The stored papers that the claim was taken from: never newer work on it."""
    if claim.note_id is None:
        return set()
    found = session.exec(
        select(Paper.id)
        .join(Anchor, col(Anchor.arxiv_id) == Paper.arxiv_id)
        .where(Anchor.note_id == claim.note_id)
    ).all()
    return {stored_id(paper_id) for paper_id in found}


def name_embedder(embedder: Embeddings) -> str:
    """A short name for the ranker's name: candidates of two models are kept apart."""
    if isinstance(embedder, WordLlamaEmbeddings):
        return "wordllama"
    model = getattr(embedder, "model", None) or getattr(embedder, "model_name", None)
    return (
        f"{type(embedder).__name__}:{model}" if isinstance(model, str) else type(embedder).__name__
    )


def scale_to_unit(values: list[float]) -> list[float]:
    """Min-max scaling; equal values all become 1."""
    low, high = min(values), max(values)
    return [(value - low) / (high - low) if high > low else 1.0 for value in values]


def _anchor_months(session: Session, claim: Claim) -> list[date]:
    if claim.note_id is None:
        return []
    anchors = session.exec(select(Anchor).where(Anchor.note_id == claim.note_id)).all()
    return _first_days([anchor.month_stated or anchor.month_from_id for anchor in anchors])


def _finding_dates(session: Session, claim: Claim) -> list[date]:
    finding = session.get(Finding, claim.finding_id) if claim.finding_id else None
    return _first_days([finding.found_from]) if finding else []


def _first_days(texts: Iterable[str | None]) -> list[date]:
    """First days of ``2025`` or ``2025-03``; what is neither gives none."""
    days = []
    for text in texts:
        year, _, month = (text or "").partition("-")
        if year.isdigit() and (not month or month.isdigit()):
            days.append(date(int(year), int(month or 1), 1))
    return days


def _store(
    session: Session,
    revision: ClaimRevision,
    papers: list[RankedPaper],
    ranker: str,
    night_id: int | None,
) -> int:
    """Add the papers that this ranker has not kept for this wording; how many."""
    known = set(
        session.exec(
            select(Candidate.paper_id).where(
                Candidate.claim_revision_id == revision.id, Candidate.ranker == ranker
            )
        ).all()
    )
    rows = [
        Candidate(
            claim_id=revision.claim_id,
            claim_revision_id=stored_id(revision.id),
            paper_id=paper.paper_id,
            night_id=night_id,
            ranker=ranker,
            rank=rank,
            score=paper.score,
            lexical_score=paper.lexical_score,
            embedding_score=paper.embedding_score,
        )
        for rank, paper in enumerate(papers, start=1)
        if paper.paper_id not in known
    ]
    try:
        session.add_all(rows)
        session.commit()
    except IntegrityError:  # another process ranks the same claim: what it stored stands
        session.rollback()
        return 0
    return len(rows)


def _count_candidates(session: Session, claim_id: int | None, ranker: str) -> int:
    query = (
        select(func.count())
        .select_from(Candidate)
        .join(ClaimRevision, col(ClaimRevision.id) == Candidate.claim_revision_id)
        .join(Claim, col(Claim.id) == Candidate.claim_id)
        .where(Candidate.ranker == ranker, ClaimRevision.number == Claim.revision_number)
    )
    if claim_id is not None:
        query = query.where(Candidate.claim_id == claim_id)
    return session.exec(query).one()
