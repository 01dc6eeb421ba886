"""``reassay retest run``."""

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from sqlmodel import Session

from claims.commands.output import JsonOption, print_json, print_message
from claims.commands.setup import open_library
from db.errors import NightIncomplete, NotThereYet, UsageError
from retest.commands.setup import find_experiments, retest_setup

if TYPE_CHECKING:
    from retest.batch import ExperimentRun
    from retest.outcomes import EstimandState

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
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; default: cores.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    executor: Annotated[str | None, typer.Option(help="local.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run fresh seeds: canaries first, then seeds while the budget lasts.

    Without CLAIM every experiment runs. A smoke run never concludes anything.

    Example: reassay retest run c3 --seeds 2
    """
    from retest.batch import BatchPlan, run_batch
    from retest.durations import parse_duration

    setup = retest_setup(ctx)
    _check_choice("--profile", profile, PROFILES)
    _check_choice("--device", device or setup.device, DEVICES)
    _check_executor(executor or setup.executor)
    default_budget_s = DEFAULT_BUDGET_S if seeds is None else math.inf
    plan = BatchPlan(
        profile=profile,
        budget_s=default_budget_s if budget is None else parse_duration(budget),
        jobs=jobs or _count_cores(),
        device=device or setup.device,
        seeds=seeds,
    )
    with open_library(ctx) as session:
        names = find_experiments(session, claims or [])
    summary = run_batch(setup.database_url, names, plan, print_message)
    if as_json:
        print_json(asdict(summary))
    else:
        with open_library(ctx) as session:
            for row in summary.experiments:
                print(_describe_run(session, row))
    if summary.not_checked:
        raise NightIncomplete(f"not run: {'; '.join(summary.not_checked)}")


def _check_choice(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{option} {value!r} is none of {', '.join(allowed)}")


def _check_executor(name: str) -> None:
    if name == "ray":
        raise NotThereYet("the ray executor is not there yet in this version: use --executor local")
    _check_choice("--executor", name, ("local",))


def _describe_run(session: Session, row: "ExperimentRun") -> str:
    """One line: control, canary, seeds, interval, outcome, seeds to go."""
    from db.models import Stream
    from retest.experiments import load_experiment
    from retest.results import describe_seeds, read_state

    protocol = load_experiment(row.experiment).PROTOCOL
    stream = session.get(Stream, row.stream) if row.stream else None
    if stream is None:
        return f"{row.experiment}  nothing was run: {row.skipped}"
    result = read_state(session, stream, protocol)
    allowed = protocol.max_failed_controls * len(result.seeds)
    held = all(control.failed <= allowed for control in result.controls)
    control = ("ok" if held else "FAILED") if result.seeds else "not read"
    canary = "ok" if result.canary and result.canary.is_ok else "MISSED"
    numbers = "  ".join(_describe_estimand(state) for state in result.state.estimands)
    why = f" ({'; '.join(result.reasons)})" if result.reasons else ""
    return (
        f"{row.experiment}  control {control}  canary {canary}  "
        f"stream {stream.id} seeds {describe_seeds(result.seeds)}  {numbers}  "
        f"{result.outcome}{why}"
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


def _count_cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
