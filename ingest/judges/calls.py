"""One question to a chat model: sent, repeated where that helps, answered in shape or not.

Decides which failures are worth another try, how long to wait between tries, and when an
answer that does not come is given up. Knows nothing of stances.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import BaseModel, ValidationError

from db.errors import ReassayError
from ingest.judges.allowance import Allowance, AllowanceSpent
from ingest.judges.questions import SHAPE_REMINDER, Answer, Question

TRIES = 3  # of one question, the first included
WAITS_S = (1.0, 5.0)  # before the second and the third
LONGEST_WAIT_S = 60.0  # of a Retry-After
LONGEST_REPLY = 20_000  # characters; an answer in shape has some hundred
CHARACTERS_A_TOKEN = 4  # where a provider does not count
WORTH_A_RETRY = {408, 409, 425, 429}
T = TypeVar("T")


class NoAnswer(ReassayError):
    """A question got no valid answer after all tries."""

    exit_code = 3


class Malformed(Exception):
    """A reply that is not in the asked shape."""


@dataclass(frozen=True)
class Reply:
    """A valid answer and what it took."""

    answer: Answer
    input_tokens: int
    output_tokens: int
    took_s: float


class Caller:
    """Asks one chat model, within an allowance."""

    def __init__(
        self,
        model: BaseChatModel,
        timeout_s: float,
        wait: Callable[[Allowance, float], None] | None = None,
    ) -> None:
        self._model = model
        self._timeout_s = timeout_s
        self._wait = wait or wait_within

    def ask(self, question: Question, allowance: Allowance) -> Reply:
        """The answer, after at most ``TRIES`` requests.

        Raises:
            NoAnswer: every try failed, or the first failed for good; the message is the last.
            AllowanceSpent: a limit was reached before an answer came.
        """
        content, error = question.content, ""
        for number in range(TRIES):
            allowance.take_call()
            try:
                reply = self._send(question, content, allowance)
            except AllowanceSpent:
                raise
            except Exception as failure:  # noqa: BLE001 - every provider raises its own kinds
                error = describe_error(failure)
                if not is_worth_a_retry(failure):
                    break
                if isinstance(failure, Malformed):
                    content = question.content + SHAPE_REMINDER.format(error=error[:100])
                elif number < TRIES - 1:
                    self._wait(allowance, find_wait_s(failure, number))
            else:
                allowance.record_outcome(None)
                return reply
        allowance.record_outcome(error)
        raise NoAnswer(error)

    def _send(self, question: Question, content: str, allowance: Allowance) -> Reply:
        structured = self._model.with_structured_output(question.shape, include_raw=True)
        messages = [SystemMessage(question.rules), HumanMessage(content)]
        left_s = allowance.left_s()
        timeout_s = self._timeout_s if left_s is None else min(self._timeout_s, left_s)
        started = time.monotonic()
        sent = len(question.rules) + len(content)
        try:
            given = call_within(lambda: structured.invoke(messages), timeout_s)
        except (ValidationError, OutputParserException, ValueError) as error:
            allowance.add_tokens(sent // CHARACTERS_A_TOKEN, 0)
            raise Malformed(describe_error(error)) from error
        read, written = count_tokens(given, sent)
        allowance.add_tokens(read, written)
        return Reply(_parse(given, question), read, written, time.monotonic() - started)


def call_within(call: Callable[[], T], timeout_s: float) -> T:
    """What the call returns or raises; a call that hangs is left behind.

    Raises:
        TimeoutError: nothing came within ``timeout_s``.
    """
    results: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            results.put((call(), None))
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread
            results.put((None, error))

    Thread(target=run, daemon=True, name="reassay-chat-call").start()
    try:
        value, error = results.get(timeout=max(0.001, timeout_s))
    except Empty:
        raise TimeoutError(f"no answer within {timeout_s:g} s") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


def wait_within(allowance: Allowance, seconds: float) -> None:
    """Wait; not longer than the allowance lasts, and not after an interruption."""
    left_s = allowance.left_s()
    allowance.is_stopped.wait(seconds if left_s is None else min(seconds, left_s))


def is_worth_a_retry(error: Exception) -> bool:
    """Whether the same question may get an answer: not after a refusal such as a wrong key."""
    status = _find_status(error)
    return status is None or status >= 500 or status in WORTH_A_RETRY


def find_wait_s(error: Exception, number: int) -> float:
    """Seconds before the next try: what the provider asks for, or our own."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        asked = float(headers.get("retry-after", ""))
    except (TypeError, ValueError):  # absent, or a date
        return WAITS_S[min(number, len(WAITS_S) - 1)]
    return min(max(0.0, asked), LONGEST_WAIT_S)


def describe_error(error: BaseException) -> str:
    """One line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def count_tokens(given: Any, sent: int) -> tuple[int, int]:
    """Tokens read and written by the model's own count, or estimated from characters."""
    raw = given.get("raw") if isinstance(given, dict) else None
    usage = getattr(raw, "usage_metadata", None)
    if usage:
        return int(usage["input_tokens"]), int(usage["output_tokens"])
    written = len(str(getattr(raw, "content", ""))) + len(str(getattr(raw, "tool_calls", "")))
    return sent // CHARACTERS_A_TOKEN, written // CHARACTERS_A_TOKEN


def _parse(given: Any, question: Question) -> Answer:
    if not isinstance(given, dict):
        raise Malformed("no answer in the asked shape")
    if len(str(getattr(given.get("raw"), "content", ""))) > LONGEST_REPLY:
        raise Malformed(f"an answer of more than {LONGEST_REPLY} characters")
    parsed = given.get("parsed")
    if isinstance(parsed, question.shape):
        return parsed
    error = given.get("parsing_error")
    reason = describe_error(error) if error else "no answer in the asked shape"
    raise Malformed(reason if not isinstance(parsed, BaseModel) else "another question's shape")


def _find_status(error: Exception) -> int | None:
    """The HTTP status that a provider's error carries, if any."""
    response = getattr(error, "response", None)
    for holder in (error, response):
        status = getattr(holder, "status_code", None)
        if isinstance(status, int) and status >= 400:
            return status
    return None
