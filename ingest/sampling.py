"""A few papers from below the cut, judged like the others: what does triage leave out?

Pairs that the cut left out are sampled in two layers, just below it and far below, each
pair of a layer with the same chance. Decides the layers and the estimate. Counted are the
new papers of a claim that share a word with it, and of a new claim its 300 best matches:
what lies deeper is in neither layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.judges.intervals import wilson
from ingest.rankable_claims import RankableClaim
from ingest.ranker import PaperBatch, RankedPaper

LAYERS = ("near", "far")
NEAR_SHARE = 0.7  # near: at least this share of the lowest score that was kept


@dataclass
class _Layer:
    """Pairs seen, and the ones with the smallest keys so far: a uniform sample."""

    pairs: int = 0
    drawn: tuple[tuple[float, RankableClaim, RankedPaper], ...] = ()


class BelowCut:
    """The pairs that one run left out; half of the sample from each layer."""

    def __init__(self, samples: int, seed: int | None) -> None:
        self._share = samples // len(LAYERS)
        self._random = np.random.default_rng(seed or 0)
        self._layers = {name: _Layer() for name in LAYERS}

    @property
    def sampled(self) -> list[tuple[RankableClaim, RankedPaper]]:
        """What was drawn."""
        return [(c, p) for layer in self._layers.values() for _, c, p in layer.drawn]

    def note_claim(self, claim: RankableClaim, papers: Sequence[RankedPaper]) -> None:
        """The papers of one claim that were not kept, best first."""
        if not papers:
            return
        scores = np.array([paper.score for paper in papers])
        near = scores >= NEAR_SHARE * scores[0]
        for name, chosen in zip(LAYERS, (near, ~near), strict=True):
            self._draw(name, np.flatnonzero(chosen), lambda place: (claim, papers[place]))

    def note_batch(
        self, claims: Sequence[RankableClaim], batch: PaperBatch, is_kept: NDArray[np.bool_]
    ) -> None:
        """The pairs of a batch of new papers that were not kept."""
        left_out = batch.is_newer & ~is_kept
        best = np.where(left_out, batch.scores, 0).max(axis=1, initial=0)
        near = left_out & (batch.scores >= NEAR_SHARE * best[:, None])
        width = left_out.shape[1]
        for name, chosen in zip(LAYERS, (near, left_out & ~near), strict=True):
            self._draw(
                name,
                np.flatnonzero(chosen),
                lambda place: (claims[place // width], batch.read(place // width, place % width)),
            )

    def describe(self) -> dict[str, Any]:
        """Pairs and sampled pairs of each layer, with the sampled pairs by their ids."""
        return {
            name: {
                "pairs": layer.pairs,
                "sampled": [[c.revision_id, p.paper_id] for _, c, p in layer.drawn],
            }
            for name, layer in self._layers.items()
        }

    def _draw(self, name: str, places: NDArray[np.intp], read: Any) -> None:
        layer = self._layers[name]
        layer.pairs += len(places)
        if not self._share or not len(places):
            return
        keys = self._random.random(len(places))
        least = np.argsort(keys, kind="stable")[: self._share]
        drawn = [(float(keys[k]), *read(int(places[k]))) for k in least]
        layer.drawn = tuple(sorted((*layer.drawn, *drawn), key=lambda row: row[0])[: self._share])


@dataclass(frozen=True)
class MissRate:
    """The share of the pairs below the cut that bear on their claim, as a judge sees them."""

    below_cut: int
    sampled: int
    found: int
    rate: float
    low: float
    high: float


def estimate_miss_rate(layers: Sequence[tuple[int, int, int]]) -> MissRate:
    """Layers as (pairs, sampled, found); each layer counts by its share of the pairs.

    The interval adds the layers' Wilson intervals by their shares: wider than 95 % needs,
    never narrower. A layer of which nothing was sampled could be anything.
    """
    total = sum(pairs for pairs, _, _ in layers)
    rate = low = high = 0.0
    for pairs, sampled, found in layers:
        share = pairs / total if total else 0.0
        bounds = wilson(found, sampled)
        rate += share * (found / sampled if sampled else 0.0)
        low, high = low + share * bounds[0], high + share * bounds[1]
    sampled = sum(layer[1] for layer in layers)
    return MissRate(total, sampled, sum(layer[2] for layer in layers), rate, low, high)
