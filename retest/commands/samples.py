"""``reassay retest samples``."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from sqlmodel import Session

from claims.commands.output import JsonOption, print_json, print_message
from claims.commands.setup import open_library
from db.errors import SamplesNotFound
from retest.commands.setup import find_experiments

if TYPE_CHECKING:
    from retest.samples import KeptSample, SampledStream


def samples(
    ctx: typer.Context,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="A claim, or an experiment.")],
    arm: Annotated[str | None, typer.Option(help="Of this arm alone.")] = None,
    test_set: Annotated[str | None, typer.Option("--set", help="Of this test set alone.")] = None,
    most: Annotated[int, typer.Option("--n", min=1, help="How many, at most.")] = 10,
    seed: Annotated[int | None, typer.Option(help="Of this seed of the stream alone.")] = None,
    only_wrong: Annotated[bool, typer.Option("--wrong", help="Only what was not right.")] = False,
    stream: Annotated[
        int | None, typer.Option(help="Of this stream; default: the present one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """A few items as a person looks at them: prompt, gold, output, the verifier's verdict.

    The first eight seeds of a stream keep ten items of each arm and test set, and so does
    every fiftieth seed. They are never evidence.

    Example: reassay retest samples c3 --wrong --n 5
    """
    from retest.samples import check_names, choose_samples

    with open_library(ctx) as session:
        found = _find_all(session, find_experiments(session, [claim]), stream)
    check_names(found, arm, test_set, seed)
    chosen = [
        choose_samples(each.samples, most, arm=arm, test=test_set, seed=seed, only_wrong=only_wrong)
        for each in found
    ]
    if as_json:
        rows = zip(found, chosen, strict=True)
        print_json([{**e.describe(), "samples": [asdict(s) for s in kept]} for e, kept in rows])
        return
    for each, kept in zip(found, chosen, strict=True):
        _print_stream(each, kept)


def _find_all(
    session: Session, experiments: list[str], stream: int | None
) -> "list[SampledStream]":
    """Of each experiment the stream to look at; fails when none of them kept samples."""
    from retest.samples import find_samples

    found, refused = [], []
    for name in experiments:
        try:
            found.append(find_samples(session, name, stream))
        except SamplesNotFound as error:
            refused.append(error)
    if not found:
        raise refused[0]
    return found


def _print_stream(found: "SampledStream", chosen: "list[KeptSample]") -> None:
    from retest.finished_seeds import describe_seeds

    print(
        f"stream {found.stream}  {found.experiment} version {found.version} {found.profile}  "
        f"{found.environment}  samples kept by seeds {describe_seeds(found.seeds)}"
    )
    for sample in chosen:
        print(f"\n{sample.arm}, {sample.test}, seed {sample.seed}")
        for name in ("prompt", "gold", "output", "verdict"):
            print(f"  {name:<8}{_show(getattr(sample, name))}".rstrip())
    if not chosen:
        print_message("none of the samples kept is of this kind")


def _show(text: str) -> str:
    """What a model wrote is data: control characters never reach the terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
