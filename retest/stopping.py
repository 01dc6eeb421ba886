"""Ctrl-C and SIGTERM as a request to stop between two steps, not in the middle of one.

Decides when a signal is ours: only in the main thread, and only where nobody else has
taken it. A second signal stops at once.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any


@dataclass
class StopRequest:
    """Whether somebody asked to stop."""

    is_made: bool = False


@contextmanager
def listen_for_stop() -> Iterator[StopRequest]:
    """Within it the first SIGINT or SIGTERM is noted; a second one raises KeyboardInterrupt."""
    request = StopRequest()

    def note(number: int, frame: FrameType | None) -> None:
        if request.is_made:
            raise KeyboardInterrupt
        request.is_made = True

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        untaken: dict[int, Any] = {
            signal.SIGINT: signal.default_int_handler,
            signal.SIGTERM: signal.SIG_DFL,
        }
        for number, usual in untaken.items():
            if signal.getsignal(number) == usual:
                before[number] = signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
