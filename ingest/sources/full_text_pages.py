"""Full texts from arXiv's own HTML pages (arxiv.org/html), at arXiv's pace.

Asks for one version of one paper, by an id that was read as one, and follows no redirect.
Decides what "has no HTML" looks like (404, or a redirect elsewhere) and that a page without
LaTeXML's document is none. arXiv's terms: e-prints may be fetched to be read, not to be
passed on; their texts stay in the local store.
"""

from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from claims.arxiv_ids import parse_arxiv_id
from db.errors import QuestionRefused, SourceUnavailable
from ingest.sources.exchange import LOOPBACK, Answer, RequestLimits
from ingest.sources.patience import ARXIV_THROTTLES_WITH, SINGLE_PAGES, Patience, name_agent
from ingest.sources.politeness import Clock, RequestPacer
from ingest.sources.xml_guard import Unreadable

LEAST_DELAY_S = 3.0  # arXiv's terms of use, over all of its servers
LIMITS = RequestLimits(read_s=30.0, request_s=60.0, question_s=180.0, body_bytes=20 * 2**20)
MANNER = replace(SINGLE_PAGES, throttles_with=ARXIV_THROTTLES_WITH)
DOCUMENT = b"ltx_document"  # the class of LaTeXML's article


class FullTextPages:
    """arXiv's HTML pages as a source of full texts."""

    def __init__(self, base_url: str, server: Patience) -> None:
        self._base_url = base_url.rstrip("/")
        self._server = server

    @property
    def stopped_because(self) -> str | None:
        """Why asking on is of no use at present; None while it is."""
        return self._server.stopped_because

    def fetch(self, arxiv_id: str, version: int) -> bytes | None:
        """The page of one version; None when arXiv has no HTML of it.

        Raises:
            SourceUnavailable: no such page came within the limits.
            QuestionRefused: the id is none, so that it is not asked for.
        """
        wanted = parse_arxiv_id(f"{arxiv_id}v{version}")
        if wanted is None or wanted.id != arxiv_id or wanted.version != version:
            raise QuestionRefused(f"{arxiv_id!r} is no arXiv id")
        self._server.begin()
        path = quote(f"{wanted.id}v{wanted.version}", safe="/")
        return self._server.fetch(f"{self._base_url}/{path}", _read_page)


def open_full_text_pages(
    home: Path, base_url: str, delay_s: float, contact: str, clock: Clock | None = None
) -> FullTextPages:
    """arXiv's pages at the pace that all of arXiv's interfaces share."""
    is_loopback = urlsplit(base_url).hostname in LOOPBACK
    pacer = RequestPacer(home, delay_s if is_loopback else max(delay_s, LEAST_DELAY_S), clock)
    headers = {"Accept": "text/html", "User-Agent": name_agent(contact)}
    return FullTextPages(base_url, Patience(headers, pacer, LIMITS, manner=MANNER))


def _read_page(answer: Answer) -> bytes | None:
    if answer.status in (404, 410) or 300 <= answer.status < 400:
        return None
    if answer.status != 200:
        raise SourceUnavailable(f"it answered HTTP {answer.status}: check REASSAY_ARXIV_HTML_URL")
    if DOCUMENT not in answer.body:
        raise Unreadable("what is not the page of a paper")
    return answer.body
