"""The embedded judge's weights: numbers, words and hashes in one npz file, no pickle.

Holds a final model and one model for each fold of the training claims, so that a claim
which was trained on is judged by the model that has not seen it. No abstract's text is
inside: words with their idf, and hashes of normalised claims.
"""

import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.judges.features import PairReading, pool, sentence_matrix
from ingest.judges.reading import Statistics, Vector

CLASSES = ("supports", "against", "neither")
FILE = "embedded.npz"
STATISTICS = ("token_weights", "mean", "common", "spread")
PARTS = ("selector", "scalars", "bag", "signed", "intercept")


@dataclass(frozen=True)
class Model:
    """Linear weights: a sentence selector and three classes."""

    selector: Vector  # (LIKENESS + CUES,)
    scalars: Vector  # (3, scalars)
    bag: Vector  # (3, vocabulary)
    signed: Vector  # (3, vocabulary), on the bag times the claim's sign
    intercept: Vector  # (3,)

    def score_sentences(self, pair: PairReading) -> Vector:
        """How much each sentence looks like evidence; only differences mean something."""
        scores: Vector = sentence_matrix(pair) @ self.selector
        return scores

    def weigh(self, pair: PairReading, bag: Vector) -> Vector:
        """Probabilities of ``CLASSES`` for one pair."""
        scalars = pool(pair, self.score_sentences(pair))
        logits = self.intercept + self.scalars @ scalars
        logits = logits + self.bag @ bag + self.signed @ (bag * pair.sign)
        odds = np.exp(logits - logits.max())
        probabilities: Vector = odds / odds.sum()
        return probabilities


@dataclass(frozen=True)
class Weights:
    """Everything that the judge needs at run time."""

    statistics: Statistics
    vocabulary: dict[str, int]
    bag_idf: Vector
    final: Model
    folds: list[Model]
    fold_of: dict[str, int]  # hash of a training claim -> the fold that left it out
    thresholds: dict[str, float | None]  # by class; None: it never speaks
    leaning_factors: tuple[float, float, float]
    version: str
    training_hash: str  # SHA-256 of the training file
    measured: dict[str, Any] = field(default_factory=dict)

    def model_for(self, claim: str) -> Model:
        """The model that has not seen the claim."""
        fold = self.fold_of.get(hash_claim(claim))
        return self.final if fold is None else self.folds[fold]

    def has_seen(self, claim: str) -> bool:
        """Whether the claim was in the training data."""
        return hash_claim(claim) in self.fold_of


def hash_claim(claim: str) -> str:
    """Hash of a claim's words, so that case and punctuation do not tell two apart."""
    words = " ".join(re.findall(r"[^\W_]+", claim.lower()))
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def save_weights(weights: Weights) -> bytes:
    """The npz file's content."""
    arrays: dict[str, NDArray[Any]] = {
        name: getattr(weights.statistics, name).astype(np.float16) for name in STATISTICS
    }
    for index, model in enumerate([weights.final, *weights.folds]):
        for part in PARTS:
            kind = np.float16 if part in ("bag", "signed") else np.float32
            arrays[f"{part}_{index}"] = getattr(model, part).astype(kind)
    arrays["stem_idf"] = np.array(list(weights.statistics.idf.values()), dtype=np.float16)
    arrays["bag_idf"] = weights.bag_idf.astype(np.float16)
    words = {"stems": list(weights.statistics.idf), "terms": list(weights.vocabulary)}
    facts = {
        "unseen_idf": weights.statistics.unseen_idf,
        "folds": len(weights.folds),
        "fold_of": weights.fold_of,
        "thresholds": weights.thresholds,
        "leaning_factors": weights.leaning_factors,
        "version": weights.version,
        "training_hash": weights.training_hash,
        "measured": weights.measured,
    }
    for name, document in (("words", words), ("facts", facts)):
        arrays[name] = np.frombuffer(json.dumps(document).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def load_weights() -> Weights:
    """The weights that ship with the package."""
    content = (files("ingest.judges") / FILE).read_bytes()
    return parse_weights(content)


def parse_weights(content: bytes) -> Weights:
    """The weights of an npz file's content."""
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    words = json.loads(arrays["words"].tobytes())
    facts = json.loads(arrays["facts"].tobytes())
    idf = dict(zip(words["stems"], arrays["stem_idf"].astype(float).tolist(), strict=True))
    tables = {name: arrays[name].astype(np.float32) for name in STATISTICS}
    models = [_model(arrays, index) for index in range(facts["folds"] + 1)]
    first, second, third = facts["leaning_factors"]
    return Weights(
        Statistics(idf=idf, unseen_idf=facts["unseen_idf"], **tables),
        {term: index for index, term in enumerate(words["terms"])},
        arrays["bag_idf"].astype(np.float32),
        models[0],
        models[1:],
        facts["fold_of"],
        facts["thresholds"],
        (first, second, third),
        facts["version"],
        facts["training_hash"],
        facts["measured"],
    )


def _model(arrays: Mapping[str, NDArray[Any]], index: int) -> Model:
    return Model(**{part: arrays[f"{part}_{index}"].astype(np.float32) for part in PARTS})
