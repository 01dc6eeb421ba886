"""Arms of string problems as data: which compositions are taught, and every shift tested.

An arm is plain data (an experiment holds it before torch is loaded): the functions that the
vocabulary names, training compositions, test sets, and what differs in model or training.
Decides which compositions are held out and what each axis of shift is. Knows nothing of what
a model makes of them.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retest.lab.records import Records
    from retest.lab.tasks.chain_rates import ChainTest
    from retest.lab.tasks.string_functions import Elements
    from retest.lab.tasks.strings import Problems

NAMES = (
    "rot13", "left1", "reverse", "ramp", "mirror", "evens7", "swap_first", "swap_ends",
)  # fmt: skip
LENGTH, LENGTHS, STEPS = 4, (2, 3, 5, 6), (1, 3)
RATES = (0.05, 0.1, 0.2)
TRIPLES = 12  # compositions of three steps that a test set takes, at most


def name_noise(kind: str, rate: float) -> str:
    """The test set of one kind of damage to the element: insert_20."""
    return f"{kind}_{round(100 * rate)}"


def list_noise() -> dict[str, dict[str, Any]]:
    """Every kind of damage to the element at every rate, and insertion elsewhere."""
    noise = {
        name_noise(kind, rate): {"kind": kind, "rate": rate}
        for kind in ("insert", "delete", "modify", "hybrid")
        for rate in RATES
    }
    elsewhere = {
        f"{name_noise('insert', rate)}_{field}": {
            "kind": "insert",
            "rate": rate,
            "fields": (field,),
        }
        for field in ("functions", "mark")
        for rate in RATES
    }
    return noise | elsewhere


def plan_arm(functions: int, **differences: Any) -> dict[str, Any]:
    """An arm that is taught the first ``functions`` of NAMES: compositions and test sets.

    Each function is held out once as first and once as second step; of two functions that
    would leave half of the compositions, so there the source's split is taken.
    """
    taught = [f"F{place + 1}" for place in range(functions)]
    held_out = [a + b for a, b in zip(taught, [*taught[1:], taught[0]], strict=True)]
    if functions == 2:
        held_out = ["F2F2"]
    training = [a + b for a in taught for b in taught if a + b not in held_out]
    return {
        "functions": NAMES,
        "shows_steps": True,
        "length": LENGTH,
        "training": training,
        "tests": plan_tests(taught, training, held_out),
        **differences,
    }


def plan_tests(
    taught: Sequence[str], training: Sequence[str], held_out: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The test sets of every arm: in distribution, and each axis of shift by itself."""
    triples = [pair + last for pair in training for last in taught if pair[2:] + last in training]
    unseen = [f"F{place + 1}" for place in range(len(taught), len(NAMES))][:2]
    tests: dict[str, dict[str, Any]] = {
        "in_distribution": {"compositions": training},
        "composition": {"compositions": held_out},
        **{f"length_{n}": {"compositions": training, "length": n} for n in LENGTHS},
        "steps_1": {"compositions": taught},
        "steps_3": {"compositions": triples[:: -(-len(triples) // TRIPLES)]},
    }
    if unseen:
        tests["function_partly_new"] = {"compositions": [name + unseen[0] for name in taught]}
        tests["function_all_new"] = {"compositions": [a + b for a in unseen for b in unseen]}
    return tests


def add_noise_tests(arm: Mapping[str, Any]) -> dict[str, Any]:
    """The arm with its test set in distribution under every kind and rate of damage."""
    damaged = {
        name: {"compositions": arm["training"], "noise": noise}
        for name, noise in list_noise().items()
    }
    return {**arm, "tests": {**arm["tests"], **damaged}}


def leave_out_letters(arm: Mapping[str, Any], letters: Sequence[int]) -> dict[str, Any]:
    """The arm taught on elements without these letters, and tested on elements with them."""
    tests = {**arm["tests"], "letters_new": {"compositions": arm["training"], "letters": "unseen"}}
    return {**arm, "unseen_letters": letters, "tests": tests}


Tests = Mapping[str, Mapping[str, Any]]  # the rates of an arm's test sets, by name
AXES = {
    "composition": ["composition"],
    "length": [f"length_{length}" for length in LENGTHS],
    "steps": [f"steps_{steps}" for steps in STEPS],
    "function": ["function_partly_new", "function_all_new"],
    "letters": ["letters_new"],
    "insertion": [name_noise("insert", rate) for rate in RATES],
}
LEVELS: dict[str, dict[str, float]] = {  # how far from training each test set of an axis lies
    "function": {"composition": 1, "function_partly_new": 2, "function_all_new": 3},
    "length": {f"length_{length}": abs(length - LENGTH) for length in LENGTHS},
    "insertion": {name_noise("insert", rate): rate for rate in RATES},
}


def find_gaps(tests: Tests) -> dict[str, float]:
    """What each axis of shift costs an arm: exact match in distribution minus that of the axis."""
    reached: float = tests["in_distribution"]["full"]
    return {
        axis: reached - sum(tests[name]["full"] for name in names) / len(names)
        for axis, names in AXES.items()
        if names[0] in tests
    }


def find_order(tests: Tests) -> dict[str, float | None]:
    """Spearman's correlation of an axis's levels with exact match: -1 where more costs more."""
    from retest.lab.scores import measure_rank_correlation

    reached = tests["in_distribution"]["full"]
    return {
        axis: measure_rank_correlation(
            [0, *levels.values()], [reached, *(tests[name]["full"] for name in levels)]
        )
        for axis, levels in LEVELS.items()
        if all(name in tests for name in levels)
    }


def compare_arms(tests: Mapping[str, Tests], doses: Mapping[int, str]) -> dict[str, float | None]:
    """What more functions, and what written steps, do for answers to unseen compositions."""
    from retest.lab.scores import measure_rank_correlation

    shown = {m: tests[arm]["composition"]["full"] for m, arm in doses.items() if arm in tests}
    compared: dict[str, float | None] = {
        "order_of_doses": measure_rank_correlation(list(shown), list(shown.values()))
    }
    pairs = {"replicate": "answer_only", "diverse8": "answer_only_diverse8"}
    for arm, without in pairs.items():
        if arm in tests and without in tests:
            answers = [tests[name]["composition"]["answer"] for name in (arm, without)]
            compared[f"steps_help_{arm}"] = answers[0] - answers[1]
    return compared


def write_training(
    arm: Mapping[str, Any], how: dict[str, Any], known: "Elements", seed: int
) -> tuple["Records", dict[str, Any]]:
    """The arm's records, and options under which it reads as many tokens as the others."""
    from retest.lab.tasks.format_noise import Noise, write_damaged_records
    from retest.lab.tasks.strings import StringTask, share_out, write_records

    task = StringTask(tuple(arm["functions"]), arm["shows_steps"])
    usual = StringTask(task.functions)
    width, usual_width = (
        write_records(each, share_out(known, ["F1F1"], 1, apart=True)).tokens.shape[1]
        for each in (task, usual)
    )
    how = {**how, "steps": round(how["steps"] * usual_width / width)}
    each = -(-how["steps"] * how["batch"] // len(arm["training"]))
    groups = share_out(known, arm["training"], each, apart=True)
    if "noise" in arm:
        return write_damaged_records(task, groups, Noise(**arm["noise"]), seed), how
    return write_records(task, groups), how


def write_tests(
    arm: Mapping[str, Any], held_out: "Elements", items: int, seed: int
) -> dict[str, "ChainTest"]:
    """The arm's test sets: ``items`` problems each, on elements that training did not show."""
    from retest.lab.tasks.chain_rates import ChainTest
    from retest.lab.tasks.format_noise import Noise

    return {
        name: ChainTest(
            draw_problems(arm, test, held_out, items, seed),
            Noise(**test["noise"]) if "noise" in test else None,
            seed,
        )
        for name, test in arm["tests"].items()
    }


def draw_problems(
    arm: Mapping[str, Any], test: Mapping[str, Any], held_out: "Elements", items: int, seed: int
) -> list["Problems"]:
    """About ``items`` problems of one test set, as many of each composition."""
    from retest.lab.tasks.strings import draw_elements, part_letters, share_out

    each = max(1, items // len(test["compositions"]))
    length = test.get("length", arm["length"])
    elements = held_out
    if length != arm["length"]:
        count = min(26**length, each * len(test["compositions"]))
        elements = draw_elements(length, count, seed)
    without, having = part_letters(elements, arm.get("unseen_letters", ()))
    chosen = having if test.get("letters") == "unseen" else without
    return share_out(chosen, test["compositions"], each, apart=True)
