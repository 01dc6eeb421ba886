"""A small arXiv on a loopback port: real HTTP, invented papers, faults on request.

Answers the query API's parameters (id_list, submittedDate ranges, quoted words, paging) in
the layout that arXiv uses since November 2025. Faults are queued, one a request.
"""

import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

SPAN = re.compile(r"submittedDate:\[(\d{12}) TO (\d{12})\]")
WORD = re.compile(r'abs:"([^"]+)"')


@dataclass(frozen=True)
class InventedPaper:
    arxiv_id: str
    published: str  # 2026-11-20
    title: str = "On Invented Things"
    abstract: str = "We invent things and measure nothing."
    version: int = 1
    comment: str = ""
    categories: tuple[str, ...] = ("cs.CL", "cs.LG")

    def entry(self) -> str:
        moment = f"{self.published}T12:00:00Z"
        categories = "".join(f'<category term="{c}"/>' for c in self.categories)
        comment = f"<arxiv:comment>{escape(self.comment)}</arxiv:comment>" if self.comment else ""
        abstract = f"<summary>{escape(self.abstract)}</summary>" if self.abstract else ""
        return (
            f"<entry><id>http://arxiv.org/abs/{self.arxiv_id}v{self.version}</id>"
            f"<title>{escape(self.title)}</title><updated>{moment}</updated>{abstract}"
            f"{categories}<published>{moment}</published>{comment}"
            f'<arxiv:primary_category term="{self.categories[0]}"/>'
            "<author><name>Ada  Invented</name></author><author><name>B. Made-Up</name></author>"
            "</entry>"
        )


def feed(entries: list[str], total: int, start: int = 0) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" '
        'xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns="http://www.w3.org/2005/Atom">'
        f"<opensearch:totalResults>{total}</opensearch:totalResults>"
        f"<opensearch:startIndex>{start}</opensearch:startIndex>{''.join(entries)}</feed>"
    ).encode()


def error_feed(message: str) -> bytes:
    entry = (
        "<entry><id>https://arxiv.org/api/errors#refused</id><title>Error</title>"
        f"<summary>{escape(message)}</summary><updated>2026-11-20T00:00:00Z</updated></entry>"
    )
    return feed([entry], 1)


Fault = Callable[["Handler", dict[str, str]], None]


@dataclass
class Asked:
    parameters: dict[str, str]
    headers: dict[str, str]
    at_s: float


@dataclass
class ArxivServer:
    papers: list[InventedPaper] = field(default_factory=list)
    faults: deque[Fault | None] = field(default_factory=deque)  # None: answer properly
    always: Fault | None = None
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    connections: int = 0  # open now
    most_connections: int = 0  # open at once, ever
    _listener: ThreadingHTTPServer | None = None
    _port: int = 0
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Listen; after a stop on the same port."""
        handler = type("BoundHandler", (Handler,), {"arxiv": self})
        listener = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        listener.daemon_threads = True
        self._listener, self._port = listener, listener.server_port
        self.url = f"http://127.0.0.1:{self._port}/api/query"
        threading.Thread(target=listener.serve_forever, args=(0.005,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on; a request that is being answered still is."""
        if self._listener is not None:
            self._listener.shutdown()
            self._listener.socket.close()
            self._listener = None

    def count_connection(self, change: int) -> None:
        with self._counting:
            self.connections += change
            self.most_connections = max(self.most_connections, self.connections)

    def queue(self, *faults: Fault | None) -> None:
        self.faults.extend(faults)

    def find(self, parameters: dict[str, str]) -> list[InventedPaper]:
        ids = parameters.get("id_list", "")
        if ids:
            wanted = ids.split(",")
            return [paper for paper in self.papers if paper.arxiv_id in wanted]
        query = parameters.get("search_query", "")
        found = sorted(self.papers, key=lambda paper: (paper.published, paper.arxiv_id))
        span = SPAN.search(query)
        if span:
            since, until = (f"{s[:4]}-{s[4:6]}-{s[6:8]}" for s in span.groups())
            found = [paper for paper in found if since <= paper.published <= until]
        words = set(WORD.findall(query))
        if words:
            found = [p for p in found if sum(w in p.abstract.lower() for w in words) >= 2]
        return found


class Handler(BaseHTTPRequestHandler):
    arxiv: ArxivServer
    protocol_version = "HTTP/1.1"  # as arXiv: a connection stays open unless the client ends it

    def setup(self) -> None:
        super().setup()
        self.is_counted = True
        self.arxiv.count_connection(1)

    def release(self) -> None:
        """Before the last byte: a client that closes may be back before this thread runs."""
        if self.is_counted and self.headers.get("Connection") == "close":
            self.is_counted = False
            self.arxiv.count_connection(-1)

    def finish(self) -> None:
        if self.is_counted:
            self.arxiv.count_connection(-1)
        with suppress(OSError):  # a fault may have closed it
            super().finish()

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        parameters = {name: values[0] for name, values in query.items()}
        self.arxiv.asked.append(Asked(parameters, dict(self.headers), time.monotonic()))
        fault = self.arxiv.faults.popleft() if self.arxiv.faults else self.arxiv.always
        if fault is not None:
            self.release()
            fault(self, parameters)
        else:
            self.send(200, self.page(parameters))

    def page(self, parameters: dict[str, str]) -> bytes:
        found = self.arxiv.find(parameters)
        start, most = int(parameters.get("start", 0)), int(parameters.get("max_results", 10))
        entries = [paper.entry() for paper in found[start : start + most]]
        return feed(entries, len(found), start)

    def send(
        self, status: int, body: bytes, kind: str = "application/atom+xml", **headers: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.release()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def run_arxiv_server(papers: list[InventedPaper] | None = None) -> Iterator[ArxivServer]:
    arxiv = ArxivServer(papers or [])
    arxiv.start()
    try:
        yield arxiv
    finally:
        arxiv.stop()


def answer(status: int, body: bytes = b"", **headers: str) -> Fault:
    return lambda handler, parameters: handler.send(status, body, "text/html", **headers)


def empty_page(total: int) -> Fault:
    return lambda handler, parameters: handler.send(200, feed([], total))


def cut_off(handler: Handler, parameters: dict[str, str]) -> None:
    """Half of what was promised, then the connection is gone."""
    handler.close_connection = True
    body = handler.page(parameters)
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def hang_up(handler: Handler, parameters: dict[str, str]) -> None:
    """No answer at all."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def drip(handler: Handler, parameters: dict[str, str]) -> None:
    """A byte now and then, for longer than anyone should wait."""
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    until = time.monotonic() + 3
    try:
        while time.monotonic() < until:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.02)
    except OSError:
        return


DOCTYPE_BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">'
    b'<!ENTITY c SYSTEM "file:///etc/hostname">]>'
    b'<feed xmlns="http://www.w3.org/2005/Atom"><title>&b;&c;</title></feed>'
)


@dataclass
class FakeClock:
    """Seconds that pass only when someone sleeps."""

    now_s: float = 1000.0
    start_wall_s: float = datetime(2026, 11, 24, 6, tzinfo=UTC).timestamp()
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return self.start_wall_s + self.now_s - 1000.0
