"""The chain of a protocol's versions: what it must say, what it shows, what keeps its hash."""

import dataclasses
import json
from typing import Any

import pytest
from sqlmodel import Session, select

from db.errors import ProtocolRefused
from db.models import Protocol as StoredProtocol
from retest.amendments import describe_changes, read_chain
from retest.experiments import MODULES, load_experiment
from retest.protocol import Estimand, Protocol
from retest.registration import register_protocol
from tests.fake_experiment import make_protocol

FIRST = make_protocol()


def amend(before: Protocol, why: str | None = "too strict", **changes: Any) -> Protocol:
    fields = {"version": before.version + 1, "previous_hash": before.hash(), "amendment": why}
    return dataclasses.replace(before, **{**fields, **changes})


SECOND = amend(FIRST, alpha=0.01)
THIRD = amend(
    SECOND, "a margin of .05 hides what matters",
    estimands=(dataclasses.replace(FIRST.estimands[0], margin=0.02),),
)  # fmt: skip


def test_the_chain_is_shown_from_the_newest_back(session: Session) -> None:
    for protocol in (FIRST, SECOND, THIRD):
        register_protocol(session, protocol)
    chain = read_chain(session, THIRD)
    assert [link.version for link in chain] == [3, 2, 1]
    assert [link.hash for link in chain] == [p.hash() for p in (THIRD, SECOND, FIRST)]
    assert [link.why for link in chain] == [
        "a margin of .05 hides what matters",
        "too strict",
        None,
    ]
    assert [link.changed for link in chain] == [
        ("estimands.rate.margin: 0.05 -> 0.02",), ("alpha: 0.05 -> 0.01",), (),
    ]  # fmt: skip
    assert all(link.registered_at is not None for link in chain)


def test_a_version_that_never_ran_here_is_known_by_its_hash(session: Session) -> None:
    register_protocol(session, SECOND)
    second, first = read_chain(session, SECOND)
    assert (first.hash, first.version, first.registered_at) == (FIRST.hash(), None, None)
    assert second.registered_at is not None
    third = read_chain(session, THIRD)[0]
    assert (third.version, third.registered_at) == (3, None)


@pytest.mark.parametrize(
    ("protocol", "says"),
    [
        (make_protocol(version=2), "set previous_hash to"),
        (amend(FIRST, None), "belong together"),
        (amend(FIRST, previous_hash=None), "belong together"),
        (amend(FIRST, previous_hash="0" * 64), "set previous_hash to"),
    ],
)
def test_a_later_version_says_what_it_amends_and_why(
    session: Session, protocol: Protocol, says: str
) -> None:
    register_protocol(session, FIRST)
    with pytest.raises(ProtocolRefused, match=says):
        register_protocol(session, protocol)
    assert len(session.exec(select(StoredProtocol)).all()) == 1


def test_an_earlier_version_is_not_registered_after_a_later_one(session: Session) -> None:
    register_protocol(session, SECOND)
    with pytest.raises(ProtocolRefused, match="version 2 is registered already"):
        register_protocol(session, FIRST)


def test_what_is_registered_stays_usable(session: Session) -> None:
    register_protocol(session, FIRST)
    register_protocol(session, SECOND)
    assert register_protocol(session, FIRST).version == 1


def test_a_reason_is_part_of_the_hash_and_no_reason_is_not() -> None:
    assert amend(FIRST, "one").hash() != amend(FIRST, "another").hash()
    assert "amendment" not in FIRST.record()
    assert load_experiment("c03").PROTOCOL.version > 1 or load_experiment(
        "c03"
    ).PROTOCOL.hash().startswith("c00b34d4dbd5576e"), "registered streams would be cut off"


@pytest.mark.parametrize("name", list(MODULES))
def test_a_registered_record_gives_its_protocol_back(name: str) -> None:
    protocol = load_experiment(name).PROTOCOL
    restored = Protocol.from_record(json.loads(json.dumps(protocol.record())))
    assert restored.hash() == protocol.hash()
    assert restored.estimands == protocol.estimands
    assert restored.controls == protocol.controls


def test_an_amendment_comes_back_from_its_record() -> None:
    assert Protocol.from_record(THIRD.record()).hash() == THIRD.hash()


def test_parts_are_compared_by_name() -> None:
    other = Estimand("other", "m", "share", "bounded", (0.0, 1.0), 0.5, None, 0.05)
    after = dataclasses.replace(FIRST, estimands=(other, *FIRST.estimands))
    (change,) = describe_changes(FIRST.record(), after.record())
    assert change.startswith("estimands.other: nothing -> ")


def test_sides_follow_from_the_region() -> None:
    assert FIRST.estimands[0].sides == "one-sided"
    assert dataclasses.replace(FIRST.estimands[0], region_high=0.9).sides == "two-sided"
