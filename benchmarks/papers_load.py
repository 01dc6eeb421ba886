"""How fast a metadata file gets into the store, beside a bare sqlite3 insert of the same file.

    python -m benchmarks.papers_load [FILE] [--postgres URL]

Without a file it measures on 20,000 invented papers, whose abstracts are short. The
baseline parses the file with json and inserts id, title and abstract into one sqlite3
table without any index, version or full text; the ratio is comparable across machines.
On a busy machine the wall clock measures the neighbours: "waited" is how long the storing
thread stood in line for a core (Linux), and processor time leaves that out.
"""

import argparse
import json
import os
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine

from claims.search import search_papers
from db.engine import open_database, open_session
from ingest.papers import LOAD_BATCH, store_papers
from ingest.sources.records import Question
from ingest.sources.snapshot import SnapshotSource
from tests.invented_papers import write_snapshot

BATCH = 1000
INVENTED = 20_000
RUNS = 3
SEARCHES = ("reasoning", "scaling inference", "chain of thought prompting")
SCHEDULING = Path("/proc/thread-self/schedstat")


class Timing(NamedTuple):
    """One run, in seconds."""

    wall_s: float
    cpu_s: float
    waited_s: float
    papers: int


def insert_barely(file: Path, database: Path) -> int:
    """The baseline: read, parse, insert; returns the number of papers."""
    database.unlink(missing_ok=True)
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE paper (id TEXT, title TEXT, abstract TEXT)")
    lines, count = SnapshotSource(file).read_lines(), 0
    while batch := [json.loads(line) for line in islice(lines, BATCH)]:
        rows = [(paper["id"], paper["title"], paper["abstract"]) for paper in batch]
        connection.executemany("INSERT INTO paper VALUES (?, ?, ?)", rows)
        connection.commit()
        count += len(rows)
    connection.close()
    return count


def load(file: Path, engine: Engine) -> int:
    """What ``reassay papers load`` does with one file."""
    records = SnapshotSource(file).answer(Question("snapshot"))
    return store_papers(engine, records, "snapshot", LOAD_BATCH).seen


def measure(work: Callable[[], int]) -> Timing:
    """Run once."""
    waited_s = read_waited()
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    papers = work()
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    return Timing(wall_s, cpu_s, read_waited() - waited_s, papers)


def read_waited() -> float:
    """Seconds that this thread was ready to run and had no core; 0 where it is not told."""
    return int(SCHEDULING.read_text().split()[1]) / 1e9 if SCHEDULING.exists() else 0.0


def describe(name: str, runs: list[Timing]) -> float:
    """Print the best of several runs; returns the least processor time."""
    best, cpu_s = min(runs), min(run.cpu_s for run in runs)
    print(
        f"{name:12} {best.papers} papers  {best.papers / best.wall_s:8.0f}/s wall "
        f"(waited {best.waited_s:.1f} of {best.wall_s:.1f} s)  {best.papers / cpu_s:8.0f}/s cpu"
    )
    return cpu_s


def time_searches(engine: Engine) -> float:
    """Milliseconds of the slowest of a few searches, each at its best."""
    slowest_s = 0.0
    with open_session(engine) as session:
        for query in SEARCHES:
            times_s = []
            for _ in range(5):
                start_s = time.perf_counter()
                search_papers(session, query, 20)
                times_s.append(time.perf_counter() - start_s)
            slowest_s = max(slowest_s, min(times_s))
    return slowest_s * 1000


def run_sqlite(file: Path, folder: Path) -> None:
    """Print the rates of the baseline, of a first load and of loading the file again."""
    bare: list[Timing] = []
    first: list[Timing] = []
    again: list[Timing] = []
    for _ in range(RUNS):
        bare.append(measure(lambda: insert_barely(file, folder / "bare.db")))
        for old in folder.glob("store.db*"):
            old.unlink()
        engine = open_database(f"sqlite:///{folder}/store.db")
        first.append(measure(lambda engine=engine: load(file, engine)))  # type: ignore[misc]
        again.append(measure(lambda engine=engine: load(file, engine)))  # type: ignore[misc]
        search_ms = time_searches(engine)
        engine.dispose()
    bare_s = describe("bare sqlite3", bare)
    first_s, again_s = describe("first load", first), describe("second load", again)
    print(f"first / bare {first_s / bare_s:.2f}   second / bare {again_s / bare_s:.2f} (cpu)")
    print(f"slowest of {len(SEARCHES)} searches {search_ms:.0f} ms")


def main() -> None:
    """Print what was measured, and under which load."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--postgres", metavar="URL", help="an empty database to load into too")
    arguments = parser.parse_args()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = arguments.file or write_snapshot(folder / "invented.jsonl", count=INVENTED)
        run_sqlite(file, folder)
        if arguments.postgres:
            engine = open_database(arguments.postgres)
            describe("PostgreSQL", [measure(lambda: load(file, engine))])
            describe("again", [measure(lambda: load(file, engine))])
            engine.dispose()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak_mb:.0f} MB, load {before:.1f} to {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
