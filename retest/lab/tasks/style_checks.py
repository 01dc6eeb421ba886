"""Whether reading answers works, and whether a model has chains at all: checks with known results.

Knows nothing of how well an arm should do; it gives the numbers that an experiment's gates read.
"""

import numpy as np
import torch

from retest.lab.decoding import decode_greedy
from retest.lab.inference_budgets import Pool, Subject
from retest.lab.item_seeds import open_stream
from retest.lab.selection import choose_majority
from retest.lab.tasks.styles import (
    STYLES,
    Marks,
    Stepped,
    Tokens,
    count_steps,
    read_answers,
    write_outputs,
)

PLANTED_SHARE = 0.30  # of right answers in a planted pool; the others share the rest evenly


def rate_gold(problems: Stepped, marks: Marks) -> float:
    """Share of right outputs, in every style, that are read as right."""
    every = [read_gold(problems, marks, style) == problems.gold for style in range(len(STYLES))]
    return float(np.mean(every))


def rate_planted_wrong(problems: Stepped, marks: Marks) -> float:
    """Share of outputs with a planted wrong answer, in every style, that are read as right."""
    last = problems.lengths - 1
    states = problems.states.copy()
    states[np.arange(len(problems)), last] = (problems.gold + 1) % marks.states
    wrong = Stepped(problems.prompts, states, problems.lengths)
    every = [read_gold(wrong, marks, style) == problems.gold for style in range(len(STYLES))]
    return float(np.mean(every))


def read_gold(problems: Stepped, marks: Marks, style: int) -> Tokens:
    """The answers read off the problems' own outputs in one style."""
    return read_answers(write_outputs(problems, np.full(len(problems), style), marks), marks)


def rate_planted_majority(problems: Stepped, marks: Marks, samples: int, seed: int) -> float:
    """Accuracy of the majority of samples from a distribution whose mode is the right answer."""
    stream = open_stream("styles/planted", seed)
    shape = (len(problems), samples)
    others = stream.integers(1, marks.states, size=shape)
    answers = (problems.gold[:, None] + others) % marks.states
    is_right = stream.random(shape) < PLANTED_SHARE
    answers = np.where(is_right, problems.gold[:, None], answers)
    return float((choose_majority(answers) == problems.gold).mean())


def rate_forced_chain(subject: Subject) -> float:
    """Accuracy when the first state of a full chain is written for the model."""
    problems, marks = subject.problems, subject.marks
    opening = np.stack((np.full(len(problems), marks.think), problems.states[:, 0]), axis=1)
    outputs = decode_greedy(
        subject.model, subject.prompts, marks.stop, subject.limit, torch.from_numpy(opening)
    )
    return subject.rate(read_answers(outputs, marks))


def describe_styles(subject: Subject, pool: Pool) -> dict[str, dict[str, float]]:
    """Share and accuracy of each style among samples [n, k], and how many were readable."""
    lengths, marks = subject.problems.lengths[:, None], subject.marks
    right = pool.answers == subject.problems.gold[:, None]
    is_direct = pool.outputs[..., 0] == marks.answer
    is_full = ~is_direct & (count_steps(pool.outputs, marks) == lengths)
    places = {"direct": is_direct, "full": is_full, "skipping": ~is_direct & ~is_full}
    return {
        name: {
            "share": float(place.mean()),
            "accuracy": float(right[place].mean()) if place.any() else 0.0,
        }
        for name, place in places.items()
    }
