"""c03: does written reasoning carry over beyond the distribution it was trained on?

Question. A model learns to apply two string functions one after the other and to write every
step. Does it still give the right chain for a composition, or a length, that training did
not show?

Source. arXiv:2508.01191 (DataAlchemy): elements of four letters, F1 = ROT-13, F2 = shift left
by one, trained on F1F1, F1F2, F2F1. Departures from its released code, each so that a failure
can be read: a tenth of the elements is held out (the code trains on all of them, so that it
has no in-distribution score), one token a word, loss on the output only, scores token by token
(the code cuts strings, and drops unknown tokens before it does).

Arms are data: an arm is a set of functions, training compositions and test sets.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from retest.experiments.readings import read_controls
from retest.protocol import Control, Estimand, Profile, Protocol, SeedResult

if TYPE_CHECKING:
    from retest.lab.tasks.strings import Elements, Problems

# --- What is trained, and on what it is tested -------------------------------------------------

REPLICATE: dict[str, Any] = {
    "functions": ["rot13", "left1"],
    "shows_steps": True,
    "length": 4,
    "training": ["F1F1", "F1F2", "F2F1"],
    "tests": {
        "in_distribution": {"compositions": ["F1F1", "F1F2", "F2F1"], "length": 4},
        "composition": {"compositions": ["F2F2"], "length": 4},
        "length_3": {"compositions": ["F1F1", "F1F2", "F2F1"], "length": 3},
        "length_5": {"compositions": ["F1F1", "F1F2", "F2F1"], "length": 5},
    },
}
ARMS: dict[str, dict[str, Any]] = {"replicate": REPLICATE}
PRIMARY = "replicate"  # the arm that the estimands are read from
HELD_OUT_SHARE = 0.10
MODEL = {"depth": 3, "width": 64, "heads": 4, "positions": "rope", "context": 32}
TRAINING = {"steps": 400, "batch": 256, "learning_rate": 2e-3}

# --- The registered record ---------------------------------------------------------------------

CLAIM_AS_TESTED = (
    "Training on three of the four compositions of two string functions, with every step written "
    "out, does not carry over: exact match of the whole chain falls by at least .50 on the fourth "
    "composition, and by at least .50 on elements of three and five letters after four. In this "
    "training set a shift in first place is always followed by ROT-13, so that a model that copies "
    "the habit P(second = F1 | first = F2) = 1 fails the fourth composition without having failed "
    "to learn either function."
)
CANNOT_SHOW = (
    "Anything about pretrained or reinforcement-trained language models: the subjects are models "
    "of some 150,000 parameters trained from nothing on two functions. It cannot tell a general "
    "limit of written reasoning from the habit that this split teaches (after F2 only F1 was ever "
    "seen): whether broader training lifts the limit needs arms with more functions. It does not "
    "test unseen functions, unseen letters, longer chains or changed formats."
)

PROTOCOL = Protocol(
    experiment="c03",
    version=1,
    title="Written reasoning under a shift of the distribution",
    question=(
        "How much of the exact match that a model has in distribution is lost on an unseen "
        "composition and on unseen lengths?"
    ),
    claim_as_tested=CLAIM_AS_TESTED,
    source_ids=("2508.01191",),
    note_slugs=(
        "cot-reasoning-is-distribution-bounded-effectiveness-degrades-predictably-with-di",
        "does-chain-of-thought-reasoning-actually-generalize-beyond-training-data",
        "does-written-reasoning-carry-over-beyond-the-training-distribution",
    ),
    transfer="analogue",
    scale="transformers of about 150,000 parameters, trained from nothing on 1.8 M tokens",
    cannot_show=CANNOT_SHOW,
    estimands=(
        Estimand(
            name="gap_composition",
            meaning=(
                "exact match of the whole output on held-out elements under the training "
                "compositions, minus the same under the unseen composition F2F2"
            ),
            unit="difference of two rates",
            kind="bounded",
            bounds=(-1.0, 1.0),
            region_low=0.50,
            region_high=None,
            margin=0.40,  # shifted: a gap below .10, the source's .90 of in-distribution accuracy
        ),
        Estimand(
            name="gap_length",
            meaning=(
                "exact match of the whole output on held-out elements of four letters, minus the "
                "mean of the same on elements of three and of five letters"
            ),
            unit="difference of two rates",
            kind="bounded",
            bounds=(-1.0, 1.0),
            region_low=0.50,
            region_high=None,
            margin=0.40,
        ),
    ),
    controls=(
        Control(
            name="in_distribution_accuracy",
            meaning="exact match on held-out elements under the training compositions",
            minimum=0.95,
        ),
        Control(
            name="foreign_gold_accuracy",
            meaning="exact match against the right output of another item, to be refused",
            maximum=0.05,
        ),
    ),
    canary="a model of one block and 16 channels, 12 steps on 4-letter records under seed 0",
    alpha=0.05,
    profiles={
        "smoke": Profile(
            config={
                "arms": ["replicate"],
                "test_items": 60,
                "model": {**MODEL, "depth": 2, "width": 48},
                "training": {**TRAINING, "steps": 200, "batch": 128, "learning_rate": 4e-3},
            },
            seed_cost_s=8.0,
            concludes=False,
        ),
        "nightly": Profile(
            config={
                "arms": ["replicate"],
                "test_items": 500,
                "model": MODEL,
                "training": TRAINING,
            },
            seed_cost_s=40.0,
        ),
        "full": Profile(
            config={
                "arms": ["replicate"],
                "test_items": 2000,
                "model": {**MODEL, "depth": 4, "width": 128},
                "training": {**TRAINING, "steps": 2000, "learning_rate": 1e-3},
            },
            seed_cost_s=60.0,
        ),
    },
    max_failed_controls=0.05,
)

# --- One seed ----------------------------------------------------------------------------------


def run_seed(seed: int, profile: str, device: str) -> SeedResult:
    """Train every arm of the profile under the seed; score it on each of its test sets."""
    config = PROTOCOL.profiles[profile].config
    measures = {name: run_arm(ARMS[name], config, seed, device) for name in config["arms"]}
    tests = measures[PRIMARY]["tests"]
    reached = tests["in_distribution"]["full"]
    lengths = [test["full"] for name, test in tests.items() if name.startswith("length_")]
    return SeedResult(
        estimates={
            "gap_composition": reached - tests["composition"]["full"],
            "gap_length": reached - sum(lengths) / len(lengths),
        },
        controls=read_controls(
            PROTOCOL,
            {
                "in_distribution_accuracy": reached,
                "foreign_gold_accuracy": max(test["foreign_gold"] for test in tests.values()),
            },
        ),
        measures=measures,
    )


def run_arm(
    arm: Mapping[str, Any], config: Mapping[str, Any], seed: int, device: str
) -> dict[str, Any]:
    """Fit a model to the arm's training compositions; what training cost and tests gave."""
    from retest.lab.devices import open_device
    from retest.lab.item_seeds import hash_seed
    from retest.lab.model import ModelOptions, build_model, count_parameters
    from retest.lab.tasks.chains import score_chains
    from retest.lab.tasks.strings import StringTask, share_out, split_elements, write_records
    from retest.lab.training import TrainingOptions, train

    task = StringTask(tuple(arm["functions"]), arm["shows_steps"])
    how = TrainingOptions(**config["training"])
    known, held_out = split_elements(arm["length"], HELD_OUT_SHARE, seed)
    each = -(-how.steps * how.batch // len(arm["training"]))
    records = write_records(task, share_out(known, arm["training"], each, apart=True))
    options = ModelOptions(vocabulary=len(task.vocabulary), **config["model"])
    model = build_model(options, hash_seed("c03/weights", seed, 0), open_device(device))
    log = train(model, records, how, hash_seed("c03/order", seed, 0))
    tests = write_tests(arm, held_out, config["test_items"], seed)
    return {
        "training": {"parameters": count_parameters(model), **log.summarise()},
        "tests": {name: score_chains(model, task, groups) for name, groups in tests.items()},
    }


def write_tests(
    arm: Mapping[str, Any], held_out: "Elements", items: int, seed: int
) -> dict[str, list["Problems"]]:
    """The arm's test sets: ``items`` problems each, on elements that training did not show."""
    from retest.lab.tasks.strings import draw_elements, share_out

    tests = {}
    for name, test in arm["tests"].items():
        each = items // len(test["compositions"])
        elements = held_out
        if test["length"] != arm["length"]:
            elements = draw_elements(test["length"], each, seed)
        tests[name] = share_out(elements, test["compositions"], each, apart=False)
    return tests


# --- The canary --------------------------------------------------------------------------------

CANARY_CONFIG: dict[str, Any] = {
    "arms": [PRIMARY],
    "test_items": 6,
    "model": {**MODEL, "depth": 1, "width": 16},
    "training": {**TRAINING, "steps": 12, "batch": 32},
}


def run_canary(device: str) -> dict[str, Any]:
    """One tiny run of the same path under seed 0, without what a clock measured."""
    result = run_arm(ARMS[PRIMARY], CANARY_CONFIG, 0, device)
    del result["training"]["train_seconds"]
    return result
