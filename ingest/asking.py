"""What arXiv is asked in one harvest, in an order that makes a short first night useful.

Decides the questions (the anchors by id, one search a claim, then the latest days), how
many of them one night may put, and which are not put again. Knows nothing of HTTP.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from db.columns import stored_id
from db.engine import open_session
from db.errors import QuestionRefused, SourceUnavailable
from db.models import Anchor, Claim, HarvestWindow, Note, Paper
from ingest.anchor_checks import find_unknown_ids
from ingest.claim_queries import (
    CATEGORIES,
    RECENT_QUERY,
    SEARCHED_PAPERS,
    build_claim_query,
    find_claim_since,
)
from ingest.harvest_summary import HarvestSummary, join_spans, name_some
from ingest.papers import StoreCount, store_in_batches
from ingest.sources.records import PaperRecord, PaperSource, Question
from ingest.windows import (
    DaySpan,
    close_window,
    find_reach,
    open_window,
    plan_recent,
    read_recent,
    was_asked_tonight,
)

IDS_A_QUESTION = 100
MOST_ANCHOR_QUESTIONS = 10
MOST_CLAIM_QUESTIONS = 25
# Requests a harvest: at arXiv's pace a first one stays under three minutes, one that
# catches up with an absence under ten.
MOST_REQUESTS = 50
KEPT_FOR_DAYS = 15
MOST_CATCHING_UP = 200
NO_PAPERS = "arXiv answered that there are no papers at all, which it does when in trouble"
Progress = Callable[[str], None]


class PagedSource(PaperSource, Protocol):
    """A source that is asked page by page over a network."""

    @property
    def requests_made(self) -> int: ...

    @property
    def total(self) -> int | None: ...

    @property
    def stopped_because(self) -> str | None: ...


class _Outcome(NamedTuple):
    window_id: int
    came: set[str]  # bare ids
    error: SourceUnavailable | None  # why the answer is not whole
    is_doubtful: bool  # an empty answer about days that should have papers


class Asking:
    """One harvest from arXiv; every question is a row, begun before it is sent."""

    def __init__(
        self,
        engine: Engine,
        source: PagedSource,
        night_id: int | None,
        today: date,
        report_progress: Progress,
    ) -> None:
        self._engine = engine
        self._source = source
        self._night_id = night_id
        self._today = today
        self._report_progress = report_progress
        self._summary = HarvestSummary(source.name)
        self._recall_tonight()
        self._failed_names: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._failed_spans: dict[str, list[DaySpan]] = defaultdict(list)

    def ask_anchors(self) -> None:
        """Fetch the anchors that the store lacks, by id."""
        with open_session(self._engine) as session:
            ids = find_wanted_ids(session)
        self.ask_ids(ids)

    def ask_ids(self, ids: Sequence[str]) -> None:
        """Fetch papers by id, whether or not the store has them; versions may have moved on."""
        batches = [list(ids[n : n + IDS_A_QUESTION]) for n in range(0, len(ids), IDS_A_QUESTION)]
        for batch in batches[:MOST_ANCHOR_QUESTIONS]:
            self._ask_ids(batch)
        left = [i for batch in batches[MOST_ANCHOR_QUESTIONS:] for i in batch]
        if left:
            self._summary.not_asked.append(
                f"{name_some(left, 'anchor')} wait for the next harvest: one asks for "
                f"{MOST_ANCHOR_QUESTIONS * IDS_A_QUESTION} at most"
            )

    def ask_claims(self) -> None:
        """One search for each claim that has not had one, the oldest claims first."""
        with open_session(self._engine) as session:
            waiting = find_waiting_claims(session, self._today)
        asked = 0
        for claim, question in waiting[:MOST_CLAIM_QUESTIONS]:
            if self._source.requests_made >= MOST_REQUESTS - KEPT_FOR_DAYS:
                break
            asked += 1
            self._announce(f"searching arXiv for {claim.handle}")
            error = self._ask(question, claim_id=stored_id(claim.id)).error
            if error is not None:
                self._failed_names["claim", str(error)].append(claim.handle)
        left = [claim.handle for claim, _ in waiting[asked:]]
        if left:
            self._summary.not_asked.append(
                f"the first search for {name_some(left, 'claim')} waits for the next harvest, "
                "so that arXiv is not asked too much at once"
            )

    def ask_recent(self) -> None:
        """The latest days, and earlier ones whose answer did not come."""
        asked = read_recent(self._engine)
        plan = plan_recent(asked, self._today)
        if plan.too_old:
            since, until = plan.too_old
            self._summary.not_asked.append(
                f"{plan.too_old} was never asked: 'reassay ingest poll --since {since} "
                f"--until {until}' does"
            )
        self.ask_spans(plan.spans, MOST_CATCHING_UP if asked else MOST_REQUESTS)

    def ask_spans(self, spans: Sequence[DaySpan], most_requests: int = MOST_CATCHING_UP) -> None:
        """Every paper of the watched categories first submitted in the given spans.

        An empty answer stays open until another span's papers show that arXiv is well.
        """
        doubtful: dict[int, DaySpan] = {}
        some_came = False
        for span in spans:
            self._summary.since = min(span.since, self._summary.since or span.since)
            self._summary.until = max(span.until, self._summary.until or span.until)
            if was_asked_tonight(self._engine, self._night_id, span):
                continue
            if self._source.requests_made >= most_requests:
                reason = f"{most_requests} requests are enough for one harvest"
                self._failed_spans[reason].append(span)
                continue
            self._announce(f"asking arXiv for {', '.join(CATEGORIES)} on {span}")
            question = Question("recent", RECENT_QUERY, since=span.since, until=span.until)
            outcome = self._ask(question, doubt_empty=self._should_have_papers(span))
            if outcome.is_doubtful:
                doubtful[outcome.window_id] = span
            elif outcome.error is not None:
                self._failed_spans[str(outcome.error)].append(span)
            some_came = some_came or bool(outcome.came)
        self._settle_doubtful(doubtful, some_came)

    def summarize(self) -> HarvestSummary:
        """The summary, with a sentence for each kind of failure."""
        summary = self._summary
        for (noun, reason), names in self._failed_names.items():
            summary.unanswered.append(
                f"arXiv did not answer for {name_some(names, noun)}: {reason}"
            )
        for reason, spans in self._failed_spans.items():
            days = ", ".join(map(str, join_spans(spans)))
            summary.unanswered.append(
                f"arXiv did not answer for {', '.join(CATEGORIES)} on {days}: {reason}"
            )
        summary.searched_through = find_reach(read_recent(self._engine))
        return summary

    def _ask_ids(self, ids: list[str]) -> None:
        """Ask for ids; what a mixed answer left out is asked for again."""
        question = Question("anchors", ids=tuple(ids))
        outcome = self._ask(
            question,
            describe=lambda came: {} if came or self._source.total else {"missing": sorted(ids)},
        )
        came, error = outcome.came, outcome.error
        missing = [i for i in ids if i not in came]
        if isinstance(error, QuestionRefused) and len(ids) > 1:
            half = len(ids) // 2
            self._ask_ids(ids[:half])
            self._ask_ids(ids[half:])
        elif error is not None:
            self._failed_names["anchor", str(error)] += missing
        elif came and missing:
            self._ask_ids(missing)

    def _ask(
        self,
        question: Question,
        *,
        claim_id: int | None = None,
        doubt_empty: bool = False,
        describe: Callable[[set[str]], dict[str, Any]] = lambda came: {},
    ) -> "_Outcome":
        """Put one question, store what comes, and write down how it was answered."""
        window_id = open_window(self._engine, question, self._source.name, self._night_id, claim_id)
        came: set[str] = set()
        count, error = StoreCount(), None
        try:
            records = _note_ids(self._source.answer(question), came)
            for counted in store_in_batches(self._engine, records, self._source.name):
                count += counted
        except SourceUnavailable as failure:
            error = failure
        is_doubtful = doubt_empty and not came and error is None
        detail = {"total": self._source.total, "remarks": self._source.remarks, **describe(came)}
        if isinstance(error, QuestionRefused):
            detail["refused"] = True
        reason = NO_PAPERS if is_doubtful else str(error) if error else None
        close_window(self._engine, window_id, count, reason, detail=detail)
        self._summary.count(window_id, count)
        self._summary.remarks += self._source.remarks
        return _Outcome(window_id, came, error, is_doubtful)

    def _settle_doubtful(self, doubtful: dict[int, DaySpan], some_came: bool) -> None:
        for window_id, span in doubtful.items():
            if some_came:
                close_window(self._engine, window_id, StoreCount(), None)
            else:
                self._failed_spans[NO_PAPERS].append(span)

    def _announce(self, message: str) -> None:
        if not self._source.stopped_because:
            self._report_progress(message)

    def _recall_tonight(self) -> None:
        """Count what this night had finished before it was broken off."""
        if self._night_id is None:
            return
        query = select(HarvestWindow).where(
            HarvestWindow.night_id == self._night_id, col(HarvestWindow.finished_at).is_not(None)
        )
        with open_session(self._engine) as session:
            for row in session.exec(query):
                count = StoreCount(row.seen, row.new, row.revised, row.withdrawn)
                self._summary.count(stored_id(row.id), count)

    def _should_have_papers(self, span: DaySpan) -> bool:
        """Whether a span holds a working day that is over: an empty answer is then no answer."""
        last = span.until.toordinal()
        days = (date.fromordinal(n) for n in range(span.since.toordinal(), last + 1))
        return any(day.weekday() < 5 and day < self._today for day in days)


def find_wanted_ids(session: Session) -> list[str]:
    """The anchors' ids that the store lacks and that arXiv did not already deny."""
    stored = select(Paper.arxiv_id)
    query = (
        select(Anchor.arxiv_id)
        .where(col(Anchor.arxiv_id).is_not(None), col(Anchor.arxiv_id).not_in(stored))
        .distinct()
    )
    unknown = find_unknown_ids(session)
    return sorted(i for i in session.exec(query) if i and i not in unknown)


