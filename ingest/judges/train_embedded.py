"""Trains the embedded judge: ``python -m ingest.judges.train_embedded GOLD.jsonl``.

Writes the weights and the model card beside this file. Needs scikit-learn (the ``train``
extra). Every printed number comes from claims that the model in question has not seen;
hyper-parameters, thresholds and factors are chosen inside the other folds.
"""

import hashlib
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.gold import GoldPair, read_gold
from ingest.judges.features import PairReading, bag_words, compare, pool, sentence_matrix
from ingest.judges.intervals import bootstrap_macro_f1, confuse, macro_f1, wilson
from ingest.judges.model_card import write_card
from ingest.judges.reading import Reader, Statistics, Vector, gather_statistics, split_words
from ingest.judges.weights import CLASSES, FILE, Model, Weights, hash_claim, save_weights
from ingest.sentences import PaperSentence

VERSION = "1"
FOLDS, INNER_FOLDS, SEED = 5, 3, 0
VOCABULARY, FEWEST_PAPERS = 4000, 20
SCALES, PENALTIES = (0.05, 0.1), (0.1, 0.3)  # of the scalars; inverse L2 strength
TARGETS = {"supports": 0.70, "against": 0.60}  # precision at which it may speak
FEWEST_SPOKEN, SLACK = 40, 0.10
FACTORS = [1.0, 1.3, 1.6, 1.9, 2.2, 2.5, 2.8, 3.1, 3.4, 3.7]
COVERAGES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)

Probabilities = NDArray[np.float64]


class Choice(NamedTuple):
    """Hyper-parameters."""

    scale: float
    penalty: float


@dataclass(frozen=True)
class Material:
    """The training pairs, read once."""

    pairs: list[GoldPair]
    readings: list[PairReading]
    spans: list[list[PaperSentence]]
    bags: Any  # scipy CSR, (pairs, vocabulary)
    truth: NDArray[np.int64]
    claims: NDArray[np.str_]
    signs: NDArray[np.float64]
    vocabulary: dict[str, int]
    idf: Vector


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


def choose_vocabulary(texts: list[str]) -> tuple[dict[str, int], Vector]:
    """The commonest words and neighbouring pairs, without digits, and their idf."""
    seen: Counter[str] = Counter()
    for text in texts:
        words = split_words(text)
        terms = {*words, *(f"{a} {b}" for a, b in pairwise(words))}
        seen.update(term for term in terms if not any(c.isdigit() for c in term))
    common = [(t, n) for t, n in seen.most_common(VOCABULARY) if n >= FEWEST_PAPERS]
    common.sort()
    idf = [np.log((len(texts) + 1) / (count + 1)) + 1 for _, count in common]
    return {term: i for i, (term, _) in enumerate(common)}, np.array(idf, dtype=np.float32)


def read_material(
    pairs: list[GoldPair],
    reader: Reader,
    statistics: Statistics,
    vocabulary: dict[str, int],
    idf: Vector,
) -> Material:
    """All features that do not depend on labels."""
    from scipy.sparse import csr_matrix, vstack

    texts = {pair.arxiv_id: (pair.title, pair.abstract) for pair in pairs}
    papers = {key: reader.read_paper(*text, statistics) for key, text in texts.items()}
    rows = {
        key: csr_matrix(bag_words(" ".join(text), vocabulary, idf)) for key, text in texts.items()
    }
    names = sorted({pair.claim for pair in pairs})
    claims = dict(zip(names, reader.read(names, statistics), strict=True))
    readings = [
        compare(claims[p.claim], papers[p.arxiv_id], reader.unit_table, statistics) for p in pairs
    ]
    return Material(
        pairs,
        readings,
        [papers[pair.arxiv_id].spans for pair in pairs],
        vstack([rows[pair.arxiv_id] for pair in pairs]).tocsr(),
        np.array([pair.three_way for pair in pairs]),
        np.array([pair.claim for pair in pairs]),
        np.array([reading.sign for reading in readings]),
        vocabulary,
        idf,
    )


