"""Which nodes of a cluster take part, and where a unit goes: without any cluster."""

from dataclasses import replace

import pytest

from retest.executors.placement import Node, Placement, choose_nodes

BIG = Node("1", "10.0.0.1", 4, "cpu, x", "code")
SMALL = Node("2", "10.0.0.2", 2, "cpu, x", "code")


def test_units_go_where_there_is_most_room() -> None:
    placement = Placement([SMALL, BIG])
    assert placement.slots == 6
    assert [placement.take() for _ in range(6)].count("1") == 4
    assert not placement.has_room
    placement.give_back("2")
    assert placement.has_room and placement.take() == "2"


def test_a_node_that_is_gone_takes_its_room_along() -> None:
    placement = Placement([BIG, SMALL])
    placement.take()
    placement.keep({"2"})
    placement.give_back("1")
    assert placement.slots == 2
    assert [placement.take(), placement.take()] == ["2", "2"]
    placement.keep(set())
    assert placement.has_room and placement.take() is None, "which then says that all are gone"


def test_a_node_that_lost_a_unit_is_used_only_when_it_is_alone() -> None:
    placement = Placement([BIG, SMALL])
    placement.distrust("1")
    assert [placement.take(), placement.take()] == ["2", "2"]
    assert not placement.has_room
    placement.keep({"1"})
    assert placement.has_room and placement.take() == "1"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(SMALL, environment="cpu, y"), "it is cpu, y, the others are cpu, x"),
        (replace(SMALL, code="older"), "its experiments are of another version"),
        (SMALL.with_fault("No module named 'retest'"), "it cannot run this reassay (No module"),
    ],
)
def test_nodes_that_are_not_alike_are_left_out_and_named(other: Node, said: str) -> None:
    chosen, left_out = choose_nodes([other, BIG], "code")
    assert chosen == [BIG]
    assert len(left_out) == 1
    assert left_out[0].startswith("node 10.0.0.2 is left out: ") and said in left_out[0]


def test_nodes_that_are_alike_all_take_part() -> None:
    assert choose_nodes([BIG, SMALL], "code") == ([BIG, SMALL], [])
    chosen, left_out = choose_nodes([BIG, SMALL], "newer")
    assert chosen == [] and len(left_out) == 2
