"""Outcomes: regions and margins, compound claims, latching, strength, seeds to go."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retest.evidence import log_e_above
from retest.outcomes import FAMILY_ALPHA, StreamState, read_stream
from retest.protocol import Estimand

ALPHA = 0.05


def estimand(
    low: float | None,
    high: float | None,
    margin: float = 0.02,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    kind: Any = "bounded",
    name: str = "rate",
) -> Estimand:
    return Estimand(name, "a rate", "share", kind, bounds, low, high, margin)


BAND = estimand(0.55, 0.60)


def draw(mean: float, n: int, sd: float = 0.03, seed: int = 0) -> list[float]:
    values = np.clip(np.random.default_rng(seed).normal(mean, sd, n), 0, 1)
    return [float(value) for value in values]


def read(subject: Estimand, values: list[float]) -> StreamState:
    return read_stream([subject], [values], ALPHA)


@pytest.mark.parametrize(
    ("mean", "outcome"),
    [(0.575, "CONSISTENT"), (0.80, "SHIFTED"), (0.30, "SHIFTED"), (0.61, "ATTENUATED")],
)
def test_a_band_is_read(mean: float, outcome: str) -> None:
    n = 4000 if outcome == "ATTENUATED" else 300
    state = read(BAND, draw(mean, n))
    assert state.outcome == state.present == state.estimands[0].outcome == outcome


@pytest.mark.parametrize("n", [0, 1, 4])
def test_few_seeds_decide_nothing(n: int) -> None:
    state = read(BAND, draw(0.575, n))
    assert state.outcome == "UNDECIDED"
    assert state.estimands[0].n == n
    assert (state.estimands[0].mean is None) == (n == 0)


@pytest.mark.parametrize(
    ("low", "high", "mean", "outcome"),
    [
        (0.5, None, 0.7, "CONSISTENT"),
        (0.5, None, 0.3, "SHIFTED"),
        (None, 0.5, 0.3, "CONSISTENT"),
        (None, 0.5, 0.7, "SHIFTED"),
        (0.9, 1.0, 0.97, "CONSISTENT"),  # an end at the bound holds by itself
        (0.9, 1.0, 0.5, "SHIFTED"),
    ],
)
def test_one_sided_regions(low: float, high: float, mean: float, outcome: str) -> None:
    assert read(estimand(low, high), draw(mean, 200)).outcome == outcome


def test_a_region_at_the_very_bound_is_never_simply_met() -> None:
    """A mean of exactly 1 cannot be shown by any number of seeds; one below it can be."""
    assert read(estimand(1.0, None, margin=0.1), [1.0] * 300).outcome == "UNDECIDED"
    assert read(estimand(1.0, None, margin=0.1), draw(0.5, 100)).outcome == "SHIFTED"


def test_binary_and_unbounded_data_are_read_too() -> None:
    binary = estimand(0.5, None, kind="binary")
    hits = [float(value < 0.8) for value in np.random.default_rng(0).uniform(size=100)]
    assert read(binary, hits).outcome == "CONSISTENT"
    ratio = estimand(0.05, None, bounds=None, kind="unbounded")
    values = [float(v) for v in np.random.default_rng(0).normal(0.3, 0.1, 40)]
    assert read(ratio, values[:23]).outcome == "UNDECIDED"
    assert read(ratio, values).outcome == "CONSISTENT"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.floats(0.5, 8), st.floats(-5, 5))
def test_outcomes_do_not_hang_on_the_unit(values: list[float], scale: float, shift: float) -> None:
    plain = read(estimand(0.5, 0.7), values)
    ends = (0.5 * scale + shift, 0.7 * scale + shift)
    other = estimand(*ends, margin=0.02 * scale, bounds=(shift, shift + scale))
    moved = read(other, [min(v * scale + shift, shift + scale) for v in values])
    assert moved.e_consistent == pytest.approx(plain.e_consistent, rel=1e-6)
    assert moved.e_shifted == pytest.approx(plain.e_shifted, rel=1e-6)
    low, high = plain.estimands[0].low, plain.estimands[0].high
    assert moved.estimands[0].low == pytest.approx(low * scale + shift, abs=1e-6 * scale)
    assert moved.estimands[0].high == pytest.approx(high * scale + shift, abs=1e-6 * scale)


# --- The cost table: nights of 8 seeds until a decision, median and 90 % point --------------------


def nights_to(outcomes: set[str], subject: Estimand, mean: float, sd: float, seed: int) -> int:
    values = draw(mean, 8 * 60, sd, seed)
    low, high = 1, 60
    while low < high:  # an outcome that latches is there from some night on
        middle = (low + high) // 2
        if read(subject, values[: 8 * middle]).outcome in outcomes:
            high = middle
        else:
            low = middle + 1
    return low


@pytest.mark.parametrize(
    ("region", "mean", "sd", "median", "ninety"),
    [
        ((0.55, 0.60), 0.575, 0.03, 12, 14),
        ((0.55, 0.60), 0.575, 0.08, 17, 26),
        ((None, 0.60), 0.65, 0.08, 7, 10),
    ],
)
def test_decisions_cost_what_the_table_says(
    region: Any, mean: float, sd: float, median: int, ninety: int
) -> None:
    decided = {"CONSISTENT"} if region[0] else {"ATTENUATED", "SHIFTED"}
    nights = [nights_to(decided, estimand(*region, margin=0), mean, sd, s) for s in range(40)]
    assert np.median(nights) == pytest.approx(median, abs=2)
    assert np.quantile(nights, 0.9) == pytest.approx(ninety, abs=4)


# --- Several estimands ----------------------------------------------------------------------------


def test_a_compound_claim_is_consistent_when_all_are_and_shifted_when_one_is() -> None:
    parts = [estimand(0.5, None, name="a"), estimand(0.5, None, name="b")]
    good, bad, unclear = draw(0.8, 100), draw(0.2, 100, seed=1), draw(0.5, 100, 0.2, seed=2)
    assert read_stream(parts, [good, good], ALPHA).outcome == "CONSISTENT"
    assert read_stream(parts, [good, unclear], ALPHA).outcome == "UNDECIDED"
    assert read_stream(parts, [good, bad], ALPHA).outcome == "SHIFTED"
    assert read_stream(parts, [unclear, bad], ALPHA).outcome == "SHIFTED"


def test_the_smallest_e_value_speaks_for_consistent() -> None:
    parts = [estimand(0.5, None, name="a"), estimand(0.5, None, name="b")]
    state = read_stream(parts, [draw(0.8, 30), draw(0.6, 30, seed=1)], ALPHA)
    assert state.e_consistent == min(part.e_consistent for part in state.estimands)


def test_e_values_are_averaged_before_the_maximum_over_time_is_taken() -> None:
    """The maximum of the average keeps the level; the average of the maxima would not."""
    parts = [estimand(0.5, None, margin=0, name="a"), estimand(0.5, None, margin=0, name="b")]
    early = [0.1] * 15 + [0.9] * 25
    late = [0.9] * 15 + [0.1] * 25
    paths = [
        np.exp(log_e_above(1 - np.array(v), np.array([0.5]), "bounded", ALPHA)[:, 0])
        for v in (early, late)
    ]
    state = read_stream(parts, [early, late], ALPHA)
    assert state.e_shifted == pytest.approx(np.mean(paths, axis=0).max(), rel=1e-9)
    assert state.e_shifted < np.mean([path.max() for path in paths])


def test_a_compound_claim_is_rarely_called_shifted_when_it_is_not() -> None:
    parts = [estimand(0.5, 0.6, margin=0.05, name=str(i)) for i in range(3)]
    random = np.random.default_rng(3)
    wrong = 0
    for _ in range(150):  # every mean at an end of the widened region
        values = [np.clip(random.normal(0.65, 0.1, 240), 0, 1).tolist() for _ in parts]
        wrong += read_stream(parts, values, ALPHA).outcome == "SHIFTED"
    assert wrong / 150 <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 150)


# --- Latching -------------------------------------------------------------------------------------


def test_an_outcome_outlasts_seeds_that_fall_back() -> None:
    subject = estimand(0.5, None)
    values = [0.8] * 12
    assert read(subject, values).outcome == read(subject, values).present == "CONSISTENT"
    fallen = read(subject, values + [0.2] * 10)
    assert (fallen.outcome, fallen.present) == ("CONSISTENT", "UNDECIDED")
    assert fallen.estimands[0].present_low < 0.5 < fallen.estimands[0].present_high
    assert fallen.estimands[0].present_low < fallen.estimands[0].low


def test_the_opposite_bound_ends_an_outcome_both_ways() -> None:
    subject = estimand(0.5, None)
    there = [0.8] * 20
    moved = there + [0.2] * 200
    assert read(subject, moved).outcome == "SHIFTED"
    back = moved + [0.9] * 600
    state = read(subject, back)
    assert state.outcome == "CONSISTENT"
    part = state.estimands[0]
    assert part.has_moved and part.low <= part.high


@pytest.mark.parametrize(
    "values", [[0.3] * 60 + [0.47] * 300, [0.8] * 20 + [0.2] * 200 + [0.6] * 400], ids=["", "moved"]
)
def test_shifted_outlasts_a_fall_to_attenuated(values: list[float]) -> None:
    state = read(estimand(0.5, None, margin=0.1), values)
    assert (state.outcome, state.present) == ("SHIFTED", "ATTENUATED")


# --- Strength, seeds to go ------------------------------------------------------------------------


def test_strength_grows_with_the_evidence_and_falls_with_the_number_of_claims() -> None:
    subject = estimand(0.5, None)
    assert read(subject, draw(0.6, 3)).strength(ALPHA, 1) == "none"
    state = next(s for n in range(1, 60) if (s := read(subject, [0.7] * n)).outcome == "CONSISTENT")
    claims = math.floor(state.e_consistent * FAMILY_ALPHA)
    assert claims >= 2
    assert state.strength(ALPHA, claims) == "established"
    assert state.strength(ALPHA, claims + 1) == "signal"


def test_evidence_for_the_other_side_gives_an_outcome_no_strength() -> None:
    state = read(estimand(0.5, None), [0.8] * 20 + [0.2] * 200)
    assert state.outcome == "SHIFTED"
    assert state.strength(ALPHA, 1) == "established"
    many = math.ceil(state.e_shifted * FAMILY_ALPHA) + 1
    assert state.strength(ALPHA, many) == "signal"


def test_seeds_to_go_are_about_right() -> None:
    values = draw(0.575, 400, 0.05)
    early = read(BAND, values[:24])
    assert early.seeds_to_go is not None
    needed = next(n for n in range(24, 400, 4) if read(BAND, values[:n]).outcome != "UNDECIDED")
    assert (needed - 24) / 3 < early.seeds_to_go < (needed - 24) * 3
    assert read(BAND, values).seeds_to_go == 0


def test_seeds_to_go_are_unknown_at_a_boundary_or_with_one_seed() -> None:
    assert read(BAND, [0.5, 0.7] * 20).seeds_to_go is None  # mean .60, an end of the region
    assert read(BAND, [0.57]).seeds_to_go is None


def test_overwhelming_evidence_stays_a_number() -> None:
    state = read(estimand(0.1, None), [0.9] * 4000)
    far = read(estimand(0.9, None), [0.1] * 4000)
    for value in (state.e_consistent, far.e_shifted):
        assert math.isfinite(value) and value > 1e200
        json.dumps(value, allow_nan=False)
