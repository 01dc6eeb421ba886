"""What a page of results holds, section by section, in words ready to be printed.

Decides the shape alone; what stands in it is ``reassay.results.page``'s to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reassay.results.figures import CurveFigure, EstimandFigure
from retest.samples import KeptSample


@dataclass(frozen=True)
class Row:
    """A fact with its name."""

    name: str
    value: str


@dataclass(frozen=True)
class EstimandRow:
    """An estimand with everything that its number needs."""

    name: str
    meaning: str
    seeds: str
    mean: str
    interval: str
    unit: str
    region: str
    margin: str
    outcome: str
    to_go: str
    picture: str | None


@dataclass(frozen=True)
class ReadingRow:
    """A reading of the claim, or the whole claim, with what its outcome means."""

    name: str
    statement: str
    estimands: str
    outcome: str
    evidence: str
    to_go: str
    meaning: str


@dataclass(frozen=True)
class ControlRow:
    """A control or gate."""

    name: str
    meaning: str
    bounds: str
    passed: str
    worst: str


@dataclass(frozen=True)
class SourceRow:
    """A number of the source beside ours."""

    what: str
    value: str
    where: str
    ours: str


@dataclass(frozen=True)
class CurveRow:
    """A figure of the experiment; ``picture`` None: not measured in this profile."""

    title: str
    picture: str | None


@dataclass(frozen=True)
class StreamSection:
    """What one stream says."""

    heading: str
    outcome: str
    notes: tuple[str, ...]
    ran: tuple[Row, ...]
    estimands: tuple[EstimandRow, ...]
    readings: tuple[ReadingRow, ...]
    controls: tuple[ControlRow, ...]
    sources: tuple[SourceRow, ...]
    curves: tuple[CurveRow, ...]
    samples: tuple[KeptSample, ...]


@dataclass(frozen=True)
class ResultsPage:
    """A whole page, and the pictures that it shows by their file names."""

    experiment: str
    title: str
    question: str
    claim_as_tested: str
    cannot_show: str
    about: tuple[Row, ...]
    arms: tuple[Row, ...]
    sections: tuple[StreamSection, ...]
    others: tuple[tuple[str, ...], ...]
    chain: tuple[str, ...]
    pictures: Mapping[str, EstimandFigure | CurveFigure]
