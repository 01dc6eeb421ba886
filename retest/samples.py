"""The samples that seeds kept to be looked at: which there are, and which to show.

Decides in which stream to look, and which samples come first: those of the newest seeds, the
arms and test sets in turn. A sample is never evidence.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

from sqlalchemy import or_
from sqlmodel import Session, col, select

from db.errors import SamplesNotFound
from db.models import Protocol, SeedRun, Stream
from retest.experiments import load_experiment
from retest.measurements import FIRST_SAMPLED, SAMPLED_EVERY
from retest.streams import find_stream


@dataclass(frozen=True)
class KeptSample:
    """One item of one seed, in words."""

    seed: int  # its number in the stream
    arm: str
    test: str
    prompt: str
    gold: str
    output: str
    verdict: str

    @property
    def is_wrong(self) -> bool:
        """Whether the verifier said anything but ``right``."""
        return not self.verdict.lower().startswith("right")


@dataclass(frozen=True)
class SampledStream:
    """A stream with the samples that its seeds kept, the newest seed first."""

    experiment: str
    version: int
    stream: int
    profile: str
    environment: str
    seeds: tuple[int, ...]
    samples: tuple[KeptSample, ...]

    @property
    def arms(self) -> dict[str, list[str]]:
        """The arms that kept samples, with their test sets."""
        found: dict[str, list[str]] = {}
        for sample in self.samples:
            tests = found.setdefault(sample.arm, [])
            if sample.test not in tests:
                tests.append(sample.test)
        return found

    def describe(self) -> dict[str, Any]:
        """The stream as plain data, without its samples."""
        row = asdict(self)
        del row["samples"]
        return {**row, "arms": self.arms}


def find_samples(session: Session, experiment: str, stream_id: int | None = None) -> SampledStream:
    """The samples of a stream: the one named, else the present one, else the newest with any.

    Raises:
        SamplesNotFound: no such stream of the experiment, or none that kept samples.
    """
    streams = _list_streams(session, experiment)
    if stream_id is not None:
        streams = [stream for stream in streams if stream.id == stream_id]
        if not streams:
            raise SamplesNotFound(
                f"{experiment} has no stream {stream_id}: 'reassay retest history {experiment}' "
                "lists its streams"
            )
    for stream in streams:
        found = read_samples(session, stream)
        if found.samples:
            return found
    if not streams:
        raise SamplesNotFound(
            f"no seed of {experiment} has run yet: 'reassay retest run' runs some"
        )
    which = f"stream {stream_id}" if stream_id is not None else "any stream"
    raise SamplesNotFound(
        f"no seed of {which} of {experiment} kept samples: a stream keeps those of its first "
        f"{FIRST_SAMPLED} seeds and of every {SAMPLED_EVERY}th, if the experiment hands any over"
    )


def read_samples(session: Session, stream: Stream) -> SampledStream:
    """What the seeds of one stream kept, the newest seed first, arms as the protocol has them.

    PostgreSQL does not keep the order of names in JSON.
    """
    index = col(SeedRun.seed_index)
    rows = session.exec(
        select(SeedRun.seed_index, col(SeedRun.measures)["samples"])
        .where(SeedRun.stream_id == stream.id, SeedRun.status == "finished")
        .where(or_(index < FIRST_SAMPLED, index % SAMPLED_EVERY == 0))
        .order_by(index.desc())
    ).all()
    registered = session.get_one(Protocol, stream.protocol_id)
    order = {arm["name"]: i for i, arm in enumerate(registered.record.get("arms", ()))}
    kept = [
        (seed, sorted(samples.items(), key=lambda arm: order.get(arm[0], len(order))))
        for seed, samples in rows
        if samples
    ]
    return SampledStream(
        experiment=stream.experiment,
        version=registered.version,
        stream=stream.id or 0,
        profile=stream.profile,
        environment=stream.environment_class,
        seeds=tuple(seed for seed, _ in kept),
        samples=tuple(
            KeptSample(seed, arm, test, **words)
            for seed, samples in kept
            for arm, tests in samples
            for test, items in tests.items()
            for words in items
        ),
    )


def choose_samples(
    samples: Iterable[KeptSample],
    most: int,
    *,
    arm: str | None = None,
    test: str | None = None,
    seed: int | None = None,
    only_wrong: bool = False,
) -> list[KeptSample]:
    """At most ``most`` of the samples that were asked for, arms and test sets in turn."""
    groups: dict[tuple[str, str], list[KeptSample]] = {}
    for sample in samples:
        is_asked_for = (
            arm in (None, sample.arm)
            and test in (None, sample.test)
            and seed in (None, sample.seed)
            and (sample.is_wrong or not only_wrong)
        )
        if is_asked_for:
            groups.setdefault((sample.arm, sample.test), []).append(sample)
    in_turn = _take_in_turn([_take_in_turn(of_arm) for of_arm in _group_by_arm(groups)])
    chosen = {id(sample) for sample in in_turn[:most]}
    return [sample for group in groups.values() for sample in group if id(sample) in chosen]


def _group_by_arm(groups: Mapping[tuple[str, str], list[KeptSample]]) -> list[list[Any]]:
    arms: dict[str, list[Any]] = {}
    for (arm, _), samples in groups.items():
        arms.setdefault(arm, []).append(samples)
    return list(arms.values())


def _take_in_turn(rows: Sequence[Sequence[KeptSample]]) -> list[KeptSample]:
    """The first of each row, then the second of each, and so on."""
    return [item for column in zip_longest(*rows) for item in column if item is not None]


def check_names(
    found: Sequence[SampledStream], arm: str | None, test: str | None, seed: int | None
) -> None:
    """Refuse the name of an arm, a test set or a seed that none of the streams kept.

    Raises:
        SamplesNotFound: there is none; says which there are.
    """
    arms = {name: tests for stream in found for name, tests in stream.arms.items()}
    if arm is not None and arm not in arms:
        raise SamplesNotFound(f"no arm {arm!r} kept samples; arms are: {', '.join(arms)}")
    tests = arms[arm] if arm is not None else [name for names in arms.values() for name in names]
    if test is not None and test not in tests:
        known = ", ".join(dict.fromkeys(tests))
        of = f" of arm {arm}" if arm else ""
        raise SamplesNotFound(f"no test set {test!r}{of} kept samples; sets are: {known}")
    seeds = sorted({number for stream in found for number in stream.seeds})
    if seed is not None and seed not in seeds:
        known = ", ".join(map(str, seeds))
        raise SamplesNotFound(f"seed {seed} kept no samples; these did: {known}")


def _list_streams(session: Session, experiment: str) -> list[Stream]:
    """The stream that speaks at present first, then the newest."""
    present = find_stream(session, load_experiment(experiment).PROTOCOL, None)
    streams = session.exec(
        select(Stream).where(Stream.experiment == experiment).order_by(col(Stream.id).desc())
    ).all()
    first = present.id if present is not None else None
    return sorted(streams, key=lambda stream: stream.id != first)
