"""Stance rows as pages show them: with a quote that stands in the store, or as UNGROUNDED.

Reads what a judge proposed and a person confirmed for the current wording of claims, and
the closest sentences of papers whose stance stayed unclear. Judges nothing itself.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from claims.judge_quality import read_own_measure
from claims.queue_items import read_limits
from db.columns import stored_id
from db.models import Candidate, Claim, ClaimRevision, Evidence, Paper
from reports.numbers import format_number
from reports.sources import Quote, Shelf, describe_published, read_shelf

DIRECTED = ("contradicts", "relaxes", "supports")
SHOWN_PROPOSALS = 5  # of one claim
SHOWN_CANDIDATES = 3
SHOWN_LIMITS = 2
SCOPE_WORDS = ("model", "task", "metric", "scale")


@dataclass(frozen=True)
class Stance:
    """What one paper says about one claim, as far as it can be shown."""

    row: int  # id of the stance row
    claim_id: int
    stance: str
    status: str
    arxiv_id: str
    title: str
    published: str
    quote: Quote | None
    judge: str
    confidence: float | None
    scope: str
    doubts: tuple[str, ...]
    confirmed_by: str = "a person"  # or the setting
    worth: str = ""  # how often such answers of the judge were right
    limits: tuple[str, ...] = ()  # the paper's numbers beside the claim's own

    @property
    def sureness(self) -> str:
        """How often such answers were right, else the judge's own probability, named as such."""
        if self.worth:
            return f"answers like it were right: {self.worth}"
        if self.confidence is None:
            return "the judge gave no probability"
        return f"probability {format_number(self.confidence)} by the judge's own calibration"


@dataclass(frozen=True)
class ClosestSentence:
    """A paper that triage ranked high, and its sentence nearest to the claim."""

    arxiv_id: str
    title: str
    published: str
    stance: str  # of the judge, or "not judged yet"
    quote: Quote | None


@dataclass(frozen=True)
class ClaimEvidence:
    """Everything that newer papers said about the current wording of one claim."""

    confirmed: tuple[Stance, ...] = ()
    proposed: tuple[Stance, ...] = ()
    proposed_rest: int = 0
    rejected: int = 0
    closest: tuple[ClosestSentence, ...] = ()


def read_claim_evidence(session: Session, claim_ids: Sequence[int]) -> dict[int, ClaimEvidence]:
    """Evidence and best candidates of each of these claims, by claim id."""
    rows = _read_rows(session, claim_ids)
    candidates = _read_candidates(session, claim_ids)
    ids = [paper.arxiv_id for _, paper in rows]
    ids += [paper.arxiv_id for listed in candidates.values() for _, paper in listed]
    shelf = read_shelf(session, ids)
    by_claim: defaultdict[int, list[tuple[Evidence, Paper]]] = defaultdict(list)
    for row, paper in rows:
        by_claim[row.claim_id].append((row, paper))
    return {
        claim_id: _gather(by_claim[claim_id], candidates.get(claim_id, []), shelf)
        for claim_id in claim_ids
    }


def make_stance(row: Evidence, paper: Paper, shelf: Shelf) -> Stance:
    """A stance row with its quote checked against the stored texts."""
    span = {
        "section": row.section,
        "start": row.quote_start,
        "end": row.quote_end,
        "text": row.quote,
    }
    quote = shelf.check_quote(paper.arxiv_id, span) if row.quote else None
    return Stance(
        row=stored_id(row.id),
        claim_id=row.claim_id,
        stance=row.stance,
        status=row.status,
        arxiv_id=paper.arxiv_id,
        title=paper.title,
        published=describe_published(paper),
        quote=quote,
        judge=row.judge,
        confidence=row.confidence,
        scope=_describe_scope(row.scope),
        worth=str(measure) if (measure := read_own_measure(row)) else "",
        limits=read_limits(row)[:SHOWN_LIMITS],
        doubts=tuple(_find_doubts(row, paper, quote)),
        confirmed_by="setting, not read by a person"
        if row.confirmed_by == "setting"
        else "a person",
    )


