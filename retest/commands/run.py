"""``reassay retest run``."""

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from sqlmodel import Session

from claims.commands.output import JsonOption, print_json, print_table
from claims.commands.setup import open_library
from db.errors import NightIncomplete, UsageError
from retest.commands.progress_bar import show_progress
from retest.commands.setup import find_experiments, retest_setup

if TYPE_CHECKING:
    from retest.batch_plan import BatchPlan, BatchSummary, ExperimentRun
    from retest.outcomes import EstimandState
    from retest.planning import BatchForecast, ExperimentForecast

PROFILES = ("smoke", "nightly", "full")
DEFAULT_BUDGET_S = 300.0
DEVICES = ("auto", "cpu", "cuda")


def run(
    ctx: typer.Context,
    claims: Annotated[
        list[str] | None, typer.Argument(metavar="[CLAIM]...", help="Claims or experiments.")
    ] = None,
    profile: Annotated[str, typer.Option(help="smoke, nightly or full.")] = "nightly",
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Fresh seeds an experiment, at most.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="300s, 20m, 2h. Default: 5m, or none with --seeds.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Seeds at once; default: cores.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    executor: Annotated[str | None, typer.Option(help="local or ray.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run, and why; run nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run fresh seeds: canaries first, then seeds where the budget buys most.

    Without CLAIM every experiment takes part that needs a seed; an experiment named by
    CLAIM, or asked for --seeds, never rests. A smoke run never concludes anything. Ctrl-C
    gives up the seeds under way, which are run again under their own numbers, and keeps
    the others (exit code 3).

    Example: reassay retest run c3 --seeds 2
    """
    plan = _make_plan(ctx, profile, seeds, budget, jobs, device, executor, not claims)
    with open_library(ctx) as session:
        names = find_experiments(session, claims or [])
        if dry_run:
            _print_forecast(session, names, plan, as_json)
            return
    summary, is_cut = _run(ctx, names, plan, is_bar_wanted=not as_json)
    if as_json:
        print_json(asdict(summary))
    else:
        with open_library(ctx) as session:
            for row in summary.experiments:
                print(_describe_run(session, row))
    if is_cut:
        raise NightIncomplete(_describe_cut(summary))
    if summary.not_checked:
        raise NightIncomplete(f"not run: {'; '.join(summary.not_checked)}")


def _make_plan(
    ctx: typer.Context,
    profile: str,
    seeds: int | None,
    budget: str | None,
    jobs: int | None,
    device: str | None,
    executor: str | None,
    is_for_all: bool,
) -> "BatchPlan":
    from retest.batch_plan import BatchPlan
    from retest.durations import parse_duration
    from retest.executors.opening import EXECUTORS

    setup = retest_setup(ctx)
    _check_choice("--profile", profile, PROFILES)
    _check_choice("--device", device or setup.device, DEVICES)
    _check_choice("--executor", executor or setup.executor, EXECUTORS)
    default_budget_s = DEFAULT_BUDGET_S if seeds is None else math.inf
    return BatchPlan(
        profile=profile,
        budget_s=default_budget_s if budget is None else parse_duration(budget),
        jobs=jobs,
        device=device or setup.device,
        seeds=seeds,
        executor=executor or setup.executor,
        may_rest=is_for_all and seeds is None,
    )


def _check_choice(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{option} {value!r} is none of {', '.join(allowed)}")


def _run(
    ctx: typer.Context, names: list[str], plan: "BatchPlan", *, is_bar_wanted: bool
) -> tuple["BatchSummary", bool]:
    """The batch's summary, and whether it was broken off."""
    from retest.batch import BatchInterrupted, run_batch

    try:
        with show_progress(is_bar_wanted) as (say, watch):
            return run_batch(retest_setup(ctx).database_url, names, plan, say, watch), False
    except BatchInterrupted as interruption:
        return interruption.summary, True


def _describe_cut(summary: "BatchSummary") -> str:
    finished = sum(row.seeds_run for row in summary.experiments)
    return (
        f"interrupted: {finished} seeds are kept, and {summary.given_up} under way were given "
        "up; they run again under their own numbers next time"
    )


def _print_forecast(session: Session, names: list[str], plan: "BatchPlan", as_json: bool) -> None:
    from dataclasses import replace

    from retest.executors.opening import count_cores
    from retest.planning import forecast_batch

    forecast = forecast_batch(session, names, replace(plan, jobs=plan.jobs or count_cores()))
    if as_json:
        print_json({**forecast.record(), "executor": plan.executor})
    else:
        _print_plan(forecast)


def _print_plan(forecast: "BatchForecast") -> None:
    from retest.durations import describe_duration

    print_table(
        ("experiment", "seeds", "a seed", "reach", "why"),
        (
            (
                row.experiment,
                row.seeds,
                describe_duration(row.cost_s) + ("" if row.cost_from else " (planned)"),
                row.reach,
                row.reason,
            )
            for row in forecast.experiments
        ),
    )
    for row in forecast.experiments:
        if row.arms:
            print(f"{row.experiment}  {_describe_size(row, forecast.profile)}")
    budget = "no budget" if forecast.budget_s is None else describe_duration(forecast.budget_s)
    print(
        f"{len(forecast.order)} seeds in about {describe_duration(forecast.expected_s)}, "
        f"{forecast.jobs} at once, within {budget}, after {len(forecast.canaries)} canaries; "
        "nothing was run"
    )


def _describe_size(row: "ExperimentForecast", profile: str) -> str:
    """The arms that a seed of this profile trains, and what they take together."""
    from retest.durations import describe_duration

    arms = f"{len(row.arms)} arm{'s' if len(row.arms) > 1 else ''} ({', '.join(row.arms)})"
    seeds = f"; {row.seeds} of them about {describe_duration(row.expected_s)} on one process"
    return (
        f"{profile}: {arms}, about {describe_duration(row.cost_s)} a seed"
        f"{seeds if row.seeds else ''}"
    )


def _describe_run(session: Session, row: "ExperimentRun") -> str:
    """One line: control, canary, seeds, interval, outcome, seeds to go."""
    from db.models import Stream
    from retest.experiments import load_experiment
    from retest.finished_seeds import describe_seeds
    from retest.results import describe_reading, read_state

    protocol = load_experiment(row.experiment).PROTOCOL
    stream = session.get(Stream, row.stream) if row.stream else None
    if stream is None:
        why = row.skipped or row.resting or "it was broken off"
        return f"{row.experiment}  nothing was run: {why}"
    result = read_state(session, stream, protocol)
    allowed = protocol.max_failed_controls * len(result.seeds)
    held = all(control.failed <= allowed for control in result.controls)
    control = ("ok" if held else "FAILED") if result.seeds else "not read"
    canary = "ok" if result.canary and result.canary.is_ok else "MISSED"
    numbers = "  ".join(_describe_estimand(state) for state in result.state.estimands)
    readings = "  ".join(
        describe_reading(reading.name, result.judge(reading), reading.seeds_to_go)
        for reading in result.state.readings
    )
    why = f" ({'; '.join(result.reasons)})" if result.reasons else ""
    outcome = row.outcome if row.outcome.startswith(result.outcome) else result.outcome
    rests = f"  rests: {row.resting}" if row.resting else ""
    return (
        f"{row.experiment}  control {control}  canary {canary}  "
        f"stream {stream.id} seeds {describe_seeds(result.seeds)}  {numbers}  "
        f"{readings + '  all ' if readings else ''}{outcome}{why}{rests}"
    )


def _describe_estimand(state: "EstimandState") -> str:
    if state.mean is None:
        return f"{state.name} no seeds"
    to_go = ""
    if state.outcome == "UNDECIDED":
        left = "more than 1000" if state.seeds_to_go is None else f"about {state.seeds_to_go}"
        to_go = f", {left} seeds to go"
    interval = f"[{state.low:.3f}, {state.high:.3f}]"
    return f"{state.name} {state.mean:.3f} {interval} {state.outcome}{to_go}"
