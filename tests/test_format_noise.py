"""Damaged prompts: what is damaged, what can be known of it, what released scoring does."""

from collections import defaultdict
from itertools import product

import numpy as np
import pytest
import torch

from db.errors import UsageError
from retest.lab.tasks.chains import judge_output, write_all_prompts, write_gold
from retest.lab.tasks.format_noise import (
    Noise,
    cut_as_released,
    damage_prompts,
    find_ceiling,
    find_chances,
    match_as_released,
    write_damaged_records,
)
from retest.lab.tasks.string_arms import NAMES
from retest.lab.tasks.strings import UNKNOWN, StringTask, draw_elements, share_out

TASK = StringTask(NAMES)
MARK = TASK.vocabulary.places[UNKNOWN]
GROUPS = share_out(draw_elements(4, 900, 5), ["F1F1", "F1F2", "F2F1"], 300, apart=True)
PROMPTS = write_all_prompts(TASK, GROUPS)
KINDS = ("insert", "delete", "modify", "hybrid")


def test_insertion_keeps_what_was_there() -> None:
    damaged = damage_prompts(TASK, PROMPTS, Noise("insert", 0.2), 1)
    assert [[token for token in row if token != MARK] for row in damaged] == PROMPTS
    marks = sum(row.count(MARK) for row in damaged)
    assert marks / (4 * len(PROMPTS)) == pytest.approx(0.2, abs=0.03)


def test_deletion_and_replacement_take_as_many_letters() -> None:
    for kind in ("delete", "modify"):
        damaged = damage_prompts(TASK, PROMPTS, Noise(kind, 0.2), 1)
        lost = [4 - sum(token < 26 for token in row) for row in damaged]
        assert sum(lost) / (4 * len(PROMPTS)) == pytest.approx(0.2, abs=0.03)
        for row, prompt, gone in zip(damaged, PROMPTS, lost, strict=True):
            assert len(row) == len(prompt) - (gone if kind == "delete" else 0)
            assert row[-3:] == prompt[-3:]


def test_only_the_named_fields_are_damaged() -> None:
    for field, part in (("functions", slice(4, 6)), ("mark", slice(6, 7))):
        noise = Noise("modify", 0.5, (field,))  # type: ignore[arg-type]
        for row, prompt in zip(damage_prompts(TASK, PROMPTS, noise, 1), PROMPTS, strict=True):
            changed = {at for at, token in enumerate(row) if token != prompt[at]}
            assert changed <= set(range(*part.indices(7)))


def test_noise_is_drawn_from_its_seed() -> None:
    first, again, other = (
        damage_prompts(TASK, PROMPTS, Noise("hybrid", 0.2), s) for s in (1, 1, 2)
    )
    assert first == again != other


def test_damaged_records_learn_whole_outputs() -> None:
    noise = Noise("insert", 0.2, ("functions", "mark"))
    records = write_damaged_records(TASK, GROUPS, noise, 3)
    gold = write_gold(TASK, GROUPS)
    for row, is_output, right in zip(records.tokens, records.is_output, gold, strict=True):
        assert row[is_output].tolist() == right
    assert bool((records.tokens == MARK).any())
    assert records.tokens.dtype == torch.int64


# --- The ceiling --------------------------------------------------------------------------------


def list_damage(element: tuple[int, ...], noise: Noise) -> dict[tuple[int, ...], float]:
    """Everything that can become of an element, by brute force."""
    chances: dict[tuple[int, ...], float] = defaultdict(float)
    keep = 1 - sum(noise.shares.values())
    for edits in product(["keep", *noise.shares], repeat=len(element)):
        seen: list[int] = []
        chance = 1.0
        for letter, edit in zip(element, edits, strict=True):
            chance *= keep if edit == "keep" else noise.shares[edit]
            seen += {"keep": [letter], "insert": [-1, letter], "delete": [], "modify": [-1]}[edit]
        chances[tuple(seen)] += chance
    return chances


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [0.1, 0.6])
def test_the_ceiling_is_that_of_brute_force(kind: str, rate: float) -> None:
    noise = Noise(kind, rate)  # type: ignore[arg-type]
    best: dict[tuple[int, ...], float] = defaultdict(float)
    for element in product(range(26), repeat=2):
        for seen, chance in list_damage(element, noise).items():
            best[seen] = max(best[seen], chance)
    assert find_ceiling(noise, 2) == pytest.approx(sum(best.values()) / 26**2, rel=1e-12)


def test_ceilings_that_are_known_by_hand() -> None:
    assert find_ceiling(Noise("insert", 0.2), 4) == 1.0
    assert find_ceiling(Noise("modify", 0.2), 4) == pytest.approx((0.8 + 0.2 / 26) ** 4)
    # Of one letter that was deleted one in 26 is guessed.
    assert find_ceiling(Noise("delete", 0.3), 1) == pytest.approx(0.7 + 0.3 / 26)


@pytest.mark.parametrize("kind", KINDS)
def test_chances_of_items_average_to_the_ceiling(kind: str) -> None:
    noise = Noise(kind, 0.2)  # type: ignore[arg-type]
    elements = np.concatenate([draw_elements(4, 3000, seed) for seed in range(2)])
    prompts = write_all_prompts(TASK, share_out(elements, ["F1F2"], 6000, apart=True))
    chances = find_chances(TASK, damage_prompts(TASK, prompts, noise, 7), noise, 4)
    assert sum(chances) / len(chances) == pytest.approx(find_ceiling(noise, 4), abs=0.02)


def test_an_undamaged_prompt_is_no_riddle_and_a_mark_in_place_of_a_letter_is() -> None:
    noise = Noise("modify", 0.1)
    whole, gap = find_chances(TASK, [PROMPTS[0], [MARK, *PROMPTS[0][1:]]], noise, 4)
    assert whole == pytest.approx(1.0) and gap == pytest.approx(1 / 26)


def test_what_lost_functions_cost_is_not_known() -> None:
    with pytest.raises(UsageError, match="a ceiling is known for noise on elements"):
        find_ceiling(Noise("delete", 0.1, ("functions",)), 4)
    assert find_ceiling(Noise("insert", 0.1, ("functions",)), 4) == 1.0


# --- The released scoring -----------------------------------------------------------------------


def test_each_mark_eats_five_characters_of_the_prediction() -> None:
    assert cut_as_released("A B C D [F1] <answer>", "N O P Q") == "N O P Q"
    assert cut_as_released("A <unk> B C D [F1] <answer>", "N O P Q") == "P Q"


@pytest.mark.parametrize("kind", KINDS)
def test_perfect_outputs_are_refused_by_it_and_accepted_here(kind: str) -> None:
    damaged = damage_prompts(TASK, PROMPTS, Noise(kind, 0.2), 1)  # type: ignore[arg-type]
    gold = write_gold(TASK, GROUPS)
    marked = sum(MARK in prompt for prompt in damaged) / len(damaged)
    assert match_as_released(TASK, damaged, gold, gold) == pytest.approx(1 - marked)
    assert (marked == 0) == (kind == "delete")
    composition = GROUPS[0].composition
    assert all(judge_output(TASK, composition, right, right).full for right in gold)
