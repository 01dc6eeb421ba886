"""How a night's budget is spent: the rule row by row, and what must hold whatever the offers."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from db.models import Binding, Claim, Line, LineClaim, Note, Stream
from retest.budgeting import (
    Budget,
    Offer,
    allot,
    choose,
    count_grants,
    measure_value,
    name_outcome,
    read_standing,
    take_turns,
)
from retest.offers import LibraryWeight, read_offer, read_weight
from retest.streams import censor_seed, finish_seed, open_stream, start_seed
from tests.fake_experiment import fake, make_protocol, make_result

__all__ = ["fake"]

NIGHT = Budget(300.0, 1)
LIVE = Offer("a", 10.0, seeds=5, seeds_to_go=4, days_waiting=1.0, reach=3)
WATCHED = replace(LIVE, outcome="CONSISTENT", is_established=True, seeds_to_go=0)


@pytest.mark.parametrize(
    ("offer", "kind", "is_wanted", "said"),
    [
        (LIVE, "live", True, "last seed 1 day ago, about 4 seeds to go of 10 s, reach 3"),
        (replace(LIVE, seeds_to_go=1), "live", True, "about 1 seed to go"),
        (replace(LIVE, seeds_to_go=None), "live", True, "an unknown number of seeds to go"),
        (replace(LIVE, days_waiting=None, seeds=0), "live", True, "no seed yet"),
        (replace(LIVE, days_waiting=6.6), "live", True, "last seed 6 days ago, due;"),
        (replace(LIVE, days_waiting=0.2), "live", True, "last seed today"),
        (WATCHED, "watch", False, "CONSISTENT is established; watched every 30 days"),
        (replace(WATCHED, days_waiting=29.6), "watch", True, "its monthly seed is due"),
        (replace(LIVE, outcome="SHIFTED"), "live", True, "to go until SHIFTED is established"),
        (replace(LIVE, is_invalid=True, outcome="INVALID"), "invalid", False, "do not mend it"),
        (replace(LIVE, counts_nights=True), "live", True, "about 4 seeds"),
        (replace(LIVE, counts_nights=True, tonight=1), "counted", False, "one seed a night"),
        (replace(LIVE, concludes=False), "live", True, "never concludes"),
    ],
)
def test_where_an_experiment_stands(offer: Offer, kind: str, is_wanted: bool, said: str) -> None:
    standing = read_standing(offer, NIGHT)
    assert (standing.kind, standing.is_wanted) == (kind, is_wanted)
    assert said in standing.reason
    for word in ("holds", "prove", "refute", "confirm"):
        assert word not in standing.reason


@pytest.mark.parametrize(
    ("seeds", "to_go", "cost_s", "is_futile"),
    [
        (8, 900, 30.0, False),  # 27,000 s: 90 nights of 300 s hold exactly that
        (8, 901, 30.0, True),
        (7, 901, 30.0, False),  # too few seeds to give it up
        (8, None, 20.0, False),  # more than 1,000 of 20 s: 20,020 s
        (8, None, 30.0, True),
        (3, None, 30.0, False),  # nobody can tell yet
    ],
)
def test_what_is_futile(seeds: int, to_go: int | None, cost_s: float, is_futile: bool) -> None:
    offer = replace(LIVE, seeds=seeds, seeds_to_go=to_go, cost_s=cost_s)
    assert (read_standing(offer, NIGHT).kind == "futile") == is_futile
    assert name_outcome(offer, NIGHT) == ("UNDECIDED (budget)" if is_futile else "UNDECIDED")
    assert read_standing(offer, Budget(math.inf, 1)).kind == "live", "without a budget: never"
    assert read_standing(offer, Budget(300.0, 2)).kind == "live", "two processes hold twice that"


def test_futility_is_no_outcome_and_is_said() -> None:
    futile = replace(LIVE, seeds=8, seeds_to_go=None, cost_s=30.0)
    assert "UNDECIDED (budget): more than 1000 seeds to go" in read_standing(futile, NIGHT).reason
    shifted = replace(futile, outcome="SHIFTED")
    assert name_outcome(shifted, NIGHT) == "SHIFTED", "only what is undecided lacks money"
    assert choose([futile], 300.0, NIGHT) is None
    assert choose([replace(futile, days_waiting=30.0)], 300.0, NIGHT) is not None


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (replace(LIVE, seeds_to_go=2), LIVE),
        (replace(LIVE, reach=80), LIVE),
        (replace(LIVE, days_waiting=3.0), LIVE),
        (replace(LIVE, cost_s=5.0), LIVE),
        (LIVE, replace(LIVE, seeds_to_go=None)),
        (replace(LIVE, days_waiting=8.0, seeds_to_go=500), replace(LIVE, seeds_to_go=1)),
        (replace(LIVE, days_waiting=None), replace(LIVE, days_waiting=20.0)),
        (replace(LIVE, days_waiting=9.0), replace(LIVE, days_waiting=8.0, reach=99)),
        (replace(LIVE, concludes=False, seeds=2), replace(LIVE, concludes=False, seeds=3)),
    ],
    ids=["fewer to go", "reach", "stale", "cheap", "known", "due first", "never", "longest wait",
         "turns"],
)  # fmt: skip
def test_who_is_served_first(better: Offer, worse: Offer) -> None:
    for order in ((better, worse), (worse, better)):
        named = [replace(offer, name=str(i)) for i, offer in enumerate(order)]
        chosen = choose(named, 300.0, NIGHT)
        assert chosen is not None and chosen.name == str(order.index(better))


def test_the_value_is_the_formula_of_the_docstring() -> None:
    offer = Offer("a", 8.0, seeds=5, seeds_to_go=6, reach=7, days_waiting=3.5)
    assert measure_value(offer) == pytest.approx((1 + 3) * 1.5 / (6 * 8.0))
    assert measure_value(replace(offer, seeds_to_go=0)) == pytest.approx(6 / 8.0)
    assert measure_value(replace(offer, seeds_to_go=None)) == pytest.approx(6 / (30 * 8.0))


def test_a_decision_that_is_near_is_reached_first_and_then_watched() -> None:
    near = Offer("near", 10.0, seeds=9, seeds_to_go=3, days_waiting=1.0)
    far = Offer("far", 10.0, seeds=9, seeds_to_go=40, days_waiting=1.0)
    grants = allot([far, near], Budget(60.0, 1))
    assert [grant.name for grant in grants] == ["near"] * 3 + ["far"] * 3
    assert grants[0].reason.startswith("last seed 1 day ago, about 3 seeds to go")


def test_a_dear_seed_that_does_not_fit_gives_way_to_one_that_does() -> None:
    dear = Offer("dear", 400.0, days_waiting=20.0)
    assert count_grants(allot([dear, LIVE], NIGHT)).get("dear") is None
    assert allot([dear], NIGHT) == []
    assert count_grants(allot([dear, LIVE], Budget(500.0, 1)))["dear"] == 1


def test_seeds_that_were_asked_for_take_turns() -> None:
    offers = [LIVE, replace(WATCHED, name="b"), replace(LIVE, name="c", cost_s=100.0)]
    grants = take_turns(offers, 2, Budget(math.inf, 1))
    assert [grant.name for grant in grants] == ["a", "b", "c", "a", "b", "c"]
    assert count_grants(take_turns(offers, 2, Budget(125.0, 1))) == {"a": 1, "b": 1, "c": 1}


# --- What must hold whatever the offers -----------------------------------------------------------

OFFERS = st.builds(
    Offer,
    name=st.just(""),
    cost_s=st.floats(4.0, 200.0),
    seeds=st.integers(0, 60),
    seeds_to_go=st.none() | st.integers(0, 1000),
    outcome=st.sampled_from(["UNDECIDED", "CONSISTENT", "SHIFTED", "ATTENUATED"]),
    is_established=st.booleans(),
    is_invalid=st.booleans(),
    counts_nights=st.booleans(),
    concludes=st.booleans(),
    reach=st.integers(0, 200),
    days_waiting=st.none() | st.floats(0.0, 60.0),
)
MANY = st.lists(OFFERS, min_size=1, max_size=8).map(
    lambda offers: [replace(offer, name=f"e{i:02}") for i, offer in enumerate(offers)]
)
BUDGETS = st.builds(Budget, seconds=st.floats(1.0, 900.0), jobs=st.integers(1, 4))


@given(MANY, BUDGETS)
@settings(max_examples=150, deadline=None)
def test_the_budget_is_never_exceeded_and_no_process_does_two_seeds(
    offers: list[Offer], budget: Budget
) -> None:
    grants = allot(offers, budget)
    assert grants == allot(offers, budget), "the same offers, the same night"
    for grant in grants:
        assert grant.begins_s + grant.cost_s <= budget.seconds + 1e-9
        at_once = [g for g in grants if g.begins_s <= grant.begins_s < g.begins_s + g.cost_s]
        assert len(at_once) <= budget.jobs
    waiting = [o for o in offers if read_standing(o, budget).is_due and o.cost_s <= budget.seconds]
    if waiting:
        first = max(waiting, key=lambda o: read_standing(o, budget).urgency)
        assert read_standing(first, budget).urgency == read_standing(
            next(o for o in offers if o.name == grants[0].name), budget
        ).urgency, "who waited longest comes first"  # fmt: skip


@given(MANY, BUDGETS, st.floats(0.2, 3.0))
@settings(max_examples=60, deadline=None)
def test_a_night_whose_seeds_take_other_times_ends_within_one_seed_a_process(
    offers: list[Offer], budget: Budget, factor: float
) -> None:
    """Seeds that take ``factor`` times what was expected; a seed starts when it should fit."""
    free, current = [0.0] * budget.jobs, {offer.name: offer for offer in offers}
    for _ in range(3000):
        free.sort()
        chosen = choose(current.values(), budget.seconds - free[0], budget)
        if chosen is None:
            break
        free[0] += chosen.cost_s * factor
        current[chosen.name] = chosen.after_seed()
    longest = max(offer.cost_s for offer in offers) * factor
    assert max(free) <= budget.seconds + longest


@given(MANY, st.integers(1, 2), st.floats(200.0, 400.0))
@settings(max_examples=25, deadline=None)
def test_nobody_starves(offers: list[Offer], jobs: int, seconds: float) -> None:
    """A live stream waits 7 days and one night for each other at most; a resting one 30."""
    budget, waits = Budget(seconds, jobs), dict.fromkeys((o.name for o in offers), 0)
    current = {offer.name: replace(offer, days_waiting=0.0) for offer in offers}
    for _ in range(70):
        current = {
            name: replace(offer, days_waiting=(offer.days_waiting or 0.0) + 1.0, tonight=0)
            for name, offer in current.items()
        }
        served = set(count_grants(allot(list(current.values()), budget)))
        for name, offer in current.items():
            rests = read_standing(offer, budget).kind != "live"
            waits[name] = 0 if name in served else waits[name] + 1
            assert waits[name] <= (30 if rests else 7) + len(offers)
            if name in served:  # one that has not decided goes on for ever
                current[name] = replace(offer, days_waiting=0.0)


# --- From the ledger to an offer ------------------------------------------------------------------


def store_seeds(session: Session, values: list[float], control: float = 1.0) -> Stream:
    stream = open_stream(session, PROTOCOL, "nightly", "cpu", {"device": "cpu"})
    for value in values:
        started = start_seed(session, stream, PROTOCOL, "w:1", None)
        finish_seed(session, started, PROTOCOL, make_result(value, control), 2.0)
    return stream


PROTOCOL = make_protocol()


def read(session: Session, stream: Stream, live_claims: int = 1) -> Offer:
    weight = LibraryWeight({"e01": 9}, live_claims)
    return read_offer(session, PROTOCOL, "nightly", stream, cost_s=2.0, weight=weight)[0]


@pytest.mark.usefixtures("fake")
def test_a_decided_stream_goes_on_until_it_is_established_over_all_claims(
    session: Session,
) -> None:
    stream = store_seeds(session, [0.8] * 12)
    alone, of_many = read(session, stream), read(session, stream, 500)
    assert alone.outcome == of_many.outcome == "CONSISTENT"
    assert (alone.is_established, of_many.is_established) == (True, False)
    assert of_many.seeds_to_go is not None and of_many.seeds_to_go > 0
    assert "until CONSISTENT is established" in read_standing(of_many, NIGHT).reason
    store_seeds(session, [0.8] * (of_many.seeds_to_go + 2))
    assert read(session, stream, 500).is_established, "the foreseen number was enough"
    assert (alone.reach, alone.seeds, alone.cost_s) == (9, 12, 2.0)
    assert alone.days_waiting is not None and alone.days_waiting < 0.01


@pytest.mark.usefixtures("fake")
def test_a_failed_control_rests_and_early_losses_do_not(session: Session) -> None:
    stream = store_seeds(session, [0.8] * 3, control=0.0)
    offer = read(session, stream)
    assert (offer.outcome, offer.is_invalid) == ("INVALID", True)
    assert read_standing(offer, NIGHT).kind == "invalid"


@pytest.mark.usefixtures("fake")
def test_a_stream_that_lost_seeds_gets_more(session: Session) -> None:
    stream = store_seeds(session, [0.8] * 3)
    censor_seed(session, start_seed(session, stream, PROTOCOL, "w:1", None), 9.0)
    offer = read(session, stream)
    assert (offer.outcome, offer.is_invalid) == ("INVALID", False)
    assert read_standing(offer, NIGHT).is_wanted


@pytest.mark.usefixtures("fake")
def test_reach_counts_lines_once_and_the_bound_claims(session: Session) -> None:
    lines = [
        Line(slug=f"l{i}", question="q", text="t", source="s", content_hash=f"{i}")
        for i in range(3)
    ]
    note = Note(slug="n", title="n", summary="s")
    session.add_all([*lines, note])
    session.flush()
    for handle, used_by in (("c1", lines[:2]), ("c2", lines[1:])):
        claim = Claim(handle=handle, slug=handle, note_id=note.id, statement="s", text="t")
        session.add(claim)
        session.flush()
        session.add(Binding(claim_id=claim.id, experiment="e01", transfer="analogue", bound_by="x"))
        session.add_all(LineClaim(line_id=line.id, claim_id=claim.id) for line in used_by)
    session.commit()
    weight = read_weight(session)
    assert (dict(weight.reach), weight.live_claims) == ({"e01": 5}, 2)
