"""c01 and its parts: chains by brute force, verifiers, bins, costs that add up, every arm."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from retest.experiments import c01_substitution as c01
from retest.lab import attempts as choices
from retest.lab.accounting import account_parameters, count_flops
from retest.lab.attempts import (
    Attempts,
    accept_with_flips,
    find_ceiling,
    list_budgets,
    measure_dice_excess,
    measure_foreign,
    measure_planted_gap,
    measure_within,
)
from retest.lab.compute_exchange import (
    Selection,
    Workload,
    bill_large,
    bill_small,
    cost_sampling,
    cost_scoring,
    find_charged_samples,
    find_samples,
)
from retest.lab.devices import open_device
from retest.lab.difficulty import average_bins, average_by_bin, sort_into_bins
from retest.lab.model import ModelOptions, build_model
from retest.lab.model_bench import Bench
from retest.lab.selection import NO_ANSWER
from retest.lab.tasks import modular_chains as mc
from retest.lab.tasks.chain_samples import (
    Written,
    score_samples,
    show_samples,
    spell_verdicts,
    write_samples,
    write_verifier_records,
)
from retest.lab.verifiers import measure_auroc

TASK = mc.ChainTask(modulus=7, fewest=1, most=3, skew=1.0)


def build(**changes: Any) -> Any:
    options = ModelOptions(
        vocabulary=len(TASK.vocabulary), context=20, positions="learned", heads=2, **changes
    )
    return build_model(options, 3, open_device("cpu"))


def spell_row(tokens: Any) -> str:
    return " ".join(TASK.vocabulary.decode(tokens.tolist()))


# --- The task -----------------------------------------------------------------------------------


def compute_slowly(prompt: str, modulus: int) -> list[int]:
    """The results of a prompt, read from its words."""
    words = prompt.split()
    current, results = int(words[-1]), []
    for operator, operand in zip(words[:-2:2], words[1:-2:2], strict=True):
        if operator != ".":
            current = eval(f"{current} {operator.replace('x', '*')} {operand}") % modulus
            results.append(current)
    return results


def test_results_agree_with_the_words_of_the_prompt() -> None:
    chains = mc.draw_chains(TASK, 200, "test", 20_250)
    prompts, outputs = mc.write_prompts(TASK, chains), mc.write_outputs(TASK, chains)
    for prompt, output, length in zip(prompts, outputs, chains.lengths, strict=True):
        slow = compute_slowly(spell_row(prompt), 7)
        assert len(slow) == length
        assert spell_row(output[: length + 1]).split() == [*map(str, slow), "</s>"]
    assert mc.find_answers(TASK, chains).tolist() == [
        compute_slowly(spell_row(prompt), 7)[-1] for prompt in prompts
    ]
    right = mc.find_right_so_far(TASK, chains, outputs.numpy()[:, None])
    assert right.all()


def test_items_follow_from_the_seed_and_differ_between_seeds() -> None:
    first, again = (mc.draw_chains(TASK, 50, "training", 20_250) for _ in range(2))
    other = mc.draw_chains(TASK, 50, "training", 20_251)
    prompts = [mc.write_prompts(TASK, chains) for chains in (first, again, other)]
    assert torch.equal(prompts[0], prompts[1]) and not torch.equal(prompts[0], prompts[2])


def test_no_prompt_is_in_two_splits_under_any_seed() -> None:
    seen = {
        split: {
            tuple(row)
            for seed in (1, 2)
            for row in mc.write_prompts(TASK, mc.draw_chains(TASK, 2000, split, seed)).tolist()
        }
        for split in mc.SPLITS
    }
    names = list(seen)
    for place, name in enumerate(names):
        assert len(seen[name]) > 500
        for other in names[place + 1 :]:
            assert not seen[name] & seen[other]
    assert sorted(bucket for split in mc.SPLITS.values() for bucket in split) == list(range(32))


def test_operands_follow_zipfs_law() -> None:
    shares = mc.weigh_operands(TASK)
    assert shares[0] / shares[3] == pytest.approx(4.0)
    chains = mc.draw_chains(TASK, 6000, "training", 5)
    used = np.arange(TASK.most) < chains.lengths[:, None]
    counts = np.bincount(chains.operands[used], minlength=7) / used.sum()
    assert counts[2] == pytest.approx(shares[0], abs=0.02)
    assert counts[1] == pytest.approx(shares[-1], abs=0.02)


def test_answers_are_read_from_the_last_number() -> None:
    stop, plus = TASK.stop, TASK.vocabulary.places["+"]
    outputs = np.array(
        [[[3, 4, stop, stop], [3, 4, 5, 6], [stop] * 4, [3, plus, stop, stop], [5, stop, 9, 9]]]
    )
    assert mc.read_answers(TASK, outputs).tolist() == [[4, NO_ANSWER, NO_ANSWER, NO_ANSWER, 5]]
    written = mc.find_written(TASK, outputs[0])
    assert written.tolist()[0] == [True, True, True, False] and written.tolist()[1] == [True] * 4


def test_a_set_without_repeats_is_one() -> None:
    drawn = mc.draw_chains(TASK, 400, "test", 1)
    kept = mc.write_prompts(TASK, mc.drop_repeats(TASK, drawn, 150)).tolist()
    assert len({tuple(row) for row in kept}) == 150
    with pytest.raises(ValueError, match="problems differ"):
        mc.drop_repeats(TASK, drawn, 401)


def test_shown_samples_name_what_is_wrong() -> None:
    chains = mc.draw_chains(TASK, 4, "test", 1).take(np.array([0, 0, 0]))
    gold = mc.write_outputs(TASK, chains).numpy()
    outputs = gold.copy()
    outputs[1, chains.lengths[0] - 1] = (outputs[1, chains.lengths[0] - 1] + 1) % 7
    outputs[2] = 0
    written = Written(outputs[:, None], mc.read_answers(TASK, outputs[:, None]))
    verdicts = [sample.verdict for sample in show_samples(TASK, chains, written)]
    assert verdicts == ["right", "wrong: the answer", "wrong: not a chain"]


# --- The verifier -------------------------------------------------------------------------------


def test_verdicts_are_learned_up_to_the_first_wrong_word() -> None:
    chains = mc.Chains(*(np.array(each) for each in ([3], [3], [[0, 0, 0]], [[1, 1, 1]])))
    stop = TASK.stop
    outputs = np.array([[[4, 5, 6, stop], [4, 0, 6, stop], [4, stop, stop, stop]]])
    written = Written(outputs, mc.read_answers(TASK, outputs))
    records = write_verifier_records(TASK, chains, written)
    learned = [
        spell_row(tokens[is_output])
        for tokens, is_output in zip(records.tokens, records.is_output, strict=True)
    ]
    assert learned == ["right right right right", "right wrong", "right wrong"]


def test_scores_with_memory_agree_with_scores_without() -> None:
    """A second way to the same numbers: the whole row read at once, verdicts written in."""
    verifier = build(depth=2, width=8).requires_grad_(False)
    chains = mc.draw_chains(TASK, 5, "test", 1)
    written = write_samples(build(depth=1, width=8), TASK, chains, 9, 1.0, 4)
    scores = score_samples(verifier, TASK, chains, written)
    words = spell_verdicts(TASK)
    for row, prompt in enumerate(mc.write_prompts(TASK, chains).tolist()):
        for column, output in enumerate(written.outputs[row].tolist()):
            said = [token for word in output for token in (word, words.right)]
            logits = verifier(torch.tensor([prompt + said]))[0, len(prompt) :: 2].double()
            logs = logits.log_softmax(-1)[:, words.right]
            last = output.index(TASK.stop) if TASK.stop in output else len(output) - 1
            expected = float(logs[: last + 1].sum().exp())
            assert scores[row, column] == pytest.approx(expected, rel=1e-4)


def test_auroc_is_the_share_of_ordered_pairs() -> None:
    scores = np.array([0.1, 0.4, 0.4, 0.8, 0.2])
    right = np.array([False, True, False, True, True])
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0 for a in scores[right] for b in scores[~right]
    ]
    assert measure_auroc(scores, right) == pytest.approx(np.mean(pairs))
    assert np.isnan(measure_auroc(scores, np.ones(5, dtype=bool)))


# --- Choosing, and what is known beforehand -------------------------------------------------------


def make_attempts(problems: int = 40, samples: int = 64) -> Attempts:
    """Answers of which a share that differs between problems is right."""
    stream = np.random.default_rng(7)
    gold = stream.integers(0, 7, problems)
    answers = stream.integers(0, 7, (problems, samples))
    rates = np.linspace(0.0, 0.9, problems)[:, None]
    answers = np.where(stream.random(answers.shape) < rates, gold[:, None], answers)
    return Attempts(answers, stream.random(answers.shape), gold)


def test_a_knowing_verifier_reaches_the_cover_and_dice_reach_a_sample() -> None:
    attempts = make_attempts()
    assert measure_planted_gap(attempts) == 0.0
    assert abs(measure_dice_excess(attempts, 1)) < 0.02
    assert measure_foreign(attempts) < 0.35
    knowing = replace(attempts, scores=attempts.is_right.astype(float))
    assert measure_within(knowing) == 1.0
    assert abs(measure_within(attempts) - 0.5) < 0.1


@pytest.mark.parametrize("flip_rate", [0.0, 0.05, 0.2])
def test_flipped_labels_end_at_the_ceiling(flip_rate: float) -> None:
    """arXiv:2411.17501: p / (p + e (1 - p)); with e = 0 it is the cover."""
    attempts = make_attempts(problems=400, samples=600)
    reached = accept_with_flips(attempts, 600, flip_rate, 3).mean()
    ceiling = find_ceiling(attempts.is_right.mean(axis=1), flip_rate)
    assert reached == pytest.approx(ceiling, abs=0.04)
    assert find_ceiling(np.array([0.2, 0.0]), 0.2) == pytest.approx(0.5 * 0.2 / (0.2 + 0.2 * 0.8))


def test_budgets_are_powers_of_two_and_what_is_compared() -> None:
    assert list_budgets(16, [16, 5]) == [1, 2, 4, 5, 8, 16]
    assert list_budgets(63, [15, 63]) == [1, 2, 4, 8, 15, 16, 32, 63]


def test_bins_are_equal_parts_from_easy_to_hard() -> None:
    solved = np.array([0.0, 1.0, 0.5, 0.5, 0.0, 1.0])
    lengths = np.array([2, 3, 9, 2, 1, 1])
    assert sort_into_bins(solved, lengths, bins=3).tolist() == [3, 1, 2, 2, 3, 1]
    assert sort_into_bins(solved, lengths, bins=6).tolist() == [6, 2, 4, 3, 5, 1]
    means = average_by_bin(solved, np.array([3, 1, 2, 2, 3, 1]))
    assert means == {"all": 0.5, "bin_1": 1.0, "bin_2": 0.5, "bin_3": 0.0}
    assert average_bins(means, (1, 2)) == 0.75


# --- The exchange of compute --------------------------------------------------------------------

SMALL, LARGE, VERIFIER = (
    ModelOptions(vocabulary=20, context=40, depth=1, width=width, heads=4, positions="learned")
    for width in (16, 60, 32)
)
WORK = Workload(prompt_words=14, output_words=7, records=50_000)
SELECTION = Selection(VERIFIER, problems=1000, samples=16, records=100_000)


@pytest.mark.parametrize(("load", "samples"), [(0.16, 258), (0.79, 63), (22.0, 16)])
def test_the_exchange_is_the_sources(load: float, samples: int) -> None:
    assert find_samples(14, load) == samples
    exact = 14 + 3 * 13 / load  # and it makes 6 N D + k 2 N R D equal to 14 (6 N D + 2 N R D)
    assert 6 + exact * 2 * load == pytest.approx(14 * (6 + 2 * load))


def test_bills_add_up() -> None:
    bill = bill_small(SMALL, WORK, 0.79, 63, SELECTION)
    bare = bill_small(SMALL, WORK, 0.79, 63, None)
    prompts = WORK.count_prompts(0.79)
    assert prompts * WORK.record_words == pytest.approx(0.79 * WORK.tokens)
    assert bill.training == count_flops(SMALL, 50_000, 20).training
    assert bill.sampling == round(prompts * cost_sampling(SMALL, WORK, 63))
    assert bill.scoring == round(prompts * cost_scoring(VERIFIER, WORK, 63))
    assert bill.total - bare.total == bill.verifier_training + bill.scoring
    assert bill.total == bill.training + bill.sampling + bill.verifier_training + bill.scoring


def test_samples_share_the_reading_of_their_prompt() -> None:
    one, two, three = (cost_sampling(SMALL, WORK, samples) for samples in (1, 2, 3))
    assert three - two == two - one < one
    read = count_flops(SMALL, 1, WORK.prompt_words).forward
    assert one - read == two - one


@pytest.mark.parametrize("load", [0.16, 0.79, 22.0])
def test_charged_samples_spend_the_budget_and_no_more(load: float) -> None:
    budget = bill_large(LARGE, WORK, load).total
    samples = find_charged_samples(SMALL, LARGE, WORK, load, SELECTION)
    assert samples < find_samples(14, load)
    assert bill_small(SMALL, WORK, load, samples + 1, SELECTION).total > budget
    if samples:
        assert bill_small(SMALL, WORK, load, samples, SELECTION).total <= budget


# --- The experiment -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny_study() -> c01.Study:
    return c01.run_study(c01.CANARY_CONFIG, 5, "cpu")


def test_every_arm_runs_and_hands_samples_over(tiny_study: c01.Study) -> None:
    measures = tiny_study.measures
    assert set(c01.CANARY_CONFIG["arms"]) == {arm.name for arm in c01.ARMS}
    assert {"x14", "x4", "latent_depth", "labels_flipped", "by_samples"} <= set(measures)
    assert set(measures["latent_depth"]) == {f"loops_{loops}" for loops in c01.LOOPS}
    trained = {"small", "x14", "x4", *measures["latent_depth"]}
    assert set(tiny_study.samples) == trained
    assert all(len(each["test"]) == 10 for each in tiny_study.samples.values())
    assert set(tiny_study.gates) == {control.name for control in c01.PROTOCOL.controls}
    for name, samples in (("x14", [258, 63, 16]), ("x4", [60, 15, 4])):
        loads = measures[name]["loads"]
        assert [load["samples"] for load in loads.values()] == samples
        assert all(load["samples_if_all_is_charged"] < load["samples"] for load in loads.values())


def test_loops_cost_what_one_pass_does_and_share_its_weights(tiny_study: c01.Study) -> None:
    depths = tiny_study.measures["latent_depth"]
    sizes = {depth["block_parameters"] for depth in depths.values()}
    assert len(sizes) == 1
    assert [depths[f"loops_{r}"]["loads"]["even"]["samples"] for r in c01.LOOPS] == [63, 31, 15, 7]
    costs = [depth["loads"]["even"]["operations"] for depth in depths.values()]
    assert max(costs) / min(costs) < 1.6  # the head and the prompt are not looped


def test_the_best_of_three_rates_is_kept(tiny_study: c01.Study) -> None:
    small = tiny_study.measures["small"]
    assert [each["rate"] for each in small["rates_tried"]] == c01.CANARY_CONFIG["small"]["rates"]
    best = max(each["validation_accuracy"] for each in small["rates_tried"])
    assert small["validation_accuracy"] == best
    kept = next(each for each in small["rates_tried"] if each["validation_accuracy"] == best)
    assert small["learning_rate"] == kept["rate"]


def test_the_estimands_are_what_the_protocol_says(tiny_study: c01.Study) -> None:
    """A second implementation, from the bins of a load."""
    loads = tiny_study.measures["x14"]["loads"]
    got = c01.read_estimates(loads, "gain")

    def gain(load: str, *bins: int) -> float:
        means = [loads[load]["gain"]["verifier"][f"bin_{place}"] for place in bins]
        return float(np.mean(means))

    assert got["gain_easier_light"] == pytest.approx(gain("light", 1, 2, 3))
    assert got["loss_hardest_heavy"] == pytest.approx(-gain("heavy", 5))
    assert got["hard_over_easy"] == pytest.approx(gain("even", 4, 5) - gain("even", 1, 2))
    accuracy = loads["light"]["accuracy"]
    greedy = tiny_study.measures["x14"]["greedy"]
    for place, value in accuracy.items():
        assert loads["light"]["gain"]["verifier"][place] == pytest.approx(value - greedy[place])


def list_paths() -> list[str]:
    paths = [number.path for number in c01.SHOWN.source_numbers]
    series = [points for curve in c01.SHOWN.curves for points in curve.series.values()]
    return paths + [path for points in series for _, path in points]


@pytest.mark.parametrize("path", sorted(set(list_paths())))
def test_what_is_shown_is_measured(tiny_study: c01.Study, path: str) -> None:
    value: Any = tiny_study.measures
    for key in path.split("."):
        value = value[key]
    assert isinstance(value, int | float)


def test_every_outcome_of_every_reading_has_its_words() -> None:
    names = {reading.name for reading in c01.PROTOCOL.readings}
    assert set(c01.SHOWN.means) == {*names, "all"}
    outcomes = {"CONSISTENT", "SHIFTED", "ATTENUATED", "UNDECIDED", "INVALID"}
    assert all(set(words) == outcomes for words in c01.SHOWN.means.values())


@pytest.mark.parametrize("profile", ["smoke", "nightly", "full"])
def test_sizes_are_as_far_apart_as_their_names(profile: str) -> None:
    """Trained numbers of the blocks, counted from the options: 14 and 4 times the small one's."""
    config = c01.PROTOCOL.profiles[profile].config
    task = mc.ChainTask(**config["task"])
    bench = Bench(task, config, 1, torch.device("cpu"))
    small = account_parameters(bench.shape(config["small"]["shape"])).body
    bench.shape(config["verifier"]["shape"])
    assert set(config["larger"]) <= set(config["arms"]) | {c01.PRIMARY}
    for name, subject in config["larger"].items():
        ratio = account_parameters(bench.shape(subject["shape"])).body / small
        assert ratio == pytest.approx(subject["ratio"], rel=0.005)
        assert name == f"x{subject['ratio']}"


