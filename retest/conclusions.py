"""The LOCAL field of a claim: what our own seeds say, with scale and limits beside it.

Only streams of the present protocol and code count, and only profiles that conclude.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sqlmodel import Session

from db import models
from retest.bindings import experiments_of
from retest.experiments import MODULES, load_experiment
from retest.finished_seeds import describe_seeds
from retest.night_effect import LEAST_NIGHTS, describe_nights
from retest.outcomes import EstimandState, ReadingState, StreamState, read_stream
from retest.protocol import Estimand, Outcome, Protocol
from retest.results import DECIDED, ControlState, StreamResult, read_state
from retest.streams import find_stream

Local = Literal["consistent", "shifted", "attenuated", "undecided", "invalid", "none"]
# When several experiments bear on one claim, the one that asks most for a look is named.
MOST_TELLING: tuple[Local, ...] = (
    "shifted", "attenuated", "invalid", "undecided", "consistent", "none",
)  # fmt: skip


@dataclass(frozen=True)
class LocalConclusion:
    """The word, its transfer tag, and everything that a report may print."""

    local: Local
    transfer: str | None
    detail: dict[str, Any] = field(default_factory=dict)


def conclude_local(session: Session, claim_id: int, *, live_claims: int) -> LocalConclusion:
    """What our own experiments say about one claim; ``live_claims`` is K of ``established``."""
    described = []
    for binding in experiments_of(session, claim_id):
        if binding.experiment in MODULES:
            described.append(_describe_experiment(session, binding, live_claims))
    words = {item["local"] for item in described}
    local: Local = next((word for word in MOST_TELLING if word in words), "none")
    named = next((item for item in described if item["local"] == local != "none"), None)
    return LocalConclusion(local, named["transfer"] if named else None, {"experiments": described})


def count_drifts(detail: Mapping[str, Any]) -> int:
    """How many estimands of a claim's experiments drift, by its LOCAL detail."""
    return sum(len(row.get("drift") or []) for row in detail.get("experiments") or [])


def describe_stream(
    session: Session, stream: models.Stream, protocol: Protocol, *, live_claims: int = 1
) -> dict[str, Any]:
    """All that a report or a listing may print of one stream, in plain JSON data."""
    result = read_state(session, stream, protocol)
    return _describe_result(protocol, stream, result, live_claims)


def _describe_experiment(
    session: Session, binding: models.Binding, live_claims: int
) -> dict[str, Any]:
    protocol = load_experiment(binding.experiment).PROTOCOL
    stream = find_stream(session, protocol, None)
    head = {
        "experiment": protocol.experiment,
        "version": protocol.version,
        "title": protocol.title,
        "transfer": binding.transfer,
        "scale": protocol.scale,
        "cannot_show": protocol.cannot_show,
        "unit": "seed",
        "alpha": protocol.alpha,
    }
    if stream is None:
        return {**head, **_describe_nothing(protocol)}
    return {**head, **describe_stream(session, stream, protocol, live_claims=live_claims)}


def _describe_nothing(protocol: Protocol) -> dict[str, Any]:
    """An experiment that has no seed which could conclude."""
    nothing: list[list[float]] = [[] for _ in protocol.estimands]
    empty = read_stream(protocol.estimands, nothing, protocol.alpha, protocol.readings)
    return {
        "local": "none",
        "n": 0,
        "profile": None,
        "outcome": None,
        "latched": False,
        "strength": "none",
        "run_set": "none",
        "estimands": _describe_estimands(protocol, empty),
        "readings": _describe_readings(protocol, empty, lambda reading: reading.outcome),
        "controls": {},
        "canary": None,
        "censored": 0,
        "night_effect": None,
        "drift": [],
        "notes": ["no seed of a profile that concludes has run under the present code"],
    }


