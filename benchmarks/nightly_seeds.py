"""What a night of the re-tests costs: one nightly seed of each, on two cores.

    python benchmarks/nightly_seeds.py [c01 c02 c03] [--profile nightly] [--jobs 2] [--rounds 3]

Each seed runs in a worker process of its own, as in a night, on one thread; as many at once as
there are jobs. Wall and CPU seconds are the worker's, imports included. Seeds are pilots (numbers
from 900001 on, which no schedule draws), and no ledger is written. Of c03, tokens and records a
CPU second of the whole seed (its tests included) are given beside the training loops of
``lab_throughput.py``, timed first (the source's shape; records are the comparable figure, since
loops write a record in other tokens). A seed's log times its training by the clock, so that row
is comparable on an idle machine only.
"""

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lab_baselines import (
    BATCH,
    Contender,
    has_hugging_face,
    make_hugging_face,
    make_plain,
    measure_in_turn,
)
from lab_baselines import MISSING as NO_HUGGING_FACE
from lab_throughput import make_lab

from retest.executors.local import LocalExecutor
from retest.executors.opening import count_cores
from retest.executors.worker import Unit, UnitOutcome
from retest.experiments import MODULES, load_experiment
from retest.lab.devices import open_device

EXPERIMENTS = ("c01", "c02", "c03")
PILOT_SEED = 900_001
TIMEOUT_S = 3600.0
STEPS = 20
SHAPE = {"depth": 4, "width": 32, "heads": 4, "positions": "rope"}


def run_seeds(names: Sequence[str], profile: str, jobs: int) -> dict[str, UnitOutcome]:
    """One pilot seed of each experiment, the longest first, at most ``jobs`` at once."""
    costs = {name: load_experiment(name).PROTOCOL.profiles[profile].seed_cost_s for name in names}
    waiting = sorted(names, key=lambda name: -costs[name])
    executor: LocalExecutor[str] = LocalExecutor(jobs)
    ended: dict[str, UnitOutcome] = {}
    while waiting or not executor.is_idle:
        while waiting and executor.has_room:
            name = waiting.pop(0)
            executor.start(Unit(MODULES[name], profile, "cpu", TIMEOUT_S, PILOT_SEED), name)
        ended.update(executor.collect())
    return ended


def print_seeds(ended: Mapping[str, UnitOutcome], profile: str, wall_s: float) -> None:
    """A line an experiment, and one for all."""
    print(f"{'':12}{'planned':>9}{'wall':>9}{'CPU':>9}  controls")
    for name, outcome in sorted(ended.items()):
        protocol = load_experiment(name).PROTOCOL
        planned = protocol.profiles[profile].seed_cost_s
        said = outcome.error or outcome.status
        if outcome.result is not None:
            failed = [n for n, reading in outcome.result.controls.items() if not reading.passed]
            said = f"failed: {', '.join(failed)}" if failed else "all passed"
        cpu = f"{outcome.cpu_s:7.1f} s" if outcome.cpu_s is not None else "      –"
        print(f"{name:12}{planned:7.0f} s{outcome.duration_s:7.1f} s{cpu}  {said}")
    cpu_s = sum(outcome.cpu_s or 0.0 for outcome in ended.values())
    print(f"{'together':12}{'':9}{wall_s:7.1f} s{cpu_s:7.1f} s")


def count_training(measures: Mapping[str, Any], batch: int) -> tuple[float, float, float]:
    """Tokens, records and seconds of all training in a seed's measures, by its arms."""
    logs = [part["training"] for part in measures.values() if "training" in part]
    return (
        sum(log["tokens"] for log in logs),
        sum(log["steps"] * batch for log in logs),
        sum(log["train_seconds"] for log in logs),
    )


def time_baselines(rounds: int) -> list[tuple[Contender, float]]:
    """The training loops of the source's shape, with CPU seconds a step of 256 records."""
    contenders = [
        *([make_hugging_face()] if has_hugging_face() else []),
        make_plain(),
        make_lab("lab, source's shape, rope", SHAPE),
    ]
    for contender in contenders:
        contender.run(3)
    seconds = measure_in_turn(
        [lambda each=each: each.run(STEPS) for each in contenders],  # type: ignore[misc]
        rounds,
    )
    return list(zip(contenders, seconds, strict=True))


def print_throughput(
    baselines: list[tuple[Contender, float]], outcome: UnitOutcome | None, profile: str
) -> None:
    """Tokens and records a CPU second of every loop and of c03's seed."""
    print(f"\n{'training':40}{'tokens/s':>10}{'records/s':>11}{'ratio':>7}")
    first = BATCH / baselines[0][1]
    rows = [(each.name, BATCH / s * each.record_tokens, BATCH / s) for each, s in baselines]
    if outcome is not None and outcome.result is not None and outcome.cpu_s:
        batch = load_experiment("c03").PROTOCOL.profiles[profile].config["training"]["batch"]
        tokens, records, seconds = count_training(outcome.result.measures, batch)
        rows.append(
            (f"c03, its training by the clock, batch {batch}", tokens / seconds, records / seconds)
        )
        rows.append(("c03, the whole seed", tokens / outcome.cpu_s, records / outcome.cpu_s))
    for name, tokens, records in rows:
        print(f"{name:40}{tokens:10,.0f}{records:11,.0f}{records / first:7.2f}")


def main() -> None:
    """Run the seeds and print the tables."""
    parser = argparse.ArgumentParser(description="One nightly seed of each re-test, on two cores.")
    parser.add_argument("experiments", nargs="*", default=list(EXPERIMENTS))
    parser.add_argument("--profile", default="nightly")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    open_device("cpu")
    baselines = time_baselines(given.rounds)
    began = time.perf_counter()
    ended = run_seeds(given.experiments, given.profile, given.jobs)
    wall_s = time.perf_counter() - began
    print(
        f"torch {torch.__version__}, {given.jobs} at once on {count_cores()} cores, one thread "
        f"each; pilot seed {PILOT_SEED}, profile {given.profile}; load {os.getloadavg()[0]:.1f}"
    )
    print_seeds(ended, given.profile, wall_s)
    print_throughput(baselines, ended.get("c03"), given.profile)
    if not has_hugging_face():
        print(NO_HUGGING_FACE)


if __name__ == "__main__":
    main()
