"""How an experiment's results are shown: beside the source's numbers, as curves, in words.

Decides nothing: what it names is read from the ledger's measures, and the words for each
outcome were written before the seeds were. A path names a number in a seed's measures, keys
joined by dots (``replicate.tests.composition.full``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from retest.protocol import Outcome


@dataclass(frozen=True)
class SourceNumber:
    """A number of the source beside the one that takes its place here."""

    what: str
    value: str  # as the source gives it: "100 %", "0.01 %", "+21.6 %"
    where: str  # "Table 1, arXiv:2508.01191v1, by a secondary source"
    path: str  # ours, in a seed's measures


@dataclass(frozen=True)
class Curve:
    """A figure: for each label a series of (x, path of y); y is averaged over seeds."""

    name: str  # of the file: "dose_response"
    title: str
    x_label: str
    y_label: str
    series: Mapping[str, tuple[tuple[float, str], ...]]
    is_log_x: bool = False


@dataclass(frozen=True)
class Showing:
    """What results show; ``means`` says for each reading what an outcome would mean.

    ``means["C1a"]["SHIFTED"]`` is one or two plain sentences, and ``means["all"]`` speaks of
    the claim as worded.
    """

    source_numbers: tuple[SourceNumber, ...] = ()
    curves: tuple[Curve, ...] = ()
    means: Mapping[str, Mapping[Outcome, str]] = field(default_factory=dict)
