"""Fits the judge's linear weights: a sentence selector and three classes.

Decides how strongly each group of numbers counts before the fit (chosen by leave-claims-out,
see ``docs/judge-notes.md``). Needs scikit-learn.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.judges.dense import BLOCKS, COSINES, choose_spans, meet
from ingest.judges.encoder_weights import WIDTH
from ingest.judges.features import pool, sentence_matrix
from ingest.judges.operating_points import Probabilities
from ingest.judges.picking import Picker, SentenceBag
from ingest.judges.reading import Vector
from ingest.judges.sentence_encoder import Encodes, strip_date
from ingest.judges.training_pairs import Material, Rows, mark_quoted
from ingest.judges.weights import Model
from ingest.sentences import TITLE

SCALAR_SCALE, COSINE_SCALE, BLOCK_SCALE = 0.1, 0.3, 0.03  # of standardised numbers
PENALTY = 0.1  # inverse L2 strength
PICKER_SCALE, PICKER_PENALTY = 0.3, 1.0  # numbers beside words; inverse L2 strength
FLATTEST = 1e-4  # a number that varies less tells nothing


class Design(NamedTuple):
    """All numbers of all rows under one selector."""

    selector: Vector
    scores: list[Vector]  # by row, of its spans
    numbers: NDArray[np.float64]  # (rows, scalars + dense)
    scales: NDArray[np.float64]  # of each number
    scalars: int  # how many of the numbers are the word features' scalars


def prepare(material: Material, selector: Vector, encoder: Encodes | None) -> Design:
    """Every row's numbers; without an encoder there are no dense ones."""
    scores = [sentence_matrix(reading) @ selector for reading in material.readings]
    scalars = np.array(
        [pool(reading, own) for reading, own in zip(material.readings, scores, strict=True)]
    )
    scales = np.full(scalars.shape[1], SCALAR_SCALE)
    if encoder is None:
        return Design(selector, scores, scalars, scales, scalars.shape[1])
    dense = meet_all(material, scores, encoder)
    scales = np.concatenate(
        [
            scales,
            np.full(len(COSINES), COSINE_SCALE),
            np.full(len(BLOCKS) * WIDTH, BLOCK_SCALE),
        ]
    )
    return Design(selector, scores, np.hstack([scalars, dense]), scales, scalars.shape[1])


def meet_all(material: Material, scores: list[Vector], encoder: Encodes) -> NDArray[np.float32]:
    """The dense numbers of every row."""
    chosen = [choose_spans(spans, own) for spans, own in zip(material.spans, scores, strict=True)]
    texts = [
        [strip_date(pair.claim), *(spans[index].text for index in picked)]
        for pair, spans, picked in zip(material.pairs, material.spans, chosen, strict=True)
    ]
    encoder.encode(sorted({text for row in texts for text in row}))
    rows = []
    for row, picked in enumerate(chosen):
        vectors = encoder.encode(texts[row])
        titles = sum(material.spans[row][index].section == TITLE for index in picked)
        meeting = meet(
            vectors[0], vectors[1:], scores[row][picked], titles, float(material.signs[row])
        )
        rows.append(np.concatenate([meeting.cosines, meeting.blocks]))
    return np.array(rows, dtype=np.float32)


def fit_model(material: Material, design: Design, rows: Rows) -> Model:
    """Three-class weights from these rows alone."""
    from scipy.sparse import csr_matrix, diags, hstack
    from sklearn.linear_model import LogisticRegression

    numbers = design.numbers[rows]
    centre, spread = numbers.mean(axis=0), numbers.std(axis=0)
    factor = np.where(spread > FLATTEST, design.scales / np.maximum(spread, FLATTEST), 0.0)
    bags = material.bags[rows]
    matrix = hstack(
        [csr_matrix((numbers - centre) * factor), bags, diags(material.signs[rows]) @ bags]
    ).tocsr()
    fitted = LogisticRegression(C=PENALTY, max_iter=300, tol=1e-3)
    fitted.fit(matrix, material.truth[rows])
    count, words = numbers.shape[1], bags.shape[1]
    on_numbers = fitted.coef_[:, :count] * factor
    return Model(
        design.selector,
        on_numbers[:, : design.scalars].astype(np.float32),
        fitted.coef_[:, count : count + words].astype(np.float32),
        fitted.coef_[:, count + words :].astype(np.float32),
        (fitted.intercept_ - on_numbers @ centre).astype(np.float32),
        on_numbers[:, design.scalars :].astype(np.float32),
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
    matrix, truth = np.vstack(seen), np.concatenate(quoted)
    spread = np.maximum(matrix.std(axis=0), FLATTEST)
    fitted = LogisticRegression(C=0.1, max_iter=300).fit(
        (matrix - matrix.mean(axis=0)) / spread, truth
    )
    selector: Vector = (fitted.coef_[0] / spread).astype(np.float32)
    return selector


def fit_picker(material: Material, bags: list[list[SentenceBag]], rows: Rows) -> Picker:
    """Which sentence a reader quoted, by its numbers and its words; ``bags`` by row."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    seen, quoted, words = [], [], []
    for row in rows:
        marks = mark_quoted(material.pairs[row], material.spans[row])
        if marks is not None:
            seen.append(sentence_matrix(material.readings[row]))
            quoted.append(marks)
            words.extend(bags[row])
    matrix, truth = np.vstack(seen), np.concatenate(quoted)
    factor = PICKER_SCALE / np.maximum(matrix.std(axis=0), FLATTEST)
    starts = np.cumsum([0, *(len(bag.terms) for bag in words)])
    columns = np.concatenate([bag.terms for bag in words])
    values = np.concatenate([bag.weights for bag in words])
    shape = (len(words), len(material.vocabulary))
    fitted = LogisticRegression(C=PICKER_PENALTY, max_iter=300, tol=1e-3).fit(
        hstack(
            [
                csr_matrix((matrix - matrix.mean(axis=0)) * factor),
                csr_matrix((values, columns, starts), shape=shape),
            ]
        ).tocsr(),
        truth,
    )
    count = matrix.shape[1]
    on_numbers = (fitted.coef_[0, :count] * factor).astype(np.float32)
    return Picker(on_numbers, fitted.coef_[0, count:].astype(np.float32))


def predict(material: Material, design: Design, rows: Rows, model: Model) -> Probabilities:
    """Probabilities of ``CLASSES`` for rows."""
    bags = material.bags[rows]
    weights = np.hstack([model.scalars, model.dense])
    logits = design.numbers[rows] @ weights.T + model.intercept + bags @ model.bag.T
    logits = logits + (bags @ model.signed.T) * material.signs[rows][:, None]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Probabilities = odds / odds.sum(axis=1, keepdims=True)
    return shares
