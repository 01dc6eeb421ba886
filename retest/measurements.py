"""Whether what a seed returned may enter the ledger, and in which plain form.

Decides that a seed gives one number an estimand and a reading of every control, and
judges the readings itself, against the registered bounds. Numbers that are none (NaN,
infinite) are stored as null, which both databases can hold.
"""

import math
from collections.abc import Mapping
from typing import Any

from db.errors import SeedRefused
from retest.protocol import ControlReading, Protocol, SeedResult


def check_result(protocol: Protocol, result: SeedResult) -> SeedResult:
    """The same result with floats for estimates, readings judged, and plain measures.

    Raises:
        SeedRefused: an estimate is missing, is not one finite number within its bounds
            (such as one value an item), or a control was not read.
    """
    return SeedResult(
        estimates=check_estimates(protocol, result),
        controls=_check_controls(protocol, result),
        measures=make_plain(result.measures),
    )


def store_result(protocol: Protocol, result: SeedResult, index: int) -> dict[str, Any]:
    """The columns of a finished seed's row, by name; ``index`` is its number in the stream.

    Raises:
        SeedRefused: the result may not enter the ledger.
    """
    checked = check_result(protocol, result)
    return {
        "value": next(iter(checked.estimates.values())),
        "measures": {"estimates": dict(checked.estimates), "measures": dict(checked.measures)},
        "controls": store_controls(checked.controls),
    }


def check_estimates(protocol: Protocol, result: SeedResult) -> dict[str, float]:
    """One finite number within bounds for each estimand, in the protocol's order.

    Raises:
        SeedRefused: anything else, such as one value an item.
    """
    from retest.evidence import check_values

    names = [estimand.name for estimand in protocol.estimands]
    if sorted(result.estimates) != sorted(names):
        raise SeedRefused(f"{protocol.experiment} must give {', '.join(names)} and nothing else")
    return {
        estimand.name: float(
            check_values([result.estimates[estimand.name]], estimand.bounds, estimand.kind)[0]
        )
        for estimand in protocol.estimands
    }


def _check_controls(protocol: Protocol, result: SeedResult) -> dict[str, ControlReading]:
    """Every control of the protocol; one passes when the experiment and its bounds say so."""
    missing = [c.name for c in protocol.controls if c.name not in result.controls]
    if missing:
        raise SeedRefused(f"{protocol.experiment} gave no reading of {', '.join(missing)}")
    readings = {}
    for control in protocol.controls:
        value, passed = result.controls[control.name]
        number = float(value)
        readings[control.name] = ControlReading(number, bool(passed) and control.passes(number))
    return readings


def store_controls(controls: Mapping[str, ControlReading]) -> dict[str, dict[str, Any]]:
    """Readings as they lie in the ledger: ``{"name": {"value", "passed"}}``."""
    return {
        name: {"value": make_plain(reading.value), "passed": reading.passed}
        for name, reading in controls.items()
    }


def make_plain(value: Any) -> Any:
    """Plain JSON data; a number that is not finite becomes None.

    Raises:
        SeedRefused: there is something in it that JSON cannot hold, such as an array.
    """
    if isinstance(value, Mapping):
        return {str(key): make_plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [make_plain(part) for part in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    raise SeedRefused(f"measures must be plain JSON data, not {type(value).__name__}")
