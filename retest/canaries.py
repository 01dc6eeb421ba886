"""Canaries: a fixed seed every time, to see a change of environment the same night.

Decides whether a canary equals its reference (equal bytes of the result in canonical
JSON) and names what changed when it does not. A canary is never evidence.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlmodel import Session, col, select

from db.columns import stored_id
from db.models import CanaryRun, Stream
from retest.environment import describe_difference


def record_canary(
    session: Session,
    stream: Stream,
    data: Mapping[str, Any],
    environment: Mapping[str, Any],
    night_id: int | None,
) -> CanaryRun:
    """Compare a canary's result with the stream's reference and store it."""
    digest = hashlib.sha256(
        json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()
    reference = session.exec(
        select(CanaryRun)
        .where(CanaryRun.stream_id == stream.id, col(CanaryRun.is_reference).is_(True))
        .order_by(col(CanaryRun.id))
    ).first()
    is_ok = reference is None or reference.digest == digest
    run = CanaryRun(
        stream_id=stored_id(stream.id),
        night_id=night_id,
        digest=digest,
        is_reference=reference is None,
        is_ok=is_ok,
        environment=dict(environment),
        difference=None
        if is_ok or reference is None
        else describe_difference(reference.environment, dict(environment)),
    )
    session.add(run)
    session.commit()
    return run


def read_last_canary(session: Session, stream: Stream) -> CanaryRun | None:
    """The newest canary of a stream."""
    return session.exec(
        select(CanaryRun).where(CanaryRun.stream_id == stream.id).order_by(col(CanaryRun.id).desc())
    ).first()
