"""Papers from arXiv's OAI-PMH server, by the day that their metadata last changed.

The interface that arXiv recommends for keeping a copy: a day's list holds every new paper,
new version and withdrawal. Decides how a list is read to its end (tokens, expired ones,
pages that shift while they are read) and which errors of the protocol are answers. What a
failed request is worth is decided in ``patience``. Knows no database.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlencode

from db.errors import QuestionRefused, SourceUnavailable
from ingest.sources.exchange import Answer, RequestLimits
from ingest.sources.oai_documents import PREFIX, OaiPage, read_page
from ingest.sources.patience import Patience, name_agent
from ingest.sources.politeness import Clock, RequestPacer
from ingest.sources.records import PaperRecord, Question
from ingest.sources.xml_guard import Unreadable

OWN_GROUP = {"cs", "econ", "eess", "math", "q-bio", "q-fin", "stat"}
# A page of a thousand records or more takes the server its time.
LIMITS = RequestLimits(read_s=60.0, request_s=120.0, question_s=300.0)
MOST_PAGES = 500  # of a list; a year of one category fits
MOST_READINGS = 3  # of a list that expires or shifts while it is read
EXPIRED = "arXiv let the list expire whenever it was read"
SHIFTED = "arXiv's list changed whenever it was read"
READY_FOR_URL = re.compile(r"(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+")
FORMATS = ("arXivRaw", "arXiv")


class _TokenRefused(Exception):
    """The server knows no such token, or no longer."""


@dataclass
class _Reading:
    """What one reading of a list saw."""

    pages: int = 0
    ids: set[str] = field(default_factory=set)
    repeats: int = 0

    def note(self, page: OaiPage) -> None:
        self.pages += 1
        for arxiv_id in (*(r.arxiv_id for r in page.records), *page.deleted):
            self.repeats += arxiv_id in self.ids
            self.ids.add(arxiv_id)


class OaiSource:
    """The OAI-PMH server as a source; after a failure that will not pass soon it stops."""

    name = "oai"

    def __init__(
        self,
        oai_url: str,
        pacer: RequestPacer,
        *,
        contact: str = "",
        limits: RequestLimits | None = None,
        draw: Callable[[], float] = random.random,
        metadata: str = "arXivRaw",
    ) -> None:
        self.remarks: list[str] = []
        self.total: int | None = None  # records that the last question brought
        self.deleted: list[str] = []  # ids that the last answer marked as deleted
        self.answered_at: datetime | None = None  # server's clock, first page of the answer
        self._url = oai_url
        self._metadata = metadata
        headers = {"Accept": "text/xml, application/xml", "User-Agent": name_agent(contact)}
        self._patience = Patience(headers, pacer, limits or LIMITS, draw)
        self._quotes_tokens = False

    @property
    def requests_made(self) -> int:
        """Requests sent so far, refused ones included."""
        return self._patience.requests_made

    @property
    def stopped_because(self) -> str | None:
        """Why nothing more is asked; None while all is well."""
        return self._patience.stopped_because

    def answer(self, question: Question) -> Iterator[PaperRecord]:
        """The records of one set and span of days of change, or of some ids.

        A paper comes again only if its version has risen since it came first.

        Raises:
            SourceUnavailable: arXiv did not answer, or not completely, within the limits.
            QuestionRefused: arXiv finds fault with the question; asking again is no use.
        """
        self.total, self.remarks, self.deleted, self.answered_at = 0, [], [], None
        newest: dict[str, int] = {}
        pages = self._get_each(question.ids) if question.ids else self._list(question)
        for page in pages:
            self._note(page)
            for record in page.records:
                version = record.version or 0
                if version > newest.get(record.arxiv_id, -1):
                    newest[record.arxiv_id] = version
                    self.total = len(newest)
                    yield record

    def _note(self, page: OaiPage) -> None:
        self.answered_at = min(page.answered_at, self.answered_at or page.answered_at)
        self.remarks += [left for left in page.left_out if left not in self.remarks]
        self.deleted += [i for i in page.deleted if i not in self.deleted]

    def _get_each(self, ids: tuple[str, ...]) -> Iterator[OaiPage]:
        """The protocol has no question for several ids: one request each."""
        for arxiv_id in ids:
            page = self._fetch(
                verb="GetRecord", identifier=PREFIX + arxiv_id, metadataPrefix=self._metadata
            )
            if page.complaint is None:
                yield page
            elif page.complaint.code != "idDoesNotExist":
                raise _refuse(page)

    def _list(self, question: Question) -> Iterator[OaiPage]:
        """All pages of a list, read again while they do not fit together.

        Tokens hold an offset. A paper that changes while its list is read moves to the end
        and pulls one over a page's edge, unseen; in a list without an end it then comes
        twice. One that leaves a list with an end leaves no trace: such a list counts when
        two readings agree.
        """
        before: _Reading | None = None
        trouble = EXPIRED
        for _ in range(MOST_READINGS):
            reading = _Reading()
            try:
                for page in self._read_through(question):
                    reading.note(page)
                    yield page
            except _TokenRefused:
                trouble = EXPIRED
                continue
            is_open = question.until is None
            if reading.pages <= 1 or (is_open and not reading.repeats):
                return
            if before is not None and reading.ids == before.ids:
                return
            before, trouble = reading, SHIFTED
        raise SourceUnavailable(trouble)

    def _read_through(self, question: Question) -> Iterator[OaiPage]:
        page = self._fetch(
            verb="ListRecords",
            metadataPrefix=self._metadata,
            set=question.query,
            **{"from": question.since.isoformat() if question.since else ""},
            until=question.until.isoformat() if question.until else "",
        )
        tokens: set[str] = set()
        for _ in range(MOST_PAGES):
            if page.complaint is None:
                yield page
            elif page.complaint.code == "noRecordsMatch":
                yield OaiPage(page.answered_at)
                return
            else:
                raise _refuse(page)
            if page.token is None:
                return
            if page.token in tokens:
                raise SourceUnavailable("arXiv sends the same page again and again")
            tokens.add(page.token)
            page = self._resume(page.token)
        raise SourceUnavailable(f"more than {MOST_PAGES} pages answer this: ask for fewer days")

    def _resume(self, token: str) -> OaiPage:
        """The page that a token stands for, the token sent exactly as it was given.

        arXiv's tokens are already written for a URL. A server that takes them for plain
        text, as the protocol has it, refuses that and gets them quoted.
        """
        if not self._quotes_tokens and READY_FOR_URL.fullmatch(token):
            page = self._fetch_token(token)
            if page is not None:
                return page
        quoted = quote(token, safe="")
        page = self._fetch_token(quoted) if quoted != token else None
        if page is None:
            raise _TokenRefused
        self._quotes_tokens = True
        return page

    def _fetch_token(self, written: str) -> OaiPage | None:
        page = self._fetch_url(f"{self._url}?verb=ListRecords&resumptionToken={written}")
        is_refused = page.complaint is not None and page.complaint.code == "badResumptionToken"
        return None if is_refused else page

    def _fetch(self, **parameters: str) -> OaiPage:
        stated = {name: value for name, value in parameters.items() if value}
        return self._fetch_url(f"{self._url}?{urlencode(stated)}")

    def _fetch_url(self, url: str) -> OaiPage:
        self._patience.begin()  # time is counted for a page: a list may be long
        return self._patience.fetch(url, self._read)

    def _read(self, answer: Answer) -> OaiPage:
        if answer.status == 200:
            return read_page(answer.body)
        try:
            page = read_page(answer.body)
        except Unreadable:
            page = None
        if page is not None and page.complaint is not None:
            return page
        if answer.status == 400:
            raise QuestionRefused("arXiv refused the question (HTTP 400)")
        raise SourceUnavailable(
            f"{self._url} answered HTTP {answer.status}: check REASSAY_ARXIV_OAI_URL"
        )


def open_oai(
    home: Path, oai_url: str, delay_s: float, contact: str, clock: Clock | None = None
) -> OaiSource:
    """The OAI-PMH server at arXiv's pace, shared with every other way of asking arXiv."""
    return OaiSource(oai_url, RequestPacer(home, delay_s, clock), contact=contact)


def name_set(category: str) -> str:
    """The OAI-PMH set of a category: ``cs.CL`` as ``cs:cs:CL``."""
    archive, _, subject = category.partition(".")
    group = archive if archive in OWN_GROUP else "physics"
    return ":".join(part for part in (group, archive, subject) if part)


def _refuse(page: OaiPage) -> QuestionRefused:
    assert page.complaint is not None
    code, message = page.complaint
    return QuestionRefused(f"arXiv refused the question ({code}): {message[:200]}")
