"""Writes an experiment's results: a Markdown page and the pictures that it shows.

Decides file names; each file appears whole, or stays as it was.
"""

from dataclasses import dataclass
from pathlib import Path

from sqlmodel import Session

from reassay.results.figures import EstimandFigure, draw_curve, draw_estimand
from reassay.results.ledger import gather_results
from reassay.results.page import build_page
from reports.rendering import render
from reports.writing import write_whole


@dataclass(frozen=True)
class WrittenResults:
    """The files of one experiment."""

    experiment: str
    page: Path
    pictures: tuple[Path, ...]


def write_results(
    session: Session, experiment: str, out: Path, *, has_figures: bool = True
) -> WrittenResults:
    """Write ``out/<experiment>.md`` and its pictures; writing again replaces.

    The page is the same bytes for the same ledger, with figures or without.

    Raises:
        ReportUnwritable: a file cannot be written.
    """
    page = build_page(gather_results(session, experiment))
    pictures = []
    for name, figure in sorted(page.pictures.items()) if has_figures else ():
        path = out / name
        if isinstance(figure, EstimandFigure):
            write_whole(path, draw_estimand(figure))
        else:
            write_whole(path, draw_curve(figure))
        pictures.append(path)
    path = out / f"{experiment}.md"
    write_whole(path, render("results", "md", page))
    return WrittenResults(experiment, path, tuple(pictures))
