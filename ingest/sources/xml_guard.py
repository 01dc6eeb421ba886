"""Whether an answer is the XML document that it should be, parsed without trusting it.

Decides what is refused: a web page, a cut-off document, document type and entity
declarations, deep nesting, more tags than memory should hold. Nothing that a document names
is fetched or expanded. Knows nothing of what the documents mean.
"""

import re
from collections.abc import Collection

from lxml import etree

DECLARATION = re.compile(rb"<!(?:doctype|entity)", re.IGNORECASE)
MOST_TAGS = 400_000  # a page of 200 papers has 20,000; a tag costs a hundred bytes of memory
MOST_DEPTH = 32  # the deepest document of arXiv's has nine levels
LOOKED_AT = 4096  # bytes that tell a web page


class Unreadable(Exception):
    """An answer that is not the document it should be; says what it is instead."""


def parse_guarded(body: bytes, root_tag: str | Collection[str], noun: str) -> etree._Element:
    """The root of a document; ``root_tag`` is what it may be, ``noun`` names it ("a feed").

    Raises:
        Unreadable: it is something else, is cut off, nests too deeply, or carries declarations.
    """
    lowered = body[:LOOKED_AT].lower()
    if b"\0" in body or DECLARATION.search(body):
        kind = "a web page" if b"<!doctype html" in lowered else "a document with declarations"
        raise Unreadable(f"{kind} instead of {noun}")
    if body.count(b"<") > MOST_TAGS:
        raise Unreadable(f"a document of more than {MOST_TAGS} tags instead of {noun}")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        kind = "a web page" if b"<html" in lowered else "a broken document"
        raise Unreadable(f"{kind} instead of {noun}") from error
    if root.tag not in ({root_tag} if isinstance(root_tag, str) else root_tag):
        kind = "a web page" if str(root.tag).lower() == "html" else "another document"
        raise Unreadable(f"{kind} instead of {noun}")
    if _is_deep(root):
        raise Unreadable(f"a document nested too deeply instead of {noun}")
    return root


def _is_deep(root: etree._Element) -> bool:
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > MOST_DEPTH:
            return True
    return False
