"""Reads a source in a second thread, so that unpacking overlaps with storing.

SQLite and the decompressors release Python's lock while they work; one thread would use
half of what two cores give. Knows nothing of what it carries.
"""

import sys
import threading
from collections.abc import Iterator
from itertools import islice
from queue import Empty, Full, Queue
from typing import TypeVar

Item = TypeVar("Item")
CHUNK = 500  # items that cross at once: a queue costs more than a small item
CHUNKS_AHEAD = 8
LOOK_UP_EVERY_S = 0.2
# Python's threads take turns of 5 ms by default: one that comes back from the decompressor
# or the database waits that long for its turn, thousands of times a file.
TURN_S = 0.0005


def read_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items in the same order; an error comes after the items before it."""
    chunks: Queue[list[Item] | Exception | None] = Queue(CHUNKS_AHEAD)
    abandoned = threading.Event()
    reader = threading.Thread(target=_fill, args=(items, chunks, abandoned), daemon=True)
    turn_s = sys.getswitchinterval()
    sys.setswitchinterval(min(turn_s, TURN_S))
    reader.start()
    try:
        while (chunk := chunks.get()) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            yield from chunk
    finally:
        abandoned.set()
        _drain(chunks)
        reader.join()
        sys.setswitchinterval(turn_s)


def _fill(
    items: Iterator[Item],
    chunks: "Queue[list[Item] | Exception | None]",
    abandoned: threading.Event,
) -> None:
    chunk: list[Item] = []
    end: Exception | None = None
    try:
        while not abandoned.is_set():
            chunk = []
            for item in islice(items, CHUNK):
                chunk.append(item)
            if not chunk:
                break
            _put(chunks, chunk, abandoned)
    except Exception as error:  # noqa: BLE001  (carried over and raised in the reader's thread)
        if chunk:
            _put(chunks, chunk, abandoned)
        end = error
    _put(chunks, end, abandoned)


def _put(
    chunks: "Queue[list[Item] | Exception | None]",
    chunk: list[Item] | Exception | None,
    abandoned: threading.Event,
) -> None:
    while not abandoned.is_set():
        try:
            chunks.put(chunk, timeout=LOOK_UP_EVERY_S)
        except Full:
            continue
        return


def _drain(chunks: "Queue[list[Item] | Exception | None]") -> None:
    try:
        while True:
            chunks.get_nowait()
    except Empty:
        return
