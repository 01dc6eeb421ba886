"""Styles of writing an answer that is reached in steps: at once, in leaps, or step by step.

Decides how a problem with known states is written, and reads answers off what a model wrote.
It knows only the marks and the state after every step, not what a step means, so that several
tasks share it. No mark in a prompt says which style is to follow::

    direct    <answer> s4 </s>
    skipping  <think> . s2 . <answer> s4 </s>
    full      <think> s1 s2 s3 <answer> s4 </s>
    full, corrected on the way    <think> s1 x <fix> s2 s3 <answer> s4 </s>

A blank stands where a step is left out, so that step i of a chain has one distance from part i
of its prompt in every style; without it a small model takes many times the tokens to learn any.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retest.lab.records import Records
from retest.lab.selection import NO_ANSWER
from retest.lab.vocabulary import Vocabulary

Tokens = NDArray[np.int64]
Style = Literal["direct", "skipping", "full"]
STYLES: tuple[Style, ...] = ("direct", "skipping", "full")
BLANK, THINK, ANSWER, FIX, STOP = ".", "<think>", "<answer>", "<fix>", "</s>"
NOTHING = -1  # in place of a state or token that is not there


class Marks(NamedTuple):
    """The tokens of the marks, and how many states there are: tokens 0 .. ``states`` - 1."""

    states: int
    blank: int
    think: int
    answer: int
    fix: int
    stop: int


@dataclass(frozen=True)
class Stepped:
    """Problems that are solved in steps.

    ``prompts`` [n, p] are of one length; ``states`` [n, longest] hold the token of the state
    after every step, and NOTHING beyond a problem's ``lengths`` [n].
    """

    prompts: Tokens
    states: Tokens
    lengths: Tokens

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def gold(self) -> Tokens:
        """The last state of every problem [n]."""
        gold: Tokens = self.states[np.arange(len(self)), self.lengths - 1]
        return gold

    def take(self, rows: Tokens | slice) -> "Stepped":
        """Some of the problems."""
        return Stepped(self.prompts[rows], self.states[rows], self.lengths[rows])


@dataclass(frozen=True)
class Mixture:
    """Shares of the styles, and how often a full chain holds a step that it corrects.

    ``mistaken`` of the direct answers give the first state instead of the last: errors that
    agree, since a model can learn to make them.
    """

    direct: float
    skipping: float
    full: float
    corrected: float = 0.0  # of the full chains
    mistaken: float = 0.0  # of the direct answers

    def draw(self, count: int, stream: np.random.Generator) -> Tokens:
        """A place in STYLES for each of ``count`` records."""
        shares = np.array([self.direct, self.skipping, self.full])
        return stream.choice(len(STYLES), size=count, p=shares / shares.sum())


def write_mixture(
    problems: Stepped, mixture: Mixture, marks: Marks, stream: np.random.Generator
) -> Records:
    """Every problem in a style drawn from the mixture; all rows have one width."""
    styles = mixture.draw(len(problems), stream)
    is_corrected = (styles == STYLES.index("full")) & (
        stream.random(len(problems)) < mixture.corrected
    )
    at = stream.integers(0, problems.lengths)
    slips = np.where(is_corrected, at, NOTHING)
    wrong = (problems.states[np.arange(len(problems)), at] + 1) % marks.states
    wrong = (wrong + stream.integers(0, marks.states - 1, size=len(problems))) % marks.states
    outputs = write_outputs(problems, styles, marks, slips, wrong)
    if mixture.mistaken:
        is_mistaken = stream.random(len(problems)) < mixture.mistaken
        rows = np.flatnonzero(is_mistaken & (styles == STYLES.index("direct")))
        outputs[rows, 1] = problems.states[rows, 0]
    return pair(problems, outputs, marks)


def write_outputs(
    problems: Stepped,
    styles: Tokens,
    marks: Marks,
    slips: Tokens | None = None,
    wrong: Tokens | None = None,
) -> Tokens:
    """Outputs [n, width] in the given styles, filled up with the stop mark.

    Before the state of step ``slips`` [n] stands the state ``wrong`` [n] and the mark of a
    correction (NOTHING: nowhere).
    """
    rows, longest = problems.states.shape
    step = np.arange(longest)
    last = problems.lengths[:, None] - 1
    is_skipping = (styles == STYLES.index("skipping"))[:, None]
    is_written = (step == last) | ((step < last) & (styles != STYLES.index("direct"))[:, None])
    steps = np.where(is_skipping & (step % 2 == 0) & (step < last), marks.blank, problems.states)
    wide = np.full((rows, longest, 4), NOTHING)  # answer mark, slip, correction mark, state
    wide[:, :, 0][step == last] = marks.answer
    if slips is not None and wrong is not None:
        has_slip = step == slips[:, None]
        wide[:, :, 1] = np.where(has_slip, wrong[:, None], NOTHING)
        wide[:, :, 2] = np.where(has_slip, marks.fix, NOTHING)
    wide[:, :, 3] = np.where(is_written, steps, NOTHING)
    opening = np.where(styles == STYLES.index("direct"), NOTHING, marks.think)[:, None]
    return compact(np.concatenate((opening, wide.reshape(rows, -1)), axis=1), marks.stop)


def compact(wide: Tokens, stop: int) -> Tokens:
    """Rows without their NOTHINGs, then stop marks: one more than the longest row has tokens."""
    is_there = wide != NOTHING
    order = np.argsort(~is_there, axis=1, kind="stable")
    kept = np.take_along_axis(wide, order, axis=1)[:, : is_there.sum(axis=1).max()]
    filled = np.where(kept == NOTHING, stop, kept)
    return np.concatenate((filled, np.full((len(wide), 1), stop)), axis=1)


def count_widest(longest: int) -> int:
    """Tokens of the longest output there is: a corrected full chain with its stop mark."""
    return longest + 5


def pair(problems: Stepped, outputs: Tokens, marks: Marks) -> Records:
    """Prompts with outputs as training records of one width; learned up to the first stop."""
    widest = count_widest(problems.states.shape[1])
    filled = np.full((len(outputs), widest), marks.stop)
    filled[:, : outputs.shape[1]] = outputs[:, :widest]
    is_stop = filled == marks.stop
    is_output = np.cumsum(is_stop, axis=1) - is_stop == 0
    prompts = problems.prompts
    tokens = np.concatenate((prompts, filled), axis=1)
    scored = np.concatenate((np.zeros_like(prompts, dtype=bool), is_output), axis=1)
    return Records(torch.from_numpy(tokens), torch.from_numpy(scored))


# --- Reading what a model wrote ----------------------------------------------------------------


def read_answers(outputs: Tensor | Tokens, marks: Marks) -> Tokens:
    """The state that every output [..., width] ends on, or NO_ANSWER.

    An answer is a state after the last <answer>, right before the first stop mark; between the
    two only corrected states may stand.
    """
    tokens = np.asarray(outputs)
    place = np.arange(tokens.shape[-1])
    is_stop = tokens == marks.stop
    end = np.where(is_stop.any(-1), is_stop.argmax(-1), 0)[..., None]
    is_mark = (tokens == marks.answer) & (place < end)
    begin = np.where(is_mark, place, -1).max(-1)[..., None]
    is_inside = (place > begin) & (place < end)
    is_state = (tokens >= 0) & (tokens < marks.states)
    expects_state = (place - begin) % 2 == 1
    is_form = np.where(expects_state, is_state, tokens == marks.fix)
    is_read = (begin >= 0)[..., 0] & ((end - begin) % 2 == 0)[..., 0]
    is_read &= (is_form | ~is_inside).all(-1)
    last = np.take_along_axis(tokens, np.maximum(end - 1, 0), axis=-1)[..., 0]
    answers: Tokens = np.where(is_read, last, NO_ANSWER)
    return answers


def count_steps(outputs: Tensor | Tokens, marks: Marks) -> Tokens:
    """States that every output [..., width] keeps: those before a correction mark do not count."""
    tokens = np.asarray(outputs)
    is_before_stop = np.cumsum(tokens == marks.stop, axis=-1) == 0
    is_state = (tokens >= 0) & (tokens < marks.states) & is_before_stop
    steps: Tokens = is_state.sum(-1) - ((tokens == marks.fix) & is_before_stop).sum(-1)
    return steps


def count_written(outputs: Tensor | Tokens, stop: int) -> Tokens:
    """Tokens of every output [..., width], the stop mark included."""
    tokens = np.asarray(outputs)
    is_stop = tokens == stop
    first = np.where(is_stop.any(-1), is_stop.argmax(-1) + 1, tokens.shape[-1])
    written: Tokens = first
    return written


class SteppedTask(Protocol):
    """What a task offers whose answers are reached in steps."""

    @property
    def longest(self) -> int: ...

    @property
    def vocabulary(self) -> Vocabulary: ...

    @property
    def marks(self) -> Marks: ...

    @property
    def prompt_tokens(self) -> int: ...

    def draw(
        self, name: str, seed: int, count: int, apart_from: Sequence[Stepped] = ()
    ) -> Stepped: ...
