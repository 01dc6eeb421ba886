"""Judging chains: what a model wrote for string problems, against steps recomputed here.

Decides how right an output is, token by token, and where it goes wrong: the step, the name of
the function that remains, or the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from retest.lab.decoding import cut_at_stop, decode_greedy
from retest.lab.model import Transformer
from retest.lab.scores import measure_edit_distance
from retest.lab.tasks.strings import (
    ANSWER,
    LETTERS,
    STOP,
    THINK,
    Problems,
    StringTask,
    write_outputs,
    write_prompts,
)


@dataclass(frozen=True)
class ChainScore:
    """What one output is worth, token by token; shares and rates are means of these."""

    full: bool  # every token as it should be
    reasoning: bool  # everything before <answer>
    answer: bool  # everything after <answer>
    edit_distance: float  # over tokens, of the whole output
    is_fluent: bool  # has the form of a chain, whatever it says
    follows_prompt: bool  # answer = last function of the prompt on its own last step
    follows_itself: bool  # answer = the function that it wrote itself on its own last step


def judge_chain(task: StringTask, problems: Problems, row: int, output: list[int]) -> ChainScore:
    """Score one output (tokens up to the stop) against steps recomputed from the prompt."""
    gold: list[int] = write_outputs(task, problems.take(row))[0].tolist()
    wrote, right = split_at_answer(task, output), split_at_answer(task, gold)
    step = read_last_step(task, wrote[0], wrote[1])
    wanted = problems.composition[-1]
    return ChainScore(
        full=output == gold,
        reasoning=wrote[0] == right[0],
        answer=wrote[1] == right[1],
        edit_distance=measure_edit_distance(output, gold),
        is_fluent=step is not None,
        follows_prompt=step is not None and step.leads_to(task, wanted),
        follows_itself=step is not None and step.leads_to(task, step.function),
    )


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


def score_chains(
    model: Transformer, task: StringTask, groups: Sequence[Problems]
) -> dict[str, Any]:
    """Rates of one test set, and the first output that is wrong.

    ``foreign_gold`` scores each output against the right output of the next item, which a
    working checker must refuse. ``answer_after_right_step`` is exact match of the answer
    when everything up to <answer> is written for the model.
    """
    scores: list[ChainScore] = []
    foreign: list[bool] = []
    forced: list[bool] = []
    wrong: list[dict[str, str]] = []
    for problems in groups:
        outputs = decode_chains(model, task, problems)
        for row, output in enumerate(outputs):
            scores.append(judge_chain(task, problems, row, output))
            next_row = (row + 1) % len(outputs)
            foreign.append(judge_chain(task, problems, next_row, output).full)
            if not scores[-1].full and not wrong:
                wrong.append(show_output(task, problems.take(row), output))
        forced += judge_forced_answers(model, task, problems)
    rates = {
        field.name: find_share([float(getattr(score, field.name)) for score in scores])
        for field in fields(ChainScore)
    }
    return {
        "items": len(scores),
        **rates,
        "fluent_but_wrong": find_share([score.is_fluent and not score.full for score in scores]),
        "answer_after_right_step": find_share(forced),
        "foreign_gold": find_share(foreign),
        "first_wrong": wrong[0] if wrong else None,
    }


def decode_chains(model: Transformer, task: StringTask, problems: Problems) -> list[list[int]]:
    """What the model writes for each problem, up to its stop or the end of its context."""
    prompts = write_prompts(task, problems)
    stop = task.vocabulary.places[STOP]
    limit = model.options.context - prompts.shape[1]
    return cut_at_stop(decode_greedy(model, prompts, stop, limit), stop)


def judge_forced_answers(model: Transformer, task: StringTask, problems: Problems) -> list[bool]:
    """Whether the answer is right when the right steps up to <answer> are given."""
    prompts, gold = write_prompts(task, problems), write_outputs(task, problems)
    is_mark = gold[0] == task.vocabulary.places[ANSWER]
    steps = int(is_mark.int().argmax()) + 1 if bool(is_mark.any()) else 0
    stop = task.vocabulary.places[STOP]
    outputs = decode_greedy(model, prompts, stop, gold.shape[1], forced=gold[:, :steps])
    verdicts: list[bool] = (outputs == gold).all(dim=1).tolist()
    return verdicts


def show_output(task: StringTask, problem: Problems, output: list[int]) -> dict[str, str]:
    """A problem, what the model wrote and what it should have written, as words."""
    rows = {
        "prompt": write_prompts(task, problem)[0].tolist(),
        "wrote": output,
        "right": write_outputs(task, problem)[0].tolist(),
    }
    return {name: " ".join(task.vocabulary.decode(row)) for name, row in rows.items()}


def find_share(values: Sequence[float]) -> float:
    """Mean of rates or truth values."""
    return sum(values) / len(values)
