"""What c03 shows beside its results; words for outcomes were written before seeds were run.

Decides which numbers of the source stand beside ours, which curves are drawn, and what each
outcome of each reading means. No part of the registered record, and of no result.
"""

from collections.abc import Mapping

from retest.lab.tasks.string_arms import LENGTHS, RATES, name_noise
from retest.protocol import Outcome
from retest.showing import Curve, Showing, SourceNumber

BY_A_SECONDARY = "arXiv:2508.01191v1, by a secondary analysis"
OUR_RUN = "our run of its released code: 60,000 records, 10 epochs"
SOURCE_NUMBERS = (
    ("exact match in distribution", "100 %", f"Table 1, {BY_A_SECONDARY}", "in_distribution.full"),
    ("the same, on held-out elements", "89.4 %", OUR_RUN, "in_distribution.full"),
    ("F2F2 unseen: exact match", "0.01 %", f"Table 1, {BY_A_SECONDARY}", "composition.full"),
    ("F2F2 unseen: exact match", "0.0 %", OUR_RUN, "composition.full"),
    ("F2F2 unseen: edit distance", "0.172", OUR_RUN, "composition.edit_distance"),
    ("F2F2 unseen: BLEU", "0.256", OUR_RUN, "composition.bleu"),
    ("F2F2 unseen: steps right", "100 %", f"Table 2, {BY_A_SECONDARY}", "composition.reasoning"),
    ("F2F2 unseen: answer right", "0.01 %", f"Table 2, {BY_A_SECONDARY}", "composition.answer"),
    ("one function unseen", "0 %", f"Table 1, {BY_A_SECONDARY}", "function_partly_new.full"),
    ("all functions unseen", "0 %", f"Table 1, {BY_A_SECONDARY}", "function_all_new.full"),
    ("the same: edit distance", "0.2997", f"Table 1, {BY_A_SECONDARY}",
     "function_all_new.edit_distance"),
    ("the same: BLEU", "0.2947", f"Table 1, {BY_A_SECONDARY}", "function_all_new.bleu"),
    *((f"{n} letters, exact match 0: BLEU", bleu, f"Table 3, {BY_A_SECONDARY}", f"length_{n}.bleu")
      for n, bleu in ((2, "0.4214"), (3, "0.5471"), (5, "0.6220"), (6, "0.4763"))),
    ("one step", "fails", f"Figure 8, {BY_A_SECONDARY}", "steps_1.full"),
    ("three steps", "fails", f"Figure 8, {BY_A_SECONDARY}", "steps_3.full"),
    ("insertion at .2", "the worst kind", f"Figure 9, {BY_A_SECONDARY}", "insert_20.full"),
    ("the same by the scoring of its released code", "not given", "-", "insert_20.released_full"),
    ("replacement at .2", "less harm", f"Figure 9, {BY_A_SECONDARY}", "modify_20.full"),
    ("right outputs refused by its scoring, insertion at .2", "not given", "its released code",
     "insert_20.released_refuses"),
)  # fmt: skip
POSITIONS = {"rotary": "replicate", "learned": "positions_learned", "none": "positions_none"}
BY_LENGTH = {4: "in_distribution", **{n: f"length_{n}" for n in LENGTHS}}
MARKS = {"mark unseen in training": "replicate", "mark seen elsewhere": "marks_seen"}


def trace_doses(doses: Mapping[int, str], test: str) -> tuple[tuple[float, str], ...]:
    """A series over the number of functions."""
    return tuple((float(m), f"{arm}.tests.{test}.full") for m, arm in doses.items())


def trace_noise(arm: str, kind: str, rate: str) -> tuple[tuple[float, str], ...]:
    """A series over the rates of one kind of damage."""
    return tuple((x, f"{arm}.tests.{name_noise(kind, x)}.{rate}") for x in RATES)


CURVES = (
    Curve(
        "length", "Lengths after training on four letters", "letters", "exact match",
        {
            name: tuple((float(n), f"{arm}.tests.{BY_LENGTH[n]}.full") for n in sorted(BY_LENGTH))
            for name, arm in POSITIONS.items()
        },
    ),
    Curve(
        "noise_insert", "Marks inserted among the letters, which lose nothing", "rate",
        "exact match",
        {
            **{name: trace_noise(arm, "insert", "full") for name, arm in MARKS.items()},
            "best that is possible": trace_noise("replicate", "insert", "ceiling"),
        },
    ),
    Curve(
        "noise_lossy", "Damage that loses letters, and the best that is possible", "rate",
        "exact match",
        {
            f"{kind}{mark}": trace_noise("replicate", kind, rate)
            for kind in ("delete", "modify", "hybrid")
            for mark, rate in (("", "full"), (", best", "ceiling"))
        },
    ),
)  # fmt: skip
NOTHING_SAID: dict[Outcome, str] = {
    "UNDECIDED": "Too few seeds to tell.",
    "INVALID": "The models had not learned their task, or the judge erred: nothing is said.",
}
MEANS: dict[str, dict[Outcome, str]] = {
    "C3a": {
        "CONSISTENT": "The source's finding stands in its own setting: after two functions, a "
        "model fails at the unseen composition, at other lengths and at other numbers of steps.",
        "SHIFTED": "The source's finding does not stand even in its own setting: on at least one "
        "axis a model keeps most of what it has in distribution.",
        "ATTENUATED": "In the source's own setting something is lost on every axis, but on one of "
        "them less than half.",
        **NOTHING_SAID,
    },
    "C3b": {
        "CONSISTENT": "The limit stands where training is diverse: also after eight functions a "
        "model fails at unseen compositions, so two functions are not the reason.",
        "SHIFTED": "The limit is one of coverage: the same model, writing the same kind of chain, "
        "gets most unseen compositions right once training shows eight functions.",
        "ATTENUATED": "After eight functions less than half is lost on unseen compositions; "
        "whether that much or clearly less is open.",
        **NOTHING_SAID,
    },
    "all": {
        "CONSISTENT": "The claim as worded stands at this scale: written reasoning stays within "
        "its training distribution, after two functions and after eight.",
        "SHIFTED": "The claim as worded does not stand at this scale. With C3a consistent it is "
        "qualified: the failure is real in the source's setting, and it is set by what training "
        "covered, not by written reasoning as such. With C3a shifted it fails there too.",
        "ATTENUATED": "Part of the claim loses less than half where it says at least half; see "
        "which reading.",
        **NOTHING_SAID,
    },
}


def show(doses: Mapping[int, str]) -> Showing:
    """The showing of c03; ``doses`` are the arms by their number of functions."""
    by_dose = Curve(
        "dose_response", "Unseen compositions, by functions in training", "functions",
        "exact match of the whole output",
        {
            "in distribution": trace_doses(doses, "in_distribution"),
            "unseen composition": trace_doses(doses, "composition"),
            "unseen composition, without steps": (
                (2.0, "answer_only.tests.composition.full"),
                (8.0, "answer_only_diverse8.tests.composition.full"),
            ),
        },
    )  # fmt: skip
    numbers = tuple(
        SourceNumber(what, value, where, f"replicate.tests.{path}")
        for what, value, where, path in SOURCE_NUMBERS
    )
    return Showing(source_numbers=numbers, curves=(by_dose, *CURVES), means=MEANS)
