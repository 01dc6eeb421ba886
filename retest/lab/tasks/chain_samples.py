"""What models write for MODCHAIN problems: greedily, or many samples of each, and its answers.

Decides how a model is asked and how its outputs become answers, chains for a verifier, and
samples to look at. What is right is said by ``modular_chains``.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from retest.lab.decoding import cut_at_stop, decode_greedy, decode_sampled
from retest.lab.item_seeds import hash_seeds
from retest.lab.model import Transformer
from retest.lab.records import Records
from retest.lab.sampling import Sampling
from retest.lab.selection import NO_ANSWER
from retest.lab.tasks.modular_chains import (
    RIGHT,
    WRONG,
    Chains,
    ChainTask,
    find_answers,
    find_right_so_far,
    find_written,
    read_answers,
    write_outputs,
    write_prompts,
)
from retest.lab.verifiers import Verdicts, score_chains, write_verdicts
from retest.protocol import SAMPLES_KEPT, Sample


@dataclass(frozen=True)
class Written:
    """Outputs [n, k, words] of k samples a problem, and the answers [n, k] that they give."""

    outputs: NDArray[np.int64]
    answers: NDArray[np.int64]

    def first(self, samples: int) -> "Written":
        """The first samples of each problem alone."""
        return Written(self.outputs[:, :samples], self.answers[:, :samples])


def write_greedily(model: Transformer, task: ChainTask, chains: Chains) -> Written:
    """The one greedy output of each problem (k = 1)."""
    prompts = write_prompts(task, chains)
    outputs = decode_greedy(model, prompts, task.stop, task.output_words).numpy()[:, None]
    return Written(outputs, read_answers(task, outputs))


def write_samples(
    model: Transformer, task: ChainTask, chains: Chains, samples: int, temperature: float, seed: int
) -> Written:
    """Samples of each problem; ``seed`` is an address of its own for each set of samples."""
    seeds = hash_seeds("modular_chains/samples", seed, range(len(chains)), samples)
    prompts = write_prompts(task, chains)
    sampling = Sampling(temperature=temperature)
    outputs = decode_sampled(model, prompts, task.stop, task.output_words, sampling, seeds).numpy()
    return Written(outputs, read_answers(task, outputs))


def spell_verdicts(task: ChainTask) -> Verdicts:
    """The words with which a verifier of this task is asked and answers."""
    places = task.vocabulary.places
    return Verdicts(places[RIGHT], places[WRONG])


def write_verifier_records(task: ChainTask, chains: Chains, written: Written) -> Records:
    """Training records of a verifier from samples, each word judged by the exact results."""
    return write_verdicts(
        spell_verdicts(task),
        write_prompts(task, chains),
        torch.from_numpy(written.outputs),
        torch.from_numpy(find_right_so_far(task, chains, written.outputs)),
        torch.from_numpy(find_written(task, written.outputs)),
    )


def score_samples(
    verifier: Transformer, task: ChainTask, chains: Chains, written: Written
) -> NDArray[np.float64]:
    """The verifier's probability that each sample is right: [n, k]."""
    outputs = torch.from_numpy(written.outputs)
    is_written = torch.from_numpy(find_written(task, written.outputs))
    prompts = write_prompts(task, chains)
    return score_chains(verifier, spell_verdicts(task), prompts, outputs, is_written)


def measure_accuracy(task: ChainTask, chains: Chains, written: Written) -> float:
    """Share of samples that give the right answer."""
    return float((written.answers == find_answers(task, chains)[:, None]).mean())


def measure_parse_rate(written: Written) -> float:
    """Share of samples that have the form of a chain."""
    return float((written.answers != NO_ANSWER).mean())


def show_samples(task: ChainTask, chains: Chains, written: Written) -> list[Sample]:
    """The first sample of the first problems as words, with what it is worth."""
    outputs = written.outputs[:SAMPLES_KEPT, 0]
    shown = chains.take(np.arange(len(outputs)))
    golds, answers = find_answers(task, shown), written.answers[:SAMPLES_KEPT, 0]
    has_right_steps = find_right_so_far(task, shown, outputs[:, None])[:, 0, -1]
    verdicts = [
        name_verdict(*facts)
        for facts in zip(answers.tolist(), golds.tolist(), has_right_steps.tolist(), strict=True)
    ]
    texts = zip(
        spell(task, write_prompts(task, shown)),
        spell(task, write_outputs(task, shown)),
        spell(task, torch.from_numpy(outputs)),
        strict=True,
    )
    return [Sample(*text, verdict) for text, verdict in zip(texts, verdicts, strict=True)]


def spell(task: ChainTask, rows: torch.Tensor) -> list[str]:
    """Token rows as words, up to their first stop."""
    return [" ".join(task.vocabulary.decode(row)) for row in cut_at_stop(rows, task.stop)]


def name_verdict(answer: int, gold: int, has_right_steps: bool) -> str:
    """What an output is worth, in words."""
    if answer == NO_ANSWER:
        return "wrong: not a chain"
    if answer != gold:
        return "wrong: the answer"
    return "right" if has_right_steps else "right answer, wrong steps"
