"""The queue as a person reads it: claim, paper, quote, measured precision, and every doubt.

Decides what is said of a row and in which words; ``claims.queue_ranking`` decides its
place. A quote is shown only where it stands in the stored text; else the row says that it
has none, and shows the closest sentence as such.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlmodel import Session, col, select

from claims.judge_quality import (
    JudgeQuality,
    Kind,
    Precision,
    read_own_measure,
    read_quality,
)
from claims.queue_factors import SCOPE_WORDS, Standing, project
from claims.queue_ranking import Ranked, Ranking, read_standings
from db.columns import stored_id
from db.models import Claim, Evidence, Paper, PaperVersion

TELLING = ("above", "within", "below")  # a number above the claim's is what moves a limit


@dataclass(frozen=True)
class Shown:
    """A span of a paper: an exact quote, or only the sentence closest to the claim."""

    section: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class QueueItem:
    """One row of the queue; ``quote`` is None where no exact span backs the stance."""

    ranked: Ranked
    claim: str  # handle
    statement: str
    headline: str | None
    would_be: str | None  # the headline, if this were confirmed
    arxiv_id: str
    title: str
    published: date | None
    judge: str
    precision: Precision | None
    quote: Shown | None
    closest: Shown | None
    limits: tuple[str, ...]  # the paper's numbers beside the claim's own
    doubts: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """As plain data, for ``--json``."""
        ranked = self.ranked
        return {
            "evidence": ranked.evidence_id,
            "claim": self.claim,
            "statement": self.statement,
            "headline": self.headline,
            "would_be": self.would_be,
            "stance": ranked.stance,
            "is_leaning": ranked.is_leaning,
            "arxiv_id": self.arxiv_id,
            "title": self.title,
            "published": self.published,
            "judge": self.judge,
            "confidence": ranked.confidence,
            "precision": self.precision.record() if self.precision else None,
            "quote": asdict(self.quote) if self.quote else None,
            "closest": asdict(self.closest) if self.closest else None,
            "limits": list(self.limits),
            "doubts": list(self.doubts),
            "factors": {
                "reach": ranked.reach.value,
                "strength": ranked.strength,
                "doubt": ranked.doubt,
            },
            "reach": asdict(ranked.reach),
            "score": ranked.score,
        }


def read_queue(session: Session, ranking: Ranking, today: date) -> list[QueueItem]:
    """The rows of a ranking with all that a person needs to decide."""
    ids = [row.evidence_id for row in ranking.rows]
    rows = session.exec(
        select(Evidence, Claim, Paper, PaperVersion)
        .join(Claim, col(Claim.id) == Evidence.claim_id)
        .join(Paper, col(Paper.id) == Evidence.paper_id)
        .join(PaperVersion, col(PaperVersion.id) == Evidence.paper_version_id)
        .where(col(Evidence.id).in_(ids))
    ).all()
    by_id = {stored_id(row[0].id): row for row in rows}
    standings = read_standings(session, {row.claim_id for row in ranking.rows})
    quality = read_quality(session)
    return [
        _make_item(ranked, by_id[ranked.evidence_id], standings, quality, today)
        for ranked in ranking.rows
        if ranked.evidence_id in by_id
    ]


def _make_item(
    ranked: Ranked,
    found: Any,
    standings: dict[int, Standing],
    quality: JudgeQuality,
    today: date,
) -> QueueItem:
    row, claim, paper, version = found
    standing = standings.get(ranked.claim_id, Standing())
    quote = stand_quote(row, version)
    kind: Kind = "leanings" if ranked.is_leaning else "proposals"
    precision = quality.find(row.judge, kind, ranked.stance, ranked.confidence)
    if precision is None or precision.measured_on == "gold":
        precision = read_own_measure(row) or precision
    return QueueItem(
        ranked=ranked,
        claim=claim.handle,
        statement=claim.statement,
        headline=standing.headline,
        would_be=project(standing, ranked.stance, today)[0] if standing.grounding else None,
        arxiv_id=paper.arxiv_id,
        title=paper.title,
        published=paper.published or paper.listed,
        judge=row.judge,
        precision=precision,
        quote=quote,
        closest=None if quote else _find_closest(row, version),
        limits=read_limits(row),
        doubts=tuple(_find_doubts(row, paper, quote, precision)),
    )


def read_limits(row: Evidence) -> tuple[str, ...]:
    """What its numbers do to the claim's limit, the telling ones first.

    Of a row without a quote, those of its closest sentence.
    """
    numbers = row.numbers or next((span.get("numbers", []) for span in row.closest), [])
    found = [number["limit"] for number in numbers if number.get("limit")]
    found.sort(key=lambda limit: TELLING.index(limit["relation"]))
    return tuple(dict.fromkeys(limit["says"] for limit in found))


def stand_quote(row: Evidence, version: PaperVersion) -> Shown | None:
    """The row's quote, if it is the exact slice of the text that it names."""
    if row.quote is None or row.quote_start is None or row.quote_end is None:
        return None
    return _stand(version, row.section, row.quote_start, row.quote_end, row.quote)


def _find_closest(row: Evidence, version: PaperVersion) -> Shown | None:
    spans = (
        _stand(version, span.get("section"), span["start"], span["end"], span["text"])
        for span in row.closest
        if {"start", "end", "text"} <= span.keys()
    )
    return next((span for span in spans if span is not None), None)


def _stand(
    version: PaperVersion, section: str | None, start: int, end: int, text: str
) -> Shown | None:
    stored = {"title": version.title, "abstract": version.abstract}.get(section or "")
    if stored is None or not text or stored[start:end] != text:
        return None
    return Shown(section or "", start, end, text)


def _find_doubts(
    row: Evidence, paper: Paper, quote: Shown | None, precision: Precision | None
) -> Sequence[str]:
    """Why the row may be wrong, from what is recorded; the weightiest first."""
    doubts = []
    if row.scope.get("flags"):
        doubts.append("the abstract holds text that reads like an instruction")
    if paper.is_withdrawn:
        doubts.append("the paper is withdrawn")
    if row.paper_version_id != paper.version_id:
        doubts.append(f"read before the paper's present text (version {paper.version})")
    if row.stance == "unclear":
        doubts.append("the judge states no stance, it only leans")
    elif quote is None:
        doubts.append("no exact quote")
    other = [word for word in SCOPE_WORDS if str(row.scope.get(word)) == "other"]
    if other:
        doubts.append(f"other {' and '.join(other)} than the claim's")
    if quote is not None and quote.section == "title":
        doubts.append("the quote is the title alone")
    if precision is None:
        doubts.append("such proposals of this judge are not measured yet")
    return doubts
