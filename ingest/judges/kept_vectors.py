"""Sentence vectors kept in a folder while training, so that no text is encoded twice.

Rows are named by hashes of the texts; the files stay on the trainer's machine.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ingest.judges.encoder_weights import SHA256, Floats
from ingest.judges.sentence_encoder import Encodes

PART = 2000  # texts between two writes


class KeptVectors:
    """An encoder that remembers on disk."""

    def __init__(self, encoder: Encodes, folder: Path) -> None:
        self._encoder, self._folder = encoder, folder
        folder.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, Floats] = {}
        for path in sorted(folder.glob(f"vectors-{SHA256[:8]}-*.npz")):
            with np.load(path, allow_pickle=False) as stored:
                self._known.update(zip(stored["names"].tolist(), stored["vectors"], strict=True))

    def encode(self, texts: Sequence[str]) -> Floats:
        """One unit vector a text, shape (texts, 384)."""
        names = [hash_text(text) for text in texts]
        new = {
            name: text for name, text in zip(names, texts, strict=True) if name not in self._known
        }
        order = sorted(new, key=lambda name: (len(new[name]), name))
        for start in range(0, len(order), PART):
            part = order[start : start + PART]
            vectors = self._encoder.encode([new[name] for name in part])
            self.keep(part, vectors)
        return np.array([self._known[name] for name in names], dtype=np.float32)

    def keep(self, names: list[str], vectors: Floats) -> None:
        """Remember rows, in memory and in a file that is written whole."""
        self._known.update(zip(names, vectors, strict=True))
        path = self._folder / f"vectors-{SHA256[:8]}-{hash_text(''.join(names))}.npz"
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, names=np.array(names), vectors=vectors)
        part.replace(path)


def hash_text(text: str) -> str:
    """A name for a text that does not hold it."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]
