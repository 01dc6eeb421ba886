"""c03: does written reasoning carry over beyond the distribution it was trained on?

Question. A model learns to apply two string functions one after the other and to write every
step. Does it still give the right chain for a composition, a length or a number of steps that
training did not show; and if not, is that so because reasoning is written, or because training
showed two functions?

Source. arXiv:2508.01191 (DataAlchemy): elements of four letters, F1 = ROT-13, F2 = shift left
by one, trained on F1F1, F1F2, F2F1. After F2 only F1 was ever seen, so the habit P(second = F1 |
first = F2) = 1 fits training as well as the functions do. Departures from its released code, each
so that a failure can be read: a tenth of the elements is held out (the code trains on all, so
that it has no score in distribution), one token a word, loss on the output only, small batches,
and scores token by token: the code drops unknown marks and cuts strings by length, so that it
refuses right outputs (``released_refuses`` says how many; nothing is measured by it).

Estimand. Exact match of the whole output in distribution, on held-out elements, minus the same
under a shift; one number a seed for each axis, and one where training shows eight functions.

Arms are data: a number of functions, training compositions, test sets, and what differs in model
or training. All read the same number of tokens. Dose 2 of the dose-response is the source's own
split: holding out a composition for each of two functions would leave half of the compositions.
In the other doses each function is held out once as first and once as second step. 13 of the 28
pairs of functions commute (ROT-13 with all seven; left1, reverse, swap_first and swap_ends with
mirror; reverse with swap_ends; ramp with evens7) and none is a power of another; of the held-out
pairs 2 of 4, 4 of 6 and 6 of 8 do not commute.

What no learner could know is measured and decides nothing: a function or letter that training
never showed, and prompts that noise has damaged beyond repair (read against the Bayes ceiling).
"""

from collections.abc import Mapping
from typing import Any

from retest.experiments.c03_showing import show
from retest.experiments.readings import read_controls
from retest.lab.tasks.string_arms import (
    add_noise_tests,
    compare_arms,
    find_gaps,
    find_order,
    leave_out_letters,
    plan_arm,
)
from retest.protocol import Arm, Control, Estimand, Profile, Protocol, Reading, SeedResult

# --- What is trained, and on what it is tested -------------------------------------------------

REPLICATE = add_noise_tests(plan_arm(2))
DIVERSE = plan_arm(8)
HELD_OUT_SHARE = 0.10
M_AND_Z = (12, 25)  # ROT-13 exchanges them, so that neither is ever written
SIZES: dict[str, dict[str, Any]] = {
    "70k": {"model": {"depth": 4, "width": 32}, "how": {"learning_rate": 4e-3}},
    "1m": {"model": {"depth": 4, "width": 144}, "how": {"learning_rate": 1e-3}},
    "10m": {"model": {"depth": 6, "width": 384, "heads": 6}, "how": {"learning_rate": 5e-4}},
}
OTHER_FIELDS = {"kind": "insert", "rate": 0.2, "fields": ("functions", "mark")}
ARMS: dict[str, dict[str, Any]] = {
    "replicate": REPLICATE,
    "diverse4": plan_arm(4),
    "diverse6": plan_arm(6),
    "diverse8": DIVERSE,
    "positions_learned": plan_arm(2, model={"positions": "learned"}),
    "positions_none": plan_arm(2, model={"positions": "none"}),
    "marks_seen": {**REPLICATE, "noise": OTHER_FIELDS},
    "letters": leave_out_letters(plan_arm(2), M_AND_Z),
    "answer_only": plan_arm(2, shows_steps=False),
    "answer_only_diverse8": plan_arm(8, shows_steps=False),
    **{f"replicate_{size}": {**plan_arm(2), **how} for size, how in SIZES.items()},
    **{f"diverse8_{size}": {**DIVERSE, **how} for size, how in SIZES.items()},
}
DOSES = {2: "replicate", 4: "diverse4", 6: "diverse6", 8: "diverse8"}
DECISIVE = ("replicate", "diverse8")  # the arms that the estimands are read from
MODEL = {"depth": 3, "width": 64, "heads": 4, "positions": "rope", "context": 32}
TRAINING = {"steps": 1400, "batch": 64, "learning_rate": 3e-3, "is_mixed": True}
USUAL = {"model": MODEL, "training": TRAINING}

# --- The registered record ---------------------------------------------------------------------

