"""What a citation index says of one work that cites a paper, made safe to store.

Decides what a citing work must carry (the index's own key and a title) and how much of its
words is kept. Knows nothing of any one index.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from claims.arxiv_ids import parse_arxiv_id
from ingest.sources.records import clean_text

MOST_WORKS = 2000  # of one paper; a paper cited more often is not pressed by its number
MOST_CONTEXTS = 3
CONTEXT_LETTERS = 600
TITLE_LETTERS = 500
KEY_LETTERS = 100


@dataclass(frozen=True, slots=True)
class CitingWork:
    """One work that cites a paper; what the index does not state is None or empty."""

    key: str  # the index's own id
    title: str
    arxiv_id: str | None = None  # bare
    published: date | None = None
    contexts: tuple[str, ...] = ()  # sentences that cite, as the index read them
    is_influential: bool | None = None


class CitationSource(Protocol):
    """An index of who cites whom; each is one file of this folder."""

    @property
    def name(self) -> str:
        """openalex or semantic-scholar: what the store notes as a row's origin."""

    @property
    def total(self) -> int | None:
        """How many works the index counted for the last paper; None: it does not know it."""

    @property
    def stopped_because(self) -> str | None:
        """Why asking on is of no use at present; None while it is."""

    def find_citing(self, arxiv_id: str) -> Iterator[CitingWork]:
        """The works that cite a paper, ``MOST_WORKS`` at most, each once.

        Raises:
            SourceUnavailable: the answer did not come, or not completely.
            QuestionRefused: the id is none, or the index finds fault with the question.
        """


def make_work(
    key: object,
    title: object,
    published: object,
    arxiv_ids: Iterable[object],
    contexts: object = None,
    is_influential: object = None,
) -> CitingWork | None:
    """A work of what an index sent; None without a key or a title."""
    named, called = _read_text(key, KEY_LETTERS), _read_text(title, TITLE_LETTERS)
    if not named or not called:
        return None
    said = (
        [_read_text(text, CONTEXT_LETTERS) for text in contexts or []]
        if isinstance(contexts, list)
        else []
    )
    return CitingWork(
        key=named,
        title=called,
        arxiv_id=next(_read_ids(arxiv_ids), None),
        published=_read_day(published),
        contexts=tuple(text for text in said if text)[:MOST_CONTEXTS],
        is_influential=is_influential if isinstance(is_influential, bool) else None,
    )


def read_rows(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The list of objects that a document holds under a name.

    Raises:
        ValueError: it holds none.
    """
    rows = document.get(name)
    if not isinstance(rows, list):
        raise ValueError(f"it has no list {name!r}")
    return [row for row in rows if isinstance(row, dict)]


def _read_ids(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        found = parse_arxiv_id(value) if isinstance(value, str) and len(value) < 200 else None
        if found is not None:
            yield found.id


def _read_text(value: object, most: int) -> str:
    return clean_text(value[: 2 * most])[:most] if isinstance(value, str) else ""


def _read_day(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
