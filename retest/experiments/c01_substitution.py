"""c01: can samples from a small model take the place of parameters, at equal compute?

Question. A small model draws k samples and a learned verifier chooses among them; a model 14
times its size answers once. Both got the same training data. Compute is equal by the exchange
k = M + 3 (M - 1) / R. On which problems, and under which load R, is the small side ahead?

Source. arXiv:2408.03314. Its section 7 says that inference compute can replace pretraining on
easy and medium questions or under a light load, and that pretraining is the better use on
questions beyond the base model or under a heavy load (C1a here). The library's wording,
"especially on hard prompts" (C1b), says something else; both are tested, and told apart.
Departures, each so that a result can be read: difficulty comes from samples of its own (the
source makes bins from the samples that it scores: regression to the mean), costs of difficulty
and of verification are counted, there is one way to spend (best of k, weighted; the verifier
judges after every word, as the source's process verifier does, from exact labels), no revisions.

Subjects. Chains of modular operations, every result written out: errors compound, so samples
help, and the table of facts is larger than the small model holds, so parameters matter. Operands
follow Zipf's law: were all facts equally common, models 14 times apart in size would differ by
all or nothing, and a larger model without errors cannot be beaten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retest.experiments.c01_showing import show
from retest.experiments.readings import read_controls
from retest.protocol import (
    Arm,
    Control,
    Estimand,
    Profile,
    Protocol,
    Reading,
    Sample,
    Samples,
    SeedResult,
)

# --- What is trained, and what is compared -------------------------------------------------------

LOADS = {"light": 0.16, "even": 0.79, "heavy": 22.0}  # R, the source's three
SMALL = {"depth": 1, "width": 20, "heads": 4, "positions": "learned"}  # 4,800 in its block
LARGER: dict[str, dict[str, Any]] = {
    "x14": {"ratio": 14, "shape": {**SMALL, "width": 75, "heads": 5}},  # 67,500: 14.06 times
    "x4": {"ratio": 4, "shape": {**SMALL, "width": 40}},  # 19,200: 4 times
}
PRIMARY = "x14"  # the pair that the estimands are read from
EASIER, HARDEST = (1, 2, 3), (5,)
TWO_EASY, TWO_HARD = (1, 2), (4, 5)
FLIP_RATES = (0.0, 0.05, 0.2)
LOOPS = (1, 2, 4, 8)

# --- The registered record -----------------------------------------------------------------------

CLAIM_AS_TESTED = (
    "At equal compute for training and inference together, k = M + 3 (M - 1) / R samples of a "
    "small model, chosen among by a learned verifier, answer more problems than one greedy answer "
    "of a model M = 14 times its size: on the easier three fifths under a light load (R = .16, "
    "k = 258), though not on the hardest fifth under a heavy load (R = 22, k = 16), where they "
    "answer fewer (C1a, what the source says). And, as the library words it, the gain is larger on "
    "the two harder fifths than on the two easier ones (R = .79, k = 63; C1b)."
)
CANNOT_SHOW = (
    "At which size, benchmark or load language models trade samples for parameters: the subjects "
    "are models of one block, 5 and 68 thousand parameters, trained from nothing on modular "
    "arithmetic. Only the accounting and the signs by difficulty carry over. Levels hang on how "
    "much of the table each size has learned, which training length and Zipf's exponent set; on "
    "the middle fifth the small model is right once in ten samples or less. The verifier is a "
    "model of 12 thousand parameters that knows little more than the small one, so that it "
    "chooses little better than a majority: a better one would have more to choose from (the "
    "oracle's share; with hundreds of guesses at 41 numbers that is mostly luck, too). Revisions, "
    "search by steps and allocation by difficulty are not there: nothing is said of the source's "
    "fourfold saving. k is the source's, which charges no verifier: charged with it, far fewer "
    "samples are affordable or none (reported beside, never decisive). Counted are floating-point "
    "operations: memory and the time of many samples would count against the small model."
)
GAIN = "accuracy of the small model (k samples, verifier) minus accuracy of the larger (greedy)"

ESTIMANDS = (
    Estimand(
        name="gain_easier_light",
        meaning=f"{GAIN}: mean over the three easier fifths, R = .16, k = 258",
        unit="difference of two rates",
        kind="bounded",
        bounds=(-1.0, 1.0),
        region_low=0.0,
        region_high=None,
        margin=0.02,
    ),
    Estimand(
        name="loss_hardest_heavy",
        meaning=f"the reverse of: {GAIN}; on the hardest fifth, R = 22, k = 16",
        unit="difference of two rates",
        kind="bounded",
        bounds=(-1.0, 1.0),
        region_low=0.0,
        region_high=None,
        margin=0.02,
    ),
    Estimand(
        name="hard_over_easy",
        meaning=(
            f"{GAIN}, R = .79, k = 63: mean over the two harder fifths minus mean over the two "
            "easier ones"
        ),
        unit="difference of two differences of rates",
        kind="bounded",
        bounds=(-2.0, 2.0),
        region_low=0.0,
        region_high=None,
        margin=0.05,
    ),
)

CONTROLS = (
    Control(
        name="size_gap",
        meaning="greedy accuracy of the larger model minus that of the small one",
        minimum=0.05,
    ),
    Control(
        name="small_pass_at_1",
        meaning="share of the small model's samples that are right",
        minimum=0.05,
        maximum=0.80,
    ),
    Control(
        name="larger_room",
        meaning="what the larger model misses on the three easier fifths, so that it can be beaten",
        minimum=0.02,
    ),
    Control(
        name="verifier_auroc",
        meaning="chance that the verifier scores a right sample above a wrong one, all together",
        minimum=0.60,
    ),
    Control(
        name="verifier_auroc_within",
        meaning=(
            "the same for samples of one test problem, mean over problems with both: knowing which "
            "problems are hard, enough for the gate above, chooses nothing"
        ),
        minimum=0.56,  # above all that failed in pilots (docs/lab-notes.md)
    ),
    Control(
        name="parse_rate",
        meaning="share of outputs that have the form of a chain, the least over models",
        minimum=0.98,
    ),
    Control(
        name="planted_verifier_gap",
        meaning=(
            "accuracy that selection by a verifier that knows the truth lacks of the share that "
            "the samples cover: none, when selection works"
        ),
        maximum=0.0,
    ),
    Control(
        name="dice_verifier_excess",
        meaning=(
            "accuracy of the best sample by thrown scores minus that of any sample: none, when "
            "selection sees no answers"
        ),
        maximum=0.02,
    ),
    Control(
        name="foreign_accuracy",
        meaning="share of chosen answers that are right for another problem: chance, to be refused",
        maximum=0.15,
    ),
)

ARMS = (
    Arm("large_greedy", "the larger model answers once, greedily: what the small side must beat"),
    Arm("large_once", "the larger model answers once, sampled as the small one is"),
    Arm("small_greedy", "the small model answers once, greedily"),
    Arm("small_once", "the small model answers once, sampled"),
    Arm("verifier", "k samples of the small model, the answer with the most verifier score"),
    Arm("majority", "k samples of the small model, the commonest answer"),
    Arm("oracle", "k samples of the small model, right where any is: a bound, never decisive"),
    Arm("labels_flipped", "a verifier that knows the truth but lets wrong samples pass at a rate"),
    Arm("x4", "all of it against a model 4 times the small one's size"),
    Arm("latent_depth", "the small block looped 1, 2, 4, 8 times, with k / loops samples"),
)
NIGHTLY_ARMS = [arm.name for arm in ARMS[:8]]

READINGS = (
    Reading(
        "C1a",
        "The source's: samples replace parameters where the small model already succeeds and the "
        "load is light, and do not on the hardest problems under a heavy load.",
        ("gain_easier_light", "loss_hardest_heavy"),
    ),
    Reading(
        "C1b",
        "The library's wording, which the source does not say: samples replace parameters "
        "especially on hard problems.",
        ("hard_over_easy",),
    ),
)

TASK = {"modulus": 41, "fewest": 1, "most": 6, "skew": 1.5}
SHARED: dict[str, Any] = {
    "task": TASK,
    "temperature": 0.8,
    "bin_samples": 16,
    "loads": LOADS,
    "loops": LOOPS,
    "flip_rates": FLIP_RATES,
}
NIGHTLY: dict[str, Any] = {
    **SHARED,
    "arms": NIGHTLY_ARMS,
    "test_problems": 250,
    "validation_problems": 200,
    "training": {"steps": 1400, "batch": 128},
    "small": {"shape": SMALL, "rates": [4e-3]},
    "larger": {PRIMARY: {**LARGER[PRIMARY], "rates": [3e-3]}},
    "verifier": {
        "shape": {**SMALL, "width": 32},  # 12,288
        "problems": 16_000,
        "samples": 16,
        "training": {"steps": 3000, "batch": 256, "learning_rate": 4e-3},
    },
}
WIDE = {**SMALL, "width": 64}
FULL: dict[str, Any] = {
    **SHARED,
    "arms": [arm.name for arm in ARMS],
    "task": {**TASK, "modulus": 97},
    "test_problems": 500,
    "validation_problems": 500,
    "training": {"steps": 10_000, "batch": 400},
    "small": {"shape": WIDE, "rates": [1e-3, 2e-3, 4e-3]},
    "larger": {
        "x14": {"ratio": 14, "shape": {**SMALL, "width": 240}, "rates": [5e-4, 1e-3, 2e-3]},
        "x4": {"ratio": 4, "shape": {**SMALL, "width": 128}, "rates": [1e-3, 2e-3, 4e-3]},
    },
    "verifier": {
        "shape": {**WIDE, "depth": 3},
        "problems": 20_000,
        "samples": 16,
        "training": {"steps": 4000, "batch": 512, "learning_rate": 1e-3},
    },
}

PROTOCOL = Protocol(
    experiment="c01",
    version=1,
    title="Samples of a small model against parameters",
    question=(
        "At equal compute, do k samples of a small model, chosen by a learned verifier, answer "
        "more than one greedy answer of a model 14 times its size, and on which problems?"
    ),
    claim_as_tested=CLAIM_AS_TESTED,
    source_ids=("2408.03314",),
    note_slugs=(
        "test-time-compute-can-substitute-for-model-parameter-scaling-on-hard-prompts",
        "can-inference-compute-replace-scaling-up-model-size",
        "can-inference-compute-stand-in-for-a-larger-model",
    ),
    transfer="analogue",
    scale="transformers of 0.005 and 0.07 M parameters, trained from nothing on 3.8 M tokens",
    cannot_show=CANNOT_SHOW,
    estimands=ESTIMANDS,
    controls=CONTROLS,
    canary="every arm at 8 to 16 channels on modulus 5, 10 steps under seed 0",
    alpha=0.05,
    profiles={
        "smoke": Profile(
            config={
                **NIGHTLY,
                "test_problems": 60,
                "training": {**NIGHTLY["training"], "steps": 150},
                "verifier": {
                    **NIGHTLY["verifier"],
                    "problems": 300,
                    "training": {**NIGHTLY["verifier"]["training"], "steps": 40},
                },
            },
            seed_cost_s=10.0,
            concludes=False,
        ),
        "nightly": Profile(config=NIGHTLY, seed_cost_s=100.0),
        "full": Profile(config=FULL, seed_cost_s=900.0),
    },
    max_failed_controls=0.05,
    arms=ARMS,
    readings=READINGS,
)

SHOWN = show(LOADS)

# --- One seed ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Study:
    """What every arm of a configuration gave under a seed."""

    measures: dict[str, Any]
    gates: dict[str, float]
    samples: Samples


def run_seed(seed: int, profile: str, device: str) -> SeedResult:
    """Train small, larger and verifier under the seed; what each way to spend gives."""
    study = run_study(PROTOCOL.profiles[profile].config, seed, device)
    return SeedResult(
        estimates=read_estimates(study.measures[PRIMARY]["loads"], "gain"),
        controls=read_controls(PROTOCOL, study.gates),
        measures=study.measures,
        samples=study.samples,
    )


def read_estimates(loads: Mapping[str, Any], gain: str) -> dict[str, float]:
    """The three estimands from gains by load and bin (``gain``, or ``charged_gain``)."""
    from retest.lab.difficulty import average_bins

    even = loads["even"][gain]["verifier"]
    return {
        "gain_easier_light": average_bins(loads["light"][gain]["verifier"], EASIER),
        "loss_hardest_heavy": -average_bins(loads["heavy"][gain]["verifier"], HARDEST),
        "hard_over_easy": average_bins(even, TWO_HARD) - average_bins(even, TWO_EASY),
    }


def run_study(config: Mapping[str, Any], seed: int, device: str) -> Study:
    """Every arm of a configuration under a seed."""
    from retest.lab.devices import open_device
    from retest.lab.model_bench import Bench, teach_verifier, train_best
    from retest.lab.model_trade import compare, loop_small, try_small
    from retest.lab.tasks.chain_samples import show_samples
    from retest.lab.tasks.modular_chains import ChainTask, draw_chains, drop_repeats

    bench = Bench(ChainTask(**config["task"]), config, seed, open_device(device))
    count = config["test_problems"]
    drawn = draw_chains(bench.task, 3 * count, "test", bench.address("test"))
    chains = drop_repeats(bench.task, drawn, count)
    small = train_best(bench, "small", config["small"])
    verifier, selection = teach_verifier(bench, small.model)
    tested, measures, gates = try_small(bench, small, verifier, selection, chains)
    samples: dict[str, Mapping[str, Sequence[Sample]]] = {}
    samples["small"] = {"test": show_samples(bench.task, chains, tested.written)}
    for name, subject in config["larger"].items():
        larger = train_best(bench, name, subject)
        measures[name], answers = compare(bench, larger, tested, subject["ratio"])
        samples[name] = {"test": show_samples(bench.task, chains, answers)}
    charged = read_estimates(measures[PRIMARY]["loads"], "charged_gain")
    measures["estimands_if_all_is_charged"] = charged
    if "latent_depth" in config["arms"]:
        ratio = config["larger"][PRIMARY]["ratio"]
        measures["latent_depth"], shown = loop_small(bench, tested, ratio)
        samples.update(shown)
    return Study(measures, gates | read_gates(measures), samples)


def read_gates(measures: Mapping[str, Any]) -> dict[str, float]:
    """Gates that need both sides, from what the primary pair measured."""
    from retest.lab.difficulty import average_bins

    larger = measures[PRIMARY]
    return {
        "size_gap": larger["greedy"]["all"] - measures["small"]["greedy"],
        "larger_room": 1 - average_bins(larger["greedy"], EASIER),
        "parse_rate": min(larger["parse_rate"], measures["small"]["parse_rate"]),
    }


# --- The canary ----------------------------------------------------------------------------------

CANARY_CONFIG: dict[str, Any] = {
    **SHARED,
    "arms": [arm.name for arm in ARMS],
    "task": {**TASK, "modulus": 5, "most": 3},
    "test_problems": 10,
    "validation_problems": 20,
    "training": {"steps": 10, "batch": 32},
    "small": {"shape": {**SMALL, "width": 8}, "rates": [2e-3, 4e-3]},
    "larger": {
        name: {**LARGER[name], "shape": {**SMALL, "width": 16}, "rates": [2e-3]} for name in LARGER
    },
    "verifier": {
        "shape": {**SMALL, "depth": 2, "width": 8},
        "problems": 20,
        "samples": 4,
        "training": {"steps": 5, "batch": 16, "learning_rate": 2e-3},
    },
}


def run_canary(device: str) -> dict[str, Any]:
    """One tiny run of every arm under seed 0, without what a clock measured."""
    measures = run_study(CANARY_CONFIG, 0, device).measures
    looped = measures["latent_depth"]
    for trained in (measures["small"], measures["verifier"], *looped.values()):
        del trained["train_seconds"]
    for name in LARGER:
        del measures[name]["train_seconds"]
    return measures