def run_tiny(monkeypatch: pytest.MonkeyPatch) -> Any:
    profile = replace(
        c01.PROTOCOL.profiles["smoke"],
        config={**c01.CANARY_CONFIG, "arms": c01.NIGHTLY_ARMS},
    )
    changed = replace(c01.PROTOCOL, profiles={"smoke": profile})
    monkeypatch.setattr(c01, "PROTOCOL", changed)
    return c01.run_seed(6, "smoke", "cpu")


def test_a_selection_that_ignores_the_verifier_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        choices, "choose_weighted", lambda answers, weights: choices.choose_majority(answers)
    )
    assert not run_tiny(monkeypatch).controls["planted_verifier_gap"].passed


def test_a_selection_that_sees_the_right_answers_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Attempts, "judge", lambda self, selector, samples: self.is_right[:, :samples].any(axis=1)
    )
    assert not run_tiny(monkeypatch).controls["dice_verifier_excess"].passed


def test_a_checker_that_accepts_everything_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Attempts, "judge", lambda self, selector, samples: np.ones(len(self.gold), dtype=bool)
    )
    assert not run_tiny(monkeypatch).controls["foreign_accuracy"].passed


def test_a_model_that_knows_nothing_is_no_regime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten steps of training: outputs are no chains, samples are not right."""
    result = run_tiny(monkeypatch)
    assert not result.controls["parse_rate"].passed
    assert not result.controls["small_pass_at_1"].passed
