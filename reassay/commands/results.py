"""``reassay retest results``: what the seeds of an experiment say, as a page with figures."""

from pathlib import Path
from typing import Annotated

import typer

from claims.commands.output import JsonOption, print_json
from claims.commands.setup import library_setup, open_library
from retest.commands.setup import find_experiments


def results(
    ctx: typer.Context,
    claims: Annotated[
        list[str] | None, typer.Argument(metavar="[CLAIM]...", help="Claims or experiments.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder (default: results).")
    ] = None,
    has_figures: Annotated[
        bool, typer.Option("--figures/--no-figures", help="Draw them (needs reassay[plots]).")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Write a page of results for each experiment, from the ledger alone.

    Question, readings of the claim with their intervals, controls, the source's numbers
    beside ours, curves, what was run, a few samples, and what an outcome means, in the words
    that were fixed before the seeds. The same ledger gives the same page. --json prints the
    list of what was written.

    Example: reassay retest results c3 --out results
    """
    from reassay.results.figures import check_plots
    from reassay.results.writing import write_results

    if has_figures:
        check_plots()
    folder = out or library_setup(ctx).home / "results"
    with open_library(ctx) as session:
        written = [
            write_results(session, name, folder, has_figures=has_figures)
            for name in find_experiments(session, claims or [])
        ]
    if as_json:
        print_json(
            [
                {
                    "experiment": each.experiment,
                    "page": str(each.page),
                    "pictures": [str(path) for path in each.pictures],
                }
                for each in written
            ]
        )
        return
    for each in written:
        for path in (each.page, *each.pictures):
            print(path)
