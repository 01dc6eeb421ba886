"""Vectors of texts by the pretrained encoder, for the embedded judge and for triage.

Decides what of a text is read (its first pieces; a claim without its date) and how it is
computed (one torch thread, bfloat16 where the processor multiplies it). Imports torch when
the first text is read, not before. Learns nothing.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ingest.judges.encoder_weights import (
    HEADS,
    LAYERS,
    MATRICES,
    WIDTH,
    Encoder,
    Floats,
    read_encoder,
)

LONGEST = 64  # word pieces of a sentence, with its marks
START, END = 101, 102  # [CLS] and [SEP] of the vocabulary
MASKED, EPSILON = -1e4, 1e-12
BATCH, KEPT = 64, 20_000  # texts at once; vectors remembered
_DATE_FIRST = re.compile(r"^(?:As of|By|In) [^,:]{3,20}[,:] ")
_DATE_LAST = re.compile(r"\s*\((?:as of )?\d{4}-\d\d\)", re.IGNORECASE)


def strip_date(claim: str) -> str:
    """The claim without "As of May 2025," or "(2025-05)": its date is no part of what it says."""
    return _DATE_FIRST.sub("", _DATE_LAST.sub("", claim))


class Encodes(Protocol):
    """Anything that turns texts into the encoder's unit vectors."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """One unit vector a text, shape (texts, 384)."""
        ...


class SentenceEncoder:
    """Unit vectors of texts, each computed once."""

    def __init__(self, path: Path, vocabulary: list[str], longest: int = LONGEST) -> None:
        self._path, self._vocabulary, self._longest = path, vocabulary, longest
        self._known: OrderedDict[str, Floats] = OrderedDict()
        self._layers: _Layers | None = None
        self._tokenizer: Any = None

    def encode(self, texts: Sequence[str]) -> Floats:
        """One unit vector a text, shape (texts, 384)."""
        found = {text: self._known[text] for text in texts if text in self._known}
        new = sorted({text for text in texts if text not in found}, key=lambda t: (len(t), t))
        for start in range(0, len(new), BATCH):
            part = new[start : start + BATCH]
            found.update(zip(part, self._compute(part), strict=True))
        self._known.update(found)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return np.array([found[text] for text in texts], dtype=np.float32)

    def split(self, text: str) -> list[int]:
        """Numbers of the text's word pieces."""
        if self._tokenizer is None:
            from tokenizers import BertWordPieceTokenizer

            numbered = {piece: index for index, piece in enumerate(self._vocabulary)}
            self._tokenizer = BertWordPieceTokenizer(vocab=numbered, lowercase=True)
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _compute(self, texts: list[str]) -> Floats:
        rows = [[START, *self.split(text)[: self._longest - 2], END] for text in texts]
        with _one_thread():
            if self._layers is None:
                self._layers = _Layers(read_encoder(self._path))
            return self._layers.read(rows)


class _Layers:
    """The transformer (Vaswani et al. 2017), normalised after each half; torch tensors."""

    def __init__(self, encoder: Encoder) -> None:
        import torch

        supports: Callable[[], bool] = getattr(
            torch.cpu, "_is_avx512_bf16_supported", lambda: False
        )
        self._precision = torch.bfloat16 if supports() else torch.float32

        def take(array: Floats) -> Any:
            return torch.from_numpy(np.array(array)).to(self._precision)

        self._words, self._positions = encoder.words, encoder.positions + encoder.kinds[0]
        self._norm = [torch.from_numpy(np.array(part)) for part in encoder.norm]
        self._matrices = [
            {m: (take(layer.matrices[m]), take(layer.biases[m])) for m in MATRICES}
            for layer in encoder.layers
        ]
        self._norms = [
            {name: (take(scale), take(shift)) for name, (scale, shift) in layer.norms.items()}
            for layer in encoder.layers
        ]

    def read(self, rows: list[list[int]]) -> Floats:
        """Mean state of each row's pieces, at length 1."""
        import torch
        from torch.nn import functional

        with torch.inference_mode():
            width = max(len(row) for row in rows)
            ids = np.zeros((len(rows), width), dtype=np.int64)
            here = np.zeros((len(rows), width), dtype=np.float32)
            for index, row in enumerate(rows):
                ids[index, : len(row)], here[index, : len(row)] = row, 1
            states = torch.from_numpy(self._words[ids] + self._positions[:width])
            scale, shift = self._norm
            states = functional.layer_norm(states, (WIDTH,), scale, shift, EPSILON)
            states, exists = states.to(self._precision), torch.from_numpy(here)
            mask = ((1 - exists) * MASKED).to(self._precision)[:, None, None, :]
            for index in range(LAYERS):
                states = self._run(index, states, mask)
            mean = (states.float() * exists[..., None]).sum(1) / exists.sum(1, keepdim=True)
            vectors: Floats = functional.normalize(mean, dim=-1).numpy()
            return vectors

    def _run(self, index: int, states: Any, mask: Any) -> Any:
        from torch.nn import functional

        matrices, norms, rows = self._matrices[index], self._norms[index], states.shape[0]

        def multiply(name: str, x: Any) -> Any:
            return functional.linear(x, *matrices[name])

        def normalise(name: str, x: Any) -> Any:
            return functional.layer_norm(x, (WIDTH,), *norms[name], eps=EPSILON)

        query, key, value = (
            multiply(name, states).view(rows, -1, HEADS, WIDTH // HEADS).transpose(1, 2)
            for name in MATRICES[:3]
        )
        joined = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        flat = joined.transpose(1, 2).reshape(rows, -1, WIDTH)
        middle = normalise("attended", states + multiply("attended", flat))
        return normalise(
            "narrow", middle + multiply("narrow", functional.gelu(multiply("wide", middle)))
        )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Nights run workers beside each other: more threads would only stand in line."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
