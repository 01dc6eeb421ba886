"""A small OAI-PMH server on a loopback port: real HTTP, invented records, faults on request.

Lists by set and day of change, with tokens in the form of arXiv's own server (parameters
and an offset, written for a URL). Faults are queued, one a request.
"""

import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit
from xml.sax.saxutils import escape, quoteattr

NAMESPACES = (
    'xmlns="http://www.openarchives.org/OAI/2.0/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
EARLIEST = "2005-09-16"


@dataclass(frozen=True)
class OaiRecord:
    """An invented paper; ``versions`` are days of submission, ``changed`` its datestamp."""

    arxiv_id: str
    changed: str
    versions: tuple[str, ...] = ("2026-11-20",)
    title: str = "On Invented Things"
    abstract: str = "We invent things and measure nothing."
    authors: str = "Ada Invented, B. Made-Up"
    comment: str = ""
    categories: tuple[str, ...] = ("cs.CL", "cs.LG")
    withdrawn: bool = False
    deleted: bool = False

    @property
    def sets(self) -> tuple[str, ...]:
        return tuple(f"cs:{category.replace('.', ':')}" for category in self.categories)

    def write(self, metadata: str) -> str:
        status = ' status="deleted"' if self.deleted else ""
        sets = "".join(f"<setSpec>{name}</setSpec>" for name in self.sets)
        header = (
            f"<header{status}><identifier>oai:arXiv.org:{self.arxiv_id}</identifier>"
            f"<datestamp>{self.changed}</datestamp>{sets}</header>"
        )
        if self.deleted:
            return f"<record>{header}</record>"
        body = self.write_raw() if metadata == "arXivRaw" else self.write_structured()
        return f"<record>{header}<metadata>{body}</metadata></record>"

    def write_raw(self) -> str:
        versions = "".join(
            self._write_version(number, day) for number, day in enumerate(self.versions, 1)
        )
        comment = f"<comments>{escape(self.comment)}</comments>" if self.comment else ""
        return (
            '<arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/">'
            f"<id>{self.arxiv_id}</id><submitter>Ada Invented</submitter>{versions}"
            f"<title>{escape(self.title)}</title><authors>{escape(self.authors)}</authors>"
            f"<categories>{' '.join(self.categories)}</categories>{comment}"
            f"<license>none</license><abstract>{escape(self.abstract)}</abstract></arXivRaw>"
        )

    def write_structured(self) -> str:
        authors = "".join(
            f"<author><keyname>{name.split()[-1]}</keyname>"
            f"<forenames>{' '.join(name.split()[:-1])}</forenames></author>"
            for name in self.authors.split(", ")
        )
        return (
            '<arXiv xmlns="http://arxiv.org/OAI/arXiv/">'
            f"<id>{self.arxiv_id}</id><created>{self.versions[0]}</created>"
            f"<updated>{self.versions[-1]}</updated><authors>{authors}</authors>"
            f"<title>{escape(self.title)}</title>"
            f"<categories>{' '.join(self.categories)}</categories>"
            f"<abstract>{escape(self.abstract)}</abstract></arXiv>"
        )

    def _write_version(self, number: int, day: str) -> str:
        moment = datetime.fromisoformat(f"{day}T12:00:00")
        gone = self.withdrawn and number == len(self.versions)
        size, flags = ("0kb", "I") if gone else ("812kb", "D")
        return (
            f'<version version="v{number}"><date>{moment:%a, %d %b %Y %H:%M:%S} GMT</date>'
            f"<size>{size}</size><source_type>{flags}</source_type></version>"
        )


Fault = Callable[["OaiHandler", dict[str, str]], None]


@dataclass
class OaiServer:
    records: list[OaiRecord] = field(default_factory=list)
    faults: deque[Fault | None] = field(default_factory=deque)  # None: answer properly
    always: Fault | None = None
    page_size: int = 100
    now: str = "2026-11-24T06:00:00Z"
    takes_tokens_as_text: bool = False  # as the protocol has it, not as arXiv's server does
    issued: set[str] = field(default_factory=set)
    asked: list[dict[str, str]] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)  # as they stood on the wire
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def queue(self, *faults: Fault | None) -> None:
        self.faults.extend(faults)

    def find(self, parameters: dict[str, str]) -> list[OaiRecord]:
        """Ordered by day of change, as arXiv's server does."""
        since, until = parameters.get("from", EARLIEST), parameters.get("until", "9999-12-31")
        wanted = parameters.get("set", "")
        found = [
            record
            for record in self.records
            if since <= record.changed <= until
            and any(name == wanted or name.startswith(f"{wanted}:") for name in record.sets)
        ]
        return sorted(found, key=lambda record: (record.changed, record.arxiv_id))

    def answer(self, parameters: dict[str, str]) -> bytes:
        if parameters.get("verb") == "GetRecord":
            return self._get(parameters)
        token = parameters.get("resumptionToken")
        if token is None:
            return self.list_from(parameters, 0)
        if self.takes_tokens_as_text and token not in self.issued:
            return complain("badResumptionToken", "not a token of ours", self.now)
        stated = {name: values[0] for name, values in parse_qs(unquote(token)).items()}
        if not stated.get("skip", "").isdigit():
            return complain("badResumptionToken", "invalid or expired", self.now)
        return self.list_from(stated, int(stated["skip"]))

    def list_from(self, parameters: dict[str, str], skip: int) -> bytes:
        found = self.find(parameters)
        page = found[skip : skip + self.page_size]
        if not page:
            return complain("noRecordsMatch", "an empty list", self.now)
        written = [record.write(parameters["metadataPrefix"]) for record in page]
        token = ""
        if skip + self.page_size < len(found):
            kept = {name: value for name, value in parameters.items() if name != "skip"}
            token = quote(urlencode({**kept, "skip": skip + self.page_size}))
        self.issued.add(token)
        return oai_page("ListRecords", written, self.now, token, has_token=skip > 0 or bool(token))

    def _get(self, parameters: dict[str, str]) -> bytes:
        wanted = parameters["identifier"].removeprefix("oai:arXiv.org:")
        for record in self.records:
            if record.arxiv_id == wanted:
                written = [record.write(parameters["metadataPrefix"])]
                return oai_page("GetRecord", written, self.now)
        return complain("idDoesNotExist", "unknown", self.now)


