"""The offline judge: linear weights on likeness, cue words and a bag of words.

It says a stance only where its precision on unseen claims was measured to be good enough
(``embedded.md``); otherwise ``unclear``, with the closest sentences. Paper text cannot
instruct it: instruction-like text is flagged, and the sentences that hold it are left out
before anything is computed.
"""

from functools import lru_cache

import numpy as np

from ingest.judges import Judgement, PaperText, Span, Stance
from ingest.judges.features import CLOSEST, bag_words, compare
from ingest.judges.instructions import blank_instructions
from ingest.judges.reading import PaperReading, Reader, TextReading, Vector
from ingest.judges.weights import CLASSES, Weights, load_weights
from ingest.sentences import PaperSentence

STANCE_OF_CLASS: tuple[Stance, ...] = ("supports", "relaxes", "unclear")
CACHED_PAPERS = 2000


class EmbeddedJudge:
    """Judges a pair by the model that has not been trained on its claim."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._reader = Reader()
        self._read_claim = lru_cache(maxsize=64)(self._read_claim_afresh)
        self._read_paper = lru_cache(maxsize=CACHED_PAPERS)(self._read_paper_afresh)

    @property
    def name(self) -> str:
        """Name, version and the training file's hash."""
        return f"embedded-{self._weights.version}+{self._weights.training_hash[:8]}"

    @property
    def quality(self) -> str:
        """Where it speaks, and what its leanings are worth on claims that it had not seen."""
        measured, bars = self._weights.measured, self._weights.thresholds
        spoken = [name for name, bar in bars.items() if bar is not None]
        leaning = measured["leaning"]
        low, high = leaning["ci95"]
        return (
            f"states {' and '.join(spoken) if spoken else 'no stance'}"
            f"{'' if spoken else ', as its precision on unseen claims was too low'}; its leanings "
            f"reach a three-way macro-F1 of {leaning['macro_f1']:.2f} [{low:.2f}, {high:.2f}] by "
            f"leave-claims-out on {measured['pairs']:,} labelled pairs of {measured['claims']} "
            "claims"
        )

    def has_seen(self, claim: str) -> bool:
        """Whether the claim was in the training data (then a fold model answers)."""
        return self._weights.has_seen(claim)

    def judge_stance(self, claim: str, paper: PaperText) -> Judgement:
        """Stance, evidence sentence and closest sentences of one pair."""
        reading, bag, flags = self._read_paper(paper.title, paper.abstract)
        scope = {"flags": flags} if flags else {}
        if not reading.spans:
            return Judgement("unclear", scope=scope)
        pair = compare(
            self._read_claim(claim), reading, self._reader.unit_table, self._weights.statistics
        )
        model = self._weights.model_for(claim)
        order = np.argsort(-model.score_sentences(pair), kind="stable")
        closest = [_span(reading.spans[index]) for index in order[:CLOSEST]]
        probabilities = [float(p) for p in model.weigh(pair, bag)]
        spoken = self._speak(probabilities)
        speaks = STANCE_OF_CLASS[spoken] != "unclear"
        leaning = int(np.argmax(np.array(probabilities) * self._weights.leaning_factors))
        return Judgement(
            STANCE_OF_CLASS[spoken],
            confidence=probabilities[spoken] if speaks else None,
            quote=closest[0] if speaks else None,
            closest=closest,
            leaning=STANCE_OF_CLASS[leaning],
            probabilities=dict(zip(CLASSES, probabilities, strict=True)),
            scope=scope,
        )

    def _speak(self, probabilities: list[float]) -> int:
        """The class whose threshold is passed by most; the last class if none is."""
        margins = [
            -1.0 if bar is None else probabilities[CLASSES.index(name)] - bar
            for name, bar in self._weights.thresholds.items()
        ]
        best = int(np.argmax(margins))  # thresholds stand in the order of the classes
        return best if margins[best] >= 0 else len(probabilities) - 1

    def _read_claim_afresh(self, claim: str) -> TextReading:
        return self._reader.read([claim], self._weights.statistics)[0]

    def _read_paper_afresh(
        self, title: str, abstract: str
    ) -> tuple[PaperReading, Vector, list[str]]:
        weights = self._weights
        shown, flags = blank_instructions(PaperText("", title, abstract))
        reading = self._reader.read_paper(shown.title, shown.abstract, weights.statistics)
        bag = bag_words(reading.whole.text, weights.vocabulary, weights.bag_idf)
        return reading, bag, flags


def load_embedded_judge() -> EmbeddedJudge:
    """The judge with the weights that ship with the package."""
    return EmbeddedJudge(load_weights())


def _span(sentence: PaperSentence) -> Span:
    return Span(sentence.section, sentence.start, sentence.end, sentence.text)
