"""The offline judge: linear weights on sentence vectors, likeness, cue words and a bag of words.

It states a side only in bands of probability whose precision on unseen claims was measured
to be clearly better than chance (``embedded.md``), says how good each band is, and answers
``unclear`` otherwise. Without the encoder's package it judges by word features alone, under
another name. Paper text cannot instruct it: instruction-like text is flagged, and the
sentences that hold it are left out before anything is computed.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ingest.judges import Judgement, PaperText, Span, Stance
from ingest.judges.dense import choose_spans, meet
from ingest.judges.encoder_weights import find_encoder
from ingest.judges.features import CLOSEST, bag_words, compare
from ingest.judges.instructions import blank_instructions
from ingest.judges.operating_points import CLASSES, NEITHER, Band, Rule
from ingest.judges.picking import SentenceBag, bag_sentences
from ingest.judges.reading import PaperReading, Reader, TextReading, Vector
from ingest.judges.sentence_encoder import SentenceEncoder, strip_date
from ingest.judges.weights import Weights, load_weights
from ingest.sentences import TITLE, PaperSentence

STANCE_OF_CLASS: tuple[Stance, ...] = ("supports", "relaxes", "unclear")
CACHED_PAPERS = 2000


class ReadPaper(NamedTuple):
    """A paper without its instruction-like sentences, and what these looked like."""

    reading: PaperReading
    bag: Vector  # of all its words
    sentence_bags: list[SentenceBag]  # of each span
    flags: list[str]


class Answer(NamedTuple):
    """What a voice says of one pair before it is put into words."""

    probabilities: Vector  # of CLASSES
    order: Vector  # a score a span: which a reader would quote
    rule: Rule


class EmbeddedJudge:
    """Judges a pair by the voice that has not been trained on its claim."""

    def __init__(self, weights: Weights, use_encoder: bool = True) -> None:
        self._weights = weights
        path = find_encoder() if use_encoder else None
        self._encoder = SentenceEncoder(path, weights.pieces) if path else None
        self._reader = Reader()
        self._read_claim = lru_cache(maxsize=64)(self._read_claim_afresh)
        self._read_paper = lru_cache(maxsize=CACHED_PAPERS)(self._read_paper_afresh)

    @property
    def name(self) -> str:
        """Name, version, "words" where the encoder is missing, and the training file's hash."""
        kind = "" if self._encoder else "-words"
        return f"embedded-{self._weights.version}{kind}+{self._weights.training_hash[:8]}"

    @property
    def quality(self) -> str:
        """What its stances are worth on claims that it had not seen."""
        facts = self._weights.measured
        measured = facts["full" if self._encoder else "words"]
        low, high = measured["spoken"]["ci95"]
        rule = self._weights.final.rule if self._encoder else self._weights.final.words_rule
        missing = "" if self._encoder else " (by word features alone: no encoder package)"
        return (
            f"three-way macro-F1 {measured['spoken']['macro_f1']:.2f} [{low:.2f}, {high:.2f}] by "
            f"leave-claims-out on {facts['pairs']:,} labelled pairs of {facts['claims']} claims"
            f"{missing}; {describe_rule(rule)}"
        )

    def has_seen(self, claim: str) -> bool:
        """Whether the claim was in the training data (then a fold's voice answers)."""
        return self._weights.has_seen(claim)

    def judge_stance(self, claim: str, paper: PaperText) -> Judgement:
        """Stance, evidence sentence and closest sentences of one pair."""
        read = self._read_paper(paper.title, paper.abstract)
        scope: dict[str, Any] = {"flags": read.flags} if read.flags else {}
        if not read.reading.spans:
            return Judgement("unclear", scope=scope)
        answer = self._ask(claim, read)
        ranked = np.argsort(-answer.order, kind="stable")
        closest = [_span(read.reading.spans[index]) for index in ranked[:CLOSEST]]
        probabilities = [float(p) for p in answer.probabilities]
        leaning = int(np.argmax(np.array(probabilities) * np.array(answer.rule.factors)))
        side = leaning != NEITHER
        band = answer.rule.find_band(leaning, probabilities[leaning]) if side else None
        if band is not None:
            scope["band"] = describe_band(band)
        speaks = band is not None and band.speaks
        return Judgement(
            STANCE_OF_CLASS[leaning] if speaks else "unclear",
            confidence=probabilities[leaning] if speaks else None,
            quote=closest[0] if speaks else None,
            closest=closest,
            leaning=STANCE_OF_CLASS[leaning],
            probabilities=dict(zip(CLASSES, probabilities, strict=True)),
            scope=scope,
        )

    def _ask(self, claim: str, read: ReadPaper) -> Answer:
        reading = read.reading
        pair = compare(
            self._read_claim(claim), reading, self._reader.unit_table, self._weights.statistics
        )
        voice = self._weights.voice_for(claim)
        order = voice.picker.score(pair, read.sentence_bags)
        if self._encoder is None:
            return Answer(voice.words.weigh(pair, read.bag), order, voice.words_rule)
        scores = voice.full.score_sentences(pair)
        chosen = choose_spans(reading.spans, scores)
        texts = [reading.spans[index].text for index in chosen]
        vectors = self._encoder.encode([strip_date(claim), *texts])
        titles = sum(reading.spans[index].section == TITLE for index in chosen)
        meeting = meet(vectors[0], vectors[1:], scores[chosen], titles, pair.sign)
        return Answer(voice.full.weigh(pair, read.bag, meeting), order, voice.rule)

    def _read_claim_afresh(self, claim: str) -> TextReading:
        return self._reader.read([claim], self._weights.statistics)[0]

    def _read_paper_afresh(self, title: str, abstract: str) -> ReadPaper:
        weights = self._weights
        shown, flags = blank_instructions(PaperText("", title, abstract))
        reading = self._reader.read_paper(shown.title, shown.abstract, weights.statistics)
        bag = bag_words(reading.whole.text, weights.vocabulary, weights.bag_idf)
        own = bag_sentences(reading.spans, weights.vocabulary, weights.bag_idf)
        return ReadPaper(reading, bag, own, flags)


def load_embedded_judge() -> EmbeddedJudge:
    """The judge with the weights that ship with the package."""
    return EmbeddedJudge(load_weights())


def describe_rule(rule: Rule) -> str:
    """How often answers were right, by side and word."""
    sides = []
    for name, bands in zip(CLASSES, rule.bands, strict=False):
        counts: dict[str, list[int]] = {}
        for band in reversed([band for band in bands if band.speaks]):
            right, n = counts.get(band.word, [0, 0])
            counts[band.word] = [right + band.right, n + band.n]
        words = [f"{word} {right / n:.0%} right" for word, (right, n) in counts.items()]
        if words:
            sides.append(f"{name}: {', '.join(words)}")
    return "; ".join(sides) or "states no stance"


def describe_band(band: Band) -> dict[str, Any]:
    """What is printed beside a proposal: how often answers like it were right."""
    low, high = band.interval
    return {
        "word": band.word,
        "precision": round(band.precision, 3),
        "ci95": [round(low, 3), round(high, 3)],
        "n": band.n,
    }


def _span(sentence: PaperSentence) -> Span:
    return Span(sentence.section, sentence.start, sentence.end, sentence.text)
