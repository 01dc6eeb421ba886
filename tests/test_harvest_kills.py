"""Harvests killed with signal 9 at seeded points, and two at once: the same rows in the end.

The killed harvests are real processes on the command line; arXiv is a loopback server.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from db.engine import open_database
from db.models import HarvestWindow
from reassay.cli import run
from tests.arxiv_server import ArxivServer, Handler, InventedPaper, run_arxiv_server
from tests.paper_rows import PaperRows, read_rows, read_windows

FIRST_DAY, DAYS = date(2024, 3, 1), 400
LAST_DAY = FIRST_DAY + timedelta(DAYS - 1)
POLL = ["ingest", "poll", "--since", str(FIRST_DAY), "--until", str(LAST_DAY)]
PAPERS = [
    InventedPaper(
        f"2403.{n:05d}", str(FIRST_DAY + timedelta(n * 4)), f"Title {n}", f"Abstract {n}."
    )
    for n in range(1, 100)
]
LEAST_REQUESTS = 6
DRAW = random.Random(20261124)
POINTS = [(DRAW.randint(1, LEAST_REQUESTS), DRAW.random() * 0.1) for _ in range(20)]


@dataclass(frozen=True)
class Library:
    """A home with a migrated database of its own."""

    home: Path
    url: str

    def environment(self, server: ArxivServer, delay_s: float = 0.0) -> dict[str, str]:
        return {
            "REASSAY_HOME": str(self.home),
            "REASSAY_DATABASE_URL": self.url,
            "REASSAY_ARXIV_API_URL": server.url,
            "REASSAY_ARXIV_OAI_URL": server.url,
            "REASSAY_ARXIV_DELAY_S": str(delay_s),
        }

    def start_poll(self, server: ArxivServer, delay_s: float = 0.0) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", "from reassay.cli import main; main()", *POLL],
            env={**os.environ, **self.environment(server, delay_s)},
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def poll_here(self, server: ArxivServer, monkeypatch: pytest.MonkeyPatch) -> int:
        with monkeypatch.context() as patch:
            patch.chdir(self.home)
            for name, value in self.environment(server).items():
                patch.setenv(name, value)
            return run(POLL)

    def open(self) -> Engine:
        return open_database(self.url)


FORKING = """
import gc, json, os, sys
import ingest.commands.poll, ingest.harvest, ingest.sources.arxiv_api, reassay.settings
from reassay.cli import run
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ.update(order["environment"])
        os.chdir(order["home"])
        os.dup2(os.open("poll.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.dup2(1, 2)
        os._exit(run(order["arguments"]))
    print(child, flush=True)
    sys.stdin.readline()  # until then the child keeps its number, even when it has ended
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class QuickStart:
    """Starts the command line in processes of its own without importing it each time."""

    def __init__(self) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-c", FORKING],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._child = 0

    def start_poll(self, library: Library, server: ArxivServer) -> int:
        assert self._parent.stdin is not None and self._parent.stdout is not None
        order = {
            "environment": library.environment(server),
            "home": str(library.home),
            "arguments": POLL,
        }
        print(json.dumps(order), file=self._parent.stdin, flush=True)
        return int(self._parent.stdout.readline())

    def wait(self) -> int:
        """The exit code of the process started last; negative for a signal."""
        assert self._parent.stdin is not None and self._parent.stdout is not None
        print(file=self._parent.stdin, flush=True)
        return int(self._parent.stdout.readline())

    def close(self) -> None:
        self._parent.communicate(timeout=30)


@pytest.fixture(scope="module")
def quick_start() -> Iterator[QuickStart]:
    quick = QuickStart()
    yield quick
    quick.close()


@pytest.fixture
def make_library(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Library]:
    def make(backend: str) -> Library:
        if backend == "sqlite":
            url = f"sqlite:///{tmp_path / 'library.db'}"
            open_database(url).dispose()
            return Library(tmp_path, url)
        copy_postgres: Callable[[str], str] = request.getfixturevalue("copy_postgres")
        return Library(tmp_path, copy_postgres(request.getfixturevalue("migrated_postgres")))

    return make


@pytest.fixture
def server() -> Iterator[ArxivServer]:
    with run_arxiv_server(list(PAPERS)) as server:
        yield server


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> PaperRows:
    home = tmp_path_factory.mktemp("undisturbed")
    library = Library(home, f"sqlite:///{home / 'library.db'}")
    with run_arxiv_server(list(PAPERS)) as server, pytest.MonkeyPatch.context() as patch:
        assert library.poll_here(server, patch) == 0
        assert len(server.asked) >= LEAST_REQUESTS
    engine = library.open()
    rows = read_rows(engine)
    engine.dispose()
    assert rows.arxiv_ids == [paper.arxiv_id for paper in PAPERS]
    return rows


def kill_at(
    start: Callable[[], int],
    wait: Callable[[], int],
    server: ArxivServer,
    request: int,
    after_s: float,
) -> int:
    """Signal 9 some milliseconds after the server has seen the n-th request; the exit code."""
    seen = threading.Event()

    def announce(handler: Handler, parameters: dict[str, str]) -> None:
        if len(server.asked) >= request:
            seen.set()
        handler.send(200, handler.page(parameters))

    server.always = announce
    process = start()
    assert seen.wait(60)
    time.sleep(after_s)
    os.kill(process, signal.SIGKILL)  # not yet waited for: the number is still its own
    server.always = None
    return wait()


def kill_console(
    library: Library, server: ArxivServer, point: tuple[int, float], delay_s: float = 0.0
) -> int:
    """As ``kill_at``, a process that starts as a user starts it."""
    process = library.start_poll(server, delay_s)
    code = kill_at(lambda: process.pid, process.wait, server, *point)
    process.communicate()
    return code


def check_killed(engine: Engine, undisturbed: PaperRows, was_killed: bool) -> None:
    """What was finished is whole; what was under way is visible as broken off."""
    windows = read_windows(engine)
    assert windows
    broken_off = [window for window in windows if window.finished_at is None]
    assert len(broken_off) <= 1
    assert not any(window.is_complete for window in broken_off)
    assert was_killed or not broken_off
    rows = read_rows(engine)
    assert set(rows.papers) <= set(undisturbed.papers)
    answered = list_days(windows)
    due = {p.arxiv_id for p in PAPERS if date.fromisoformat(p.published) in answered}
    assert due <= set(rows.arxiv_ids)


def list_days(windows: list[HarvestWindow]) -> set[date]:
    """The days of submission that count as answered in full."""
    spans = [(w.since, w.until) for w in windows if w.is_complete and w.since and w.until]
    return {since + timedelta(n) for since, until in spans for n in range((until - since).days + 1)}


def kill_and_resume(
    quick: QuickStart,
    library: Library,
    server: ArxivServer,
    undisturbed: PaperRows,
    point: tuple[int, float],
    monkeypatch: pytest.MonkeyPatch,
) -> bool:
    """Returns whether the process was killed in the middle of a question."""
    code = kill_at(lambda: quick.start_poll(library, server), quick.wait, server, *point)
    assert code in (0, -signal.SIGKILL), (library.home / "poll.log").read_text()
    engine = library.open()
    check_killed(engine, undisturbed, code != 0)
    begun = [w.id for w in read_windows(engine) if w.finished_at is None]
    assert library.poll_here(server, monkeypatch) == 0
    assert read_rows(engine) == undisturbed
    windows = read_windows(engine)
    still_broken = [w.id for w in windows if not w.is_complete]
    assert still_broken == begun  # history is not rewritten
    assert list_days(windows) == {FIRST_DAY + timedelta(n) for n in range(DAYS)}
    engine.dispose()
    return bool(begun)


@pytest.mark.parametrize("number", range(len(POINTS)))
def test_kill_9_on_sqlite(
    make_library: Callable[[str], Library],
    server: ArxivServer,
    undisturbed: PaperRows,
    quick_start: QuickStart,
    number: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = make_library("sqlite")
    kill_and_resume(quick_start, library, server, undisturbed, POINTS[number], monkeypatch)
    engine = library.open()
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    engine.dispose()


@pytest.mark.parametrize(
    "number", [n if n % 4 == 0 else pytest.param(n, marks=pytest.mark.slow) for n in range(20)]
)
def test_kill_9_on_postgresql(
    make_library: Callable[[str], Library],
    server: ArxivServer,
    undisturbed: PaperRows,
    quick_start: QuickStart,
    number: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = make_library("postgresql")
    kill_and_resume(quick_start, library, server, undisturbed, POINTS[number], monkeypatch)


def test_a_library_killed_again_and_again_gets_there(
    make_library: Callable[[str], Library],
    server: ArxivServer,
    undisturbed: PaperRows,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    library = make_library("sqlite")
    for number in (1, 2, 2):
        server.asked.clear()
        assert kill_console(library, server, (number, 0.0)) == -signal.SIGKILL
    with monkeypatch.context() as patch:
        for name, value in library.environment(server).items():
            patch.setenv(name, value)
        assert run(["ingest", "status", "--json"]) == 0
    windows = json.loads(capsys.readouterr().out)["windows"]
    assert sum(not window["complete"] for window in windows) == 3
    assert all((window["answered_at"] is None) is not window["complete"] for window in windows)
    assert library.poll_here(server, monkeypatch) == 0
    engine = library.open()
    assert read_rows(engine) == undisturbed
    engine.dispose()


def test_the_pause_is_kept_across_a_kill(
    make_library: Callable[[str], Library], server: ArxivServer
) -> None:
    library, delay_s = make_library("sqlite"), 1.5
    kill_console(library, server, (1, 0.0), delay_s)
    kill_console(library, server, (2, 0.0), delay_s)
    first, second = server.asked
    assert second.at_s - first.at_s > delay_s - 0.3  # of a killed process: from its start


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_two_polls_at_once(
    make_library: Callable[[str], Library],
    server: ArxivServer,
    undisturbed: PaperRows,
    backend: str,
) -> None:
    library, delay_s = make_library(backend), 0.1
    processes = [library.start_poll(server, delay_s) for _ in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, (out, err)
        assert "locked" not in out + err
        assert "Traceback" not in err
    engine = library.open()
    assert read_rows(engine) == undisturbed
    assert all(window.is_complete for window in read_windows(engine))
    engine.dispose()
    gaps = [later.at_s - earlier.at_s for earlier, later in pairwise(server.asked)]
    assert len(gaps) >= LEAST_REQUESTS
    assert min(gaps) > delay_s - 0.005
    assert server.most_connections == 1
