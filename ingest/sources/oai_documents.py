"""What an answer of arXiv's OAI-PMH server says: records, deletions, where the list goes on.

Reads the formats ``arXivRaw`` (with the history of versions) and ``arXiv`` (with authors
apart). Decides what of a record is a paper, and that one whose newest version has no text
is withdrawn. Sources: OAI-PMH 2.0; arXiv's server (record formats, source flags). Knows
nothing of requests.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from lxml import etree

from claims.arxiv_ids import parse_arxiv_id
from ingest.sources.author_names import decode_accents, split_authors
from ingest.sources.records import PaperRecord, clean_text
from ingest.sources.tex_letters import decode_letters
from ingest.sources.xml_guard import Unreadable, parse_guarded

OAI = "{http://www.openarchives.org/OAI/2.0/}"
RAW = "{http://arxiv.org/OAI/arXivRaw/}"
STRUCTURED = "{http://arxiv.org/OAI/arXiv/}"
PREFIX = "oai:arXiv.org:"
NOUN = "an OAI-PMH document"
# Far beyond what arXiv's submission form takes; five thousand authors fit.
MOST_CHARACTERS = {"title": 2_000, "abstract": 20_000, "comments": 5_000, "authors": 500_000}
FIRST_YEAR, LAST_YEAR = 1986, 2099  # a day outside is a mistake; the oldest paper is of 1986
# Letter of the server's source flags for a version without text. A size of 0kb is no
# such sign: it also stands for a source of under a kibibyte.
WITHDRAWN_FLAG = "I"
VERSION = re.compile(r"v([1-9]\d{0,2})")


class OaiComplaint(NamedTuple):
    """An error of the protocol, such as noRecordsMatch."""

    code: str
    message: str


@dataclass(frozen=True)
class OaiPage:
    """One answer; ``token`` is None on the last page of a list."""

    answered_at: datetime  # by the server's clock
    records: tuple[PaperRecord, ...] = ()
    deleted: tuple[str, ...] = ()  # bare ids
    left_out: tuple[str, ...] = ()  # one sentence each
    token: str | None = None
    complaint: OaiComplaint | None = None


class _Fault(Exception):
    """Why a record cannot become a paper."""


class _Version(NamedTuple):
    number: int
    day: date
    flags: str


def read_page(body: bytes) -> OaiPage:
    """Read one answer of the server.

    Raises:
        Unreadable: it is no OAI-PMH document, or lacks what the protocol demands.
    """
    root = parse_guarded(body, f"{OAI}OAI-PMH", NOUN)
    answered_at = _read_moment(root.findtext(f"{OAI}responseDate"))
    if answered_at is None:
        raise Unreadable(f"{NOUN} without a readable date")
    error = root.find(f"{OAI}error")
    if error is not None:
        message = clean_text((error.text or "")[:500])
        return OaiPage(answered_at, complaint=OaiComplaint(error.get("code", ""), message))
    answer = next(
        (
            root.find(f"{OAI}{verb}")
            for verb in ("ListRecords", "GetRecord")
            if root.find(f"{OAI}{verb}") is not None
        ),
        None,
    )
    if answer is None:
        raise Unreadable(f"{NOUN} without records")
    return _read_answer(answer, answered_at)


def _read_answer(answer: etree._Element, answered_at: datetime) -> OaiPage:
    records, deleted, left_out = [], [], []
    for element in answer.findall(f"{OAI}record"):
        try:
            arxiv_id = _read_header_id(element)
            if _is_deleted(element):
                deleted.append(arxiv_id)
            else:
                records.append(_read_record(element, arxiv_id))
        except _Fault as fault:
            left_out.append(f"{fault} and was left out")
    token = (answer.findtext(f"{OAI}resumptionToken") or "").strip()
    return OaiPage(answered_at, tuple(records), tuple(deleted), tuple(left_out), token or None)


def _read_header_id(element: etree._Element) -> str:
    stated = (element.findtext(f"{OAI}header/{OAI}identifier") or "").strip()
    found = parse_arxiv_id(stated.removeprefix(PREFIX))
    if found is None:
        which = clean_text(stated[:60]) or "empty"
        raise _Fault(f"a record without an arXiv id ({which})")
    return found.id


def _is_deleted(element: etree._Element) -> bool:
    header = element.find(f"{OAI}header")
    return header is not None and header.get("status") == "deleted"


def _read_record(element: etree._Element, arxiv_id: str) -> PaperRecord:
    metadata = element.find(f"{OAI}metadata")
    for space, read in ((RAW, _read_raw), (STRUCTURED, _read_structured)):
        name = "arXivRaw" if space == RAW else "arXiv"
        paper = metadata.find(f"{space}{name}") if metadata is not None else None
        if paper is None:
            continue
        stated = parse_arxiv_id(paper.findtext(f"{space}id") or "")
        if stated is None or stated.id != arxiv_id:
            raise _Fault(f"{arxiv_id} came with the metadata of another paper")
        return read(paper, arxiv_id)
    raise _Fault(f"{arxiv_id} came without metadata")


def _read_raw(paper: etree._Element, arxiv_id: str) -> PaperRecord:
    versions = sorted(_read_version(v, arxiv_id) for v in paper.findall(f"{RAW}version"))
    if not versions:
        raise _Fault(f"{arxiv_id} came without its versions")
    newest = versions[-1]
    return PaperRecord(
        arxiv_id=arxiv_id,
        version=newest.number,
        title=_read_text(paper, RAW, "title", arxiv_id),
        abstract=_read_text(paper, RAW, "abstract", arxiv_id),
        authors=split_authors(_read_optional(paper, RAW, "authors", arxiv_id) or ""),
        categories=tuple((paper.findtext(f"{RAW}categories") or "").split()),
        published=versions[0].day,
        updated=newest.day,
        comment=_read_optional(paper, RAW, "comments", arxiv_id),
        is_marked_withdrawn=WITHDRAWN_FLAG in newest.flags,
    )


def _read_version(element: etree._Element, arxiv_id: str) -> _Version:
    number = VERSION.fullmatch(element.get("version", ""))
    day = _read_mail_day(element.findtext(f"{RAW}date"))
    if number is None or day is None:
        raise _Fault(f"{arxiv_id} came with a version without number or date")
    return _Version(int(number[1]), day, element.findtext(f"{RAW}source_type") or "")


def _read_structured(paper: etree._Element, arxiv_id: str) -> PaperRecord:
    """Without version and first day: ``created`` is the present version's day since 2025."""
    names = [_read_name(author) for author in paper.iterfind(f"{STRUCTURED}authors/*")]
    days = (_read_day(paper.findtext(f"{STRUCTURED}{name}")) for name in ("updated", "created"))
    return PaperRecord(
        arxiv_id=arxiv_id,
        version=None,
        title=_read_text(paper, STRUCTURED, "title", arxiv_id),
        abstract=_read_text(paper, STRUCTURED, "abstract", arxiv_id),
        authors=tuple(name for name in names if name),
        categories=tuple((paper.findtext(f"{STRUCTURED}categories") or "").split()),
        updated=next((day for day in days if day), None),
        comment=_read_optional(paper, STRUCTURED, "comments", arxiv_id),
    )


