"""What c01 shows beside its results: the source's numbers, curves, and what outcomes would mean.

Written before the first seed was run. Decides nothing.
"""

from collections.abc import Mapping

from retest.protocol import Outcome
from retest.showing import Curve, Showing, SourceNumber

PARTS = ("bin_1", "bin_2", "bin_3", "bin_4", "bin_5")
BARS = "Figs. 1 and 9, arXiv:2408.03314v1, read from bars by secondary sources"
UNSORTED = (
    "percent of the larger model's accuracy; which bar is easy, medium or hard is not certain"
)
SOURCE_NUMBERS = (
    SourceNumber(
        "larger model, times the parameters", "~14", "section 7", "x14.ratio_of_parameters"
    ),
    SourceNumber("k at R = .16", "258", "section 7, by its formula", "x14.loads.light.samples"),
    SourceNumber("k at R = .79", "63", "section 7, by its formula", "x14.loads.even.samples"),
    SourceNumber("k at R = 22", "16", "section 7, by its formula", "x14.loads.heavy.samples"),
    SourceNumber(
        f"revisions, light load ({UNSORTED})",
        "+11.8 / +27.8 / +21.6 %",
        BARS,
        "x14.loads.light.gain.verifier.all",
    ),
    SourceNumber(
        "revisions, R near 1", "+3.5 / +16.7 / negative", BARS, "x14.loads.even.gain.verifier.all"
    ),
    SourceNumber(
        "revisions, heavy load",
        "+5.4 / -24.3 / -37.2 %",
        BARS,
        "x14.loads.heavy.gain.verifier.all",
    ),
    SourceNumber(
        "search with a process verifier, light load",
        "+19.1 / 0.0 / -3.6 %",
        BARS,
        "x14.loads.light.gain.verifier.all",
    ),
    SourceNumber(
        "the same, R near 1", "+2.2 / ... / -35.3 %", BARS, "x14.loads.even.gain.verifier.all"
    ),
    SourceNumber(
        "the same, heavy load",
        "+2.0 / -30.8 / -52.9 %",
        BARS,
        "x14.loads.heavy.gain.verifier.all",
    ),
    SourceNumber(
        "accuracy on the hardest fifth, every budget",
        "1 to 3 %",
        "Figs. 3 and 7, arXiv:2408.03314v1, by a secondary source",
        "x14.loads.light.accuracy.bin_5",
    ),
)
BUDGETS = (1, 2, 4, 8, 16, 32, 63, 64, 128, 256, 258)
CURVES = (
    Curve(
        name="accuracy_by_samples",
        title="Accuracy by samples of the small model",
        x_label="samples of each problem",
        y_label="share of problems right",
        series={
            "verifier": tuple((k, f"by_samples.k{k}.verifier") for k in BUDGETS),
            "majority": tuple((k, f"by_samples.k{k}.majority") for k in BUDGETS),
            "oracle (a bound)": tuple((k, f"by_samples.k{k}.oracle") for k in BUDGETS),
            "larger model, one greedy answer": ((1, "x14.greedy.all"), (258, "x14.greedy.all")),
        },
        is_log_x=True,
    ),
    Curve(
        name="labels_flipped",
        title="A verifier that lets wrong samples pass ends at a ceiling",
        x_label="wrong samples that pass, percent",
        y_label="share of problems right",
        series={
            "258 samples": tuple((x, f"labels_flipped.percent_{x}.accuracy") for x in (0, 5, 20)),
            "p / (p + e (1 - p))": tuple(
                (x, f"labels_flipped.percent_{x}.ceiling") for x in (0, 5, 20)
            ),
        },
    ),
)
NO_REGIME: dict[Outcome, str] = {
    "INVALID": (
        "The gates or controls failed: sizes did not differ, samples were never or always right, "
        "the verifier could not tell right from wrong, or selection failed on a known answer. "
        "Nothing is said about the trade."
    ),
    "UNDECIDED": "Too few seeds to tell. This is not a sign that the claim holds.",
}
MEANS: dict[str, dict[Outcome, str]] = {
    "C1a": {
        "CONSISTENT": (
            "The source's pattern shows here too: with few answers to give, samples of the small "
            "model beat 14 times the parameters on problems that it can solve, and with many to "
            "give they lose on the hardest."
        ),
        "SHIFTED": (
            "The source's pattern fails here: the small side loses on the easier problems even "
            "when it may draw 258 samples, or it wins on the hardest with 16. The first says that "
            "samples chosen by a verifier like ours do not stand in for parameters, even where "
            "the exchange is cheapest."
        ),
        "ATTENUATED": (
            "Where the small side should be ahead it is not, or where it should be behind it is "
            "not, but by less than two points."
        ),
        **NO_REGIME,
    },
    "C1b": {
        "CONSISTENT": (
            "The library's wording fits here: samples make up for parameters more on the harder "
            "two fifths than on the easier two. The source says the reverse."
        ),
        "SHIFTED": (
            "The library's wording is wrong here, as its own source says: samples make up for "
            "parameters less on hard problems than on easy ones. A part of this is a ceiling: on "
            "the easiest fifth both sides are nearly always right, so that neither can lose."
        ),
        "ATTENUATED": (
            "Samples do not help more on hard problems than on easy ones, but less by under five "
            "points only."
        ),
        **NO_REGIME,
    },
    "all": {
        "CONSISTENT": "Source and library are both right here: the trade works, most on hard ones.",
        "SHIFTED": (
            "The claim as worded fails in at least one part. The readings say in which: C1a is the "
            "source's, C1b only the library's."
        ),
        "ATTENUATED": "No part fails, and at least one is too small to matter.",
        **NO_REGIME,
    },
}


def show(loads: Mapping[str, float]) -> Showing:
    """The showing of c01; ``loads`` are the names of R's values in the measures."""
    gains = Curve(
        name="gain_by_difficulty",
        title="Gain of samples over parameters, by difficulty",
        x_label="fifth of the problems, 1 the easiest",
        y_label="accuracy of the small side minus that of the larger",
        series={
            f"R = {load:g}": tuple(
                (place + 1, f"x14.loads.{name}.gain.verifier.{part}")
                for place, part in enumerate(PARTS)
            )
            for name, load in loads.items()
        },
    )
    return Showing(source_numbers=SOURCE_NUMBERS, curves=(*CURVES, gains), means=MEANS)
