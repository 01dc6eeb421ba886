"""Full texts of stored papers, from a file: LaTeXML's HTML (arxiv.org/html) or plain text.

Decides what of a page is the paper's text (no scripts, no navigation, no bibliography; a
formula is its source), where its sections begin and end, and whose text it is. Opens no
address that a file names. Knows nothing of claims.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from claims.arxiv_ids import ArxivId, parse_arxiv_id
from db.columns import stored_id
from db.engine import open_session
from db.errors import FullTextRefused
from db.models import Paper, PaperText

LARGEST_FILE = 20 * 2**20  # bytes
FEWEST_LETTERS = 200  # less is a notice or an error page, not a paper
HTML_SUFFIXES = {".html", ".htm", ".xhtml"}
TEXT_SUFFIXES = {".txt", ".md"}
FRONT = "front matter"
SKIPPED = {
    "script", "style", "nav", "head", "header", "footer", "noscript", "template", "iframe",
    "object", "svg", "button", "form", "annotation", "annotation-xml", "cite-list",
}  # fmt: skip
SKIPPED_CLASSES = ("ltx_bibliography", "ltx_page_footer", "ltx_TOC", "ltx_page_navbar", "ltx_ERROR")
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
BLOCKS = HEADINGS | {
    "p", "div", "section", "article", "li", "ul", "ol", "dl", "dt", "dd", "table", "tr", "td", "th",
    "figure", "figcaption", "blockquote", "pre", "br", "body", "main",
}  # fmt: skip
REFERENCES = re.compile(r"(?:\d+\.?\s+)?(?:references|bibliography)\s*$", re.IGNORECASE)
PLAIN_HEADING = re.compile(
    r"(?:\d{1,2}(?:\.\d{1,2}){0,3}\.?\s+[A-Z][^.!?]{1,80}|[A-Z]\.\d*\s+[A-Z][^.!?]{1,80}|"
    r"#{1,4}\s+\S.{0,80}|(?i:abstract|introduction|related work|background|methods?|results|"
    r"experiments|discussion|limitations|conclusions?|references|bibliography))\s*$"
)
ID_IN_NAME = re.compile(r"(?P<id>\d{4}\.\d{4,5}(?:v\d+)?|[a-z-]+(?:\.[A-Z]{2})?[_/]\d{7}(?:v\d+)?)")


@dataclass(frozen=True)
class FullText:
    """A paper's text; sections are spans of it that follow one another."""

    text: str
    sections: tuple[dict[str, Any], ...]  # name, start, end (character offsets)


@dataclass(frozen=True)
class StoredText:
    """What loading one file came to; ``changed`` is False for a text that was there."""

    arxiv_id: str
    version: int
    sections: int
    characters: int
    changed: bool


@dataclass(frozen=True)
class _Block:
    text: str
    is_heading: bool