CLAIM_AS_TESTED = (
    "As the source ran it: after training on three of the four compositions of two string "
    "functions, with every step written out, exact match of the whole chain falls by at least "
    ".50 on the fourth composition, on elements of two, three, five and six letters after four, "
    "and on one and three steps after two. As it was worded, the fundamental nature of written "
    "reasoning: exact match on unseen compositions falls by at least .50 also where training "
    "shows eight functions."
)
CANNOT_SHOW = (
    "Anything about pretrained or reinforcement-trained language models: the subjects are models "
    "of some 150,000 parameters trained from nothing. The diverse reading speaks of unseen pairs "
    "of functions that were each seen in either place: not of functions or letters that were "
    "never seen, which no learner can know, nor of lengths and numbers of steps, which stay as "
    "narrow as before. Some functions commute, so that an unseen pair may have the answer (never "
    "the steps) of a seen one. Repair by fine-tuning and sampling temperatures are not tested."
)
ARM_MEANINGS = (
    Arm("replicate", "two functions, F2F2 held out, as in the source; also dose 2, and the "
        "marks-unseen arm of format: <unk> stands in the vocabulary and not in training"),
    Arm("diverse4", "four functions, 12 compositions, one held out for each function"),
    Arm("diverse6", "six functions, 30 compositions, six held out"),
    Arm("diverse8", "eight functions, 56 compositions, eight held out"),
    Arm("positions_learned", "replicate with a learned vector a position instead of rotation"),
    Arm("positions_none", "replicate without positions"),
    Arm("marks_seen", "replicate with <unk> inserted before functions and marks in training"),
    Arm("letters", "replicate on elements without M and Z; tested on elements with them"),
    Arm("answer_only", "replicate without steps, for the same number of tokens"),
    Arm("answer_only_diverse8", "diverse8 without steps, for the same number of tokens"),
    *(Arm(f"{arm}_{size}", f"{arm} at about {size.upper()} parameters")
      for arm in DECISIVE for size in SIZES),
)  # fmt: skip


def describe_gap(name: str, meaning: str, margin: float) -> Estimand:
    """The estimand of one shift."""
    return Estimand(
        name=name,
        meaning=f"exact match of the whole output in distribution, on held-out elements, {meaning}"
        " (a gain counts as no loss)",
        unit="difference of two rates",
        kind="bounded",
        bounds=(0.0, 1.0),
        region_low=0.50,
        region_high=None,
        margin=margin,
    )


CONTROLS = (
    Control("in_distribution_accuracy", "exact match on held-out elements under the training "
            "compositions, the least over two functions and eight", minimum=0.95),
    Control("foreign_gold_accuracy", "exact match against the right output of another item, to "
            "be refused", maximum=0.05),
    Control("planted_fault_accuracy", "right outputs with one token changed that are accepted, "
            "to be none", maximum=0.0),
    Control("perfect_accuracy", "right outputs that are accepted, to be all", minimum=1.0),
    Control("above_ceiling", "exact match on damaged elements minus the Bayes ceiling of the same "
            "items, the most over kinds and rates", maximum=0.05),
)  # fmt: skip
PROTOCOL = Protocol(
    experiment="c03",
    version=2,
    previous_hash="c00b34d4dbd5576e5fa906f6fecfc78078a3242bbf7f21deaa71ff740405874f",
    amendment=(
        "version 1 ran the source's two functions only and could not tell a limit of written "
        "reasoning from the habit that this split teaches; version 2 adds training on 4, 6 and "
        "8 functions, lengths 2 and 6, one and three steps, positions, damaged prompts with their "
        "ceiling, answers without steps, sizes, edit distance and BLEU as the source has them, "
        "a planted fault, and two readings of the claim. It trains in bfloat16 on batches of 64, "
        "which takes a third of the time, and every arm has the vocabulary of eight functions"
    ),
    title="Written reasoning under a shift of the distribution",
    question=(
        "How much of the exact match that a model has in distribution is lost on an unseen "
        "composition, length or number of steps, and how much when training is diverse?"
    ),
    claim_as_tested=CLAIM_AS_TESTED,
    source_ids=("2508.01191",),
    note_slugs=(
        "cot-reasoning-is-distribution-bounded-effectiveness-degrades-predictably-with-di",
        "does-chain-of-thought-reasoning-actually-generalize-beyond-training-data",
        "does-written-reasoning-carry-over-beyond-the-training-distribution",
    ),
    transfer="analogue",
    scale="transformers of about 150,000 parameters, trained from nothing on 1.6 M tokens",
    cannot_show=CANNOT_SHOW,
    arms=ARM_MEANINGS,
    estimands=(
        # Shifted is a gap below .10: the source's axis has moved where .90 of the score is kept.
        describe_gap("gap_composition", "minus the same under the unseen composition F2F2", 0.40),
        describe_gap("gap_length", "minus the mean of the same over lengths 2, 3, 5, 6", 0.40),
        describe_gap("gap_steps", "minus the mean of the same over one and three steps", 0.40),
        # Shifted is a gap below .40: with .95 in distribution, more than half is right.
        describe_gap(
            "gap_composition_diverse", "after eight functions, minus that on unseen pairs", 0.10
        ),
    ),
    readings=(
        Reading(
            "C3a",
            "as the source ran it: after training on two functions, an unseen composition, length "
            "or number of steps costs at least .50 of exact match",
            ("gap_composition", "gap_length", "gap_steps"),
        ),
        Reading(
            "C3b",
            "the fundamental nature of written reasoning: an unseen composition costs at least .50 "
            "of exact match also where training shows eight functions",
            ("gap_composition_diverse",),
        ),
    ),
    controls=CONTROLS,
    canary="a model of one block and 16 channels, 12 steps on 4-letter records under seed 0",
    alpha=0.05,
    profiles={
        "smoke": Profile(
            config={
                "arms": list(DECISIVE),
                "test_items": 60,
                "model": {**MODEL, "depth": 2},
                "training": {**TRAINING, "steps": 1000, "batch": 48, "learning_rate": 4e-3},
            },
            seed_cost_s=26.0,
            concludes=False,
        ),
        "nightly": Profile(
            config={"arms": list(DOSES.values()), "test_items": 500, **USUAL}, seed_cost_s=130.0
        ),
        "full": Profile(
            config={"arms": list(ARMS), "test_items": 2000, **USUAL}, seed_cost_s=900.0
        ),
    },
    max_failed_controls=0.05,
)

