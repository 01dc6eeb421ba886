"""Papers from arXiv's query API, through the ``arxiv`` package made patient and wary.

The package builds the URLs, pages and parses; fetching a page is replaced, since its own
has no timeout, no growing waits and no check of what came (arXiv's servers throttle polite
clients, answer with empty pages and with plain text of status 200). Decides what is tried
again, when to stop asking, and when an answer counts as complete. Knows no database.
"""

import random
from collections.abc import Callable, Iterator
from datetime import date
from importlib.metadata import version as installed_version
from pathlib import Path

import arxiv  # type: ignore[import-untyped]
from arxiv._feed import FeedHeader, ParsedFeed, parse  # type: ignore[import-untyped]

from claims.arxiv_ids import parse_arxiv_id
from db.errors import QuestionRefused, SourceUnavailable
from ingest.sources.exchange import Answer, Exchange, RequestLimits, TooLarge, Unreachable
from ingest.sources.feed_checks import CheckedFeed, NotAFeed, check_feed, read_complaint
from ingest.sources.politeness import Clock, RequestPacer, backoff_s, read_retry_after
from ingest.sources.records import PaperRecord, Question, clean_text

PAGE_SIZE = 200  # the manual allows 2000; large pages come slowly and empty more often
MOST_PAGES = 25  # 5000 papers; arXiv's offsets are unreliable far out: ask for fewer days
THROTTLED_STATUSES = {403, 406, 429}  # and 5xx; arXiv uses all of them under load
THROTTLED_BODY = b"rate exceeded"
RETRIES = {"throttled": 3, "unreachable": 1, "unreadable": 2, "empty": 2}
ACCEPTED_SHORTFALL = 0.01  # totals count records that are never sent; more is a gap


