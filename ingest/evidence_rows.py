"""The stance row of a judge's answer.

Decides that no stance is stored without an exact quote, that every row is a proposal, and
what is recorded beside it: numbers, models studied, overlap of scope. Asks nobody.
"""

from dataclasses import asdict, dataclass
from typing import Any

from db.columns import stored_id
from db.models import Candidate, ClaimRevision, Evidence, PaperVersion
from ingest.judges import DIRECTED, STANCES, Judgement, PaperText, Span
from ingest.quotes import check_quote, quote_numbers


@dataclass(frozen=True)
class Pair:
    """One candidate: the wording of the claim and the version of the paper that are judged."""

    candidate: Candidate
    revision: ClaimRevision
    version: PaperVersion
    arxiv_id: str

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
        studied=_describe_studied(pair, answer),
        judge=judge,
    )
    return row, is_refused


def _describe_studied(pair: Pair, answer: Judgement) -> dict[str, Any] | None:
    """What the text names, and beside it what the judge names."""
    return {"by_judge": answer.studied} if answer.studied else None


def _check(version: PaperVersion, span: Span | None) -> Span | None:
    """The span, if it is an exact slice of the version's section."""
    if span is None or span.section not in ("title", "abstract"):
        return None
    found = check_quote(getattr(version, span.section), span.text, span.start, span.end)
    return Span(span.section, found.start, found.end, found.text) if found else None
