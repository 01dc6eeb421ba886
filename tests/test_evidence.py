"""The e-processes and bounds: against an independent implementation, by simulation, by property."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ville import BernoulliCS, BettingTest
from ville._boundaries import normal_mixture

from db.errors import SeedRefused
from retest import evidence
from retest.evidence import BURN_IN, TUNED_AT, Bounds, check_values, find_bounds, log_e_above

ALPHA = 0.05
NEEDED = math.log(1 / ALPHA)
KINDS: tuple[Any, ...] = ("bounded", "binary", "unbounded")

unit_values = st.lists(st.floats(0, 1), min_size=1, max_size=60).map(np.array)
tall_values = st.lists(st.integers(-50, 50), min_size=BURN_IN, max_size=60).map(
    lambda values: np.array(values) / 10
)


def draw(kind: str, seed: int, size: int) -> Any:
    random = np.random.default_rng(seed)
    if kind == "binary":
        return (random.uniform(size=size) < 0.6).astype(float)
    return random.uniform(0.3, 0.8, size) if kind == "bounded" else random.normal(2, 1, size)


# --- Against ville, which bets with ln(2/alpha): its 2 alpha is our alpha -------------------------


@pytest.mark.parametrize("mean", [0.05, 0.3, 0.5, 0.62, 0.97])
@pytest.mark.parametrize("seed", range(3))
def test_betting_agrees_with_ville(mean: float, seed: int) -> None:
    values = np.random.default_rng(seed).beta(2, 3, 400)
    for alternative, ours, m in (("greater", values, mean), ("less", 1 - values, 1 - mean)):
        oracle = BettingTest(mean, alternative=alternative, alpha=2 * ALPHA, c=0.75).fit(values)
        np.testing.assert_allclose(
            log_e_above(ours, np.array([m]), "bounded", ALPHA)[:, 0],
            oracle.log_e_values_,
            rtol=1e-9,
            atol=1e-9,
        )


def test_the_beta_binomial_bounds_agree_with_ville() -> None:
    values = draw("binary", 4, 150)
    oracle = BernoulliCS(alpha=ALPHA, intersect=False).fit(values)
    for n in (1, 2, 10, 150):
        low, high = find_bounds(values[:n], "binary", ALPHA, is_present=True)
        assert low == pytest.approx(oracle.lower_[n - 1], abs=1e-9)
        assert high == pytest.approx(oracle.upper_[n - 1], abs=1e-9)


def test_the_normal_mixture_agrees_with_the_boundary_of_ville() -> None:
    values = draw("unbounded", 5, 300)
    level = -2 * math.log(ALPHA)
    precision = TUNED_AT / (level + math.log(level) + 1)
    for n in (BURN_IN, 60, 300):
        part = values[:n]
        radius = np.std(part, ddof=1) * normal_mixture(n, ALPHA, precision, one_sided=True) / n
        low, high = find_bounds(part, "unbounded", ALPHA, is_present=True)
        assert low == pytest.approx(np.mean(part) - radius, rel=1e-6)
        assert high == pytest.approx(np.mean(part) + radius, rel=1e-6)


# --- Coverage: a mean at the worst place is rejected in at most alpha of the streams --------------


def share_of_false_alarms(kind: Any, sd: float, streams: int, nights: int) -> float:
    """Streams of 8 seeds a night, looked at every night, whose true mean is ever rejected."""
    random = np.random.default_rng(20261124)
    alarms = 0
    for _ in range(streams):
        if kind == "binary":
            values, mean = (random.uniform(size=8 * nights) < 0.6).astype(float), 0.6
        elif kind == "bounded":  # a beta distribution of this mean and sd
            mean, weight = 0.6, 0.6 * 0.4 / sd**2 - 1
            values = random.beta(mean * weight, (1 - mean) * weight, 8 * nights)
        else:
            values, mean = random.normal(0, sd, 8 * nights), 0.0
        log_e = log_e_above(values, np.array([mean]), kind, ALPHA)[7::8, 0]
        alarms += bool(log_e.max() >= NEEDED)
    return alarms / streams


def three_errors_above(streams: int) -> float:
    return ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / streams)


@pytest.mark.parametrize(
    ("kind", "sd"), [("bounded", 0.08), ("bounded", 0.2), ("binary", 0.0), ("unbounded", 0.1)]
)
def test_false_alarms_stay_below_alpha(kind: str, sd: float) -> None:
    assert share_of_false_alarms(kind, sd, 300, 120) <= three_errors_above(300)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "sd"), [("bounded", 0.08), ("bounded", 0.2), ("binary", 0.0), ("unbounded", 0.1)]
)
def test_false_alarms_stay_below_alpha_for_a_year(kind: str, sd: float) -> None:
    assert share_of_false_alarms(kind, sd, 500, 365) <= three_errors_above(500)


def test_the_simulation_can_fail() -> None:
    """Items taken for seeds give far more false alarms: the check above has teeth."""
    random = np.random.default_rng(1)
    alarms = 0
    for _ in range(60):
        seeds = np.repeat(np.clip(random.normal(0.6, 0.08, 60), 0, 1), 40)
        alarms += bool(log_e_above(seeds, np.array([0.6]), "bounded", ALPHA).max() >= NEEDED)
    assert alarms / 60 > three_errors_above(60)


def test_a_clear_difference_is_found() -> None:
    low, high = find_bounds(draw("bounded", 0, 200), "bounded", ALPHA)
    assert 0.4 < low < 0.55 < high < 0.7


# --- The cost table: nights of 8 seeds until a decision, median and 90 % point --------------------

SD3, SD8 = 0.03, 0.08
CONSISTENT, OUTSIDE = (0.55, 0.60), (None, 0.60)
COSTS = [  # region, true mean, sd, betting, asymptotic with a burn-in of 40 seeds
    (CONSISTENT, 0.575, SD3, (12, 14), (5, 5)),
    (CONSISTENT, 0.575, SD8, (17, 26), (15, 23)),
    (OUTSIDE, 0.62, SD8, (19, 36), (14, 31)),
    (OUTSIDE, 0.65, SD8, (7, 10), (5, 7)),
    (OUTSIDE, 0.70, SD8, (4, 5), (5, 5)),
    (OUTSIDE, 0.80, SD8, (2, 2), (5, 5)),
]


def count_nights(kind: Any, region: Any, mean: float, sd: float, random: Any) -> int:
    """Nights until the mean is known to lie inside a band, or above an upper end."""
    values = np.clip(random.normal(mean, sd, 8 * 100), 0, 1)
    low, high = region
    above = log_e_above(values, np.array([low or high]), kind, ALPHA)[:, 0]
    if low:
        below = log_e_above(evidence.mirror(values, kind), mirror_of(high, kind), kind, ALPHA)
        pair = np.maximum.accumulate(above), np.maximum.accumulate(below[:, 0])
        above = np.minimum(*pair)
    reached = above[7::8] >= NEEDED
    return int(np.argmax(reached)) + 1 if reached.any() else 100


def mirror_of(mean: float, kind: Any) -> Any:
    return np.array([-mean if kind == "unbounded" else 1 - mean])


@pytest.mark.parametrize("row", COSTS, ids=lambda row: f"{row[1]} sd {row[2]}")
@pytest.mark.parametrize("kind", ["bounded", "unbounded"])
def test_decisions_cost_what_the_table_says(
    kind: str, row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    region, mean, sd, betting, asymptotic = row
    monkeypatch.setattr(evidence, "BURN_IN", 40)
    median, ninety = betting if kind == "bounded" else asymptotic
    random = np.random.default_rng(7)
    nights = [count_nights(kind, region, mean, sd, random) for _ in range(200)]
    assert np.median(nights) == pytest.approx(median, abs=1 + 0.08 * median)
    assert np.quantile(nights, 0.9) == pytest.approx(ninety, abs=1 + 0.15 * ninety)


def test_pooling_the_same_seeds_again_and_again_misleads() -> None:
    """Why a seed is refused twice: eight seeds re-run every night for ninety nights."""
    random = np.random.default_rng(8)
    wrong = 0
    for _ in range(100):
        seeds = np.clip(random.normal(0.6, 0.08, 8), 0, 1)
        pooled = np.tile(seeds, 90)
        sides = ((pooled, 0.6), (1 - pooled, 0.4))
        wrong += any(
            log_e_above(x, np.array([m]), "bounded", ALPHA).max() >= NEEDED for x, m in sides
        )
    assert wrong / 100 > 0.6


# --- Bounds are those of plain halving ------------------------------------------------------------


def halve(log_e: Any, span: Any, *, is_present: bool) -> float | None:
    """The search as it is easiest to believe: fifty bisections."""
    inside, outside = span

    def is_rejected(mean: float) -> bool:
        path = log_e(mean)
        return bool((path[-1] if is_present else path.max()) >= NEEDED)

    if not is_rejected(inside):
        return None
    for _ in range(50):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if is_rejected(middle) else (inside, middle)
    return inside


@pytest.mark.parametrize("kind", KINDS)
def test_bounds_are_those_of_halving(kind: Any) -> None:
    random = np.random.default_rng(10)
    for n in (1, 5, 30, 150, 400):
        values = draw(kind, int(random.integers(1000)), n)
        values[n // 2 :] = values[n // 2 :] * 0.5 if kind != "binary" else 0.0  # best != present
        for side in (values, evidence.mirror(values, kind)):
            span = evidence._find_spans(side, kind)[0]
            log_e = evidence.prepare_log_e(side, kind, ALPHA)
            found = evidence.find_lower_bounds(log_e, side, ALPHA, span)
            for bound, is_present in ((found.best, False), (found.present, True)):
                expected = halve(log_e, span, is_present=is_present)
                if kind == "unbounded" and expected is not None:
                    assert bound == pytest.approx(expected, rel=1e-12, abs=1e-12)
                else:
                    assert bound == expected, "the same to the last bit"


# --- Properties -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(unit_values)
def test_present_bounds_are_ordered_and_within_the_unit_interval(values: Any) -> None:
    low, high = find_bounds(values, "bounded", ALPHA, is_present=True)
    assert 0 <= low <= high <= 1


@settings(max_examples=40, deadline=None)
@given(unit_values, st.integers(1, 59))
def test_the_best_bounds_only_tighten(values: Any, cut: int) -> None:
    earlier, later = (find_bounds(v, "bounded", ALPHA) for v in (values[:cut], values))
    assert later.low >= earlier.low - 1e-12
    assert later.high <= earlier.high + 1e-12


@settings(max_examples=40, deadline=None)
@given(unit_values, st.lists(st.floats(0.001, 0.999), min_size=2, max_size=8))
def test_evidence_falls_as_the_mean_in_question_grows(values: Any, means: list[float]) -> None:
    for kind, data in (("bounded", values), ("binary", np.round(values))):
        log_e = log_e_above(data, np.sort(np.array(means)), kind, ALPHA)  # type: ignore[arg-type]
        assert np.all(np.diff(log_e, axis=1) <= 1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_replay_gives_the_same_bits(kind: Any) -> None:
    values = draw(kind, 6, 200)
    means = np.array([0.4, 0.6])
    first, second = (log_e_above(values.copy(), means, kind, ALPHA) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    part = log_e_above(values[:77], means, kind, ALPHA)
    assert part.tobytes() == first[:77].tobytes(), "later seeds must not touch earlier evidence"
    assert find_bounds(values, kind, ALPHA) == find_bounds(values.copy(), kind, ALPHA)


@settings(max_examples=40, deadline=None)
@given(tall_values, st.floats(0.1, 20), st.floats(-100, 100))
def test_unbounded_bounds_move_and_scale_with_the_data(
    values: Any, scale: float, shift: float
) -> None:
    bounds = find_bounds(values, "unbounded", ALPHA)
    moved = find_bounds(values * scale + shift, "unbounded", ALPHA)
    for ours, theirs in zip(bounds, moved, strict=True):
        if math.isfinite(ours):
            assert theirs == pytest.approx(ours * scale + shift, rel=1e-6, abs=1e-6 * scale)
        else:
            assert theirs == ours


@pytest.mark.parametrize("kind", KINDS)
def test_the_two_sides_mirror_each_other(kind: Any) -> None:
    values = draw(kind, 7, 120)
    one = 0.0 if kind == "unbounded" else 1.0
    low, high = find_bounds(values, kind, ALPHA)
    mirrored = find_bounds(one - values, kind, ALPHA)
    assert mirrored == pytest.approx(Bounds(one - high, one - low), abs=1e-9)


# --- Edges ----------------------------------------------------------------------------------------


def test_the_asymptotic_sequence_is_silent_during_its_burn_in() -> None:
    values = draw("unbounded", 8, BURN_IN)
    silent = find_bounds(values[: BURN_IN - 1], "unbounded", ALPHA)
    assert silent == Bounds(-math.inf, math.inf)
    assert all(math.isfinite(bound) for bound in find_bounds(values, "unbounded", ALPHA))
    assert BURN_IN >= 24


def test_equal_unbounded_values_give_no_certainty() -> None:
    assert find_bounds(np.full(50, 3.0), "unbounded", ALPHA) == Bounds(-math.inf, math.inf)


def test_the_asymptotic_sequence_survives_a_large_offset() -> None:
    values = draw("unbounded", 9, 60)
    low, high = find_bounds(values + 1e9, "unbounded", ALPHA)
    plain = find_bounds(values, "unbounded", ALPHA)
    assert (low - 1e9, high - 1e9) == pytest.approx(tuple(plain), abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_no_seeds_say_nothing(kind: Any) -> None:
    edge = (-math.inf, math.inf) if kind == "unbounded" else (0.0, 1.0)
    assert find_bounds(np.zeros(0), kind, ALPHA) == edge


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_seeds_at_an_edge_bound_one_side_only(value: float) -> None:
    for kind in ("bounded", "binary"):
        low, high = find_bounds(np.full(60, value), kind, ALPHA)  # type: ignore[arg-type]
        assert (low > 0.85 and high == 1.0) if value else (low == 0.0 and high < 0.15)


@pytest.mark.parametrize(
    "values",
    [
        [[0.5, 0.6]],
        [[0.5], [0.6, 0.7]],
        [np.array([0.5, 0.6])],
        [math.nan],
        [math.inf],
        [1.01],
        [-0.01],
        ["0.5"],
        [None],
    ],
    ids=str,
)
def test_what_is_no_seed_value_is_refused(values: Any) -> None:
    with pytest.raises(SeedRefused):
        check_values(values, (0.0, 1.0))


def test_shares_are_no_binary_values() -> None:
    assert check_values([0, 1, True], (0.0, 1.0), "binary").tolist() == [0, 1, 1]
    with pytest.raises(SeedRefused, match="0 or 1"):
        check_values([0.5], (0.0, 1.0), "binary")
