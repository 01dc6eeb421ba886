"""The page of an experiment's results: its words, in the order in which a reader asks.

Decides how facts of the ledger are worded; numbers are written as every page writes them.
Words for outcomes are the experiment's own, written before its seeds were run. The same ledger
gives the same page, so nothing here reads a clock.
"""

import re
import statistics
from collections.abc import Sequence

from reassay.results.figures import CurveFigure, EstimandFigure, Point
from reassay.results.ledger import ExperimentFacts, SeedFacts, StreamFacts, find_number
from reassay.results.rows import (
    ControlRow,
    CurveRow,
    EstimandRow,
    ReadingRow,
    ResultsPage,
    Row,
    SourceRow,
    StreamSection,
)
from reports.numbers import (
    NOT_RECORDED,
    count,
    format_day,
    format_evidence,
    format_interval,
    format_number,
    format_region,
)
from retest.conclusions import describe_stream_notes
from retest.finished_seeds import describe_seeds
from retest.protocol import Estimand, Outcome
from retest.showing import Curve, SourceNumber

NOT_MEASURED = "not measured in this profile"
NO_WORDS = "the experiment fixed no words for this outcome"
OF_INVALID = "Nothing: a control, a canary or the stream failed, so that its numbers do not count."
OF_UNDECIDED = "Not yet known: more seeds are needed."


def build_page(facts: ExperimentFacts) -> ResultsPage:
    """The page of an experiment, also of one that never ran."""
    protocol = facts.protocol
    pictures: dict[str, EstimandFigure | CurveFigure] = {}
    sections = tuple(
        _build_section(facts, stream, is_first=number == 0, pictures=pictures)
        for number, stream in enumerate(facts.streams)
    )
    claims = ", ".join(handle for handle, _ in facts.claims) or "none of this library"
    return ResultsPage(
        experiment=protocol.experiment,
        title=protocol.title,
        question=protocol.question,
        claim_as_tested=protocol.claim_as_tested,
        cannot_show=protocol.cannot_show,
        about=(
            Row("source", ", ".join(f"arXiv:{paper}" for paper in protocol.source_ids)),
            Row("claims of this library", claims),
            Row("transfer", protocol.transfer),
            Row("scale", protocol.scale),
        ),
        arms=tuple(Row(arm.name, arm.meaning) for arm in protocol.arms),
        sections=sections,
        others=tuple(
            (
                str(row.stream), str(row.version), row.profile, row.environment, str(row.seeds),
                row.latched or "none", format_day(row.opened_at.date()),
                "present" if row.is_present else "of an earlier protocol or code",
            )
            for row in facts.others
        ),
        chain=tuple(_describe_version(facts)),
        pictures=pictures,
    )  # fmt: skip


def name_picture(experiment: str, profile: str | None, name: str) -> str:
    """``c01-gap-composition.png``; of a second profile ``c01-full-gap-composition.png``."""
    parts = [experiment, *([profile] if profile else []), name]
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-") + ".png"


def _build_section(
    facts: ExperimentFacts,
    stream: StreamFacts,
    *,
    is_first: bool,
    pictures: dict[str, EstimandFigure | CurveFigure],
) -> StreamSection:
    result = stream.result
    profile = None if is_first else stream.stream.profile
    age = "" if stream.is_present else ", of an earlier protocol or code"
    curves = []
    for curve in facts.shown.curves:
        figure = _make_curve(curve, stream)
        name = name_picture(facts.protocol.experiment, profile, curve.name)
        if figure is not None:
            pictures[name] = figure
        curves.append(CurveRow(curve.title, None if figure is None else name))
    return StreamSection(
        heading=f"Profile {stream.stream.profile}, stream {stream.stream.id}{age}",
        outcome=result.outcome,
        notes=(*result.reasons, *describe_stream_notes(result)),
        ran=_describe_run(stream),
        estimands=_describe_estimands(facts, stream, profile, pictures),
        readings=_describe_readings(facts, stream),
        controls=_describe_controls(stream),
        sources=tuple(_describe_source(row, stream.seeds) for row in facts.shown.source_numbers),
        curves=tuple(curves),
        samples=stream.samples,
    )


# --- What was run ------------------------------------------------------------------------------


