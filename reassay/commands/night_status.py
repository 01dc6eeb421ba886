"""``reassay night status``: the last nights and their steps."""

from typing import Annotated, Any

import typer
from sqlmodel import Session, col, select

from claims.commands.output import JsonOption, print_json, print_message, print_table
from claims.commands.setup import open_library
from db.models import Night, NightStep


def night_status(
    ctx: typer.Context,
    last: Annotated[int, typer.Option(min=1, help="How many nights.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """The last nights: what each step did, and what was not checked.

    Example: reassay night status --last 7
    """
    with open_library(ctx) as session:
        nights = _read_nights(session, last)
    if as_json:
        print_json(nights)
        return
    if not nights:
        print_message("no night has run yet: 'reassay night run' runs one")
    for night in nights:
        _print_night(night)


def _read_nights(session: Session, last: int) -> list[dict[str, Any]]:
    nights = session.exec(select(Night).order_by(col(Night.id).desc()).limit(last)).all()
    return [
        {
            "night": night.id,
            "profile": night.profile,
            "status": night.status if night.finished_at else "not finished",
            "started_at": night.started_at,
            "finished_at": night.finished_at,
            "steps": [_step_data(step) for step in _steps_of(session, night)],
        }
        for night in nights
    ]


def _steps_of(session: Session, night: Night) -> list[NightStep]:
    return list(
        session.exec(
            select(NightStep).where(NightStep.night_id == night.id).order_by(col(NightStep.id))
        ).all()
    )


def _step_data(step: NightStep) -> dict[str, Any]:
    seconds = (step.finished_at - step.started_at).total_seconds() if step.finished_at else None
    return {
        "name": step.name,
        "status": step.status,
        "duration_s": seconds,
        "detail": step.detail,
        "not_checked": step.not_checked,
    }


def _print_night(night: dict[str, Any]) -> None:
    head = (night["profile"], night["status"], f"{night['started_at']:%F %R} UTC")
    print(f"night {night['night']}", *head, sep="  ")
    rows = [
        (s["name"], s["status"], "–" if s["duration_s"] is None else f"{s['duration_s']:.0f} s")
        for s in night["steps"]
    ]
    print_table(("step", "status", "took"), rows)
    for step in night["steps"]:
        for sentence in step["not_checked"]:
            print(f"not checked ({step['name']}): {sentence}")
