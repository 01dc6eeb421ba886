"""``reassay retest explain``."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from retest.commands.setup import find_experiments


def explain(
    ctx: typer.Context,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="A claim, or an experiment.")],
    as_json: JsonOption = False,
) -> None:
    """What a re-test fixed before its first run, and what it cannot show.

    Example: reassay retest explain c3
    """
    from retest.amendments import read_chain
    from retest.experiments import load_experiment

    with open_library(ctx) as session:
        protocols = [load_experiment(n).PROTOCOL for n in find_experiments(session, [claim])]
        records = [
            {
                **protocol.record(),
                "hash": protocol.hash(),
                "sides": {estimand.name: estimand.sides for estimand in protocol.estimands},
                "chain": [asdict(version) for version in read_chain(session, protocol)],
            }
            for protocol in protocols
        ]
    if as_json:
        print_json(records)
        return
    for record in records:
        _print_record(record)


def _print_record(record: dict[str, Any]) -> None:
    print(f"{record['experiment']} version {record['version']}: {record['title']}")
    print(f"hash         {record['hash']}")
    print(f"question     {record['question']}")
    print(f"tested as    {record['claim_as_tested']}")
    print(f"source       {', '.join('arXiv:' + paper for paper in record['source_ids'])}")
    print(f"transfer     {record['transfer']}; {record['scale']}")
    for estimand in record["estimands"]:
        region = _describe_region(estimand["region_low"], estimand["region_high"])
        print(f"estimand     {estimand['name']}: {estimand['meaning']} ({estimand['unit']})")
        print(
            f"             the claim says {region}, margin {estimand['margin']}; "
            f"{record['sides'][estimand['name']]}, {estimand['kind']} data"
        )
    for control in record["controls"]:
        region = _describe_region(control["minimum"], control["maximum"])
        print(f"control      {control['name']} {region}: {control['meaning']}")
    print(f"canary       {record['canary']}")
    print(f"level        alpha = {record['alpha']}, a seed is the unit; {record['seeds_rule']}")
    for name, profile in record["profiles"].items():
        concludes = "" if profile["concludes"] else ", never concludes"
        print(f"profile      {name}: about {profile['seed_cost_s']:.0f} s a seed{concludes}")
    print(f"cannot show  {record['cannot_show']}")
    for version in record["chain"]:
        _print_version(version)


def _print_version(version: dict[str, Any]) -> None:
    """One link of the chain of amendments, the newest first."""
    number = "an earlier version" if version["version"] is None else f"version {version['version']}"
    when = version["registered_at"]
    registered = f"registered {when:%Y-%m-%d}" if when else "never run in this library"
    print(f"chain        {number}, {version['hash'][:12]}, {registered}")
    if version["amends"]:
        print(
            f"             amends {version['amends'][:12]}: {version['why'] or 'no reason given'}"
        )
    for change in version["changed"]:
        print(f"             {change}")


def _describe_region(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"within [{low}, {high}]"
    return f"at least {low}" if low is not None else f"at most {high}"
