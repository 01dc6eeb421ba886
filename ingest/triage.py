"""Keeps, for each claim, the papers that may bear on it: its candidates.

Each new paper is held against every claim once and each new claim against the whole store
once; how far a claim has been read is written in ``ranking``. Decides what is kept: a
paper that would be among the claim's best so far. Knows nothing of what papers say.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from sqlalchemy import Select
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select

from db.columns import stored_id, utc_now
from db.models import Candidate, Claim, ClaimRevision, Paper, PaperVersion, Ranking
from ingest.cut import Cut
from ingest.rankable_claims import RankableClaim, read_rankable_claims
from ingest.ranker import PaperBatch, RankedPaper, Ranker
from ingest.ranking import Scores
from ingest.sampling import BelowCut

PAPERS_AT_ONCE = 1_000  # new papers against all claims: 20 MB a table at 5,000 claims
PROGRESS_EVERY = 25
Progress = Callable[[str], None]


@dataclass(frozen=True)
class TriageSummary:
    """What ranking came to; ``candidates`` counts those in force after it."""

    ranker: str
    claims: int = 0
    ranked: int = 0  # claim-paper pairs that were scored
    candidates: int = 0
    new_candidates: int = 0
    new_claims: int = 0  # held against the whole store
    new_papers: int = 0  # held against every claim
    below_cut: dict[str, Any] = field(default_factory=dict)  # pairs left out, and sampled


def triage(
    session: Session,
    *,
    embedder: Embeddings,
    night_id: int | None = None,
    claim_id: int | None = None,
    cut: Cut = Cut(),
    samples: int = 0,
    report_progress: Progress = lambda line: None,
) -> TriageSummary:
    """Rank what is new and add what is good enough; ``samples`` pairs below the cut as well.

    Idempotent: on an unchanged store a second run scores nothing. Each claim, and each
    batch of papers, is its own transaction.
    """
    run = _Run(session, Ranker(session, embedder), night_id, cut, BelowCut(samples, night_id))
    claims = read_rankable_claims(session, claim_id)
    through = _find_newest_version(session)
    rankings = _read_rankings(session, run.ranker.name)
    known = [c for c in claims if c.revision_id in rankings]
    run.rank_new_papers(known, rankings, through, report_progress)
    fresh = [c for c in claims if c.revision_id not in rankings]
    for number, claim in enumerate(fresh, start=1):
        run.rank_new_claim(claim, through)
        if number % PROGRESS_EVERY == 0 or number == len(fresh):
            report_progress(f"ranked the store for {number} of {len(fresh)} new claims")
    run.store_samples()
    return TriageSummary(
        ranker=run.ranker.name,
        claims=len(claims),
        ranked=run.ranked,
        candidates=_count_candidates(session, claim_id, run.ranker.name),
        new_candidates=run.kept,
        new_claims=len(fresh),
        new_papers=run.new_papers,
        below_cut=run.below.describe(),
    )


class _Run:
    """One run of triage and what it has come to so far."""

    def __init__(
        self, session: Session, ranker: Ranker, night_id: int | None, cut: Cut, below: BelowCut
    ) -> None:
        self.ranker, self.below = ranker, below
        self.ranked = self.kept = self.new_papers = 0
        self._session, self._night_id, self._cut = session, night_id, cut
        self._least = ranker.mix.find_score(cut.recall)

    def rank_new_claim(self, claim: RankableClaim, through: int) -> None:
        """Hold one claim against the whole store."""
        found = self.ranker.rank_store(claim.text, since=claim.since, excluded=claim.own_papers)
        kept = [paper for paper in found.best[: self._cut.number] if paper.score >= self._least]
        self.ranked += found.scored
        self.below.note_claim(claim, found.best[len(kept) :])
        self.kept += self._store(claim, enumerate(kept, start=1))
        self._session.add(
            Ranking(
                claim_revision_id=claim.revision_id,
                ranker=self.ranker.name,
                through_version_id=through,
                papers=found.scored,
                feedback=found.feedback,
            )
        )
        self._commit()

    def rank_new_papers(
        self,
        claims: Sequence[RankableClaim],
        rankings: dict[int, Ranking],
        through: int,
        report_progress: Progress,
    ) -> None:
        """Hold the papers that came since against every claim that was ranked before."""
        behind = [c for c in claims if rankings[c.revision_id].through_version_id < through]
        if not behind:
            return
        start = min(rankings[c.revision_id].through_version_id for c in behind)
        vectors = self.ranker.embed_claims(behind)
        feedback = [rankings[c.revision_id].feedback for c in behind]
        best = _read_scores(self._session, self.ranker.name)
        while papers := _read_new_papers(self._session, start, through):
            least = np.array([self._find_least(best.get(c.revision_id, [])) for c in behind])
            ids = [paper_id for paper_id, _ in papers]
            batch = self.ranker.rank_papers(behind, feedback, vectors, ids, least)
            start = papers[-1][1]
            self._keep(behind, batch, least, best)
            for claim in behind:
                rankings[claim.revision_id].through_version_id = start
                rankings[claim.revision_id].papers += len(papers)
                rankings[claim.revision_id].ranked_at = utc_now()
                self._session.add(rankings[claim.revision_id])
            self._commit()
            self.new_papers += len(papers)
            self.ranked += int(batch.is_newer.sum())
            report_progress(f"ranked {self.new_papers} new papers for {len(behind)} claims")

    def store_samples(self) -> None:
        """Add the sampled pairs as candidates that are marked as such."""
        for claim, paper in self.below.sampled:
            self._store(claim, [(self._cut.number + 1, paper)], is_sample=True)
        self._commit()

    def _keep(
        self,
        claims: Sequence[RankableClaim],
        batch: PaperBatch,
        least: Scores,
        best: dict[int, list[float]],
    ) -> None:
        """Add the pairs that are among their claim's best so far."""
        is_above = batch.is_newer & (batch.scores > least[:, None])
        for row in np.flatnonzero(is_above.any(axis=1)).tolist():
            claim, scores = claims[row], best.setdefault(claims[row].revision_id, [])
            papers = [batch.read(row, k) for k in np.flatnonzero(is_above[row]).tolist()]
            papers.sort(key=lambda paper: (-paper.score, paper.paper_id))
            kept = []
            for paper in papers:
                rank = 1 + sum(score > paper.score for score in scores)
                if rank > self._cut.number:
                    break
                kept.append((rank, paper))
                scores.append(paper.score)
            self.kept += self._store(claim, kept)
        self.below.note_batch(claims, batch, is_above)

    def _find_least(self, scores: list[float]) -> float:
        """A new paper must score more than this."""
        if len(scores) < self._cut.number:
            return self._least
        return max(self._least, sorted(scores, reverse=True)[self._cut.number - 1])

    def _store(
        self,
        claim: RankableClaim,
        papers: Iterable[tuple[int, RankedPaper]],
        is_sample: bool = False,
    ) -> int:
        """Add papers that this ranker has not kept for this wording; how many."""
        known = set(
            self._session.exec(
                select(Candidate.paper_id).where(
                    Candidate.claim_revision_id == claim.revision_id,
                    Candidate.ranker == self.ranker.name,
                )
            ).all()
        )
        rows = [
            Candidate(
                claim_id=claim.claim_id,
                claim_revision_id=claim.revision_id,
                paper_id=paper.paper_id,
                night_id=self._night_id,
                ranker=self.ranker.name,
                rank=rank,
                score=paper.score,
                lexical_score=paper.lexical,
                embedding_score=paper.likeness,
                is_sample=is_sample,
            )
            for rank, paper in papers
            if paper.paper_id not in known
        ]
        self._session.add_all(rows)
        return len(rows)

    def _commit(self) -> None:
        try:
            self._session.commit()
        except IntegrityError:  # another process ranks the same claims: what it stored stands
            self._session.rollback()


