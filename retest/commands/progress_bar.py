"""A bar an experiment on a terminal: seeds done, time left, and the interval so far.

Plain lines where stderr is no terminal, so that logs stay readable.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from claims.commands.output import print_message

if TYPE_CHECKING:
    from retest.batch_plan import BatchProgress

Say = Callable[[str], None]
Watch = Callable[["BatchProgress"], None]


@contextmanager
def show_progress(is_wanted: bool) -> Iterator[tuple[Say, Watch | None]]:
    """Where lines of progress go, and what is told of every change (None: no terminal)."""
    if not is_wanted or not sys.stderr.isatty():
        yield print_message, None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True, refresh_per_second=4) as progress:
        bars = _Bars(progress)
        yield lambda line: console.print(line, markup=False, highlight=False), bars.update


class _Bars:
    """One bar an experiment, and one line for the whole batch."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {}

    def update(self, batch: "BatchProgress") -> None:
        """Redraw after a change."""
        for lane in batch.lanes:
            running = f"{lane.running} under way  " if lane.running else ""
            said = running + (lane.interval or lane.note)
            self._set(lane.experiment, lane.done, lane.wanted, said)
        done, wanted = (
            sum(getattr(lane, name) for lane in batch.lanes) for name in ("done", "wanted")
        )
        self._set("all", done, wanted, describe_left(batch.left_s))

    def _set(self, name: str, done: int, wanted: int, said: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=wanted, said=said)
        self._progress.update(self._tasks[name], completed=done, total=max(wanted, 1), said=said)


def describe_left(left_s: float) -> str:
    """Time left in words."""
    from retest.durations import describe_duration

    return f"about {describe_duration(left_s)} left" if left_s < 1e7 else ""
