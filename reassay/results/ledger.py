"""What the ledger holds of an experiment, gathered for its page of results.

Decides which streams a page shows in full: of each profile that concludes the present stream
with the most seeds; where there is none, the newest stream that has seeds. Everything else is
listed. Writes nothing, and knows nothing of pages and figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select as select_columns  # sqlmodel types four at most
from sqlmodel import Session, col, func, select

from db import models
from db.columns import stored_id
from retest.amendments import Registered, read_chain
from retest.bindings import claims_of
from retest.experiments import load_experiment
from retest.finished_seeds import read_counted
from retest.protocol import Protocol
from retest.results import StreamResult, read_state
from retest.samples import KeptSample, choose_samples, read_samples
from retest.showing import Showing
from retest.streams import find_stream, hash_code
from retest.tracing import Trace, trace_intervals

WRONG_SHOWN, RIGHT_SHOWN = 4, 2


@dataclass(frozen=True)
class SeedFacts:
    """What a finished seed measured beside its estimates, and what it took."""

    measures: Mapping[str, Any]  # with "estimates" and "controls" beside its own keys
    started_at: datetime
    finished_at: datetime | None
    duration_s: float | None
    cpu_s: float | None


@dataclass(frozen=True)
class StreamFacts:
    """A stream that a page shows in full, under the protocol that it ran under."""

    stream: models.Stream
    registered: models.Protocol
    protocol: Protocol
    is_present: bool  # of the protocol and code that stand in this installation
    result: StreamResult
    seeds: tuple[SeedFacts, ...]
    traces: tuple[Trace, ...]
    samples: tuple[KeptSample, ...]  # a few, wrong ones first
    missed_canaries: int
    canaries: int


@dataclass(frozen=True)
class OtherStream:
    """One line about a stream."""

    stream: int
    version: int
    profile: str
    environment: str
    seeds: int
    latched: str | None
    opened_at: datetime
    is_present: bool


@dataclass(frozen=True)
class ExperimentFacts:
    """All that a page of results is made of."""

    protocol: Protocol
    shown: Showing
    claims: tuple[tuple[str, str], ...]  # handle, statement
    streams: tuple[StreamFacts, ...]
    others: tuple[OtherStream, ...]
    chain: tuple[Registered, ...]


def gather_results(session: Session, experiment: str) -> ExperimentFacts:
    """Everything that the ledger holds of an experiment."""
    module = load_experiment(experiment)
    protocol: Protocol = module.PROTOCOL
    shown = _choose_streams(session, protocol)
    return ExperimentFacts(
        protocol=protocol,
        shown=getattr(module, "SHOWN", None) or Showing(),
        claims=tuple((claim.handle, claim.statement) for claim in claims_of(session, experiment)),
        streams=tuple(_gather_stream(session, protocol, stream) for stream in shown),
        others=_list_streams(session, protocol),
        chain=read_chain(session, protocol),
    )


def find_number(document: Mapping[str, Any] | Sequence[Any], path: str) -> float | None:
    """The number at a path of keys joined by dots; None where there is none.

    A key may hold dots itself (``budget.0.16.accuracy``).
    """
    found = _find(document, path)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found)


def _find(value: Any, path: str) -> Any:
    if not path:
        return value
    if isinstance(value, Mapping):
        parts = {str(key): part for key, part in value.items()}
    elif isinstance(value, list | tuple):
        parts = {str(number): part for number, part in enumerate(value)}
    else:
        return None
    for key in sorted(parts, key=len, reverse=True):
        if path == key or path.startswith(f"{key}."):
            found = _find(parts[key], path[len(key) + 1 :])
            if found is not None:
                return found
    return None


def _choose_streams(session: Session, protocol: Protocol) -> list[models.Stream]:
    concluding = [name for name, profile in protocol.profiles.items() if profile.concludes]
    found = [find_stream(session, protocol, name) for name in concluding]
    present = [s for s in found if s is not None and _count_seeds(session, s)]
    if present:
        return sorted(present, key=lambda s: (-_count_seeds(session, s), stored_id(s.id)))
    newest = session.exec(
        select(models.Stream)
        .where(models.Stream.experiment == protocol.experiment)
        .order_by(col(models.Stream.id).desc())
    ).all()
    return [stream for stream in newest if _count_seeds(session, stream)][:1]


def _count_seeds(session: Session, stream: models.Stream) -> int:
    return session.exec(
        select(func.count())
        .select_from(models.SeedRun)
        .where(models.SeedRun.stream_id == stream.id, models.SeedRun.status == "finished")
    ).one()


def _gather_stream(session: Session, present: Protocol, stream: models.Stream) -> StreamFacts:
    registered = session.get_one(models.Protocol, stream.protocol_id)
    protocol = Protocol.from_record(registered.record)
    result = read_state(session, stream, protocol)
    kept = read_samples(session, stream).samples
    wrong = choose_samples(kept, WRONG_SHOWN, only_wrong=True)
    right = choose_samples([s for s in kept if not s.is_wrong], RIGHT_SHOWN)
    canaries = session.exec(
        select(models.CanaryRun.is_ok).where(models.CanaryRun.stream_id == stream.id)
    ).all()
    return StreamFacts(
        stream=stream,
        registered=registered,
        protocol=protocol,
        is_present=_is_present(stream, registered, present),
        result=result,
        seeds=_read_seeds(session, stream, result.seeds),
        traces=trace_intervals(protocol, read_counted(session, stream), result.night_effect),
        samples=(*wrong, *right),
        missed_canaries=canaries.count(False),
        canaries=len(canaries),
    )


def _is_present(
    stream: models.Stream, registered: models.Protocol | None, present: Protocol
) -> bool:
    is_protocol = registered is not None and registered.hash == present.hash()
    return is_protocol and stream.code_hash == hash_code(present.experiment)


def _read_seeds(
    session: Session, stream: models.Stream, indices: Sequence[int]
) -> tuple[SeedFacts, ...]:
    """The seeds that count, in seed order."""
    document = col(models.SeedRun.measures)
    query = (
        select_columns(
            col(models.SeedRun.seed_index),
            document["measures"],
            document["estimates"],
            document["cpu_s"],
            col(models.SeedRun.controls),
            col(models.SeedRun.started_at),
            col(models.SeedRun.finished_at),
            col(models.SeedRun.duration_s),
        )
        .where(col(models.SeedRun.stream_id) == stream.id)
        .where(col(models.SeedRun.status) == "finished")
        .order_by(col(models.SeedRun.seed_index))
    )
    counted = set(indices)
    return tuple(
        SeedFacts(
            measures={"estimates": estimates, "controls": controls, **(measures or {})},
            started_at=started_at,
            finished_at=finished_at,
            duration_s=duration_s,
            cpu_s=cpu_s,
        )
        for index, measures, estimates, cpu_s, controls, started_at, finished_at, duration_s
        in session.connection().execute(query)
        if index in counted
    )  # fmt: skip


def _list_streams(session: Session, protocol: Protocol) -> tuple[OtherStream, ...]:
    streams = session.exec(
        select(models.Stream)
        .where(models.Stream.experiment == protocol.experiment)
        .order_by(col(models.Stream.id))
    ).all()
    rows = []
    for stream in streams:
        registered = session.get_one(models.Protocol, stream.protocol_id)
        rows.append(
            OtherStream(
                stream=stored_id(stream.id),
                version=registered.version,
                profile=stream.profile,
                environment=stream.environment_class,
                seeds=_count_seeds(session, stream),
                latched=stream.latched_outcome,
                opened_at=stream.opened_at,
                is_present=_is_present(stream, registered, protocol),
            )
        )
    return tuple(rows)