def _find_newest_version(session: Session) -> int:
    return session.exec(select(func.max(PaperVersion.id))).one() or 0


def _read_rankings(session: Session, ranker: str) -> dict[int, Ranking]:
    query = select(Ranking).where(Ranking.ranker == ranker)
    return {ranking.claim_revision_id: ranking for ranking in session.exec(query)}


def _read_new_papers(session: Session, after: int, through: int) -> list[tuple[int, int]]:
    """Papers whose text came after a version's row, with that text's row, oldest first."""
    query = (
        select(Paper.id, Paper.version_id)
        .where(col(Paper.version_id) > after, col(Paper.version_id) <= through)
        .order_by(col(Paper.version_id))
        .limit(PAPERS_AT_ONCE)
    )
    return [(stored_id(paper_id), stored_id(version)) for paper_id, version in session.exec(query)]


def _read_scores(session: Session, ranker: str) -> dict[int, list[float]]:
    """The scores of the candidates so far, by claim revision."""
    query = select(Candidate.claim_revision_id, Candidate.score).where(
        Candidate.ranker == ranker, col(Candidate.is_sample).is_(False)
    )
    scores: dict[int, list[float]] = {}
    for revision_id, score in session.exec(query):
        scores.setdefault(revision_id, []).append(score)
    return scores


def _count_candidates(session: Session, claim_id: int | None, ranker: str) -> int:
    query: Select[Any] = (
        select(func.count())
        .select_from(Candidate)
        .join(ClaimRevision, col(ClaimRevision.id) == Candidate.claim_revision_id)
        .join(Claim, col(Claim.id) == Candidate.claim_id)
        .where(
            col(Candidate.ranker) == ranker,
            col(ClaimRevision.number) == Claim.revision_number,
            col(Candidate.is_sample).is_(False),
        )
    )
    if claim_id is not None:
        query = query.where(col(Candidate.claim_id) == claim_id)
    return int(session.execute(query).scalar_one())
