"""How many claim-paper pairs the embedded judge answers a second, on one core.

    python -m benchmarks.judge_speed [--pairs 100]

The pairs are invented and new to the judge; each paper is judged for one claim, so nothing
is remembered between pairs, and for a second claim afterwards, as on a night when papers
are candidates of several. The baseline is a plain ``torch.nn.TransformerEncoder`` of the
same shape (six layers of 384, float32) on as many tokens as the judge reads of a pair; the
ratio is comparable across machines. Processor time, as a busy machine makes the wall clock
measure the neighbours.
"""

import argparse
import time
from collections.abc import Callable

import torch

from ingest.judges import PaperText
from ingest.judges.embedded import EmbeddedJudge
from ingest.judges.encoder_weights import HEADS, LAYERS, WIDTH
from ingest.judges.weights import load_weights

CLAIMS = (
    "Sampling many answers and voting saturates: more samples bring no further accuracy.",
    "Small verifiers choose among many samples better than majority voting does.",
)
TEXTS, TOKENS = 6, 32  # a claim, a title and four sentences; pieces of each
TITLE = "Setting {n}: when does aggregation over {n} samples stop helping?"
ABSTRACT = (
    "Aggregating {n} sampled answers of a language model is widely used in setting {n}. "
    "It is unclear how accuracy depends on the number of samples when answers are correlated. "
    "We measure accuracy on {n} tasks with up to 512 samples and four open models. "
    "Accuracy saturates after {n} samples and falls by up to 3% beyond that number. "
    "A trained verifier recovers part of the loss in {n} of the tasks, yet costs more. "
    "Our results suggest that setting {n} needs diverse rather than numerous samples."
)


def main() -> None:
    """Print pairs a second and the ratio to the baseline."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=100)
    count = parser.parse_args().pairs
    torch.set_num_threads(1)
    papers = [
        PaperText(f"2503.{n:05d}", TITLE.format(n=n), ABSTRACT.format(n=n)) for n in range(count)
    ]
    base_s = time_baseline(count)
    print(f"baseline (plain encoder, float32): {count / base_s:.1f} pairs/s")
    for use_encoder in (True, False):
        judge = EmbeddedJudge(load_weights(), use_encoder=use_encoder)
        judge.judge_stance("A claim to warm up with.", PaperText("w", "A title.", "A sentence."))
        for number, claim in enumerate(CLAIMS, start=1):
            took_s = time_judge(judge, claim, papers)
            print(
                f"{judge.name}, claim {number} of {len(CLAIMS)}: {count / took_s:.1f} pairs/s, "
                f"{base_s / took_s:.2f} times the baseline"
            )


def time_judge(judge: EmbeddedJudge, claim: str, papers: list[PaperText]) -> float:
    """Seconds of judging every paper for one claim."""
    return measure_s(lambda: [judge.judge_stance(claim, paper) for paper in papers])


def time_baseline(count: int) -> float:
    """Seconds of a plain encoder on as many tokens."""
    layer = torch.nn.TransformerEncoderLayer(
        WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True
    )
    model = torch.nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False).eval()
    states = torch.randn(TEXTS, TOKENS, WIDTH)
    with torch.inference_mode():
        model(states)
        return measure_s(lambda: [model(states) for _ in range(count)])


def measure_s(work: Callable[[], object]) -> float:
    """Processor seconds of some work."""
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
