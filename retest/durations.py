"""Durations as people write them: ``300s``, ``20m``, ``1.5h``, or plain seconds."""

import re

from db.errors import UsageError

DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[smh]?)")
SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Seconds of a duration.

    Raises:
        UsageError: it is none, or it is zero.
    """
    match = DURATION.fullmatch(text.strip().lower())
    seconds = float(match["number"]) * SECONDS[match["unit"]] if match else 0.0
    if seconds <= 0:
        raise UsageError(f"{text!r} is no duration: write 300s, 20m or 2h")
    return seconds


def describe_duration(seconds: float) -> str:
    """A duration for people: ``45 s``, ``3 min``, ``1.2 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
