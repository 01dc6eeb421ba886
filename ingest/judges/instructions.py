"""Sentences of a paper that address whoever judges it: found, blanked, never followed.

Decides what of a stored text a judge may read. Blanked characters become spaces, so every
offset still points into the stored text, which is never altered. What hides behind words
that no pattern knows is the business of the second pass and of the quote check.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from claims.sentences import split_sentences
from ingest.judges import PaperText
from ingest.judges.disguises import INVISIBLE, is_disguised, readings
from ingest.judges.orders import PATTERNS

FLAG = "instruction-like text"
LONGEST_BRIDGE = 8  # words; a short sentence between two orders belongs to them
FOREIGN_SHARE = 0.5  # of letters outside the Latin and Greek alphabets
FEWEST_FOREIGN = 8
REPEATS = re.compile(r"\b(\w+)(?:\W+\1\b){3,}", re.IGNORECASE)
BLOCKS = re.compile(  # no abstract needs these
    r"<!--.*?-->|```.*?```|~~~.*?~~~|<(script|style|system|instructions?|prompt|assistant|user|admin"
    r"|tool_call|invoke|function_calls?)\b[^>]*>.*?</\1\s*>|\[(INST|SYS|SYSTEM|ADMIN)\].*?\[/\2\]"
    r"|<\|im_start\|>.*?<\|im_end\|>|<<SYS>>.*?<</SYS>>|[\U000e0000-\U000e007f]+"
    r"|(?<!-)-{2,}\s*BEGIN\b[^\n]*?-{2,}.*?-{2,}\s*END\b[^\n]*?-{2,}",
    re.DOTALL | re.IGNORECASE,
)
MARKED = re.compile(  # these only when an order stands inside
    r"<(\w+)\b[^<>]*>[^<>]*</\1\s*>|\[//\]:\s?#\s?\([^()]*\)|\\\w+(?:\{[^{}]*\})+"
)
BRACKETED = re.compile(r"[\w.]*\([^()]{8,}\)|\[[^\[\]]{8,}\]|[\w.]*\{[^{}]{8,}\}|<[^<>]{8,}>")
FULL_STOPS = re.compile(r"[。！？]\s*")
CACHED = 4096


class Cleaned(NamedTuple):
    """What may be read of a paper, and a line for each kind of order that was blanked."""

    paper: PaperText
    flags: list[str]


class _Piece(NamedTuple):
    start: int
    end: int
    kinds: tuple[str, ...]


def blank_instructions(paper: PaperText) -> Cleaned:
    """The paper with instruction-like text as spaces of the same length; offsets stay true."""
    title, in_title = _blank(paper.title)
    abstract, in_abstract = _blank(paper.abstract)
    if not in_title and not in_abstract:
        return Cleaned(paper, [])
    kinds = sorted({*in_title, *in_abstract})
    flags = [f"{FLAG}: {kind}" for kind in kinds]
    return Cleaned(PaperText(paper.arxiv_id, title, abstract), flags)


def find_orders(text: str) -> tuple[str, ...]:
    """The kinds of orders in one sentence, in any of its readings; empty: ordinary prose."""
    kinds = {kind for kind in ("disguised text",) if is_disguised(text)}
    if _is_foreign(text):
        kinds.add("another alphabet")
    if REPEATS.search(text):
        kinds.add("repeats itself")
    for reading in readings(text):
        kinds.update(kind for kind, pattern in PATTERNS.items() if pattern.search(reading))
    return tuple(sorted(kinds))


@lru_cache(maxsize=CACHED)
def _blank(text: str) -> tuple[str, tuple[str, ...]]:
    """The text without its orders, and their kinds."""
    pieces = _find_blocks(text)
    sentences = [
        _Piece(start, end, find_orders(text[start:end]))
        for start, end in _split(_erase(INVISIBLE.sub(" ", text), pieces))
    ]
    for place, sentence in enumerate(sentences):
        if sentence.kinds:
            pieces.append(_narrow(text, sentence))
        elif _is_bridge(text, sentences, place):
            pieces.append(sentence)
    if not pieces:
        return text, ()
    kinds = tuple(sorted({kind for piece in pieces for kind in piece.kinds}))
    return INVISIBLE.sub(" ", _erase(text, pieces)), kinds


def _split(text: str) -> Iterator[tuple[int, int]]:
    """Sentences; a full stop of another script ends one, too."""
    for sentence in split_sentences(text):
        start = sentence.start
        for stop in FULL_STOPS.finditer(sentence.text):
            yield start, sentence.start + stop.end()
            start = sentence.start + stop.end()
        if start < sentence.end:
            yield start, sentence.end


def _find_blocks(text: str) -> list[_Piece]:
    """Marked blocks: comments, fences, imitated turns, hidden markup around an order."""
    found = [
        _Piece(match.start(), match.end(), find_orders(match[0]) or ("hides itself",))
        for match in BLOCKS.finditer(text)
    ]
    for match in MARKED.finditer(_erase(text, found)):
        kinds = find_orders(match[0])
        if kinds:
            found.append(_Piece(match.start(), match.end(), kinds))
    return found


def _narrow(text: str, sentence: _Piece) -> _Piece:
    """Only the bracket that holds the order, when the rest of its sentence is ordinary prose."""
    words = text[sentence.start : sentence.end]
    guilty = [m for m in BRACKETED.finditer(words) if find_orders(m[0]) or find_orders(m[0][1:-1])]
    if len(guilty) != 1:
        return sentence
    match = guilty[0]
    others = words[: match.start()] + words[match.end() :]
    if len(others.split()) < 4 or find_orders(others):
        return sentence
    return _Piece(sentence.start + match.start(), sentence.start + match.end(), sentence.kinds)


def _is_bridge(text: str, sentences: list[_Piece], place: int) -> bool:
    """Whether a short sentence stands between two orders."""
    if place == 0 or place == len(sentences) - 1:
        return False
    is_between = bool(sentences[place - 1].kinds and sentences[place + 1].kinds)
    here = sentences[place]
    return is_between and len(text[here.start : here.end].split()) <= LONGEST_BRIDGE


def _erase(text: str, pieces: list[_Piece]) -> str:
    for piece in pieces:
        text = text[: piece.start] + " " * (piece.end - piece.start) + text[piece.end :]
    return text


def _is_foreign(text: str) -> bool:
    """Whether most letters are of an alphabet that no English abstract is written in."""
    letters = [c for c in text if c.isalpha()]
    foreign = sum(ord(c) > 0x0400 and not 0x1D400 <= ord(c) <= 0x1D7FF for c in letters)
    return foreign >= FEWEST_FOREIGN and foreign > FOREIGN_SHARE * len(letters)
