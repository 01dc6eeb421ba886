"""Turns a claim or a paper into what the features need: stems, token vectors, cue counts.

Decides how a word is stemmed and how token vectors are weighted (smooth inverse frequency,
Arora et al. 2017). Knows nothing of labels; its statistics come from the training texts.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.search import STOPWORDS
from ingest.embeddings import load_wordllama, scale_rows
from ingest.judges.cues import count_cues
from ingest.sentences import PaperSentence, split_paper

Vector = NDArray[np.float32]
WORD = re.compile(r"[a-z0-9]+(?:[-'’][a-z0-9]+)*")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
ENDINGS = (
    "ization isation ational fulness ingly edly ations ation ments ment ness ities ity ings ing "
    "ies ied ed ers er ly es s al ive"
).split()
SHORTEST_STEM = 4
SIF_CONSTANT = 1e-3


@dataclass(frozen=True)
class Statistics:
    """Word and token statistics of the training texts (no text)."""

    idf: dict[str, float]  # by stem
    unseen_idf: float
    token_weights: Vector  # (tokens,)
    mean: Vector  # (256,) of weighted text vectors
    common: Vector  # (k, 256) directions that all texts share
    spread: Vector  # (r, 256): rows @ v gives v's standard deviation over papers


class Words:
    """One piece of text as weighted stems."""

    def __init__(self, text: str, statistics: Statistics) -> None:
        words = split_words(text)
        self.words = set(words)
        stems = [stem_word(word) for word in words if word not in STOPWORDS]
        self.counts = Counter(stems)
        self.pairs = set(pairwise(stems))
        self.idf = {s: statistics.idf.get(s, statistics.unseen_idf) for s in self.counts}
        self.total = sum(self.idf.values()) or 1.0
        squares = ((self.idf[s] * (1 + math.log(n))) ** 2 for s, n in self.counts.items())
        self.length = math.sqrt(sum(squares)) or 1.0
        self.numbers = set(NUMBER.findall(text))

    def share_in(self, other: "Words") -> float:
        """The idf-weighted share of this text's stems that the other has."""
        return sum(self.idf[s] for s in self.counts if s in other.counts) / self.total

    def cosine(self, other: "Words") -> float:
        """Cosine of the two tf-idf vectors."""
        common = self.counts.keys() & other.counts.keys()
        dot = sum(
            self.idf[s] ** 2 * (1 + math.log(self.counts[s])) * (1 + math.log(other.counts[s]))
            for s in common
        )
        return dot / (self.length * other.length)

    def pairs_in(self, other: "Words") -> float:
        """The share of this text's neighbouring stems that the other has, too."""
        return len(self.pairs & other.pairs) / max(1, len(self.pairs))


@dataclass
class TextReading:
    """A text with its token ids, its plain and its weighted unit vector."""

    text: str
    words: Words
    tokens: NDArray[np.int64]
    plain: Vector
    weighted: Vector

    @cached_property
    def cues(self) -> Vector:
        """Counts in the order of ``CUES``."""
        return np.array(count_cues(self.text), dtype=np.float32)


@dataclass
class PaperReading:
    """A paper's spans and the whole, read."""

    spans: list[PaperSentence]
    sentences: list[TextReading]
    whole: TextReading


class Reader:
    """Reads texts with the token table of wordllama; one a process."""

    def __init__(self) -> None:
        model = load_wordllama()
        self._tokenizer: Any = model.tokenizer
        self.table: Vector = model.embedding
        self.unit_table: Vector = scale_rows(model.embedding)

    def tokenize(self, texts: list[str]) -> list[NDArray[np.int64]]:
        """Token ids of each text, without padding."""
        self._tokenizer.no_padding()
        found = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        last = len(self.table) - 1
        return [np.minimum(np.array(item.ids, dtype=np.int64), last) for item in found]

    def average(self, tokens: NDArray[np.int64], weights: Vector) -> Vector:
        """The weighted mean of token vectors; zeros for no tokens."""
        if not len(tokens):
            return np.zeros(self.table.shape[1], dtype=np.float32)
        chosen = weights[tokens][:, None]
        mean: Vector = (self.table[tokens] * chosen).sum(axis=0) / chosen.sum()
        return mean

    def read(self, texts: list[str], statistics: Statistics) -> list[TextReading]:
        """Each text, read."""
        ones = np.ones(len(self.table), dtype=np.float32)
        return [
            TextReading(
                text,
                Words(text, statistics),
                tokens,
                unit(self.average(tokens, ones)),
                self._centre(self.average(tokens, statistics.token_weights), statistics),
            )
            for text, tokens in zip(texts, self.tokenize(texts), strict=True)
        ]

    def read_paper(self, title: str, abstract: str, statistics: Statistics) -> PaperReading:
        """A paper's sentences and the whole, read."""
        spans = split_paper(title, abstract)
        whole = " ".join(f"{title} {abstract}".split())  # blanked text leaves runs of spaces
        *sentences, last = self.read([span.text for span in spans] + [whole], statistics)
        return PaperReading(spans, sentences, last)

    @staticmethod
    def _centre(vector: Vector, statistics: Statistics) -> Vector:
        moved = vector - statistics.mean
        return unit(moved - statistics.common.T @ (statistics.common @ moved))


def split_words(text: str) -> list[str]:
    """Lower-case words; a hyphenated word also gives its parts."""
    words = []
    for word in WORD.findall(text.lower()):
        words.append(word)
        if "-" in word:
            words.extend(word.split("-"))
    return words


def stem_word(word: str) -> str:
    """The word without its commonest ending; crude on purpose."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST_STEM:
            return word[: -len(ending)]
    return word


def unit(vector: Vector) -> Vector:
    """The vector at length 1; zeros stay zeros."""
    length = float(np.linalg.norm(vector))
    return (vector / length).astype(np.float32) if length > 0 else vector.astype(np.float32)


def gather_statistics(reader: Reader, texts: list[str]) -> Statistics:
    """Word and token statistics of texts."""
    seen: Counter[str] = Counter()
    for text in texts:
        seen.update({stem_word(w) for w in split_words(text) if w not in STOPWORDS})
    count = len(texts)
    idf = {s: math.log((count + 1) / (n + 1)) for s, n in seen.items() if n > 1}
    tokens = reader.tokenize(texts)
    occurrences = np.zeros(len(reader.table))
    for ids in tokens:
        np.add.at(occurrences, ids, 1)
    weights = (SIF_CONSTANT / (SIF_CONSTANT + occurrences / occurrences.sum())).astype(np.float32)
    vectors = np.array([reader.average(ids, weights) for ids in tokens])
    mean = vectors.mean(axis=0)
    _, scales, directions = np.linalg.svd(vectors - mean, full_matrices=False)
    rest = slice(3, 35)
    spread = directions[rest] * (scales[rest] / math.sqrt(count))[:, None]
    return Statistics(
        idf, math.log(count + 1), weights, mean, directions[:3], spread.astype(np.float32)
    )
