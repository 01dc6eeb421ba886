"""Greedy decoding of the lab on one CPU core, against transformers' ``generate``.

First the same shape, vocabulary, prompts and numbers of tokens (15 of prompt, 16 written, no
stop) for several batch sizes. Then the same c03 problems: 15 + 16 sub-words for generate, 7 + 11
words for the lab. Least CPU time of several rounds, taken in turn; models are untrained, which
changes nothing of the cost.

Run: python benchmarks/lab_decoding.py [--rounds 8]
"""

import argparse
import os
import time
from collections.abc import Callable

import torch
from lab_baselines import (
    MISSING,
    SOURCE_SHAPE,
    SUBWORD_CONTEXT,
    SUBWORD_VOCABULARY,
    build_gpt2,
    has_hugging_face,
    measure_in_turn,
    write_problems,
)

from retest.lab.decoding import decode_greedy
from retest.lab.devices import open_device
from retest.lab.model import ModelOptions, build_model

PROMPT, WRITTEN = 15, 16  # sub-words
WORD_PROMPT, WORDS_WRITTEN = 7, 11


def make_generate(rows: int) -> Callable[[], float]:
    """transformers' generate with its cache, on prompts of random tokens."""
    model = build_gpt2().eval()
    prompts = torch.randint(1, SUBWORD_VOCABULARY, (rows, PROMPT))
    mask = torch.ones_like(prompts)

    def run() -> float:
        began = time.process_time()
        with torch.inference_mode():
            model.generate(
                prompts,
                attention_mask=mask,
                max_new_tokens=WRITTEN,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=0,
            )
        return time.process_time() - began

    return run


def make_lab(rows: int, vocabulary: int, prompt: int, written: int) -> Callable[[], float]:
    """The lab's decoder; its stop token does not exist, so that all tokens are written."""
    shape = {**SOURCE_SHAPE, "positions": "learned"}
    options = ModelOptions(vocabulary=vocabulary, context=SUBWORD_CONTEXT, **shape)  # type: ignore[arg-type]
    model = build_model(options, 0, torch.device("cpu"))
    prompts = torch.randint(0, vocabulary, (rows, prompt))

    def run() -> float:
        began = time.process_time()
        decode_greedy(model, prompts, stop=vocabulary, limit=written)
        return time.process_time() - began

    return run


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="Greedy decoding of the lab on one core.")
    parser.add_argument("--rounds", type=int, default=8)
    given = parser.parse_args()
    open_device("cpu")
    load = os.getloadavg()[0]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread, load {load:.1f}, CPU time")
    if not has_hugging_face():
        print(MISSING)
        return
    words = len(write_problems()[0].vocabulary)
    ours = f"{'lab, same tokens':>18}{'ratio':>7}{'same problems':>15}{'ratio':>7}"
    print(f"{'rows':>5}{'generate, ms':>14}{ours}")
    for rows in (1, 64, 256, 500):
        runs = [
            make_generate(rows),
            make_lab(rows, SUBWORD_VOCABULARY, PROMPT, WRITTEN),
            make_lab(rows, words, WORD_PROMPT, WORDS_WRITTEN),
        ]
        theirs, tokens, problems = (1000 * each for each in measure_in_turn(runs, given.rounds))
        print(
            f"{rows:5}{theirs:14.1f}{tokens:18.1f}{theirs / tokens:7.2f}"
            f"{problems:15.1f}{theirs / problems:7.2f}"
        )


if __name__ == "__main__":
    main()
