"""``reassay retest history``."""

from typing import Annotated, Any

import typer
from sqlalchemy import select as select_columns  # sqlmodel types four at most
from sqlmodel import Session, col, select

from claims.commands.output import JsonOption, print_json, print_message, print_table
from claims.commands.setup import open_library
from db.models import CanaryRun, Protocol, SeedRun, Stream
from retest.commands.setup import find_experiments


def history(
    ctx: typer.Context,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="A claim, or an experiment.")],
    as_json: JsonOption = False,
) -> None:
    """Every stream of a claim's re-tests, those of earlier versions too: seeds, nights, canaries.

    Example: reassay retest history c3
    """
    with open_library(ctx) as session:
        names = find_experiments(session, [claim])
        streams = session.exec(
            select(Stream).where(col(Stream.experiment).in_(names)).order_by(col(Stream.id))
        ).all()
        rows = [_read_stream(session, stream, has_measures=as_json) for stream in streams]
    if as_json:
        print_json(rows)
        return
    if not rows:
        print_message(f"no seed has run yet for {', '.join(names)}: 'reassay retest run' runs some")
    for row in rows:
        _print_stream(row)


def _read_stream(session: Session, stream: Stream, *, has_measures: bool) -> dict[str, Any]:
    canaries = session.exec(select(CanaryRun).where(CanaryRun.stream_id == stream.id)).all()
    registered = session.get_one(Protocol, stream.protocol_id)
    return {
        "stream": stream.id,
        "version": registered.version,
        "protocol_hash": registered.hash,
        "amends": registered.previous_hash,
        "amendment": registered.record.get("amendment"),
        **_read_evidence(session, stream, registered),
        "experiment": stream.experiment,
        "profile": stream.profile,
        "environment": stream.environment_class,
        "code_hash": stream.code_hash,
        "opened_at": stream.opened_at,
        "latched_outcome": stream.latched_outcome,
        "canaries": len(canaries),
        "canaries_missed": sum(not canary.is_ok for canary in canaries),
        "seeds": _read_seeds(session, stream, has_measures=has_measures),
    }


def _read_evidence(session: Session, stream: Stream, registered: Protocol) -> dict[str, Any]:
    """What the stream says, by the protocol under which it ran."""
    from retest import protocol
    from retest.conclusions import describe_stream

    record = protocol.Protocol.from_record(registered.record)
    described = describe_stream(session, stream, record)
    wanted = ("outcome", "present", "n", "estimands", "readings", "night_effect", "drift", "notes")
    return {key: described[key] for key in wanted}


def _read_seeds(session: Session, stream: Stream, *, has_measures: bool) -> list[dict[str, Any]]:
    """Every seed; what it measured beside its estimates may be large, and is left out."""
    of_json = col(SeedRun.measures)
    columns = {
        "seed": col(SeedRun.seed_index),
        "status": col(SeedRun.status),
        "attempt": col(SeedRun.attempt),
        "night": col(SeedRun.night_id),
        "estimates": of_json["estimates"],
        "controls": col(SeedRun.controls),
        "duration_s": col(SeedRun.duration_s),
        "error": col(SeedRun.error),
        "finished_at": col(SeedRun.finished_at),
    }
    if has_measures:
        columns["measures"] = of_json["measures"]
    query = select_columns(*columns.values()).where(col(SeedRun.stream_id) == stream.id)
    rows = session.connection().execute(query.order_by(col(SeedRun.seed_index))).all()
    seeds = [dict(zip(columns, row, strict=True)) for row in rows]
    for seed in seeds:  # one that did not finish has neither
        seed.update({key: seed[key] or {} for key in ("estimates", "measures") if key in seed})
    return seeds


def _print_stream(row: dict[str, Any]) -> None:
    print(
        f"stream {row['stream']}  {row['experiment']} version {row['version']} {row['profile']}  "
        f"{row['environment']}  outcome {row['outcome']}, "
        f"latched {row['latched_outcome'] or 'none'}  "
        f"canaries {row['canaries']} ({row['canaries_missed']} missed)"
    )
    for reading in row["readings"]:
        print(f"reading   {_describe_reading(reading)}")
    print(f"nights    {_describe_nights(row)}")
    for note in row["notes"]:
        print(f"note      {note}")
    print_table(
        ("seed", "status", "night", "estimates", "controls", "took"),
        (
            (
                seed["seed"],
                seed["status"] if seed["error"] is None else f"{seed['status']}: {seed['error']}",
                seed["night"],
                "  ".join(f"{name} {value:.3f}" for name, value in seed["estimates"].items()),
                "  ".join(_describe_control(name, c) for name, c in seed["controls"].items()),
                None if seed["duration_s"] is None else f"{seed['duration_s']:.0f} s",
            )
            for seed in row["seeds"]
        ),
    )


def _describe_reading(reading: dict[str, Any]) -> str:
    """A reading with what the seeds say, its evidence, and its statement."""
    from retest.results import describe_reading

    said = describe_reading(reading["name"], reading["outcome"], reading["seeds_to_go"])
    return (
        f"{said} ({', '.join(reading['estimands'])}; e-values: consistent "
        f"{reading['e_consistent']:.3g}, shifted {reading['e_shifted']:.3g}): "
        f"{reading['statement']}"
    )


def _describe_nights(row: dict[str, Any]) -> str:
    """The unit, what lies between nights, and whether the mean drifts, in one line."""
    effect = row["night_effect"]
    share = "too few to tell whether nights differ"
    if effect["share"] is not None:
        share = f"{effect['share']:.2f} of the variance lies between them"
    elif effect["nights"] >= effect["least_nights"]:
        share = "one seed each, so that seeds are nights"
    names = ", ".join(dict.fromkeys(drift["estimand"] for drift in row["drift"]))
    return (
        f"{effect['nights']}, {share}; unit {effect['unit']}, n = {effect['units']}; "
        f"drift {names or 'none seen'}"
    )


def _describe_control(name: str, reading: dict[str, Any]) -> str:
    value = "no number" if reading["value"] is None else f"{reading['value']:.3f}"
    return f"{name} {value} {'ok' if reading['passed'] else 'FAILED'}"