def oai_page(
    verb: str, records: list[str], now: str, token: str = "", has_token: bool = False
) -> bytes:
    last = f"<resumptionToken>{escape(token)}</resumptionToken>" if has_token else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><OAI-PMH {NAMESPACES}>'
        f'<responseDate>{now}</responseDate><request verb="{verb}">http://here/oai</request>'
        f"<{verb}>{''.join(records)}{last}</{verb}></OAI-PMH>"
    ).encode()


def complain(code: str, message: str, now: str = "2026-11-24T06:00:00Z") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><OAI-PMH {NAMESPACES}>'
        f"<responseDate>{now}</responseDate><request>http://here/oai</request>"
        f"<error code={quoteattr(code)}>{escape(message)}</error></OAI-PMH>"
    ).encode()


class OaiHandler(BaseHTTPRequestHandler):
    oai: OaiServer

    def do_GET(self) -> None:
        query = urlsplit(self.path).query
        parameters = {name: values[0] for name, values in parse_qs(query).items()}
        self.oai.queries.append(query)
        self.oai.asked.append(parameters)
        self.oai.headers.append(dict(self.headers))
        fault = self.oai.faults.popleft() if self.oai.faults else self.oai.always
        if fault is not None:
            fault(self, parameters)
        else:
            self.send(200, self.oai.answer(parameters))

    def send(self, status: int, body: bytes, kind: str = "text/xml", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def give(status: int, body: bytes = b"", **headers: str) -> Fault:
    return lambda handler, parameters: handler.send(status, body, "text/html", **headers)


def cut_off(handler: OaiHandler, parameters: dict[str, str]) -> None:
    """Half of what was promised, then the connection is gone."""
    body = handler.oai.answer(parameters)
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.wfile.flush()
    handler.connection.close()


def cut_short(handler: OaiHandler, parameters: dict[str, str]) -> None:
    """Half a document, sent as if it were whole."""
    body = handler.oai.answer(parameters)
    handler.send(200, body[: len(body) // 2])


def hang_up(handler: OaiHandler, parameters: dict[str, str]) -> None:
    """No answer at all."""
    handler.connection.close()


def reset(handler: OaiHandler, parameters: dict[str, str]) -> None:
    """The connection is torn down, not closed."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()


def drip(handler: OaiHandler, parameters: dict[str, str]) -> None:
    """A byte now and then, for longer than anyone should wait."""
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


@contextmanager
def run_oai_server(records: list[OaiRecord] | None = None) -> Iterator[OaiServer]:
    oai = OaiServer(list(records or []))
    handler = type("BoundHandler", (OaiHandler,), {"oai": oai})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    oai.url = f"http://127.0.0.1:{server.server_port}/oai"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield oai
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
