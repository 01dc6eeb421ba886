"""What arXiv, its network and an attacker in its place can send instead of a page.

Each fault takes one request; those that change a page leave the rest of it as it was.
"""

import gzip
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import replace

from tests.arxiv_server import ArxivServer, Fault, Handler, InventedPaper, feed

MEGABYTE = b" " * 2**20
HOSTILE = (
    "A\u202etitle\u202c with \x85 controls\u2066 and <script>alert(1)</script> & [a](javascript:x)"
)


def send(
    body: bytes, status: int = 200, kind: str = "application/atom+xml", **headers: str
) -> Fault:
    return lambda handler, parameters: handler.send(status, body, kind, **headers)


def reset(handler: Handler, parameters: dict[str, str]) -> None:
    """The connection is torn down, not closed: the client's read fails."""
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def never_answer(handler: Handler, parameters: dict[str, str]) -> None:
    handler.close_connection = True
    time.sleep(0.5)


def answer_and_vanish(handler: Handler, parameters: dict[str, str]) -> None:
    """A proper answer, the last one: the port is closed before it is sent."""
    handler.arxiv.stop()
    handler.send(200, handler.page(parameters), Connection="close")
    handler.close_connection = True


def rewrite(change: Callable[[bytes], bytes]) -> Fault:
    """The proper page with its bytes changed."""
    return lambda handler, parameters: handler.send(200, change(handler.page(parameters)))


def after(change: Callable[[ArxivServer], None]) -> Fault:
    """Something happens at arXiv, then the page is sent as it is now."""

    def respond(handler: Handler, parameters: dict[str, str]) -> None:
        change(handler.arxiv)
        handler.send(200, handler.page(parameters))

    return respond


def claim_total(change: int) -> Fault:
    """The proper entries under a total that is off."""

    def respond(handler: Handler, parameters: dict[str, str]) -> None:
        entries, total, start = _cut_page(handler, parameters)
        handler.send(200, feed(entries, total + change, start))

    return respond


def no_entries(handler: Handler, parameters: dict[str, str]) -> None:
    """The known empty page: a total, and nothing under it."""
    _, total, start = _cut_page(handler, parameters)
    handler.send(200, feed([], total, start))


def repeat_a_neighbour(handler: Handler, parameters: dict[str, str]) -> None:
    """One entry is another page's, in place of its own: a paper twice, a paper not at all."""
    entries, total, start = _cut_page(handler, parameters)
    everything = [paper.entry() for paper in handler.arxiv.find(parameters)]
    other = everything[start - 1 if start else -1]
    handler.send(200, feed([other, *entries[1:]], total, start))


def reverse(handler: Handler, parameters: dict[str, str]) -> None:
    entries, total, start = _cut_page(handler, parameters)
    handler.send(200, feed(entries[::-1], total, start))


def send_twice(handler: Handler, parameters: dict[str, str]) -> None:
    """Every entry of the page stands there twice."""
    entries, total, start = _cut_page(handler, parameters)
    handler.send(200, feed(entries + entries, total, start))


def damage_an_entry(old: str, new: str) -> Fault:
    """The page's first entry with a part taken out."""

    def respond(handler: Handler, parameters: dict[str, str]) -> None:
        entries, total, start = _cut_page(handler, parameters)
        assert old in entries[0]
        damaged = entries[0].replace(old, new)
        handler.send(200, feed([damaged, *entries[1:]], total, start))

    return respond


def compress(handler: Handler, parameters: dict[str, str]) -> None:
    """The proper page, as a server may send it."""
    handler.send(200, gzip.compress(handler.page(parameters)), Content_Encoding="gzip")


def compress_half(handler: Handler, parameters: dict[str, str]) -> None:
    packed = gzip.compress(handler.page(parameters))
    handler.send(200, packed[: len(packed) // 2], Content_Encoding="gzip")


def endless(handler: Handler, parameters: dict[str, str]) -> None:
    """A hundred megabytes that begin like a feed."""
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Length", str(100 * 2**20))
    handler.end_headers()
    try:
        handler.wfile.write(handler.page(parameters)[:200])
        for _ in range(100):
            handler.wfile.write(MEGABYTE)
    except OSError:
        return


def bomb(megabytes: int = 64, layers: int = 1) -> Fault:
    """A small body that unpacks to ``megabytes``, once or over and over."""
    packed = feed([], 10)[:-7] + MEGABYTE * megabytes + b"</feed>"
    for _ in range(layers):
        packed = gzip.compress(packed, 1)
    return send(packed, Content_Encoding=", ".join(["gzip"] * layers))


def laugh(levels: int = 9) -> bytes:
    """A billion laughs: entities of entities, ten of each."""
    entities = "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">' for n in range(levels)
    )
    return (
        f'<?xml version="1.0"?><!DOCTYPE feed [{entities}]>'
        f'<feed xmlns="http://www.w3.org/2005/Atom"><title>&l{levels - 1};</title></feed>'
    ).encode()


EXTERNAL = (
    b'<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    b'<feed xmlns="http://www.w3.org/2005/Atom"><title>&x;</title></feed>'
)
HIDDEN = (
    EXTERNAL.decode().replace('"1.0"', '"1.0" encoding="UTF-7"').replace("<!", "+ADwAIQ-").encode()
)
DEEP = feed(["<a>" * 50_000 + "</a>" * 50_000], 10)
MANY_TAGS = feed(["<entry/>" * 500_000], 10)
MANY_ENTRIES = feed(["<entry/>" * 3_000], 3_000)
UNCOUNTABLE = feed([], 10).replace(b">10<", b">" + b"9" * 5000 + b"<")
UNCOUNTED = feed(["<entry/>"], 10).replace(b"totalResults", b"results")


def hostile_paper(paper: InventedPaper) -> InventedPaper:
    """A paper whose every text is an attack on whoever prints it."""
    return replace(paper, title=HOSTILE, abstract=HOSTILE, comment=HOSTILE)


def _cut_page(handler: Handler, parameters: dict[str, str]) -> tuple[list[str], int, int]:
    found = handler.arxiv.find(parameters)
    start, most = int(parameters.get("start", 0)), int(parameters.get("max_results", 10))
    return [paper.entry() for paper in found[start : start + most]], len(found), start
