"""What a worker process does: one seed or one canary, and its result through a pipe.

Pins threads before torch is imported: two OpenMP threads on two busy cores are slower than
one. Writes nothing to the database: the parent does, so that SQLite has one writer.
"""

import os
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

from retest.protocol import SeedResult

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Unit:
    """One piece of work; ``seed`` is None for a canary."""

    experiment: str
    profile: str
    device: str
    timeout_s: float
    seed: int | None = None


@dataclass(frozen=True)
class UnitOutcome:
    """How a unit ended. A canary gives ``canary`` data, a seed gives ``result``."""

    status: Literal["finished", "failed", "timed-out"]
    duration_s: float
    result: SeedResult | None = None
    canary: Mapping[str, Any] | None = None
    environment: Mapping[str, Any] | None = None
    error: str | None = None


def run_unit(unit: Unit, pipe: Connection) -> None:
    """Entry point of a worker process."""
    for name in ONE_THREAD:
        os.environ[name] = "1"
    began = time.monotonic()
    try:
        outcome = _compute(unit, began)
    except Exception as error:  # noqa: BLE001  (sent to the parent, which records the crash)
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({place.name}, line {place.lineno})"
        outcome = UnitOutcome("failed", time.monotonic() - began, error=reason)
    pipe.send(outcome)
    pipe.close()


def _compute(unit: Unit, began: float) -> UnitOutcome:
    from retest.environment import read_fingerprint
    from retest.experiments import load_experiment
    from retest.lab.devices import open_device

    experiment = load_experiment(unit.experiment)
    device = str(open_device(unit.device))
    result, canary = None, None
    if unit.seed is None:
        canary = experiment.run_canary(device)
    else:
        result = experiment.run_seed(unit.seed, unit.profile, device)
    return UnitOutcome(
        "finished",
        time.monotonic() - began,
        result=result,
        canary=canary,
        environment=read_fingerprint(device),
    )
