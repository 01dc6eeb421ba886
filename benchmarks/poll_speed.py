"""How long ``reassay ingest poll`` takes over 2,000 papers from a loopback arXiv without delay.

    python -m benchmarks.poll_speed [PAPERS]

The baseline is the bare ``arxiv`` package: one process that reads the same pages and stores
nothing. Both include the start of Python; the server of invented papers runs in this
process and is the same for both. Each poll fills a new store, searchable at its end.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from random import Random

from tests.arxiv_server import ArxivServer, InventedPaper, run_arxiv_server

PAPERS = 2000
RUNS = 3
PAGE_SIZE = 200
SINCE, UNTIL = "2026-11-20", "2026-11-23"
BARE = f"""
import sys, arxiv
arxiv.Client.query_url_format = sys.argv[1] + "?{{}}"
client = arxiv.Client(page_size={PAGE_SIZE}, delay_seconds=0, num_retries=0)
print(sum(1 for _ in client.results(arxiv.Search("cat:cs.CL", max_results=None))))
"""


def invent(count: int) -> list[InventedPaper]:
    """Papers of four days, with abstracts as long as arXiv's."""
    random = Random(5)
    words = [f"word{int(4000 ** random.random())}" for _ in range(20_000)]
    return [
        InventedPaper(
            f"2611.{number:05d}",
            f"2026-11-{20 + number % 4}",
            title=f"On {' '.join(random.choices(words, k=8))}",
            abstract=" ".join(random.choices(words, k=180)),
        )
        for number in range(1, count + 1)
    ]


def measure(command: list[str], environment: dict[str, str]) -> tuple[float, float, str]:
    """Wall-clock and processor seconds of one process, and what it printed."""
    before, start_s = os.times(), time.perf_counter()
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    after, end_s = os.times(), time.perf_counter()
    cpu_s = after.children_user - before.children_user
    cpu_s += after.children_system - before.children_system
    return end_s - start_s, cpu_s, done.stdout


def poll_once(server: ArxivServer, count: int) -> tuple[float, float]:
    """One poll into a new store; every paper must be new and every answer complete."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **{name: value for name, value in os.environ.items() if "REASSAY" not in name},
            "REASSAY_HOME": home,
            "REASSAY_ARXIV_API_URL": server.url,
            "REASSAY_ARXIV_OAI_URL": server.url,
            "REASSAY_ARXIV_DELAY_S": "0",
        }
        command = [sys.executable, "-m", "reassay", "ingest", "poll", "--source", "api"]
        span = ["--since", SINCE, "--until", UNTIL, "--json"]
        wall_s, cpu_s, printed = measure([*command, *span], environment)
    summary = json.loads(printed)
    if summary["new"] != count or not summary["complete"]:
        raise SystemExit(f"the poll brought {summary}")
    return wall_s, cpu_s


def main() -> None:
    """Print the best of several runs of each, and the ratio of processor times."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PAPERS
    bare, polls = [], []
    with run_arxiv_server(invent(count)) as server:
        for _ in range(RUNS):
            command = [sys.executable, "-c", BARE, server.url]
            wall_s, cpu_s, printed = measure(command, dict(os.environ))
            if int(printed) != count:
                raise SystemExit(f"the arxiv package read {printed.strip()} of {count} papers")
            bare.append((wall_s, cpu_s))
            polls.append(poll_once(server, count))
    for name, runs in (("arxiv package", bare), ("ingest poll", polls)):
        wall_s, cpu_s = min(runs)[0], min(run[1] for run in runs)
        print(f"{name:14} {count} papers  {wall_s:.2f} s wall  {cpu_s:.2f} s cpu")
    ratio = min(run[1] for run in polls) / min(run[1] for run in bare)
    print(f"poll / package {ratio:.2f} (cpu), load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