def _read_name(author: etree._Element) -> str:
    parts = (author.findtext(f"{STRUCTURED}{p}") for p in ("forenames", "keyname", "suffix"))
    return clean_text(decode_accents(" ".join(part for part in parts if part)))


def _read_text(paper: etree._Element, space: str, name: str, arxiv_id: str) -> str:
    text = _read_optional(paper, space, name, arxiv_id)
    if text is None:
        raise _Fault(f"{arxiv_id} came without {name}")
    return text


def _read_optional(paper: etree._Element, space: str, name: str, arxiv_id: str) -> str | None:
    element = paper.find(f"{space}{name}")
    if element is None:
        return None
    if len(element):
        raise _Fault(f"{arxiv_id} came with markup in its {name}")  # the rest would be lost
    text = element.text or ""
    if len(text) > MOST_CHARACTERS[name]:
        raise _Fault(f"{arxiv_id} came with an impossibly long <{name}>")
    return clean_text(text if name == "authors" else decode_letters(text)) or None


def _read_day(text: str | None) -> date | None:
    moment = _read_moment(text)
    return moment.date() if moment else None


def _read_moment(text: str | None) -> datetime | None:
    """``2026-08-21T06:00:00Z``, or the start of ``2026-08-21``."""
    try:
        moment = datetime.fromisoformat((text or "").strip().replace("Z", "+00:00"))
        return _believe(moment)
    except (ValueError, OverflowError):
        return None


def _read_mail_day(text: str | None) -> date | None:
    """The UTC day of ``Wed, 19 Aug 2026 17:59:59 GMT``."""
    try:
        moment = _believe(parsedate_to_datetime((text or "").strip()))
    except (ValueError, OverflowError, TypeError):
        return None
    return moment.date() if moment else None


def _believe(moment: datetime) -> datetime | None:
    aware = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware if FIRST_YEAR <= aware.year <= LAST_YEAR else None
