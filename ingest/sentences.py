"""Sentence spans of a paper: the title as one, then the sentences of the abstract.

Decides which section a span belongs to; where a sentence ends is ``claims.sentences``.
Every span is a slice of its section as stored, so that a quote can be checked against it.
"""

from typing import Literal, NamedTuple

from claims import sentences

Section = Literal["title", "abstract"]
TITLE: Section = "title"
ABSTRACT: Section = "abstract"


class PaperSentence(NamedTuple):
    """A slice of one section: ``text == section_text[start:end]``."""

    section: Section
    start: int
    end: int
    text: str


def split_paper(title: str, abstract: str) -> list[PaperSentence]:
    """All spans of a paper in reading order; none is empty."""
    spans = []
    if title.strip():
        start = len(title) - len(title.lstrip())
        spans.append(PaperSentence(TITLE, start, start + len(title.strip()), title.strip()))
    for sentence in sentences.split_sentences(abstract):
        spans.append(PaperSentence(ABSTRACT, sentence.start, sentence.end, sentence.text))
    return spans
