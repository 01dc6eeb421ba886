"""Start-up of query commands against ``python -c "import sqlmodel"``, in the same run.

Runs each command alternately, in processes of their own, and prints the median CPU time
and wall-clock time with their ratios. CPU time is the comparable figure on a busy machine.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

REPEATS = 15
BASELINE = "import sqlmodel"


def measure_once(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """CPU and wall-clock seconds of one run; its output is thrown away."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    after, ended = os.times(), time.perf_counter()
    cpu = after.children_user - before.children_user
    return cpu + after.children_system - before.children_system, ended - began


def prepare_library(home: Path) -> dict[str, str]:
    """A seeded library in ``home``, and the environment that names it."""
    from claims.starter import import_starter
    from db.engine import open_database, open_session

    engine = open_database(f"sqlite:///{home / 'reassay.db'}")
    with open_session(engine) as session:
        import_starter(session)
    engine.dispose()
    return {**os.environ, "REASSAY_HOME": str(home)}


def main() -> None:
    reassay = [sys.executable, "-m", "reassay"]
    commands = {
        BASELINE: [sys.executable, "-c", "import sqlmodel"],
        "claims list --json": [*reassay, "claims", "list", "--json"],
        "claims show c3": [*reassay, "claims", "show", "c3"],
        "retest list --json": [*reassay, "retest", "list", "--json"],
        "--help": [*reassay, "--help"],
    }
    with tempfile.TemporaryDirectory() as folder:
        environment = prepare_library(Path(folder))
        runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(REPEATS):
            for name, command in commands.items():
                runs[name].append(measure_once(command, environment))
    medians = {
        name: tuple(statistics.median(column) for column in zip(*rows, strict=True))
        for name, rows in runs.items()
    }
    base_cpu, base_wall = medians[BASELINE]
    print(f"start-up, median of {REPEATS} runs each, baseline: python -c '{BASELINE}'")
    print(f"{'command':<22}{'CPU s':>8}{'ratio':>8}{'wall s':>9}{'ratio':>8}")
    for name, (cpu, wall) in medians.items():
        print(f"{name:<22}{cpu:>8.3f}{cpu / base_cpu:>8.2f}{wall:>9.3f}{wall / base_wall:>8.2f}")


if __name__ == "__main__":
    main()
