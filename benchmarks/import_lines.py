"""How fast line documents get into the library, beside reading and parsing them alone.

    python benchmarks/import_lines.py [LINES]

Generates LINES documents (default 6,000) that share 1,000 notes, parses them alone (the
baseline) and imports them; then a library of 5,000 claims is listed, beside
``python -c "import sqlmodel"``, and searched in this process.
"""

import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Engine

from claims.documents import normalise_text
from claims.grammar import parse_document
from claims.importing import import_text
from claims.search import search_claims
from db.engine import open_database, open_session
from tests.documents import write_line

LINES, NOTES, NOTES_A_LINE = 6_000, 1_000, 10
CLAIMS = 5_000
REPEATS = 7
SUBJECTS = "kettles decks sorters heat order practice shuffles trials cards".split()
VERBS = "raise lower change replace follow outlast precede limit".split()


def invent_notes(count: int, dice: random.Random) -> list[tuple[str, str]]:
    """Titles and summaries, all different."""
    notes = []
    for number in range(count):
        one, other = dice.sample(SUBJECTS, 2)
        verb = dice.choice(VERBS)
        title = f"Can {one} {verb} {other} in setting {number}?"
        share, size = dice.randint(2, 90), dice.randint(100, 900)
        summary = (
            f"In setting {number}, {one} {verb} {other} by up to {share}% at {size}M parameters. "
            f"The effect of {one} comes from how {other} were prepared, not from their number."
        )
        notes.append((title, summary))
    return notes


def invent_lines(count: int, notes: list[tuple[str, str]]) -> Iterator[str]:
    """Documents in the grammar, each with some of the notes."""
    for number in range(count):
        dice = random.Random(number)
        listed = dice.sample(notes, min(NOTES_A_LINE, len(notes)))
        findings = [f"{summary.split('.')[0]} (2025)." for _, summary in listed[:5]]
        anchors = [
            f"arXiv:25{dice.randint(1, 12):02d}.{dice.randint(1, 20000):05d} — {title[4:-1]}"
            for title, _ in listed[:4]
        ]
        yield write_line(f"What does line {number} ask?", listed, findings, anchors)


def measure(run: Callable[[], int]) -> tuple[int, float, float]:
    """What it gives, and its wall-clock and processor seconds."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    count = run()
    return count, time.perf_counter() - wall_s, time.process_time() - cpu_s


def import_all(engine: Engine, texts: list[str]) -> int:
    """Import every document; the number that changed something."""
    with open_session(engine) as session:
        return sum(import_text(session, normalise_text(t), "benchmark").changed for t in texts)


def run_process(command: list[str], home: Path) -> float:
    """Median processor seconds of a command's own process."""
    environment, seconds = {**os.environ, "REASSAY_HOME": str(home)}, []
    for _ in range(REPEATS):
        before = os.times()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        after = os.times()
        seconds.append(
            after.children_user + after.children_system
            - before.children_user - before.children_system
        )  # fmt: skip
    return statistics.median(seconds)


def measure_import(folder: Path, count: int) -> None:
    """Print the table of reading, importing and importing again."""
    texts = list(invent_lines(count, invent_notes(NOTES, random.Random(0))))
    engine = open_database(f"sqlite:///{folder / 'import.db'}")
    runs = {
        "read and parse alone": lambda: len([parse_document(normalise_text(t)) for t in texts]),
        "import": lambda: import_all(engine, texts),
        "import again": lambda: len(texts) - import_all(engine, texts),
    }
    print(f"{count} lines that share {NOTES} notes; baseline: read and parse alone")
    print(f"{'what':<24}{'lines':>7}{'wall s':>9}{'cpu s':>9}{'ms a line':>11}{'ratio':>8}")
    base_s = 0.0
    for name, run in runs.items():
        done, wall_s, cpu_s = measure(run)
        base_s = base_s or cpu_s
        each_ms = 1000 * cpu_s / count
        print(
            f"{name:<24}{done:>7}{wall_s:>9.2f}{cpu_s:>9.2f}{each_ms:>11.2f}{cpu_s / base_s:>8.2f}"
        )
    engine.dispose()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak_mb:.0f} MB")


def measure_queries(folder: Path) -> None:
    """Print how a library of CLAIMS claims lists and searches."""
    notes = invent_notes(CLAIMS, random.Random(1))
    engine = open_database(f"sqlite:///{folder / 'reassay.db'}")
    with open_session(engine) as session:
        for start in range(0, CLAIMS, NOTES_A_LINE):
            text = write_line(f"What does list {start} ask?", notes[start : start + NOTES_A_LINE])
            import_text(session, normalise_text(text), "benchmark")
        search_ms = []
        for number in range(50):
            began = time.perf_counter()
            search_claims(session, f"kettles raise heat in setting {number}", 20)
            search_ms.append(1000 * (time.perf_counter() - began))
    engine.dispose()
    baseline_s = run_process([sys.executable, "-c", "import sqlmodel"], folder)
    print(f"\n{CLAIMS} claims; baseline: python -c 'import sqlmodel' {baseline_s:.3f} cpu s")
    for arguments in (["claims", "list"], ["claims", "list", "--json"]):
        cpu_s = run_process([sys.executable, "-m", "reassay", *arguments], folder)
        print(f"{' '.join(arguments):<24}{cpu_s:>9.3f} cpu s{cpu_s / baseline_s:>8.2f}")
    print(f"{'claims search, here':<24}{statistics.median(search_ms):>9.2f} ms (median of 50)")


def main() -> None:
    """Print both tables."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    with tempfile.TemporaryDirectory() as folder:
        measure_import(Path(folder), count)
        measure_queries(Path(folder))


if __name__ == "__main__":
    main()
