"""An HTML page as text in normal form, with the links and the address that it carries.

Decides what of a page is content: scripts, styles, navigation and footers are not. The
parser opens nothing, expands no entity of the document's own, and gives up on nesting
deeper than its limit. Knows nothing of what the text says.
"""

import re
from typing import Any

from claims.documents import normalise_text
from claims.marks import BULLET
from claims.pages import (
    Address,
    NoteLink,
    PageText,
    add_arxiv_id,
    find_file_address,
    read_address,
)
from db.errors import DocumentRefused

LEFT_OUT = frozenset(
    "head script style nav footer noscript template svg iframe object embed form button select "
    "textarea canvas audio video".split()
)
BLOCKS = frozenset(
    "address article aside blockquote body br dd details div dl dt fieldset figcaption figure "
    "h1 h2 h3 h4 h5 h6 header hr html li main ol p pre section summary table tbody td th thead "
    "tr ul".split()
)
EMPHASIS = {"strong": "**", "b": "**"}  # in lists alone: there they mark a task's title


def read_html(text: str, name: str) -> PageText:
    """Read a page.

    Raises:
        DocumentRefused: nested deeper than the parser's limit, or without any element.
    """
    root = _parse(text, name)
    reader = _Reader()
    reader.read(_find_content(root))
    plain = normalise_text("".join(c for c in "".join(reader.pieces) if c == "\n" or c >= " "))
    address = _find_address(root) or find_file_address(name)
    return PageText(name, plain, address, tuple(reader.links))


def _parse(text: str, name: str) -> Any:
    from lxml import etree, html

    parser = html.HTMLParser(
        no_network=True, remove_comments=True, remove_pis=True, huge_tree=False, encoding="utf-8"
    )
    declared = re.sub(r"<\?xml[^>]*\?>", "", text, count=1)
    try:
        root = html.document_fromstring(declared.encode("utf-8"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise DocumentRefused(
            f"{name} is no HTML that can be read ({error}): save the page as text"
        ) from error
    if any("Excessive depth" in entry.message for entry in parser.error_log):
        raise DocumentRefused(f"{name} is nested too deeply to be read: save the page as text")
    return root


def _find_content(root: Any) -> Any:
    """The main part, where the page marks one that holds its heading; else all of it."""
    for tag in ("main", "article"):
        found = list(root.iter(tag))
        if len(found) == 1 and next(found[0].iter("h1"), None) is not None:
            return found[0]
    return root


def _find_address(root: Any) -> Address | None:
    """What the page says its own address is."""
    targets = [link.get("href") for link in root.iter("link") if link.get("rel") == "canonical"]
    targets += [
        meta.get("content") for meta in root.iter("meta") if meta.get("property") == "og:url"
    ]
    return next((found for target in targets if target and (found := read_address(target))), None)


class _Reader:
    """Walks a tree without recursion and gathers text, line breaks and links."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.links: list[NoteLink] = []
        self.open_links: list[tuple[str, int]] = []  # target, and where its words begin
        self.pre_depth = 0
        self.list_depth = 0

    def read(self, root: Any) -> None:
        from lxml import etree

        walker = etree.iterwalk(root, events=("start", "end"))
        for event, element in walker:
            tag = element.tag if isinstance(element.tag, str) else None
            if event == "end":
                self._leave(element, tag, is_root=element is root)
            elif tag is None or tag in LEFT_OUT:
                walker.skip_subtree()
            else:
                self._enter(element, tag)

    def _enter(self, element: Any, tag: str) -> None:
        if tag in BLOCKS:
            self.pieces.append("\n")
        if tag == "pre":
            self.pre_depth += 1
        elif tag == "li":
            self.list_depth += 1
            self.pieces.append(_make_bullet(element))
        elif tag in EMPHASIS and self.list_depth:
            self.pieces.append(EMPHASIS[tag])
        elif tag == "a":
            self.open_links.append((element.get("href") or "", len(self.pieces)))
        elif tag == "summary":
            self.pieces.append("\n")
        self._add(element.text)

    def _leave(self, element: Any, tag: str | None, *, is_root: bool) -> None:
        if tag is not None and tag not in LEFT_OUT:
            if tag == "pre":
                self.pre_depth -= 1
            elif tag == "li":
                self.list_depth -= 1
            elif tag in EMPHASIS and self.list_depth:
                self.pieces.append(EMPHASIS[tag])
            elif tag == "a":
                self._close_link()
            if tag in BLOCKS:
                self.pieces.append("\n")
        if not is_root:
            self._add(element.tail)

    def _close_link(self) -> None:
        target, start = self.open_links.pop()
        words = " ".join("".join(self.pieces[start:]).split())
        address = read_address(target)
        if words and address is not None and address.kind == "note":
            self.links.append(NoteLink(words.strip("*• "), address.slug))
        elif words and add_arxiv_id(words, target) != words:
            self.pieces.append(add_arxiv_id("", target))

    def _add(self, text: str | None) -> None:
        if text:
            self.pieces.append(text if self.pre_depth else re.sub(r"\s+", " ", text))


def _make_bullet(item: Any) -> str:
    """The mark of a list item, unless its text brings one or it is a link to a note."""
    words = " ".join("".join(item.itertext()).split())
    linked = (read_address(a.get("href") or "") for a in item.iter("a"))
    if not words or BULLET.fullmatch(words) or words.startswith("(") or any(linked):
        return ""
    parent = item.getparent()
    if parent is not None and parent.tag == "ol":
        before = sum(1 for _ in item.itersiblings("li", preceding=True))
        return f"{before + 1}. " if before < 999 else "• "
    return "• "
