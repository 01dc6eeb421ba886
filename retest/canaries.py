"""Canaries: a fixed seed every time, to see a change of environment the same night.

Decides whether a canary equals its reference, and which nights a miss spoils. On one CPU
thread, equal means equal bytes of the result in canonical JSON; elsewhere (a GPU, several
threads) sums are not taken in a fixed order, and numbers may differ by a tolerance that
twenty runs have fixed. Names what changed in the environment when one misses. A canary is
never evidence.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlmodel import Session, col, select

from db.columns import stored_id
from db.models import CanaryRun, Stream
from retest.environment import describe_difference
from retest.tolerances import find_departure

RESULT = "canary result"  # kept beside the fingerprint, where bytes are not compared


def record_canary(
    session: Session,
    stream: Stream,
    data: Mapping[str, Any],
    environment: Mapping[str, Any],
    night_id: int | None,
) -> CanaryRun:
    """Compare a canary's result with the stream's reference and store it."""
    reference = session.exec(
        select(CanaryRun)
        .where(CanaryRun.stream_id == stream.id, col(CanaryRun.is_reference).is_(True))
        .order_by(col(CanaryRun.id))
    ).first()
    is_exact = has_fixed_order(environment)
    run = CanaryRun(
        stream_id=stored_id(stream.id),
        night_id=night_id,
        digest=_digest(data),
        is_reference=reference is None,
        is_ok=True,
        environment=dict(environment) if is_exact else {**environment, RESULT: dict(data)},
    )
    if reference is not None:
        run.difference = _compare(session, stream, reference, run, is_exact)
        run.is_ok = run.difference is None
    session.add(run)
    session.commit()
    return run


def has_fixed_order(environment: Mapping[str, Any]) -> bool:
    """Whether the same seed gives the same bytes here: on one thread of a CPU."""
    device, threads = environment.get("device", "cpu"), environment.get("threads", 1)
    return bool(device == "cpu" and threads == 1)


def read_last_canary(session: Session, stream: Stream) -> CanaryRun | None:
    """The newest canary of a stream."""
    return session.exec(
        select(CanaryRun).where(CanaryRun.stream_id == stream.id).order_by(col(CanaryRun.id).desc())
    ).first()


def find_spoiled_nights(session: Session, environment_class: str) -> dict[int, str]:
    """The nights in which a canary of this environment class missed, and what is said of it.

    Whatever ran in such a night in that class is in doubt, also under an experiment whose
    own canary passed: they share the machine and its software.
    """
    rows = session.exec(
        select(CanaryRun.night_id, Stream.experiment, CanaryRun.difference)
        .join(Stream, col(Stream.id) == CanaryRun.stream_id)
        .where(Stream.environment_class == environment_class)
        .where(col(CanaryRun.is_ok).is_(False), col(CanaryRun.night_id).is_not(None))
        .order_by(col(CanaryRun.id))
    ).all()
    return {night: f"{name}: {what}" for night, name, what in rows if night is not None}


def _digest(data: Mapping[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _compare(
    session: Session, stream: Stream, reference: CanaryRun, run: CanaryRun, is_exact: bool
) -> str | None:
    """What to say of a miss; None when the canary equals its reference."""
    if reference.digest == run.digest:
        return None
    before, after = dict(reference.environment), dict(run.environment)
    old, new = before.pop(RESULT, None), after.pop(RESULT, None)
    changed = describe_difference(before, after)
    if is_exact or old is None:
        return changed
    departure = find_departure(old, new, _read_early_results(session, stream))
    return None if departure is None else f"{changed} ({departure})"


def _read_early_results(session: Session, stream: Stream) -> list[Any]:
    """The results of the stream's good canaries, oldest first."""
    rows = session.exec(
        select(CanaryRun.environment)
        .where(CanaryRun.stream_id == stream.id, col(CanaryRun.is_ok).is_(True))
        .order_by(col(CanaryRun.id))
    ).all()
    return [row[RESULT] for row in rows if RESULT in row]
