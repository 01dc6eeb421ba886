"""The embedded judge's weights: numbers, words and hashes in one npz file, no pickle.

Holds a final voice and one for each fold of the training claims, so that a claim which was
trained on is judged by the voice that has not seen it. No abstract's text is inside: words
with their idf, the encoder's vocabulary, and hashes of normalised claims.
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

from ingest.judges.dense import Meeting
from ingest.judges.features import PairReading, pool, sentence_matrix
from ingest.judges.operating_points import Rule, rule_from_json
from ingest.judges.picking import Picker
from ingest.judges.reading import Statistics, Vector

FILE = "embedded.npz"
STATISTICS = ("token_weights", "mean", "common", "spread")
PARTS = ("selector", "scalars", "bag", "signed", "intercept", "dense")
KINDS = ("words", "full")
PICKER_PARTS = ("numbers", "words")


@dataclass(frozen=True)
class Model:
    """Linear weights: a sentence selector and three classes."""

    selector: Vector  # (LIKENESS + CUES,)
    scalars: Vector  # (3, scalars)
    bag: Vector  # (3, vocabulary)
    signed: Vector  # (3, vocabulary), on the bag times the claim's sign
    intercept: Vector  # (3,)
    dense: Vector  # (3, COSINES + BLOCKS x 384), or (3, 0) of a model without the encoder

    def score_sentences(self, pair: PairReading) -> Vector:
        """How much each sentence looks like evidence; only differences mean something."""
        scores: Vector = sentence_matrix(pair) @ self.selector
        return scores

    def weigh(self, pair: PairReading, bag: Vector, meeting: Meeting | None = None) -> Vector:
        """Probabilities of ``CLASSES`` for one pair."""
        scalars = pool(pair, self.score_sentences(pair))
        logits = self.intercept + self.scalars @ scalars
        logits = logits + self.bag @ bag + self.signed @ (bag * pair.sign)
        if meeting is not None:
            logits = logits + self.dense @ np.concatenate([meeting.cosines, meeting.blocks])
        odds = np.exp(logits - logits.max())
        probabilities: Vector = odds / odds.sum()
        return probabilities


@dataclass(frozen=True)
class Voice:
    """What answers for the claims that it has not seen: with the encoder, and without."""

    words: Model
    words_rule: Rule
    full: Model
    rule: Rule
    picker: Picker  # of the sentences that are shown, with the encoder or without


@dataclass(frozen=True)
class Weights:
    """Everything that the judge needs at run time."""

    statistics: Statistics
    vocabulary: dict[str, int]
    bag_idf: Vector
    pieces: list[str]  # the encoder's vocabulary
    final: Voice
    folds: list[Voice]
    fold_of: dict[str, int]  # hash of a training claim -> the fold that left it out
    version: str
    training_hash: str  # SHA-256 of the training file
    measured: dict[str, Any] = field(default_factory=dict)

    def voice_for(self, claim: str) -> Voice:
        """The voice that has not seen the claim."""
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
    voices = [weights.final, *weights.folds]
    for index, voice in enumerate(voices):
        for kind in KINDS:
            for part in PARTS:
                array = getattr(getattr(voice, kind), part)
                precision = np.float16 if part in ("bag", "signed") else np.float32
                arrays[f"{kind}_{part}_{index}"] = array.astype(precision)
        for part in PICKER_PARTS:
            arrays[f"picker_{part}_{index}"] = getattr(voice.picker, part)
    stems = sorted(weights.statistics.idf)  # so that the same training gives the same bytes
    arrays["stem_idf"] = np.array([weights.statistics.idf[s] for s in stems], dtype=np.float16)
    arrays["bag_idf"] = weights.bag_idf.astype(np.float16)
    words = {
        "stems": stems,
        "terms": list(weights.vocabulary),
        "pieces": weights.pieces,
    }
    facts = {
        "unseen_idf": weights.statistics.unseen_idf,
        "folds": len(weights.folds),
        "fold_of": weights.fold_of,
        "rules": [[voice.words_rule, voice.rule] for voice in voices],
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
    voices = [_voice(arrays, index, rules) for index, rules in enumerate(facts["rules"])]
    return Weights(
        Statistics(idf=idf, unseen_idf=facts["unseen_idf"], **tables),
        {term: index for index, term in enumerate(words["terms"])},
        arrays["bag_idf"].astype(np.float32),
        words["pieces"],
        voices[0],
        voices[1:],
        facts["fold_of"],
        facts["version"],
        facts["training_hash"],
        facts["measured"],
    )


def _voice(arrays: Mapping[str, NDArray[Any]], index: int, rules: list[Any]) -> Voice:
    words_rule, rule = (rule_from_json(document) for document in rules)
    words, full = (
        Model(**{part: arrays[f"{kind}_{part}_{index}"].astype(np.float32) for part in PARTS})
        for kind in KINDS
    )
    picker = Picker(*(arrays[f"picker_{part}_{index}"] for part in PICKER_PARTS))
    return Voice(words, words_rule, full, rule, picker)
