"""What our own small experiments say, in a form that has no place for a bare number.

Every reading carries its estimand, unit, interval, n and run set, or says what was not
recorded. Reads the verdict's detail only; it knows nothing of how a seed was run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.interval_figure import IntervalFigure, draw_interval
from reports.numbers import (
    NOT_RECORDED,
    format_evidence,
    format_interval,
    format_number,
    format_region,
    read_count,
)

WORDS = {"CONSISTENT": "consistent", "SHIFTED": "shifted", "ATTENUATED": "attenuated"}


@dataclass(frozen=True)
class EstimandReading:
    """One measured number with all that it needs to be read."""

    name: str
    meaning: str
    unit: str
    seeds: int
    reading: str  # "0.610 [0.520, 0.700] nats"
    region: str
    margin: str
    outcome: str
    evidence: str
    to_go: str
    figure: IntervalFigure | None


@dataclass(frozen=True)
class ControlReading:
    """A positive control: what it must reach, and how often it did."""

    name: str
    bounds: str
    outcome: str
    worst: str


@dataclass(frozen=True)
class ClaimReading:
    """One way to read the claim, and what the seeds say to it."""

    name: str
    statement: str
    outcome: str
    to_go: str
    estimands: str


@dataclass(frozen=True)
class ExperimentResult:
    """One experiment on one claim, with its scale and what it cannot show."""

    experiment: str
    title: str
    outcome: str
    is_latched: bool
    strength: str
    profile: str
    transfer: str
    scale: str
    cannot_show: str
    seeds: str
    alpha: str
    run_set: str
    estimands: tuple[EstimandReading, ...]
    claim_readings: tuple[ClaimReading, ...]
    controls: tuple[ControlReading, ...]
    canary: str
    censored: str
    notes: tuple[str, ...]


def read_experiments(detail: Mapping[str, Any]) -> tuple[ExperimentResult, ...]:
    """The experiments of a verdict's ``local_detail``."""
    rows = detail.get("experiments") or []
    return tuple(_read_experiment(row) for row in rows if isinstance(row, Mapping))


def summarise_experiment(result: ExperimentResult) -> str:
    """The first estimand and the outcome of each reading in one line, for a table cell."""
    if not result.estimands:
        return f"{result.experiment}: no estimand recorded"
    first = result.estimands[0]
    if not first.seeds:
        return f"{result.experiment}: no seeds yet"
    rest = len(result.estimands) - 1
    more = f"; {rest} more estimand{'s' if rest > 1 else ''} on the line page" if rest else ""
    to_go = f", {first.to_go}" if first.to_go else ""
    each = ", ".join(f"{reading.name} {reading.outcome}" for reading in result.claim_readings)
    readings = f"; read as {each}" if each else ""
    return (
        f"{first.name} {first.reading}, n = {first.seeds:,} seeds, "
        f"run set {result.run_set}{to_go}{more}{readings}"
    )


def _read_experiment(row: Mapping[str, Any]) -> ExperimentResult:
    estimands = [e for e in row.get("estimands") or [] if isinstance(e, Mapping)]
    return ExperimentResult(
        experiment=_text(row, "experiment"),
        title=_text(row, "title"),
        outcome=_lower(row.get("outcome")),
        is_latched=bool(row.get("latched")),
        strength=str(row.get("strength") or "none"),
        profile=_text(row, "profile"),
        transfer=_text(row, "transfer"),
        scale=_text(row, "scale"),
        cannot_show=_text(row, "cannot_show"),
        seeds=_count_seeds(row),
        alpha=format_number(row.get("alpha")),
        run_set=_text(row, "run_set"),
        estimands=tuple(_read_estimand(estimand) for estimand in estimands),
        claim_readings=_read_claim_readings(row.get("readings")),
        controls=_read_controls(row.get("controls")),
        canary=_describe_canary(row.get("canary")),
        censored=read_count(row, "censored"),
        notes=tuple(str(note) for note in row.get("notes") or []),
    )


