"""A page before it is parsed: its normal form, and what only its markup or address says.

Decides which reader takes a file (by its name, else by how it begins) and what an address
of the site names. The site's three hosts serve the same paths.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from urllib.parse import unquote

from claims.documents import (
    DocumentWarning,
    check_size,
    decode_text,
    normalise_text,
    unescape_marks,
)
from db.errors import DocumentRefused

HOSTS = r"(?:www\.)?(?:inquiringlines\.com|whitepapers\.gravity7\.com)"
SITE_PATH = re.compile(
    rf"(?:https?://{HOSTS}|(?:\.{{1,2}}/)+|(?=/))/?"
    r"(?P<kind>inquiring-lines|notes|papers)/(?P<slug>[^/?#\s]+?)(?:\.html?)?/?(?:[?#].*)?",
    re.IGNORECASE,
)
FILE_PATH = re.compile(
    r"(?:^|.*/)(?P<kind>inquiring-lines|notes|papers)/(?P<slug>[^/]+?)"
    r"(?:/index)?\.(?:html?|txt|md)"
)
KINDS = {"inquiring-lines": "line", "notes": "note", "papers": "paper"}
HTML_START = re.compile(r"\s*(?:<!--.*?-->\s*)?<(?:!doctype html|html|head|body)\b", re.I | re.S)
MARKDOWN_LINK = re.compile(r"(?<!!)\[(?P<text>[^\[\]\n]+)\]\((?P<target>[^()\s]+)\)")
MARKDOWN_SUFFIXES = (".md", ".markdown")
HTML_SUFFIXES = (".html", ".htm")
TEXT_SUFFIXES = (".txt", *MARKDOWN_SUFFIXES, *HTML_SUFFIXES)
ARXIV_TARGET = re.compile(
    r"(?:https?://(?:www\.|export\.)?arxiv\.org/(?:abs|pdf|html)/|(?:.*)/papers/"
    r"|https?://(?:dx\.)?doi\.org/10\.48550/arxiv\.)(?P<id>[\w.-]+(?:/\d{7})?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class NoteLink:
    """A link to a note: the words it stands on, and the note's slug."""

    text: str
    slug: str


@dataclass(frozen=True)
class Address:
    """What an address of the site names."""

    kind: str  # line | note | paper
    slug: str  # an arXiv id for a paper


@dataclass(frozen=True)
class PageText:
    """A document in normal form with what its markup, front matter or address adds."""

    name: str
    text: str
    address: Address | None = None
    links: tuple[NoteLink, ...] = ()
    is_markdown: bool = False
    stem: str | None = None  # the file's name without suffix: a vault's title
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # front matter
    warnings: tuple[DocumentWarning, ...] = ()


def read_page(data: bytes, name: str) -> PageText:
    """A file's bytes as a page; ``name`` is its path, or what else is shown for it.

    Raises:
        DocumentRefused: too large, empty, not text, or nested too deeply.
    """
    check_size(len(data), name)
    text = decode_text(data, name)
    suffix = PurePath(name).suffix.lower()
    if suffix in HTML_SUFFIXES or HTML_START.match(text):
        from claims.html_pages import read_html

        page = read_html(text, name)
    elif suffix in MARKDOWN_SUFFIXES or text.startswith("---\n"):
        from claims.markdown_notes import read_markdown

        page = read_markdown(text, name)
    else:
        page = read_text(text, name)
    if not page.text:
        raise DocumentRefused(f"{name} holds no text: save the page with its text")
    return page


def read_text(text: str, name: str) -> PageText:
    """Plain text, in which links may stand as Markdown writes them."""
    plain, links = unwrap_links(unescape_marks(text))
    return PageText(name, normalise_text(plain), find_file_address(name), tuple(links))


def unwrap_links(text: str) -> tuple[str, list[NoteLink]]:
    """The text with ``[words](target)`` as words, and the links among them that name notes."""
    links: list[NoteLink] = []

    def unwrap(match: re.Match[str]) -> str:
        words, target = match["text"], match["target"]
        address = read_address(target)
        if address and address.kind == "note":
            links.append(NoteLink(" ".join(words.split()), address.slug))
        return add_arxiv_id(words, target)

    return MARKDOWN_LINK.sub(unwrap, text), links


def add_arxiv_id(words: str, target: str) -> str:
    """A link's words, with the arXiv id that only its target tells."""
    match = ARXIV_TARGET.fullmatch(
        target.split("#", maxsplit=1)[0].split("?", maxsplit=1)[0].rstrip("/")
    )
    if match is None:
        return words
    arxiv_id = match["id"].removesuffix(".pdf")
    bare = re.sub(r"v\d+$", "", arxiv_id)
    return words if bare in words else f"{words} (arXiv:{arxiv_id})"


def read_address(target: str) -> Address | None:
    """What a link or a canonical address names; None when it is not of the site."""
    match = SITE_PATH.fullmatch(target.strip())
    return _make_address(match) if match else None


def find_file_address(name: str) -> Address | None:
    """What a file saved under the site's own paths names."""
    match = FILE_PATH.fullmatch(name.replace("\\", "/"))
    return _make_address(match) if match else None


def _make_address(match: re.Match[str]) -> Address | None:
    kind = KINDS[match["kind"].lower()]
    slug = unquote(match["slug"])
    if kind != "paper":
        slug = slug.lower()
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,199}", slug):
            return None
    return Address(kind, slug)
