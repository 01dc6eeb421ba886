"""How one server is asked, and asked again: what is throttling, how often, when to stop.

arXiv's servers throttle polite clients with 403, 406, 429, 5xx and with plain text of
status 200, send empty pages and web pages, and break connections off; other servers throttle
with 429. Decides what each of these is worth, within the server's pace; after a failure that
will not pass soon nothing more is asked. Nothing that an answer names is ever fetched, and no
redirect is followed. Knows nothing of what an answer means.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from typing import TypeVar

from db.errors import SourceUnavailable
from ingest.sources.exchange import Answer, Exchange, RequestLimits, TooLarge, Unreachable
from ingest.sources.politeness import RequestPacer, backoff_s, read_retry_after
from ingest.sources.xml_guard import Unreadable

Value = TypeVar("Value")
ARXIV_THROTTLES_WITH = frozenset({403, 406, 429})  # and 5xx; all of them under load
THROTTLED_BODY = b"rate exceeded"


@dataclass(frozen=True)
class Manner:
    """How one kind of server misbehaves, and how often it is asked again for each kind."""

    name: str  # what sentences about failures call it
    throttles_with: frozenset[int]  # statuses; 5xx always
    retries: Mapping[str, int]
    passing: frozenset[str]  # kinds that are one question's own trouble: others are asked


ARXIV = Manner(
    "arXiv",
    ARXIV_THROTTLES_WITH,
    {"throttled": 3, "unreachable": 1, "unreadable": 2, "empty": 2},
    frozenset({"empty"}),
)
SINGLE_PAGES = Manner(  # one answer a question, such as a paper's page or an index's object
    "it",
    frozenset({429}),
    {"throttled": 2, "unreachable": 1, "unreadable": 1, "empty": 0},
    frozenset({"empty", "unreadable"}),
)


def name_agent(contact: str) -> str:
    """The user agent that says who asks, what for, and whom to write to."""
    who = f"; {contact}" if contact else ""
    return f"reassay/{installed_version('reassay')} (nightly claim checks{who})"


class EmptyPage(Exception):
    """A page without entries where there should be some; says how many it announces."""


class Patience:
    """One server's exchange at its pace, for one question after another."""

    def __init__(
        self,
        headers: dict[str, str],
        pacer: RequestPacer,
        limits: RequestLimits,
        draw: Callable[[], float] = random.random,
        manner: Manner = ARXIV,
    ) -> None:
        self.requests_made = 0
        self.stopped_because: str | None = None
        self._exchange = Exchange(headers, limits)
        self._pacer = pacer
        self._limits = limits
        self._draw = draw
        self._manner = manner
        self._deadline_s = 0.0

    def begin(self) -> None:
        """Start the clock of a question.

        Raises:
            SourceUnavailable: an earlier one failed in a way that will not pass soon.
        """
        if self.stopped_because:
            raise SourceUnavailable(f"not asked: {self.stopped_because}")
        self._deadline_s = self._pacer.clock.monotonic() + self._limits.question_s

    def fetch(self, url: str, read: Callable[[Answer], Value]) -> Value:
        """What ``read`` makes of an answer that is not throttled, within the question's time.

        ``read`` raises Unreadable or EmptyPage to have the page asked for again, as often
        as its kind of failure deserves.

        Raises:
            SourceUnavailable: no answer that can be used came in time.
        """
        tries = dict.fromkeys(self._manner.retries, 0)
        name = self._manner.name
        while True:
            pause_s = self._pacer.delay_s
            try:
                answer = self._request(url)
                retry_after_s = self._find_throttling(answer)
                if retry_after_s is None:
                    return read(answer)
                kind, reason = "throttled", f"{name} is throttling (HTTP {answer.status})"
                pause_s = retry_after_s or self._choose_backoff(tries["throttled"])
            except Unreachable as error:
                kind, reason = "unreachable", f"{name} could not be reached ({error})"
            except (Unreadable, TooLarge) as error:
                kind, reason = "unreadable", f"{name} sent {error}"
            except EmptyPage as error:
                kind, reason = "empty", str(error)
            tries[kind] += 1
            if tries[kind] > self._manner.retries[kind] or pause_s >= self._time_left_s():
                self._give_up(kind, reason)
            if pause_s > self._pacer.delay_s:  # the pacer itself keeps the usual pause
                self._pacer.clock.sleep(pause_s)

    def stop(self, reason: str) -> SourceUnavailable:
        """Ask nothing more of this server; the error that says why, to be raised."""
        self.stopped_because = reason
        return SourceUnavailable(reason)

    def _request(self, url: str) -> Answer:
        if self._time_left_s() <= 0:
            raise SourceUnavailable(
                f"no whole answer came within {self._limits.question_s:.0f} seconds"
            )
        with self._pacer.turn(self._time_left_s()):
            self.requests_made += 1
            answer = self._exchange.get(url, self._time_left_s())
            wanted_s = self._find_throttling(answer)
            if wanted_s:  # written down before another process can have its turn
                self._pacer.stand_back(wanted_s)
            return answer

    def _find_throttling(self, answer: Answer) -> float | None:
        """Seconds that a throttled answer asks to wait (0: it names none); None: it is none."""
        throttled = answer.status in self._manner.throttles_with or answer.status >= 500
        if not throttled and not answer.body.lstrip()[:40].lower().startswith(THROTTLED_BODY):
            return None
        now_wall_s = self._pacer.clock.wall()
        return read_retry_after(answer.headers.get("Retry-After"), now_wall_s) or 0.0

    def _choose_backoff(self, attempt: int) -> float:
        return backoff_s(attempt, self._pacer.delay_s, self._draw)

    def _give_up(self, kind: str, reason: str) -> None:
        if kind not in self._manner.passing:
            self.stopped_because = reason
        raise SourceUnavailable(reason)

    def _time_left_s(self) -> float:
        return max(0.0, self._deadline_s - self._pacer.clock.monotonic())
