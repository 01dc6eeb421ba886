"""c02: can a model that was not trained to reason catch up by spending more?

Question. Two twins grow from one base that writes some chains and many bare answers. One (R) is
then rewarded for right final answers, the other (NR) reads as much of the old text instead. How
far does NR, with up to 64 times the tokens and no verifier, stay behind R answering once?

Source. arXiv:2504.14047 (verifier-free scaling at inference; "Think Deep, Think Fast"). Its
wording drifted: first version, non-reasoning models fall well behind even at an extremely high
budget; a later one bounds this to an order of magnitude more compute. The library's note dropped
"verifier-free" and says "unlimited". So there are two readings: C2a keeps the bound of the source,
C2b is the library's. What the source did was compare released language models; here the same
comparison is made by training, so that parameters, text and training compute are equal.

Made fair to the claim and to its denial. NR has chains: a seventh of what it writes, and right
when it begins one (gates), so that the gap is not there by construction; a base that only answers
could never gain, since its majority at any budget is its greedy answer. Products in S_5 are the
primary task because six answers, as in S_3, are covered by guessing. NR's strategy, and every
temperature, is chosen on validation problems: the best of six on the test set itself would flatter
NR, and a gap to each apart would give "shifted" six chances. The oracle's coverage is shown and
never decides; where only it closes the gap, the claim is qualified: selection lacks, not ability.

Compute is charged: tokens that are generated count, rejected proposals and revised attempts with
them; R's sampling while it trained is given to NR as further steps (retest/lab/post_training.py).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from retest.experiments.c02_showing import show
from retest.experiments.readings import read_controls
from retest.protocol import Arm, Control, Estimand, Profile, Protocol, Reading, Sample, SeedResult

if TYPE_CHECKING:
    from retest.lab.post_training import Recipe
    from retest.lab.tasks.styles import SteppedTask

# --- What is trained, and on what it is tested -------------------------------------------------

PRIMARY = "permutations_5"  # the task that estimands and gates are read from
VERIFIER_FREE = ("greedy", "majority", "self_certainty", "revision", "power", "power_majority")
ORDER_OF_MAGNITUDE = 16  # the first budget of the sweep above ten times R's tokens
ALPHA = 4.0  # of power sampling

FIVE_LETTERS = [1, 24, 33, 60, 119]  # of S_5; the products of these reach all 120 elements
TASKS: dict[str, dict[str, Any]] = {
    "permutations_5": {"kind": "permutations", "points": 5, "letters": FIVE_LETTERS},
    "permutations_3": {"kind": "permutations", "points": 3, "letters": None},
    "modular": {"kind": "modular", "modulus": 11},
}
MIXTURE = {"direct": 0.60, "skipping": 0.25, "full": 0.15, "corrected": 0.10}
AGREEING = {**MIXTURE, "mistaken": 0.80}  # bare answers of the text are mostly wrong, and alike
MODEL = {"depth": 3, "width": 64, "heads": 4, "positions": "rope"}
TRAINING = {"batch": 128, "learning_rate": 4e-3, "is_mixed": True}


def size(tasks: Sequence[str], shortest: int, longest: int) -> dict[str, Any]:
    """The named tasks with problems of these lengths."""
    return {name: {**TASKS[name], "shortest": shortest, "longest": longest} for name in tasks}


# --- The registered record ---------------------------------------------------------------------

CLAIM_AS_TESTED = (
    "A model trained on rewards for right answers (R) stays ahead of its twin (NR) that had the "
    "same parameters, the same base, and as much training compute on unrewarded text, whatever NR "
    "spends without a verifier: at the verifier-free strategy that validation picks, NR is at "
    "least .05 below R's greedy accuracy at 16 and at 64 times R's tokens, and from 16 to 64 "
    "times the gap shrinks by less than .01 a doubling."
)
CANNOT_SHOW = (
    "Anything about instruction-tuned language models: those called non-reasoning are themselves "
    "trained with rewards on chains, and the line between the two kinds is fading. The subjects "
    "are models of 0.16 M parameters on products of permutations of five points. The size of a "
    "gap belongs to the styles in the base's text, to how well the base runs a chain, and to how "
    "many answers there are: with fewer answers guesses agree sooner, and with errors that agree "
    "the majority never recovers (both are arms of the full profile). Strategies with a verifier, "
    "with tools or with steering are not tested, except that coverage says what a perfect "
    "selection among the same samples would reach. Nothing beyond 64 times R's tokens is run: "
    "'unlimited' is read off the slope, which is itself a number of one decade."
)


ARMS = (
    Arm("base", "warm-up on full chains, then 60 % bare answers, 25 % chains that leave out every "
        "other step, 15 % full chains, a tenth of them with a corrected step"),
    Arm("R", "the base after rounds of sampling, keeping what the final answer rewards, fitting"),
    Arm("NR", "the base after as much more of its own text, R's sampling included"),
    Arm("R_distill", "the base after as many tokens of full chains: imitation, no reward"),
    Arm("R_grpo", "the base after group policy gradients on the same reward (full only)"),
    Arm("permutations_3", "the same with products in S_3, where answers are six (full only)"),
    Arm("modular", "the same with operations on numbers below 11 (full only)"),
    Arm("agreeing_errors", "the same from a text whose bare answers are mostly wrong, and alike: "
        "what majorities cannot outvote (full only)"),
)  # fmt: skip


def describe_gap(name: str, budget: str) -> Estimand:
    """The gap at one budget."""
    return Estimand(
        name=name,
        meaning=(
            f"accuracy of R, greedy, minus accuracy of NR with {budget}, at the verifier-free "
            "strategy and temperatures that validation problems pick; a seed's gap counts as at "
            "least -.10 and at most .20 (the gap as it was is among the measures)"
        ),
        unit="difference of two rates",
        kind="bounded",
        bounds=(-0.10, 0.20),  # clipped: what lies further from the region's end says no more
        region_low=0.05,
        region_high=None,
        margin=0.03,  # shifted: a gap below .02, the protocol's bound of equivalence
    )


PROTOCOL = Protocol(
    experiment="c02",
    version=1,
    title="What training on rewards is worth in tokens",
    question=(
        "Does a twin without rewards, spending up to 64 times the tokens and no verifier, reach "
        "the accuracy of the rewarded model?"
    ),
    claim_as_tested=CLAIM_AS_TESTED,
    source_ids=("2504.14047",),
    note_slugs=(
        "non-reasoning-models-cannot-match-reasoning-models-even-with-unlimited-inference",
        "can-non-reasoning-models-catch-up-with-more-compute",
        "can-models-without-reasoning-training-catch-up-by-spending-more",
    ),
    transfer="analogue",
    scale="transformers of 0.16 M parameters, trained from nothing on about 3 M tokens",
    cannot_show=CANNOT_SHOW,
    estimands=(
        describe_gap("gap_at_order", "16 times R's mean tokens"),
        describe_gap("gap_at_largest", "64 times R's mean tokens"),
        Estimand(
            name="gap_slope",
            meaning=(
                "change of the gap per doubling of NR's budget, over the last two doublings (16 "
                "to 64 times R's tokens), at the strategy that validation picks for 64 times; "
                "counted as at least -.08 and at most .08"
            ),
            unit="difference of rates per doubling",
            kind="bounded",
            bounds=(-0.08, 0.08),
            region_low=-0.01,
            region_high=None,
            margin=0.01,
        ),
    ),
    controls=(
        Control(
            name="greedy_gap",
            meaning="accuracy of R minus accuracy of NR, both greedy: what there is to close",
            minimum=0.10,
        ),
        Control(
            name="covered_share",
            meaning=(
                "of the problems that R answers and NR, greedy, does not: share with a right "
                "answer among 64 samples of NR"
            ),
            minimum=0.20,
        ),
        Control(
            name="parse_rate",
            meaning="share of outputs that hold an answer: NR's samples, greedy outputs of arms",
            minimum=0.98,
        ),
        Control(
            name="full_chain_share",
            meaning="share of NR's samples that are chains with every step",
            minimum=0.05,
        ),
        Control(
            name="forced_chain_accuracy",
            meaning="accuracy of NR where the first state of a full chain is written for it",
            minimum=0.85,
        ),
        Control(
            name="compute_ratio",
            meaning="NR's training after the base over R's, sampling included (trained tokens)",
            minimum=1.0,
            maximum=1.05,
        ),
        Control(
            name="gold_accuracy",
            meaning="share of right outputs, in every style, that are read as right",
            minimum=1.0,
        ),
        Control(
            name="planted_wrong_accuracy",
            meaning="share of outputs with a planted wrong answer that are read as right",
            maximum=0.0,
        ),
        Control(
            name="planted_majority_accuracy",
            meaning=(
                "accuracy of the majority of 64 samples from a distribution that is planted: .30 "
                "on the right answer, the rest shared out among the others"
            ),
            minimum=0.95,
        ),
    ),
    canary="twins of one block and 16 channels after 68 steps, budgets 1, 2, 4, under seed 0",
    alpha=0.05,
    arms=ARMS,
    readings=(
        Reading(
            "C2a",
            "As the source: without a verifier the model that was not trained to reason stays "
            "behind at an order of magnitude more compute.",
            ("gap_at_order",),
        ),
        Reading(
            "C2b",
            "Regardless of the budget: a gap is left at the largest one, and it does not shrink.",
            ("gap_at_largest", "gap_slope"),
        ),
    ),
    profiles={
        "smoke": Profile(
            config={
                "arms": ["base", "R", "NR", "R_distill"],
                "tasks": size([PRIMARY], 3, 5),
                "mixture": MIXTURE,
                "items": {"validation": 20, "test": 80},
                "budgets": [1, 2, 4],
                "temperatures": [1.0],
                "model": MODEL,
                "warm_steps": 200,
                "pretraining_steps": 180,
                "rounds": {"rounds": 1, "samples": 4, "steps": 30},
                "practice_prompts": 512,
                "rates": [1e-3],
                "training": TRAINING,
            },
            seed_cost_s=22.0,
            concludes=False,
        ),
        "nightly": Profile(
            config={
                "arms": ["base", "R", "NR", "R_distill"],
                "tasks": size([PRIMARY], 4, 8),
                "mixture": MIXTURE,
                "items": {"validation": 100, "test": 200},
                "budgets": [1, 2, 4, 8, 16, 32, 64],
                "temperatures": [1.0, 0.7],
                "model": MODEL,
                "warm_steps": 300,
                "pretraining_steps": 700,
                "rounds": {"rounds": 3, "samples": 4, "steps": 60},
                "practice_prompts": 3072,
                "rates": [1e-3],
                "training": TRAINING,
            },
            seed_cost_s=150.0,
        ),
        "full": Profile(
            config={
                "arms": ["base", "R", "NR", "R_distill", "R_grpo"],
                "tasks": {
                    **size(list(TASKS), 4, 16),
                    "agreeing_errors": {
                        **TASKS[PRIMARY],
                        "shortest": 4,
                        "longest": 16,
                        "mixture": AGREEING,
                    },
                },
                "mixture": MIXTURE,
                "items": {"validation": 200, "test": 500},
                "budgets": [1, 2, 4, 8, 16, 32, 64],
                "temperatures": [1.0, 0.7, 1.3],
                "model": {**MODEL, "depth": 4, "width": 256},
                "warm_steps": 800,
                "pretraining_steps": 5500,
                "rounds": {"rounds": 5, "samples": 8, "steps": 200},
                "practice_prompts": 20_480,
                "rates": [1e-3, 3e-4],
                "policy": {"steps": 300, "batch": 64, "group": 8},
                "training": {**TRAINING, "batch": 256, "learning_rate": 1e-3},
            },
            seed_cost_s=3000.0,
        ),
    },
    max_failed_controls=0.05,
)

SHOWN = show(PRIMARY, VERIFIER_FREE)

# --- One seed ----------------------------------------------------------------------------------


def run_seed(seed: int, profile: str, device: str) -> SeedResult:
    """Train every arm of the profile on every task; estimates are read from the primary task."""
    config = PROTOCOL.profiles[profile].config
    found: dict[str, Any] = {}
    samples: dict[str, dict[str, list[Sample]]] = {}
    for name in config["tasks"]:
        found[name], shown = run_task(name, config, seed, device)
        for arm, ways in shown.items():
            kept = {f"{name}, {way}": rows for way, rows in ways.items()}
            samples.setdefault(arm, {}).update(kept)
    return SeedResult(
        estimates=read_estimates(found[PRIMARY]),
        controls=read_controls(PROTOCOL, found[PRIMARY]["gates"]),
        measures=found,
        samples=samples,
    )


def read_estimates(measures: Mapping[str, Any]) -> dict[str, float]:
    """The estimands from the gaps by budget ("b1", "b2", ...), clipped to their bounds.

    The slope follows one strategy, so that it holds no change of strategies.
    """
    gap, of_last = measures["gap"], measures["gap_of_last"]
    budgets = sorted(int(name[1:]) for name in gap)
    largest, before = budgets[-1], budgets[-3]
    order = next((each for each in budgets if each >= ORDER_OF_MAGNITUDE), largest)
    values = {
        "gap_at_order": gap[f"b{order}"],
        "gap_at_largest": gap[f"b{largest}"],
        "gap_slope": (of_last[f"b{largest}"] - of_last[f"b{before}"]) / 2,
    }
    for estimand in PROTOCOL.estimands:
        if estimand.bounds is not None:
            low, high = estimand.bounds
            values[estimand.name] = min(max(values[estimand.name], low), high)
    return values


def run_task(
    name: str, config: Mapping[str, Any], seed: int, device: str
) -> tuple[dict[str, Any], dict[str, dict[str, list[Sample]]]]:
    """Train the twins on one task; what they and NR's strategies reach, and samples by arm."""
    from retest.lab import twin_gaps
    from retest.lab.devices import open_device
    from retest.lab.inference_budgets import Subject
    from retest.lab.post_training import Nursery, draw_sets, train_twins

    opened = open_device(device)
    task = open_task(config["tasks"][name])
    sets = draw_sets(task, seed, **config["items"])
    recipe = make_recipe(config, config["tasks"][name].get("mixture", config["mixture"]))
    twins = train_twins(Nursery(task, sets, recipe, f"c02/{name}", seed), opened, config["arms"])
    subjects = {
        arm: Subject(twin.model, task.marks, sets.test, f"c02/{name}/{arm}", seed)
        for arm, twin in twins.items()
    }
    arms = {arm: twin_gaps.measure_arm(subjects[arm], twins[arm]) for arm in twins}
    unit, multiples = arms["R"]["mean_tokens"], tuple(config["budgets"])
    sweep = twin_gaps.Sweep(multiples, tuple(config["temperatures"]), VERIFIER_FREE, ALPHA)
    followed = twin_gaps.follow_twin(subjects["NR"], sets.validation, sweep, unit)
    gates = twin_gaps.measure_gates(subjects["R"], subjects["NR"], arms)
    gates["compute_ratio"] = twins["NR"].cost / twins["R"].cost
    gaps = twin_gaps.compare(arms["R"]["greedy"], arms["NR"]["greedy"], followed)
    samples = {arm: twin_gaps.show_samples(task, subject) for arm, subject in subjects.items()}
    return {"arms": arms, **gaps, "gates": gates}, samples


