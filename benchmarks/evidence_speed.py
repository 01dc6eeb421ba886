"""How fast the evidence of many streams is read anew, beside two plainer ways.

    python benchmarks/evidence_speed.py [--streams 1000] [--seeds 1000]

Every stream is a band claim with a margin, eight seeds a night; reading it gives e-values,
outcome, best and present bounds. Baselines, on some of the same streams: bounds by halving
fifty times (as this was done before), and ``ville``'s confidence sequence, which gives
bounds alone, on its own grid. Nothing is written. Uses one core.
"""

import argparse
import math
import time
from collections.abc import Callable

import numpy as np
from ville import BettingCS

from retest.drift import find_drift
from retest.evidence import Array, log_e_above
from retest.night_effect import find_night_effect
from retest.outcomes import read_stream
from retest.protocol import Estimand

ALPHA = 0.05
BAND = Estimand("rate", "a rate", "share", "bounded", (0.0, 1.0), 0.55, 0.60, 0.02)
SEEDS_A_NIGHT = 8
BASELINE_STREAMS = 20


def halve(values: Array) -> float:
    """The best lower bound by fifty bisections, each with all that it needs."""
    inside, outside = 0.0, 1.0
    for _ in range(50):
        middle = (inside + outside) / 2
        path = log_e_above(values, np.array([middle]), "bounded", ALPHA)[:, 0]
        if path.max() >= math.log(1 / ALPHA):
            inside = middle
        else:
            outside = middle
    return inside


def halve_four_times(values: Array) -> None:
    """As often as a reading needs it: two sides, the best and the present bound."""
    for side in (values, 1 - values):
        halve(side)
        halve(side)


def time_each(work: Callable[[Array], object], streams: Array) -> float:
    """Seconds of the processor a stream, so that neighbours on the machine do not count."""
    began = time.process_time()
    for values in streams:
        work(values)
    return (time.process_time() - began) / len(streams)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=1000)
    options = parser.parse_args()
    random = np.random.default_rng(20261124)
    means = random.uniform(0.45, 0.75, (options.streams, 1))
    noise = random.normal(0, 0.08, (options.streams, options.seeds))
    streams = np.clip(means + noise, 0, 1)
    nights = np.arange(options.seeds) // SEEDS_A_NIGHT
    some = streams[:BASELINE_STREAMS]

    ours = time_each(lambda values: read_stream([BAND], [values], ALPHA), streams)
    checks = time_each(
        lambda values: (find_night_effect([values], nights), find_drift([BAND], [values], nights)),
        streams,
    )
    halving = time_each(halve_four_times, some)
    ville = time_each(lambda values: BettingCS(alpha=2 * ALPHA).fit(values), some)
    print(f"{options.streams} streams of {options.seeds} seeds")
    for name, seconds in (
        ("evidence, bounds and outcome", ours),
        ("night effect and drift", checks),
        ("baseline: bounds by halving", halving),
        ("baseline: ville.BettingCS", ville),
    ):
        print(
            f"{name:32s} {1000 * seconds:8.3f} ms a stream  "
            f"{options.streams * seconds:8.2f} s in all  {seconds / ours:7.1f} times ours"
        )


if __name__ == "__main__":
    main()
