"""A wall clock that tests can set, for every place where the harvest reads the time."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

PLACES = ("windows", "backfill", "day_questions", "new_papers", "harvest", "commands.status")
TICK = timedelta(milliseconds=1)


class WallClock:
    """Each reading is a millisecond after the one before, so that order is kept."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def read(self) -> datetime:
        self.now += TICK
        return self.now

    def set_day(self, day: date, hour: int = 6) -> None:
        self.now = datetime.combine(day, time(hour), UTC)


def use_wall_clock(monkeypatch: pytest.MonkeyPatch, clock: WallClock) -> None:
    for place in PLACES:
        monkeypatch.setattr(f"ingest.{place}.utc_now", clock.read)
