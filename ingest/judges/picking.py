"""Which sentences of a paper to show: the one that readers would quote, and the closest.

Weighs what a sentence shares with the claim, its cue words, and its own words, with weights
learned from readers' quotes. Decides only what is shown and quoted; what the judge computes
its stance from is chosen by a plainer selector. Keeps no sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.judges.features import PairReading, bag_words, sentence_matrix
from ingest.judges.reading import Vector
from ingest.sentences import PaperSentence


class SentenceBag(NamedTuple):
    """A sentence's words that the vocabulary knows, at length 1."""

    terms: NDArray[np.int64]
    weights: Vector


@dataclass(frozen=True)
class Picker:
    """Linear weights of a sentence's numbers and words."""

    numbers: Vector  # (LIKENESS + CUES,)
    words: Vector  # (vocabulary,)

    def score(self, pair: PairReading, bags: Sequence[SentenceBag]) -> Vector:
        """How much each sentence looks like what a reader would quote, shape (sentences,)."""
        own = [self.words[bag.terms] @ bag.weights for bag in bags]
        scores: Vector = sentence_matrix(pair) @ self.numbers + np.array(own, dtype=np.float32)
        return scores


def bag_sentences(
    spans: Sequence[PaperSentence], vocabulary: dict[str, int], idf: Vector
) -> list[SentenceBag]:
    """The words of each span."""
    bags = []
    for span in spans:
        bag = bag_words(span.text, vocabulary, idf)
        terms = np.flatnonzero(bag)
        bags.append(SentenceBag(terms, bag[terms]))
    return bags
