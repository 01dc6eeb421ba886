"""Registers a protocol before its first run, and refuses to run a changed one.

Decides what a protocol must fix beforehand, that one version has one record, and that a
later version says which protocol it amends and why. Knows nothing of streams and seeds.
"""

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from db import models
from db.errors import ProtocolChanged, ProtocolRefused
from retest.protocol import Estimand, Protocol


def register_protocol(session: Session, protocol: Protocol) -> models.Protocol:
    """Store the protocol's hash and record before its first run; the second time, find them.

    Raises:
        ProtocolChanged: this version was registered with another record.
        ProtocolRefused: it leaves something open that must be fixed beforehand, or amends
            an earlier version without naming it.
    """
    check_protocol(protocol)
    known = _find(session, protocol)
    if known is None:
        _check_amendment(session, protocol)
        session.add(
            models.Protocol(
                hash=protocol.hash(),
                experiment=protocol.experiment,
                version=protocol.version,
                record=protocol.record(),
                previous_hash=protocol.previous_hash,
            )
        )
        try:
            session.commit()
        except IntegrityError:  # another process registered it meanwhile
            session.rollback()
        known = _find(session, protocol)
    if known is None or known.hash != protocol.hash():
        registered = "" if known is None else f" (hash {known.hash[:12]})"
        raise ProtocolChanged(
            f"{protocol.experiment} version {protocol.version} differs from what was registered"
            f"{registered}: give the changed protocol a new version, or restore the registered one"
        )
    return known


def check_protocol(protocol: Protocol) -> None:
    """Refuse a protocol that no evidence could decide, or that nothing controls.

    Raises:
        ProtocolRefused: it has no estimand, no control, two of one name, an alpha outside
            (0, 1), a claim region that every (or no) value would meet, a reading of
            estimands that are not there, or a profile that runs an arm that is not described.
    """
    for kind, names in (
        ("estimand", [estimand.name for estimand in protocol.estimands]),
        ("control", [control.name for control in protocol.controls]),
    ):
        if not names or len(set(names)) < len(names):
            raise ProtocolRefused(f"{protocol.experiment} needs {kind}s, each of its own name")
    if not 0 < protocol.alpha < 1:
        raise ProtocolRefused(f"{protocol.experiment}: alpha must lie between 0 and 1")
    for estimand in protocol.estimands:
        fault = _find_fault(estimand)
        if fault:
            raise ProtocolRefused(f"{protocol.experiment}, estimand {estimand.name}: {fault}")
    _check_readings(protocol)
    _check_arms(protocol)


def _check_readings(protocol: Protocol) -> None:
    """Each reading has a name of its own, and names estimands that there are, each once."""
    known = {estimand.name for estimand in protocol.estimands}
    names = [reading.name for reading in protocol.readings]
    if len(set(names)) < len(names) or "all" in names:
        raise ProtocolRefused(
            f"{protocol.experiment} needs readings each of its own name; 'all' is the whole claim"
        )
    for reading in protocol.readings:
        named = reading.estimands
        if not named or len(set(named)) < len(named) or not set(named) <= known:
            raise ProtocolRefused(
                f"{protocol.experiment}, reading {reading.name}: it names "
                f"{', '.join(named) or 'nothing'}, and must name some of the estimands "
                f"{', '.join(sorted(known))}, each once"
            )


def _check_arms(protocol: Protocol) -> None:
    """Where arms are described, profiles run no others."""
    names = [arm.name for arm in protocol.arms]
    if len(set(names)) < len(names):
        raise ProtocolRefused(f"{protocol.experiment} needs arms each of its own name")
    for profile, size in protocol.profiles.items():
        unknown = [arm for arm in size.config.get("arms", ()) if arm not in names]
        if names and unknown:
            raise ProtocolRefused(
                f"{protocol.experiment}, profile {profile}: no arm is named {', '.join(unknown)}"
            )


def _check_amendment(session: Session, protocol: Protocol) -> None:
    """A new version names a registered protocol of its experiment, where there is one."""
    earlier = {
        row.hash: row.version
        for row in session.exec(
            select(models.Protocol).where(models.Protocol.experiment == protocol.experiment)
        ).all()
    }
    name = f"{protocol.experiment} version {protocol.version}"
    if (protocol.previous_hash is None) != (protocol.amendment is None):
        raise ProtocolRefused(f"{name}: previous_hash and amendment (why) belong together")
    if not earlier:
        return  # a store that never ran the earlier versions
    newest = max(earlier, key=lambda known: earlier[known])
    if earlier[newest] > protocol.version:
        raise ProtocolRefused(f"{name}: version {earlier[newest]} is registered already")
    if protocol.previous_hash not in earlier:
        raise ProtocolRefused(
            f"{name} follows version {earlier[newest]}: set previous_hash to {newest} and say in "
            "amendment why it was changed"
        )


def _find_fault(estimand: Estimand) -> str | None:
    low, high = estimand.region_low, estimand.region_high
    if low is None and high is None:
        return "the claim region has no end"
    if low is not None and high is not None and low > high:
        return "the claim region is empty"
    if estimand.margin < 0:
        return "the margin is negative"
    if estimand.kind == "unbounded":
        return None
    if estimand.bounds is None or not estimand.bounds[0] < estimand.bounds[1]:
        return f"{estimand.kind} data need bounds, the lower one first"
    least, most = estimand.bounds
    can_be_below = low is not None and least < low <= most
    can_be_above = high is not None and least <= high < most
    if not (can_be_below or can_be_above):
        return "the claim region holds every value within the bounds, or none"
    return None


def _find(session: Session, protocol: Protocol) -> models.Protocol | None:
    return session.exec(
        select(models.Protocol).where(
            models.Protocol.experiment == protocol.experiment,
            models.Protocol.version == protocol.version,
        )
    ).first()
