"""From an estimand's unit to the scale on which evidence is weighed, and back.

Bounded data are mapped to [0, 1] by their bounds; unbounded data stay as they are.
"""

from retest.evidence import Array, Bounds
from retest.protocol import Estimand


def find_span(estimand: Estimand) -> tuple[float, float]:
    """Offset and width that map the estimand's bounds to [0, 1]; unbounded data stay."""
    if estimand.kind == "unbounded" or estimand.bounds is None:
        return 0.0, 1.0
    low, high = estimand.bounds
    return low, high - low


def scale(estimand: Estimand, values: Array) -> Array:
    """Values in the estimand's unit, of any shape, to the scale of the evidence."""
    offset, width = find_span(estimand)
    scaled: Array = (values - offset) / width
    return scaled


def scale_end(estimand: Estimand, end: float | None) -> float | None:
    """An end of the region on that scale; None where it is open."""
    offset, width = find_span(estimand)
    return None if end is None else (end - offset) / width


def move_end(end: float | None, by: float) -> float | None:
    """An end of the region moved, such as by the margin; None where it is open."""
    return None if end is None else end + by


def unscale_value(estimand: Estimand, value: float) -> float:
    """A mean in the estimand's unit again."""
    offset, width = find_span(estimand)
    return value * width + offset


def unscale(estimand: Estimand, bounds: Bounds) -> Bounds:
    """Bounds in the estimand's unit again."""
    return Bounds(unscale_value(estimand, bounds.low), unscale_value(estimand, bounds.high))
