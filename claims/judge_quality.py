"""What was measured of a judge's proposals, as the queue and the night read it.

Decides the bands of confidence, and that a measure on decided pairs goes before one on
labelled pairs from elsewhere. Measures nothing: ``ingest`` writes the rows.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

from sqlmodel import Session, col, func, select

from db.models import Evidence, JudgeMeasure

Kind = Literal["proposals", "leanings"]
BANDS = ((0.9, "at least .9"), (0.7, ".7 to .9"), (0.5, ".5 to .7"), (0.0, "below .5"))
NO_BAND = "no probability"
GOLD_CLASS = {
    "supports": "supports",
    "contradicts": "contradicts+relaxes",
    "relaxes": "contradicts+relaxes",
}


@dataclass(frozen=True)
class Precision:
    """A share of right proposals, with its 95 % Wilson interval and what it was measured on."""

    right: int
    n: int
    low: float
    high: float
    band: str | None  # None: over all probabilities
    measured_on: str  # decisions | gold
    day: date

    def __str__(self) -> str:
        on = "decided" if self.measured_on == "decisions" else "labelled"
        share = f"{self.right / self.n:.2f} [{self.low:.2f}, {self.high:.2f}]"
        word = f"{self.band}: " if self.band and self.measured_on == "gold" else ""
        return f"{word}{share}, n = {self.n} {on}"

    def record(self) -> dict[str, Any]:
        """As plain data, for ``--json``."""
        return {**asdict(self), "precision": self.right / self.n}


def find_band(confidence: float | None) -> str:
    """The band of a probability."""
    if confidence is None:
        return NO_BAND
    return next(name for least, name in BANDS if confidence >= least or least == 0.0)


class JudgeQuality:
    """The newest measures of all judges."""

    def __init__(self, rows: Mapping[tuple[str, str], JudgeMeasure]) -> None:
        self._rows = rows

    def find(
        self, judge: str, kind: Kind, stance: str, confidence: float | None
    ) -> Precision | None:
        """The nearest measure of such proposals: of their band, of their stance, or on gold."""
        band = find_band(confidence)
        return (
            self.find_decided(judge, kind, stance, band)
            or self.find_decided(judge, kind, stance, None)
            or self._find_gold(judge, kind, stance)
        )

    def find_decided(
        self, judge: str, kind: Kind, stance: str, band: str | None
    ) -> Precision | None:
        """The precision on decided pairs, of one band or (None) of all; None: not measured."""
        row = self._rows.get((judge, "decisions"))
        if row is None:
            return None
        of_stance = row.result.get(kind, {}).get(stance, {})
        counted = of_stance.get("all") if band is None else of_stance.get("bands", {}).get(band)
        if not counted or not counted["n"]:
            return None
        low, high = counted["ci95"]
        return Precision(
            counted["right"], counted["n"], low, high, band, "decisions", row.measured_on_day
        )

    def _find_gold(self, judge: str, kind: Kind, stance: str) -> Precision | None:
        row = self._rows.get((judge, "gold"))
        if row is None:
            return None
        result = row.result if kind == "proposals" else row.result.get("leaning", {})
        counted = result.get("per_class", {}).get(GOLD_CLASS.get(stance, ""), {})
        n, share = counted.get("answers"), counted.get("precision")
        if not n or share is None or not counted.get("precision_ci95"):
            return None
        low, high = counted["precision_ci95"]
        return Precision(round(share * n), n, low, high, None, "gold", row.measured_on_day)


def read_own_measure(row: Evidence) -> Precision | None:
    """What the judge itself says of answers like this one, from the pairs it was built on."""
    band = row.scope.get("band")
    if not band or not band.get("n"):
        return None
    low, high = band["ci95"]
    right = round(band["precision"] * band["n"])
    day = row.created_at.date()
    return Precision(right, band["n"], low, high, band["word"], "gold", day)


def read_quality(session: Session) -> JudgeQuality:
    """The newest measure of each judge, on decisions and on gold."""
    newest = select(func.max(JudgeMeasure.id)).group_by(
        col(JudgeMeasure.judge), col(JudgeMeasure.measured_on)
    )
    rows = session.exec(select(JudgeMeasure).where(col(JudgeMeasure.id).in_(newest))).all()
    return JudgeQuality({(row.judge, row.measured_on): row for row in rows})
