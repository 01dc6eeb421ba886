"""Runs calls that mostly wait, a bounded number at a time, and tells what they say.

Decides the order of nothing: whoever listens sorts by the place that comes with each word.
Threads are daemons: a call that hangs keeps no process alive, and Ctrl-C comes through.
"""

from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, NamedTuple, TypeVar

W = TypeVar("W")  # a word said on the way
R = TypeVar("R")  # a result


class Said(NamedTuple, Generic[W]):
    """Something that a call tells before it ends."""

    place: int
    word: W


class Ended(NamedTuple, Generic[R]):
    """A call's result, or what it raised."""

    place: int
    result: R | None
    error: BaseException | None


Say = Callable[[W], None]


def run_in_flight(
    calls: Sequence[Callable[[Say[W]], R]], width: int
) -> Iterator[Said[W] | Ended[R]]:
    """What the calls say and give, as it comes, with the place of the call in the sequence.

    Ends when every call has ended. At most ``width`` calls run at a time.
    """
    waiting: SimpleQueue[tuple[int, Callable[[Say[W]], R]]] = SimpleQueue()
    heard: SimpleQueue[Said[W] | Ended[R]] = SimpleQueue()
    for numbered in enumerate(calls):
        waiting.put(numbered)

    def work() -> None:
        while True:
            try:
                place, call = waiting.get_nowait()
            except Empty:
                return
            try:
                result = call(lambda word, place=place: heard.put(Said(place, word)))  # type: ignore[misc]
                heard.put(Ended(place, result, None))
            except BaseException as error:  # noqa: BLE001 - handed to whoever listens
                heard.put(Ended(place, None, error))

    for _ in range(min(width, len(calls))):
        Thread(target=work, daemon=True, name="reassay-in-flight").start()
    ended = 0
    while ended < len(calls):
        event = heard.get()
        ended += isinstance(event, Ended)
        yield event