def split_claims(
    claims: NDArray[np.str_], rows: NDArray[np.int64], folds: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(kept, left out) rows of each fold; no claim is on both sides."""
    from sklearn.model_selection import GroupKFold

    splitter = GroupKFold(folds, shuffle=True, random_state=SEED)
    return [(rows[a], rows[b]) for a, b in splitter.split(rows, groups=claims[rows])]


def cross_validate(
    material: Material, folds: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> tuple[Probabilities, list[Model]]:
    """Probabilities of each pair by the model that left its claim out, and the models."""
    probabilities = np.zeros((len(material.pairs), len(CLASSES)))
    models = []
    for kept, left_out in folds:
        model = fit_model(material, kept, choose(material, kept))
        probabilities[left_out] = predict(material, left_out, model)
        models.append(model)
    return probabilities, models


def choose(material: Material, rows: NDArray[np.int64]) -> Choice:
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


def fit_model(material: Material, rows: NDArray[np.int64], choice: Choice) -> Model:
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


def fit_selector(material: Material, rows: NDArray[np.int64]) -> Vector:
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


def mark_quoted(pair: GoldPair, spans: list[PaperSentence]) -> NDArray[np.int64] | None:
    """1 for each span that overlaps the reader's quote; None without a quote in the abstract."""
    start = pair.abstract.find(pair.quote) if pair.quote else -1
    if start < 0 or pair.quote is None:
        return None
    end = start + len(pair.quote)
    marks = [s.section == "abstract" and s.start < end and start < s.end for s in spans]
    return np.array(marks, dtype=np.int64) if any(marks) else None


def pool_all(material: Material, rows: NDArray[np.int64], selector: Vector) -> Vector:
    """The pooled scalars of rows, shape (rows, scalars)."""
    readings = (material.readings[row] for row in rows)
    return np.array([pool(reading, sentence_matrix(reading) @ selector) for reading in readings])


def predict(material: Material, rows: NDArray[np.int64], model: Model) -> Probabilities:
    """Probabilities of ``CLASSES`` for rows."""
    bags = material.bags[rows]
    logits = pool_all(material, rows, model.selector) @ model.scalars.T + model.intercept
    logits = logits + bags @ model.bag.T
    logits = logits + (bags @ model.signed.T) * material.signs[rows][:, None]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Probabilities = odds / odds.sum(axis=1, keepdims=True)
    return shares


def lean(probabilities: Probabilities, factors: tuple[float, ...]) -> NDArray[np.int64]:
    """The class that each row leans to after weighting rare classes up."""
    return np.asarray(np.argmax(probabilities * np.array(factors), axis=1), dtype=np.int64)


def score_f1(truth: NDArray[np.int64], answers: NDArray[np.int64]) -> float:
    """Three-way macro-F1."""
    return macro_f1(confuse(truth.tolist(), answers.tolist(), len(CLASSES)))


def choose_factors(
    probabilities: Probabilities, truth: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Factors on the first two classes that give these rows the best macro-F1."""
    scored = [
        (score_f1(truth, lean(probabilities, (first, second, 1.0))), first, second)
        for first, second in product(FACTORS, FACTORS)
    ]
    _, first, second = max(scored)
    return first, second, 1.0


def choose_threshold(
    scores: NDArray[np.float64], is_right: NDArray[np.bool_], target: float
) -> float | None:
    """The lowest probability above which precision reached the target; None if none did.

    First by the lower Wilson bound; where the data do not allow that, by the share itself,
    with at least ``FEWEST_SPOKEN`` answers and a lower bound within ``SLACK`` of the target.
    """
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(is_right[order])
    sure, likely = None, None
    for n in range(FEWEST_SPOKEN, len(order) + 1):
        low = wilson(int(right[n - 1]), n).low
        if low >= target:
            sure = float(scores[order[n - 1]])
        if right[n - 1] / n >= target and low >= target - SLACK:
            likely = float(scores[order[n - 1]])
    return sure if sure is not None else likely


def measure(
    material: Material,
    folds: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
    probabilities: Probabilities,
    models: list[Model],
) -> dict[str, Any]:
    """Every number of the card; thresholds and factors come from the other folds."""
    truth, claims = material.truth, material.claims.tolist()
    leaning = np.zeros(len(truth), dtype=np.int64)
    spoken = np.full(len(truth), 2)
    for kept, left_out in folds:
        factors = choose_factors(probabilities[kept], truth[kept])
        leaning[left_out] = lean(probabilities[left_out], factors)
        for k, name in reversed(list(enumerate(CLASSES[:2]))):
            bar = choose_threshold(probabilities[kept, k], truth[kept] == k, TARGETS[name])
            if bar is not None:
                spoken[left_out[probabilities[left_out, k] >= bar]] = k
    labels = np.array([pair.label for pair in material.pairs])
    of_spoken = Counter(labels[spoken == 1].tolist())
    return {
        "pairs": len(truth),
        "claims": len(set(claims)),
        "labels": dict(Counter(labels.tolist())),
        "leaning": _describe(truth, leaning, claims),
        "spoken": _describe(truth, spoken, claims),
        "spoken_against_labels": dict(of_spoken),
        "coverage": _cover(probabilities, truth),
        "calibration": _calibrate(probabilities, truth),
        "separation": _separate(probabilities, truth),
        "evidence_sentence": _find_evidence(material, folds, models),
        "artefacts": {
            name: score_artefact(material, folds, texts)
            for name, texts in (
                ("claim only", [pair.claim for pair in material.pairs]),
                ("title only", [pair.title for pair in material.pairs]),
            )
        },
    }


def _describe(
    truth: NDArray[np.int64], answers: NDArray[np.int64], claims: list[str]
) -> dict[str, Any]:
    table = confuse(truth.tolist(), answers.tolist(), len(CLASSES))
    return {
        "macro_f1": macro_f1(table),
        "ci95": list(bootstrap_macro_f1(truth.tolist(), answers.tolist(), claims, len(CLASSES))),
        "confusion": table.tolist(),
    }


def _cover(probabilities: Probabilities, truth: NDArray[np.int64]) -> dict[str, Any]:
    """Precision among the surest share of all pairs: each class, and "bears on the claim"."""
    scores = {
        "supports": (probabilities[:, 0], truth == 0),
        "against": (probabilities[:, 1], truth == 1),
        "either": (1 - probabilities[:, 2], truth < 2),
    }
    curve = {}
    for name, (score, is_right) in scores.items():
        right = np.cumsum(is_right[np.argsort(-score, kind="stable")])
        counts = [max(1, round(share * len(truth))) for share in COVERAGES]
        curve[name] = [[n, int(right[n - 1])] for n in counts]
    return curve


def _calibrate(probabilities: Probabilities, truth: NDArray[np.int64]) -> dict[str, float]:
    """Expected calibration error of each class over ten equal bins of rows."""
    errors = {}
    for k, name in enumerate(CLASSES):
        bins = np.array_split(np.argsort(probabilities[:, k]), 10)
        gaps = [abs(probabilities[b, k].mean() - (truth[b] == k).mean()) * len(b) for b in bins]
        errors[name] = float(sum(gaps) / len(truth))
    return errors


def _separate(probabilities: Probabilities, truth: NDArray[np.int64]) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    bears = truth < 2
    direction = probabilities[bears, 0] / probabilities[bears, :2].sum(axis=1)
    return {
        "evidence": float(roc_auc_score(bears, 1 - probabilities[:, 2])),
        "direction": float(roc_auc_score(truth[bears] == 0, direction)),
    }


def _find_evidence(
    material: Material,
    folds: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
    models: list[Model],
) -> dict[str, int]:
    found: Counter[str] = Counter()
    for (_, left_out), model in zip(folds, models, strict=True):
        for row in left_out:
            marks = mark_quoted(material.pairs[row], material.spans[row])
            if marks is not None:
                order = np.argsort(-model.score_sentences(material.readings[row]), kind="stable")
                found.update(
                    {"n": 1, "first": int(marks[order[0]]), "of three": int(marks[order[:3]].max())}
                )
    return dict(found)


def score_artefact(
    material: Material,
    folds: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
    texts: list[str],
) -> float:
    """Macro-F1 from one side of the pair alone: what the other side does not explain."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    bags = [bag_words(text, material.vocabulary, material.idf) for text in texts]
    rows = csr_matrix(np.array(bags))
    answers = np.zeros(len(texts), dtype=np.int64)
    for kept, left_out in folds:
        fitted = LogisticRegression(C=0.3, max_iter=300, tol=1e-3).fit(
            rows[kept], material.truth[kept]
        )
        factors = choose_factors(fitted.predict_proba(rows[kept]), material.truth[kept])
        answers[left_out] = lean(fitted.predict_proba(rows[left_out]), factors)
    return score_f1(material.truth, answers)


if __name__ == "__main__":
    main(sys.argv[1:])
