"""Every number of the embedded judge's model card, on claims that the model has not seen.

Factors and bands of a fold come from the other folds. Knows nothing of fitting.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.judges.features import CLOSEST, bag_words
from ingest.judges.intervals import bootstrap_macro_f1, confuse, macro_f1
from ingest.judges.operating_points import (
    CLASSES,
    FEWEST_IN_BAND,
    NEITHER,
    Probabilities,
    Rule,
    choose_factors,
    lean,
    score_f1,
    state,
)
from ingest.judges.training_pairs import Fold, Material, mark_quoted

COVERAGES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
WANTED = 0.6  # precision of a filter that a curator could set
BINS = 10  # equal shares of the rows, for calibration


def measure_answers(
    material: Material, folds: list[Fold], probabilities: Probabilities, rules: list[Rule]
) -> dict[str, Any]:
    """What answers are worth; each fold answers by the rule that the other folds chose."""
    truth, claims = material.truth, material.claims.tolist()
    leaning, spoken = np.full(len(truth), NEITHER), np.full(len(truth), NEITHER)
    for (_, left_out), rule in zip(folds, rules, strict=True):
        leaning[left_out] = lean(probabilities[left_out], rule.factors)
        spoken[left_out] = state(probabilities[left_out], rule)
    labels = np.array([pair.label for pair in material.pairs])
    return {
        "leaning": describe_answers(truth, leaning, claims),
        "spoken": describe_answers(truth, spoken, claims),
        "labels_of_spoken": {
            name: dict(Counter(labels[spoken == side].tolist()))
            for side, name in enumerate(CLASSES[:NEITHER])
        },
        "bands": count_bands(probabilities, truth, folds, rules),
        "coverage": count_coverage(probabilities, truth),
        "filters": {
            name: try_filter(score, is_right, folds)
            for name, (score, is_right) in _score_sides(probabilities, truth).items()
        },
        "sure": count_sure(probabilities, truth, spoken),
        "surest": {
            name: count_surest_answers(probabilities, truth, spoken, side)
            for side, name in enumerate(CLASSES[:NEITHER])
        },
        "calibration": measure_calibration(probabilities, truth),
        "reliability": list_reliability(probabilities, truth),
        "separation": measure_separation(probabilities, truth),
    }


def describe_answers(
    truth: NDArray[np.int64], answers: NDArray[np.int64], claims: list[str]
) -> dict[str, Any]:
    """Macro-F1 with an interval over claims, and the confusion table."""
    table = confuse(truth.tolist(), answers.tolist(), len(CLASSES))
    return {
        "macro_f1": macro_f1(table),
        "ci95": list(bootstrap_macro_f1(truth.tolist(), answers.tolist(), claims, len(CLASSES))),
        "confusion": table.tolist(),
    }


def count_bands(
    probabilities: Probabilities,
    truth: NDArray[np.int64],
    folds: list[Fold],
    rules: list[Rule],
) -> dict[str, dict[str, list[int]]]:
    """Right answers and answers by side and word; words as the other folds gave them."""
    found: dict[str, dict[str, list[int]]] = {name: {} for name in CLASSES[:NEITHER]}
    for (_, left_out), rule in zip(folds, rules, strict=True):
        for row, side in zip(left_out, lean(probabilities[left_out], rule.factors), strict=True):
            if side == NEITHER:
                continue
            band = rule.find_band(int(side), float(probabilities[row, side]))
            word = "unclear" if band is None else band.word
            counts = found[CLASSES[side]].setdefault(word, [0, 0])
            counts[0] += int(truth[row] == side)
            counts[1] += 1
    return found


def count_coverage(probabilities: Probabilities, truth: NDArray[np.int64]) -> dict[str, Any]:
    """Right among the surest share of all pairs: each class, and "bears on the claim"."""
    curve = {}
    for name, (score, is_right) in _score_sides(probabilities, truth).items():
        right = np.cumsum(is_right[np.argsort(-score, kind="stable")])
        counts = [max(1, round(share * len(truth))) for share in COVERAGES]
        curve[name] = [[n, int(right[n - 1])] for n in counts]
    return curve


def try_filter(
    score: NDArray[np.float64], is_right: NDArray[np.bool_], folds: list[Fold]
) -> dict[str, int]:
    """What a filter for precision ``WANTED`` lets through on claims that did not set it.

    Of each fold's other rows, the lowest score from which on at least ``FEWEST_IN_BAND`` rows
    are right that often; where there is none, the filter lets nothing through.
    """
    found = {"right": 0, "n": 0, "true": int(is_right.sum()), "unset": 0}
    for kept, left_out in folds:
        order = kept[np.argsort(-score[kept], kind="stable")]
        precision = np.cumsum(is_right[order]) / np.arange(1, len(order) + 1)
        good = np.flatnonzero(precision[FEWEST_IN_BAND - 1 :] >= WANTED)
        if len(good) == 0:
            found["unset"] += 1
            continue
        passed = left_out[score[left_out] >= score[order[good[-1] + FEWEST_IN_BAND - 1]]]
        found["right"] += int(is_right[passed].sum())
        found["n"] += len(passed)
    return found


def _score_sides(
    probabilities: Probabilities, truth: NDArray[np.int64]
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    return {
        "supports": (probabilities[:, 0], truth == 0),
        "against": (probabilities[:, 1], truth == 1),
        "either": (1 - probabilities[:, NEITHER], truth < NEITHER),
    }


def count_sure(
    probabilities: Probabilities, truth: NDArray[np.int64], spoken: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """Of the pairs it is surest of (whatever it answers): right and answered, by class.

    Coverage as in selective prediction: a pair's confidence is the probability of its answer.
    """
    confidence = probabilities[np.arange(len(truth)), spoken]
    order = np.argsort(-confidence, kind="stable")
    rows = []
    for share in COVERAGES:
        kept = order[: max(1, round(share * len(truth)))]
        counts = {
            name: [int(((spoken == k) & (truth == k))[kept].sum()), int((spoken == k)[kept].sum())]
            for k, name in enumerate(CLASSES)
        }
        rows.append({"share": share, "n": len(kept), **counts})
    return rows


def count_surest_answers(
    probabilities: Probabilities, truth: NDArray[np.int64], spoken: NDArray[np.int64], side: int
) -> list[list[int]]:
    """Of the answers of one side, surest first: [answers, right] at each coverage."""
    mine = np.flatnonzero(spoken == side)
    order = mine[np.argsort(-probabilities[mine, side], kind="stable")]
    right = np.cumsum(truth[order] == side)
    counts = [max(1, round(share * len(order))) for share in COVERAGES] if len(order) else []
    return [[n, int(right[n - 1])] for n in counts]


def measure_calibration(probabilities: Probabilities, truth: NDArray[np.int64]) -> dict[str, float]:
    """Expected calibration error of each class over ten equal bins of rows."""
    errors = {}
    for k, name in enumerate(CLASSES):
        bins = np.array_split(np.argsort(probabilities[:, k]), BINS)
        gaps = [abs(probabilities[b, k].mean() - (truth[b] == k).mean()) * len(b) for b in bins]
        errors[name] = float(sum(gaps) / len(truth))
    return errors


def list_reliability(
    probabilities: Probabilities, truth: NDArray[np.int64]
) -> dict[str, list[list[float]]]:
    """Of each side, by tenths of the rows: mean probability, right, rows."""
    found = {}
    for k, name in enumerate(CLASSES[:NEITHER]):
        bins = np.array_split(np.argsort(probabilities[:, k]), BINS)
        found[name] = [
            [float(probabilities[b, k].mean()), int((truth[b] == k).sum()), len(b)] for b in bins
        ]
    return found


def measure_separation(probabilities: Probabilities, truth: NDArray[np.int64]) -> dict[str, float]:
    """Area under the curve of evidence against none, and of supports among evidence."""
    from sklearn.metrics import roc_auc_score

    bears = truth < NEITHER
    direction = probabilities[bears, 0] / probabilities[bears, :NEITHER].sum(axis=1)
    return {
        "evidence": float(roc_auc_score(bears, 1 - probabilities[:, NEITHER])),
        "direction": float(roc_auc_score(truth[bears] == 0, direction)),
    }


def find_evidence(material: Material, orders: Sequence[NDArray[Any]]) -> dict[str, int]:
    """How often the first span, and one of the closest, overlaps the reader's quote."""
    found: Counter[str] = Counter()
    for pair, spans, order in zip(material.pairs, material.spans, orders, strict=True):
        marks = mark_quoted(pair, spans)
        if marks is not None:
            ranked = np.argsort(-order, kind="stable")
            found["n"] += 1
            found["first"] += int(marks[ranked[0]])
            found["of three"] += int(marks[ranked[:CLOSEST]].max())
    return dict(found)


def score_artefact(material: Material, folds: list[Fold], texts: list[str]) -> float:
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
