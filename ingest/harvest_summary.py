"""What a harvest reports: counts, and in plain sentences what it could not or did not ask.

Knows nothing of how papers were fetched; the night copies the sentences into its report.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from ingest.papers import StoreCount

NAMED = 5  # claims or ids that a sentence names before it only counts


@dataclass
class HarvestSummary:
    """What was asked and what came; ``unanswered`` and ``not_asked`` are plain sentences."""

    source: str  # api | snapshot
    windows: list[int] = field(default_factory=list)  # harvest_window ids
    seen: int = 0
    new: int = 0
    revised: int = 0
    withdrawn: int = 0
    since: date | None = None  # of the days asked for, or of the snapshot
    until: date | None = None
    unanswered: list[str] = field(default_factory=list)
    not_asked: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)  # entries and lines that were left out
    searched_through: date | None = None  # last day up to which the store is believed complete

    @property
    def complete(self) -> bool:
        """Whether every question of this harvest was answered in full."""
        return not self.unanswered

    def count(self, window_id: int, count: StoreCount) -> None:
        """Add one window's counts."""
        self.windows.append(window_id)
        self.seen += count.seen
        self.new += count.new
        self.revised += count.revised
        self.withdrawn += count.withdrawn


def name_some(names: Sequence[str], noun: str) -> str:
    """``3 claims (c1, c2, c3)``; beyond five names only their number is told in full."""
    shown = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
    first, _, rest = noun.partition(" that ")
    plural = f"{first}s that {rest}" if rest else f"{noun}s"
    return f"{len(names)} {noun if len(names) == 1 else plural} ({shown})"
