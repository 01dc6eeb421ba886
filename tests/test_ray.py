"""Seeds on a real Ray of this machine: the same ledger, lost workers, broken-off batches.

Slow, and skipped where ray is not installed. ``tests/test_placement.py`` covers the planning
without it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fake_experiment import FakeExperiment, fake
from tests.test_batch import is_running, light, rows, url, wait_until

__all__ = ["fake", "light", "url"]

ROOT = Path(__file__).parent.parent
SCRIPT = """
import json, sys
from dataclasses import asdict
from retest.experiments import MODULES
MODULES.clear()
MODULES["e01"] = "fake_e01"
from retest.batch import BatchInterrupted, BatchPlan, run_batch
if __name__ == "__main__":
    plan = BatchPlan("nightly", 100.0, 2, "cpu", seeds={seeds}, executor="ray")
    {before}
    try:
        summary, code = run_batch({url!r}, ["e01"], plan, print), 0
    except BatchInterrupted as interruption:
        summary, code = interruption.summary, 3
    print(json.dumps(asdict(summary)))
    {after}
    sys.exit(code)
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("not __import__('importlib').util.find_spec('ray')", reason="no ray"),
]


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(light: FakeExperiment, url: str) -> Iterator[Start]:
    """Starts a batch in a process of its own; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(seeds: int = 2, before: str = "pass", after: str = "pass") -> subprocess.Popen[str]:
        script = light.folder / "batch.py"
        script.write_text(SCRIPT.format(url=url, seeds=seeds, before=before, after=after))
        paths = os.pathsep.join([str(ROOT), str(light.folder)])
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        process = subprocess.Popen(
            [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={**environment, "PYTHONPATH": paths},
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def finish(process: subprocess.Popen[str], timeout_s: float = 90.0) -> tuple[dict[str, Any], str]:
    out, err = process.communicate(timeout=timeout_s)
    assert "Traceback" not in err, err
    return json.loads(out.splitlines()[-1]), out


def find_parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_killed_worker_loses_its_seed_alone_and_it_runs_again(
    url: str, light: FakeExperiment, start: Start
) -> None:
    """Seed 0 hangs until its Ray worker (not the seed's own process) is killed from outside."""
    light.script(s0="hang once")
    process = start()
    wait_until(lambda: {0, 1} <= set(light.tried()), 60)
    first = light.pids()[light.tried().index(0)]
    os.kill(find_parent(first), signal.SIGKILL)
    summary, out = finish(process)
    (row,) = summary["experiments"]
    assert (row["seeds_run"], row["failed"], row["canary_ok"]) == (2, 1, True)
    assert rows(url) == [(0, "finished", 2, None), (1, "finished", 1, None)]
    assert light.tried().count(0) == 2 and light.tried().count(1) == 1
    assert "seed 0 died" in out and "the worker was lost" in out
    assert process.returncode == 0
    wait_until(lambda: not any(is_running(pid) for pid in light.pids()), 10)


def test_a_seed_that_crashes_or_raises_is_recorded_as_on_one_machine(
    url: str, light: FakeExperiment, start: Start
) -> None:
    light.script(s0="die once", s1="raise")
    summary, out = finish(start())
    assert [row[:3] for row in rows(url)] == [
        (0, "finished", 2), (1, "failed", 1), (2, "finished", 1),
    ]  # fmt: skip
    assert "RuntimeError: the loss is not finite (run_seed, line" in str(rows(url)[1][3])
    assert "an experiment that prints" not in out
    assert summary["not_checked"] == []


@pytest.mark.parametrize("sent", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_batch_that_is_ended_leaves_no_process_and_no_seed_behind(
    url: str, light: FakeExperiment, start: Start, sent: str
) -> None:
    light.script(s1="hang once", s2="hang once")
    process = start(seeds=3)
    wait_until(lambda: {1, 2} <= set(light.tried()), 60)
    raylet = find_parent(find_parent(light.pids()[-1]))
    process.send_signal(getattr(signal, sent))
    if sent == "SIGKILL":
        process.communicate(timeout=60)
    else:
        summary, _ = finish(process)
        assert process.returncode == 3
        assert (summary["given_up"], summary["experiments"][0]["seeds_run"]) == (2, 1)
        assert [row[1:] for row in rows(url)[1:]] == [("failed", 1, "interrupted")] * 2
    wait_until(lambda: not any(is_running(pid) for pid in light.pids()), 20)
    wait_until(lambda: not is_running(raylet), 20)
    finish(start(seeds=2))
    assert [row[:3] for row in rows(url)] == [
        (0, "finished", 1), (1, "finished", 2), (2, "finished", 2),
    ]  # fmt: skip


TWO_NODES = """
    import os, threading, time
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster
    from pathlib import Path
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = cluster.address
    def lose():
        while not Path("FLAG").exists():
            time.sleep(0.1)
        cluster.remove_node(second, allow_graceful=False)
    threading.Thread(target=lose, daemon=True).start()
"""


def test_a_lost_node_loses_its_seeds_alone(url: str, light: FakeExperiment, start: Start) -> None:
    """Two nodes on this machine; one goes while a seed hangs on each, and the other goes on."""
    light.script(s0="hang once", s1="hang once")
    flag = light.folder / "lose"
    before = TWO_NODES.replace("FLAG", str(flag)).strip()
    process = start(seeds=2, before=before, after="cluster.shutdown()")
    wait_until(lambda: {0, 1} <= set(light.tried()), 80)
    nodes = {find_parent(find_parent(pid)) for pid in light.pids()}
    assert len(nodes) == 2, "a seed on each node"
    flag.touch()
    wait_until(lambda: not all(is_running(pid) for pid in light.pids()), 30)
    left = next(pid for pid in light.pids() if is_running(pid))
    os.kill(left, signal.SIGKILL)  # the seed that hangs on the node that is left
    _, out = finish(process)
    assert "seeds run on 2 nodes, and their ledger is an SQLite file" in out
    assert [row[:3] for row in rows(url)] == [(0, "finished", 2), (1, "finished", 2)]
    assert "the worker was lost" in out
    assert "raylet" not in out, "stdout is the command's own"
