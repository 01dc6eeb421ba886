"""One HTTP exchange: what it follows, how much it takes, and when it lets go."""

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ingest.sources.exchange import Exchange, RequestLimits, TooLarge, Unreachable

Serve = Callable[[socket.socket], None]


@contextmanager
def serve(*answers: Serve) -> Iterator[tuple[str, list[int]]]:
    """A server that handles connections one after the other; yields its URL and their count."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken: list[int] = []

    def run() -> None:
        for number, answer in enumerate(answers):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            taken.append(number)
            with connection:
                try:
                    answer(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", taken
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)


def say(connection: socket.socket, body: bytes, *headers: str) -> None:
    connection.recv(65536)
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    connection.sendall("\r\n".join(lines).encode() + body)


def send(body: bytes, *headers: str) -> Serve:
    return lambda connection: say(connection, body, *headers)


def compressed(body: bytes) -> Serve:
    return send(gzip.compress(body), "Content-Encoding: gzip")


def exchange(**limits: float) -> Exchange:
    return Exchange({"Accept": "text/xml"}, RequestLimits(**limits))  # type: ignore[arg-type]


def test_no_connection_is_kept_beside_another() -> None:
    """Another source or process of this home may ask next, over a connection of its own."""
    open_still: list[bytes] = []

    def answer_and_wait(body: bytes) -> Serve:
        def answer(connection: socket.socket) -> None:
            say(connection, body)
            connection.settimeout(5)
            open_still.append(connection.recv(1))  # empty: the other side has closed

        return answer

    with serve(answer_and_wait(b"one"), answer_and_wait(b"two")) as (url, taken):
        asked, another = exchange(), exchange()
        assert (asked.get(url, 5).body, another.get(url, 5).body) == (b"one", b"two")
        assert taken == [0, 1]
    assert open_still == [b"", b""]


def test_a_compressed_body_is_unpacked() -> None:
    text = b"".join(f"line {n}\n".encode() for n in range(20_000))
    with serve(compressed(text)) as (url, _):
        assert exchange().get(url, 5).body == text


def test_the_limit_is_on_what_a_body_unpacks_to() -> None:
    with serve(compressed(b"\0" * 50_000_000)) as (url, _), pytest.raises(TooLarge):
        exchange(body_bytes=100_000).get(url, 5)


@pytest.mark.parametrize(
    "answer",
    [
        send(b"not compressed at all", "Content-Encoding: gzip"),
        send(gzip.compress(b"x" * 10_000)[:-12], "Content-Encoding: gzip"),
    ],
)
def test_a_body_that_cannot_be_unpacked(answer: Serve) -> None:
    with serve(answer) as (url, _), pytest.raises(Unreachable, match="compressed"):
        exchange().get(url, 5)


def drip(start: bytes) -> Serve:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(start)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            connection.sendall(b"x")
            time.sleep(0.02)

    return answer


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"],
    ids=["headers", "body"],
)
def test_a_drip_is_cut_off_and_the_next_request_is_fresh(start: bytes) -> None:
    with serve(drip(start), send(b"well again")) as (url, taken):
        asked = exchange(read_s=2.0)
        started_s = time.monotonic()
        with pytest.raises(Unreachable, match="no whole answer in time"):
            asked.get(url, 0.3)
        assert asked.get(url, 5).body == b"well again"
        assert time.monotonic() - started_s < 2  # the first connection was ended, not left
        assert taken == [0, 1]


def test_loopback_never_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serve(send(b"straight")) as (url, _):
        assert exchange().get(url, 5).body == b"straight"


def test_elsewhere_goes_through_the_proxy_without_a_name_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serve(send(b"by proxy")) as (proxy, _):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert exchange().get("http://no-such-host.invalid/", 5).body == b"by proxy"


def test_redirects_are_answers() -> None:
    def redirect(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
        )

    with serve(redirect) as (url, _):
        assert exchange().get(url, 5).status == 302


@pytest.mark.parametrize("url", ["http://", "http://[::1/", "ftp://127.0.0.1/", "nonsense"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(Unreachable):
        exchange().get(url, 5)


def test_a_name_that_is_not_found_in_time() -> None:
    with pytest.raises(Unreachable, match="cannot be resolved"):
        exchange().get("http://no-such-host.invalid/", 5)
