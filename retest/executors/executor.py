"""What every executor offers: the same unit of work, wherever it runs.

A unit is one seed or one canary. An executor places it, ends it when it runs out of time
and says how it ended; it decides neither what runs next nor what is tried again: the
ledger does.
"""

from typing import Protocol, TypeVar

from retest.executors.worker import Unit, UnitOutcome

Tag = TypeVar("Tag")


class Executor(Protocol[Tag]):
    """Runs units; ended ones come back from ``collect`` with the caller's own tags."""

    @property
    def jobs(self) -> int:
        """How many units may be under way at once."""
        ...

    @property
    def nodes(self) -> int:
        """On how many machines they run."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether another unit may start now."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        ...

    def start(self, unit: Unit, tag: Tag) -> None:
        """Start a unit."""
        ...

    def collect(self) -> list[tuple[Tag, UnitOutcome]]:
        """Wait for at least one unit to end, half a second at most; those that have ended."""
        ...

    def stop(self) -> list[Tag]:
        """End everything under way, and the executor; the tags of what did not finish."""
        ...
