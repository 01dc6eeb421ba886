"""A stream that says what a test wants it to say: invented seeds of a real protocol.

``fill_stream`` writes given estimates and control values into the ledger in the form in which
``finish_seed`` does, without running anything. ``say`` makes estimates that lead each estimand
to a wanted outcome, for tests of decision tables:

    estimates = say(PROTOCOL, {"gap_composition": "SHIFTED"})  # the others are CONSISTENT
    stream = fill_stream(session, PROTOCOL, estimates)
    assert read_state(session, stream, PROTOCOL).outcome == "SHIFTED"

    fill_stream(session, PROTOCOL, say(PROTOCOL), controls={"learned": 0.0})  # INVALID
    fill_stream(session, PROTOCOL, say(PROTOCOL), misses_canary=True)  # INVALID

A whole decision table, row by row:

    @pytest.mark.parametrize("row", list_rows(PROTOCOL), ids=name_row)
    def test_the_decision_table(session: Session, row: Row) -> None:
        assert read_row(session, PROTOCOL, row) == join_row(PROTOCOL, row)
"""

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmodel import Session, func, select

from db.columns import stored_id
from db.models import SeedRun, Stream
from retest.canaries import record_canary
from retest.measurements import store_result
from retest.outcomes import read_stream
from retest.protocol import (
    Control,
    ControlReading,
    Estimand,
    Outcome,
    Protocol,
    Samples,
    SeedResult,
    derive_seed,
)
from retest.results import read_state
from retest.streams import open_stream

BEGAN = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)
SEEDS_A_NIGHT = 8
ENVIRONMENT = {"device": "cpu", "threads": 1, "torch": "2.13", "python": "3.12", "cpu": "a CPU"}
ENOUGH_SEEDS = 240  # for most outcomes that say() can bring about

Values = Mapping[str, float]
Row = dict[str, Outcome]  # estimand -> the outcome that its seeds say
OUTCOMES: tuple[Outcome, ...] = ("CONSISTENT", "SHIFTED", "ATTENUATED", "UNDECIDED")
MOST_SEEDS = 1000  # of a row; an outcome that takes more is left out of the table


def fill_stream(
    session: Session,
    protocol: Protocol,
    estimates: Sequence[Values],
    controls: Values | Sequence[Values] | None = None,
    profile: str = "nightly",
    *,
    measures: Sequence[Mapping[str, Any]] | None = None,
    samples: Sequence[Samples] | None = None,
    misses_canary: bool = False,
    environment: str = "cpu, 1 thread, a CPU, torch 2.13, python 3.12",
) -> Stream:
    """Add a seed for each dict of ``estimates``, after those that the stream has.

    ``controls`` are the control values of every seed, or one dict a seed; a control that is
    not named has a value that passes. ``measures`` and ``samples`` are given a seed too. The
    stream has a canary that passed, and another that did not with ``misses_canary``. Nothing
    depends on the clock: eight seeds a day from 5 January 2026, 40 seconds each.
    """
    stream = open_stream(session, protocol, profile, environment, ENVIRONMENT)
    known = session.exec(
        select(func.count()).select_from(SeedRun).where(SeedRun.stream_id == stream.id)
    ).one()
    each = controls if isinstance(controls, Sequence) else [controls or {}] * len(estimates)
    for number, (values, read) in enumerate(zip(estimates, each, strict=True)):
        result = SeedResult(
            estimates=values,
            controls=read_all(protocol, read),
            measures=measures[number] if measures else {},
            samples=samples[number] if samples else {},
        )
        session.add(_make_run(stream, protocol, known + number, result))
    session.commit()
    record_canary(session, stream, {"loss": 1.5}, ENVIRONMENT, None)
    if misses_canary:
        record_canary(session, stream, {"loss": 2.5}, {**ENVIRONMENT, "torch": "2.14"}, None)
    return stream


def read_all(protocol: Protocol, values: Values) -> dict[str, ControlReading]:
    """Every control of the protocol: as given, else passing."""
    unknown = values.keys() - {control.name for control in protocol.controls}
    assert not unknown, f"{protocol.experiment} has no control {', '.join(unknown)}"
    readings = {}
    for control in protocol.controls:
        value = values.get(control.name, pass_control(control))
        readings[control.name] = ControlReading(value, control.passes(value))
    return readings


def pass_control(control: Control) -> float:
    """A value with which a control passes."""
    ends = [end for end in (control.minimum, control.maximum) if end is not None]
    return sum(ends) / len(ends) if ends else 0.0


def fail_control(control: Control) -> float:
    """A value with which a control fails."""
    if control.minimum is not None:
        return control.minimum - 1.0
    assert control.maximum is not None, f"{control.name} cannot fail"
    return control.maximum + 1.0


def say(
    protocol: Protocol,
    outcomes: Mapping[str, Outcome] | None = None,
    seeds: int = ENOUGH_SEEDS,
) -> list[dict[str, float]]:
    """Estimates of as many seeds, with which each estimand reaches the outcome named for it.

    An estimand that is not named is CONSISTENT. ATTENUATED within a margin that is narrow for
    the bounds takes more seeds than the default.
    """
    wanted = dict(outcomes or {})
    unknown = wanted.keys() - {estimand.name for estimand in protocol.estimands}
    assert not unknown, f"{protocol.experiment} has no estimand {', '.join(unknown)}"
    columns = {
        estimand.name: _spread(estimand, wanted.get(estimand.name, "CONSISTENT"), seeds)
        for estimand in protocol.estimands
    }
    return [{name: column[j] for name, column in columns.items()} for j in range(seeds)]


