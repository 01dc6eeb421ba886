"""Writes the embedded judge's model card from what training measured; no number by hand."""

from typing import Any

from ingest.judges.encoder_weights import PACKAGE, PACKAGE_VERSION, SHA256
from ingest.judges.intervals import wilson
from ingest.judges.measuring import WANTED
from ingest.judges.operating_points import (
    CLASSES,
    FEWEST_IN_BAND,
    NEITHER,
    TIMES_CHANCE,
    Rule,
)
from ingest.judges.weights import Weights

CARD = """# The embedded judge, version {version}

Written by `python -m ingest.judges.train_embedded`; do not edit. It runs offline; weights
{size} KiB in one file, no pickle, no abstract text inside.

## Data
{pairs} claim-paper pairs over {claims} claims, title and abstract only, one reader a pair:
{labels}.
SHA-256 of the file: `{training_hash}`.
Trained {trained} in {cpu_s} s of processor time on one thread. No weight comes from public data
sets (what was tried: `docs/judge-notes.md`).

## Method
Logistic regression over three classes (supports; against = contradicts or relaxes; neither =
mentions or unrelated) on

- likeness and cue words near the likeliest evidence sentence, and a bag of the paper's words,
  plain and times the claim's sign;
- vectors of the claim, the title and the four likeliest sentences by all-MiniLM-L6-v2 (Apache-2.0,
  as int8 in the package `{package}` {package_version}, SHA-256
  `{package_hash}`): cosines,
  products with the claim, and the evidence itself, plain and times the claim's sign.

The sentence that it quotes is chosen apart from the stance, by a logistic regression on likeness,
cue words and the sentence's own words, taught by readers' quotes.

Five folds by claim. Factors and bands are chosen on the other folds. Words, idf and token
frequencies were counted over all papers, without labels. Word lists, features and penalties were
settled while looking at these folds, so the numbers below are a little optimistic; a file of other
claims is the fair measure. A claim that the judge was trained on is always judged by the fold that
has not seen it.

## What it states, and how far to believe it
Its answer is the class with the largest probability after factors that give the best macro-F1
({factors}). It states a side from the first band of
probabilities on whose measured precision is clearly better than chance (lower bound at least
{times} times the class's share), and answers `unclear` otherwise. Each statement is a proposal,
carries its band, and counts for nothing until a person confirms it. `likely`: at least 6 of 10
such answers were right; `leans`: 4 to 6 of 10; `hint`: fewer, though better than chance.

{bands}

The same rule within the folds, on claims that neither model nor rule had seen:

{spoken}

By word, within the folds: {by_word}.

Against is proposed as `relaxes`: it cannot tell a contradiction from a relaxation. Readers' labels
of what it called supports: {labels_supports}; of what it called against: {labels_against}.

If it had to choose everywhere: macro-F1 {leaning}.

## Without the encoder's package
Word features alone answer, under the name `embedded-{version}-words`:

{words_spoken}

## The trade-off: precision at coverage
Wanted was an "against" of precision .60 at 30 % coverage. Measured in four ways:

Surest share of the answers of one side (of what it states; 95 % Wilson intervals):

{surest}

Surest share of all pairs by one side's probability, whatever it answers. `either` is "bears on the
claim at all":

{coverage}

A filter for precision {wanted}: from the lowest probability on that gave it on the other folds (at
least {fewest} pairs), tried on the fold left out. What comes out below {wanted} is what a curator
would get who trusted such a filter:

{filters}

The pairs that it is surest of, whatever it answers (selective prediction; confidence is the
probability of the answer given):

{sure}

## Checks
- AUC of evidence against none {evidence_auc}, of supports against the rest of the evidence
  {direction_auc} (word features alone: {words_evidence_auc}, {words_direction_auc}). The second
  is the weak part.
- Evidence sentence: the first choice overlaps the reader's quote in {first},
  one of the closest three in {of_three}.
- Calibration error over ten bins: {calibration}.
  Mean probability and share right by tenths:

{reliability}

- Artefacts, macro-F1 from one side of the pair alone: {artefacts}.
- The same recipe in another field, trained on SciFact train, measured on its dev claims:
  {scifact}.

## What it cannot do
- It compares words and sentence vectors; it does not read. Who did what to whom is often lost.
- It cannot tell `contradicts` from `relaxes`, nor `mentions` from `unrelated`.
- It has seen English abstracts of papers on language models from 2024 to 2026, and no full text.
- Precision depends on how many candidates bear on the claim at all; with fewer, it is lower.
- It knows nothing of the overlap of scope; a stance stays a proposal until a person confirms it.
"""


