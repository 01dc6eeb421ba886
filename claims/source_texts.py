"""The texts that claims rest on: a paper's abstract and, where it was loaded, its full text.

Decides which sentences count as read, where exactly each stands, and which of them speak
of the paper's own work. Knows nothing of claims.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from claims.likeness import stem_words
from claims.number_checks import Given, QualifiedNumber, given_values, gives_any, read_numbers
from claims.quantities import find_quantities
from claims.sentences import split_sentences

Read = Literal["abstract", "full text"]
OWN_WORK = re.compile(
    r"\b(?:we|our|ours|this (?:paper|work|study|article)|here)\b|\b(?:experiments?|results?|"
    r"evaluations?|analys[ei]s) (?:show|reveal|demonstrate|suggest|indicate|confirm)",
    re.IGNORECASE,
)
OTHERS_WORK = re.compile(r"\b(?:related work|prior work|background)\b", re.IGNORECASE)
NUMBER_BONUS = 0.15
OWN_BONUS = 0.1  # of likeness


@dataclass(frozen=True)
class Passage:
    """A sentence of a source; offsets count within the abstract or within the full text."""

    text: str
    start: int
    end: int
    section: str
    stems: frozenset[str]
    is_full_text: bool = False

    @cached_property
    def is_own_work(self) -> bool:
        """Whether the sentence speaks of what this paper did."""
        return OWN_WORK.search(self.text) is not None

    @cached_property
    def given(self) -> Given:
        """The numbers that the sentence gives."""
        return given_values(self.text)

    @property
    def own_bonus(self) -> float:
        """What a sentence about the paper's own work is ahead of others, and of related work."""
        if OTHERS_WORK.search(self.section):
            return -OWN_BONUS
        return OWN_BONUS if self.is_own_work else 0.0


@dataclass(frozen=True)
class SourceText:
    """One paper as a source: what of it can be read here, and of which version it is."""

    arxiv_id: str
    title: str
    abstract: str
    authors: tuple[str, ...]
    published: str | None  # first submission (or listing) as YYYY-MM-DD
    newest_version: int
    abstract_version: int
    is_withdrawn: bool
    full_text: str | None = None
    full_text_version: int | None = None
    sections: Sequence[dict[str, Any]] = field(default_factory=tuple)
    earlier_abstracts: dict[int, str] = field(default_factory=dict)  # by version

    @property
    def read(self) -> Read:
        """Which text a comparison reads."""
        return "full text" if self.full_text else "abstract"

    @property
    def all_text(self) -> str:
        """Everything of it that was read, for looking up words and numbers."""
        return "\n".join(part for part in (self.title, self.abstract, self.full_text) if part)

    @cached_property
    def abstract_passages(self) -> tuple[Passage, ...]:
        """The sentences of the abstract."""
        return tuple(
            Passage(s.text, s.start, s.end, "abstract", frozenset(stem_words(s.text)))
            for s in split_sentences(self.abstract)
        )

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """The sentences of the abstract, then those of the full text."""
        return (*self.abstract_passages, *self._full_passages())

    @cached_property
    def summary_stems(self) -> frozenset[str]:
        """Stems of title and abstract."""
        return frozenset(stem_words(f"{self.title} {self.abstract}"))

    @cached_property
    def given(self) -> Given:
        """The numbers that it gives anywhere."""
        return given_values(self.all_text)

    @cached_property
    def numbers(self) -> list[QualifiedNumber]:
        """Its numbers with their qualifiers."""
        return read_numbers(self.all_text)

    def version_of(self, passage: Passage) -> int:
        """The version of the paper that a passage was read in."""
        if passage.is_full_text and self.full_text_version is not None:
            return self.full_text_version
        return self.abstract_version

    def _full_passages(self) -> list[Passage]:
        text = self.full_text or ""
        parts = self.sections or [{"name": "text", "start": 0, "end": len(text)}]
        return [
            Passage(
                s.text,
                part["start"] + s.start,
                part["start"] + s.end,
                part["name"],
                frozenset(stem_words(s.text)),
                is_full_text=True,
            )
            for part in parts
            for s in split_sentences(text[part["start"] : part["end"]])
        ]


def score_likeness(stems: frozenset[str] | set[str], passage: Passage) -> float:
    """Shared stems over the smaller set's size, as ``claims.likeness`` measures it."""
    smaller = min(len(stems), len(passage.stems))
    return len(stems & passage.stems) / smaller if smaller else 0.0


def find_closest(text: str, passages: Sequence[Passage]) -> tuple[float, Passage] | None:
    """The passage most like a text; the first of equals; None without passages.

    A passage of one or two words is a heading, not a sentence that could bear a claim; of
    nearly equal ones, one that gives the text's numbers outranks one that does not, and one
    about the paper's own work one of its background.
    """
    scored = rank_passages(text, passages)
    best = max(scored, key=lambda row: row[0], default=None)
    return (best[1], best[2]) if best else None


def rank_passages(text: str, passages: Sequence[Passage]) -> list[tuple[float, float, Passage]]:
    """Each passage with its rank (higher is closer) and its likeness."""
    stems = stem_words(text)
    numbers = [quantity for quantity in find_quantities(text) if quantity.unit]
    whole = [passage for passage in passages if len(passage.stems) > 2] or list(passages)
    scored = []
    for passage in whole:
        likeness = score_likeness(stems, passage)
        bonus = NUMBER_BONUS if numbers and gives_any(numbers, passage.given) else 0.0
        scored.append((likeness + passage.own_bonus + bonus, likeness, passage))
    return scored
