"""Marks that carry no meaning of their own: emphasis, kinds of quotes, escapes, bullets.

Decides what is stripped for reading and what is made equal for matching; the raw text
keeps every mark.
"""

import re

EMPHASIS = re.compile(r"(\*{1,3}|__)(?=\S)(.{1,1000}?)(?<=\S)\1")  # bounded: data may be hostile
BULLET = re.compile(r"(?:[•·‣▪◦]\s*|[*–-]\s+|\d{1,3}[.)]\s+)(?P<text>\S.*)")
ESCAPE = re.compile(r"\\([\\\"'*_\[\]()#.!`-])")
QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "`": "'"})


def strip_emphasis(text: str) -> str:
    """The text without asterisks and underscores that only mark emphasis."""
    return EMPHASIS.sub(r"\2", text)


def strip_heading(line: str) -> str:
    """A line without the ``#`` of a heading and without emphasis."""
    return strip_emphasis(line.lstrip("# ")).strip()


def fold_marks(text: str) -> str:
    """The text as it is compared: one kind of quote, no escapes, no emphasis."""
    return strip_emphasis(ESCAPE.sub(r"\1", text).translate(QUOTES))
