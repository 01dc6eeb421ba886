"""Streams and their ledger of seeds: what ran once never runs, or counts, twice.

Decides when a protocol is registered, when a stream is opened anew, and which seed is
next. A seed's row is written "started" first and "finished" last, and only the attempt
that started it may finish it. A crashed seed is tried again under its own number. Knows
nothing of torch and of what the numbers mean.
"""

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select, update

from db import models
from db.columns import stored_id, utc_now
from db.errors import ProtocolChanged, SeedRefused
from retest.experiments import MODULES
from retest.protocol import Protocol, SeedResult, derive_seed

MOST_ATTEMPTS = 3


@dataclass(frozen=True)
class StartedSeed:
    """A seed that this worker may run, and the attempt under which it may finish it."""

    run_id: int
    index: int
    seed: int
    attempt: int
    worker: str


def register_protocol(session: Session, protocol: Protocol) -> models.Protocol:
    """Store the protocol's hash and record before its first run.

    Raises:
        ProtocolChanged: this version was registered with another record.
    """
    known = session.exec(
        select(models.Protocol).where(
            models.Protocol.experiment == protocol.experiment,
            models.Protocol.version == protocol.version,
        )
    ).first()
    if known is None:
        known = models.Protocol(
            hash=protocol.hash(),
            experiment=protocol.experiment,
            version=protocol.version,
            record=protocol.record(),
            previous_hash=protocol.previous_hash,
        )
        session.add(known)
        session.commit()
    if known.hash != protocol.hash():
        raise ProtocolChanged(
            f"{protocol.experiment} version {protocol.version} differs from what was registered "
            f"on {known.registered_at:%Y-%m-%d} (hash {known.hash[:12]}): give the changed "
            "protocol a new version, or restore the registered one"
        )
    return known


def hash_code(experiment: str) -> str:
    """SHA-256 over the sources that produce a result: the experiment and the lab."""
    lab = Path(__file__).parent / "lab"
    spec = importlib.util.find_spec(MODULES[experiment])
    files = sorted(lab.rglob("*.py"))
    if spec is not None and spec.origin is not None:
        files = [Path(spec.origin), *files]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def open_stream(
    session: Session,
    protocol: Protocol,
    profile: str,
    environment_class: str,
    environment: dict[str, Any],
) -> models.Stream:
    """The stream of this protocol, code, profile and environment class; new if any differs."""
    registered = register_protocol(session, protocol)
    code = hash_code(protocol.experiment)

    def find() -> models.Stream | None:
        return session.exec(
            select(models.Stream).where(
                models.Stream.protocol_id == registered.id,
                models.Stream.profile == profile,
                models.Stream.code_hash == code,
                models.Stream.environment_class == environment_class,
            )
        ).first()

    stream = find()
    if stream is None:
        stream = models.Stream(
            protocol_id=stored_id(registered.id),
            experiment=protocol.experiment,
            profile=profile,
            code_hash=code,
            environment_class=environment_class,
            environment=environment,
        )
        session.add(stream)
        try:
            session.commit()
        except IntegrityError:  # another process opened it meanwhile
            session.rollback()
            stream = find()
            assert stream is not None
    return stream


def start_seed(
    session: Session,
    stream: models.Stream,
    protocol: Protocol,
    worker: str,
    night_id: int | None,
) -> StartedSeed:
    """Take the next seed: a crashed one under its own number first, else a fresh one."""
    while True:
        retried = _retry_seed(session, stream, worker, night_id)
        if retried is not None:
            return retried
        last = session.exec(
            select(func.max(models.SeedRun.seed_index)).where(models.SeedRun.stream_id == stream.id)
        ).one()
        index = 0 if last is None else last + 1
        run = models.SeedRun(
            stream_id=stored_id(stream.id),
            night_id=night_id,
            seed_index=index,
            seed=derive_seed(protocol.experiment, protocol.version, index),
            worker=worker,
        )
        session.add(run)
        try:
            session.commit()
        except IntegrityError:  # another process took this number: try the next
            session.rollback()
            continue
        return StartedSeed(stored_id(run.id), index, run.seed, run.attempt, worker)