def _count_seeds(row: Mapping[str, Any]) -> str:
    """``96 seeds``, or ``96 seeds, counted as 12 night means`` where nights differ."""
    seeds = f"{read_count(row, 'n')} {row.get('unit') or 'seed'}s"
    effect = row.get("night_effect")
    if isinstance(effect, Mapping) and effect.get("unit") == "night":
        return f"{seeds}, counted as {read_count(effect, 'units')} night means"
    return seeds


def _read_estimand(row: Mapping[str, Any]) -> EstimandReading:
    unit = str(row.get("unit") or "unit not recorded")
    seeds = row.get("n")
    seeds = seeds if isinstance(seeds, int) else 0
    interval = format_interval(row.get("low"), row.get("high"))
    value = f"{format_number(row.get('mean'))} {interval} {unit}"
    return EstimandReading(
        name=_text(row, "name"),
        meaning=str(row.get("meaning") or ""),
        unit=unit,
        seeds=seeds,
        reading=value if seeds else "no seeds yet",
        region=format_region(row.get("region")),
        margin=format_number(row.get("margin")),
        outcome=_lower(row.get("outcome")),
        evidence=_describe_evidence(row),
        to_go=_describe_to_go(row.get("seeds_to_go")),
        figure=draw_interval(row) if seeds else None,
    )


def _describe_evidence(row: Mapping[str, Any]) -> str:
    sides = (("consistent", "e_consistent"), ("shifted", "e_shifted"))
    return ", ".join(
        f"{name} {format_evidence(row[key])}" for name, key in sides if row.get(key) is not None
    )


def _describe_to_go(seeds: object) -> str:
    if isinstance(seeds, bool) or not isinstance(seeds, int | float) or seeds <= 0:
        return ""
    return f"about {seeds:,.0f} more seeds needed"


def _read_claim_readings(rows: object) -> tuple[ClaimReading, ...]:
    """The readings of the claim; a verdict of an earlier version recorded none."""
    if not isinstance(rows, list | tuple):
        return ()
    return tuple(
        ClaimReading(
            name=_text(row, "name"),
            statement=_text(row, "statement"),
            outcome=_lower(row.get("outcome")),
            to_go=_describe_to_go(row.get("seeds_to_go")),
            estimands=", ".join(str(name) for name in row.get("estimands") or []),
        )
        for row in rows
        if isinstance(row, Mapping)
    )


def _read_controls(controls: object) -> tuple[ControlReading, ...]:
    if not isinstance(controls, Mapping):
        return ()
    return tuple(
        _read_control(str(name), row) for name, row in controls.items() if isinstance(row, Mapping)
    )


def _read_control(name: str, row: Mapping[str, Any]) -> ControlReading:
    passed, failed = row.get("passed"), row.get("failed")
    known = isinstance(passed, int) and isinstance(failed, int)
    outcome = f"{passed:,} of {passed + failed:,} seeds passed" if known else NOT_RECORDED  # type: ignore[operator]
    return ControlReading(
        name=name,
        bounds=format_region([row.get("minimum"), row.get("maximum")]),
        outcome=outcome,
        worst=format_number(row.get("worst")),
    )


def _describe_canary(canary: object) -> str:
    if not isinstance(canary, Mapping) or canary.get("ok") is None:
        return NOT_RECORDED
    if canary["ok"]:
        return "same result as the first night"
    return f"MISSED: {canary.get('difference') or 'what changed is not recorded'}"


def _lower(outcome: object) -> str:
    return str(outcome).lower() if outcome else NOT_RECORDED


def _text(row: Mapping[str, Any], key: str) -> str:
    return str(row.get(key) or NOT_RECORDED)


def name_runs(results: Sequence[ExperimentResult]) -> str:
    """The run sets behind these results."""
    return ", ".join(dict.fromkeys(result.run_set for result in results)) or NOT_RECORDED