def open_task(options: Mapping[str, Any]) -> "SteppedTask":
    """The task of these options."""
    from retest.lab.tasks.modular_steps import ModularTask
    from retest.lab.tasks.permutations import PermutationTask

    lengths = options["shortest"], options["longest"]
    if options["kind"] == "modular":
        return ModularTask(options["modulus"], *lengths)
    letters = options["letters"]
    return PermutationTask(options["points"], *lengths, None if letters is None else tuple(letters))


def make_recipe(config: Mapping[str, Any], mixture: Mapping[str, float]) -> "Recipe":
    """How twins are trained, from plain data."""
    from retest.lab.expert_iteration import Policy, Rounds
    from retest.lab.post_training import Recipe
    from retest.lab.tasks.styles import Mixture
    from retest.lab.training import TrainingOptions

    rounds, policy, how = dict(config["rounds"]), config.get("policy"), config["training"]
    each_round = TrainingOptions(**{**how, "steps": rounds.pop("steps")})
    gradients = None
    if policy is not None:
        options = TrainingOptions(**{**how, "steps": policy["steps"], "batch": policy["batch"]})
        gradients = Policy(policy["group"], options)
    return Recipe(
        model=config["model"],
        mixture=Mixture(**mixture),
        warm=TrainingOptions(**how, steps=config["warm_steps"], schedule="constant"),
        pretraining=TrainingOptions(**how, steps=config["pretraining_steps"]),
        rounds=Rounds(**rounds, training=each_round),
        practice_prompts=config["practice_prompts"],
        rates=tuple(config["rates"]),
        policy=gradients,
    )


# --- The canary --------------------------------------------------------------------------------

CANARY_CONFIG: dict[str, Any] = {
    **PROTOCOL.profiles["smoke"].config,
    "items": {"validation": 8, "test": 12},
    "model": {**MODEL, "depth": 1, "width": 16},
    "warm_steps": 8,
    "pretraining_steps": 60,
    "rounds": {"rounds": 2, "samples": 4, "steps": 4},
    "practice_prompts": 256,
    "training": {**TRAINING, "batch": 32, "is_mixed": False},
}


def run_canary(device: str) -> dict[str, Any]:
    """The primary task through the same path with tiny twins, without what a clock measured."""
    measures, _ = run_task(PRIMARY, CANARY_CONFIG, 0, device)
    for arm in measures["arms"].values():
        arm.pop("train_seconds", None)
    return measures
