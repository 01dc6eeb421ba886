"""Which stored papers' full texts are fetched from arXiv, and what came of it.

Decides the order (candidates of the current wordings by rank, each paper once), that one
version is asked for once, and how long "arXiv has no HTML of it" is believed. Each question
is a row, begun before it is sent. Knows nothing of how a page is read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from sqlalchemy import Engine
from sqlmodel import Session, col, func, select

from claims.arxiv_ids import ArxivId, parse_arxiv_id
from db.columns import utc_now
from db.engine import open_session
from db.errors import FullTextRefused, PaperNotFound, QuestionRefused, SourceUnavailable
from db.models import Candidate, Claim, ClaimRevision, HarvestWindow, Paper, PaperText
from ingest.full_texts import FEWEST_LETTERS, StoredText, read_html, store_full_text
from ingest.papers import StoreCount
from ingest.sources.records import Question
from ingest.windows import close_window, open_window

PURPOSE = "full text"
SOURCE = "arxiv-html"
STORED_AS = "arxiv.org/html"
NO_HTML_FOR = timedelta(days=30)  # a page may be made later; not every night
MOST_FAILURES = 3  # of one version: then its page is not ours to read


class TextSetup(Protocol):
    """Where full texts come from, and how many a night."""

    @property
    def home(self) -> Path: ...

    @property
    def arxiv_html_url(self) -> str: ...

    @property
    def arxiv_delay_s(self) -> float: ...

    @property
    def arxiv_contact(self) -> str: ...

    @property
    def full_texts(self) -> int: ...


class TextPages(Protocol):
    """A place that has pages of full texts."""

    @property
    def stopped_because(self) -> str | None: ...

    def fetch(self, arxiv_id: str, version: int) -> bytes | None: ...


class Fetched(NamedTuple):
    """What asking for one text came to: stored | no change | no HTML."""

    arxiv_id: str
    version: int
    outcome: str
    text: StoredText | None


@dataclass
class TextSummary:
    """What one run came to; ``unanswered`` are plain sentences."""

    asked: int = 0
    stored: int = 0
    without_html: int = 0
    unanswered: list[str] = field(default_factory=list)


def open_pages(setup: TextSetup) -> TextPages:
    """arXiv's HTML pages as the settings have them."""
    from ingest.sources.full_text_pages import open_full_text_pages

    return open_full_text_pages(
        setup.home, setup.arxiv_html_url, setup.arxiv_delay_s, setup.arxiv_contact
    )


def fetch_candidate_texts(
    engine: Engine,
    pages: TextPages,
    most: int,
    *,
    night_id: int | None,
    report_progress: Callable[[str], None],
) -> TextSummary:
    """Fetch what the best-ranked candidates lack. What came is kept whatever happens next."""
    summary = TextSummary()
    with open_session(engine) as session:
        wanted = find_wanted_texts(session, most - _count_asked(session, night_id))
    if wanted:
        report_progress(f"fetching {len(wanted)} full texts from arXiv")
    failed: dict[str, list[str]] = {}
    for number, paper in enumerate(wanted):
        try:
            fetched = fetch_full_text(engine, pages, paper, night_id)
        except (SourceUnavailable, QuestionRefused, FullTextRefused) as error:
            reason = pages.stopped_because or str(error)
            failed.setdefault(reason, []).append(_name(paper))
        else:
            summary.stored += fetched.outcome == "stored"
            summary.without_html += fetched.outcome == "no HTML"
        summary.asked += 1
        if pages.stopped_because:
            missed = [_name(left) for left in wanted[number:]]
            failed[pages.stopped_because] = missed
            for name in missed[1:]:
                window_id = open_window(engine, Question(PURPOSE, name), SOURCE, night_id)
                reason = f"not asked: {pages.stopped_because}"
                close_window(engine, window_id, StoreCount(), reason)
            break
    summary.unanswered = [_say_failed(reason, names) for reason, names in failed.items()]
    return summary


def _count_asked(session: Session, night_id: int | None) -> int:
    """How many texts this night asked for before it was broken off."""
    if night_id is None:
        return 0
    query = select(func.count(col(HarvestWindow.id))).where(
        HarvestWindow.purpose == PURPOSE, HarvestWindow.night_id == night_id
    )
    return session.exec(query).one()


