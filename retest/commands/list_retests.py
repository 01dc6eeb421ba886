"""``reassay retest list``."""

from typing import Any

import typer
from sqlmodel import Session, col, func, select

from claims.commands.output import JsonOption, print_json, print_table
from claims.commands.setup import open_library
from db.models import SeedRun, Stream


def list_retests(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Experiments, the claims they bear on, and their streams of seeds.

    Example: reassay retest list
    """
    with open_library(ctx) as session:
        rows = _read_rows(session)
    if as_json:
        print_json(rows)
        return
    print_table(
        ("experiment", "claims", "transfer", "streams (profile: seeds, latched outcome)", "title"),
        (
            (
                row["experiment"],
                ", ".join(row["claims"]),
                row["transfer"],
                "; ".join(_describe_stream(stream) for stream in row["streams"]),
                row["title"],
            )
            for row in rows
        ),
    )


def _read_rows(session: Session) -> list[dict[str, Any]]:
    from retest.bindings import bind_experiments, claims_of
    from retest.experiments import MODULES, load_experiment

    bind_experiments(session)
    rows = []
    for name in MODULES:
        protocol = load_experiment(name).PROTOCOL
        rows.append(
            {
                "experiment": name,
                "version": protocol.version,
                "title": protocol.title,
                "claims": [claim.handle for claim in claims_of(session, name)],
                "transfer": protocol.transfer,
                "profiles": list(protocol.profiles),
                "streams": _read_streams(session, name),
            }
        )
    return rows


def _read_streams(session: Session, experiment: str) -> list[dict[str, Any]]:
    seeds = dict(
        session.exec(
            select(SeedRun.stream_id, func.count())
            .where(SeedRun.status == "finished")
            .group_by(col(SeedRun.stream_id))
        ).all()
    )
    streams = session.exec(
        select(Stream).where(Stream.experiment == experiment).order_by(col(Stream.id))
    ).all()
    return [
        {
            "stream": stream.id,
            "profile": stream.profile,
            "environment": stream.environment_class,
            "seeds": seeds.get(stream.id or 0, 0),
            "latched_outcome": stream.latched_outcome,
            "opened_at": stream.opened_at,
        }
        for stream in streams
    ]


def _describe_stream(stream: dict[str, Any]) -> str:
    outcome = stream["latched_outcome"] or "–"
    return f"{stream['profile']}: {stream['seeds']}, {outcome}"
