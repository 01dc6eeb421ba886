"""The finished seeds of a stream, as evidence is read from them.

Decides which seeds count, in which order, and that no more of their rows is loaded than
evidence needs: a row's measures and samples may hold a hundred times as much. Knows nothing
of what the numbers mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_
from sqlalchemy import select as select_columns  # sqlmodel types four at most
from sqlmodel import Session, col, func, select

from db.models import SeedRun, Stream
from retest.canaries import find_spoiled_nights
from retest.streams import is_retriable


@dataclass(frozen=True)
class FinishedSeed:
    """What evidence needs of a finished seed's row."""

    seed_index: int
    night_id: int | None
    started_at: datetime
    value: float | None
    estimates: Mapping[str, float]
    controls: Mapping[str, Mapping[str, Any]]  # name -> {"value", "passed"}


def read_evidence(session: Session, stream: Stream) -> list[FinishedSeed]:
    """The finished seeds that count, in seed order: those before the first open seed.

    A seed that runs, or will be tried again, holds back the ones after it: which values
    are weighed, and in which order, must not hang on which seed ended first.
    """
    first_open = session.exec(
        select(func.min(SeedRun.seed_index))
        .where(SeedRun.stream_id == stream.id)
        .where(or_(col(SeedRun.status) == "started", is_retriable()))
    ).one()
    query = (
        select_columns(
            col(SeedRun.seed_index),
            col(SeedRun.night_id),
            col(SeedRun.started_at),
            col(SeedRun.value),
            col(SeedRun.measures)["estimates"],
            col(SeedRun.controls),
        )
        .where(col(SeedRun.stream_id) == stream.id, col(SeedRun.status) == "finished")
        .order_by(col(SeedRun.seed_index))
    )
    if first_open is not None:
        query = query.where(col(SeedRun.seed_index) < first_open)
    return [FinishedSeed(*row) for row in session.connection().execute(query).all()]


def read_counted(session: Session, stream: Stream) -> list[FinishedSeed]:
    """The same without the seeds of nights in which a canary of the class missed."""
    spoiled = find_spoiled_nights(session, stream.environment_class)
    return [run for run in read_evidence(session, stream) if run.night_id not in spoiled]


def count_finished(session: Session, stream: Stream) -> int:
    """How many seeds have finished, those that an open one holds back included."""
    return session.exec(
        select(func.count())
        .select_from(SeedRun)
        .where(SeedRun.stream_id == stream.id, SeedRun.status == "finished")
    ).one()


def describe_seeds(seeds: tuple[int, ...]) -> str:
    """Seed numbers as ranges: ``0-4, 6``."""
    ranges: list[list[int]] = []
    for seed in sorted(seeds):
        if ranges and seed == ranges[-1][1] + 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges) or "none"
