"""``reassay retest explain``."""

import shutil
import textwrap
from dataclasses import asdict
from typing import Annotated, Any

import typer

from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from retest.commands.setup import find_experiments

FALLBACK_WIDTH = 100  # where there is no terminal
LEAST_WIDTH = 40
INDENT = 13  # of the text beside its label


def explain(
    ctx: typer.Context,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="A claim, or an experiment.")],
    as_json: JsonOption = False,
) -> None:
    """What a re-test fixed before its first run, like a methods section, and what it cannot show.

    Arms with the profiles that run them, estimands with the claim region, readings of the
    claim, controls and gates, seeds, cost, and the versions that it amends.

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
    """The protocol in the order of a methods section."""
    print(f"{record['experiment']} version {record['version']}: {record['title']}")
    _print("hash", record["hash"])
    _print("question", record["question"])
    _print("tested as", record["claim_as_tested"])
    _print("source", ", ".join("arXiv:" + paper for paper in record["source_ids"]))
    _print("transfer", f"{record['transfer']}; {record['scale']}")
    for arm in record.get("arms", ()):
        _print("arm", f"{arm['name']} ({_name_profiles(record, arm['name'])}): {arm['meaning']}")
    for estimand in record["estimands"]:
        _print_estimand(estimand, record["sides"][estimand["name"]])
    for reading in record.get("readings", ()):
        _print("reading", f"{reading['name']}: {reading['statement']}")
        _print("", _describe_joining(reading["estimands"]))
    for control in record["controls"]:
        region = _describe_region(control["minimum"], control["maximum"])
        _print("control", f"{control['name']} {region}: {control['meaning']}")
    share = record["max_failed_controls"]
    failing = f"on more than {share:.0%} of the seeds" if share else "on one seed"
    _print("", f"a control that fails {failing} makes the stream INVALID, whatever it measured")
    _print("canary", record["canary"])
    _print("level", f"alpha = {record['alpha']}, a seed is the unit; {record['seeds_rule']}")
    for name, profile in _order_profiles(record):
        _print("profile", f"{name}: {_describe_profile(profile)}")
    _print("cannot show", record["cannot_show"])
    for version in record["chain"]:
        _print_version(version)


def _print(label: str, text: str) -> None:
    """A labelled paragraph, wrapped to the terminal; long words such as hashes stay whole."""
    width = max(shutil.get_terminal_size(fallback=(FALLBACK_WIDTH, 24)).columns, LEAST_WIDTH)
    print(
        textwrap.fill(
            text, width, initial_indent=f"{label:<{INDENT}}", subsequent_indent=" " * INDENT,
            break_long_words=False, break_on_hyphens=False,
        )
    )  # fmt: skip


def _print_estimand(estimand: dict[str, Any], sides: str) -> None:
    region = _describe_region(estimand["region_low"], estimand["region_high"])
    _print("estimand", f"{estimand['name']}: {estimand['meaning']} ({estimand['unit']})")
    bounds = f" within {estimand['bounds']}" if estimand["bounds"] else ""
    _print(
        "",
        f"the claim says {region}, margin {estimand['margin']}; {sides}, {estimand['kind']} "
        f"data{bounds}",
    )


def _order_profiles(record: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Profiles by name, the cheapest first."""
    return sorted(record["profiles"].items(), key=lambda item: (item[1]["seed_cost_s"], item[0]))


def _name_profiles(record: dict[str, Any], arm: str) -> str:
    """The profiles that run an arm."""
    profiles = _order_profiles(record)
    return ", ".join(n for n, p in profiles if arm in p["config"].get("arms", ())) or "no profile"


def _describe_profile(profile: dict[str, Any]) -> str:
    arms = list(profile["config"].get("arms", ()))
    running = f", {len(arms)} arm{'s' if len(arms) > 1 else ''}: {', '.join(arms)}" if arms else ""
    concludes = "" if profile["concludes"] else ", never concludes"
    return f"about {profile['seed_cost_s']:.0f} s a seed{concludes}{running}"


def _describe_joining(names: list[str]) -> str:
    if len(names) == 1:
        return f"read from {names[0]}"
    return f"consistent when each of {', '.join(names)} is, shifted when one of them is"


def _print_version(version: dict[str, Any]) -> None:
    """One link of the chain of amendments, the newest first."""
    number = "an earlier version" if version["version"] is None else f"version {version['version']}"
    when = version["registered_at"]
    registered = f"registered {when:%Y-%m-%d}" if when else "never run in this library"
    _print("chain", f"{number}, {version['hash'][:12]}, {registered}")
    if version["amends"]:
        _print("", f"amends {version['amends'][:12]}: {version['why'] or 'no reason given'}")
    for change in version["changed"]:
        _print("", change)


def _describe_region(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"within [{low}, {high}]"
    return f"at least {low}" if low is not None else f"at most {high}"