def find_wanted_texts(session: Session, most: int) -> list[ArxivId]:
    """The candidates whose newest version has no text here and is worth asking for."""
    has_text = select(PaperText.id).where(
        PaperText.paper_id == Paper.id, PaperText.version == Paper.version
    )
    ranked = (
        select(Paper.arxiv_id, Paper.version)
        .join(Candidate, col(Candidate.paper_id) == Paper.id)
        .join(ClaimRevision, col(ClaimRevision.id) == Candidate.claim_revision_id)
        .join(Claim, col(Claim.id) == Candidate.claim_id)
        .where(col(Claim.retired_at).is_(None), ClaimRevision.number == Claim.revision_number)
        .where(col(Candidate.is_sample).is_(False), col(Paper.is_withdrawn).is_(False))
        .where(~has_text.correlate(Paper).exists())
        .group_by(col(Paper.arxiv_id), col(Paper.version))
        .order_by(func.min(Candidate.rank), func.max(Candidate.id).desc())
    )
    passed_over = _find_passed_over(session)
    wanted: list[ArxivId] = []
    for arxiv_id, version in session.exec(ranked):
        if len(wanted) >= most:
            break
        found = parse_arxiv_id(f"{arxiv_id}v{version}")
        if found is not None and _name(found) not in passed_over:
            wanted.append(found)
    return wanted


def fetch_full_text(
    engine: Engine, pages: TextPages, wanted: ArxivId, night_id: int | None = None
) -> Fetched:
    """Fetch and store one text; without a version, that of the newest one known.

    Raises:
        PaperNotFound: the store lacks the paper.
        SourceUnavailable, FullTextRefused: no page of a paper came; the row says why.
    """
    with open_session(engine) as session:
        version = wanted.version or find_newest_version(session, wanted.id)
    window_id = open_window(engine, Question(PURPOSE, f"{wanted.id}v{version}"), SOURCE, night_id)
    try:
        page = pages.fetch(wanted.id, version)
        stored = None if page is None else _store(engine, wanted, version, page)
    except (SourceUnavailable, QuestionRefused, FullTextRefused) as error:
        detail = {"unreadable": pages.stopped_because is None}
        close_window(engine, window_id, StoreCount(), str(error), detail=detail)
        raise
    close_window(engine, window_id, StoreCount(), None, detail={"found": stored is not None})
    if stored is None:
        return Fetched(wanted.id, version, "no HTML", None)
    return Fetched(wanted.id, version, "stored" if stored.changed else "no change", stored)


def find_newest_version(session: Session, arxiv_id: str) -> int:
    """The highest version number of a stored paper.

    Raises:
        PaperNotFound: the store lacks it.
    """
    version = session.exec(select(Paper.version).where(Paper.arxiv_id == arxiv_id)).first()
    if version is None:
        raise PaperNotFound(
            f"the store has no paper {arxiv_id}: 'reassay papers load FILE' or "
            "'reassay ingest poll' brings papers in"
        )
    return version


def _store(engine: Engine, wanted: ArxivId, version: int, page: bytes) -> StoredText:
    text = read_html(page)
    if len(text.text) < FEWEST_LETTERS:
        raise FullTextRefused(f"{wanted.id}v{version}: its page holds {len(text.text)} letters")
    versioned = ArxivId(wanted.id, version, wanted.year, wanted.month)
    return store_full_text(engine, versioned, text, STORED_AS)


def _find_passed_over(session: Session) -> set[str]:
    """Versions that arXiv lately had no HTML of, or whose page failed again and again."""
    bound = utc_now() - NO_HTML_FOR
    query = select(HarvestWindow).where(
        HarvestWindow.purpose == PURPOSE, col(HarvestWindow.started_at) > bound
    )
    none: set[str] = set()
    failures: dict[str, int] = {}
    for window in session.exec(query):
        if window.is_complete:
            none.add(window.query)
        elif window.detail.get("unreadable"):
            failures[window.query] = failures.get(window.query, 0) + 1
    return none | {name for name, times in failures.items() if times >= MOST_FAILURES}


def _name(paper: ArxivId) -> str:
    return f"{paper.id}v{paper.version}"


def _say_failed(reason: str, names: Sequence[str]) -> str:
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    texts = "full text" if len(names) == 1 else "full texts"
    return f"arXiv's HTML pages did not give {len(names)} {texts} ({shown}): {reason}"