def write_card(weights: Weights, size_bytes: int) -> str:
    """The card as Markdown."""
    m = weights.measured
    full, words = m["full"], m["words"]
    evidence = m["evidence_sentence"]
    return CARD.format(
        version=weights.version,
        size=f"{size_bytes / 1024:,.0f}",
        pairs=f"{m['pairs']:,}",
        claims=m["claims"],
        labels=_counts(m["labels"]),
        training_hash=weights.training_hash,
        trained=m["trained"],
        cpu_s=m["cpu_s"],
        package=PACKAGE.replace("_", "-"),
        package_version=PACKAGE_VERSION,
        package_hash=SHA256,
        factors=", ".join(
            f"{name} {factor:g}"
            for name, factor in zip(CLASSES, weights.final.rule.factors, strict=True)
        ),
        times=TIMES_CHANCE,
        bands="\n".join(_bands(weights.final.rule)),
        spoken="\n".join(_describe(full["spoken"])),
        by_word=_by_word(full["bands"]),
        labels_supports=_counts(full["labels_of_spoken"]["supports"]),
        labels_against=_counts(full["labels_of_spoken"]["against"]),
        leaning=_score(full["leaning"]),
        words_spoken="\n".join(_describe(words["spoken"])),
        surest="\n".join(_surest(full["surest"])),
        coverage="\n".join(_coverage(full["coverage"], m["pairs"])),
        wanted=f"{WANTED:.2f}",
        fewest=FEWEST_IN_BAND,
        filters="\n".join(_filters(full["filters"], m["pairs"])),
        sure="\n".join(_sure(full["sure"])),
        evidence_auc=f"{full['separation']['evidence']:.3f}",
        direction_auc=f"{full['separation']['direction']:.3f}",
        words_evidence_auc=f"{words['separation']['evidence']:.3f}",
        words_direction_auc=f"{words['separation']['direction']:.3f}",
        first=_share(evidence["first"], evidence["n"]),
        of_three=_share(evidence["of three"], evidence["n"]),
        calibration=_list(full["calibration"]),
        reliability="\n".join(_reliability(full["reliability"])),
        artefacts=_list(m["artefacts"]),
        scifact=_scifact(m["scifact"]),
    )


def _scifact(scores: dict[str, Any]) -> str:
    if not scores:
        return "not measured"
    return (
        f"macro-F1 {scores['full']:.3f}, by word features alone {scores['words']:.3f} "
        f"(n = {scores['n']})"
    )


def _list(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items())) or "none"


def _score(answers: dict[str, Any]) -> str:
    low, high = answers["ci95"]
    return f"{answers['macro_f1']:.3f} [{low:.3f}, {high:.3f}]"


def _bands(rule: Rule) -> list[str]:
    lines = [
        "| side | probability from | it says | answers like it that were right |",
        "|---|---|---|---|",
    ]
    for name, side in zip(CLASSES, rule.bands, strict=False):
        for band in side:
            lines.append(
                f"| {name} | {band.low:.2f} | {band.word} | {_share(band.right, band.n)} |"
            )
    return lines


def _by_word(bands: dict[str, dict[str, list[int]]]) -> str:
    parts = [
        f"{name} {word} {_share(*counts)}"
        for name, side in bands.items()
        for word, counts in sorted(side.items())
    ]
    return "; ".join(parts)


def _describe(answers: dict[str, Any]) -> list[str]:
    table = answers["confusion"]
    lines = [
        f"Three-way macro-F1 {_score(answers)} (95 %, bootstrap over claims).",
        "",
        "| class | answers | precision | recall |",
        "|---|---|---|---|",
    ]
    for k, name in enumerate(CLASSES):
        answered, true = sum(row[k] for row in table), sum(table[k])
        shares = f"{_share(table[k][k], answered)} | {_share(table[k][k], true)}"
        lines.append(f"| {name} | {answered} | {shares} |")
    return lines


def _surest(curves: dict[str, list[list[int]]]) -> list[str]:
    lines = ["| side | surest share | precision |", "|---|---|---|"]
    for name, curve in curves.items():
        total = curve[-1][0] if curve else 0
        lines += [f"| {name} | {n / total:.0%} | {_share(right, n)} |" for n, right in curve[3:]]
    return lines


def _coverage(curves: dict[str, Any], pairs: int) -> list[str]:
    lines = ["| pairs | share of all | supports | against | either |", "|---|---|---|---|---|"]
    for position, (n, _) in enumerate(curves["supports"]):
        cells = " | ".join(_share(curves[name][position][1], n) for name in curves)
        lines.append(f"| {n} | {n / pairs:.0%} | {cells} |")
    return lines


def _filters(filters: dict[str, dict[str, int]], pairs: int) -> list[str]:
    lines = [
        "| side | right of what passed | share of all pairs | share of the side | folds unset |",
        "|---|---|---|---|---|",
    ]
    for name, found in filters.items():
        right, n = found["right"], found["n"]
        shares = f"{n / pairs:.1%} | {right / found['true']:.0%} | {found['unset']}"
        lines.append(f"| {name} | {_share(right, n)} | {shares} |")
    return lines


def _sure(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["| share of all | right | supports | against |", "|---|---|---|---|"]
    for row in rows:
        right = sum(row[name][0] for name in CLASSES)
        cells = " | ".join(_share(*row[name]) for name in CLASSES[:NEITHER])
        lines.append(f"| {row['share']:.0%} | {_share(right, row['n'])} | {cells} |")
    return lines


def _reliability(bins: dict[str, list[list[float]]]) -> list[str]:
    names = list(bins)
    lines = ["| tenth | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for position in range(len(bins[names[0]])):
        cells = []
        for name in names:
            mean, right, n = bins[name][position]
            cells.append(f"{mean:.2f} said, {right / n:.2f} right")
        lines.append(f"| {position + 1} | " + " | ".join(cells) + " |")
    return lines


def _share(right: int, n: int) -> str:
    if n == 0:
        return "– (n = 0)"
    low, high = wilson(right, n)
    return f"{right / n:.2f} [{low:.2f}, {high:.2f}] (n = {n})"
