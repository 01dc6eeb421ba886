"""Judging chains: what a model wrote for string problems, against steps recomputed here.

Decides how right an output is, token by token, and where it goes wrong: the step, the name of
the function that remains, or the answer. Distances are those of arXiv:2508.01191, over words
that are written out whole: Levenshtein over characters, and BLEU over words, both without the
stop token.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retest.lab.scores import ORDERS, measure_bleu, measure_edit_distance
from retest.lab.tasks.strings import (
    ANSWER,
    LETTERS,
    STOP,
    THINK,
    Composition,
    Problems,
    StringTask,
    write_outputs,
    write_prompts,
)


@dataclass(frozen=True)
class ChainScore:
    """What one output is worth; shares and rates are means of these."""

    full: bool  # every token as it should be
    reasoning: bool  # everything before <answer>
    answer: bool  # everything after <answer>
    edit_distance: float  # of the whole output, as a share of the longer text
    edit_distance_reasoning: float
    edit_distance_answer: float
    bleu: float
    bleu_reasoning: float
    bleu_answer: float
    is_fluent: bool  # has the form of a chain, whatever it says
    follows_prompt: bool  # self-consistent: answer = the prompt's last function on its own step
    follows_itself: bool  # answer = the function that it wrote itself on its own last step


def judge_chain(task: StringTask, problems: Problems, row: int, output: list[int]) -> ChainScore:
    """Score one output (tokens up to the stop) against steps recomputed from the problem."""
    gold: list[int] = write_outputs(task, problems.take(row))[0].tolist()
    return judge_output(task, problems.composition, gold, output)


def judge_output(
    task: StringTask, composition: Composition, gold: list[int], output: list[int]
) -> ChainScore:
    """Score one output against the right one."""
    wrote, right = split_at_answer(task, output), split_at_answer(task, gold)
    step = read_last_step(task, wrote[0], wrote[1])
    shows_steps = task.vocabulary.places[ANSWER] in gold
    pairs = ((output, gold), (wrote[0], right[0]), (wrote[1], right[1]))
    full, reasoning, answer = (is_right(*pair) for pair in pairs)
    distances = [measure_text_distance(task, *pair) for pair in pairs]
    likeness = [measure_text_bleu(task, *pair) for pair in pairs]
    return ChainScore(
        full=full,
        reasoning=reasoning,
        answer=answer,
        edit_distance=distances[0],
        edit_distance_reasoning=distances[1],
        edit_distance_answer=distances[2],
        bleu=likeness[0],
        bleu_reasoning=likeness[1],
        bleu_answer=likeness[2],
        is_fluent=step is not None if shows_steps else is_bare_answer(task, output),
        follows_prompt=step is not None and step.leads_to(task, composition[-1]),
        follows_itself=step is not None and step.leads_to(task, step.function),
    )


def is_right(output: list[int], gold: list[int]) -> bool:
    """Whether every token is as it should be, the stop token too."""
    return output == gold


def drop_stop(task: StringTask, tokens: list[int]) -> list[int]:
    """Tokens without a stop at their end."""
    stop = task.vocabulary.places[STOP]
    return tokens[:-1] if tokens and tokens[-1] == stop else tokens


def measure_text_distance(task: StringTask, output: list[int], gold: list[int]) -> float:
    """Levenshtein distance over characters, as a share of the longer text."""
    if output == gold:
        return 0.0
    texts = [" ".join(task.vocabulary.decode(drop_stop(task, part))) for part in (output, gold)]
    return measure_edit_distance(*texts)


def measure_text_bleu(task: StringTask, output: list[int], gold: list[int]) -> float:
    """BLEU over words; two empty texts are alike."""
    wrote, right = drop_stop(task, output), drop_stop(task, gold)
    if wrote == right and (not wrote or len(wrote) >= max(ORDERS)):
        return 1.0
    return measure_bleu(wrote, right)


def split_at_answer(task: StringTask, output: list[int]) -> tuple[list[int], list[int]]:
    """The tokens before and after <answer>; without the mark all is answer.

    Outputs that show no steps (and chains of one function) have no mark.
    """
    mark = task.vocabulary.places[ANSWER]
    if mark not in output:
        return [], output
    place = output.index(mark)
    return output[:place], output[place + 1 :]


@dataclass(frozen=True)
class LastStep:
    """The end of a well-formed chain: an element, the function written after it, an answer."""

    element: list[int]
    function: int
    answer: list[int]

    def leads_to(self, task: StringTask, function: int) -> bool:
        """Whether the function turns the element into the answer."""
        result = task.apply(function, np.array([self.element], dtype=np.int64))
        return bool(result[0].tolist() == self.answer)


def is_bare_answer(task: StringTask, output: list[int]) -> bool:
    """Whether an output is letters and a stop: the form where no steps are shown."""
    stop = task.vocabulary.places[STOP]
    return len(output) > 1 and output[-1] == stop and max(output[:-1]) < len(LETTERS)


def read_last_step(task: StringTask, reasoning: list[int], answer: list[int]) -> LastStep | None:
    """The last written step, or None where the output has not the form of a chain."""
    stop = task.vocabulary.places[STOP]
    if not answer or answer[-1] != stop or not reasoning:
        return None
    function = reasoning[-1] - len(LETTERS)
    element = reasoning[:-1]
    think = task.vocabulary.places[THINK]
    if think in element:
        element = element[len(element) - element[::-1].index(think) :]
    letters = [*element, *answer[:-1]]
    is_chain = element and len(answer) > 1 and max(letters) < len(LETTERS)
    if not is_chain or not 0 <= function < len(task.functions):
        return None
    return LastStep(element, function, answer[:-1])


def name_fault(score: ChainScore) -> str:
    """The verdict in words."""
    if score.full:
        return "right"
    form = "in the form of a chain" if score.is_fluent else "not in the form of a chain"
    parts = (("the steps", score.reasoning), ("the answer", score.answer))
    return f"wrong: {' and '.join(name for name, right in parts if not right)}; {form}"


def write_gold(task: StringTask, groups: Sequence[Problems]) -> list[list[int]]:
    """The right outputs of all problems, in order."""
    return [row for problems in groups for row in write_outputs(task, problems).tolist()]


def write_all_prompts(task: StringTask, groups: Sequence[Problems]) -> list[list[int]]:
    """The prompts of all problems, in order."""
    return [row for problems in groups for row in write_prompts(task, problems).tolist()]
