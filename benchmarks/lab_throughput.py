"""Training throughput of the lab on one CPU core, against Hugging Face's Trainer.

Contenders train on the same c03 problems at batch 256, one thread, taken in turn; time is CPU
time of the process, the least of several rounds. Records a second is the comparable figure:
the baselines write a record in 31 sub-word tokens and learn all of them (as the source's
released configuration does), the lab writes 18 word tokens and learns the 11 of the output. Rows
say how many parameters each model has; c03's own model has more than twice the source's. The last
row is c03's nightly path as it is: bfloat16, at its own batch.

Run: python benchmarks/lab_throughput.py [--rounds 5] [--steps 20]
"""

import argparse
import os
import time
from collections.abc import Mapping

import torch
from lab_baselines import (
    BATCH,
    MISSING,
    SOURCE_SHAPE,
    Contender,
    has_hugging_face,
    make_hugging_face,
    make_plain,
    measure_in_turn,
    write_problems,
)

from retest.experiments.c03_distribution_shift import MODEL, TRAINING
from retest.lab.devices import open_device
from retest.lab.model import ModelOptions, build_model, count_parameters
from retest.lab.records import join_records
from retest.lab.training import TrainingOptions, train

PROMPT_TOKENS = 7  # four letters, two functions, <think>


def make_lab(
    name: str, shape: Mapping[str, object], is_mixed: bool = False, batch: int = BATCH
) -> Contender:
    """The lab's own loop on c03's records; a step is BATCH rows, in smaller batches or at once."""
    task, tokens = write_problems()
    records = join_records(tokens[:, :PROMPT_TOKENS], tokens[:, PROMPT_TOKENS:])
    options = ModelOptions(vocabulary=len(task.vocabulary), context=32, **shape)  # type: ignore[arg-type]
    model = build_model(options, 0, torch.device("cpu"))

    def run(steps: int) -> float:
        how = TrainingOptions(steps=steps * BATCH // batch, batch=batch, is_mixed=is_mixed)
        began = time.process_time()
        train(model, records, how, seed=0)
        return (time.process_time() - began) / steps

    return Contender(name, count_parameters(model), records.tokens.shape[1], run)


def list_contenders() -> list[Contender]:
    """Baselines first; the first of all is what ratios are to."""
    pilot = {key: MODEL[key] for key in ("depth", "width", "heads")}
    nightly = {**pilot, "positions": MODEL["positions"]}
    learned, rope = ({**SOURCE_SHAPE, "positions": kind} for kind in ("learned", "rope"))
    return [
        *([make_hugging_face()] if has_hugging_face() else []),
        make_plain(),
        make_lab("lab, source's shape, learned positions", learned),
        make_lab("lab, source's shape, rope", rope),
        make_lab("lab, c03's own model, rope", {**pilot, "positions": "rope"}),
        make_lab("lab, c03's own model, bfloat16", {**pilot, "positions": "rope"}, is_mixed=True),
        make_lab(
            "lab, c03's nightly path", nightly, bool(TRAINING["is_mixed"]), int(TRAINING["batch"])
        ),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Training throughput of the lab on one core.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    open_device("cpu")
    contenders = list_contenders()
    for contender in contenders:
        contender.run(3)
    wall, cpu = time.perf_counter(), time.process_time()
    seconds = measure_in_turn(
        [lambda each=each: each.run(given.steps) for each in contenders],  # type: ignore[misc]
        given.rounds,
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} thread, batch {BATCH}; "
        f"{wall:.0f} s of wall time for {cpu:.0f} s of CPU time; load {os.getloadavg()[0]:.1f}"
    )
    if not has_hugging_face():
        print(MISSING)
    columns = f"{'parameters':>11}{'tokens/s':>10}{'ratio':>7}{'records/s':>11}{'ratio':>7}"
    print(f"{'CPU time':40}{columns}")
    records = [BATCH / each for each in seconds]
    first = records[0] * contenders[0].record_tokens
    for contender, rate in zip(contenders, records, strict=True):
        tokens = rate * contender.record_tokens
        print(
            f"{contender.name:40}{contender.parameters:11,}{tokens:10,.0f}{tokens / first:7.2f}"
            f"{rate:11,.0f}{rate / records[0]:7.2f}"
        )


if __name__ == "__main__":
    main()
