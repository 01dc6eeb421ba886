"""Trains the embedded judge: ``python -m ingest.judges.train_embedded GOLD.jsonl``.

Writes the weights and the model card beside this file. Needs scikit-learn (the ``train``
extra). Every printed number comes from claims that the model in question has not seen;
hyper-parameters, thresholds and factors are chosen inside the other folds.
"""

import hashlib
import sys
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ingest.gold import read_gold
from ingest.judges.features import pool, sentence_matrix
from ingest.judges.measuring import measure
from ingest.judges.model_card import write_card
from ingest.judges.operating_points import (
    TARGETS,
    Probabilities,
    choose_factors,
    choose_threshold,
    lean,
    score_f1,
)
from ingest.judges.reading import Reader, Vector, gather_statistics
from ingest.judges.training_pairs import (
    Fold,
    Material,
    Rows,
    choose_vocabulary,
    mark_quoted,
    read_material,
    split_claims,
)
from ingest.judges.weights import CLASSES, FILE, Model, Weights, hash_claim, save_weights

VERSION = "1"
FOLDS, INNER_FOLDS = 5, 3
SCALES, PENALTIES = (0.05, 0.1), (0.1, 0.3)  # of the scalars; inverse L2 strength


class Choice(NamedTuple):
    """Hyper-parameters."""

    scale: float
    penalty: float


def main(arguments: list[str]) -> None:
    """Train on one file of labelled pairs and write weights and card."""
    path = Path(arguments[0])
    pairs = read_gold(path)
    reader = Reader()
    papers = {pair.arxiv_id: f"{pair.title} {pair.abstract}" for pair in pairs}
    statistics = gather_statistics(reader, list(papers.values()))
    vocabulary, idf = choose_vocabulary(list(papers.values()))
    material = read_material(pairs, reader, statistics, vocabulary, idf)
    folds = split_claims(material.claims, np.arange(len(pairs)), FOLDS)
    probabilities, models = cross_validate(material, folds)
    final = fit_model(material, np.arange(len(pairs)), choose(material, np.arange(len(pairs))))
    thresholds = {
        name: choose_threshold(probabilities[:, k], material.truth == k, TARGETS[name])
        for k, name in enumerate(CLASSES[:2])
    }
    measured = measure(material, folds, probabilities, models)
    measured["trained"] = datetime.now(UTC).date().isoformat()
    fold_of = {
        hash_claim(str(claim)): index
        for index, (_, left_out) in enumerate(folds)
        for claim in set(material.claims[left_out])
    }
    weights = Weights(
        statistics, vocabulary, idf, final, models, fold_of, thresholds,
        choose_factors(probabilities, material.truth), VERSION,
        hashlib.sha256(path.read_bytes()).hexdigest(), measured,
    )  # fmt: skip
    folder = Path(__file__).parent
    content = save_weights(weights)
    (folder / FILE).write_bytes(content)
    (folder / "embedded.md").write_text(write_card(weights, len(content)), encoding="utf-8")


def cross_validate(material: Material, folds: list[Fold]) -> tuple[Probabilities, list[Model]]:
    """Probabilities of each pair by the model that left its claim out, and the models."""
    probabilities = np.zeros((len(material.pairs), len(CLASSES)))
    models = []
    for kept, left_out in folds:
        model = fit_model(material, kept, choose(material, kept))
        probabilities[left_out] = predict(material, left_out, model)
        models.append(model)
    return probabilities, models


def choose(material: Material, rows: Rows) -> Choice:
    """The hyper-parameters with the best macro-F1 over folds inside these rows."""
    inner = split_claims(material.claims, rows, INNER_FOLDS)
    scored = []
    for choice in (Choice(*pair) for pair in product(SCALES, PENALTIES)):
        probabilities = np.zeros((len(material.pairs), len(CLASSES)))
        for kept, left_out in inner:
            model = fit_model(material, kept, choice)
            probabilities[left_out] = predict(material, left_out, model)
        truth = material.truth[rows]
        factors = choose_factors(probabilities[rows], truth)
        scored.append((score_f1(truth, lean(probabilities[rows], factors)), choice))
    best = max(scored)[1]
    print(f"chosen: {best}", file=sys.stderr)
    return best


def fit_model(material: Material, rows: Rows, choice: Choice) -> Model:
    """Selector and three-class weights from these rows alone."""
    from scipy.sparse import csr_matrix, diags, hstack
    from sklearn.linear_model import LogisticRegression

    selector = fit_selector(material, rows)
    scalars = pool_all(material, rows, selector)
    centre, spread = scalars.mean(axis=0), scalars.std(axis=0)
    factor = np.where(spread > 1e-4, choice.scale / np.maximum(spread, 1e-4), 0.0)
    bags = material.bags[rows]
    design = hstack(
        [csr_matrix((scalars - centre) * factor), bags, diags(material.signs[rows]) @ bags]
    ).tocsr()
    fitted = LogisticRegression(C=choice.penalty, max_iter=300, tol=1e-3)
    fitted.fit(design, material.truth[rows])
    coefficients = fitted.coef_
    count, words = scalars.shape[1], bags.shape[1]
    on_scalars = coefficients[:, :count] * factor
    return Model(
        selector,
        on_scalars.astype(np.float32),
        coefficients[:, count : count + words].astype(np.float32),
        coefficients[:, count + words :].astype(np.float32),
        (fitted.intercept_ - on_scalars @ centre).astype(np.float32),
    )


def fit_selector(material: Material, rows: Rows) -> Vector:
    """Which sentence a reader quoted, among the sentences of quoted papers."""
    from sklearn.linear_model import LogisticRegression

    seen, quoted = [], []
    for row in rows:
        marks = mark_quoted(material.pairs[row], material.spans[row])
        if marks is not None:
            seen.append(sentence_matrix(material.readings[row]))
            quoted.append(marks)
    design, truth = np.vstack(seen), np.concatenate(quoted)
    spread = np.maximum(design.std(axis=0), 1e-4)
    fitted = LogisticRegression(C=0.1, max_iter=300).fit(
        (design - design.mean(axis=0)) / spread, truth
    )
    selector: Vector = (fitted.coef_[0] / spread).astype(np.float32)
    return selector


def pool_all(material: Material, rows: Rows, selector: Vector) -> Vector:
    """The pooled scalars of rows, shape (rows, scalars)."""
    readings = (material.readings[row] for row in rows)
    return np.array([pool(reading, sentence_matrix(reading) @ selector) for reading in readings])


def predict(material: Material, rows: Rows, model: Model) -> Probabilities:
    """Probabilities of ``CLASSES`` for rows."""
    bags = material.bags[rows]
    logits = pool_all(material, rows, model.selector) @ model.scalars.T + model.intercept
    logits = logits + bags @ model.bag.T
    logits = logits + (bags @ model.signed.T) * material.signs[rows][:, None]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Probabilities = odds / odds.sum(axis=1, keepdims=True)
    return shares


if __name__ == "__main__":
    main(sys.argv[1:])