def _read_rows(session: Session, claim_ids: Sequence[int]) -> list[tuple[Evidence, Paper]]:
    """Stance rows of the current wordings, directed ones first, surest first."""
    rows = session.exec(
        select(Evidence, Paper)
        .join(Paper, col(Paper.id) == Evidence.paper_id)
        .join(ClaimRevision, col(ClaimRevision.id) == Evidence.claim_revision_id)
        .join(Claim, col(Claim.id) == Evidence.claim_id)
        .where(col(Evidence.claim_id).in_(claim_ids))
        .where(ClaimRevision.number == Claim.revision_number)
        .where(col(Evidence.split_from_id).is_(None) | (col(Evidence.status) == "confirmed"))
    ).all()
    order = {stance: place for place, stance in enumerate(DIRECTED)}
    return sorted(
        ((row, paper) for row, paper in rows),
        key=lambda pair: (
            order.get(pair[0].stance, len(order)),
            -(pair[0].confidence or 0.0),
            pair[0].id or 0,
        ),
    )


def _read_candidates(
    session: Session, claim_ids: Sequence[int]
) -> dict[int, list[tuple[Candidate, Paper]]]:
    """The best-ranked papers of each claim's current wording, by claim id."""
    rows = session.exec(
        select(Candidate, Paper)
        .join(Paper, col(Paper.id) == Candidate.paper_id)
        .join(ClaimRevision, col(ClaimRevision.id) == Candidate.claim_revision_id)
        .join(Claim, col(Claim.id) == Candidate.claim_id)
        .where(col(Candidate.claim_id).in_(claim_ids))
        .where(ClaimRevision.number == Claim.revision_number)
        .order_by(col(Candidate.score).desc(), col(Candidate.id))
    ).all()
    listed: dict[int, list[tuple[Candidate, Paper]]] = {}
    for candidate, paper in rows:
        of_claim = listed.setdefault(candidate.claim_id, [])
        if all(paper.id != other.id for _, other in of_claim):
            of_claim.append((candidate, paper))
    return listed


def _gather(
    rows: Sequence[tuple[Evidence, Paper]],
    candidates: Sequence[tuple[Candidate, Paper]],
    shelf: Shelf,
) -> ClaimEvidence:
    directed = [make_stance(row, paper, shelf) for row, paper in rows if row.stance in DIRECTED]
    proposed = [stance for stance in directed if stance.status == "proposed"]
    taken = {stance.arxiv_id for stance in directed if stance.status != "rejected"}
    judged = {paper.arxiv_id: row for row, paper in rows}
    free = [paper for _, paper in candidates if paper.arxiv_id not in taken]
    return ClaimEvidence(
        confirmed=tuple(stance for stance in directed if stance.status == "confirmed"),
        proposed=tuple(proposed[:SHOWN_PROPOSALS]),
        proposed_rest=max(0, len(proposed) - SHOWN_PROPOSALS),
        rejected=sum(row.status == "rejected" for row, _ in rows),
        closest=tuple(
            _make_closest(paper, judged.get(paper.arxiv_id), shelf)
            for paper in free[:SHOWN_CANDIDATES]
        ),
    )


def _make_closest(paper: Paper, row: Evidence | None, shelf: Shelf) -> ClosestSentence:
    spans = list(row.closest) if row else []
    if row is not None and row.quote:
        spans.insert(0, {"section": row.section, "start": row.quote_start, "end": row.quote_end})
    quotes = (
        shelf.check_quote(paper.arxiv_id, _normalise_span(span))
        for span in spans
        if isinstance(span, Mapping)
    )
    return ClosestSentence(
        arxiv_id=paper.arxiv_id,
        title=paper.title,
        published=describe_published(paper),
        stance=row.stance if row else "not judged yet",
        quote=next((quote for quote in quotes if quote is not None), None),
    )


def _normalise_span(span: Mapping[str, Any]) -> dict[str, Any]:
    return {**span, "text": span.get("text") or span.get("quote") or span.get("sentence")}


def _describe_scope(scope: Mapping[str, Any]) -> str:
    """``task near, metric other``: how far the paper's setting overlaps the claim's."""
    return ", ".join(f"{word} {scope[word]}" for word in SCOPE_WORDS if scope.get(word))


def _find_doubts(row: Evidence, paper: Paper, quote: Quote | None) -> list[str]:
    """Why this stance may be wrong, from what is recorded about it."""
    doubts = []
    if row.quote and quote is None:
        doubts.append("its quote does not stand in the stored text")
    if paper.is_withdrawn:
        doubts.append("the paper is withdrawn")
    if row.scope.get("flags"):
        doubts.append("the abstract holds text that reads like an instruction")
    other = [word for word in SCOPE_WORDS if str(row.scope.get(word)) == "other"]
    if other:
        doubts.append(f"other {' and '.join(other)} than the claim's")
    if quote is not None and quote.section == "title":
        doubts.append("the quote is the title alone")
    else:
        doubts.append("only the abstract was read")
    if row.confidence is None:
        doubts.append("the judge gave no probability")
    return doubts
