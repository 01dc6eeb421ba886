"""Sentences of a text as exact spans.

Decides where a sentence ends: not after an abbreviation, an initial, or inside a number.
Every span is a slice of the text that it came from.
"""

import re
from typing import NamedTuple

BOUNDARY = re.compile(r"[.!?]+[\"'”’)\]]*(?=\s|$)|\n+")
ABBREVIATIONS = frozenset(
    "al e.g i.e cf vs etc fig figs eq eqs sec no resp approx w.r.t st dr prof mr mrs ms".split()
)
LAST_WORD = re.compile(r"([\w.]+)$")


class Sentence(NamedTuple):
    """A sentence and its character offsets in the text."""

    text: str
    start: int
    end: int


def split_sentences(text: str) -> list[Sentence]:
    """The sentences of a text, in order; none is empty."""
    sentences: list[Sentence] = []
    start = 0
    for match in BOUNDARY.finditer(text):
        if _ends_sentence(text, match):
            _append(sentences, text, start, match.end())
            start = match.end()
    _append(sentences, text, start, len(text))
    return sentences


def first_sentence(text: str) -> str:
    """The first sentence of a text; empty for an empty text."""
    sentences = split_sentences(text)
    return sentences[0].text if sentences else ""


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    if match[0].isspace():
        return True
    following = text[match.end() :].lstrip()
    word = LAST_WORD.search(text[: match.start()])
    if match[0].startswith(".") and word:
        last = word[1].lower()
        is_initial = len(last) == 1 and last.isalpha() and word[1].isupper()
        if last in ABBREVIATIONS or is_initial:
            return False
    return not following or not following[0].islower()


def _append(sentences: list[Sentence], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        offset = start + len(piece) - len(piece.lstrip())
        sentences.append(Sentence(stripped, offset, offset + len(stripped)))