def find_waiting_claims(session: Session, today: date) -> list[tuple[Claim, Question]]:
    """The claims whose present wording has not been searched for, with their questions."""
    settled = {
        (window.claim_id, window.query)
        for window in session.exec(select(HarvestWindow).where(HarvestWindow.purpose == "claim"))
        if window.is_complete or window.detail.get("refused")
    }
    hubs = select(Note.id).where(Note.kind == "hub")
    query = select(Claim).where(col(Claim.retired_at).is_(None)).order_by(col(Claim.id))
    waiting = []
    for claim in _without_notes(session.exec(query), set(session.exec(hubs))):
        words = build_claim_query(claim.statement)
        if words is not None and (claim.id, words) not in settled:
            since = min(find_claim_since(session, claim, today), today)
            question = Question("claim", words, since=since, until=today, limit=SEARCHED_PAPERS)
            waiting.append((claim, question))
    return waiting


def _without_notes(claims: Iterable[Claim], note_ids: set[int | None]) -> Iterator[Claim]:
    return (claim for claim in claims if claim.note_id is None or claim.note_id not in note_ids)


def _note_ids(records: Iterable[PaperRecord], came: set[str]) -> Iterator[PaperRecord]:
    for record in records:
        came.add(record.arxiv_id)
        yield record
