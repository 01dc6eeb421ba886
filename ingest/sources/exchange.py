"""One HTTP request in bounded time and size: no answer, however slow or large, holds us.

``requests`` limits single reads only; a server that sends a byte a second would keep a
caller for days. Decides when to let go; knows nothing of what an answer means. Redirects
are not followed: no address from an answer is ever fetched.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import TypeVar
from urllib.parse import urlsplit

import requests

Value = TypeVar("Value")
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
CHUNK_BYTES = 16 * 1024


@dataclass(frozen=True)
class RequestLimits:
    """Bounds of one request (seconds, bytes) and of one question with all its retries."""

    resolve_s: float = 3.0
    connect_s: float = 3.0
    read_s: float = 30.0
    request_s: float = 60.0
    question_s: float = 180.0
    body_bytes: int = 32 * 2**20


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: "requests.structures.CaseInsensitiveDict[str]"
    body: bytes


class Unreachable(Exception):
    """The server cannot be reached, or let the connection go."""


class TooLarge(Exception):
    """The answer passed the size limit."""


@dataclass
class Exchange:
    """A session with fixed headers on one server."""

    headers: dict[str, str]
    limits: RequestLimits
    _session: requests.Session = field(default_factory=requests.Session)
    _resolved: set[str] = field(default_factory=set)

    def get(self, url: str, limit_s: float) -> Answer:
        """Fetch one URL.

        Raises:
            Unreachable: no connection, a broken one, or no whole answer within the limit.
            TooLarge: the body passed the limit.
        """
        host = urlsplit(url).hostname or ""
        self._session.trust_env = host not in LOOPBACK
        self._resolve(url, host)
        open_answers: list[requests.Response] = []
        try:
            return run_within(
                min(limit_s, self.limits.request_s), lambda: self._fetch(url, open_answers)
            )
        except requests.RequestException as error:
            raise Unreachable(_explain(error)) from error
        except TimeoutError as error:
            for answer in open_answers:
                _hang_up(answer)
            raise Unreachable("no whole answer in time") from error

    def _resolve(self, url: str, host: str) -> None:
        """The resolver has no timeout of its own; behind a proxy the name is not ours to find."""
        proxies = requests.utils.get_environ_proxies(url) if self._session.trust_env else {}
        if host in self._resolved or requests.utils.select_proxy(url, proxies):
            return
        try:
            run_within(self.limits.resolve_s, lambda: socket.getaddrinfo(host, None))
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"the name {host} cannot be resolved") from error
        self._resolved.add(host)

    def _fetch(self, url: str, open_answers: list[requests.Response]) -> Answer:
        answer = self._session.get(
            url,
            headers=self.headers,
            timeout=(self.limits.connect_s, self.limits.read_s),
            allow_redirects=False,
            stream=True,
        )
        open_answers.append(answer)
        body = bytearray()
        with answer:
            for chunk in answer.iter_content(CHUNK_BYTES):
                body += chunk
                if len(body) > self.limits.body_bytes:
                    raise TooLarge(f"more than {self.limits.body_bytes} bytes")
        return Answer(answer.status_code, answer.headers, bytes(body))


def run_within(limit_s: float, call: Callable[[], Value]) -> Value:
    """The value of a call, or its error, if it comes within ``limit_s`` seconds.

    Raises:
        TimeoutError: it did not; the call's thread is left to end by itself.
    """
    outcome: Queue[tuple[Value | None, BaseException | None]] = Queue()

    def run() -> None:
        try:
            outcome.put((call(), None))
        except BaseException as error:  # noqa: BLE001  (raised again in the caller's thread)
            outcome.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        value, error = outcome.get(timeout=max(limit_s, 0.001))
    except Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


def _hang_up(answer: requests.Response) -> None:
    """End a connection that another thread is reading; closing it would wait for that thread."""
    with contextlib.suppress(ValueError, RuntimeError, OSError):  # it ended by itself
        answer.raw.shutdown()


def _explain(error: requests.RequestException) -> str:
    if isinstance(error, requests.ConnectTimeout | requests.ReadTimeout):
        return "it did not answer in time"
    if "refused" in str(error):
        return "connection refused"
    return "the connection failed or broke off"
