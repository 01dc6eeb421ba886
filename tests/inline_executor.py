"""Units that run in this process, by a script and a fake clock: what is started, and when."""

from typing import Any

import pytest

from retest import batch as batches
from retest.executors.worker import Unit, UnitOutcome
from tests.fake_experiment import FakeExperiment, make_result

ENVIRONMENT = {"device": "cpu", "threads": 1, "cpu": "x", "torch": "2.13.0", "python": "3.11.7"}


class InlineExecutor:
    """Runs each unit at once in this process, by a script; takes a fake clock forward."""

    clock = 0.0
    seconds = 1.0
    script: dict[str, Any]  # seed number or "canary" -> outcome
    started: list[str]

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.ended: list[Any] = []
        self.now = 0.0

    nodes = 1
    has_room = property(lambda self: len(self.ended) < self.jobs)
    is_idle = property(lambda self: not self.ended)

    def start(self, unit: Unit, tag: Any) -> None:
        type(self).clock += self.seconds
        name = "canary" if unit.seed is None else str(tag[1].index)
        self.started.append(name)
        wanted = self.script.get(name, self.script.get("*", "finished"))
        canary = {"loss": self.script.get("loss", 1.5)} if unit.seed is None else None
        outcome = UnitOutcome(
            "finished", self.seconds, canary=canary, environment=ENVIRONMENT,
            result=None if unit.seed is None else make_result(0.8),
        )  # fmt: skip
        if wanted != "finished":
            outcome = UnitOutcome(
                wanted, self.seconds, error=None if wanted == "timed-out" else "x"
            )
        self.ended.append((tag, outcome))

    def collect(self) -> list[Any]:
        ended, self.ended = self.ended, []
        return ended

    def stop(self) -> list[Any]:
        return []


@pytest.fixture
def inline(fake: FakeExperiment, monkeypatch: pytest.MonkeyPatch) -> type[InlineExecutor]:
    class Executor(InlineExecutor):
        clock = 0.0

    Executor.script, Executor.started = {}, []

    monkeypatch.setattr(batches, "open_executor", lambda name, jobs, *_: Executor(jobs or 1))
    monkeypatch.setattr(batches.time, "monotonic", lambda: Executor.clock)
    return Executor
