"""The stance row of a judge's answer.

Decides that no stance is stored without an exact quote, that every row is a proposal, and
what is recorded beside it: numbers, models studied, overlap of scope. Asks nobody.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from claims.independence import read_source
from db.columns import stored_id
from db.models import Candidate, ClaimRevision, Evidence, PaperVersion
from ingest.judges import DIRECTED, STANCES, Judgement, PaperText, Span
from ingest.limit_comparison import compare_with_limit
from ingest.overlap import compare_scopes
from ingest.quotes import check_quote, quote_numbers
from ingest.studied import describe_studied


@dataclass(frozen=True)
class Pair:
    """One candidate: the wording of the claim and the version of the paper that are judged."""

    candidate: Candidate
    revision: ClaimRevision
    version: PaperVersion
    arxiv_id: str
    published: date | None = None
    authors: Sequence[str] = ()

    @property
    def paper(self) -> PaperText:
        """The paper as it is stored."""
        return PaperText(self.arxiv_id, self.version.title, self.version.abstract)


def make_evidence(
    pair: Pair, answer: Judgement, judge: str, night_id: int | None
) -> tuple[Evidence, bool]:
    """The row of an answer, and whether its quote was refused: then it is unclear."""
    stance = answer.stance if answer.stance in STANCES else "unclear"
    quote = _check(pair.version, answer.quote)
    is_refused = answer.quote is not None and quote is None
    if stance in DIRECTED and quote is None:
        stance = "unclear"
    title, abstract = pair.version.title, pair.version.abstract
    scope = {**compare_scopes(pair.revision.text, title, abstract), **answer.scope}
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
        closest=[
            {**asdict(span), "numbers": _read_numbers(pair.revision, span)}
            for span in answer.closest
            if _check(pair.version, span)
        ],
        numbers=_read_numbers(pair.revision, quote) if quote else [],
        scope=scope,
        studied=_describe_studied(pair, answer),
        judge=judge,
        independence_key=read_source(pair.arxiv_id, pair.authors, title, abstract).key,
    )
    return row, is_refused


def _read_numbers(revision: ClaimRevision, span: Span) -> list[dict[str, Any]]:
    """The numbers of a span, each beside the claim's limit where the two can be compared."""
    against = compare_with_limit(revision.text, revision.numbers, span.text)
    return [
        {**number, "limit": found.record()}
        if (found := against.get(number["start"] - span.start))
        else number
        for number in quote_numbers(span.text, span.start)
    ]


def _describe_studied(pair: Pair, answer: Judgement) -> dict[str, Any]:
    """What the text names, and beside it what the judge names."""
    version = pair.version
    named = describe_studied(version.title, version.abstract, pair.published)
    return {**named, "by_judge": answer.studied} if answer.studied else named


def _check(version: PaperVersion, span: Span | None) -> Span | None:
    """The span, if it is an exact slice of the version's section."""
    if span is None or span.section not in ("title", "abstract"):
        return None
    found = check_quote(getattr(version, span.section), span.text, span.start, span.end)
    return Span(span.section, found.start, found.end, found.text) if found else None
