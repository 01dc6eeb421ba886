"""Findings of one line that use a word both ways: one says it, another says not.

Decides by words alone that two findings belong side by side; whether they contradict each
other is a person's question.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from claims.likeness import stem_words
from db.models import Finding

NEGATED = re.compile(r"\b(?:not|never|cannot|can't|no longer)\s+(?P<word>[\w-]+)", re.IGNORECASE)
LEAST_SHARED = 2  # telling words in common, beside the one that is denied


@dataclass(frozen=True)
class Disagreement:
    """Two findings by their numbers in the line, the word that parts them, and their texts."""

    word: str
    denied_in: int
    denied_text: str
    said_in: int
    said_text: str


def find_disagreements(findings: Sequence[Finding]) -> list[Disagreement]:
    """Pairs of findings of which one denies a word that the other uses, in their order."""
    pairs = []
    for one, other in combinations(findings, 2):
        found = _compare(one, other) or _compare(other, one)
        if found is not None:
            pairs.append(found)
    return pairs


def _compare(denying: Finding, saying: Finding) -> Disagreement | None:
    said = stem_words(NEGATED.sub(" ", saying.text))
    shared = stem_words(denying.text) & said
    for match in NEGATED.finditer(denying.text):
        stems = stem_words(match["word"])
        if stems and stems <= said and len(shared - stems) >= LEAST_SHARED:
            return Disagreement(
                match["word"],
                denying.position + 1,
                denying.text,
                saying.position + 1,
                saying.text,
            )
    return None
