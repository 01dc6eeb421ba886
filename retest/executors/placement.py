"""Which nodes of a cluster take part in a batch, and which of them is next.

Decides by room alone, among nodes that are alike: a stream pools seeds of one environment
class and one code only, so nodes of another are left out and named. Pure: knows no cluster.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Node:
    """One machine: how many units fit on it, and what was found there."""

    id: str
    name: str
    slots: int
    environment: str = ""  # environment class
    code: str = ""  # hash of the sources
    fault: str = ""  # why it could not be asked

    def with_finding(self, environment: str, code: str) -> "Node":
        """The node once it has answered."""
        return replace(self, environment=environment, code=code)

    def with_fault(self, fault: str) -> "Node":
        """The node when it has not."""
        return replace(self, fault=fault)


class Placement:
    """Free room on the nodes of a batch.

    It takes a cluster half a minute to find that a node is gone. One that has lost a unit
    is therefore used no more while there are others.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = {node.id: node for node in nodes}
        self._taken = dict.fromkeys(self.nodes, 0)
        self._distrusted: set[str] = set()

    @property
    def slots(self) -> int:
        """How many units fit on all nodes together."""
        return sum(node.slots for node in self.nodes.values())

    @property
    def has_room(self) -> bool:
        """Whether a unit may be placed; also true when no node is left, which ``take`` says."""
        return not self.nodes or any(self._left(node) > 0 for node in self._usable())

    def take(self) -> str | None:
        """The node with the most room, which is then taken; None when no node is left."""
        node = max(self._usable(), key=self._left, default=None)
        if node is not None:
            self._taken[node] += 1
        return node

    def give_back(self, node: str) -> None:
        """A unit on this node has ended."""
        if node in self.nodes:
            self._taken[node] -= 1

    def distrust(self, node: str) -> None:
        """A unit was lost on this node."""
        self._distrusted.add(node)

    def keep(self, alive: set[str]) -> None:
        """Drop the nodes that are gone."""
        self.nodes = {name: node for name, node in self.nodes.items() if name in alive}

    def _usable(self) -> list[str]:
        return [n for n in self.nodes if n not in self._distrusted] or list(self.nodes)

    def _left(self, node: str) -> int:
        return self.nodes[node].slots - self._taken[node]


def choose_nodes(nodes: Sequence[Node], code: str) -> tuple[list[Node], list[str]]:
    """The nodes of this code, of the environment class with the most slots; and who is left out."""
    able = [node for node in nodes if not node.fault and node.code == code]
    slots: dict[str, int] = {}
    for node in able:
        slots[node.environment] = slots.get(node.environment, 0) + node.slots
    most = max(sorted(slots), key=lambda environment: slots[environment], default="")
    chosen = [node for node in able if node.environment == most]
    left_out = [
        f"node {node.name} is left out: {_find_fault(node, code, most)}"
        for node in nodes
        if node not in chosen
    ]
    return chosen, left_out


def _find_fault(node: Node, code: str, environment: str) -> str:
    if node.fault:
        return f"it cannot run this reassay ({node.fault})"
    if node.code != code:
        return "its experiments are of another version"
    return f"it is {node.environment}, the others are {environment}"
