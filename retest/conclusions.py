"""The LOCAL field of a claim: what our own seeds say, with scale and limits beside it.

Only streams of the present protocol and code count, and only profiles that conclude.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from sqlmodel import Session, col, func, select

from db import models
from retest.bindings import bindings_of
from retest.experiments import MODULES, load_experiment
from retest.outcomes import EstimandState
from retest.protocol import Estimand, Protocol
from retest.results import StreamResult, describe_seeds, read_state
from retest.streams import hash_code

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
    for binding in bindings_of(session, claim_id):
        if binding.experiment in MODULES:
            described.append(_describe_experiment(session, binding, live_claims))
    words = {item["local"] for item in described if item["n"]}
    local: Local = next((word for word in MOST_TELLING if word in words), "none")
    named = next((item for item in described if item["local"] == local and item["n"]), None)
    return LocalConclusion(local, named["transfer"] if named else None, {"experiments": described})


def find_stream(session: Session, protocol: Protocol, profile: str | None) -> models.Stream | None:
    """The present stream of a protocol with the most seeds; by default of those that conclude."""
    profiles = [profile] if profile else [n for n, p in protocol.profiles.items() if p.concludes]
    registered = select(models.Protocol.id).where(models.Protocol.hash == protocol.hash())
    seeds = (
        select(func.count())
        .where(models.SeedRun.stream_id == models.Stream.id)
        .where(models.SeedRun.status == "finished")
        .scalar_subquery()
    )
    return session.exec(
        select(models.Stream)
        .where(col(models.Stream.protocol_id).in_(registered))
        .where(models.Stream.code_hash == hash_code(protocol.experiment))
        .where(col(models.Stream.profile).in_(profiles))
        .order_by(seeds.desc(), col(models.Stream.id).desc())
    ).first()


def _describe_experiment(
    session: Session, binding: models.Binding, live_claims: int
) -> dict[str, Any]:
    protocol = load_experiment(binding.experiment).PROTOCOL
    stream = find_stream(session, protocol, None)
    result = read_state(session, stream, protocol) if stream else None
    n = len(result.seeds) if result else 0
    return {
        "experiment": protocol.experiment,
        "version": protocol.version,
        "title": protocol.title,
        "transfer": binding.transfer,
        "scale": protocol.scale,
        "cannot_show": protocol.cannot_show,
        "unit": "seed",
        "alpha": protocol.alpha,
        "n": n,
        "profile": stream.profile if stream else None,
        "local": result.outcome.lower() if result and n else "none",
        **(_describe_result(protocol, stream, result, live_claims) if stream and result else {}),
    }


def _describe_result(
    protocol: Protocol, stream: models.Stream, result: StreamResult, live_claims: int
) -> dict[str, Any]:
    canary = result.canary
    return {
        "outcome": result.outcome,
        "latched": result.state.outcome != result.state.present,  # newer seeds alone say less
        "strength": result.state.strength(protocol.alpha, live_claims),
        "run_set": f"stream {stream.id}, seeds {describe_seeds(result.seeds)}",
        "environment": stream.environment_class,
        "estimands": [
            _describe_estimand(estimand, state)
            for estimand, state in zip(protocol.estimands, result.state.estimands, strict=True)
        ],
        "controls": {
            c.name: {
                "passed": c.passed,
                "failed": c.failed,
                "minimum": c.minimum,
                "maximum": c.maximum,
                "worst": c.worst,
            }
            for c in result.controls
        },
        "canary": {"ok": canary.is_ok, "difference": canary.difference} if canary else None,
        "censored": result.censored,
        "notes": list(result.reasons),
    }


def _describe_estimand(estimand: Estimand, state: EstimandState) -> dict[str, Any]:
    return {
        "name": estimand.name,
        "meaning": estimand.meaning,
        "unit": estimand.unit,
        "n": state.n,
        "mean": state.mean,
        "low": state.low,
        "high": state.high,
        "region": [estimand.region_low, estimand.region_high],
        "margin": estimand.margin,
        "outcome": state.outcome,
        "e_consistent": state.e_consistent,
        "e_shifted": state.e_shifted,
        "seeds_to_go": state.seeds_to_go,
    }