def _describe_result(
    protocol: Protocol, stream: models.Stream, result: StreamResult, live_claims: int
) -> dict[str, Any]:
    canary, state, n = result.canary, result.state, len(result.seeds)
    is_valid = result.outcome != "INVALID"
    return {
        "local": result.outcome.lower() if n or not is_valid else "none",
        "n": n,
        "profile": stream.profile,
        "outcome": result.outcome,
        "latched": state.outcome != state.present,  # reached, but the last seeds say less
        "present": state.present,
        "strength": state.strength(protocol.alpha, live_claims) if is_valid else "none",
        "seeds_to_go": state.seeds_to_go,
        "run_set": f"stream {stream.id}, seeds {describe_seeds(result.seeds)}",
        "environment": stream.environment_class,
        "estimands": _describe_estimands(protocol, state),
        "readings": _describe_readings(protocol, state, result.judge),
        "controls": {c.name: _describe_control(c) for c in result.controls},
        "canary": {"ok": canary.is_ok, "difference": canary.difference} if canary else None,
        "censored": result.censored,
        "lost": result.lost,
        "night_effect": _describe_night_effect(result),
        "drift": [asdict(drift) for drift in result.drifts],
        "notes": [*result.reasons, *describe_stream_notes(result)],
    }


def _describe_night_effect(result: StreamResult) -> dict[str, Any]:
    """How many observations there are, and how much of the variance lies between nights."""
    effect = result.night_effect
    return {
        "found": effect.is_found,
        "found_after": effect.found_after,
        "nights": effect.nights,
        "least_nights": LEAST_NIGHTS,
        "share": effect.share,
        "unit": result.unit,
        "units": result.units,
    }


def _describe_control(control: ControlState) -> dict[str, Any]:
    row = asdict(control)
    del row["name"]
    return row


def describe_stream_notes(result: StreamResult) -> list[str]:
    """What a reader should know beside the numbers."""
    notes = []
    if result.waiting:
        notes.append(f"{result.waiting} finished seeds wait for an earlier one to be run again")
    if result.spoiled:
        notes.append(
            f"{result.spoiled} seeds do not count: they ran in a night in which a canary of the "
            "same environment missed"
        )
    notes += describe_nights(result.night_effect, is_decided=result.outcome in DECIDED)
    if result.state.outcome != result.state.present:
        notes.append(
            f"reached {result.state.outcome}; the evidence at the last seed alone says "
            f"{result.state.present}"
        )
    notes += [
        f"{state.name}: earlier and later seeds exclude each other, so its mean moved; the "
        "interval is the present one"
        for state in result.state.estimands
        if state.has_moved
    ]
    return notes


def _finite(value: float) -> float | None:
    """A bound that JSON can hold; None where there is none yet."""
    return value if math.isfinite(value) else None


def _describe_estimands(protocol: Protocol, state: StreamState) -> list[dict[str, Any]]:
    return [
        _describe_estimand(estimand, reading)
        for estimand, reading in zip(protocol.estimands, state.estimands, strict=True)
    ]


def _describe_estimand(estimand: Estimand, state: EstimandState) -> dict[str, Any]:
    return {
        "name": estimand.name,
        "meaning": estimand.meaning,
        "unit": estimand.unit,
        "n": state.n,
        "mean": state.mean,
        "low": _finite(state.low),
        "high": _finite(state.high),
        "region": [estimand.region_low, estimand.region_high],
        "margin": estimand.margin,
        "outcome": state.outcome,
        "e_consistent": state.e_consistent,
        "e_shifted": state.e_shifted,
        "seeds_to_go": state.seeds_to_go,
        "present": {
            "low": _finite(state.present_low),
            "high": _finite(state.present_high),
            "outcome": state.present,
        },
    }


def _describe_readings(
    protocol: Protocol, state: StreamState, judge: Callable[[ReadingState], Outcome]
) -> list[dict[str, Any]]:
    """What the seeds say to each reading of the claim; ``judge`` gives the outcome to show."""
    return [
        {
            "name": reading.name,
            "statement": reading.statement,
            "estimands": list(reading.estimands),
            "outcome": judge(of),
            "present": of.present,
            "e_consistent": of.e_consistent,
            "e_shifted": of.e_shifted,
            "seeds_to_go": of.seeds_to_go,
        }
        for reading, of in zip(protocol.readings, state.readings, strict=True)
    ]
