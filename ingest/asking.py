"""What arXiv is asked in one harvest, in an order that makes a short first night useful.

Decides the questions (the anchors by id, one search a claim, then the latest days), how
many of them one night may put, and which are not put again. Knows nothing of HTTP.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Engine
from sqlmodel import col, select

from db.columns import stored_id
from db.engine import open_session
from db.errors import QuestionRefused, SourceUnavailable
from db.models import HarvestWindow
from ingest.claim_queries import CATEGORIES
from ingest.day_questions import (
    build_day_question,
    read_span,
    should_have_papers,
    split_question,
)
from ingest.days import DaySpan, find_clock_fault, find_reach, join_spans, plan_recent
from ingest.harvest_summary import HarvestSummary, name_some
from ingest.papers import StoreCount, store_in_batches
from ingest.sources.records import PaperRecord, PaperSource, Question
from ingest.waiting import find_waiting_claims, find_wanted_ids
from ingest.windows import close_window, find_days_asked_in, open_window, read_asked

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


class Outcome(NamedTuple):
    """How one question was answered."""

    window_id: int
    question: Question
    came: set[str]  # bare ids
    total: int | None  # papers that arXiv says answer it
    error: SourceUnavailable | None  # why the answer is not whole
    is_doubtful: bool  # an empty answer about days that should have papers

    @property
    def is_too_large(self) -> bool:
        """Whether the source would not page through so many papers."""
        from ingest.sources.arxiv_api import MOST_PAGES, PAGE_SIZE

        too_many = (self.total or 0) > MOST_PAGES * PAGE_SIZE
        return too_many and self.error is not None and not self.came


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

    @property
    def summary(self) -> HarvestSummary:
        """What was asked and what came so far."""
        return self._summary

    def ask_anchors(self) -> None:
        """Fetch the anchors that the store lacks, by id."""
        with open_session(self._engine) as session:
            ids = find_wanted_ids(session)
        self.ask_ids(ids)

    def ask_ids(self, ids: Sequence[str], noun: str = "anchor") -> None:
        """Fetch papers by id, whether or not the store has them; versions may have moved on.

        ``noun`` is what sentences about failures call them.
        """
        batches = [list(ids[n : n + IDS_A_QUESTION]) for n in range(0, len(ids), IDS_A_QUESTION)]
        for batch in batches[:MOST_ANCHOR_QUESTIONS]:
            self._ask_ids(batch, noun)
        left = [i for batch in batches[MOST_ANCHOR_QUESTIONS:] for i in batch]
        if left:
            self._summary.not_asked.append(
                f"{name_some(left, noun)} wait for the next harvest: one asks for "
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
            self.announce(f"searching arXiv for {claim.handle}")
            error = self.ask(question, claim_id=stored_id(claim.id)).error
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
        asked = read_asked(self._engine)
        fault = find_clock_fault(asked, self._today)
        if fault is not None:
            self._summary.unanswered.append(fault)
            return
        done = find_days_asked_in(self._engine, self._night_id)
        plan = plan_recent(asked, self._today, done)
        for span in plan.too_old:
            self._summary.not_asked.append(
                f"{span} was never asked: 'reassay ingest poll --since {span.since} "
                f"--until {span.until}' does"
            )
        self.cover(done)
        self.ask_spans(plan.spans, MOST_CATCHING_UP if asked else MOST_REQUESTS)

    def ask_spans(self, spans: Sequence[DaySpan], most_requests: int = MOST_CATCHING_UP) -> None:
        """Every paper of the watched categories first submitted in the given spans.

        An empty answer stays open until another span's papers show that arXiv is well.
        """
        outcomes: list[Outcome] = []
        for span in spans:
            self.cover(span.days)
            if self._source.requests_made >= most_requests:
                self.note_failure(span, f"{most_requests} requests are enough for one harvest")
                continue
            self.announce(f"asking arXiv for {', '.join(CATEGORIES)} on {span}")
            outcomes += self.ask_days(build_day_question("recent", span))
        self.settle(outcomes)

    def ask_days(
        self, question: Question, detail: Mapping[str, Any] | None = None
    ) -> list[Outcome]:
        """Put a question of days; one that is too large for arXiv's paging is cut up."""
        doubt_empty = should_have_papers(read_span(question))
        outcome = self.ask(question, doubt_empty=doubt_empty, detail=detail)
        parts = split_question(question) if outcome.is_too_large else []
        if not parts:
            return [outcome]
        return [answered for part in parts for answered in self.ask_days(part, detail)]

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Note failures; believe an empty answer if another one held papers."""
        outcomes = list(outcomes)
        some_came = any(outcome.came for outcome in outcomes)
        for outcome in outcomes:
            span = read_span(outcome.question)
            if outcome.is_doubtful and some_came:
                close_window(self._engine, outcome.window_id, StoreCount(), None)
            elif outcome.is_doubtful:
                self.note_failure(span, NO_PAPERS)
            elif outcome.error is not None:
                self.note_failure(span, str(outcome.error))

    def note_failure(self, span: DaySpan, reason: str) -> None:
        """Keep in mind that a span's answer did not come in full."""
        self._failed_spans[reason].append(span)

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
        summary.searched_through = find_reach(read_asked(self._engine))
        return summary

    def _ask_ids(self, ids: list[str], noun: str) -> None:
        """Ask for ids; what a mixed answer left out is asked for again."""
        question = Question("anchors", ids=tuple(ids))
        outcome = self.ask(
            question,
            describe=lambda came: {} if came or self._source.total else {"missing": sorted(ids)},
        )
        came, error = outcome.came, outcome.error
        missing = [i for i in ids if i not in came]
        if isinstance(error, QuestionRefused) and len(ids) > 1:
            half = len(ids) // 2
            self._ask_ids(ids[:half], noun)
            self._ask_ids(ids[half:], noun)
        elif error is not None:
            self._failed_names[noun, str(error)] += missing
        elif came and missing:
            self._ask_ids(missing, noun)

    def ask(
        self,
        question: Question,
        *,
        claim_id: int | None = None,
        doubt_empty: bool = False,
        detail: Mapping[str, Any] | None = None,
        describe: Callable[[set[str]], dict[str, Any]] = lambda came: {},
    ) -> Outcome:
        """Put one question, store what comes, and write down how it was answered.

        ``detail`` stands in the window's row from the beginning.
        """
        begun = dict(detail or {})
        window_id = open_window(
            self._engine, question, self._source.name, self._night_id, claim_id, begun
        )
        came: set[str] = set()
        count, error = StoreCount(), None
        try:
            records = _note_ids(self._source.answer(question), came)
            for counted in store_in_batches(self._engine, records, self._source.name):
                count += counted
        except SourceUnavailable as failure:
            error = failure
        is_doubtful = doubt_empty and not came and error is None
        told = {**begun, "total": self._source.total, "remarks": self._source.remarks}
        if isinstance(error, QuestionRefused):
            told["refused"] = True
        reason = NO_PAPERS if is_doubtful else str(error) if error else None
        close_window(
            self._engine, window_id, count, reason, came, detail={**told, **describe(came)}
        )
        self._summary.count(window_id, count)
        self._summary.remarks += self._source.remarks
        return Outcome(window_id, question, came, self._source.total, error, is_doubtful)

    def announce(self, message: str) -> None:
        """Report progress, unless nothing more is being asked."""
        if not self._source.stopped_because:
            self._report_progress(message)

    def cover(self, days: Iterable[date]) -> None:
        """Count days among those that this harvest is about."""
        for day in days:
            self._summary.since = min(day, self._summary.since or day)
            self._summary.until = max(day, self._summary.until or day)

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


def _note_ids(records: Iterable[PaperRecord], came: set[str]) -> Iterator[PaperRecord]:
    for record in records:
        came.add(record.arxiv_id)
        yield record