def _describe_run(stream: StreamFacts) -> tuple[Row, ...]:
    run, seeds, result = stream.stream, stream.seeds, stream.result
    days = [seed.started_at.date() for seed in seeds]
    dates = f"{format_day(min(days))} to {format_day(max(days))}" if days else "none yet"
    arms = ", ".join(stream.protocol.profiles[run.profile].config.get("arms", ()))
    environment = run.environment
    return (
        Row("seeds", f"{describe_seeds(result.seeds)} ({count(len(seeds), 'seed')})"),
        Row("unit", _describe_unit(stream)),
        Row("arms", arms or "one"),
        Row("dates", f"{dates} (UTC), {count(result.night_effect.nights, 'night')}"),
        Row("environment", run.environment_class),
        Row("threads", str(environment.get("threads", NOT_RECORDED))),
        Row("wall seconds a seed", _describe_times([seed.duration_s for seed in seeds])),
        Row("CPU seconds a seed", _describe_times([seed.cpu_s for seed in seeds])),
        Row("protocol", f"version {stream.registered.version}, {stream.registered.hash}"),
        Row("registered", format_day(stream.registered.registered_at.date())),
        Row("code", run.code_hash),
        Row("canaries", f"{stream.canaries}, {stream.missed_canaries} missed"),
        Row(
            "lost",
            f"{result.censored} out of time, {result.lost} never finished, "
            f"{result.spoiled} in a night whose canary missed",
        ),
    )


def _describe_unit(stream: StreamFacts) -> str:
    result = stream.result
    if result.unit == "night":
        return f"the night's mean, n = {result.units}, since nights differ"
    return f"the seed, n = {result.units}"


def _describe_times(seconds: Sequence[float | None]) -> str:
    """``41 (38 to 52), 12 seeds``: the median, the least and the most."""
    known = [value for value in seconds if value is not None]
    if not known:
        return NOT_RECORDED
    middle = format_number(statistics.median(known))
    return f"{middle} ({format_number(min(known))} to {format_number(max(known))})"


# --- What the seeds say ------------------------------------------------------------------------


def _describe_estimands(
    facts: ExperimentFacts,
    stream: StreamFacts,
    profile: str | None,
    pictures: dict[str, EstimandFigure | CurveFigure],
) -> tuple[EstimandRow, ...]:
    rows = []
    for number, estimand in enumerate(stream.protocol.estimands):
        state = stream.result.state.estimands[number]
        name = name_picture(facts.protocol.experiment, profile, estimand.name)
        if state.n:
            pictures[name] = _make_estimand(facts, stream, number)
        outcome = stream.result.judge(state)
        rows.append(
            EstimandRow(
                name=estimand.name,
                meaning=estimand.meaning,
                seeds=f"{state.n:,}",
                mean="no seeds" if state.mean is None else format_number(state.mean),
                interval=format_interval(state.low, state.high) if state.n else "–",
                unit=estimand.unit,
                region=_describe_region(estimand),
                margin=format_number(estimand.margin),
                outcome=outcome,
                to_go=_describe_to_go(stream, outcome, state.seeds_to_go),
                picture=name if state.n else None,
            )
        )
    return tuple(rows)


def _describe_region(estimand: Estimand) -> str:
    return format_region([estimand.region_low, estimand.region_high])


def _describe_to_go(stream: StreamFacts, outcome: str, seeds_to_go: int | None) -> str:
    """How many more seeds; none will do where the stream cannot conclude."""
    if stream.result.reasons:
        return "–"
    if outcome != "UNDECIDED":
        return "0"
    return "more than 1,000" if seeds_to_go is None else f"about {seeds_to_go:,}"


def _describe_readings(facts: ExperimentFacts, stream: StreamFacts) -> tuple[ReadingRow, ...]:
    """The readings in the protocol's order, then the whole claim."""
    result, state = stream.result, stream.result.state
    rows = []
    for reading, of in zip(stream.protocol.readings, state.readings, strict=True):
        outcome = result.judge(of)
        rows.append(
            ReadingRow(
                name=reading.name,
                statement=reading.statement,
                estimands=", ".join(reading.estimands),
                outcome=outcome,
                evidence=_describe_evidence(of.e_consistent, of.e_shifted),
                to_go=_describe_to_go(stream, outcome, of.seeds_to_go),
                meaning=_find_meaning(facts, reading.name, outcome),
            )
        )
    rows.append(
        ReadingRow(
            name="all",
            statement="the claim as worded: every estimand together",
            estimands="all",
            outcome=result.outcome,
            evidence=_describe_evidence(state.e_consistent, state.e_shifted),
            to_go=_describe_to_go(stream, result.outcome, state.seeds_to_go),
            meaning=_find_meaning(facts, "all", result.outcome),
        )
    )
    return tuple(rows)


