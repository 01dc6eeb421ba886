"""``reassay ingest evaluate --decisions``: judges measured on what people decided."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from claims.commands.output import print_json, print_message, print_table
from claims.commands.setup import open_library
from db.errors import UsageError
from ingest.commands.judging_setup import judging_setup, load_set_judge


def evaluate_decisions(
    ctx: typer.Context, gold: Path | None, export: Path | None, *, rejudge: bool, as_json: bool
) -> None:
    """Measure, store and print; write the pairs to a file where one is named.

    Raises:
        UsageError: a gold file was named as well.
        ReportUnwritable: the export cannot be written.
    """
    from ingest.decisions import export_pairs, find_decided_judges, measure_judge
    from ingest.judges import EMBEDDED

    if gold is not None:
        raise UsageError("a GOLD.jsonl and --decisions are two measures: ask for them one by one")
    setup = judging_setup(ctx)
    judge = load_set_judge(setup)
    fresh = judge if rejudge or setup.judge == EMBEDDED else None
    today = datetime.now(UTC).date()
    with open_library(ctx) as session:
        others = [other for other in find_decided_judges(session) if other != judge.name]
        results = [measure_judge(session, judge.name, today, fresh=fresh)]
        results += [measure_judge(session, other, today) for other in others]
        exported = export_pairs(session, export) if export else None
    if as_json:
        print_json(results)
    else:
        for result in results:
            _print(result)
    if exported is not None:
        left_out = f", {exported.left_out} with two labels left out" if exported.left_out else ""
        print_message(f"{exported.written} decided pairs written to {export}{left_out}")


def _print(result: dict[str, Any]) -> None:
    print(
        f"judge {result['judge']}: {result['answered']} of {result['pairs']} decided pairs "
        f"({result['judged_afresh']} judged afresh, {result['failed']} failed)"
    )
    rows = [
        (f"{kind}: {stance}", band, counted["n"], counted["right"], _share(counted))
        for kind in ("proposals", "leanings")
        for stance, of_stance in result[kind].items()
        for band, counted in [("all", of_stance["all"]), *of_stance["bands"].items()]
        if counted["n"]
    ]
    if rows:
        print_table(("stance", "probability", "n", "right", "precision, 95 %"), rows)


def _share(counted: dict[str, Any]) -> str:
    low, high = counted["ci95"]
    return f"{counted['precision']:.3f} [{low:.3f}, {high:.3f}]"
