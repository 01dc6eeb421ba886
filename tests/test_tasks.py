"""The lab's tasks: generators keep their promises, verifiers accept gold and refuse faults."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retest.lab.tasks import dispatch, sudoku
from retest.lab.tasks.chains import judge_chain
from retest.lab.tasks.constraints import (
    UNREADABLE,
    ConstraintTask,
    Instances,
    count_words,
    draw_apart,
    rate_answers,
    rate_solver,
    read_answers,
    write_records,
)
from retest.lab.tasks.strings import (
    Problems,
    StringTask,
    draw_elements,
    parse_composition,
    split_elements,
    write_outputs,
    write_prompts,
)
from retest.lab.tasks.strings import write_records as write_string_records

STRINGS = StringTask(("rot13", "left1"))
SEED, OTHER_SEED = 20_250, 20_251  # neighbours on purpose
TASKS: list[ConstraintTask] = [dispatch, sudoku]


def spell_problems(text: str, composition: str) -> Problems:
    elements = np.array([[ord(letter) - ord("A") for letter in text]])
    return Problems(elements, parse_composition(composition))


def encode(text: str) -> list[int]:
    return STRINGS.vocabulary.encode(text.split())


# --- String functions ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("composition", "record"),
    [
        ("F1F2", "A B C D [F1] [F2] <think> N O P Q [F2] <answer> O P Q N </s>"),
        ("F2F2", "A B C D [F2] [F2] <think> B C D A [F2] <answer> C D A B </s>"),
        ("F1", "A B C D [F1] <answer> N O P Q </s>"),
        (
            "F1F2F1",
            "A B C D [F1] [F2] [F1] <think> N O P Q [F2] [F1] <think> "
            "O P Q N [F1] <answer> B C D A </s>",
        ),
    ],
)
def test_records_read_as_in_the_source(composition: str, record: str) -> None:
    records = write_string_records(STRINGS, [spell_problems("ABCD", composition)])
    assert STRINGS.vocabulary.decode(records.tokens[0].tolist()) == record.split()


def test_a_record_of_two_steps_has_18_tokens_of_which_11_are_learned() -> None:
    records = write_string_records(STRINGS, [spell_problems("ABCD", "F1F2")])
    assert records.tokens.shape == (1, 18)
    assert int(records.is_output.sum()) == 11


def test_without_steps_only_the_answer_is_written() -> None:
    task = StringTask(("rot13", "left1"), shows_steps=False)
    records = write_string_records(task, [spell_problems("ABCD", "F1F2")])
    words = " ".join(task.vocabulary.decode(records.tokens[0].tolist()))
    assert words == "A B C D [F1] [F2] <answer> O P Q N </s>"


@pytest.mark.parametrize("composition", ["F1F1", "F1F2", "F2F1", "F2F2"])
@pytest.mark.parametrize("length", [3, 4, 5])
def test_the_verifier_accepts_gold_and_refuses_any_changed_token(
    composition: str, length: int
) -> None:
    problems = Problems(draw_elements(length, 3, SEED), parse_composition(composition))
    for row, gold in enumerate(write_outputs(STRINGS, problems).tolist()):
        score = judge_chain(STRINGS, problems, row, gold)
        assert score.full and score.reasoning and score.answer and score.edit_distance == 0
        assert score.is_fluent and score.follows_prompt and score.follows_itself
        for place in range(len(gold)):
            fault = gold.copy()
            fault[place] = (fault[place] + 1) % len(STRINGS.vocabulary)
            faulty = judge_chain(STRINGS, problems, row, fault)
            assert not faulty.full
            assert faulty.edit_distance > 0
            assert not (faulty.reasoning and faulty.answer)


def test_a_chain_that_follows_the_wrong_function_is_told_apart() -> None:
    """The failure that the released split teaches: right step, [F1] for [F2], answer by F1."""
    problems = spell_problems("QAHF", "F2F2")
    score = judge_chain(STRINGS, problems, 0, encode("A H F Q [F1] <answer> N U S D </s>"))
    assert score.is_fluent and score.follows_itself
    assert not (score.full or score.reasoning or score.answer or score.follows_prompt)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "</s>",
        "A H </s>",
        "A H [F1] <answer> </s>",
        "[F1] <answer> N U S D </s>",
        "A H F Q [F1]",
    ],
)
def test_what_is_not_a_chain_is_not_fluent(text: str) -> None:
    score = judge_chain(STRINGS, spell_problems("QAHF", "F2F2"), 0, encode(text))
    assert not score.is_fluent and not score.full and not score.follows_itself


@settings(deadline=None)
@given(st.lists(st.integers(0, len(STRINGS.vocabulary) - 1), max_size=20))
def test_any_output_can_be_judged(output: list[int]) -> None:
    score = judge_chain(STRINGS, spell_problems("QAHF", "F1F2"), 0, output)
    assert score.full == (output == encode("D N U S [F2] <answer> N U S D </s>"))


def test_held_out_elements_are_a_tenth_and_apart() -> None:
    known, held_out = split_elements(4, 0.1, SEED)
    assert len(held_out) == 45_698 and len(known) + len(held_out) == 26**4
    assert not {tuple(row) for row in known.tolist()} & {tuple(row) for row in held_out.tolist()}


def test_two_seeds_share_string_items_at_chance_only() -> None:
    """4-letter elements are few; 34,000 draws of 456,976 meet 34,000 others by chance."""
    first, second = (
        {tuple(row) for row in split_elements(4, 0.1, seed)[0][:34_000].tolist()}
        for seed in (SEED, OTHER_SEED)
    )
    assert len(first & second) / 34_000 == pytest.approx(34_000 / 26**4, abs=0.01)
    longer = [draw_elements(5, 500, seed).tolist() for seed in (SEED, OTHER_SEED)]
    assert not {tuple(row) for row in longer[0]} & {tuple(row) for row in longer[1]}


def test_prompts_end_where_outputs_begin() -> None:
    problems = Problems(draw_elements(4, 7, SEED), (1, 0))
    records = write_string_records(STRINGS, [problems])
    assert write_prompts(STRINGS, problems).shape[1] == records.first_output == 7


# --- Tasks under constraints --------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_gold_meets_every_constraint_and_planted_faults_do_not(task: ConstraintTask) -> None:
    instances = task.draw_instances(SEED, "test", 300)
    assert rate_answers(task, instances, instances.answers)["all"] == 1.0
    faulty = task.corrupt(instances.answers)
    assert ((faulty != instances.answers).sum(axis=1) == 1).all()
    assert rate_answers(task, instances, faulty)["all"] == 0.0


@pytest.mark.parametrize("task", TASKS)
def test_the_independent_solver_meets_every_constraint(task: ConstraintTask) -> None:
    rates = rate_solver(task, task.draw_instances(SEED, "test", 40))
    assert rates["solver"]["all"] == 1.0
    assert rates["corrupted"] == 0.0


@pytest.mark.parametrize("task", TASKS)
def test_the_same_seed_draws_the_same_items_and_a_neighbour_others(task: ConstraintTask) -> None:
    first, again = (task.draw_instances(SEED, "training", 400) for _ in range(2))
    assert first.problems.tobytes() == again.problems.tobytes()
    assert first.answers.tobytes() == again.answers.tobytes()
    other = task.draw_instances(OTHER_SEED, "training", 400)
    mine, theirs = ({row.tobytes() for row in part.problems} for part in (first, other))
    assert len(mine & theirs) <= 2


@pytest.mark.parametrize("task", TASKS)
def test_no_test_problem_was_trained_on(task: ConstraintTask) -> None:
    sets = draw_apart(task, SEED, 3000, 200)
    trained = {row.tobytes() for row in sets.training.problems}
    tested = {row.tobytes() for row in sets.test.problems}
    assert len(tested) == 200 and not trained & tested


def test_a_test_stream_that_repeats_training_is_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = sudoku.draw_instances

    def draw_alike(seed: int, purpose: str, count: int) -> Instances:
        return draw(seed, "training", count)  # whatever the purpose

    monkeypatch.setattr(sudoku, "draw_instances", draw_alike)
    sets = draw_apart(sudoku, SEED, training_items=30, test_items=20)
    assert len(sets.test) == 10, "of 40 drawn, the 30 of the training set are left out"
    assert not (sets.test.problems[:, None] == sets.training.problems[None]).all(axis=2).any()


@pytest.mark.parametrize("task", TASKS)
def test_repeated_problems_are_left_out(task: ConstraintTask) -> None:
    from retest.lab.tasks.constraints import find_new

    training = task.draw_instances(SEED, "training", 20)
    assert not find_new(training, training).any()
    twice = training.keep(np.array([0, 0, 1, 1]))
    assert find_new(twice, training.keep(np.array([5]))).tolist() == [True, False, True, False]


@pytest.mark.parametrize("task", TASKS)
def test_answers_survive_writing_and_reading(task: ConstraintTask) -> None:
    instances = task.draw_instances(SEED, "test", 20)
    records = write_records(task, instances, "direct")
    outputs = records.tokens[:, records.first_output :].tolist()
    places = instances.answers.shape[1]
    assert (read_answers(task, outputs, places) == instances.answers).all()
    stop = count_words(task) - 1
    broken = [outputs[0][:-1], [stop], outputs[0] + outputs[0], [stop - 1, *outputs[0][1:]]]
    assert (read_answers(task, broken, places) == UNREADABLE).all()


@pytest.mark.parametrize("task", TASKS)
def test_unreadable_answers_meet_nothing(task: ConstraintTask) -> None:
    instances = task.draw_instances(SEED, "test", 5)
    rates = rate_answers(task, instances, np.full_like(instances.answers, UNREADABLE))
    assert rates["parse_rate"] == rates["mean"] == rates["all"] == 0.0


@pytest.mark.parametrize("task", TASKS)
def test_guesses_know_nothing_but_the_problem_and_the_training_set(task: ConstraintTask) -> None:
    sets = draw_apart(task, SEED, 500, 100)
    guesses = task.guess(sets.test.problems, sets.training, SEED)
    assert sorted(guesses) == ["N0", "N1", "N2", "N3"]
    for answers in guesses.values():
        assert rate_answers(task, sets.test, answers)["exact"] < 0.5
    own = task.guess(sets.training.problems[:50], sets.training, SEED)["N2"]
    assert (own == sets.training.answers[:50]).all()


def test_dispatch_by_hand() -> None:
    """Bus 1 is cheap; a limit of 5 MW on line 1-2 keeps it from serving bus 2 alone."""
    buses = [0, 0, 60, 1, 30, 0, 60, 9, 0, 0, 60, 20]
    free, tight = np.array([[*buses, 50, 50, 50]]), np.array([[*buses, 5, 50, 50]])
    assert dispatch.find_cheapest(free).tolist() == [[30, 0, 0]]
    assert dispatch.find_cheapest(tight).tolist() == [[7, 23, 0]]  # (7 + 7) / 3 < 5 < (8 + 8) / 3
    assert dispatch.share_binding(np.concatenate((free, tight))) == 0.5
    verdicts = dispatch.check(tight, np.array([[30, 0, 0]]))
    assert verdicts["lines"].tolist() == [[False, True, True]]
    assert verdicts["bounds"].all() and verdicts["balance"].all()


def test_the_dispatch_tolerance_is_one_megawatt() -> None:
    instances = dispatch.draw_instances(SEED, "test", 50)
    for surplus, balanced in ((1, True), (-1, True), (2, False)):
        shifted = instances.answers + np.array([surplus, 0, 0])
        assert (dispatch.check(instances.problems, shifted)["balance"] == balanced).all()


def test_dispatch_agrees_with_highs_on_the_cheapest_cost() -> None:
    instances = dispatch.draw_instances(SEED, "test", 40)
    cost = dispatch.split_problem(instances.problems)[3]
    solved = np.stack([dispatch.solve(problem) for problem in instances.problems])
    assert ((cost * solved).sum(1) == (cost * instances.answers).sum(1)).all()


def test_line_limits_bind_in_most_dispatch_problems() -> None:
    assert dispatch.share_binding(dispatch.draw_instances(SEED, "test", 1000).problems) > 0.5


def test_dispatch_that_cannot_be_balanced_has_no_answer() -> None:
    starved = np.array([[40, 0, 10, 1, 40, 0, 10, 2, 40, 0, 10, 3, 50, 50, 50]])
    assert dispatch.find_cheapest(starved).tolist() == [[-1, -1, -1]]


def test_there_are_288_sudoku_grids_of_four() -> None:
    grids = sudoku.list_grids()
    assert len({row.tobytes() for row in grids}) == 288
    assert all(met.all() for met in sudoku.check(np.zeros_like(grids), grids).values())


def test_sudoku_problems_have_six_to_ten_blanks_and_one_solution() -> None:
    instances = sudoku.draw_instances(SEED, "test", 500)
    blanks = (instances.problems == 0).sum(axis=1)
    assert blanks.min() >= 6 and blanks.max() <= 10 and len(set(blanks.tolist())) == 5
    assert (sudoku.count_solutions(instances.problems) == 1).all()
    assert sudoku.count_solutions(np.zeros((1, 16), dtype=np.int64)).tolist() == [288]


def test_each_sudoku_family_catches_its_own_fault() -> None:
    right = np.array([[1, 2, 3, 4], [3, 4, 1, 2], [2, 1, 4, 3], [4, 3, 2, 1]])
    swapped_rows = right[[0, 2, 1, 3]].reshape(1, 16)  # rows and columns stay whole
    verdicts = sudoku.check(np.zeros((1, 16), dtype=np.int64), swapped_rows)
    assert verdicts["rows"].all() and verdicts["columns"].all() and not verdicts["boxes"].all()
    instances = sudoku.draw_instances(SEED, "test", 1)
    other_clue = instances.problems.copy()
    clue = int(np.flatnonzero(other_clue[0])[0])
    other_clue[0, clue] = other_clue[0, clue] % 4 + 1
    assert (~sudoku.check(other_clue, instances.answers)["clues"]).sum() == 1
