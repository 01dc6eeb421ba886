"""Opens an executor by its name: ``local`` or ``ray``."""

import os
from collections.abc import Callable
from typing import Any

from db.errors import UsageError
from retest.executors.executor import Executor
from retest.executors.local import LocalExecutor

EXECUTORS = ("local", "ray")


def open_executor(
    name: str, jobs: int | None, device: str, report_progress: Callable[[str], None]
) -> Executor[Any]:
    """An executor of at most ``jobs`` units at once; None: as many as there are cores.

    Raises:
        UsageError: there is none of this name.
        ExtraMissing: the package that it needs is not installed.
    """
    if name == "local":
        return LocalExecutor(jobs or count_cores())
    if name == "ray":
        from retest.executors.ray_cluster import RayExecutor

        return RayExecutor(jobs, device, report_progress)
    raise UsageError(f"executor {name!r} is none of {', '.join(EXECUTORS)}")


def count_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
