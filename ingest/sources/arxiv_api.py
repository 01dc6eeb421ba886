"""Papers from arXiv's query API, through the ``arxiv`` package made patient and wary.

The package builds the URLs, pages and parses; fetching a page is replaced, since its own
has no timeout, no growing waits and no check of what came. Decides when an answer counts as
complete and how many pages are too many; what is asked again, and how often, is decided in
``patience``. Knows no database.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import arxiv  # type: ignore[import-untyped]
from arxiv._feed import FeedHeader, ParsedFeed, parse  # type: ignore[import-untyped]

from claims.arxiv_ids import parse_arxiv_id
from db.errors import QuestionRefused, SourceUnavailable
from ingest.sources.exchange import Answer, RequestLimits
from ingest.sources.feed_checks import (
    CheckedFeed,
    LeftOut,
    NotAFeed,
    check_feed,
    read_complaint,
)
from ingest.sources.patience import EmptyPage, Patience, name_agent
from ingest.sources.politeness import Clock, RequestPacer
from ingest.sources.records import PaperRecord, Question, clean_text

PAGE_SIZE = 200  # the manual allows 2000; large pages come slowly and empty more often
MOST_PAGES = 25  # 5000 papers; arXiv's offsets are unreliable far out: ask for fewer days
ACCEPTED_SHORTFALL = 0.01  # of what arXiv announces; more is a gap
MOST_READINGS = 3  # of one answer whose pages do not fit together
BODY_BYTES = 8 * 2**20  # a page of 200 papers has half a megabyte
CATEGORY = re.compile(r"[A-Za-z-]{1,20}(?:\.[A-Za-z-]{1,20})?")
MOST_CATEGORIES = 50


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
        self._api_url = api_url
        self._patience = Patience(
            _headers(contact), pacer, limits or RequestLimits(body_bytes=BODY_BYTES), draw
        )

    @property
    def requests_made(self) -> int:
        """Requests sent so far, refused ones included."""
        return self._patience.requests_made

    @property
    def stopped_because(self) -> str | None:
        """Why nothing more is asked; None while all is well."""
        return self._patience.stopped_because

    def answer(self, question: Question) -> Iterator[PaperRecord]:
        """The papers of one question, each once.

        Pages are cut from a list that may change while they are read: papers that come or go
        push others over a page's edge. Pages that do not fit together are therefore read
        again, until two readings agree.

        Raises:
            SourceUnavailable: arXiv did not answer, or not completely, within the limits.
            QuestionRefused: arXiv finds fault with the question; asking again is no use.
        """
        self._patience.begin()
        self.total, self.remarks = None, []
        ids: set[str] = set()
        before: _Reading | None = None
        for _ in range(MOST_READINGS):
            reading = _Reading()
            for record in self._read_through(question, reading):
                if record.arxiv_id not in ids:
                    ids.add(record.arxiv_id)
                    yield record
            self.remarks = [o.sentence for o in reading.left_out if o.arxiv_id not in ids]
            missing = reading.count_missing(question.limit)
            if reading.is_smooth and missing <= 0 and not self.remarks:
                return
            if reading == before:
                break
            before = reading
        else:
            raise SourceUnavailable("arXiv's answer changed whenever it was read")
        self._judge_shortfall(reading, question.limit)

    def _read_through(self, question: Question, reading: "_Reading") -> Iterator[PaperRecord]:
        """The papers of all pages in turn; ``reading`` notes how the pages fit together."""
        page_size = len(question.ids) or min(PAGE_SIZE, question.limit or PAGE_SIZE)
        most = None if question.ids or question.limit else MOST_PAGES * page_size

        def fetch(url: str, start: int) -> CheckedFeed:
            feed = self._fetch_page(url, start)
            if start == 0:
                self.total = feed.total
                if most is not None and feed.total > most:
                    raise SourceUnavailable(
                        f"{feed.total} papers answer this question: ask for fewer days"
                    )
            reading.note_page(feed, start)
            return feed

        client = _CheckedClient(self._api_url, page_size, fetch)
        for result in client.results(_build_search(question)):
            record = read_result(result)
            reading.note_paper(record.arxiv_id)
            yield record

    def _judge_shortfall(self, reading: "_Reading", limit: int | None) -> None:
        """Totals count records that are never sent; but a paper sent twice hides another."""
        expected, missing = reading.count_expected(limit), reading.count_missing(limit)
        accepted = expected * ACCEPTED_SHORTFALL if reading.is_smooth else 0
        if missing > accepted or reading.overfull:
            came = expected - missing
            raise SourceUnavailable(f"arXiv announced {expected} papers and sent {came}")
        if missing > 0:
            self.remarks.append(f"arXiv counts {expected} papers and never sent {missing} of them")

    def _fetch_page(self, url: str, start: int) -> CheckedFeed:
        """One page; an empty first one is believed when it comes twice."""
        was_empty = False

        def read(answer: Answer) -> CheckedFeed:
            nonlocal was_empty
            feed = self._read(answer, is_first=start == 0)
            is_nothing = start == feed.total == 0  # no results, or the known empty page
            is_behind_the_end = 0 < feed.total <= start  # the list has become shorter
            if feed.entries or is_behind_the_end or (is_nothing and was_empty):
                return feed
            was_empty = was_empty or is_nothing
            raise EmptyPage(f"arXiv sent an empty page of {feed.total} papers")

        return self._patience.fetch(url, read)

    def _read(self, answer: Answer, is_first: bool) -> CheckedFeed:
        try:
            return self._read_or_refuse(answer)
        except QuestionRefused as error:
            if is_first:
                raise
            raise NotAFeed(f"a complaint after half an answer ({error})") from error

    def _read_or_refuse(self, answer: Answer) -> CheckedFeed:
        if answer.status == 200:
            return check_feed(answer.body)
        complaint = read_complaint(answer.body)
        if complaint or answer.status == 400:
            raise QuestionRefused(complaint or "arXiv refused the question (HTTP 400)")
        raise self._patience.stop(
            f"{self._api_url} answered HTTP {answer.status}: check REASSAY_ARXIV_API_URL"
        )


@dataclass
class _Reading:
    """What one reading of all pages saw; two readings are equal if they saw the same."""

    totals: list[int] = field(default_factory=list)  # as each page stated it
    ids: set[str] = field(default_factory=set)
    repeats: int = 0
    overfull: int = 0  # pages that go beyond the total
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def is_smooth(self) -> bool:
        """Whether nothing came or went between two pages, as far as they tell."""
        return not self.repeats and not self.overfull and len(set(self.totals)) <= 1

    def note_page(self, feed: CheckedFeed, start: int) -> None:
        self.totals.append(feed.total)
        self.overfull += start + feed.entries > feed.total
        self.left_out += feed.left_out

    def note_paper(self, arxiv_id: str) -> None:
        self.repeats += arxiv_id in self.ids
        self.ids.add(arxiv_id)

    def count_expected(self, limit: int | None) -> int:
        total = max(self.totals, default=0)
        return min(total, limit or total)

    def count_missing(self, limit: int | None) -> int:
        """How many papers this reading announced and did not bring."""
        return self.count_expected(limit) - len(self.ids) - len(self.left_out)


class _CheckedClient(arxiv.Client):  # type: ignore[misc]
    """The package's client with our way of fetching a page; paging and URLs are its own.

    It counts the entries that it parsed to find the next page; those that were taken out
    beforehand are added here. ``fetch`` is given a page's URL and the place of its first entry.
    """

    def __init__(
        self, api_url: str, page_size: int, fetch: Callable[[str, int], CheckedFeed]
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
        feed = self._fetch(url, self._start)
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
    primary = result.primary_category
    named = (primary, *(c for c in result.categories if c != primary))
    return PaperRecord(
        arxiv_id=found.id,
        version=found.version,
        title=clean_text(result.title),
        abstract=clean_text(result.summary),
        authors=tuple(name for name in (clean_text(a.name) for a in result.authors) if name),
        categories=tuple(c for c in named if CATEGORY.fullmatch(c))[:MOST_CATEGORIES],
        published=result.published.date(),
        updated=result.updated.date(),
        comment=clean_text(result.comment or "") or None,
    )


def _build_search(question: Question) -> arxiv.Search:
    by_date = question.limit is None and not question.ids
    return arxiv.Search(
        query=_with_days(question.query, question.since, question.until),
        id_list=[found.id for found in map(parse_arxiv_id, question.ids) if found],
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
    return {
        "Accept": "application/atom+xml",
        "User-Agent": f"{name_agent(contact)} arxiv.py/{arxiv.__version__}",
    }
