"""A small experiment for tests: a module of its own, and a script that says how seeds go."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from retest.experiments import MODULES, load_experiment
from retest.protocol import (
    Arm,
    Control,
    ControlReading,
    Estimand,
    Profile,
    Protocol,
    Reading,
    SeedResult,
)
from retest.showing import Showing

NAME = "e01"
SOURCE = '''"""A fake experiment."""
import json
import os
import signal
import time
from pathlib import Path

from tests.fake_experiment import make_protocol
from retest.protocol import ControlReading, SeedResult, derive_seed

PROTOCOL = make_protocol()
FOLDER = Path({folder!r})
INDEX = {{derive_seed("e01", 1, j): j for j in range(100)}}


def run_seed(seed, profile, device):
    script = json.loads((FOLDER / "script.json").read_text())
    index = INDEX[seed]
    step = script.get(str(index), script.get("*", "ok"))
    with (FOLDER / "log").open("a") as log:
        log.write(f"{{index}} {{os.getpid()}}\\n")
    print("an experiment that prints")
    times = (FOLDER / "log").read_text().split().count(str(index))
    if step == "hang" or (step == "hang once" and times == 1):
        time.sleep(60)
    if step == "die once" and times == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if step == "raise":
        raise RuntimeError("the loss is not finite")
    value = [0.5, 0.6] if step == "items" else 0.8
    control = 0.0 if step == "no control" else 1.0
    return SeedResult(
        {{"rate": value}}, {{"learned": ControlReading(control, control == 1.0)}}, {{"steps": 3}}
    )


def run_canary(device):
    if (FOLDER / "canary").exists():
        return {{"loss": (FOLDER / "canary").read_text()}}
    return {{"loss": 1.5}}
'''


TORCH = '''"""A stand-in for torch, so that workers of tests start in a moment."""
from types import SimpleNamespace

__version__ = "2.0.0"
__config__ = SimpleNamespace(show=lambda: "BLAS_INFO=none")
cuda = SimpleNamespace(is_available=lambda: False)
backends = SimpleNamespace(cpu=SimpleNamespace(get_cpu_capability=lambda: "none"))
version = SimpleNamespace(cuda=None)
utils = SimpleNamespace(deterministic=SimpleNamespace())
device = str


def ignore(*arguments, **options):
    pass


set_num_threads = use_deterministic_algorithms = set_float32_matmul_precision = ignore


def get_num_threads():
    return 1
'''


def make_protocol(version: int = 1, **changes: Any) -> Protocol:
    """One bounded estimand, one control; nightly concludes, smoke does not."""
    fields: dict[str, Any] = {
        "experiment": NAME,
        "version": version,
        "title": "A rate",
        "question": "Is the rate above a half?",
        "claim_as_tested": "The rate is at least .5.",
        "source_ids": ("2501.00001",),
        "note_slugs": ("a-rate-above-a-half",),
        "transfer": "analogue",
        "scale": "no model at all",
        "cannot_show": "anything",
        "estimands": (Estimand("rate", "a rate", "share", "bounded", (0.0, 1.0), 0.5, None, 0.05),),
        "controls": (Control("learned", "the task was learned", minimum=0.95),),
        "canary": "a constant",
        "alpha": 0.05,
        "profiles": {
            "smoke": Profile({}, seed_cost_s=0.1, concludes=False),
            "nightly": Profile({}, seed_cost_s=0.2),
        },
    }
    return Protocol(**{**fields, **changes})


def make_read_protocol(**changes: Any) -> Protocol:
    """Two estimands, three readings and two arms, of which smoke runs one."""
    fields: dict[str, Any] = {
        "title": "A rate and a slope",
        "claim_as_tested": "The rate is at least .5, and the slope is within .2 of zero.",
        "estimands": (
            Estimand("rate", "a rate", "share", "bounded", (0.0, 1.0), 0.5, None, 0.1),
            Estimand("slope", "a slope", "difference", "bounded", (-1.0, 1.0), -0.2, 0.2, 0.3),
        ),
        "controls": (
            Control("learned", "the task was learned", minimum=0.95),
            Control("refused", "a wrong answer was accepted", maximum=0.05),
        ),
        "arms": (
            Arm("plain", "trained as everything is"),
            Arm("shuffled", "the same with the order of the records taken away"),
        ),
        "readings": (
            Reading("E1a", "The rate is high.", ("rate",)),
            Reading("E1b", "The rate does not fall with size.", ("slope",)),
            Reading("E1", "The rate is high at every size.", ("rate", "slope")),
        ),
        "profiles": {
            "smoke": Profile({"arms": ["plain"]}, seed_cost_s=0.1, concludes=False),
            "nightly": Profile({"arms": ["plain", "shuffled"]}, seed_cost_s=0.2),
        },
    }
    return make_protocol(**{**fields, **changes})


def make_result(value: Any = 0.8, control: float = 1.0, **measures: Any) -> SeedResult:
    """What one seed of it gives."""
    return SeedResult(
        {"rate": value}, {"learned": ControlReading(control, control >= 0.95)}, measures
    )


class FakeExperiment:
    """The module on disk, and its script."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.module = folder / "fake_e01.py"
        self.module.write_text(SOURCE.format(folder=str(folder)))
        self.script()

    def script(self, **steps: str) -> None:
        """How seeds go, by number (``s3="raise"``) or for all others (``rest="hang"``)."""
        named = {"*" if k == "rest" else k.removeprefix("s"): v for k, v in steps.items()}
        (self.folder / "script.json").write_text(json.dumps(named))

    def turn_into(self, protocol: Protocol, shown: Showing | None = None) -> None:
        """Let the module of this process hold another protocol, and a showing."""
        module: Any = load_experiment(NAME)
        module.PROTOCOL, module.SHOWN = protocol, shown

    def stand_in_for_torch(self) -> None:
        """Let worker processes find a module of nothing instead of torch."""
        (self.folder / "torch.py").write_text(TORCH)

    def change_canary(self, value: str) -> None:
        (self.folder / "canary").write_text(value)

    def tried(self) -> list[int]:
        """Numbers of the seeds that worker processes began, in order."""
        return [int(line.split()[0]) for line in self._log()]

    def pids(self) -> list[int]:
        return [int(line.split()[1]) for line in self._log()]

    def _log(self) -> list[str]:
        log = self.folder / "log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeExperiment:
    """The only experiment there is, importable here and in worker processes."""
    folder = tmp_path / "experiment"
    folder.mkdir()
    experiment = FakeExperiment(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))
    for name in list(MODULES):
        monkeypatch.delitem(MODULES, name)
    monkeypatch.setitem(MODULES, NAME, "fake_e01")
    monkeypatch.delitem(sys.modules, "fake_e01", raising=False)
    assert load_experiment(NAME).PROTOCOL.hash() == make_protocol().hash()
    return experiment
