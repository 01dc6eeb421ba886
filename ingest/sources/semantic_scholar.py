"""Semantic Scholar's graph as an index of citations (api.semanticscholar.org, graph v1).

A paper is asked for by its arXiv id. Besides the citing works it gives the sentences that
cite and its own word on whether a citation is influential: both are its reading, not ours.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from claims.arxiv_ids import parse_arxiv_id
from db.errors import QuestionRefused, SourceUnavailable
from ingest.sources.citing_works import MOST_WORKS, CitingWork, make_work, read_rows
from ingest.sources.exchange import LOOPBACK
from ingest.sources.json_api import JsonApi
from ingest.sources.patience import name_agent
from ingest.sources.politeness import Clock, RequestPacer

PAGE_SIZE = 500  # 1,000 are allowed, but answers of more than 10 MB are refused
DELAY_S = 1.0  # with a key: one request a second
DELAY_WITHOUT_KEY_S = 3.0  # one pool for everybody without a key
MOST_PAGES = 2 * MOST_WORKS // PAGE_SIZE  # pages may come shorter than was asked for
FIELDS = "contexts,isInfluential,title,externalIds,publicationDate"


class SemanticScholar:
    """The citations endpoint; ``total`` is how many works came, since it states no count."""

    name = "semantic-scholar"

    def __init__(self, base_url: str, api: JsonApi) -> None:
        self.total: int | None = None
        self._base_url = base_url.rstrip("/")
        self._api = api

    @property
    def stopped_because(self) -> str | None:
        return self._api.stopped_because

    def find_citing(self, arxiv_id: str) -> Iterator[CitingWork]:
        """The works that cite a paper: see ``CitationSource``."""
        wanted = parse_arxiv_id(arxiv_id)
        if wanted is None or wanted.id != arxiv_id:
            raise QuestionRefused(f"{arxiv_id!r} is no arXiv id")
        self.total = None
        self._api.begin()
        seen: set[str] = set()
        offset, pages = 0, 0
        while offset < MOST_WORKS:
            pages += 1
            if pages > MOST_PAGES:
                raise SourceUnavailable(f"more than {MOST_PAGES} pages: the answer is not whole")
            document = self._read_page(wanted.id, offset)
            if document is None:
                return
            for row in read_page_rows(document):
                work = _read_work(row)
                if work is not None and work.key not in seen:
                    seen.add(work.key)
                    yield work
            self.total = len(seen)
            following = _read_next(document, offset)
            if following is None:
                return
            offset = following

    def _read_page(self, arxiv_id: str, offset: int) -> dict[str, Any] | None:
        query = urlencode({"fields": FIELDS, "offset": offset, "limit": PAGE_SIZE}, safe=",")
        paper = quote(f"ARXIV:{arxiv_id}", safe=":/")
        return self._api.get(f"{self._base_url}/paper/{paper}/citations?{query}")


def open_semantic_scholar(
    home: Path, base_url: str, key: str, contact: str, clock: Clock | None = None
) -> SemanticScholar:
    """Semantic Scholar at the pace that it asks for, shared by all processes of a home."""
    delay_s = DELAY_S if key else DELAY_WITHOUT_KEY_S
    delay_s = 0.0 if urlsplit(base_url).hostname in LOOPBACK else delay_s
    pacer = RequestPacer(home, delay_s, clock, server="Semantic Scholar")
    headers = {"User-Agent": name_agent(contact), **({"x-api-key": key} if key else {})}
    return SemanticScholar(
        base_url, JsonApi(pacer, headers, key_setting="REASSAY_SEMANTIC_SCHOLAR_KEY")
    )


def read_page_rows(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The citations of one page.

    Raises:
        SourceUnavailable: the document is no such page.
    """
    try:
        return read_rows(document, "data")
    except ValueError as error:
        raise SourceUnavailable(f"its answer cannot be read ({error})") from error


def _read_next(document: dict[str, Any], offset: int) -> int | None:
    """Where the next page begins; None after the last one."""
    following = document.get("next")
    if following is None:
        return None
    if not isinstance(following, int) or following <= offset:
        raise SourceUnavailable("its pages do not move on: the answer is not whole")
    return following


def _read_work(row: dict[str, Any]) -> CitingWork | None:
    paper = row.get("citingPaper")
    if not isinstance(paper, dict):
        return None
    ids = paper.get("externalIds")
    return make_work(
        paper.get("paperId"),
        paper.get("title"),
        paper.get("publicationDate"),
        [ids.get("ArXiv")] if isinstance(ids, dict) else [],
        row.get("contexts"),
        row.get("isInfluential"),
    )