class ArxivApi:
    """The query API as a source; after a failure that will not pass soon it stops asking."""

    name = "api"

    def __init__(
        self,
        api_url: str,
        pacer: RequestPacer,
        *,
        contact: str = "",
        limits: RequestLimits | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.remarks: list[str] = []
        self.total: int | None = None  # papers that the last question has, sent or not
        self.requests_made = 0
        self.stopped_because: str | None = None
        self._api_url = api_url
        self._pacer = pacer
        self._limits = limits or RequestLimits()
        self._draw = draw
        self._exchange = Exchange(_headers(contact), self._limits)
        self._deadline_s = 0.0
        self._left_out: dict[str, None] = {}

    def answer(self, question: Question) -> Iterator[PaperRecord]:
        """The papers of one question, each once.

        Raises:
            SourceUnavailable: arXiv did not answer, or not completely, within the limits.
            QuestionRefused: arXiv finds fault with the question; asking again is no use.
        """
        if self.stopped_because:
            raise SourceUnavailable(f"not asked: {self.stopped_because}")
        self._deadline_s = self._pacer.clock.monotonic() + self._limits.question_s
        self._left_out, self.total, self.remarks = {}, None, []
        ids: set[str] = set()
        for result in self._open_client(question).results(_build_search(question)):
            record = read_result(result)
            if record.arxiv_id not in ids:
                ids.add(record.arxiv_id)
                yield record
        self.remarks = list(self._left_out)
        self._refuse_shortfall(question, len(ids))

    def _open_client(self, question: Question) -> "_CheckedClient":
        page_size = len(question.ids) or min(PAGE_SIZE, question.limit or PAGE_SIZE)
        most = None if question.ids or question.limit else MOST_PAGES * page_size

        def fetch(url: str, is_first: bool) -> CheckedFeed:
            feed = self._fetch_page(url, is_first)
            if is_first:
                self.total = feed.total
                if most is not None and feed.total > most:
                    raise SourceUnavailable(
                        f"{feed.total} papers answer this question: ask for fewer days"
                    )
            self._left_out.update(dict.fromkeys(feed.left_out))
            return feed

        return _CheckedClient(self._api_url, page_size, fetch)

    def _refuse_shortfall(self, question: Question, came: int) -> None:
        expected = min(self.total or 0, question.limit or self.total or 0)
        missing = expected - came - len(self._left_out)
        if missing > expected * ACCEPTED_SHORTFALL:
            raise SourceUnavailable(f"arXiv announced {expected} papers and sent {came}")

    def _fetch_page(self, url: str, is_first: bool) -> CheckedFeed:
        """One page, tried again as its kind of failure deserves."""
        tries = dict.fromkeys(RETRIES, 0)
        was_empty = False
        while True:
            kind, reason, pause_s = "", "", self._pacer.delay_s
            try:
                answer = self._request(url)
                retry_after_s = self._find_throttling(answer)
                if retry_after_s is None:
                    feed = self._read(answer)
                    if feed.entries or (is_first and feed.total == 0 and was_empty):
                        return feed
                    if is_first and feed.total == 0:  # no results, or the known empty page
                        was_empty = True
                        self._pause(pause_s)
                        continue
                    kind, reason = "empty", f"arXiv sent an empty page of {feed.total} papers"
                else:
                    kind, reason = "throttled", f"arXiv is throttling (HTTP {answer.status})"
                    pause_s = self._choose_backoff(retry_after_s, tries["throttled"])
            except Unreachable as error:
                kind, reason = "unreachable", f"arXiv could not be reached ({error})"
            except (NotAFeed, TooLarge) as error:
                kind, reason = "unreadable", f"arXiv sent {error}"
            tries[kind] += 1
            if tries[kind] > RETRIES[kind] or not self._has_time_for(pause_s):
                self._give_up(kind, reason)
            self._pause(pause_s)

    def _request(self, url: str) -> Answer:
        with self._pacer.turn(self._time_left_s()):
            self.requests_made += 1
            return self._exchange.get(url, self._time_left_s())

    def _find_throttling(self, answer: Answer) -> float | None:
        """Seconds that a throttled answer asks to wait (0: it names none); None: it is none."""
        throttled = answer.status in THROTTLED_STATUSES or answer.status >= 500
        if not throttled and not answer.body.lstrip()[:40].lower().startswith(THROTTLED_BODY):
            return None
        wanted_s = read_retry_after(answer.headers.get("Retry-After"), self._pacer.clock.wall())
        if wanted_s:
            self._pacer.stand_back(wanted_s)
        return wanted_s or 0.0

    def _choose_backoff(self, wanted_s: float, attempt: int) -> float:
        return wanted_s or backoff_s(attempt, self._pacer.delay_s, self._draw)

    def _read(self, answer: Answer) -> CheckedFeed:
        if answer.status == 200:
            return check_feed(answer.body)
        complaint = read_complaint(answer.body)
        if complaint or answer.status == 400:
            raise QuestionRefused(complaint or "arXiv refused the question (HTTP 400)")
        raise SourceUnavailable(
            f"{self._api_url} answered HTTP {answer.status}: check REASSAY_ARXIV_API_URL"
        )

    def _give_up(self, kind: str, reason: str) -> None:
        if kind != "empty":  # an empty page is that question's own trouble
            self.stopped_because = reason
        raise SourceUnavailable(reason)

    def _has_time_for(self, pause_s: float) -> bool:
        return pause_s < self._time_left_s()

    def _time_left_s(self) -> float:
        return max(0.0, self._deadline_s - self._pacer.clock.monotonic())

    def _pause(self, pause_s: float) -> None:
        if pause_s > self._pacer.delay_s:  # the pacer itself keeps the usual pause
            self._pacer.clock.sleep(pause_s)


class _CheckedClient(arxiv.Client):  # type: ignore[misc]
    """The package's client with our way of fetching a page; paging and URLs are its own.

    It counts the entries that it parsed to find the next page; those that were taken out
    beforehand are added here.
    """

    def __init__(
        self, api_url: str, page_size: int, fetch: Callable[[str, bool], CheckedFeed]
    ) -> None:
        super().__init__(page_size=page_size, delay_seconds=0, num_retries=0)
        self.query_url_format = api_url + "?{}"
        self._fetch = fetch
        self._left_out = 0
        self._start = 0
        self._total = 0

    def _format_url(self, search: arxiv.Search, start: int, page_size: int) -> str:
        self._start = start + self._left_out
        return str(super()._format_url(search, self._start, page_size))

    def _parse_feed(self, url: str, first_page: bool = True, _try_index: int = 0) -> ParsedFeed:
        if not first_page and self._start >= self._total:
            return ParsedFeed(header=FeedHeader())
        feed = self._fetch(url, first_page)
        self._left_out += len(feed.left_out)
        self._total = feed.total if first_page else self._total
        return parse(feed.body)


def open_arxiv_api(
    home: Path, api_url: str, delay_s: float, contact: str, clock: Clock | None = None
) -> ArxivApi:
    """The query API at arXiv's pace, shared by all processes of a home."""
    return ArxivApi(api_url, RequestPacer(home, delay_s, clock), contact=contact)


def read_result(result: arxiv.Result) -> PaperRecord:
    """An entry as the package parsed it, as a record; nothing it links to is fetched."""
    found = parse_arxiv_id(result.entry_id)
    assert found is not None  # check_feed took out what has no id
    others = [c for c in result.categories if c != result.primary_category]
    return PaperRecord(
        arxiv_id=found.id,
        version=found.version,
        title=clean_text(result.title),
        abstract=clean_text(result.summary),
        authors=tuple(name for name in (clean_text(a.name) for a in result.authors) if name),
        categories=tuple(c for c in (result.primary_category, *others) if c),
        published=result.published.date(),
        updated=result.updated.date(),
        comment=clean_text(result.comment or "") or None,
    )


def _build_search(question: Question) -> arxiv.Search:
    by_date = question.limit is None and not question.ids
    return arxiv.Search(
        query=_with_days(question.query, question.since, question.until),
        id_list=list(question.ids),
        max_results=question.limit,
        # Ascending, so that papers that arrive while paging do not shift earlier pages.
        sort_by=arxiv.SortCriterion.SubmittedDate if by_date else arxiv.SortCriterion.Relevance,
        sort_order=arxiv.SortOrder.Ascending if by_date else arxiv.SortOrder.Descending,
    )


def _with_days(query: str, since: date | None, until: date | None) -> str:
    """A query limited to days of first submission (GMT), the one date filter documented."""
    if since is None or until is None:
        return query
    return f"({query}) AND submittedDate:[{since:%Y%m%d}0000 TO {until:%Y%m%d}2359]"


def _headers(contact: str) -> dict[str, str]:
    who = f"; {contact}" if contact else ""
    agent = f"reassay/{installed_version('reassay')} (nightly claim checks{who})"
    return {"Accept": "application/atom+xml", "User-Agent": f"{agent} arxiv.py/{arxiv.__version__}"}
