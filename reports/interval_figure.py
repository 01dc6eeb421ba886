"""Places a measured interval beside the claim region on one axis.

Decides coordinates only, in a box of fixed width; the template draws it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.numbers import format_number

WIDTH = 240.0
PAD = 0.12  # of the span, on each side


@dataclass(frozen=True)
class IntervalFigure:
    """Horizontal positions, 0 to 240; the region reaches the edge where it is open."""

    low: float
    high: float
    mean: float
    region_low: float
    region_high: float
    margin_low: float
    margin_high: float
    axis_low: str  # in the estimand's unit
    axis_high: str


def draw_interval(row: Mapping[str, Any]) -> IntervalFigure | None:
    """The figure of one estimand; None when a bound is missing or not finite."""
    values = [row.get("low"), row.get("mean"), row.get("high")]
    region = row.get("region")
    if not all(_is_finite(v) for v in values) or not isinstance(region, list | tuple):
        return None
    if len(region) != 2:
        return None
    low, mean, high = (float(v) for v in values if v is not None)
    ends = [float(bound) for bound in region if _is_finite(bound)]
    margin = float(row["margin"]) if _is_finite(row.get("margin")) else 0.0
    reach = [low, high, *ends, *(e - margin for e in ends), *(e + margin for e in ends)]
    span = max(reach) - min(reach) or 1.0
    start, stop = min(reach) - PAD * span, max(reach) + PAD * span

    def place(value: float) -> float:
        share = (value - start) / (stop - start)
        return round(WIDTH * min(1.0, max(0.0, share)), 1)

    region_low = float(region[0]) if _is_finite(region[0]) else None
    region_high = float(region[1]) if _is_finite(region[1]) else None
    return IntervalFigure(
        low=place(low),
        high=place(high),
        mean=place(mean),
        region_low=0.0 if region_low is None else place(region_low),
        region_high=WIDTH if region_high is None else place(region_high),
        margin_low=0.0 if region_low is None else place(region_low - margin),
        margin_high=WIDTH if region_high is None else place(region_high + margin),
        axis_low=format_number(start),
        axis_high=format_number(stop),
    )


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
