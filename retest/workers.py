"""Who runs a seed, and whether they can still finish it.

Decides when a seed that was started is lost. A worker is named after the process that
writes its results: host, process id and, where the system tells, the moment that process
began, since ids are used again (in a container the first process is always number 1).
"""

import os
import socket
from datetime import datetime, timedelta
from pathlib import Path

STAT_FIELDS_TO_START = 19  # of /proc/PID/stat after the name: field 22 is the start time


def name_worker() -> str:
    """The name of this process: ``host:pid:start``."""
    return f"{socket.gethostname()}:{os.getpid()}:{_read_start(os.getpid())}"


def is_lost(worker: str, started_at: datetime, now: datetime, patience: timedelta) -> bool:
    """Whether a worker can no longer finish what it started.

    A process of this host is asked for; one of another host (or one that carries no
    number) is lost once ``patience``, more than any time-out, has passed.
    """
    host, pid, start = [*worker.split(":"), "", ""][:3]
    if host != socket.gethostname() or not pid.isdigit():
        return now - started_at > patience
    return not _exists(int(pid)) or start not in ("", _read_start(int(pid)))


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _read_start(pid: int) -> str:
    """Clock ticks from boot to the start of a process; empty where there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[STAT_FIELDS_TO_START]
