"""What the experiment files share: reading controls off measured values."""

from collections.abc import Mapping

from retest.protocol import ControlReading, Protocol


def read_controls(protocol: Protocol, values: Mapping[str, float]) -> dict[str, ControlReading]:
    """Each control of the protocol with its value on this seed and whether it passed."""
    return {
        control.name: ControlReading(values[control.name], control.passes(values[control.name]))
        for control in protocol.controls
    }
