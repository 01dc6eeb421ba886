"""Writes the embedded judge's model card from what training measured; no number by hand."""

from typing import Any

from ingest.judges.intervals import wilson
from ingest.judges.weights import CLASSES, Weights

CARD = """# The embedded judge, version {version}

Written by `python -m ingest.judges.train_embedded`; do not edit. It runs offline, with numpy
alone; weights {size} KiB, no pickle, no abstract text inside.

## Data
{pairs} claim-paper pairs over {claims} claims, title and abstract only, one reader a pair:
{labels}. SHA-256 of the file: `{training_hash}`. Trained {trained}.

## Method
Logistic regression over three classes (supports; against = contradicts or relaxes; neither =
mentions or unrelated) on likeness, cue words near the likeliest evidence sentence, and a bag of
the paper's words, plain and times the claim's sign. Five folds by claim; hyper-parameters,
factors and thresholds are chosen inside the other folds. Words, idf and token frequencies were
counted over all papers, without labels. The word lists and feature groups were chosen while
looking at these folds, so the numbers below are a little optimistic; a file of other claims is
the fair measure. A claim that it was trained on is always judged by the fold model that has not
seen it.

## Where it speaks
It gives a stance only above a threshold at which precision on unseen claims reached the target
(supports .70, against .60; by the lower Wilson bound where the data allow it); everything else
is `unclear`.

- supports: **{supports}**
- against, proposed as `relaxes` (it cannot tell a contradiction from a relaxation): **{against}**

The same rule applied within the folds (each fold by thresholds that the other folds chose):

{spoken}

## What it leans to when it must choose
Largest probability after factors ({factors}). Leanings may order a queue; they are no stances.

{leaning}

## Precision at coverage
The surest pairs first; 95 % Wilson intervals. `either` is "bears on the claim at all".

{coverage}

## Checks
- AUC of evidence against none {evidence_auc}; of supports against the rest of the evidence
  {direction_auc}. The second is the weak part.
- Evidence sentence: the first choice overlaps the reader's quote in {first},
  one of the closest three in {of_three}.
- Calibration error: {calibration}.
- Artefacts, macro-F1 from one side of the pair alone: {artefacts}.

## What it cannot do
- It matches words and static token vectors; it does not read. Who did what to whom is lost.
- It cannot tell `contradicts` from `relaxes`, nor `mentions` from `unrelated`.
- It has seen English abstracts of papers on language models from 2024 to 2026, and no full text.
- Precision depends on how many candidates bear on the claim at all; with fewer, it is lower.
- It knows nothing of the overlap of scope; a stance stays a proposal until a person confirms it.
"""


def write_card(weights: Weights, size_bytes: int) -> str:
    """The card as Markdown."""
    m = weights.measured
    evidence = m["evidence_sentence"]
    return CARD.format(
        version=weights.version,
        size=f"{size_bytes / 1024:.0f}",
        pairs=m["pairs"],
        claims=m["claims"],
        labels=", ".join(f"{name} {n}" for name, n in sorted(m["labels"].items())),
        training_hash=weights.training_hash,
        trained=m["trained"],
        supports=_bar(weights.thresholds["supports"]),
        against=_bar(weights.thresholds["against"]),
        spoken="\n".join([*_describe(m["spoken"]), *_spoken_labels(m)]),
        factors=", ".join(
            f"{name} {factor:g}"
            for name, factor in zip(CLASSES, weights.leaning_factors, strict=True)
        ),
        leaning="\n".join(_describe(m["leaning"])),
        coverage="\n".join(_coverage(m)),
        evidence_auc=f"{m['separation']['evidence']:.3f}",
        direction_auc=f"{m['separation']['direction']:.3f}",
        first=_share(evidence["first"], evidence["n"]),
        of_three=_share(evidence["of three"], evidence["n"]),
        calibration=_list(m["calibration"]),
        artefacts=_list(m["artefacts"]),
    )


def _bar(threshold: float | None) -> str:
    return "never" if threshold is None else f"from a probability of {threshold:.3f} on"


def _list(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())


def _describe(answers: dict[str, Any]) -> list[str]:
    low, high = answers["ci95"]
    table = answers["confusion"]
    lines = [
        f"Three-way macro-F1 {answers['macro_f1']:.3f} [{low:.3f}, {high:.3f}] "
        "(95 %, bootstrap over claims).",
        "",
        "| class | answers | precision | recall |",
        "|---|---|---|---|",
    ]
    for k, name in enumerate(CLASSES):
        answered, true = sum(row[k] for row in table), sum(table[k])
        shares = f"{_share(table[k][k], answered)} | {_share(table[k][k], true)}"
        lines.append(f"| {name} | {answered} | {shares} |")
    return lines


def _spoken_labels(measured: dict[str, Any]) -> list[str]:
    found = measured["spoken_against_labels"]
    if not found:
        return []
    text = ", ".join(f"{name} {n}" for name, n in sorted(found.items()))
    return ["", f"Readers' labels of the pairs that it called against: {text}."]


def _coverage(measured: dict[str, Any]) -> list[str]:
    curves = measured["coverage"]
    lines = ["| pairs | share of all | supports | against | either |", "|---|---|---|---|---|"]
    for position, (n, _) in enumerate(curves["supports"]):
        cells = " | ".join(_share(curves[name][position][1], n) for name in curves)
        lines.append(f"| {n} | {n / measured['pairs']:.0%} | {cells} |")
    return lines


def _share(right: int, n: int) -> str:
    if n == 0:
        return "– (n = 0)"
    low, high = wilson(right, n)
    return f"{right / n:.2f} [{low:.2f}, {high:.2f}] (n = {n})"