def place(estimand: Estimand, outcome: Outcome) -> float:
    """A mean with which an estimand reaches an outcome (UNDECIDED: the end of its region)."""
    low, high, margin = estimand.region_low, estimand.region_high, estimand.margin
    least, most = estimand.bounds or (
        (low if low is not None else high or 0.0) - 10 * (margin or 1.0),
        (high if high is not None else low or 0.0) + 10 * (margin or 1.0),
    )
    if outcome == "CONSISTENT":
        return ((least if low is None else low) + (most if high is None else high)) / 2
    sides = []  # (room beyond the margin, end of the region, direction)
    if low is not None:
        sides.append((low - margin - least, low, -1.0))
    if high is not None:
        sides.append((most - high - margin, high, 1.0))
    room, end, direction = max(sides)
    if outcome == "UNDECIDED":
        return end
    if outcome == "ATTENUATED":
        assert margin > 0, f"{estimand.name} has no margin, and so is never ATTENUATED"
        return end + direction * margin / 2
    assert room > 0, f"{estimand.name} can never be SHIFTED: its margin reaches its bounds"
    return end + direction * (margin + room / 2)


def list_rows(protocol: Protocol, deviating: int = 2) -> list[Row]:
    """Rows of a decision table: up to two estimands are not CONSISTENT, in every way.

    Outcomes that an estimand cannot reach (within a thousand seeds) are left out.
    """
    reachable = {
        estimand.name: [o for o in OUTCOMES if count_seeds(protocol, {estimand.name: o})]
        for estimand in protocol.estimands
    }
    rows: list[Row] = []
    for outcomes in itertools.product(*reachable.values()):
        if sum(outcome != "CONSISTENT" for outcome in outcomes) <= deviating:
            rows.append(dict(zip(reachable, outcomes, strict=True)))
    return rows


def count_seeds(protocol: Protocol, row: Row) -> int | None:
    """Seeds with which each estimand reaches its outcome, and what they join to is reached."""
    for seeds in (60, 120, ENOUGH_SEEDS, 500, MOST_SEEDS):
        try:
            estimates = say(protocol, row, seeds)
        except AssertionError:
            return None
        columns = [[each[e.name] for each in estimates] for e in protocol.estimands]
        state = read_stream(protocol.estimands, columns, protocol.alpha, protocol.readings)
        found = {one.name: one.outcome for one in (*state.estimands, *state.readings)}
        wanted = {e.name: row.get(e.name, "CONSISTENT") for e in protocol.estimands}
        if {"all": state.outcome, **found} == {**join_row(protocol, row), **wanted}:
            return seeds
    return None


def join_row(protocol: Protocol, row: Row) -> dict[str, Outcome]:
    """What a row says of each reading, and of the whole claim (``all``), by words alone.

    Shifted when one of the estimands is, else attenuated when one is, else undecided when one
    is, else consistent.
    """
    parts = {reading.name: reading.estimands for reading in protocol.readings}
    parts["all"] = tuple(estimand.name for estimand in protocol.estimands)
    order: tuple[Outcome, ...] = ("SHIFTED", "ATTENUATED", "UNDECIDED", "CONSISTENT")
    return {
        part: next(o for o in order if o in {row.get(name, "CONSISTENT") for name in names})
        for part, names in parts.items()
    }


def read_row(
    session: Session,
    protocol: Protocol,
    row: Row,
    controls: Values | None = None,
    *,
    misses_canary: bool = False,
) -> dict[str, Outcome]:
    """What the engine says of a row, from a ledger: of each reading, and of the whole claim."""
    seeds = count_seeds(protocol, row) or MOST_SEEDS
    stream = fill_stream(
        session, protocol, say(protocol, row, seeds), controls,
        misses_canary=misses_canary, environment=name_row({**row, **(controls or {})}),
    )  # fmt: skip
    result = read_state(session, stream, protocol)
    said = {reading.name: result.judge(reading) for reading in result.state.readings}
    return {**said, "all": result.outcome}


def name_row(row: Mapping[str, Any]) -> str:
    """A row in a few words, for the name of a test."""
    return "-".join(f"{name}:{said}" for name, said in row.items() if said != "CONSISTENT") or "all"


def _spread(estimand: Estimand, outcome: Outcome, seeds: int) -> list[float]:
    """Values around the mean: 0 and 1 in their share, small steps where an sd is needed."""
    mean = place(estimand, outcome)
    if estimand.kind == "binary":
        return [float(int((j + 1) * mean) - int(j * mean)) for j in range(seeds)]
    if estimand.kind == "unbounded":
        step = 0.01 * (estimand.margin or 1.0)
        return [mean + (step if j % 2 else -step) for j in range(seeds)]
    return [mean] * seeds


def _make_run(stream: Stream, protocol: Protocol, index: int, result: SeedResult) -> SeedRun:
    began = BEGAN + timedelta(days=index // SEEDS_A_NIGHT, minutes=index % SEEDS_A_NIGHT)
    return SeedRun(
        stream_id=stored_id(stream.id),
        seed_index=index,
        seed=derive_seed(protocol.experiment, protocol.version, index),
        status="finished",
        worker="invented",
        duration_s=40.0,
        started_at=began,
        finished_at=began + timedelta(seconds=40),
        **store_result(protocol, result, index),
    )
