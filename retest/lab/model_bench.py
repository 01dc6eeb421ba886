"""A small model, larger ones and a verifier on MODCHAIN, trained and asked under one seed.

Decides how a configuration becomes models (the best of several learning rates on validation
problems), a verifier taught on a split of its own, and scored samples of the test problems.
What they are worth against each other is said by ``model_trade``. Knows nothing of claims.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from retest.lab.attempts import Attempts
from retest.lab.compute_exchange import Selection, Workload
from retest.lab.difficulty import Bins
from retest.lab.item_seeds import hash_seed
from retest.lab.model import Transformer, build_model, count_block_parameters, count_parameters
from retest.lab.options import ModelOptions
from retest.lab.tasks.chain_samples import (
    Written,
    measure_accuracy,
    score_samples,
    write_greedily,
    write_samples,
    write_verifier_records,
)
from retest.lab.tasks.modular_chains import (
    Chains,
    ChainTask,
    draw_chains,
    find_answers,
    write_records,
)
from retest.lab.training import TrainingOptions, train


@dataclass(frozen=True)
class Bench:
    """What every arm of a seed shares."""

    task: ChainTask
    config: Mapping[str, Any]
    seed: int
    device: torch.device

    def address(self, what: str) -> int:
        """The seed of one stream of this seed's random numbers."""
        return hash_seed(f"c01/{what}", self.seed, 0)

    @property
    def work(self) -> Workload:
        """Words and records, for the accounting."""
        training = self.config["training"]
        return Workload(
            prompt_words=self.task.prompt_words,
            output_words=self.task.output_words,
            records=training["steps"] * training["batch"],
        )

    def shape(self, shape: Mapping[str, Any]) -> ModelOptions:
        """The options of a model of this task; there is room for a verifier's verdicts."""
        words = self.task.prompt_words + 2 * self.task.output_words
        return ModelOptions(vocabulary=len(self.task.vocabulary), context=words, **shape)


@dataclass(frozen=True)
class Trained:
    """A model with what its training gave."""

    model: Transformer
    measures: dict[str, Any]


@dataclass(frozen=True)
class Tested:
    """The small side on the test problems."""

    chains: Chains
    written: Written
    attempts: Attempts
    bins: Bins
    small: Trained
    verifier: Trained
    selection: Selection  # what the verifier cost


def train_best(bench: Bench, name: str, subject: Mapping[str, Any], loops: int = 1) -> Trained:
    """Train a model at each of its learning rates on the same records in the same order.

    The one that is best on validation problems is kept; with one rate nothing is chosen.
    """

    training, task = bench.config["training"], bench.task
    options = bench.shape({**subject["shape"], "repeats": loops})
    records = write_records(
        task, draw_chains(task, bench.work.records, "training", bench.address("training"))
    )
    validation = draw_chains(
        task, bench.config["validation_problems"], "validation", bench.address("validation")
    )
    tried = []
    for rate in subject["rates"]:
        how = TrainingOptions(**training, learning_rate=rate)
        model = build_model(options, bench.address(f"weights/{name}"), bench.device)
        log = train(model, records, how, bench.address("order"))
        reached = measure_accuracy(task, validation, write_greedily(model, task, validation))
        tried.append((reached, model, rate, log.summarise()))
    reached, model, rate, log_measures = max(tried, key=lambda one: one[0])
    measures = {
        "block_parameters": count_block_parameters(model),
        "parameters": count_parameters(model),
        "learning_rate": rate,
        "validation_accuracy": reached,
        "rates_tried": [{"rate": each[2], "validation_accuracy": each[0]} for each in tried],
        **log_measures,
    }
    return Trained(model, measures)


def teach_verifier(bench: Bench, small: Transformer) -> tuple[Trained, Selection]:
    """Train a verifier on samples of the small model for problems of a split of their own."""

    task, teaching = bench.task, bench.config["verifier"]
    problems, samples = teaching["problems"], teaching["samples"]
    chains = draw_chains(task, problems, "verifier", bench.address("verifier/problems"))
    temperature, address = bench.config["temperature"], bench.address("verifier/samples")
    written = write_samples(small, task, chains, samples, temperature, address)
    options = bench.shape(teaching["shape"])
    model = build_model(options, bench.address("verifier/weights"), bench.device)
    how = TrainingOptions(**teaching["training"])
    records = write_verifier_records(task, chains, written)
    log = train(model, records, how, bench.address("verifier/order"))
    measures = {"block_parameters": count_block_parameters(model), **log.summarise()}
    selection = Selection(options, problems, samples, how.steps * how.batch)
    return Trained(model, measures), selection


def attempt(
    bench: Bench, model: Trained, verifier: Trained, chains: Chains, samples: int, what: str
) -> tuple[Written, Attempts]:
    """Samples of a model with the verifier's scores; ``what`` is their address."""

    temperature, address = bench.config["temperature"], bench.address(f"samples/{what}")
    written = write_samples(model.model, bench.task, chains, samples, temperature, address)
    scores = score_samples(verifier.model, bench.task, chains, written)
    return written, Attempts(written.answers, scores, find_answers(bench.task, chains))
