"""Which works cite the papers that claims rest on, as citation indexes state it.

Pressure, not evidence: a citation says that a work names a paper, not what it says of it.
Decides which anchors are asked about (never asked first, then the oldest answer), how many
a run, and when an answer is fresh enough. Each question is a row, begun before it is sent.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from claims.arxiv_ids import parse_arxiv_id
from db.columns import utc_now
from db.engine import open_session
from db.errors import QuestionRefused, SourceUnavailable, UsageError
from db.models import Anchor, Citation, Claim, FindingNote, HarvestWindow
from ingest.papers import StoreCount
from ingest.sources.citing_works import MOST_WORKS, CitationSource, CitingWork
from ingest.sources.records import Question
from ingest.windows import close_window, open_window

PURPOSE = "citations"
SOURCES = ("openalex", "semantic-scholar")
NAMES = {"openalex": "OpenAlex", "semantic-scholar": "Semantic Scholar"}
MOST_ANCHORS = 50  # a run and source: two minutes or so of a night
FRESH_FOR = timedelta(days=7)
BATCH = 200  # rows a transaction


class CitationSetup(Protocol):
    """Which indexes are asked, and how; none unless a setting names it."""

    @property
    def home(self) -> Path: ...

    @property
    def citations(self) -> str: ...

    @property
    def openalex_url(self) -> str: ...

    @property
    def openalex_key(self) -> str: ...

    @property
    def semantic_scholar_url(self) -> str: ...

    @property
    def semantic_scholar_key(self) -> str: ...

    @property
    def arxiv_contact(self) -> str: ...


@dataclass
class CitationSummary:
    """What one run came to; ``unanswered`` and ``not_asked`` are plain sentences."""

    asked: int = 0  # anchors, once for each index
    works: int = 0  # citing works that were named
    new: int = 0  # of them, those that the store had not
    unknown: list[str] = field(default_factory=list)  # ids that an index does not know
    unanswered: list[str] = field(default_factory=list)
    not_asked: list[str] = field(default_factory=list)


def read_source_names(setting: str) -> list[str]:
    """The indexes that a comma list names.

    Raises:
        UsageError: it names one that there is not.
    """
    names = [name.strip() for name in setting.split(",") if name.strip()]
    for name in names:
        if name not in SOURCES:
            raise UsageError(f"no citation index {name!r}: the indexes are {', '.join(SOURCES)}")
    return list(dict.fromkeys(names))


def open_citation_source(name: str, setup: CitationSetup) -> CitationSource:
    """An index as the settings have it."""
    if name == "openalex":
        from ingest.sources.openalex import open_openalex

        return open_openalex(
            setup.home, setup.openalex_url, setup.openalex_key, setup.arxiv_contact
        )
    from ingest.sources.semantic_scholar import open_semantic_scholar

    return open_semantic_scholar(
        setup.home, setup.semantic_scholar_url, setup.semantic_scholar_key, setup.arxiv_contact
    )


def refresh_citations(
    engine: Engine,
    sources: Iterable[CitationSource],
    *,
    night_id: int | None,
    report_progress: Callable[[str], None],
    note_ids: Sequence[int] | None = None,
) -> CitationSummary:
    """Ask each index about the anchors whose answer is missing or old.

    ``note_ids`` limits it to anchors of these notes, which are asked however fresh they are.
    Failures are part of the summary; what came is kept, and the next run asks for the rest.
    """
    summary = CitationSummary()
    for source in sources:
        with open_session(engine) as session:
            waiting = find_waiting_anchors(session, source.name, note_ids)
        if waiting:
            report_progress(
                f"asking {NAMES.get(source.name, source.name)} who cites "
                f"{min(len(waiting), MOST_ANCHORS)} anchors"
            )
        _ask_all(engine, source, waiting[:MOST_ANCHORS], night_id, summary)
        if len(waiting) > MOST_ANCHORS:
            summary.not_asked.append(
                f"{NAMES.get(source.name, source.name)} is asked about "
                f"{len(waiting) - MOST_ANCHORS} more anchors by the next run: one asks about "
                f"{MOST_ANCHORS}"
            )
    return summary


def find_waiting_anchors(
    session: Session, source: str, note_ids: Sequence[int] | None = None
) -> list[str]:
    """Ids to ask one index about: never answered first, then the oldest answer."""
    anchors = select(Anchor.arxiv_id).where(
        col(Anchor.arxiv_id).is_not(None), col(Anchor.state) != "broken"
    )
    if note_ids is not None:
        anchors = anchors.where(col(Anchor.note_id).in_(note_ids))
    answered: dict[str, Any] = {}
    windows = select(HarvestWindow.query, HarvestWindow.finished_at).where(
        HarvestWindow.purpose == PURPOSE,
        HarvestWindow.source == source,
        col(HarvestWindow.is_complete).is_(True),
    )
    for arxiv_id, at in session.exec(windows.order_by(col(HarvestWindow.id))):
        answered[arxiv_id] = at
    bound = utc_now() - FRESH_FOR
    ids = {str(i) for i in session.exec(anchors.distinct()) if _is_bare(str(i))}
    waiting = [i for i in ids if note_ids is not None or i not in answered or answered[i] < bound]
    return sorted(waiting, key=lambda i: (i in answered, answered.get(i), i))


def find_note_ids(session: Session, claim: Claim) -> list[int]:
    """The notes whose anchors a claim rests on."""
    if claim.note_id is not None:
        return [claim.note_id]
    query = select(FindingNote.note_id).where(FindingNote.finding_id == claim.finding_id)
    return list(session.exec(query))


def _is_bare(arxiv_id: str) -> bool:
    found = parse_arxiv_id(arxiv_id)
    return found is not None and found.id == arxiv_id


def _ask_all(
    engine: Engine,
    source: CitationSource,
    ids: Sequence[str],
    night_id: int | None,
    summary: CitationSummary,
) -> None:
    failed: dict[str, list[str]] = {}
    for arxiv_id in ids:
        window_id = open_window(engine, Question(PURPOSE, arxiv_id), source.name, night_id)
        named, new, error = 0, 0, None
        try:
            for batch in _in_batches(source.find_citing(arxiv_id)):
                named += len(batch)
                new += store_works(engine, arxiv_id, batch, source.name)
        except (SourceUnavailable, QuestionRefused) as failure:
            error = str(failure)
            reason = source.stopped_because or error
            failed.setdefault(reason, []).append(arxiv_id)
        is_known = error is None and source.total is not None
        detail = {"works": named, "new": new, "total": source.total}
        close_window(engine, window_id, StoreCount(), error, detail=detail)
        summary.asked += 1
        summary.works, summary.new = summary.works + named, summary.new + new
        if error is None and not is_known:
            summary.unknown.append(arxiv_id)
        if source.stopped_because:
            missed = list(ids[ids.index(arxiv_id) :])
            failed[source.stopped_because] = missed
            for left in missed[1:]:
                window_id = open_window(engine, Question(PURPOSE, left), source.name, night_id)
                reason = f"not asked: {source.stopped_because}"
                close_window(engine, window_id, StoreCount(), reason)
            break
    for reason, missed in failed.items():
        shown = ", ".join(missed[:5]) + (", ..." if len(missed) > 5 else "")
        summary.unanswered.append(
            f"{NAMES.get(source.name, source.name)} did not say who cites {len(missed)} "
            f"{'anchor' if len(missed) == 1 else 'anchors'} ({shown}): {reason}"
        )


def store_works(engine: Engine, cited: str, works: Sequence[CitingWork], source: str) -> int:
    """Store citing works of one paper; returns how many were new. Idempotent."""
    try:
        return _store_once(engine, cited, works, source)
    except IntegrityError:  # another process stored the same works at the same moment
        return _store_once(engine, cited, works, source)


def _store_once(engine: Engine, cited: str, works: Sequence[CitingWork], source: str) -> int:
    with open_session(engine) as session:
        query = select(Citation).where(
            Citation.cited_arxiv_id == cited,
            Citation.source == source,
            col(Citation.citing_key).in_([work.key for work in works]),
        )
        known = {row.citing_key: row for row in session.exec(query)}
        for work in works:
            row = known.get(work.key) or Citation(
                cited_arxiv_id=cited, citing_key=work.key, citing_title=work.title, source=source
            )
            row.citing_arxiv_id = work.arxiv_id or row.citing_arxiv_id
            row.citing_title = work.title
            row.citing_published = work.published or row.citing_published
            row.contexts = list(work.contexts) or row.contexts
            row.is_influential = (
                row.is_influential if work.is_influential is None else work.is_influential
            )
            session.add(row)
        session.commit()
        return len(works) - len(known)


def _in_batches(works: Iterator[CitingWork]) -> Iterator[list[CitingWork]]:
    """Batches as they come; an error is raised after what came before it was yielded."""
    failure: list[Exception] = []

    def until_failure() -> Iterator[CitingWork]:
        try:
            yield from islice(works, MOST_WORKS)
        except (SourceUnavailable, QuestionRefused) as error:
            failure.append(error)

    rest = until_failure()
    while batch := list(islice(rest, BATCH)):
        yield batch
    if failure:
        raise failure[0]
