"""What a re-test fixes before its first run, and what one seed of it returns.

Decides what belongs to the registered record and how it is hashed. Knows nothing of the
database, of torch, or of how evidence is weighed.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple, Self

Transfer = Literal["direct", "analogue", "illustration"]
DataKind = Literal["binary", "bounded", "unbounded"]
Outcome = Literal["CONSISTENT", "SHIFTED", "ATTENUATED", "UNDECIDED", "INVALID"]


@dataclass(frozen=True)
class Estimand:
    """One number that a seed measures, and what the claim says about it.

    ``region_low`` and ``region_high`` bound the claim region H (None: open on that side);
    H widened by ``margin`` is where a difference is smaller than we care for. ``bounds``
    are the smallest and largest value that a seed can give (None for unbounded data).
    """

    name: str
    meaning: str
    unit: str
    kind: DataKind
    bounds: tuple[float, float] | None
    region_low: float | None
    region_high: float | None
    margin: float

    @property
    def sides(self) -> Literal["one-sided", "two-sided"]:
        """Whether the claim region is open on one side, or has two ends."""
        is_open = self.region_low is None or self.region_high is None
        return "one-sided" if is_open else "two-sided"


@dataclass(frozen=True)
class Control:
    """A check that every seed must pass before its estimates say anything."""

    name: str
    meaning: str
    minimum: float | None = None
    maximum: float | None = None

    def passes(self, value: float) -> bool:
        """Whether a measured value lies within the control's bounds (NaN never does)."""
        above = self.minimum is None or value >= self.minimum
        below = self.maximum is None or value <= self.maximum
        return not math.isnan(value) and above and below


@dataclass(frozen=True)
class Profile:
    """One size of the experiment: configuration and expected cost of a seed."""

    config: Mapping[str, Any]
    seed_cost_s: float  # on one core (full: on one GPU)
    concludes: bool = True  # smoke never concludes


@dataclass(frozen=True)
class Arm:
    """One condition of an experiment, in words; profiles name the arms that they run."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Reading:
    """One way to read the claim: a sub-claim, which stands when all its estimands do."""

    name: str  # C1a
    statement: str
    estimands: tuple[str, ...]


@dataclass(frozen=True)
class Protocol:
    """The frozen record of an experiment; any change of it is a new version.

    A later version names the hash of the protocol that it amends, and why (``amendment``).
    A claim made of several estimands is consistent when all of them are, and shifted when
    one of them is.
    """

    experiment: str  # c03, c04, ...
    version: int
    title: str
    question: str
    claim_as_tested: str
    source_ids: tuple[str, ...]  # arXiv ids of the source
    note_slugs: tuple[str, ...]  # notes that this experiment bears on
    transfer: Transfer
    scale: str  # what was trained, in a few words; printed with every result
    cannot_show: str
    estimands: tuple[Estimand, ...]
    controls: tuple[Control, ...]
    canary: str  # what the fixed-seed run is
    alpha: float
    profiles: Mapping[str, Profile]
    max_failed_controls: float = 0.0  # share of seeds that may fail a control
    seeds_rule: str = "seed j = first 63 bits of SHA-256(experiment, version, j), j = 0, 1, ..."
    previous_hash: str | None = None  # of the protocol that this one amends
    amendment: str | None = None  # why it was amended
    arms: tuple[Arm, ...] = ()
    readings: tuple[Reading, ...] = ()  # none: the claim is read in one way

    def record(self) -> dict[str, Any]:
        """The protocol as plain data, in the form that is hashed and stored.

        What a protocol does not have (an amendment, arms, readings) is not in it either, so
        that the hash of one without is what it was before these existed.
        """
        record: dict[str, Any] = json.loads(json.dumps(asdict(self), sort_keys=True))
        for name in ("amendment", "arms", "readings"):
            if not record[name]:
                del record[name]
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """A registered protocol as it was, also when the code has moved on."""
        estimands = (
            Estimand(**{**row, "bounds": row["bounds"] and tuple(row["bounds"])})
            for row in record["estimands"]
        )
        changed: dict[str, Any] = {
            "source_ids": tuple(record["source_ids"]),
            "note_slugs": tuple(record["note_slugs"]),
            "estimands": tuple(estimands),
            "controls": tuple(Control(**row) for row in record["controls"]),
            "arms": tuple(Arm(**row) for row in record.get("arms", ())),
            "readings": tuple(
                Reading(**{**row, "estimands": tuple(row["estimands"])})
                for row in record.get("readings", ())
            ),
            "profiles": {name: Profile(**row) for name, row in record["profiles"].items()},
        }
        return cls(**{**record, **changed})

    def hash(self) -> str:
        """SHA-256 of the record in canonical JSON."""
        text = json.dumps(self.record(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


class ControlReading(NamedTuple):
    """What a control measured on one seed."""

    value: float
    passed: bool


@dataclass(frozen=True)
class Sample:
    """One item as a person looks at it. It is never evidence."""

    prompt: str
    gold: str
    output: str
    verdict: str  # of the verifier, in words: "right", "wrong: the answer", ...


Samples = Mapping[str, Mapping[str, Sequence[Sample]]]  # arm -> test set -> the first few items
SAMPLES_KEPT = 10  # items of each test set that a seed hands over to be looked at


@dataclass(frozen=True)
class SeedResult:
    """What one seed gives: one number an estimand, and everything else that it measured.

    ``measures`` must be plain JSON data; per-item results stay out of it, but for the few
    ``samples`` that are kept to be looked at.
    """

    estimates: Mapping[str, float]
    controls: Mapping[str, ControlReading]
    measures: Mapping[str, Any] = field(default_factory=dict)
    samples: Samples = field(default_factory=dict)


def derive_seed(experiment: str, version: int, index: int) -> int:
    """Seed ``index`` of an experiment's schedule: 63 bits of a hash, never ``base + index``."""
    digest = hashlib.sha256(f"{experiment}/{version}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
