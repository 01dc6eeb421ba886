"""Judges candidates and stores what a judge proposes.

Decides that each candidate is judged once for a claim revision, a paper version and a
judge, that no stance is stored without a checked quote, and that every row is a proposal.
Knows nothing of how a judge decides. Rows are committed in small batches: a kill loses
the batch under way, and the next run takes it up.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from sqlalchemy import exists
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from db.columns import stored_id
from db.models import Candidate, Claim, ClaimRevision, Evidence, Paper, PaperVersion
from ingest.judges import DIRECTED, STANCES, Judge, Judgement, PaperText, Span
from ingest.quotes import check_quote, quote_numbers

BATCH = 25


@dataclass(frozen=True)
class JudgeSummary:
    """What judging came to; judged = proposed + unclear (and mentions, out-of-scope)."""

    judge: str
    judged: int = 0
    proposed: int = 0  # rows with a directed stance
    unclear: int = 0
    refused_quotes: int = 0
    flagged: int = 0  # papers with instruction-like text
    failed: int = 0  # no answer: tried again next time


@dataclass(frozen=True)
class _Pair:
    candidate: Candidate
    revision: ClaimRevision
    version: PaperVersion
    arxiv_id: str


def judge_candidates(
    session: Session,
    judge: Judge,
    *,
    night_id: int | None = None,
    claim_id: int | None = None,
    limit: int | None = None,
    report_progress: Callable[[str], None] = lambda line: None,
) -> JudgeSummary:
    """Judge every candidate that this judge has not judged, best-ranked first.

    Idempotent: a second call with the same judge and store adds nothing.
    """
    counts = dict.fromkeys(
        ("judged", "proposed", "unclear", "refused_quotes", "flagged", "failed"), 0
    )
    waiting = iter(_find_waiting(session, judge.name, claim_id, limit))
    session.commit()  # judging takes time: no transaction is held open meanwhile
    while batch := list(islice(waiting, BATCH)):
        rows = list(_judge_batch(judge, batch, night_id, counts))
        _store(session, rows)
        report_progress(f"judged {counts['judged']} candidates")
    return JudgeSummary(judge=judge.name, **counts)


def _judge_batch(
    judge: Judge, batch: list[_Pair], night_id: int | None, counts: dict[str, int]
) -> Iterator[Evidence]:
    for pair in batch:
        paper = PaperText(pair.arxiv_id, pair.version.title, pair.version.abstract)
        answer = judge.judge_stance(pair.revision.text, paper)
        counts["refused_quotes"] += answer.refused_quotes
        if answer.error is not None:
            counts["failed"] += 1
            continue
        row, is_refused = make_evidence(pair, answer, judge.name, night_id)
        counts["refused_quotes"] += is_refused
        counts["judged"] += 1
        counts["proposed"] += row.stance in DIRECTED
        counts["unclear"] += row.stance == "unclear"
        counts["flagged"] += bool(row.scope.get("flags"))
        yield row


def make_evidence(
    pair: _Pair, answer: Judgement, judge: str, night_id: int | None
) -> tuple[Evidence, bool]:
    """The row of an answer, and whether its quote was refused: then it is unclear."""
    stance = answer.stance if answer.stance in STANCES else "unclear"
    quote = _check(pair.version, answer.quote)
    is_refused = answer.quote is not None and quote is None
    if stance in DIRECTED and quote is None:
        stance = "unclear"
    scope = dict(answer.scope)
    if answer.probabilities:
        scope |= {"leaning": answer.leaning, "probabilities": answer.probabilities}
    row = Evidence(
        claim_id=pair.candidate.claim_id,
        claim_revision_id=stored_id(pair.revision.id),
        paper_id=pair.candidate.paper_id,
        paper_version_id=stored_id(pair.version.id),
        night_id=night_id,
        stance=stance,
        status="proposed",
        confidence=answer.confidence if stance == answer.stance else None,
        quote=quote.text if quote else None,
        quote_start=quote.start if quote else None,
        quote_end=quote.end if quote else None,
        section=quote.section if quote else None,
        closest=[asdict(span) for span in answer.closest if _check(pair.version, span)],
        numbers=quote_numbers(quote.text, quote.start) if quote else [],
        scope=scope,
        judge=judge,
    )
    return row, is_refused


def _check(version: PaperVersion, span: Span | None) -> Span | None:
    """The span, if it is an exact slice of the version's section."""
    if span is None or span.section not in ("title", "abstract"):
        return None
    found = check_quote(getattr(version, span.section), span.text, span.start, span.end)
    return Span(span.section, found.start, found.end, found.text) if found else None


def _find_waiting(
    session: Session, judge: str, claim_id: int | None, limit: int | None
) -> list[_Pair]:
    """Candidates of current wordings that this judge has no row for, each paper once."""
    is_judged = exists().where(
        col(Evidence.claim_revision_id) == col(Candidate.claim_revision_id),
        col(Evidence.paper_version_id) == col(PaperVersion.id),
        col(Evidence.judge) == judge,
    )
    query = (
        select(Candidate, ClaimRevision, PaperVersion, Paper.arxiv_id)
        .join(Claim, col(Claim.id) == Candidate.claim_id)
        .join(ClaimRevision, col(ClaimRevision.id) == Candidate.claim_revision_id)
        .join(Paper, col(Paper.id) == Candidate.paper_id)
        .join(PaperVersion, col(PaperVersion.id) == Paper.version_id)
        .where(
            ClaimRevision.number == Claim.revision_number,
            col(Claim.retired_at).is_(None),
            ~is_judged,
        )
        .order_by(col(Candidate.rank), col(Candidate.claim_id), col(Candidate.id))
    )
    if claim_id is not None:
        query = query.where(Candidate.claim_id == claim_id)
    pairs: dict[tuple[Any, Any], _Pair] = {}
    for candidate, revision, version, arxiv_id in session.exec(query):
        pair = _Pair(candidate, revision, version, arxiv_id)
        pairs.setdefault((revision.id, version.id), pair)
        if limit is not None and len(pairs) >= limit:
            break
    return list(pairs.values())


def _store(session: Session, rows: list[Evidence]) -> None:
    """Store rows; one that another process stored meanwhile is left as it is."""
    try:
        session.add_all(rows)
        session.commit()
    except IntegrityError:
        session.rollback()
        for row in rows:
            try:
                session.add(Evidence(**row.model_dump(exclude={"id"})))
                session.commit()
            except IntegrityError:  # the other process judged it first, by the same judge
                session.rollback()
