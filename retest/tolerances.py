"""How far two results of one seed may lie apart where sums are not taken in a fixed order.

Decides the tolerance of each number of a canary: twice the largest deviation from the
reference among the first twenty runs, and never less than a millionth of the number. Until
there are twenty, a thousandth. Everything that is no number must be equal.
"""

from collections.abc import Mapping, Sequence
from typing import Any

CALIBRATION_RUNS = 20
WHILE_CALIBRATING = 1e-3  # of the number
AT_LEAST = 1e-6
FACTOR = 2.0
SMALL = 1e-3  # numbers below it are held to the tolerance of this one


def find_departure(reference: Any, result: Any, past: Sequence[Any]) -> str | None:
    """The first number beyond its tolerance, or other difference, in words; None if none is.

    ``past`` are the results so far, the reference first; the first twenty of them count.
    """
    expected, found = flatten(reference), flatten(result)
    if expected.keys() != found.keys():
        places = sorted(expected.keys() ^ found.keys())
        return f"{places[0]} is in one result only"
    early = [flatten(run) for run in past[:CALIBRATION_RUNS]]
    for place, wanted in expected.items():
        given = found[place]
        if not _is_number(wanted) or not _is_number(given):
            if wanted != given:
                return f"{place}: {given!r} instead of {wanted!r}"
            continue
        allowed = find_tolerance(wanted, [run.get(place) for run in early])
        if not abs(given - wanted) <= allowed:
            return f"{place}: {given!r} instead of {wanted!r}, beyond {allowed:.2g}"
    return None


def find_tolerance(reference: float, past: Sequence[Any]) -> float:
    """How far a number may lie from its reference."""
    size = max(abs(reference), SMALL)
    if len(past) < CALIBRATION_RUNS:
        return WHILE_CALIBRATING * size
    largest = max((abs(value - reference) for value in past if _is_number(value)), default=0.0)
    return max(FACTOR * largest, AT_LEAST * size)


def flatten(data: Any, place: str = "") -> dict[str, Any]:
    """Leaves of plain JSON data by their place, such as ``sizes.0.loss``."""
    if isinstance(data, Mapping):
        items = [(str(key), value) for key, value in data.items()]
    elif isinstance(data, list | tuple):
        items = [(str(number), value) for number, value in enumerate(data)]
    else:
        return {place: data}
    leaves: dict[str, Any] = {}
    for key, value in items:
        leaves |= flatten(value, f"{place}.{key}" if place else key)
    return leaves


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
