"""Every number of the embedded judge's model card, on claims that the model has not seen.

Thresholds and factors of a fold come from the other folds. Knows nothing of fitting.
"""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.judges.features import CLOSEST, bag_words
from ingest.judges.intervals import bootstrap_macro_f1, confuse, macro_f1
from ingest.judges.operating_points import (
    TARGETS,
    Probabilities,
    choose_factors,
    choose_threshold,
    lean,
    score_f1,
)
from ingest.judges.training_pairs import Fold, Material, mark_quoted
from ingest.judges.weights import CLASSES, Model

COVERAGES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


def measure(
    material: Material,
    folds: list[Fold],
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
    folds: list[Fold],
    models: list[Model],
) -> dict[str, int]:
    found: Counter[str] = Counter()
    for (_, left_out), model in zip(folds, models, strict=True):
        for row in left_out:
            marks = mark_quoted(material.pairs[row], material.spans[row])
            if marks is not None:
                order = np.argsort(-model.score_sentences(material.readings[row]), kind="stable")
                found.update(
                    {
                        "n": 1,
                        "first": int(marks[order[0]]),
                        "of three": int(marks[order[:CLOSEST]].max()),
                    }
                )
    return dict(found)


def score_artefact(
    material: Material,
    folds: list[Fold],
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
