"""arXiv identifiers: what is one, which month it names, and where they stand in a text.

Rules: arXiv's identifier scheme (new form YYMM.NNNN from 0704, five digits from 1501; old
form archive(.SUBJ)/YYMMNNN up to 0703). Knows nothing of which ids exist.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# ASCII: other scripts' digits are numbers to Python, and no part of an identifier.
NEW_FORM = re.compile(
    r"(?P<yy>\d{2})(?P<mm>\d{2})\.(?P<number>\d{4,5})(?:v(?P<version>[1-9]\d?))?", re.ASCII
)
OLD_FORM = re.compile(
    r"(?P<archive>[a-z]+(?:-[a-z]+)*(?:\.[A-Z]{2})?)/(?P<yy>\d{2})(?P<mm>\d{2})(?P<number>\d{3})"
    r"(?:v(?P<version>[1-9]\d?))?",
    re.ASCII,
)
FIRST_NEW_MONTH = (7, 4)  # 0704
FIVE_DIGITS_SINCE = (15, 1)  # 1501
LAST_OLD_YEAR, FIRST_OLD_YEAR = 7, 91
_NEW = r"(?a:\d{4}\.\d{4,5}(?:v[1-9]\d?)?)"
_OLD = r"(?a:[a-z]+(?:-[a-z]+)*(?:\.[A-Z]{2})?/\d{7}(?:v[1-9]\d?)?)"
_PREFIX = (
    r"(?:arxiv:\s*|arxiv\s+(?:id\s+)?|(?:https?://)?(?:www\.|export\.)?arxiv\.org/(?:abs|pdf|html)/"
    r"|(?:https?://(?:dx\.)?doi\.org/)?10\.48550/arxiv\.|/papers/)"
)
PREFIX = re.compile(rf"^(?i:{_PREFIX})")
MARKED = re.compile(
    rf"(?:(?i:{_PREFIX})(?P<marked>{_NEW}|{_OLD})(?:\.pdf)?|[(\[](?P<bracketed>{_NEW})[)\]])(?![\d])"
)
BARE = re.compile(rf"(?<![\d.$/\w-])(?P<bare>{_NEW}|{_OLD})(?![\d])")


@dataclass(frozen=True)
class ArxivId:
    """A possible arXiv identifier, its version apart."""

    id: str
    version: int | None
    year: int
    month: int

    @property
    def month_name(self) -> str:
        """The month that the identifier names, as ``2025-02``."""
        return f"{self.year:04d}-{self.month:02d}"


@dataclass(frozen=True)
class IdSpan:
    """An identifier-like piece of a text; ``arxiv_id`` is None when no such id can exist."""

    raw: str
    start: int
    end: int
    arxiv_id: ArxivId | None


def parse_arxiv_id(text: str) -> ArxivId | None:
    """Read one identifier, with or without a usual prefix; None when it is impossible."""
    new = NEW_FORM.fullmatch(text)  # as nearly all come
    if new:
        return _check_new(new)
    bare = PREFIX.sub("", text.strip(), count=1).removesuffix(".pdf").rstrip("/")
    new = NEW_FORM.fullmatch(bare)
    if new:
        return _check_new(new)
    old = OLD_FORM.fullmatch(bare)
    return _check_old(old) if old else None


def find_marked_ids(text: str) -> Iterator[IdSpan]:
    """Identifiers that prose marks as such: by a prefix, or alone in brackets."""
    for match in MARKED.finditer(text):
        raw = match["marked"] or match["bracketed"]
        yield IdSpan(raw, match.start(), match.end(), parse_arxiv_id(raw))


def find_anchor_ids(text: str) -> list[IdSpan]:
    """The identifiers of an anchor's line, where a bare id counts too; each once.

    The first may be one that cannot exist. A later bare number counts only as a possible
    identifier, since labels hold numbers too.
    """
    spans = list(find_marked_ids(text))
    for match in BARE.finditer(text):
        if not any(span.start <= match.start() < span.end for span in spans):
            raw = match["bare"]
            spans.append(IdSpan(raw, match.start(), match.end(), parse_arxiv_id(raw)))
    spans.sort(key=lambda span: span.start)
    kept: list[IdSpan] = []
    for span in spans:
        is_marked = span.end - span.start > len(span.raw)
        is_known = any(span.arxiv_id and span.arxiv_id == other.arxiv_id for other in kept)
        if not is_known and (not kept or is_marked or span.arxiv_id is not None):
            kept.append(span)
    return kept


def find_anchor_id(text: str) -> IdSpan | None:
    """The first identifier of an anchor's line; None when nothing looks like one."""
    return next(iter(find_anchor_ids(text)), None)


def _check_new(match: re.Match[str]) -> ArxivId | None:
    year, month = int(match["yy"]), int(match["mm"])
    digits = 5 if (year, month) >= FIVE_DIGITS_SINCE else 4
    if not 1 <= month <= 12 or (year, month) < FIRST_NEW_MONTH or len(match["number"]) != digits:
        return None
    version = int(match["version"]) if match["version"] else None
    return ArxivId(f"{match['yy']}{match['mm']}.{match['number']}", version, 2000 + year, month)


def _check_old(match: re.Match[str]) -> ArxivId | None:
    short, month = int(match["yy"]), int(match["mm"])
    if not 1 <= month <= 12 or LAST_OLD_YEAR < short < FIRST_OLD_YEAR:
        return None
    year = 1900 + short if short >= FIRST_OLD_YEAR else 2000 + short
    version = int(match["version"]) if match["version"] else None
    bare = f"{match['archive']}/{match['yy']}{match['mm']}{match['number']}"
    return ArxivId(bare, version, year, month)
