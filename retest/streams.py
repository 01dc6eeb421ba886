"""Streams and their ledger of seeds: what ran once never runs, or counts, twice.

Decides when a stream is opened anew, which seed is next, and which seeds count. A seed's
row is written "started" first and "finished" last, and only the attempt that started it
may finish it. A crashed seed is tried again under its own number. Knows nothing of torch
and of what the numbers mean.
"""

import hashlib
import importlib.util
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select, update

from db import models
from db.columns import stored_id, utc_now
from db.errors import SeedRefused
from retest.experiments import MODULES
from retest.measurements import store_result
from retest.protocol import Protocol, SeedResult, derive_seed
from retest.registration import register_protocol
from retest.workers import is_lost

MOST_ATTEMPTS = 3
MOST_RACES = 100  # lost in a row; then it is no race
INTERRUPTED = "interrupted"
WORKER_LOST = "the worker was lost"


@dataclass(frozen=True)
class StartedSeed:
    """A seed that this worker may run, and the attempt under which it may finish it."""

    run_id: int
    index: int
    seed: int
    attempt: int
    worker: str


def hash_code(experiment: str) -> str:
    """SHA-256 over the sources that produce a result: the experiment, its readings, the lab."""
    room = Path(__file__).parent
    spec = importlib.util.find_spec(MODULES[experiment])
    files = [*sorted((room / "lab").rglob("*.py")), room / "experiments" / "readings.py"]
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


def start_seed(
    session: Session,
    stream: models.Stream,
    protocol: Protocol,
    worker: str,
    night_id: int | None,
    *,
    avoid: Collection[int] = (),
) -> StartedSeed:
    """Take the next seed: a crashed one under its own number first, else a fresh one.

    ``avoid`` are numbers that this batch has tried already. The row is committed before
    this returns; two processes that ask at once get two seeds.

    Raises:
        SeedRefused: the row cannot be written, whatever its number.
    """
    retried = _retry_seed(session, stream, worker, night_id, avoid)
    if retried is not None:
        return retried
    refusal: IntegrityError | None = None
    for _ in range(MOST_RACES):
        last = session.exec(
            select(func.max(models.SeedRun.seed_index)).where(models.SeedRun.stream_id == stream.id)
        ).one()
        index = 0 if last is None else last + 1
        try:
            return claim_seed(session, stream, protocol, worker, night_id, index)
        except SeedRefused as error:  # another process took this number: try the next
            refusal = error.__cause__ if isinstance(error.__cause__, IntegrityError) else None
    raise SeedRefused(f"no seed of stream {stream.id} can be started") from refusal


def claim_seed(
    session: Session,
    stream: models.Stream,
    protocol: Protocol,
    worker: str,
    night_id: int | None,
    index: int,
) -> StartedSeed:
    """Start the fresh seed of one number.

    Raises:
        SeedRefused: the stream already holds it; no seed counts, or runs, twice.
    """
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
    except IntegrityError as error:
        session.rollback()
        raise SeedRefused(f"stream {stream.id} already holds seed {index}") from error
    return StartedSeed(stored_id(run.id), index, run.seed, run.attempt, worker)


def _retry_seed(
    session: Session,
    stream: models.Stream,
    worker: str,
    night_id: int | None,
    avoid: Collection[int],
) -> StartedSeed | None:
    row = session.exec(
        select(
            models.SeedRun.id,
            models.SeedRun.seed_index,
            models.SeedRun.seed,
            models.SeedRun.attempt,
        )
        .where(models.SeedRun.stream_id == stream.id, is_retriable())
        .where(col(models.SeedRun.seed_index).not_in(list(avoid)))
        .order_by(col(models.SeedRun.seed_index))
    ).first()
    if row is None:
        return None
    run_id, index, seed, attempt = row
    taken = session.exec(
        update(models.SeedRun)
        .where(col(models.SeedRun.id) == run_id, col(models.SeedRun.status) == "failed")
        .where(col(models.SeedRun.attempt) == attempt)
        .values(
            status="started", attempt=attempt + 1, worker=worker, night_id=night_id,
            started_at=utc_now(), finished_at=None, error=None,
        )
    )  # fmt: skip
    session.commit()
    if not taken.rowcount:
        return None
    return StartedSeed(stored_id(run_id), index, seed, attempt + 1, worker)


def is_retriable() -> ColumnElement[bool]:
    """A failed seed that will be tried again: not after three crashes of its own.

    Being interrupted or losing its worker is no fault of the seed, and never its end.
    """
    return and_(
        col(models.SeedRun.status) == "failed",
        or_(
            col(models.SeedRun.attempt) < MOST_ATTEMPTS,
            col(models.SeedRun.error).in_([INTERRUPTED, WORKER_LOST]),
        ),
    )


def release_lost_seeds(session: Session, stream: models.Stream, patience: timedelta) -> int:
    """Mark seeds whose worker is gone as failed, so that they are tried again.

    ``patience`` is how long a worker of another host may take, more than any time-out.
    """
    now, released = utc_now(), 0
    rows = session.exec(
        select(
            models.SeedRun.id,
            models.SeedRun.worker,
            models.SeedRun.attempt,
            models.SeedRun.started_at,
        ).where(models.SeedRun.stream_id == stream.id, models.SeedRun.status == "started")
    ).all()
    for run_id, worker, attempt, started_at in rows:
        if is_lost(worker, started_at, now, patience):
            started = StartedSeed(stored_id(run_id), -1, 0, attempt, worker)
            released += _update(session, started, {"status": "failed", "error": WORKER_LOST})
    return released


def finish_seed(
    session: Session,
    started: StartedSeed,
    protocol: Protocol,
    result: SeedResult,
    duration_s: float,
    *,
    cpu_s: float | None = None,
) -> None:
    """Write a seed's result; ``duration_s`` by the clock, ``cpu_s`` of the processor.

    Raises:
        SeedRefused: the seed is another worker's by now, or the result is not one number
            an estimand within its bounds.
    """
    values = store_result(protocol, result, started.index, cpu_s)
    _close(session, started, "finished", duration_s, {**values, "error": None})


def fail_seed(session: Session, started: StartedSeed, error: str, duration_s: float) -> None:
    """Record a crash; the seed will be tried again under its own number."""
    _close(session, started, "failed", duration_s, {"error": error[:500]})


def interrupt_seed(session: Session, started: StartedSeed) -> None:
    """Record that a seed was stopped from outside; it will be tried again."""
    _update(session, started, {"status": "failed", "error": INTERRUPTED})


def censor_seed(session: Session, started: StartedSeed, duration_s: float) -> None:
    """Record a time-out: it counts against the stream's validity and is not tried again."""
    _close(session, started, "censored", duration_s, {"error": "ran out of time"})


def _close(
    session: Session,
    started: StartedSeed,
    status: str,
    duration_s: float,
    values: dict[str, Any],
) -> None:
    closing = {"status": status, "duration_s": duration_s, "finished_at": utc_now(), **values}
    if not _update(session, started, closing):
        raise SeedRefused(
            f"seed {started.index} is no longer this worker's (attempt {started.attempt}): "
            "its result was dropped"
        )


def _update(session: Session, started: StartedSeed, values: dict[str, Any]) -> int:
    """Change a started seed's row if it is still this attempt's; returns how many rows were."""
    changed = session.exec(
        update(models.SeedRun)
        .where(col(models.SeedRun.id) == started.run_id)
        .where(col(models.SeedRun.status) == "started")
        .where(col(models.SeedRun.worker) == started.worker)
        .where(col(models.SeedRun.attempt) == started.attempt)
        .values(**values)
    )
    session.commit()
    return int(changed.rowcount)
