"""``reassay retest list``."""

from typing import TYPE_CHECKING, Any

import typer
from sqlmodel import Session, col, func, select

from claims.commands.output import JsonOption, print_json, print_table
from claims.commands.setup import open_library
from db.models import SeedRun, Stream

if TYPE_CHECKING:
    from retest.offers import LibraryWeight
    from retest.protocol import Protocol
    from retest.results import StreamResult


def list_retests(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Experiments, the claims they bear on, and their streams of seeds.

    Of each stream of the present code: outcome (of the whole claim, and of each reading of
    it), seeds, seeds to go, the last seed, what a seed costs, and whether it is live, watched
    or given up for lack of budget.

    Example: reassay retest list
    """
    with open_library(ctx) as session:
        rows = _read_rows(session)
    if as_json:
        print_json(rows)
        return
    print_table(
        ("experiment", "claims", "transfer", "reach", "streams", "title"),
        (
            (
                row["experiment"],
                ", ".join(row["claims"]),
                row["transfer"],
                row["reach"],
                "; ".join(_describe_stream(stream) for stream in row["streams"]),
                row["title"],
            )
            for row in rows
        ),
    )


def _read_rows(session: Session) -> list[dict[str, Any]]:
    from retest.bindings import bind_experiments, claims_of
    from retest.experiments import MODULES, load_experiment
    from retest.offers import read_weight

    bind_experiments(session)
    weight = read_weight(session)
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
                "reach": weight.reach.get(name, 0),
                "streams": _read_streams(session, protocol, weight),
            }
        )
    return rows


def _read_streams(
    session: Session, protocol: "Protocol", weight: "LibraryWeight"
) -> list[dict[str, Any]]:
    from retest.offers import find_last_seed

    seeds = dict(
        session.exec(
            select(SeedRun.stream_id, func.count())
            .where(SeedRun.status == "finished")
            .group_by(col(SeedRun.stream_id))
        ).all()
    )
    streams = session.exec(
        select(Stream).where(Stream.experiment == protocol.experiment).order_by(col(Stream.id))
    ).all()
    return [
        {
            "stream": stream.id,
            "profile": stream.profile,
            "environment": stream.environment_class,
            "seeds": seeds.get(stream.id or 0, 0),
            "latched_outcome": stream.latched_outcome,
            "opened_at": stream.opened_at,
            "reach": weight.reach.get(protocol.experiment, 0),
            "last_seed_at": find_last_seed(session, stream),
            **_read_present(session, protocol, stream, weight),
        }
        for stream in streams
    ]


def _read_present(
    session: Session, protocol: "Protocol", stream: Stream, weight: "LibraryWeight"
) -> dict[str, Any]:
    """How a stream stands; one of an earlier protocol or code gets no more seeds."""
    from retest.executors.opening import count_cores
    from retest.planning import describe_lane, find_night_budget, open_stream_view

    lane = open_stream_view(session, protocol, stream, weight)
    if lane is None:
        return {
            "outcome": stream.latched_outcome, "is_present": False, "seeds_to_go": None,
            "cost_s": None, "standing": "closed", "readings": [],
            "why": "of an earlier protocol or code: it gets no more seeds",
        }  # fmt: skip
    row = describe_lane(session, lane, find_night_budget(session, count_cores()), 0)
    return {
        "outcome": row.outcome,
        "is_present": True,
        "seeds_to_go": row.seeds_to_go,
        "cost_s": row.cost_s,
        "standing": row.standing,
        "why": row.reason,
        "readings": _read_readings(lane.result),
    }


def _read_readings(result: "StreamResult | None") -> list[dict[str, Any]]:
    """How each reading of the claim stands."""
    if result is None:
        return []
    return [
        {"name": of.name, "outcome": result.judge(of), "seeds_to_go": of.seeds_to_go}
        for of in result.state.readings
    ]


def _describe_stream(stream: dict[str, Any]) -> str:
    outcome = stream["outcome"] or "–"
    readings = ", ".join(f"{of['name']} {of['outcome']}" for of in stream["readings"])
    said = f"{outcome} ({readings})" if readings else outcome
    seeds = f"{stream['profile']}: {stream['seeds']}, {said}"
    if stream["standing"] == "live" and stream["seeds_to_go"]:
        return f"{seeds}, about {stream['seeds_to_go']} to go"
    return seeds if stream["standing"] == "live" else f"{seeds}, {stream['standing']}"
