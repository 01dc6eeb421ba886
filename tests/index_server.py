"""A citation index, or arXiv's HTML pages, on the loopback address, with faults on demand."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Reply = tuple[int, bytes, dict[str, str]]
Answer = Callable[[str, dict[str, str]], Reply]
Fault = Callable[["Handler"], None]


@dataclass
class Asked:
    path: str
    parameters: dict[str, str]
    headers: dict[str, str]
    at_s: float


@dataclass
class IndexServer:
    answer: Answer
    faults: deque[Fault | None] = field(default_factory=deque)  # None: answer properly
    always: Fault | None = None
    asked: list[Asked] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    index: IndexServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        parameters = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = unquote(parts.path)
        self.index.asked.append(Asked(path, parameters, dict(self.headers), time.monotonic()))
        fault = self.index.faults.popleft() if self.index.faults else self.index.always
        if fault is not None:
            fault(self)
        else:
            self.reply(*self.index.answer(path, parameters))

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def run_index_server(answer: Answer) -> Iterator[IndexServer]:
    index = IndexServer(answer)
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("BoundHandler", (Handler,), {"index": index})
    )
    server.daemon_threads = True
    index.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def document(value: Any, status: int = 200) -> Reply:
    return status, json.dumps(value).encode(), {"Content-Type": "application/json"}


def fail(status: int, body: bytes = b"", **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.reply(status, body, named)


def cut_off(handler: Handler) -> None:
    """Less than was promised, then the connection is gone."""
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b'{"data": [')
    handler.wfile.flush()
    handler.connection.close()


def flood(handler: Handler) -> None:
    """More bytes than any answer may have."""
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(400):
            handler.wfile.write(b" " * 65536)
    except OSError:
        return
