"""Asking a server that is not arXiv's query API: what is tried again, when it is left alone.

Decides by kinds of failure: throttling (growing pauses, or the one that is asked for), a
broken connection, an answer that its reader cannot read. Nothing that an answer names is
ever fetched, and no redirect is followed. Knows nothing of what an answer means.
"""

import random
from collections.abc import Callable
from typing import TypeVar

from db.errors import SourceUnavailable
from ingest.sources.exchange import Answer, Exchange, RequestLimits, TooLarge, Unreachable
from ingest.sources.politeness import RequestPacer, backoff_s, read_retry_after

Value = TypeVar("Value")
RETRIES = {"throttled": 2, "unreachable": 1, "unreadable": 1}


class PatientServer:
    """One server at its pace; after a failure that lasts it is not asked again."""

    def __init__(
        self,
        pacer: RequestPacer,
        headers: dict[str, str],
        limits: RequestLimits,
        *,
        throttles_with: frozenset[int] = frozenset({429}),
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.stopped_because: str | None = None
        self.requests_made = 0
        self._pacer = pacer
        self._limits = limits
        self._throttles_with = throttles_with
        self._draw = draw
        self._exchange = Exchange(headers, limits)
        self._deadline_s = 0.0

    def begin(self) -> None:
        """A new question: its time runs from here.

        Raises:
            SourceUnavailable: an earlier question showed that asking is of no use now.
        """
        if self.stopped_because:
            raise SourceUnavailable(f"not asked: {self.stopped_because}")
        self._deadline_s = self._pacer.clock.monotonic() + self._limits.question_s

    def ask(self, url: str, read: Callable[[Answer], Value]) -> Value:
        """What ``read`` makes of the answer; it raises ValueError for one that is broken.

        Raises:
            SourceUnavailable: no answer that can be read came within the limits.
        """
        tries = dict.fromkeys(RETRIES, 0)
        while True:
            pause_s = self._pacer.delay_s
            try:
                answer = self._request(url)
                if answer.status not in self._throttles_with and answer.status < 500:
                    return read(answer)
                kind, reason = "throttled", f"it is throttling (HTTP {answer.status})"
                pause_s = self._choose_pause(answer, tries[kind])
            except Unreachable as error:
                kind, reason = "unreachable", f"it could not be reached ({error})"
            except (TooLarge, ValueError) as error:
                kind, reason = "unreadable", f"its answer cannot be read ({error})"
            tries[kind] += 1
            if tries[kind] > RETRIES[kind] or pause_s >= self._time_left_s():
                self._give_up(kind, reason)
            if pause_s > self._pacer.delay_s:  # the pacer itself keeps the usual pause
                self._pacer.clock.sleep(pause_s)

    def refuse(self, reason: str) -> SourceUnavailable:
        """The error for a server that will not answer us at all; it is not asked again."""
        self.stopped_because = reason
        return SourceUnavailable(reason)

    def _request(self, url: str) -> Answer:
        if self._time_left_s() <= 0:
            raise Unreachable(f"no whole answer within {self._limits.question_s:.0f} seconds")
        with self._pacer.turn(self._time_left_s()):
            self.requests_made += 1
            return self._exchange.get(url, self._time_left_s())

    def _choose_pause(self, answer: Answer, attempt: int) -> float:
        wanted_s = read_retry_after(answer.headers.get("Retry-After"), self._pacer.clock.wall())
        if wanted_s:
            self._pacer.stand_back(wanted_s)
        return wanted_s or backoff_s(attempt, self._pacer.delay_s, self._draw)

    def _give_up(self, kind: str, reason: str) -> None:
        if kind != "unreadable":  # an unreadable page is that question's own trouble
            self.stopped_because = reason
        raise SourceUnavailable(reason)

    def _time_left_s(self) -> float:
        return max(0.0, self._deadline_s - self._pacer.clock.monotonic())
