"""What a run of a language model may still spend: calls, tokens, time, patience.

Decides when asking stops; whoever asks says what was left undone. Safe for many threads.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock

from db.errors import ReassayError
from ingest.judges.chat_options import JudgeLimits

FAILURES_IN_A_ROW = 8  # a provider that is down is not asked a thousand times


class AllowanceSpent(ReassayError):
    """A limit is reached: nothing more is asked tonight; the message names the limit."""

    exit_code = 3


@dataclass(frozen=True)
class Spending:
    """What was asked of a model and what it used."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class Allowance:
    """Counts what is spent against the limits; ``already`` was spent earlier in this night."""

    def __init__(
        self,
        limits: JudgeLimits | None = None,
        already: Spending | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits or JudgeLimits(0, 0, 0)
        self._already = already or Spending()
        self._clock = clock
        self._started = clock()
        self._lock = Lock()
        self._spent = Spending()
        self._failures = 0
        self._last_error = ""
        self.is_stopped = Event()  # set by Ctrl-C: waiting threads wake and ask no more

    @property
    def spent(self) -> Spending:
        """What this run has spent so far."""
        return self._spent

    def take_call(self) -> None:
        """Count one request that is about to be sent.

        Raises:
            AllowanceSpent: it must not be sent.
        """
        with self._lock:
            reason = self._find_reason()
            if reason:
                raise AllowanceSpent(reason)
            spent = self._spent
            self._spent = Spending(spent.calls + 1, spent.input_tokens, spent.output_tokens)

    def add_tokens(self, read: int, written: int) -> None:
        """Count what a reply used."""
        with self._lock:
            spent = self._spent
            self._spent = Spending(
                spent.calls, spent.input_tokens + read, spent.output_tokens + written
            )

    def record_outcome(self, error: str | None) -> None:
        """Count a question that got an answer (None) or, after all retries, none."""
        with self._lock:
            self._failures = 0 if error is None else self._failures + 1
            self._last_error = error or ""

    def left_s(self) -> float | None:
        """Seconds left; None without a limit."""
        if not self._limits.seconds:
            return None
        return max(0.0, self._limits.seconds - (self._clock() - self._started))

    def _find_reason(self) -> str:
        limits, spent, already = self._limits, self._spent, self._already
        if self.is_stopped.is_set():
            return "judging was interrupted"
        if self._failures >= FAILURES_IN_A_ROW:
            return f"{self._failures} questions in a row got no answer: {self._last_error}"
        if limits.calls and spent.calls + already.calls >= limits.calls:
            return f"the limit of {limits.calls} calls (judge_max_calls) is reached"
        if limits.tokens and spent.tokens + already.tokens >= limits.tokens:
            return f"the limit of {limits.tokens} tokens (judge_max_tokens) is reached"
        if self.left_s() == 0:
            return f"the limit of {limits.seconds:g} s (judge_max_s) is reached"
        return ""
