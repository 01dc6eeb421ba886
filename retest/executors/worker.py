"""What a worker process does: one seed or one canary, and its result through a pipe.

Pins threads before torch is imported: two OpenMP threads on two busy cores are slower than
one. Writes nothing to the database: the parent does, so that SQLite has one writer. Writes
nothing to stdout, which belongs to the command's own output. Ends with its parent, also
when that is killed, and leaves Ctrl-C to it.
"""

import hashlib
import importlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, cast

from retest.protocol import SeedResult

WATCH_S = 1.0
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Unit:
    """One piece of work; ``seed`` is None for a canary. ``module`` holds the experiment."""

    module: str
    profile: str
    device: str
    timeout_s: float
    seed: int | None = None


@dataclass(frozen=True)
class UnitOutcome:
    """How a unit ended. A canary gives ``canary`` data, a seed gives ``result``.

    ``cpu_s`` is processor time of all threads of the worker; None where it did not end by
    itself.
    """

    status: Literal["finished", "failed", "died", "timed-out"]
    duration_s: float
    result: SeedResult | None = None
    canary: Mapping[str, Any] | None = None
    environment: Mapping[str, Any] | None = None
    error: str | None = None
    cpu_s: float | None = None


def run_unit(unit: Unit, pipe: Connection, parent: int) -> None:
    """Entry point of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
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


def read_node(device: str) -> dict[str, str]:
    """What tells whether two machines may share a stream: environment class and sources."""
    from retest.environment import name_class, read_fingerprint
    from retest.lab.devices import open_device

    fingerprint = read_fingerprint(str(open_device(device)))
    return {"environment": name_class(fingerprint), "code": hash_room()}


def hash_room() -> str:
    """SHA-256 over all sources of this room, as they lie on this machine."""
    room, digest = Path(__file__).parent.parent, hashlib.sha256()
    for file in sorted(room.rglob("*.py")):
        digest.update(str(file.relative_to(room)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _end_with(parent: int) -> None:
    """Leave at once when the parent is gone: nobody is left to take the result."""
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(1)


def _compute(unit: Unit, began: float) -> UnitOutcome:
    from retest.environment import read_fingerprint
    from retest.experiments import Experiment
    from retest.lab.devices import open_device
    from retest.measurements import check_result, make_plain

    cpu_began = time.process_time()
    experiment = cast(Experiment, importlib.import_module(unit.module))
    device = str(open_device(unit.device))
    result, canary = None, None
    if unit.seed is None:
        canary = make_plain(experiment.run_canary(device))
    else:
        found = experiment.run_seed(unit.seed, unit.profile, device)
        result = check_result(experiment.PROTOCOL, found)  # only plain data goes to the parent
    return UnitOutcome(
        "finished",
        time.monotonic() - began,
        result=result,
        canary=canary,
        environment=read_fingerprint(device),
        cpu_s=time.process_time() - cpu_began,
    )
