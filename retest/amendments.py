"""The chain of a protocol's versions: what each amended, why, and which fields it changed.

Decides nothing. A version that this store never ran is known by its hash alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, select

from db import models
from retest.protocol import Protocol

NO_CHANGE = {"version", "previous_hash", "amendment"}  # every amendment has these


@dataclass(frozen=True)
class Registered:
    """One version in the chain; what is not known of it here is None."""

    hash: str
    version: int | None
    registered_at: datetime | None  # None: never run in this store
    amends: str | None  # hash of the version before
    why: str | None
    changed: tuple[str, ...]  # "alpha: 0.05 -> 0.01"


def read_chain(session: Session, protocol: Protocol) -> tuple[Registered, ...]:
    """The protocol in code, and every version that it amends; the newest first."""
    record: Mapping[str, Any] | None = protocol.record()
    chain: list[Registered] = []
    digest: str | None = protocol.hash()
    seen: set[str] = set()
    while digest is not None and digest not in seen:
        seen.add(digest)
        stored = session.exec(select(models.Protocol).where(models.Protocol.hash == digest)).first()
        if record is None and stored is not None:
            record = stored.record
        if record is None:
            chain.append(Registered(digest, None, None, None, None, ()))
            break
        amends = record.get("previous_hash")
        before = _find_record(session, amends)
        chain.append(
            Registered(
                hash=digest,
                version=record["version"],
                registered_at=stored.registered_at if stored else None,
                amends=amends,
                why=record.get("amendment"),
                changed=describe_changes(before, record) if before else (),
            )
        )
        digest, record = amends, before
    return tuple(chain)


def describe_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that differ between two records, the innermost ones, with both values."""
    return tuple(_compare(before, after, ""))


def _compare(before: Any, after: Any, place: str) -> list[str]:
    if before == after or place in NO_CHANGE:
        return []
    pairs = _pair(before, after)
    if pairs is None:
        return [f"{place}: {_shorten(before)} -> {_shorten(after)}"]
    changes = []
    for key, (old, new) in pairs.items():
        changes += _compare(old, new, f"{place}.{key}" if place else key)
    return changes


def _pair(before: Any, after: Any) -> dict[str, tuple[Any, Any]] | None:
    """The parts of two values side by side; lists of named things by name."""
    old, new = _name_parts(before), _name_parts(after)
    if old is None or new is None:
        return None
    return {key: (old.get(key), new.get(key)) for key in [*old, *(k for k in new if k not in old)]}


def _name_parts(value: Any) -> dict[str, Any] | None:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
        return {str(part.get("name", number)): part for number, part in enumerate(value)}
    return None


def _shorten(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _find_record(session: Session, digest: str | None) -> Mapping[str, Any] | None:
    if digest is None:
        return None
    stored = session.exec(select(models.Protocol).where(models.Protocol.hash == digest)).first()
    return stored.record if stored else None
