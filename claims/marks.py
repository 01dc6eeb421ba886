"""Marks that carry no meaning of their own: emphasis, kinds of quotes, escapes, bullets.

Decides what is stripped for reading and what is made equal for matching; the raw text
keeps every mark.
"""

import re

# No mark inside but a lone one: a text of many opening marks must not cost its square.
EMPHASIS = re.compile(
    r"(\*{1,3})(?=\S)((?:[^*]|(?<=\s)\*(?=\s)){1,1000}?)(?<=\S)\1"
    r"|(__)(?=\S)((?:[^_]|_(?!_)){1,1000}?)(?<=\S)__"
)
BULLET = re.compile(r"(?:[•·‣▪◦]\s*|[*–-]\s+|\d{1,3}[.)]\s+)(?P<text>\S.*)")
ESCAPE = re.compile(r"\\([\\\"'*_\[\]()#.!`-])")
QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "`": "'"})


def strip_emphasis(text: str) -> str:
    """The text without asterisks and underscores that only mark emphasis."""
    once = EMPHASIS.sub(_keep_inside, text)
    return EMPHASIS.sub(_keep_inside, once) if once != text else text


def _keep_inside(match: re.Match[str]) -> str:
    return match[2] if match[2] is not None else match[4]


def strip_heading(line: str) -> str:
    """A line without the ``#`` of a heading and without emphasis."""
    return strip_emphasis(line.lstrip("# ")).strip()


def fold_marks(text: str) -> str:
    """The text as it is compared: one kind of quote, no escapes, no emphasis."""
    return strip_emphasis(ESCAPE.sub(r"\1", text).translate(QUOTES))
