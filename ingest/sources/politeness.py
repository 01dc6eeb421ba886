"""How often arXiv may be asked, over all processes of one home, and how long to stand back.

Source: arXiv's terms of use for its APIs (info.arxiv.org/help/api/tou). In short: at most one
request every three seconds, over a single connection, counted over all machines that one
controls and over all of arXiv's interfaces together; limits are not to be got around.
Decides when a request may start; knows nothing of what is asked. A lock file in the home
is held during a request. Its moment is written before it is sent, so that a crash cannot
shorten the pause, and again when it is over, since looking a name up may delay its
departure. Machines that share no home are for their owner to pace.
"""

import fcntl
import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO

from db.errors import HomeUnwritable, SourceUnavailable

STAMPS = "requests.json"  # behind the name of the server
STAMP_FILE = f"arxiv-{STAMPS}"
STAMP_FIELDS = ("monotonic_s", "wall_s", "not_before_wall_s")
STAMP_BYTES = 160  # longer than any stamp, so that no tail of an older one is left
LOOK_AGAIN_S = 0.1
FIRST_BACKOFF_PAUSES = 20  # a minute at three seconds: arXiv throttles even polite clients
LONGEST_BACKOFF_PAUSES = 200  # ten minutes
LONGEST_REQUESTED_PAUSE_S = 6 * 3600.0


@dataclass(frozen=True)
class Clock:
    """Time as tests can replace it; ``monotonic`` counts seconds that never jump."""

    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


@dataclass(frozen=True)
class _Stamp:
    """The last request's end or start on both clocks, and a moment before which not to ask."""

    monotonic_s: float = float("inf")  # unknown: wait a whole pause
    wall_s: float = 0.0
    not_before_wall_s: float = 0.0


class RequestPacer:
    """Lets one request at a time through, ``delay_s`` after the end of the one before.

    ``server`` is whom the requests go to: each has a pace, and a file, of its own.
    """

    def __init__(
        self, home: Path, delay_s: float, clock: Clock | None = None, server: str = "arXiv"
    ) -> None:
        self.delay_s = delay_s
        self.clock = clock or Clock()
        self.server = server
        self._file = home / f"{server.lower().replace(' ', '-')}-{STAMPS}"
        self._held: IO[str] | None = None

    @contextmanager
    def turn(self, limit_s: float) -> Iterator[None]:
        """Hold the right to make one request, within ``limit_s`` seconds.

        Raises:
            SourceUnavailable: the turn does not come in time.
            HomeUnwritable: the home has no place for the lock.
        """
        deadline_s = self.clock.monotonic() + limit_s
        with self._open() as file:
            self._lock(file, deadline_s)
            try:
                self._wait(_read_stamp(file), deadline_s)
                self._stamp(file, 0.0)
                self._held = file
                yield
            finally:
                if self._held is not None:
                    self._stamp(file, _read_stamp(file).not_before_wall_s)
                self._held = None
                fcntl.flock(file, fcntl.LOCK_UN)

    def stand_back(self, pause_s: float) -> None:
        """Remember, for every process of this home, that the server asked for a pause.

        Within a turn no other process can ask before it is written.
        """
        with self._hold() as file:
            stamp = _read_stamp(file)
            until_s = self.clock.wall() + min(pause_s, LONGEST_REQUESTED_PAUSE_S)
            _write_stamp(file, _Stamp(stamp.monotonic_s, stamp.wall_s, until_s))

    def _stamp(self, file: IO[str], not_before_wall_s: float) -> None:
        _write_stamp(file, _Stamp(self.clock.monotonic(), self.clock.wall(), not_before_wall_s))

    @contextmanager
    def _hold(self) -> Iterator[IO[str]]:
        if self._held is not None:
            yield self._held
            return
        with self._open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _open(self) -> IO[str]:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            return os.fdopen(descriptor, "r+", encoding="utf-8")
        except OSError as error:
            raise HomeUnwritable(
                f"cannot write {self._file}: {error.strerror}; set REASSAY_HOME to a writable "
                "directory"
            ) from error

    def _lock(self, file: IO[str], deadline_s: float) -> None:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self.clock.monotonic() >= deadline_s:
                    raise SourceUnavailable(
                        f"another process of this home is asking {self.server}: try again "
                        "when it is done"
                    ) from None
                self.clock.sleep(LOOK_AGAIN_S)
            else:
                return

    def _wait(self, stamp: _Stamp, deadline_s: float) -> None:
        pause_s = self._requested_pause_s(stamp)
        if pause_s > deadline_s - self.clock.monotonic():
            until = datetime.fromtimestamp(stamp.not_before_wall_s, UTC)
            raise SourceUnavailable(
                f"{self.server} asked for a pause until {until:%Y-%m-%d %H:%M} UTC: try again then"
            )
        wait_s = max(pause_s, self._rest_of_delay_s(stamp))
        if wait_s > 0:
            self.clock.sleep(wait_s)

    def _requested_pause_s(self, stamp: _Stamp) -> float:
        left_s = stamp.not_before_wall_s - self.clock.wall()
        return left_s if 0 < left_s <= LONGEST_REQUESTED_PAUSE_S else 0.0

    def _rest_of_delay_s(self, stamp: _Stamp) -> float:
        """The longer rest that the two clocks tell.

        The monotonic one does not jump, but starts anew with the machine (a stamp from the
        future: wait the whole pause) and means nothing on another machine; there the wall
        clock helps.
        """
        by_monotonic_s = self.clock.monotonic() - stamp.monotonic_s
        by_wall_s = self.clock.wall() - stamp.wall_s
        if by_monotonic_s < 0:
            return self.delay_s
        elapsed_s = min(by_monotonic_s, by_wall_s) if by_wall_s >= 0 else by_monotonic_s
        return max(0.0, self.delay_s - elapsed_s)


def backoff_s(attempt: int, delay_s: float, draw: Callable[[], float] = random.random) -> float:
    """How long to wait after throttled attempt 0, 1, ...: a minute, doubling, with jitter.

    In units of the pause between requests; at most ten minutes at arXiv's pace.
    """
    pauses = min(FIRST_BACKOFF_PAUSES * 2.0**attempt, LONGEST_BACKOFF_PAUSES)
    return pauses * delay_s * (1 + draw() / 4)


def read_retry_after(value: str | None, now_wall_s: float) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, given as seconds or as a date."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the latter: a year or an offset of twenty digits
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - now_wall_s)


def _read_stamp(file: IO[str]) -> _Stamp:
    file.seek(0)
    try:
        text = file.read()
        if not text:
            return _Stamp(monotonic_s=float("-inf"))  # nothing was ever asked
        stated = json.loads(text)
        moments = [float(stated[name]) for name in STAMP_FIELDS]
    except (ValueError, KeyError, TypeError):
        return _Stamp()
    return _Stamp(*moments) if all(map(math.isfinite, moments)) else _Stamp()


def _write_stamp(file: IO[str], stamp: _Stamp) -> None:
    """Over the old stamp in one write: a process killed here leaves the one or the other."""
    text = json.dumps({name: getattr(stamp, name) for name in STAMP_FIELDS}).ljust(STAMP_BYTES)
    os.pwrite(file.fileno(), text.encode("ascii"), 0)
    os.ftruncate(file.fileno(), len(text))
