"""A small OpenAI-compatible chat server on a loopback port: real HTTP, faults on request.

Answers ``/v1/chat/completions`` by a function of the asked shape and the question. Faults
are queued, one a request; ``requests`` holds every request's body.
"""

import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[str, str], Any]  # shape, question -> dict, or text as it is


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request."""

    status: int = 200
    body: str | None = None  # instead of the whole reply
    content: str | None = None  # instead of the answer
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False  # half the body, then the connection closes
    is_silent: bool = False  # takes the request and never answers


class ChatServer:
    """What the server was asked and what it will answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.faults: deque[Fault | None] = deque()
        self.requests: list[dict[str, Any]] = []
        self.released = threading.Event()
        self.at_once = 0
        self.most_at_once = 0
        self.lock = threading.Lock()
        self.url = ""

    def reply(self, asked: dict[str, Any], fault: Fault) -> bytes:
        """The reply's body."""
        if fault.body is not None:
            return fault.body.encode()
        shape = asked.get("response_format", {}).get("json_schema", {}).get("name", "")
        given = fault.content
        if given is None:
            said = self.answer(shape, asked["messages"][-1]["content"])
            given = said if isinstance(said, str) else json.dumps(said)
        message = {"role": "assistant", "content": given}
        return json.dumps(
            {
                "id": "1", "object": "chat.completion", "created": 1, "model": asked["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
            }
        ).encode()  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    chat: ChatServer

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chat = self.chat
        with chat.lock:
            chat.requests.append(asked)
            fault = (chat.faults.popleft() if chat.faults else None) or Fault()
            chat.at_once += 1
            chat.most_at_once = max(chat.most_at_once, chat.at_once)
        try:
            if fault.is_silent:
                chat.released.wait(30)
                self.close_connection = True
                return
            self._send(chat.reply(asked, fault), fault)
        finally:
            with chat.lock:
                chat.at_once -= 1

    def _send(self, body: bytes, fault: Fault) -> None:
        with suppress(ConnectionError):
            self.send_response(fault.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in fault.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if fault.is_cut else body)
            if fault.is_cut:
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def serve_chat(answer: Answer) -> Iterator[ChatServer]:
    """A server that answers until the block ends."""
    chat = ChatServer(answer)
    handler = type("Handler", (_Handler,), {"chat": chat})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    chat.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield chat
    finally:
        chat.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
