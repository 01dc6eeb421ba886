"""Papers under the library's claims that were withdrawn or revised since the last page.

Decides what is news (seen after the report before this one was begun), which claims rest on
a paper, and whether the sentences that they rest on still stand, as exact spans, in its
newest text. Knows nothing of what a change means for a headline.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, func, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from claims.likeness import stem_words
from claims.sentences import split_sentences
from claims.source_texts import Passage, find_closest
from db.columns import stored_id
from db.models import (
    Anchor,
    Claim,
    ClaimRevision,
    Evidence,
    Night,
    NightStep,
    Note,
    Paper,
    PaperText,
    PaperVersion,
)

SHOWN_NEWS = 10
SHOWN_HANDLES = 20
READ_HERE = {"title", "abstract"}
RESTING = ("confirmed", "proposed")


@dataclass(frozen=True)
class PaperNews:
    """One paper, what changed in it, and what that does to the sentences claims rest on."""

    arxiv_id: str
    title: str  # as it is now
    is_withdrawn: bool  # became so since the last page
    what: tuple[str, ...]
    claims: tuple[str, ...]  # handles
    lost: tuple[str, ...]


@dataclass(frozen=True)
class _Rest:
    """A claim that rests on a paper: through an anchor, or through a quoted stance."""

    handle: str
    statement: str
    row: Evidence | None  # None: the anchor of its note


def read_paper_news(session: Session, night_id: int | None) -> tuple[tuple[PaperNews, ...], int]:
    """At most ten papers, withdrawn ones first, and how many there are."""
    if night_id is None:
        return (), 0
    since, until = find_span(session, night_id)
    withdrawn = {stored_id(p.id): p for p in session.exec(_find_withdrawn(since, until))}
    revised = {stored_id(p.id): p for p in session.exec(_find_revised(since, until))}
    papers = {**revised, **withdrawn}
    rests = _read_rests(session, papers)
    resting = [paper_id for paper_id in papers if rests.get(paper_id)]
    resting.sort(key=lambda i: (i not in withdrawn, -len(rests[i]), papers[i].arxiv_id))
    news = [
        _describe(session, papers[i], rests[i], i in withdrawn, since if i in revised else None)
        for i in resting[:SHOWN_NEWS]
    ]
    return tuple(news), len(resting)


def find_span(session: Session, night_id: int) -> tuple[datetime, datetime]:
    """From the beginning of the report before to that of this night's, so that spans tile."""
    begun = select(NightStep.started_at).where(NightStep.name == "report")
    until = session.exec(begun.where(NightStep.night_id == night_id)).first()
    earlier = select(func.max(NightStep.night_id)).where(
        NightStep.name == "report", col(NightStep.night_id) < night_id
    )
    since = session.exec(begun.where(NightStep.night_id == earlier.scalar_subquery())).first()
    if since is None:
        first = session.exec(select(Night.started_at).where(Night.id == night_id)).first()
        since = first or datetime.min.replace(tzinfo=UTC)
    return since, until or datetime.max.replace(tzinfo=UTC)


def _find_withdrawn(since: datetime, until: datetime) -> SelectOfScalar[Paper]:
    return select(Paper).where(
        col(Paper.is_withdrawn).is_(True),
        col(Paper.withdrawn_seen_at) > since,
        col(Paper.withdrawn_seen_at) <= until,
        _bears_something(),
    )


def _find_revised(since: datetime, until: datetime) -> SelectOfScalar[Paper]:
    """Papers whose text in force is new, and that had another one before."""
    earlier = (
        select(PaperVersion.id)
        .where(PaperVersion.paper_id == Paper.id, col(PaperVersion.seen_at) <= since)
        .correlate(Paper)
    )
    return (
        select(Paper)
        .join(PaperVersion, col(PaperVersion.id) == Paper.version_id)
        .where(col(PaperVersion.seen_at) > since, col(PaperVersion.seen_at) <= until)
        .where(earlier.exists(), _bears_something())
    )


def _bears_something() -> ColumnElement[bool]:
    """Of a thousand revisions a night, those of papers that the library leans on."""
    anchors = select(Anchor.arxiv_id).where(
        col(Anchor.arxiv_id).is_not(None), col(Anchor.note_id).is_not(None)
    )
    quoted = select(Evidence.paper_id).where(
        col(Evidence.status).in_(RESTING), col(Evidence.quote).is_not(None)
    )
    return or_(col(Paper.arxiv_id).in_(anchors), col(Paper.id).in_(quoted))


