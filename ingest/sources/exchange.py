"""One HTTP request in bounded time and size: no answer, however slow or large, holds us.

``httpx`` limits single reads only; a server that sends a byte a second would keep a caller
for days. Decides when to let go; knows nothing of what an answer means. Redirects are not
followed: no address from an answer is ever fetched. One connection at a time, as arXiv's
terms of use ask.
"""

import contextlib
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

Value = TypeVar("Value")
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
CHUNK_BYTES = 16 * 1024
ONE_CONNECTION = httpx.Limits(max_connections=1, max_keepalive_connections=1)
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


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
    """A whole HTTP answer, its body decompressed."""

    status: int
    headers: httpx.Headers
    body: bytes


class Unreachable(Exception):
    """The server cannot be reached, or let the connection go."""


class TooLarge(Exception):
    """The answer passed the size limit."""


@dataclass
class Exchange:
    """A connection with fixed headers to one server."""

    headers: dict[str, str]
    limits: RequestLimits
    _line: "_Line | None" = None
    _resolved: set[str] = field(default_factory=set)

    def get(self, url: str, limit_s: float) -> Answer:
        """Fetch one URL.

        Raises:
            Unreachable: no connection, a broken one, or no whole answer within the limit.
            TooLarge: the decompressed body passed the limit.
        """
        try:
            host = urlsplit(url).hostname or ""
        except ValueError as error:
            raise Unreachable(f"{url} is no address") from error
        self._resolve(url, host)
        line = self._open_line(trust_env=host not in LOOPBACK)
        try:
            return run_within(min(limit_s, self.limits.request_s), lambda: line.fetch(url))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(_explain(error)) from error
        except TimeoutError as error:
            self._line = None
            line.hang_up()
            raise Unreachable("no whole answer in time") from error

    def _open_line(self, trust_env: bool) -> "_Line":
        """Settings of the environment (proxies) are for the network, never for loopback."""
        if self._line is None or self._line.client.trust_env != trust_env:
            self._line = _Line(_open_client(self.headers, self.limits, trust_env), self.limits)
        return self._line

    def _resolve(self, url: str, host: str) -> None:
        """The resolver has no timeout of its own; behind a proxy the name is not ours to find."""
        if host in self._resolved or _goes_through_proxy(url, host):
            return
        try:
            run_within(self.limits.resolve_s, lambda: socket.getaddrinfo(host, None))
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"the name {host} cannot be resolved") from error
        self._resolved.add(host)


@dataclass
class _Line:
    """A client whose only connection can be cut while another thread reads from it."""

    client: httpx.Client
    limits: RequestLimits
    _sockets: list[socket.socket] = field(default_factory=list)

    def fetch(self, url: str) -> Answer:
        with self.client.stream("GET", url, extensions={"trace": self._note_socket}) as answer:
            parts = answer.iter_raw(CHUNK_BYTES)
            if answer.headers.get("Content-Encoding", "").strip().lower() in ("gzip", "deflate"):
                parts = _decompress(parts)
            body = bytearray()
            for part in parts:
                body += part
                if len(body) > self.limits.body_bytes:
                    raise TooLarge(f"more than {self.limits.body_bytes} bytes")
            return Answer(answer.status_code, answer.headers, bytes(body))

    def hang_up(self) -> None:
        """End the connection under its reader; closing it would wait for that thread."""
        for connected in self._sockets:
            with contextlib.suppress(OSError):  # it ended by itself
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    def _note_socket(self, event: str, details: dict[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            connected = details["return_value"].get_extra_info("socket")
            self._sockets = [connected] if connected is not None else []


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


def _open_client(headers: dict[str, str], limits: RequestLimits, trust_env: bool) -> httpx.Client:
    return httpx.Client(
        # Kept open, a connection would stand beside another source's or process's: arXiv's
        # terms of use allow one.
        headers={"Accept-Encoding": "gzip", "Connection": "close", **headers},
        timeout=httpx.Timeout(limits.read_s, connect=limits.connect_s),
        limits=ONE_CONNECTION,
        follow_redirects=False,
        trust_env=trust_env,
    )


def _goes_through_proxy(url: str, host: str) -> bool:
    if host in LOOPBACK:
        return False
    proxies = getproxies()
    return bool((urlsplit(url).scheme in proxies or "all" in proxies) and not proxy_bypass(host))


def _decompress(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Small pieces, however little was sent: the package would unpack a whole read at once.

    Raises:
        httpx.DecodingError: the body is not compressed as it says, or is cut off.
    """
    unpacking = zlib.decompressobj(GZIP_OR_ZLIB)
    try:
        for part in parts:
            rest = part
            while rest:
                yield unpacking.decompress(rest, CHUNK_BYTES)
                rest = unpacking.unconsumed_tail
        while piece := unpacking.decompress(b"", CHUNK_BYTES):
            yield piece
    except zlib.error as error:
        raise httpx.DecodingError("the body cannot be decompressed") from error
    if not unpacking.eof:
        raise httpx.DecodingError("the compressed body is cut off")


def _explain(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it did not answer in time"
    if isinstance(error, httpx.DecodingError):
        return str(error)
    if "refused" in str(error):
        return "connection refused"
    return "the connection failed or broke off"
