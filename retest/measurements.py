"""Whether what a seed returned may enter the ledger, and in which plain form.

Decides that a seed gives one number an estimand and a reading of every control, and
judges the readings itself, against the registered bounds; and which seeds keep their samples.
Numbers that are none (NaN, infinite) are stored as null, which both databases can hold.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from db.errors import SeedRefused
from retest.protocol import SAMPLES_KEPT, ControlReading, Protocol, Sample, Samples, SeedResult

FIRST_SAMPLED = 8  # seeds of a stream that keep their samples, so that the ledger stays small
SAMPLED_EVERY = 50  # and after them every fiftieth
LONGEST_WORDS = 600  # characters of one part of a sample


def check_result(protocol: Protocol, result: SeedResult) -> SeedResult:
    """The same result with floats for estimates, readings judged, and plain measures.

    Raises:
        SeedRefused: an estimate is missing, is not one finite number within its bounds
            (such as one value an item), a control was not read, or samples are no words.
    """
    return SeedResult(
        estimates=check_estimates(protocol, result),
        controls=_check_controls(protocol, result),
        measures=make_plain(result.measures),
        samples=check_samples(result.samples),
    )


def store_result(
    protocol: Protocol, result: SeedResult, index: int, cpu_s: float | None = None
) -> dict[str, Any]:
    """The columns of a finished seed's row, by name; ``index`` is its number in the stream.

    ``cpu_s`` is the processor time that the seed took, where a worker measured it.

    Raises:
        SeedRefused: the result may not enter the ledger.
    """
    checked = check_result(protocol, result)
    measures: dict[str, Any] = {
        "estimates": dict(checked.estimates),
        "measures": dict(checked.measures),
    }
    if cpu_s is not None:
        measures["cpu_s"] = cpu_s
    if checked.samples and keeps_samples(index):
        measures["samples"] = {
            arm: {test: [asdict(sample) for sample in kept] for test, kept in tests.items()}
            for arm, tests in checked.samples.items()
        }
    return {
        "value": next(iter(checked.estimates.values())),
        "measures": measures,
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


def keeps_samples(index: int) -> bool:
    """Whether the seed of this number in its stream keeps its samples."""
    return index < FIRST_SAMPLED or index % SAMPLED_EVERY == 0


def check_samples(samples: Samples) -> Samples:
    """The same samples in plain containers; words that are too long are cut.

    Raises:
        SeedRefused: a test set has more than ``SAMPLES_KEPT``, or a part of a sample is not
            a string.
    """
    return {
        str(arm): {str(test): _check_set(arm, test, kept) for test, kept in tests.items()}
        for arm, tests in samples.items()
    }


def _check_set(arm: str, test: str, kept: Sequence[Sample]) -> list[Sample]:
    if len(kept) > SAMPLES_KEPT:
        raise SeedRefused(
            f"{arm}, {test}: {len(kept)} samples, and a seed hands over {SAMPLES_KEPT} at most"
        )
    return [_check_sample(f"{arm}, {test}", sample) for sample in kept]


def _check_sample(place: str, sample: Sample) -> Sample:
    words = {field.name: getattr(sample, field.name) for field in fields(Sample)}
    for name, text in words.items():
        if not isinstance(text, str):
            raise SeedRefused(f"{place}: the {name} of a sample is a string, not {type(text)}")
    return replace(sample, **{name: _cut(text) for name, text in words.items()})


def _cut(text: str) -> str:
    whole = text.replace("\0", "\ufffd")  # which PostgreSQL does not store
    return whole if len(whole) <= LONGEST_WORDS else whole[: LONGEST_WORDS - 1] + "…"


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