def _read_rests(session: Session, papers: dict[int, Paper]) -> dict[int, list[_Rest]]:
    rests: dict[int, list[_Rest]] = defaultdict(list)
    by_id = {paper.arxiv_id: paper_id for paper_id, paper in papers.items()}
    anchored = (
        select(Anchor.arxiv_id, Claim.handle, Claim.statement)
        .join(Claim, col(Claim.note_id) == Anchor.note_id)
        .join(Note, col(Note.id) == Claim.note_id)
        .where(Note.kind != "hub", col(Claim.retired_at).is_(None))
        .where(col(Anchor.arxiv_id).in_(list(by_id)))
        .order_by(col(Claim.id))
    )
    for arxiv_id, handle, statement in dict.fromkeys(session.exec(anchored)):
        rests[by_id[str(arxiv_id)]].append(_Rest(handle, statement, None))
    quoted = (
        select(Evidence, Claim.handle, Claim.statement)
        .join(Claim, col(Claim.id) == Evidence.claim_id)
        .join(ClaimRevision, col(ClaimRevision.id) == Evidence.claim_revision_id)
        .where(col(Evidence.paper_id).in_(list(papers)), col(Claim.retired_at).is_(None))
        .where(col(Evidence.status).in_(RESTING), col(Evidence.quote).is_not(None))
        .where(col(ClaimRevision.number) == Claim.revision_number)
        .order_by(col(Evidence.claim_id), col(Evidence.id))
    )
    for row, handle, statement in session.exec(quoted):
        rests[row.paper_id].append(_Rest(handle, statement, row))
    return rests


def _describe(
    session: Session, paper: Paper, rests: Sequence[_Rest], became: bool, since: datetime | None
) -> PaperNews:
    """``since`` is given for a paper whose text is new: what it was then is compared."""
    what = []
    if became:
        comment = f": its comment says “{paper.comment}”" if paper.comment else ""
        what.append(f"withdrawn{comment}")
    lost: Iterable[str] = ()
    if since is not None:
        before = _read_before(session, paper, since)
        now = session.get_one(PaperVersion, paper.version_id)
        what += _compare(before, now)
        lost = _find_lost(session, paper, before, rests)
    return PaperNews(
        arxiv_id=paper.arxiv_id,
        title=paper.title,
        is_withdrawn=became,
        what=tuple(what),
        claims=tuple(dict.fromkeys(rest.handle for rest in rests))[:SHOWN_HANDLES],
        lost=tuple(dict.fromkeys(lost)),
    )


def _read_before(session: Session, paper: Paper, since: datetime) -> PaperVersion:
    """The newest text that was there before: of the highest version, seen last."""
    query = select(PaperVersion).where(
        PaperVersion.paper_id == paper.id, col(PaperVersion.seen_at) <= since
    )
    newest = query.order_by(col(PaperVersion.version).desc(), col(PaperVersion.id).desc())
    return session.exec(newest.limit(1)).one()


def _compare(before: PaperVersion, now: PaperVersion) -> list[str]:
    said = []
    if now.version != before.version:
        said.append(f"revised: version {before.version} became version {now.version}")
    if now.title != before.title:
        said.append(f"its title changed from “{before.title}” to “{now.title}”")
    if now.abstract != before.abstract:
        said.append("its abstract changed")
    elif now.title == before.title:
        said.append("title and abstract are as they were; what else changed was not read")
    return said


def _find_lost(
    session: Session, paper: Paper, before: PaperVersion, rests: Sequence[_Rest]
) -> list[str]:
    """Sentences that claims rest on and that the newest text does not hold, or may not."""
    full = session.exec(
        select(PaperText.text).where(
            PaperText.paper_id == paper.id, PaperText.version == paper.version
        )
    ).all()
    texts = [paper.title, paper.abstract, *full]
    passages = [
        Passage(s.text, s.start, s.end, "abstract", frozenset(stem_words(s.text)))
        for s in split_sentences(before.abstract)
    ]
    said = []
    for rest in rests:
        if rest.row is not None:
            said += _check(rest, str(rest.row.quote), str(rest.row.section), texts, paper, full)
            continue
        closest = find_closest(rest.statement, passages)
        if closest is not None:
            said += _check(rest, closest[1].text, "abstract", texts, paper, full)
    return said


def _check(
    rest: _Rest,
    sentence: str,
    section: str,
    texts: Sequence[str],
    paper: Paper,
    full: Sequence[str],
) -> list[str]:
    if any(sentence in text for text in texts):
        return []
    what = f"{rest.row.status} {rest.row.stance}" if rest.row else "its source"
    if section not in READ_HERE and not full:
        return [
            f"{rest.handle} ({what}): “{sentence}” stood in the full text, and that of version "
            f"{paper.version} was not read"
        ]
    return [f"{rest.handle} ({what}): “{sentence}” is no longer in the newest text"]
