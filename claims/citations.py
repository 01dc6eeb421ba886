"""Where an essay cites a note: its exact title stands in the prose, without any marks.

Decides which sentence a citation belongs to and which note a number in it belongs to. The
essay's own questions look alike, so only titles that the line lists are found.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from claims.sentences import split_sentences


@dataclass(frozen=True)
class CitedTitle:
    """A title found in a paragraph, with its character offsets there."""

    title: str
    start: int
    end: int


@dataclass(frozen=True)
class CitingSentence:
    """A sentence of an essay and the titles in it; offsets are within its paragraph."""

    text: str
    start: int
    end: int
    titles: tuple[CitedTitle, ...]

    def own_words(self) -> str:
        """The sentence with its titles blanked out, so that offsets stay what they are."""
        text = self.text
        for cited in self.titles:
            start, end = cited.start - self.start, cited.end - self.start
            text = text[:start] + " " * (end - start) + text[end:]
        return text

    def title_for(self, offset: int) -> str | None:
        """The title that words at an offset of the sentence belong to: the next, else the last."""
        place = self.start + offset
        following = [cited.title for cited in self.titles if cited.start >= place]
        if following:
            return following[0]
        return self.titles[-1].title if self.titles else None


def find_titles(paragraph: str, titles: Iterable[str]) -> list[CitedTitle]:
    """Every whole occurrence of a title, longest first where they overlap, in text order."""
    taken: list[CitedTitle] = []
    for title in sorted({t for t in titles if t}, key=len, reverse=True):
        for match in re.finditer(re.escape(title), paragraph):
            if not any(c.start < match.end() and match.start() < c.end for c in taken):
                taken.append(CitedTitle(title, match.start(), match.end()))
    return sorted(taken, key=lambda cited: cited.start)


def split_essay(paragraph: str, titles: Iterable[str]) -> list[CitingSentence]:
    """The sentences of a paragraph, where a title's question mark ends none of them."""
    found = find_titles(paragraph, titles)
    masked = paragraph
    for cited in found:
        masked = masked[: cited.start] + "_" * (cited.end - cited.start) + masked[cited.end :]
    return [
        CitingSentence(
            paragraph[s.start : s.end],
            s.start,
            s.end,
            tuple(c for c in found if s.start <= c.start and c.end <= s.end),
        )
        for s in split_sentences(masked)
    ]
