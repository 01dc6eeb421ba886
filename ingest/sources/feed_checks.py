"""Whether an answer of the query API is the feed that it should be, before it is parsed.

Decides what is refused (more than a page can hold, a feed that does not count), what is
arXiv's own complaint, and which entries cannot become papers; what is no such document at
all is decided in ``xml_guard``.
Rules: arXiv API manual 3.4 (errors are entries titled "Error") and 3.1.1.2 (at most 2000
results a page). Knows nothing of requests and retries.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from lxml import etree

from claims.arxiv_ids import parse_arxiv_id
from db.errors import QuestionRefused
from ingest.sources.records import clean_text
from ingest.sources.xml_guard import Unreadable, parse_guarded

ATOM = "{http://www.w3.org/2005/Atom}"
TOTAL = "{http://a9.com/-/spec/opensearch/1.1/}totalResults"
ERRORS_PATH = "/api/errors"
NotAFeed = Unreadable
MOST_ENTRIES = 2000
MOST_AUTHORS = 10_000  # the longest list so far has some five thousand
# Far beyond what arXiv's submission form takes (an abstract: 1920 characters).
MOST_CHARACTERS = {"title": 2_000, "summary": 20_000, "comment": 5_000, "name": 1_000}
FIRST_YEAR, LAST_YEAR = 1986, 2099  # a day outside is a mistake; the oldest paper is of 1986


class LeftOut(NamedTuple):
    """An entry that cannot become a paper: its id if it has one, and a sentence on it."""

    arxiv_id: str | None
    sentence: str


@dataclass(frozen=True)
class CheckedFeed:
    """A feed whose every entry can be read, and those that were taken out."""

    body: bytes
    total: int  # papers that answer the question, on this page or another
    entries: int
    left_out: tuple[LeftOut, ...]


def check_feed(body: bytes) -> CheckedFeed:
    """Check a body of the query API.

    Raises:
        NotAFeed: it is something else, carries declarations, does not count, or is huge.
        QuestionRefused: it is arXiv's complaint about the question.
    """
    root = _parse(body)
    entries = root.findall(f"{ATOM}entry")
    _refuse_error_entry(entries)
    if len(entries) > MOST_ENTRIES:
        raise NotAFeed(f"a page of {len(entries)} papers, more than arXiv ever sends")
    total = _read_total(root)
    if total == 0 < len(entries):
        raise NotAFeed("a feed that counts no papers and holds some")
    left_out = []
    for entry in entries:
        fault = _find_fault(entry)
        if fault:
            left_out.append(fault)
            root.remove(entry)
    kept = etree.tostring(root) if left_out else body
    return CheckedFeed(body=kept, total=total, entries=len(entries), left_out=tuple(left_out))


def read_complaint(body: bytes) -> str | None:
    """What arXiv's error entry says, for an answer with an error status."""
    try:
        _refuse_error_entry(_parse(body).findall(f"{ATOM}entry"))
    except QuestionRefused as error:
        return str(error)
    except NotAFeed:
        return None
    return None


def _parse(body: bytes) -> etree._Element:
    return parse_guarded(body, f"{ATOM}feed", "a feed")


def _refuse_error_entry(entries: list[etree._Element]) -> None:
    for entry in entries:
        entry_id = entry.findtext(f"{ATOM}id") or ""
        titled = (entry.findtext(f"{ATOM}title") or "").strip() == "Error"
        if ERRORS_PATH in entry_id or (titled and parse_arxiv_id(entry_id) is None):
            summary = clean_text((entry.findtext(f"{ATOM}summary") or "no reason given")[:2000])
            raise QuestionRefused(f"arXiv refused the question: {summary[:200]}")


def _read_total(root: etree._Element) -> int:
    """The feed's own count, without which no one could tell whether all came."""
    total = (root.findtext(TOTAL) or "").strip()
    if not re.fullmatch(r"[0-9]{1,9}", total):
        raise NotAFeed("a feed that does not say how many papers there are")
    return int(total)


def _find_fault(entry: etree._Element) -> LeftOut | None:
    """Why an entry cannot become a paper; None when it can."""
    entry_id = (entry.findtext(f"{ATOM}id") or "").strip()
    found = parse_arxiv_id(entry_id)
    if found is None:
        which = clean_text(entry_id[:60]) or "empty"
        return LeftOut(None, f"an entry without an arXiv id ({which}) was left out")
    fault = _find_text_fault(entry) or _find_moment_fault(entry)
    return LeftOut(found.id, f"{found.id} came {fault} and was left out") if fault else None


def _find_text_fault(entry: etree._Element) -> str | None:
    for name, what in (("title", "title"), ("summary", "abstract")):
        if not clean_text(entry.findtext(f"{ATOM}{name}") or ""):
            return f"without {what}"
        if any(len(element) for element in entry.findall(f"{ATOM}{name}")):
            return f"with markup in its {what}"  # the text after it would be lost
    names = entry.findall(f"{ATOM}author/{ATOM}name")
    if not any(clean_text(name.text or "") for name in names):
        return "without authors"
    if len(names) > MOST_AUTHORS:
        return f"with more than {MOST_AUTHORS} authors"
    for element in entry.iter(etree.Element):
        name = etree.QName(element).localname
        if len(element.text or "") > MOST_CHARACTERS.get(name, MOST_CHARACTERS["summary"]):
            return f"with an impossibly long <{name}>"
    return None


def _find_moment_fault(entry: etree._Element) -> str | None:
    for name in ("published", "updated"):
        if not _is_moment(entry.findtext(f"{ATOM}{name}")):
            return f"without a readable <{name}>"
    return None


def _is_moment(text: str | None) -> bool:
    """Whether the parser can read it too, which turns it into UTC."""
    try:
        moment = datetime.fromisoformat((text or "").strip().replace("Z", "+00:00"))
        in_utc = moment.astimezone(UTC) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return False
    return FIRST_YEAR <= in_utc.year <= LAST_YEAR
