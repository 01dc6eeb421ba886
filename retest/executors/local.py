"""Runs units in processes of this machine, one process a unit.

A process of its own makes a time-out and a crash harmless: it is ended, and nothing else
is. Spawned, not forked: torch and threads do not survive a fork.
"""

import multiprocessing
import os
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Generic, TypeVar

from retest.executors.worker import Unit, UnitOutcome, run_unit

Tag = TypeVar("Tag")
POLL_S = 0.5
STOP_GRACE_S = 5.0


@dataclass(frozen=True)
class Running(Generic[Tag]):
    """A unit under way, and the caller's own tag for it."""

    unit: Unit
    tag: Tag
    process: SpawnProcess
    pipe: Connection
    began: float


class LocalExecutor(Generic[Tag]):
    """Up to ``jobs`` units at once; ended units come back from ``collect`` with their tags."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._running: list[Running[Tag]] = []
        self._context = multiprocessing.get_context("spawn")

    @property
    def nodes(self) -> int:
        """This machine alone."""
        return 1

    @property
    def has_room(self) -> bool:
        """Whether another unit may start now."""
        return len(self._running) < self.jobs

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._running

    def start(self, unit: Unit, tag: Tag) -> None:
        """Start a unit in a process of its own."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=run_unit, args=(unit, theirs, os.getpid()), daemon=True
        )
        process.start()
        theirs.close()
        self._running.append(Running(unit, tag, process, ours, time.monotonic()))

    def collect(self) -> list[tuple[Tag, UnitOutcome]]:
        """Wait for at least one unit to end (or half a second), and return those that have."""
        wait([running.pipe for running in self._running], timeout=POLL_S)
        ended = []
        for running in list(self._running):
            outcome = _read_outcome(running)
            if outcome is not None:
                self._running.remove(running)
                ended.append((running.tag, outcome))
        return ended

    def stop(self) -> list[Tag]:
        """End everything under way; returns the tags of what did not finish."""
        for running in self._running:
            _end(running)
        tags = [running.tag for running in self._running]
        self._running.clear()
        return tags


def run_alone(unit: Unit) -> UnitOutcome:
    """One unit in a process of its own, to its end; what a node of a cluster is asked for."""
    executor: LocalExecutor[None] = LocalExecutor(1)
    executor.start(unit, None)
    try:
        while True:
            for _, outcome in executor.collect():
                return outcome
    finally:
        executor.stop()


def _read_outcome(running: Running[Tag]) -> UnitOutcome | None:
    """The outcome of a unit that has ended or run out of time; None while it works."""
    elapsed = time.monotonic() - running.began
    if running.pipe.poll():
        try:
            outcome: UnitOutcome = running.pipe.recv()
        except (EOFError, OSError):  # it died without a word: killed, or out of memory
            running.process.join(STOP_GRACE_S)
            code = running.process.exitcode
            outcome = UnitOutcome("died", elapsed, error=f"the worker died (exit code {code})")
        _end(running)
        return outcome
    if elapsed > running.unit.timeout_s:
        _end(running)
        return UnitOutcome("timed-out", elapsed)
    return None


def _end(running: Running[Tag]) -> None:
    running.process.join(0 if running.process.is_alive() else STOP_GRACE_S)
    if running.process.is_alive():
        running.process.terminate()
        running.process.join(STOP_GRACE_S)
    if running.process.is_alive():
        running.process.kill()
        running.process.join()
    running.pipe.close()
