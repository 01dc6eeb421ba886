"""Runs units on a Ray cluster: the cluster places them, our own processes run them.

Decides which nodes take part and where a unit goes. One Ray task a unit, with one core, and
in it the same process that a local batch starts: time-outs, crashes and threads are
handled where the unit runs. Ray retries nothing, since the ledger does, and a unit whose
node is gone comes back as lost. Without ``RAY_ADDRESS`` a private Ray starts on this
machine and ends with the batch.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from db.errors import ExecutorUnusable, ExtraMissing
from retest.executors.local import POLL_S, run_alone
from retest.executors.placement import Node, Placement, choose_nodes
from retest.executors.worker import Unit, UnitOutcome, hash_room, read_node
from retest.streams import WORKER_LOST

Tag = TypeVar("Tag")
PROBE_TIMEOUT_S = 180.0


class RayExecutor(Generic[Tag]):
    """Up to ``jobs`` units at once over the nodes of a cluster (None: one for each core).

    Raises:
        ExtraMissing: ray is not installed.
        ExecutorUnusable: no cluster answers, or none of its nodes can run our code.
    """

    def __init__(self, jobs: int | None, device: str, report_progress: Callable[[str], None]):
        self._ray = _import_ray()
        self._device = device
        self._running: dict[Any, tuple[Tag, str, float]] = {}  # task -> tag, node, begin
        _connect(self._ray, jobs)
        try:
            nodes = self._find_nodes(report_progress)
        except BaseException:
            self._ray.shutdown()
            raise
        self._placement = Placement(nodes)
        self.jobs = min(jobs or self._placement.slots, self._placement.slots)

    @property
    def nodes(self) -> int:
        """How many nodes take part."""
        return len(self._placement.nodes)

    @property
    def has_room(self) -> bool:
        """Whether another unit may start now."""
        return len(self._running) < self.jobs and self._placement.has_room

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._running

    def start(self, unit: Unit, tag: Tag) -> None:
        """Start a unit on the node with the most room.

        Raises:
            ExecutorUnusable: all nodes are gone.
        """
        node = self._placement.take()
        if node is None:
            raise ExecutorUnusable("no node of the Ray cluster is left: start it again")
        options = {**self._needs(), "scheduling_strategy": self._pin(node)}
        task = self._ray.remote(run_alone).options(**options).remote(unit)
        self._running[task] = (tag, node, time.monotonic())

    def collect(self) -> list[tuple[Tag, UnitOutcome]]:
        """Wait for at least one unit to end, half a second at most; those that have ended."""
        ended, _ = self._ray.wait(
            list(self._running), num_returns=len(self._running), timeout=POLL_S
        )
        if not ended and self._running:
            self._drop_dead_nodes()
        return [self._close(task) for task in ended]

    def stop(self) -> list[Tag]:
        """End everything under way and leave the cluster; the tags of what did not finish."""
        tags = [tag for tag, _, _ in self._running.values()]
        for task in self._running:
            self._ray.cancel(task, force=True)
        self._running.clear()
        self._ray.shutdown()
        return tags

    def _close(self, task: Any) -> tuple[Tag, UnitOutcome]:
        tag, node, began = self._running.pop(task)
        self._placement.give_back(node)
        try:
            outcome: UnitOutcome = self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:
            reason = " ".join(str(error.cause or error).split())[:300]
            outcome = UnitOutcome("failed", time.monotonic() - began, error=reason)
        except self._ray.exceptions.RayError:  # the node or its worker is gone, not the seed
            self._drop_dead_nodes()
            self._placement.distrust(node)
            outcome = UnitOutcome("died", time.monotonic() - began, error=WORKER_LOST)
        return tag, outcome

    def _drop_dead_nodes(self) -> None:
        self._placement.keep({node["NodeID"] for node in self._ray.nodes() if node["Alive"]})

    def _find_nodes(self, report_progress: Callable[[str], None]) -> list[Node]:
        """The nodes that take part; with several, those alike in machine and code."""
        resource = "GPU" if self._device.startswith("cuda") else "CPU"
        alive = [node for node in self._ray.nodes() if node["Alive"]]
        slots = {n["NodeID"]: int(n["Resources"].get(resource, 0)) for n in alive}
        names = {n["NodeID"]: str(n["NodeManagerAddress"]) for n in alive}
        nodes = [Node(i, names[i], count) for i, count in slots.items() if count]
        if len(nodes) > 1:
            nodes, left_out = choose_nodes(self._probe(nodes), hash_room())
            for sentence in left_out:
                report_progress(sentence)
        if not nodes:
            raise ExecutorUnusable(
                f"no node of the Ray cluster has a {resource} and this reassay: install the "
                "same version on each node"
            )
        return nodes

    def _probe(self, nodes: list[Node]) -> list[Node]:
        """Each node with its environment class and the hash of its code; empty if unknown."""
        tasks = {
            node.id: self._ray.remote(max_calls=1)(read_node)
            .options(**self._needs(), scheduling_strategy=self._pin(node.id))
            .remote(self._device)
            for node in nodes
        }
        self._ray.wait(list(tasks.values()), num_returns=len(tasks), timeout=PROBE_TIMEOUT_S)
        return [self._read_probe(node, tasks[node.id]) for node in nodes]

    def _read_probe(self, node: Node, task: Any) -> Node:
        try:
            found = self._ray.get(task, timeout=0)
        except self._ray.exceptions.RayError as error:
            reason = str(getattr(error, "cause", None) or error).strip()
            return node.with_fault(reason.splitlines()[0] if reason else type(error).__name__)
        return node.with_finding(found["environment"], found["code"])

    def _needs(self) -> dict[str, Any]:
        if self._device.startswith("cuda"):
            return {"num_cpus": 1, "num_gpus": 1, "max_retries": 0}
        return {"num_cpus": 1, "max_retries": 0}

    def _pin(self, node: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node_id=node, soft=False)


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when ray is imported
    try:
        import ray
    except ImportError as error:
        raise ExtraMissing(
            "the ray executor needs the package ray: pip install 'reassay[ray]'"
        ) from error
    return ray


def _connect(ray: Any, jobs: int | None) -> None:
    """Join the cluster that RAY_ADDRESS names, or start a private one.

    Raises:
        ExecutorUnusable: it does not answer.
    """
    address = os.environ.get("RAY_ADDRESS", "")
    is_main = threading.current_thread() is threading.main_thread()
    on_sigterm = signal.getsignal(signal.SIGTERM)
    more: dict[str, Any] = {} if address else {"include_dashboard": False, "num_cpus": jobs}
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,  # what an experiment prints stays in Ray's logs
            logging_level="ERROR",
            **more,
        )
        # News of dead nodes, pages long, would go to stdout, which is the command's own.
        ray._private.worker.print_to_stdstream = lambda *_, **__: None
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ExecutorUnusable(
            f"no Ray cluster at {address or 'this machine'}: {reason}"
        ) from error
    finally:
        if is_main:  # Ray puts an exit of its own there
            signal.signal(signal.SIGTERM, on_sigterm)
