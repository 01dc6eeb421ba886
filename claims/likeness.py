"""How alike two short texts are, by the words that carry meaning.

Decides stems and what counts as the subject of a text: words of a contrast ("instead of
only deeper") are what it argues against, not what it is about.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from claims.search import query_words

SUFFIXES = (
    "izations", "ization", "ations", "ation", "ities", "ments", "ment", "ings", "ing", "ness",
    "ive", "ions", "ion", "ally", "ers", "er", "ies", "ied", "ed", "es", "ity", "ize", "ly", "al",
    "y", "s", "e", "t",
)  # fmt: skip
CONTRAST = re.compile(
    r"\b(?:instead of|rather than|as opposed to|unlike|sidesteps?|avoids?)\b[^.,;?!]*"
    r"|\b[\w]+-only\b",
    re.IGNORECASE,
)
MIN_STEM = 4


def stem_words(text: str) -> set[str]:
    """Stems of the telling words: rough, but the same for scaling, scales and scale."""
    return set(_stem_text(text))


def stem_subject(texts: Iterable[str]) -> set[str]:
    """Stems of what the texts are about, contrasts left out."""
    return set().union(*(stem_words(CONTRAST.sub(" ", text)) for text in texts))


def is_covered(label: str, texts: Iterable[str]) -> bool:
    """Whether every telling word of a label is a subject of the texts."""
    wanted = stem_words(label)
    return bool(wanted) and wanted <= stem_subject(texts)


def measure_overlap(first: str, second: str) -> float:
    """Shared stems over the smaller set's size: 0 nothing in common, 1 one holds the other."""
    one, other = _stem_text(first), _stem_text(second)
    return len(one & other) / min(len(one), len(other)) if one and other else 0.0


@lru_cache(maxsize=4_000)  # a note's text comes back with every line that lists it
def _stem_text(text: str) -> frozenset[str]:
    return frozenset(stem_word(word) for word in query_words(text) if len(word) > 2)


@lru_cache(maxsize=200_000)  # documents share most of their words
def stem_word(word: str) -> str:
    """A rough stem of one lower-case word: scaling, scales and scale come out alike."""
    for suffix in SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= MIN_STEM:
            return word[: -len(suffix)]
    return word
