"""How far a paper's setting is the claim's own: model, task, metric, scale.

On each axis ``same``, ``near`` or ``other``, or nothing where either text is silent: an
abstract that names no metric has not measured another one. Rules see words: the terms of
``ingest.subjects`` and sizes in parameters. Decides nothing about what the paper finds.
"""

import re
from functools import lru_cache

from ingest.subjects import Term, find_terms

AXES = ("model", "task", "metric", "scale")
GENERAL = {"language model", "accuracy"}  # named by nearly all: they tell only when alone
OFTEN = {"model": 2, "task": 2, "metric": 1}  # places that make a shared term the subject
SAME_FACTOR, NEAR_FACTOR = 3.0, 30.0  # sizes within a factor of three are one scale
SIZE = re.compile(
    r"(?<![\w.])(?P<low>\d+(?:\.\d+)?)\s?(?P<low_unit>[MBT])?"
    r"(?:\s?(?:[–—-]|to)\s?(?P<high>\d+(?:\.\d+)?)\s?)?(?P<unit>[MBT])(?:illion)?"
    r"(?![\w])(?!\s+(?:tokens|samples|examples))"
)
WORDED = (
    (re.compile(r"\bsub-billion\b|\bbelow (?:a|one) billion\b", re.I), (1e8, 1e9)),
    (re.compile(r"\bfrontier (?:language )?models?\b", re.I), (1e11, 2e12)),
)
UNITS = {"M": 1e6, "B": 1e9, "T": 1e12}


def compare_scopes(claim: str, title: str, abstract: str) -> dict[str, str]:
    """``{"model": "same", "task": "near", …}``; an axis that either side leaves open is absent."""
    paper = f"{title}. {abstract}"
    found = {axis: _compare_terms(axis, claim, paper, title) for axis in AXES[:3]}
    found["scale"] = _compare_sizes(find_sizes(claim), find_sizes(paper))
    return {axis: word for axis in AXES if (word := found[axis])}


def find_sizes(text: str) -> list[tuple[float, float]]:
    """Sizes of models in parameters, as ranges; a number of tokens is no size."""
    sizes = [span for pattern, span in WORDED if pattern.search(text)]
    for match in SIZE.finditer(text):
        unit = UNITS[match["unit"]]
        low = float(match["low"]) * (UNITS[match["low_unit"]] if match["low_unit"] else unit)
        high = float(match["high"]) * unit if match["high"] else low
        sizes.append((min(low, high), max(low, high)))
    return sizes


def _compare_terms(axis: str, claim: str, paper: str, title: str) -> str | None:
    """A shared term that is the paper's subject is the same; one that it only names is near."""
    ours, theirs = _find_cached(axis, claim), find_terms(axis, paper)
    if not ours or not theirs:
        return None
    special = {term for term in ours if term.name not in GENERAL} or set(ours)
    shared = special & set(theirs)
    if any(theirs[term] >= OFTEN[axis] for term in shared) or shared & set(find_terms(axis, title)):
        return "same"
    kin = {term.kin for term in ours} & {term.kin for term in theirs}
    return "near" if kin else "other"


@lru_cache(maxsize=1024)
def _find_cached(axis: str, claim: str) -> dict[Term, int]:
    return find_terms(axis, claim)


def _compare_sizes(
    ours: list[tuple[float, float]], theirs: list[tuple[float, float]]
) -> str | None:
    if not ours or not theirs:
        return None
    apart = min(_factor_between(one, other) for one in ours for other in theirs)
    return "same" if apart <= SAME_FACTOR else "near" if apart <= NEAR_FACTOR else "other"


def _factor_between(one: tuple[float, float], other: tuple[float, float]) -> float:
    """How many times larger one range is than the other; 1 where they overlap."""
    gap = max(one[0], other[0]) / min(one[1], other[1])
    return max(1.0, gap)
