"""Measures a judge on labelled pairs.

Decides what counts as right: three classes (supports / contradicts or relaxes / mentions
or unrelated), where an unclear answer counts as the third and a failed one as well. The
headline numbers are of the stances that the judge gives; what it leans to when it must
choose is measured apart. Knows nothing of whether the labels are right.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from ingest.floor import DEFAULT_FLOOR, hold_back
from ingest.gold import THREE_WAY, GoldPair
from ingest.judges import Judge, Judgement, PaperText
from ingest.judges.instructions import blank_instructions
from ingest.judges.intervals import bootstrap_macro_f1, confuse, macro_f1, wilson

ANSWER_CLASS = {"supports": 0, "contradicts": 1, "relaxes": 1}
NEITHER = 2
SIDES = ("supports", "against")
PROGRESS_EVERY = 500
SURE_SHARES = (0.1, 0.3, 0.5, 1.0)  # of the stances given, the surest first


def evaluate_judge(
    judge: Judge,
    pairs: Sequence[GoldPair],
    floor: str = DEFAULT_FLOOR,
    report_progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Judge every pair and count; the document that ``ingest evaluate --json`` prints.

    ``proposed`` scores what a night would propose: stances whose band reaches the floor.
    """
    answers: list[Judgement] = []
    for number, pair in enumerate(pairs, start=1):
        paper = PaperText(pair.arxiv_id, pair.title, pair.abstract)
        answers.append(judge.judge_stance(pair.claim, blank_instructions(paper).paper))
        if number % PROGRESS_EVERY == 0:
            report_progress(f"judged {number} of {len(pairs)} pairs")
    has_seen = getattr(judge, "has_seen", lambda claim: False)
    seen = sum(bool(has_seen(pair.claim)) for pair in pairs)
    stances = [answer.stance for answer in answers]
    spoken = sum(stance in ANSWER_CLASS for stance in stances)
    return {
        "n": len(pairs),
        "claims": len({pair.claim for pair in pairs}),
        **score_answers(pairs, stances),
        "judge": judge.name,
        "coverage": spoken / len(pairs),
        "spoken": spoken,
        "leaning": score_answers(pairs, [answer.leaning for answer in answers]),
        "floor": floor,
        "proposed": score_answers(pairs, [hold_back(a, floor).stance for a in answers]),
        "by_label": _count_by_label(pairs, stances),
        "surest": [share_surest(pairs, answers, share) for share in SURE_SHARES],
        "bands": count_bands(pairs, answers),
        "refused_quotes": sum(answer.refused_quotes for answer in answers),
        "failed": sum(answer.error is not None for answer in answers),
        "trained_on_this_file": seen > 0,
        "pairs_judged_out_of_fold": seen,
    }


def score_answers(pairs: Sequence[GoldPair], answers: Sequence[str]) -> dict[str, Any]:
    """Three-way macro-F1 with an interval over claims, precision and recall a class."""
    truth = [pair.three_way for pair in pairs]
    given = [ANSWER_CLASS.get(answer, NEITHER) for answer in answers]
    table = confuse(truth, given, len(THREE_WAY))
    interval = bootstrap_macro_f1(truth, given, [pair.claim for pair in pairs], len(THREE_WAY))
    per_class = {}
    for k, label in enumerate(THREE_WAY):
        right, answered, true = int(table[k, k]), int(table[:, k].sum()), int(table[k].sum())
        per_class[label] = {
            "precision": right / answered if answered else None,
            "precision_ci95": list(wilson(right, answered)) if answered else None,
            "recall": right / true if true else None,
            "n": true,
            "answers": answered,
        }
    confusion = {
        label: dict(zip(THREE_WAY, row, strict=True))
        for label, row in zip(THREE_WAY, table.tolist(), strict=True)
    }
    return {
        "macro_f1_3way": macro_f1(table),
        "ci95": list(interval),
        "per_class": per_class,
        "confusion": confusion,
    }


def share_surest(
    pairs: Sequence[GoldPair], answers: Sequence[Judgement], share: float
) -> dict[str, Any]:
    """Right among the surest share of the stances that each side was given."""
    found: dict[str, Any] = {"share": share}
    for side, name in enumerate(SIDES):
        rows = [
            (answer.confidence or 0.0, pair.three_way == side)
            for pair, answer in zip(pairs, answers, strict=True)
            if ANSWER_CLASS.get(answer.stance) == side
        ]
        rows.sort(key=lambda row: -row[0])
        kept = rows[: max(1, round(share * len(rows)))]
        found[name] = _describe_share(sum(right for _, right in kept), len(kept))
    return found


def count_bands(
    pairs: Sequence[GoldPair], answers: Sequence[Judgement]
) -> dict[str, dict[str, Any]]:
    """Right and given by side and by the judge's own word for how sure it is, if it has one."""
    counts: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for pair, answer in zip(pairs, answers, strict=True):
        side = ANSWER_CLASS.get(answer.stance)
        if side is not None and "band" in answer.scope:
            entry = counts[SIDES[side], str(answer.scope["band"]["word"])]
            entry[0] += pair.three_way == side
            entry[1] += 1
    found: dict[str, dict[str, Any]] = {name: {} for name in SIDES}
    for (name, word), (right, n) in sorted(counts.items()):
        found[name][word] = _describe_share(right, n)
    return found


def _describe_share(right: int, n: int) -> dict[str, Any]:
    return {
        "right": right,
        "n": n,
        "precision": right / n if n else None,
        "ci95": list(wilson(right, n)) if n else None,
    }


def _count_by_label(pairs: Sequence[GoldPair], stances: Sequence[str]) -> dict[str, dict[str, int]]:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for pair, stance in zip(pairs, stances, strict=True):
        counts[pair.label][stance] += 1
    return {label: dict(counter) for label, counter in counts.items()}
