"""Markdown, as editors and Obsidian vaults write it, as text in normal form.

Decides front matter (a subset of YAML: words and lists of words), wikilinks and headings.
Every value stays the text that was written: ``2505.13370`` is an id and no number. Knows
nothing of what the note says.
"""

import re
from collections.abc import Mapping
from pathlib import PurePath

from claims.documents import DocumentWarning, normalise_text, unescape_marks
from claims.pages import NoteLink, PageText, find_file_address, unwrap_links
from claims.slugs import make_slug

FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(?P<yaml>.*?)^(?:---|\.\.\.)[ \t]*$\r?\n?", re.S | re.M)
MAX_FRONT_MATTER = 20_000  # characters
NESTED = re.compile(r"[\[{]{50}")  # brackets in a row: so deep is no front matter
WIKILINK = re.compile(
    r"!?\[\[(?P<target>[^\[\]|#^\n]*)(?:[#^][^\[\]|\n]*)?(?:\|(?P<words>[^\[\]\n]+))?\]\]"
)
HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.*?)\s*#*\s*$")
QUOTE = re.compile(r"^\s{0,3}(?:>\s?)+(?:\[![\w-]+\][+-]?\s*)?")
FENCE = re.compile(r"^\s{0,3}(?:```|~~~)[\w-]*\s*$")
CHECKBOX = re.compile(r"^(\s*[-*]\s+)\[[ xX]\]\s+")


def read_markdown(text: str, name: str) -> PageText:
    """Read a Markdown file; front matter that cannot be read stays text, with a warning."""
    body, fields, warnings = _split_front_matter(text.lstrip("\ufeff"), name)
    plain, wikilinks = _unwrap_wikilinks(unescape_marks(body))
    plain, links = unwrap_links(plain)
    lines = [_strip_line(line) for line in plain.splitlines()]
    return PageText(
        name=name,
        text=normalise_text("\n".join(lines)) or _text_of_fields(fields),
        address=find_file_address(name),
        links=(*links, *wikilinks),
        is_markdown=True,
        stem=PurePath(name).stem if PurePath(name).suffix else None,
        fields=fields,
        warnings=tuple(warnings),
    )


def _text_of_fields(fields: Mapping[str, tuple[str, ...]]) -> str:
    """A note may be front matter alone: its title is then its text."""
    return normalise_text("\n".join(fields.get("title", ())))


def _split_front_matter(
    text: str, name: str
) -> tuple[str, dict[str, tuple[str, ...]], list[DocumentWarning]]:
    match = FRONT_MATTER.match(text)
    if match is None:
        return text, {}, []
    fields = _read_yaml(match["yaml"])
    if fields is None:
        warning = DocumentWarning(
            "front-matter", f"front matter of {name} is not understood, kept as text"
        )
        return match["yaml"] + "\n" + text[match.end() :], {}, [warning]
    return text[match.end() :], fields, []


def _read_yaml(text: str) -> dict[str, tuple[str, ...]] | None:
    """Keys in lower case with their words; None when the text is no such mapping."""
    import yaml

    if len(text) > MAX_FRONT_MATTER or NESTED.search(text):
        return None
    try:
        # Values as they are written: the safe loader's numbers would drop an id's last zero.
        values = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    if values is None:
        return {}
    if not isinstance(values, dict):
        return None
    return {str(key).strip().lower(): _words_of(value) for key, value in values.items()}


def _words_of(value: object) -> tuple[str, ...]:
    """A value or a list of values as plain words; what is nested deeper is left as written."""
    items = value if isinstance(value, list) else [value]
    words = (" ".join(str(item).split()) for item in items if item is not None)
    return tuple(WIKILINK.sub(_show_wikilink, word) for word in words if word)


def _unwrap_wikilinks(text: str) -> tuple[str, list[NoteLink]]:
    """``[[x|y]]`` as y and ``[[x]]`` as x; x is the other note's name, so its slug is known."""
    links = []
    for match in WIKILINK.finditer(text):
        slug = make_slug(match["target"].split("/")[-1].removesuffix(".md"))
        if match["words"] and slug and not match[0].startswith("!"):
            links.append(NoteLink(" ".join(match["words"].split()), slug))
    return WIKILINK.sub(_show_wikilink, text), links


def _show_wikilink(match: re.Match[str]) -> str:
    return (match["words"] or match["target"]).strip()


def _strip_line(line: str) -> str:
    """A line without the marks of headings, quotes, fences and check boxes."""
    bare = QUOTE.sub("", line)
    if FENCE.match(bare):
        return ""
    heading = HEADING.match(bare)
    return heading[1] if heading else CHECKBOX.sub(r"\1", bare)
