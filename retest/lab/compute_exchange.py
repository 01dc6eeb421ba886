"""Training compute against inference compute: how many samples a smaller model may draw.

Decides the exchange k = M + 3 (M - 1) / R of arXiv:2408.03314 (section 7) and what both sides of
it cost in floating-point operations when everything is charged, from the options of the models
alone. R is the ratio of all tokens that a deployed model will write and read to the tokens that
it was trained on; a lifetime of answers pays for one training. Accuracy is none of its business.
"""

import math
from dataclasses import dataclass

from retest.lab.accounting import count_flops
from retest.lab.options import ModelOptions


def find_samples(ratio: float, load: float) -> int:
    """k = M + 3 (M - 1) / R, rounded: samples that cost what a model ``ratio`` times larger does.

    From X = 6 N D_pre and Y = 2 N D_inf: k 2 N D_inf + 6 N D_pre = M (2 N D_inf + 6 N D_pre).
    """
    return round(ratio + 3 * (ratio - 1) / load)


@dataclass(frozen=True)
class Workload:
    """What is trained and asked: words of a prompt and of an output; records read in training."""

    prompt_words: int
    output_words: int
    records: int

    @property
    def record_words(self) -> int:
        """Words of a record, which are also those of an answer."""
        return self.prompt_words + self.output_words

    @property
    def tokens(self) -> int:
        """Tokens of training, D_pre."""
        return self.records * self.record_words

    def count_prompts(self, load: float) -> float:
        """Prompts of a lifetime at load R, one answer each: together R * D_pre tokens."""
        return load * self.records


def cost_training(options: ModelOptions, work: Workload) -> int:
    """Operations of training a model on the records (their last word is not read)."""
    return count_flops(options, work.records, work.record_words - 1).training


def cost_sampling(options: ModelOptions, work: Workload, samples: int) -> int:
    """Operations of one prompt's samples: the prompt is read once, every output word is written.

    A word's attention covers what is before it. Outputs count in full length.
    """
    reading = count_flops(options, 1, work.prompt_words).forward
    writing = sum(
        count_flops(options, samples, 1, past=work.prompt_words + written).forward
        for written in range(work.output_words - 1)  # the last word is written, not read
    )
    return reading + writing


def cost_scoring(options: ModelOptions, work: Workload, samples: int) -> int:
    """Operations of a verifier that reads a prompt once, and its samples with verdicts between."""
    said = 2 * work.output_words - 1
    reading = count_flops(options, 1, work.prompt_words).forward
    return reading + count_flops(options, samples, said, past=work.prompt_words).forward


def cost_teaching(selection: "Selection", small: ModelOptions, work: Workload) -> int:
    """Operations of training a verifier, with the samples that it learns from."""
    words = work.prompt_words + 2 * work.output_words - 1  # the last verdict is not read
    taught = count_flops(selection.verifier, selection.records, words).training
    return taught + selection.problems * cost_sampling(small, work, selection.samples)


@dataclass(frozen=True)
class Selection:
    """A learned verifier as a cost: its shape, what made its training set, what trained it."""

    verifier: ModelOptions
    problems: int
    samples: int
    records: int  # chains read in training, repeats counted


@dataclass(frozen=True)
class Bill:
    """Operations of a lifetime: one training, and every answer at a load."""

    training: int
    sampling: int
    verifier_training: int = 0  # with the samples that it is trained on
    scoring: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.training + self.sampling + self.verifier_training + self.scoring


def bill_large(options: ModelOptions, work: Workload, load: float) -> Bill:
    """The larger model: trained, and one greedy answer a prompt."""
    prompts = work.count_prompts(load)
    return Bill(cost_training(options, work), round(prompts * cost_sampling(options, work, 1)))


def bill_small(
    options: ModelOptions, work: Workload, load: float, samples: int, selection: Selection | None
) -> Bill:
    """The smaller model: trained, ``samples`` a prompt, and a verifier where there is one."""
    prompts = work.count_prompts(load)
    training = cost_training(options, work)
    sampling = round(prompts * cost_sampling(options, work, samples))
    if selection is None:
        return Bill(training, sampling)
    taught = cost_teaching(selection, options, work)
    scoring = round(prompts * cost_scoring(selection.verifier, work, samples))
    return Bill(training, sampling, taught, scoring)


def find_charged_samples(
    small: ModelOptions,
    large: ModelOptions,
    work: Workload,
    load: float,
    selection: Selection | None,
) -> int:
    """The most samples a prompt with which the smaller side costs no more, all charged.

    0 where not even one is paid for: training a verifier alone may cost more than the exchange
    yields. Without a verifier (None) the answer is what majority could draw.

    Costs grow by the same amount with every sample, so that two bills give all.
    """
    budget = bill_large(large, work, load).total
    one = bill_small(small, work, load, 1, selection).total
    each = bill_small(small, work, load, 2, selection).total - one
    return max(0, math.floor((budget - one) / each) + 1)