def is_full_text(file: Path) -> bool:
    """Whether a file is to be read as a full text; a .txt of JSON lines is metadata."""
    suffix = file.suffix.lower()
    if suffix in HTML_SUFFIXES:
        return True
    if suffix not in TEXT_SUFFIXES or not file.is_file():
        return suffix in TEXT_SUFFIXES
    with file.open("rb") as stream:
        return not stream.read(64).lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{")


def load_full_text(engine: Engine, file: Path, stated_id: str | None = None) -> StoredText:
    """Store one file as the full text of the paper that its name or ``stated_id`` gives.

    Idempotent. Raises:
        FullTextRefused: the file cannot be read as a paper, or the store lacks the paper.
    """
    wanted = find_id(file, stated_id)
    text = read_file(file)
    return store_full_text(engine, wanted, text, file.name)


def store_full_text(engine: Engine, wanted: ArxivId, text: FullText, source: str) -> StoredText:
    """Store a text of the version that ``wanted`` names, else of the newest. Idempotent.

    Raises:
        FullTextRefused: the store lacks the paper.
    """
    digest = hashlib.sha256(text.text.encode()).hexdigest()
    with open_session(engine) as session:
        paper = session.exec(select(Paper).where(Paper.arxiv_id == wanted.id)).first()
        if paper is None:
            raise FullTextRefused(
                f"{source}: the store has no paper {wanted.id}: load its metadata first"
            )
        version = wanted.version or paper.version
        known = session.exec(
            select(PaperText).where(
                PaperText.paper_id == paper.id,
                PaperText.version == version,
                PaperText.text_hash == digest,
            )
        ).first()
        if known is None:
            session.add(
                PaperText(
                    paper_id=stored_id(paper.id),
                    version=version,
                    text_hash=digest,
                    text=text.text,
                    sections=list(text.sections),
                    source=source,
                )
            )
            session.commit()
    return StoredText(wanted.id, version, len(text.sections), len(text.text), known is None)


def read_full_text(session: Session, paper_id: int, version: int) -> FullText | None:
    """The text of one version that was stored last; None when there is none."""
    stored = session.exec(
        select(PaperText)
        .where(PaperText.paper_id == paper_id, PaperText.version == version)
        .order_by(col(PaperText.id).desc())
    ).first()
    return FullText(stored.text, tuple(stored.sections)) if stored else None


def name_section(text: FullText, start: int) -> str:
    """The section that a quote stands in, for ``evidence.section``; offsets are the text's."""
    for section in text.sections:
        if section["start"] <= start < section["end"]:
            return str(section["name"])
    return FRONT


def find_id(file: Path, stated_id: str | None) -> ArxivId:
    """The arXiv id that is stated, else the one in a file's name (2603.23004v1.html).

    Raises:
        FullTextRefused: neither gives one.
    """
    if stated_id is not None:
        wanted = parse_arxiv_id(stated_id)
        if wanted is None:
            raise FullTextRefused(f"--id {stated_id!r} is no arXiv id: write it like 2603.23004v1")
        return wanted
    named = ID_IN_NAME.search(file.stem)
    found = parse_arxiv_id(named["id"].replace("_", "/")) if named else None
    if found is None:
        raise FullTextRefused(
            f"{file.name}: its name gives no arXiv id: name it like 2603.23004v1.html, or give --id"
        )
    return found


def read_file(file: Path) -> FullText:
    """Read one file.

    Raises:
        FullTextRefused: it is missing, too large, not UTF-8, or holds no paper.
    """
    data = _read_bytes(file)
    is_html = file.suffix.lower() in HTML_SUFFIXES
    text = read_html(data) if is_html else read_plain(_decode(file, data))
    if len(text.text) < FEWEST_LETTERS:
        raise FullTextRefused(f"{file.name}: {len(text.text)} letters of text are no paper")
    return text


def read_html(data: bytes) -> FullText:
    """The text of a LaTeXML page; a broken page is read as far as it goes."""
    from lxml import html
    from lxml.etree import LxmlError

    parser = html.HTMLParser(
        encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = html.document_fromstring(data, parser=parser)
    except (LxmlError, ValueError) as error:
        raise FullTextRefused(f"the page cannot be read as HTML: {error}") from error
    articles = root.xpath("//article[contains(@class, 'ltx_document')]")
    return _join(_read_blocks(articles[0] if articles else root))


def read_plain(text: str) -> FullText:
    """Plain text; numbered lines, Markdown headings and the usual names begin sections."""
    lines = (re.sub(r"\s+", " ", line).strip() for line in text.splitlines())
    return _join(_Block(line, PLAIN_HEADING.match(line) is not None) for line in lines)


def _read_bytes(file: Path) -> bytes:
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise FullTextRefused(
                f"{file.name}: larger than {LARGEST_FILE // 2**20} MB, which no paper's text is"
            )
        return file.read_bytes()
    except OSError as error:
        raise FullTextRefused(f"{file}: {error.strerror or error}") from error


def _decode(file: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FullTextRefused(f"{file.name}: not UTF-8 text (byte {error.start})") from error


def _read_blocks(root: Any) -> Iterator[_Block]:
    """The page's blocks in order: walked with a stack, since pages nest deeply."""
    words: list[str] = []
    heading = False
    for kind, value in _walk(root):
        if kind == "text":
            words.append(value)
            continue
        if words:
            yield _Block(_collapse(words), heading)
            words = []
        heading = kind == "open" and value in HEADINGS
    if words:
        yield _Block(_collapse(words), heading)


def _walk(root: Any) -> Iterator[tuple[str, str]]:
    """Events of a page: a block opens or closes, or a piece of text."""
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        element, is_done = stack.pop()
        tag = element.tag if isinstance(element.tag, str) else ""
        if is_done:
            if tag in BLOCKS:
                yield "close", tag
            if element.tail and element is not root:
                yield "text", element.tail
            continue
        stack.append((element, True))
        if not tag or tag in SKIPPED or _is_skipped(element):
            continue
        if tag == "math":
            yield "text", f" {element.get('alttext') or element.text_content()} "
            continue
        if tag in BLOCKS:
            yield "open", tag
        if element.text:
            yield "text", element.text
        stack.extend((child, False) for child in reversed(element))


def _is_skipped(element: Any) -> bool:
    classes = (element.get("class") or "").split()
    return any(name in classes for name in SKIPPED_CLASSES)


def _collapse(words: Iterable[str]) -> str:
    return re.sub(r"\s+", " ", "".join(words)).strip()


def _drop_nul(text: str) -> str:
    """PostgreSQL keeps no NUL."""
    return text.replace("\0", "")


def _join(blocks: Iterable[_Block]) -> FullText:
    """Blocks joined by line ends, with the span of each section; references are left out."""
    sections: list[dict[str, Any]] = []
    parts: list[str] = []
    length = 0
    name, start = FRONT, 0
    skipping = False
    for block in blocks:
        line = _drop_nul(block.text)
        if not line:
            continue
        if block.is_heading:
            skipping = REFERENCES.match(line) is not None
            if length > start:
                sections.append({"name": name, "start": start, "end": length})
            name, start = line.lstrip("# "), length
        if skipping:
            continue
        parts.append(line)
        length += len(line) + 1
    if length > start:
        sections.append({"name": name, "start": start, "end": length})
    text = "".join(f"{part}\n" for part in parts)
    return FullText(text, tuple(sections))
