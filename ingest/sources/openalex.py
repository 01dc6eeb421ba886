"""OpenAlex as an index of citations (docs.openalex.org, "works").

A paper is asked for under the DOI that arXiv gives each of its papers, then the works whose
references name it, newest first. Pages are asked for by number, since paging by cursor is
refused without a key; a number is enough for the few pages that are read. A paper that
OpenAlex knows only under its publisher's DOI counts as not known.
"""

import re
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

PAGE_SIZE = 100  # the most that OpenAlex gives
DELAY_S = 1.0  # ten a second are allowed; we have the night
WORK_ID = re.compile(r"https://openalex\.org/(W[0-9]{1,15})")
FIELDS = "id,doi,display_name,publication_date,locations"


class OpenAlex:
    """The works API; ``total`` is what OpenAlex counts for the last paper."""

    name = "openalex"

    def __init__(self, base_url: str, api: JsonApi, key: str = "") -> None:
        self.total: int | None = None
        self._base_url = base_url.rstrip("/")
        self._api = api
        self._key = {"api_key": key} if key else {}

    @property
    def stopped_because(self) -> str | None:
        return self._api.stopped_because

    def find_citing(self, arxiv_id: str) -> Iterator[CitingWork]:
        """The works that cite a paper: see ``CitationSource``."""
        self.total = None
        self._api.begin()
        work_id = self._find_work(arxiv_id)
        seen: set[str] = set()
        for page in range(1, MOST_WORKS // PAGE_SIZE + 1):
            works = self._read_page(work_id, page) if work_id else []
            for work in works:
                if work is not None and work.key not in seen:
                    seen.add(work.key)
                    yield work
            if len(works) < PAGE_SIZE:
                return

    def _find_work(self, arxiv_id: str) -> str | None:
        wanted = parse_arxiv_id(arxiv_id)
        if wanted is None or wanted.id != arxiv_id:
            raise QuestionRefused(f"{arxiv_id!r} is no arXiv id")
        doi = quote(f"10.48550/arXiv.{wanted.id}", safe="/")
        query = urlencode({"select": "id", **self._key})
        found = self._api.get(f"{self._base_url}/works/doi:{doi}?{query}")
        if found is None:
            return None
        named = WORK_ID.fullmatch(str(found.get("id")))
        if named is None:
            raise SourceUnavailable("its answer cannot be read (it names no work)")
        return named[1]

    def _read_page(self, work_id: str, page: int) -> list[CitingWork | None]:
        query = urlencode(
            {
                "filter": f"cites:{work_id}",
                "select": FIELDS,
                "sort": "publication_date:desc",
                "per-page": PAGE_SIZE,
                "page": page,
                **self._key,
            }
        )
        document = self._api.get(f"{self._base_url}/works?{query}")
        try:
            rows = read_rows(document or {}, "results")
        except ValueError as error:
            raise SourceUnavailable(f"its answer cannot be read ({error})") from error
        meta = (document or {}).get("meta")
        count = meta.get("count") if isinstance(meta, dict) else None
        self.total = count if isinstance(count, int) else self.total
        return [_read_work(row) for row in rows]


def open_openalex(
    home: Path, base_url: str, key: str, contact: str, clock: Clock | None = None
) -> OpenAlex:
    """OpenAlex at a pace of our own, shared by all processes of a home."""
    delay_s = 0.0 if urlsplit(base_url).hostname in LOOPBACK else DELAY_S
    pacer = RequestPacer(home, delay_s, clock, server="OpenAlex")
    headers = {"User-Agent": name_agent(contact)}
    return OpenAlex(base_url, JsonApi(pacer, headers, key_setting="REASSAY_OPENALEX_KEY"), key)


def _read_work(row: dict[str, Any]) -> CitingWork | None:
    named = WORK_ID.fullmatch(str(row.get("id")))
    places = row.get("locations")
    pages = (
        [p.get("landing_page_url") for p in places or [] if isinstance(p, dict)]
        if isinstance(places, list)
        else []
    )
    key = named[1] if named else None
    ids = [row.get("doi"), *pages]  # read for an id, never fetched
    return make_work(key, row.get("display_name"), row.get("publication_date"), ids)
