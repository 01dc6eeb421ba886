"""What c02's results are shown beside, and what each outcome would mean.

Written before any seed was run. Decides words and figures only: no number of a seed depends on
it, so that a better figure needs no new stream.
"""

from collections.abc import Sequence

from retest.protocol import Outcome
from retest.showing import Curve, Showing, SourceNumber

SHOWN_BUDGETS = (1, 2, 4, 8, 16, 32, 64)

MEANS: dict[str, dict[Outcome, str]] = {
    "C2a": {
        "CONSISTENT": (
            "As the source has it in its later wording: at 16 times the tokens, and choosing "
            "among six ways to spend them, the twin without rewards was still at least .05 "
            "behind. Extra tokens buy what training made of them."
        ),
        "SHIFTED": (
            "At 16 times the tokens a way without a verifier reached the rewarded twin within "
            "two points: in this setting the gap is a matter of how the base is sampled."
        ),
        "ATTENUATED": (
            "At 16 times the tokens something is left, more than nothing and less than .05."
        ),
        "UNDECIDED": "The seeds so far do not say which side of .05 the gap at 16 times is.",
        "INVALID": (
            "A gate failed: there was no gap to begin with, or NR had no chains to find, or "
            "reading answers did not work. The gap says nothing then."
        ),
    },
    "C2b": {
        "CONSISTENT": (
            "Also as the library words it: a gap of .05 or more is left at 64 times the tokens "
            "and no longer shrinks, so that more of the same would not close it. Whether a "
            "verifier would is what the line of coverage shows."
        ),
        "SHIFTED": (
            "The strong wording does not hold here: either the gap was closed at 64 times the "
            "tokens, or it was still shrinking there, so that it depends on the budget. "
            "'Regardless of the budget' is then more than can be said, even where C2a holds."
        ),
        "ATTENUATED": (
            "At 64 times the tokens the gap, or its change, lies just outside what the claim "
            "says, by less than we care for."
        ),
        "UNDECIDED": (
            "The seeds so far do not say whether a gap stays at 64 times the tokens, or "
            "whether it still shrinks."
        ),
        "INVALID": (
            "A gate failed: there was no gap to begin with, or NR had no chains to find, or "
            "reading answers did not work."
        ),
    },
    "all": {
        "CONSISTENT": (
            "The claim as the library words it stands in this setting, at an order of "
            "magnitude and at the largest budget alike. Where coverage reaches R all the same, "
            "read it as qualified: what is missing is a way to choose, not the ability."
        ),
        "SHIFTED": (
            "The claim as worded does not stand in this setting: a reading of it fails. The "
            "two readings say which; if only C2b fails, the bounded wording of the source's "
            "later version is the one to keep."
        ),
        "ATTENUATED": "The claim stands in direction, with a gap smaller than its threshold.",
        "UNDECIDED": "No reading is settled against the claim, and not all are for it.",
        "INVALID": "A gate failed on too many seeds, and nothing is concluded.",
    },
}


def show(task: str, strategies: Sequence[str]) -> Showing:
    """Source numbers, curves and words, for the measures of one task."""

    def trace(path: str) -> tuple[tuple[float, str], ...]:
        """One path at every budget; without a place for the budget a level line."""
        return tuple((b, f"{task}.{path.format(b=f'b{b}')}") for b in SHOWN_BUDGETS)

    accuracy = {
        **{f"NR, {name}": trace(f"nr.{name}.{{b}}") for name in strategies},
        "NR, coverage (oracle)": trace("nr.coverage.{b}"),
        "R, greedy": trace("arms.R.greedy"),
        "R, majority of 8": trace("arms.R.majority_8"),
        "distilled, greedy": trace("arms.R_distill.greedy"),
    }
    gaps = {
        "strategy that validation picks": trace("gap.{b}"),
        **{name: trace(f"gaps.{name}.{{b}}") for name in strategies},
        "coverage (oracle)": trace("gaps.coverage.{b}"),
    }
    return Showing(list_source_numbers(task), draw_curves(accuracy, gaps), MEANS)


def draw_curves(
    accuracy: dict[str, tuple[tuple[float, str], ...]],
    gaps: dict[str, tuple[tuple[float, str], ...]],
) -> tuple[Curve, ...]:
    """Both figures, over budgets as multiples of R's tokens."""
    budget = "generated tokens, as a multiple of R's"
    return (
        Curve(
            "accuracy_by_budget",
            "Accuracy of NR by what it spends, with R answering once",
            budget,
            "accuracy",
            accuracy,
            is_log_x=True,
        ),
        Curve(
            "gap_by_budget",
            "How far NR is behind R, by what it spends",
            budget,
            "accuracy of R minus accuracy of NR",
            gaps,
            is_log_x=True,
        ),
    )


def list_source_numbers(task: str) -> tuple[SourceNumber, ...]:
    """What the sources say; most of it is in words, and no table was verified."""
    return (
        SourceNumber(
            "gap that is left at the largest budget, without a verifier",
            "in words only (well behind, at an extremely high budget)",
            "abstract of arXiv:2504.14047v1; no table was verified",
            f"{task}.gap.b64",
        ),
        SourceNumber(
            "the same at an order of magnitude more compute",
            "in words only (not matched)",
            "abstract of a later version of arXiv:2504.14047; no table was verified",
            f"{task}.gap.b16",
        ),
        SourceNumber(
            "share of the gap that is closed without training (theirs by steering, ours by "
            "spending 64 times the tokens: not the same intervention)",
            "up to 91 %, steering 12 % of the tokens",
            "arXiv:2510.07364, a rider of the library's note",
            f"{task}.recovered.b64",
        ),
        SourceNumber(
            "what a perfect selection among the same samples would leave (a bound, no method)",
            "not given",
            "arXiv:2504.14047",
            f"{task}.gaps.coverage.b64",
        ),
    )
