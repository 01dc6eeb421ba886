"""Makes text from papers and documents inert: what they say is shown, never obeyed.

Decides which characters are active in Markdown (CommonMark, its GitHub tables and bare
links, Obsidian's links, comments and tags) and which are invisible. HTML is escaped by the
template engine itself.
"""

import re

from markupsafe import Markup

# Controls, and marks that reorder or hide the text around them.
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
ACTIVE = re.compile(r"([\\`*_\[\]{}|~$#^])")
DOUBLED = re.compile(r"([%=])\1")  # comments and highlights
BARE_LINK = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)
LEADING = re.compile(r"^(?:[-+=:]|\d{1,9}(?=[.)](?:\s|$)))")  # would begin a list or a heading


def show_invisible(text: str) -> str:
    """The text with each control or reordering mark replaced by U+FFFD."""
    return INVISIBLE.sub("\ufffd", text)


def escape_markdown(text: str) -> Markup:
    """The text on one line, with every character that Markdown would act on escaped."""
    line = show_invisible(" ".join(text.split()))
    line = ACTIVE.sub(r"\\\1", line)
    line = DOUBLED.sub(r"\1\\\1", line)
    line = BARE_LINK.sub(lambda match: "\\" + match[0], line)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Markup(LEADING.sub(_escape_leading, line))


def _escape_leading(match: re.Match[str]) -> str:
    return f"{match[0]}\\" if match[0].isdigit() else f"\\{match[0]}"
