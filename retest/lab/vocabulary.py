"""Word-level vocabularies: one token a word, in a fixed order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Vocabulary:
    """The words of a task; a token is a word's place."""

    words: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def places(self) -> dict[str, int]:
        """Word to token."""
        return {word: place for place, word in enumerate(self.words)}

    def encode(self, words: Iterable[str]) -> list[int]:
        """Tokens of the words; KeyError for a word that is not of this vocabulary."""
        return [self.places[word] for word in words]

    def decode(self, tokens: Sequence[int]) -> list[str]:
        """Words of the tokens."""
        return [self.words[token] for token in tokens]