SHOWN = show(DOSES)

# --- One seed ----------------------------------------------------------------------------------


def run_seed(seed: int, profile: str, device: str) -> SeedResult:
    """Train every arm of the profile under the seed; score it on each of its test sets."""
    config = PROTOCOL.profiles[profile].config
    runs = {name: run_arm(ARMS[name], config, seed, device) for name in config["arms"]}
    tests = {name: run["tests"] for name, run in runs.items()}
    gaps = {name: find_gaps(each) for name, each in tests.items()}
    every = [test for each in tests.values() for test in each.values()]
    return SeedResult(
        estimates={
            "gap_composition": max(0.0, gaps["replicate"]["composition"]),
            "gap_length": max(0.0, gaps["replicate"]["length"]),
            "gap_steps": max(0.0, gaps["replicate"]["steps"]),
            "gap_composition_diverse": max(0.0, gaps["diverse8"]["composition"]),
        },
        controls=read_controls(
            PROTOCOL,
            {
                "in_distribution_accuracy": min(
                    tests[name]["in_distribution"]["full"] for name in DECISIVE
                ),
                "foreign_gold_accuracy": max(test["foreign_gold"] for test in every),
                "planted_fault_accuracy": max(test["planted_fault"] for test in every),
                "perfect_accuracy": min(test["perfect"] for test in every),
                "above_ceiling": max(test.get("above_ceiling", -1.0) for test in every),
            },
        ),
        measures={
            **{name: {**describe_run(run), "gaps": gaps[name]} for name, run in runs.items()},
            "between_arms": compare_arms(tests, DOSES),
        },
        samples={name: run["samples"] for name, run in runs.items()},
    )


def describe_run(run: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of an arm, without its samples."""
    return {"training": run["training"], "tests": run["tests"], "order": find_order(run["tests"])}


def run_arm(
    arm: Mapping[str, Any], config: Mapping[str, Any], seed: int, device: str
) -> dict[str, Any]:
    """Fit a model to the arm's training compositions; what training cost and tests gave."""
    from retest.lab.devices import open_device
    from retest.lab.item_seeds import hash_seed
    from retest.lab.model import ModelOptions, build_model, count_parameters
    from retest.lab.tasks.chain_rates import score_chains
    from retest.lab.tasks.string_arms import write_tests, write_training
    from retest.lab.tasks.strings import StringTask, part_letters, split_elements
    from retest.lab.training import TrainingOptions, train

    task = StringTask(tuple(arm["functions"]), arm["shows_steps"])
    known, held_out = split_elements(arm["length"], HELD_OUT_SHARE, seed)
    known, _ = part_letters(known, arm.get("unseen_letters", ()))
    records, how = write_training(arm, {**config["training"], **arm.get("how", {})}, known, seed)
    shape = {**config["model"], **arm.get("model", {})}
    options = ModelOptions(vocabulary=len(task.vocabulary), **shape)
    model = build_model(options, hash_seed("c03/weights", seed, 0), open_device(device))
    log = train(model, records, TrainingOptions(**how), hash_seed("c03/order", seed, 0))
    tests = write_tests(arm, held_out, config["test_items"], seed)
    readings = {name: score_chains(model, task, test) for name, test in tests.items()}
    return {
        "training": {"parameters": count_parameters(model), **log.summarise()},
        "tests": {name: reading.rates for name, reading in readings.items()},
        "samples": {name: reading.samples for name, reading in readings.items()},
    }


# --- The canary --------------------------------------------------------------------------------

CANARY_CONFIG: dict[str, Any] = {
    "arms": list(DECISIVE),
    "test_items": 6,
    "model": {**MODEL, "depth": 1, "width": 16},
    "training": {**TRAINING, "steps": 12, "batch": 32},
}


def run_canary(device: str) -> dict[str, Any]:
    """One tiny run of the same path under seed 0, without what a clock measured."""
    run = run_arm(REPLICATE, CANARY_CONFIG, 0, device)
    del run["training"]["train_seconds"]
    return describe_run(run)
