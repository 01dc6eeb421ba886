"""Which experiments there are. One file a claim, imported only when it is asked for.

An experiment module offers ``PROTOCOL`` (a ``retest.protocol.Protocol``),
``run_seed(seed, profile, device) -> SeedResult`` and ``run_canary(device) -> dict`` (plain
JSON data, the same bytes for the same environment on one CPU thread). It imports torch
inside these functions, so that reading a protocol stays cheap.
"""

import importlib
from collections.abc import Mapping
from typing import Any, Protocol, cast

from db.errors import ExperimentNotFound
from retest import protocol

MODULES = {
    "c01": "retest.experiments.c01_substitution",
    "c02": "retest.experiments.c02_protocol_gap",
    "c03": "retest.experiments.c03_distribution_shift",
    "c04": "retest.experiments.c04_constraint_ceiling",
}


class Experiment(Protocol):
    """The shape of an experiment module."""

    PROTOCOL: protocol.Protocol

    def run_seed(self, seed: int, profile: str, device: str) -> protocol.SeedResult: ...

    def run_canary(self, device: str) -> Mapping[str, Any]: ...


def load_experiment(name: str) -> Experiment:
    """The experiment of this name.

    Raises:
        ExperimentNotFound: there is none.
    """
    if name not in MODULES:
        raise ExperimentNotFound(f"no experiment {name!r}; there are: {', '.join(MODULES)}")
    return cast(Experiment, importlib.import_module(MODULES[name]))