def _describe_evidence(consistent: float, shifted: float) -> str:
    return f"consistent {format_evidence(consistent)}, shifted {format_evidence(shifted)}"


def _find_meaning(facts: ExperimentFacts, reading: str, outcome: Outcome) -> str:
    """What the experiment said beforehand that this outcome would mean."""
    said = dict(facts.shown.means.get(reading, {}))
    always = {"INVALID": OF_INVALID, "UNDECIDED": OF_UNDECIDED}
    return said.get(outcome) or always.get(outcome, NO_WORDS)


def _describe_controls(stream: StreamFacts) -> tuple[ControlRow, ...]:
    meanings = {control.name: control.meaning for control in stream.protocol.controls}
    return tuple(
        ControlRow(
            name=control.name,
            meaning=meanings[control.name],
            bounds=format_region([control.minimum, control.maximum]),
            passed=f"{control.passed:,} of {control.passed + control.failed:,}",
            worst=format_number(control.worst),
        )
        for control in stream.result.controls
    )


# --- Beside the source, and curves -------------------------------------------------------------


def _describe_source(row: SourceNumber, seeds: Sequence[SeedFacts]) -> SourceRow:
    found = _read_path(row.path, seeds)
    ours = NOT_MEASURED
    if found is not None:
        point, n = found
        spread = format_interval(point.low, point.high)
        ours = f"{format_number(point.mean)} {spread}, {count(n, 'seed')}"
    return SourceRow(row.what, row.value, row.where, ours)


def _read_path(path: str, seeds: Sequence[SeedFacts], x: float = 0.0) -> tuple[Point, int] | None:
    """The mean, smallest and largest over the seeds that have a number there, and how many."""
    found = [find_number(seed.measures, path) for seed in seeds]
    numbers = [number for number in found if number is not None]
    if not numbers:
        return None
    mean = statistics.fmean(numbers)
    return Point(x, mean, min(numbers), max(numbers)), len(numbers)


def _make_curve(curve: Curve, stream: StreamFacts) -> CurveFigure | None:
    """The curve's points that this stream measured; None where it measured none."""
    series, seeds = [], 0
    for label, places in curve.series.items():
        points = []
        for x, path in places:
            found = _read_path(path, stream.seeds, x)
            if found is not None:
                points.append(found[0])
                seeds = max(seeds, found[1])
        if points:
            series.append((label, tuple(sorted(points, key=lambda point: point.x))))
    if not series:
        return None
    return CurveFigure(
        curve.title, curve.x_label, curve.y_label, tuple(series), curve.is_log_x, seeds
    )


def _make_estimand(facts: ExperimentFacts, stream: StreamFacts, number: int) -> EstimandFigure:
    estimand, trace = stream.protocol.estimands[number], stream.traces[number]
    state = stream.result.state.estimands[number]
    mean = "" if state.mean is None else format_number(state.mean)
    return EstimandFigure(
        title=(
            f"{facts.protocol.experiment} {estimand.name}: {mean} "
            f"{format_interval(state.low, state.high)}, {count(state.n, 'seed')} "
            f"({stream.stream.profile})"
        ),
        unit=estimand.unit,
        values=trace.values,
        counts=trace.counts,
        lows=trace.lows,
        highs=trace.highs,
        region=(estimand.region_low, estimand.region_high),
        margin=estimand.margin,
        bounds=estimand.bounds,
        alpha=stream.protocol.alpha,
    )


def _describe_version(facts: ExperimentFacts) -> list[str]:
    """The chain of amendments, a line each."""
    lines = []
    for link in facts.chain:
        number = "an earlier version" if link.version is None else f"version {link.version}"
        when = link.registered_at
        ran = f"registered {format_day(when.date())}" if when else "never run in this library"
        why = f"; it amends {link.amends[:12]}: {link.why}" if link.amends else ""
        lines.append(f"{number} ({link.hash[:12]}), {ran}{why}")
    return lines