def _retry_seed(
    session: Session, stream: models.Stream, worker: str, night_id: int | None
) -> StartedSeed | None:
    failed = session.exec(
        select(models.SeedRun)
        .where(models.SeedRun.stream_id == stream.id, models.SeedRun.status == "failed")
        .where(models.SeedRun.attempt < MOST_ATTEMPTS)
        .order_by(col(models.SeedRun.seed_index))
    ).first()
    if failed is None:
        return None
    attempt = failed.attempt + 1
    taken = session.exec(
        update(models.SeedRun)
        .where(col(models.SeedRun.id) == failed.id, col(models.SeedRun.status) == "failed")
        .values(
            status="started", attempt=attempt, worker=worker, night_id=night_id,
            started_at=utc_now(), error=None,
        )
    )  # fmt: skip
    session.commit()
    if not taken.rowcount:
        return None
    return StartedSeed(stored_id(failed.id), failed.seed_index, failed.seed, attempt, worker)


def release_lost_seeds(session: Session, stream: models.Stream, alive: Sequence[str]) -> int:
    """Mark seeds whose worker is gone as failed, so that they are tried again."""
    lost = session.exec(
        update(models.SeedRun)
        .where(col(models.SeedRun.stream_id) == stream.id)
        .where(col(models.SeedRun.status) == "started")
        .where(col(models.SeedRun.worker).not_in(list(alive)))
        .values(status="failed", error="the worker was lost")
    )
    session.commit()
    return int(lost.rowcount)


def finish_seed(
    session: Session,
    started: StartedSeed,
    protocol: Protocol,
    result: SeedResult,
    duration_s: float,
) -> None:
    """Write a seed's result.

    Raises:
        SeedRefused: the seed is another worker's by now, or the result is not one number
            an estimand within its bounds.
    """
    estimates = check_estimates(protocol, result)
    controls = {name: reading._asdict() for name, reading in result.controls.items()}
    measures = {"estimates": estimates, "measures": dict(result.measures)}
    first = next(iter(estimates.values()))
    values = {"value": first, "measures": measures, "controls": controls}
    _close(session, started, "finished", duration_s, values)


def fail_seed(session: Session, started: StartedSeed, error: str, duration_s: float) -> None:
    """Record a crash; the seed will be tried again under its own number."""
    _close(session, started, "failed", duration_s, {"error": error[:500]})


def censor_seed(session: Session, started: StartedSeed, duration_s: float) -> None:
    """Record a time-out: it counts against the stream's validity and is not tried again."""
    _close(session, started, "censored", duration_s, {"error": "ran out of time"})


def check_estimates(protocol: Protocol, result: SeedResult) -> dict[str, float]:
    """One finite number within bounds for each estimand, in the protocol's order.

    Raises:
        SeedRefused: anything else, such as one value an item.
    """
    from retest.evidence import check_values

    names = [estimand.name for estimand in protocol.estimands]
    if sorted(result.estimates) != sorted(names):
        raise SeedRefused(f"{protocol.experiment} must give {', '.join(names)} and nothing else")
    for estimand in protocol.estimands:
        check_values([result.estimates[estimand.name]], estimand.bounds)
    missing = [c.name for c in protocol.controls if c.name not in result.controls]
    if missing:
        raise SeedRefused(f"{protocol.experiment} gave no reading of {', '.join(missing)}")
    return {name: float(result.estimates[name]) for name in names}


def _close(
    session: Session,
    started: StartedSeed,
    status: str,
    duration_s: float,
    values: dict[str, Any],
) -> None:
    result = session.exec(
        update(models.SeedRun)
        .where(col(models.SeedRun.id) == started.run_id)
        .where(col(models.SeedRun.status) == "started")
        .where(col(models.SeedRun.worker) == started.worker)
        .where(col(models.SeedRun.attempt) == started.attempt)
        .values(status=status, duration_s=duration_s, finished_at=utc_now(), **values)
    )
    session.commit()
    if not result.rowcount:
        raise SeedRefused(
            f"seed {started.index} is no longer this worker's (attempt {started.attempt}): "
            "its result was dropped"
        )


def read_finished(session: Session, stream: models.Stream) -> list[models.SeedRun]:
    """The finished seeds of a stream in seed order."""
    return list(
        session.exec(
            select(models.SeedRun)
            .where(models.SeedRun.stream_id == stream.id, models.SeedRun.status == "finished")
            .order_by(col(models.SeedRun.seed_index))
        ).all()
    )
