"""Seeds an hour: many seeds trained at once against the same seeds one after another.

Both train c03's nightly model on its records. On a GPU small models leave most of the card idle,
and the aim is eight times as many seeds an hour at 16 seeds. On one CPU core nothing is idle: the
ratio is printed all the same, with a figure for CPU time, and is why ``train_many`` takes seeds in
turn there.

Run: python benchmarks/lab_many_seeds.py [--seeds 16] [--steps 40] [--device auto]
"""

import argparse
import time
from collections.abc import Callable, Sequence

import torch

from retest.experiments.c03_distribution_shift import MODEL, REPLICATE, TRAINING
from retest.lab.devices import open_device
from retest.lab.many_seeds import train_together
from retest.lab.model import ModelOptions, Transformer, build_model
from retest.lab.records import Records
from retest.lab.tasks.strings import StringTask, draw_elements, share_out, write_records
from retest.lab.training import TrainingLog, TrainingOptions, train

Trained = Sequence[TrainingLog]


def write_seed(task: StringTask, seed: int, rows: int) -> Records:
    """The training records of a seed."""
    elements = draw_elements(4, rows, seed)
    return write_records(task, share_out(elements, REPLICATE["training"], rows // 3, apart=True))


def measure(run: Callable[[], Trained], device: torch.device) -> tuple[float, float, Trained]:
    """Wall and CPU seconds of a run, and its logs."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    wall, cpu = time.perf_counter(), time.process_time()
    logs = run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - cpu, logs


def main() -> None:
    """Print both ways and their ratio."""
    parser = argparse.ArgumentParser(description="Seeds trained at once against one by one.")
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    device = open_device(given.device)
    task = StringTask(tuple(REPLICATE["functions"]))
    options = ModelOptions(vocabulary=len(task.vocabulary), **MODEL)  # type: ignore[arg-type]
    how = TrainingOptions(steps=given.steps, batch=TRAINING["batch"])  # type: ignore[arg-type]
    seeds = list(range(given.seeds))
    records = [write_seed(task, seed, 3000).to(device) for seed in seeds]

    def build() -> list[Transformer]:
        return [build_model(options, seed, device) for seed in seeds]

    def train_in_turn() -> Trained:
        pairs = zip(build(), records, seeds, strict=True)
        return [train(model, each, how, seed) for model, each, seed in pairs]

    def train_at_once() -> Trained:
        return train_together(build(), records, how, seeds)

    for run in (train_in_turn, train_at_once):  # warms up
        run()
    turns, at_once = measure(train_in_turn, device), measure(train_at_once, device)
    apart = max(abs(a.losses[0] - b.losses[0]) for a, b in zip(turns[2], at_once[2], strict=True))
    where = torch.cuda.get_device_name() if device.type == "cuda" else "CPU, 1 thread"
    print(f"torch {torch.__version__}, {where}, {given.seeds} seeds, {given.steps} steps")
    for name, (wall, cpu, _) in (("one by one", turns), ("at once", at_once)):
        rate = 3600 * given.seeds * given.steps / (wall * TRAINING["steps"])
        print(f"{name:12}{wall:8.2f} s wall {cpu:8.2f} s CPU {rate:10.0f} nightly seeds an hour")
    by_wall, by_cpu = turns[0] / at_once[0], turns[1] / at_once[1]
    print(f"at once, seeds an hour: {by_wall:.2f} times by wall time, {by_cpu:.2f} by CPU time")
    print(f"first losses differ by at most {apart:.1e}")
    if device.type != "cuda":
        print("no CUDA here: the aim of 8 times at 16 seeds is for a GPU and was not measured")


if __name__ == "__main__":
    main()
