"""Which claims are ranked, by what words, and against which papers.

Decides that topic hubs and retired claims are left out, from which day a paper is newer
than a claim, and that a claim's own sources are never newer work on it. Reads all claims
in a handful of queries: a library has thousands.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sqlmodel import Session, col, select

from db.columns import stored_id
from db.models import Anchor, Claim, ClaimRevision, Finding, Line, LineClaim, Note, Paper

# Words of a note that say who found something, not what: an author's rare name would
# otherwise outweigh every word of the claim.
CITATION = re.compile(r"\b[A-Z][\w'’-]+(?: et al\.?| and [A-Z][\w'’-]+)?,? \((?:19|20)\d{2}\)")
REPORTING = re.compile(
    r"\b(?:research|work|trials|experiments|results?|authors?|reports?|shows?|showed|finds?|found|"
    r"reveals?|suggest(?:s|ing)?|indicates?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class RankableClaim:
    """A claim's current wording and the papers that may be newer work on it."""

    claim_id: int
    revision_id: int
    text: str
    since: date | None  # papers of this day or later; None: no limit is known
    own_papers: frozenset[int]  # that it was taken from


def read_rankable_claims(session: Session, claim_id: int | None = None) -> list[RankableClaim]:
    """Claims in force, in the order of their ids."""
    query = (
        select(Claim, ClaimRevision.id, ClaimRevision.text, Note.title)
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
    days = _ClaimDays(session)
    own = _read_own_papers(session)
    return [
        RankableClaim(
            stored_id(claim.id),
            stored_id(revision_id),
            write_query(title, text),
            days.find(claim),
            frozenset(own[claim.note_id]) if claim.note_id else frozenset(),
        )
        for claim, revision_id, text, title in session.exec(query).all()
    ]


def write_query(title: str | None, text: str) -> str:
    """The words that a claim is ranked by: its note's question and its text, credits left out."""
    subject = f"{title} {text}" if title else text
    return REPORTING.sub(" ", CITATION.sub(" ", subject))


class _ClaimDays:
    """The day from which a paper is newer than a claim.

    The first day of the earliest tied anchor's month, else of the date that the claim's
    own finding states, else of the earliest span of its lines.
    """

    def __init__(self, session: Session) -> None:
        anchors = select(Anchor.note_id, Anchor.month_stated, Anchor.month_from_id)
        self._of_note = _find_earliest(
            (note_id, stated or from_id) for note_id, stated, from_id in session.exec(anchors)
        )
        self._of_finding = _find_earliest(session.exec(select(Finding.id, Finding.found_from)))
        spans = select(LineClaim.claim_id, Line.span_from).join(
            Line, col(Line.id) == LineClaim.line_id
        )
        self._of_claim = _find_earliest(session.exec(spans))

    def find(self, claim: Claim) -> date | None:
        return (
            self._of_note.get(claim.note_id)
            or self._of_finding.get(claim.finding_id)
            or self._of_claim.get(claim.id)
        )


def _find_earliest(rows: Iterable[tuple[int | None, str | None]]) -> dict[int | None, date]:
    """First days of ``2025`` or ``2025-03``; a text that is neither says nothing."""
    earliest: dict[int | None, date] = {}
    for key, text in rows:
        year, _, month = (text or "").partition("-")
        if key is not None and year.isdigit() and (not month or month.isdigit()):
            day = date(int(year), int(month or 1), 1)
            earliest[key] = min(day, earliest.get(key, day))
    return earliest


def _read_own_papers(session: Session) -> defaultdict[int, set[int]]:
    query = select(Anchor.note_id, Paper.id).join(Paper, col(Paper.arxiv_id) == Anchor.arxiv_id)
    own: defaultdict[int, set[int]] = defaultdict(set)
    for note_id, paper_id in session.exec(query):
        if note_id is not None:
            own[note_id].add(stored_id(paper_id))
    return own
