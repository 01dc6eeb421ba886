"""``reassay claims show``: one claim with its sources, quotes and ids."""

from typing import Annotated, Any

import typer

from claims.cited_by import CitedBy
from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from claims.queries import find_claim
from claims.reading import read_claim

SHOWN_ROWS = 5


def show(
    ctx: typer.Context,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="Handle or part of the slug.")],
    as_json: JsonOption = False,
) -> None:
    """One claim: its wording, sources, stances with quotes, and what our own seeds say.

    Example: reassay claims show c4
    """
    with open_library(ctx) as session:
        state = read_claim(session, find_claim(session, claim))
    if as_json:
        print_json(state)
    else:
        _print_claim(state)


def _print_claim(state: dict[str, Any]) -> None:
    print(f"{state['id']}  {state['slug']}")
    print(f"claim       {state['text']}")
    for label, name in (("durable", "insight"), ("limit", "limit")):
        if state[name]:
            print(f"{label:<11} {state[name]}")
    if state["found_from"]:
        print(f"found       {state['found_from']} to {state['found_to']}")
    print(f"in          {', '.join(state['lines']) or '–'}")
    _print_succession(state)
    verdict = state["verdict"]
    if verdict is None:
        print("verdict     none yet: 'reassay night run' reaches one")
    else:
        _print_verdict(verdict, state["revision"])
    _print_sources(state["sources"])
    _print_evidence(state["evidence"])


def _print_succession(state: dict[str, Any]) -> None:
    """A retired claim still answers, and says where it went."""
    if state["retired_at"] is None:
        return
    print(f"retired     {state['retired_at']:%F}: {state['retired_reason'] or 'no reason given'}")
    places = [state["merged_into"]] if state["merged_into"] else state["split_into"]
    for handle in places:
        print(f"went to     {handle}   ('reassay claims show {handle}')")


def _print_verdict(verdict: dict[str, Any], revision: int) -> None:
    headline = verdict["headline"] or "(hub)"
    look = " · LOOK" if verdict["look"] else ""
    judged = verdict["revision"]
    print(f"headline    {headline}{look}   ({verdict['decided_at']:%F}, revision {judged})")
    if judged != revision:
        print(f"            the wording is now revision {revision}, which no night has judged yet")
    detail = verdict["grounding_detail"]
    print(f"grounding   {verdict['grounding']}: {detail.get('reason', '–')}")
    if detail.get("quote"):
        _print_quote(detail["arxiv_id"], detail["section"], detail["start"], detail["quote"])
    if verdict["grounding"] != "hub":  # a hub claims nothing, so that nothing is searched
        _print_literature(verdict)
    _print_local(verdict)


def _print_literature(verdict: dict[str, Any]) -> None:
    found = verdict["literature_detail"]
    print(
        f"literature  {verdict['literature']}: {found.get('candidates', 0)} candidates out of "
        f"{found.get('searched_papers', 0)} stored papers ({found.get('source', '–')}, through "
        f"{found.get('searched_through') or '–'})"
    )


def _print_local(verdict: dict[str, Any]) -> None:
    print(f"local       {verdict['local']}  {verdict['transfer'] or ''}".rstrip())
    for experiment in verdict["local_detail"].get("experiments", []):
        print(f"            {experiment['experiment']}: {experiment['scale']}")
        for estimand in experiment.get("estimands", []):
            print(f"            {_describe_estimand(estimand, experiment)}")
        for reading in experiment.get("readings", []):
            print(f"            {_describe_reading(reading)}")
        print(f"            cannot show: {experiment['cannot_show']}")


def _describe_estimand(estimand: dict[str, Any], experiment: dict[str, Any]) -> str:
    if not estimand["n"]:
        return f"{estimand['name']}: no seeds yet"
    return (
        f"{estimand['name']} {estimand['mean']:.3f} [{estimand['low']:.3f}, "
        f"{estimand['high']:.3f}] {estimand['unit']}, n = {estimand['n']} seeds, "
        f"{estimand['outcome']} ({experiment['run_set']})"
    )


def _describe_reading(reading: dict[str, Any]) -> str:
    """What our seeds say to one reading of the claim, and how it reads the claim."""
    left = reading["seeds_to_go"]
    is_open = reading["outcome"] == "UNDECIDED"
    to_go = f", about {left} seeds to go" if is_open and left else ""
    return f"{reading['name']} {reading['outcome']}{to_go}: {reading['statement']}"


def _print_sources(sources: list[dict[str, Any]]) -> None:
    if not sources:
        print("sources     none: no anchor is tied to its note")
    for source in sources:
        title = source["title"] or "not in the store: not checked"
        print(f"source      arXiv:{source['arxiv_id']}  {source['state']}  {title}{_mark(source)}")
        for entry in source["cited_by"]:
            print(f"            {CitedBy(**entry).describe()}")


def _mark(paper: dict[str, Any]) -> str:
    """What to print behind a withdrawn paper: that it is, and when that was first seen."""
    if not paper["is_withdrawn"]:
        return ""
    seen = paper["withdrawn_seen_at"]
    return f"  WITHDRAWN (first seen {seen:%F})" if seen else "  WITHDRAWN"


def _print_evidence(rows: list[dict[str, Any]]) -> None:
    for row in rows[:SHOWN_ROWS]:
        sure = "" if row["confidence"] is None else f" {row['confidence']:.2f}"
        status = "candidate" if row["stance"] == "unclear" else row["status"]
        if row["confirmed_by"] == "setting":
            status = "confirmed by setting"
        print(
            f"{status:<11} {row['stance']}{sure}  arXiv:{row['arxiv_id']} "
            f"({row['published'] or 'no date'})  {row['title']}{_mark(row)}  [row {row['id']}]"
        )
        if row["quote"]:
            _print_quote(row["arxiv_id"], row["section"], row["start"], row["quote"])
        elif row["closest"]:
            span = row["closest"][0]
            _print_quote(row["arxiv_id"], span["section"], span["start"], span["text"])
    if len(rows) > SHOWN_ROWS:
        print(f"            {len(rows) - SHOWN_ROWS} more (--json)")


def _print_quote(arxiv_id: str, section: str, start: int, quote: str) -> None:
    print(f"            “{quote}”  [arXiv:{arxiv_id}, {section}, offset {start}]")
