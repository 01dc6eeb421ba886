"""How fast a metadata file gets into the store, beside a bare sqlite3 insert of the same file.

    python benchmarks/papers_load.py [FILE]

Without a file it measures on 20,000 invented papers, whose abstracts are short. The
baseline parses the file with json and inserts id, title and abstract into one sqlite3
table without any index, version or full text; the ratio is comparable across machines.
"""

import json
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from db.engine import open_database
from ingest.papers import store_papers
from ingest.sources.records import Question
from ingest.sources.snapshot import SnapshotSource
from tests.invented_papers import write_snapshot

BATCH = 1000
INVENTED = 20_000


def insert_barely(file: Path, database: Path) -> int:
    """The baseline: read, parse, insert; returns the number of papers."""
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


def measure(name: str, load: Callable[[], int]) -> float:
    """Run once and print papers a second, by the clock and by processor time."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    count = load()
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    print(f"{name:12} {count} papers  {count / wall_s:8.0f}/s wall  {count / cpu_s:8.0f}/s cpu")
    return cpu_s


def main() -> None:
    """Print the rates of the baseline, of a first load and of loading the file again."""
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            file = Path(sys.argv[1])
        else:
            file = write_snapshot(Path(folder) / "invented.jsonl", count=INVENTED)
        baseline_s = measure("bare sqlite3", lambda: insert_barely(file, Path(folder) / "bare.db"))
        engine = open_database(f"sqlite:///{folder}/store.db")

        def load() -> int:
            records = SnapshotSource(file).answer(Question("snapshot"))
            return store_papers(engine, records, "snapshot").seen

        first_s = measure("first load", load)
        again_s = measure("second load", load)
        engine.dispose()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"first / bare {first_s / baseline_s:.2f}   second / bare {again_s / baseline_s:.2f}")
    print(f"peak memory {peak_mb:.0f} MB")


if __name__ == "__main__":
    main()
