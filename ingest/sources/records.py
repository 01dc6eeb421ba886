"""What every source of papers yields, and how a text from outside is made safe to store.

Decides what a record must carry (an arXiv id, a title, an abstract) and that texts are one
line of printable characters. Knows nothing of where a record came from, nor of the store.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from ingest.sources.withdrawal_notices import is_withdrawal_notice

# An abstract may be about withdrawals of another kind, so that its pattern is anchored.
_KIND = r"(?:paper|article|submission|manuscript|work)"
WITHDRAWAL = re.compile(
    rf"\s*(?:(?:arxiv admin note:\s*)?this {_KIND} (?:has been|is|was) )?withdrawn\b",
    re.IGNORECASE,
)
_PRINTABLE_ASCII = bytes(range(0x20, 0x7F))
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn"}


@dataclass(frozen=True, slots=True)
class PaperRecord:
    """One paper as a source states it; what it does not state is None or empty."""

    arxiv_id: str  # bare
    version: int | None
    title: str
    abstract: str
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()  # primary first
    published: date | None = None  # day of first submission
    listed: date | None = None  # day of announcement
    updated: date | None = None  # day that the current version was submitted
    comment: str | None = None
    is_marked_withdrawn: bool = False  # by the source itself; most cannot say it


@dataclass(frozen=True)
class Question:
    """What a source is asked for: papers by id, by a query, or by a span of days.

    ``query`` is in arXiv's query language without dates; ``since`` and ``until`` are days
    of first submission, both included. ``limit`` None asks for all that there are. For
    changes, ``query`` is an OAI-PMH set and the days are those of the last change.
    """

    purpose: str  # anchors | claim | recent | changes | snapshot
    query: str = ""
    ids: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    limit: int | None = None


class PaperSource(Protocol):
    """A place that papers come from; each source is one file of this folder."""

    @property
    def name(self) -> str:
        """api, oai, snapshot or feed: what the store notes as a paper's origin."""

    @property
    def remarks(self) -> list[str]:
        """What the last answer left out or could not read, one plain sentence each."""

    def answer(self, question: Question) -> Iterator[PaperRecord]:
        """The papers that answer a question, each once; the iterator ends only when all came.

        Raises:
            SourceUnavailable: the answer did not come, or not completely.
            QuestionRefused: the source finds fault with the question itself.
        """


def is_withdrawal(record: PaperRecord) -> bool:
    """Whether the source says so, the comment is a notice, or the abstract opens with one."""
    return (
        record.is_marked_withdrawn
        or is_withdrawal_notice(record.comment or "")
        or bool(WITHDRAWAL.match(record.abstract))
    )


def is_printable(text: str) -> bool:
    """As ``str.isprintable``, which looks up each letter: most letters are plain ASCII."""
    rest = text.encode("utf-8", "surrogatepass").translate(None, _PRINTABLE_ASCII)
    return not rest or rest.decode("utf-8", "surrogatepass").isprintable()


def clean_text(text: str) -> str:
    """A text on one line: white space collapsed, control and lone surrogate characters gone."""
    if is_printable(text) and "  " not in text and text.strip(" ") == text:
        return text
    spaced = " ".join(text.split())
    if is_printable(spaced):
        return spaced
    kept = (c for c in spaced if unicodedata.category(c) not in _UNPRINTABLE)
    return " ".join("".join(kept).split())
