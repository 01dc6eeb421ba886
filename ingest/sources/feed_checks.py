"""Whether an answer of the query API is the feed that it should be, before it is parsed.

Decides what is refused (a web page, a cut-off document, a document type declaration), what
is arXiv's own complaint, and which entries cannot become papers. Rules: arXiv API manual
3.4 (errors are entries titled "Error"). Knows nothing of requests and retries.
"""

from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from claims.arxiv_ids import parse_arxiv_id
from db.errors import QuestionRefused

ATOM = "{http://www.w3.org/2005/Atom}"
TOTAL = "{http://a9.com/-/spec/opensearch/1.1/}totalResults"
ERRORS_PATH = "/api/errors"


class NotAFeed(Exception):
    """An answer that is no Atom feed; says what it is instead."""


@dataclass(frozen=True)
class CheckedFeed:
    """A feed whose every entry can be read, and a sentence on each entry taken out."""

    body: bytes
    total: int
    entries: int
    left_out: tuple[str, ...]


def check_feed(body: bytes) -> CheckedFeed:
    """Check a body of the query API.

    Raises:
        NotAFeed: it is something else, or carries a document type declaration.
        QuestionRefused: it is arXiv's complaint about the question.
    """
    root = _parse(body)
    entries = root.findall(f"{ATOM}entry")
    _refuse_error_entry(entries)
    left_out = []
    for entry in entries:
        fault = _find_fault(entry)
        if fault:
            left_out.append(fault)
            root.remove(entry)
    kept = etree.tostring(root) if left_out else body
    total = (root.findtext(TOTAL) or "").strip()
    return CheckedFeed(
        body=kept,
        total=int(total) if total.isascii() and total.isdigit() else len(entries),
        entries=len(entries),
        left_out=tuple(left_out),
    )


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
    lowered = body[:4096].lower()
    if b"\0" in body or b"<!doctype" in body.lower() or b"<!entity" in body.lower():
        kind = "a web page" if b"<!doctype html" in lowered else "a document with declarations"
        raise NotAFeed(f"{kind} instead of a feed")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        kind = "a web page" if b"<html" in lowered else "a broken document"
        raise NotAFeed(f"{kind} instead of a feed") from error
    if root.tag != f"{ATOM}feed":
        raise NotAFeed("another document instead of a feed")
    return root


def _refuse_error_entry(entries: list[etree._Element]) -> None:
    for entry in entries:
        entry_id = entry.findtext(f"{ATOM}id") or ""
        titled = (entry.findtext(f"{ATOM}title") or "").strip() == "Error"
        if ERRORS_PATH in entry_id or (titled and parse_arxiv_id(entry_id) is None):
            summary = " ".join((entry.findtext(f"{ATOM}summary") or "no reason given").split())
            raise QuestionRefused(f"arXiv refused the question: {summary[:200]}")


def _find_fault(entry: etree._Element) -> str | None:
    """Why an entry cannot become a paper; None when it can."""
    entry_id = (entry.findtext(f"{ATOM}id") or "").strip()
    found = parse_arxiv_id(entry_id)
    if found is None:
        return f"an entry without an arXiv id ({entry_id[:60] or 'empty'}) was left out"
    for name, what in (("title", "title"), ("summary", "abstract")):
        if not (entry.findtext(f"{ATOM}{name}") or "").strip():
            return f"{found.id} came without {what} and was left out"
    for name in ("published", "updated"):
        if not _is_moment(entry.findtext(f"{ATOM}{name}")):
            return f"{found.id} came without a readable <{name}> and was left out"
    return None


def _is_moment(text: str | None) -> bool:
    try:
        datetime.fromisoformat((text or "").strip().replace("Z", "+00:00"))
    except ValueError:
        return False
    return True
