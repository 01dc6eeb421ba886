"""Writes pages: each file appears whole, under a name that stays the same every night.

Decides which pages there are. A page is written beside its place and renamed into it, so
that a reader, or a kill at any point, never meets half a page.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

from sqlmodel import Session, col, select

from db.errors import ReportUnwritable, UsageError
from db.models import Line
from reports.line_page import build_line_page
from reports.morning import build_morning
from reports.night_record import read_night
from reports.page_names import MORNING, name_line_page
from reports.rendering import FORMATS, render
from reports.sources import IdGate


def write_report(
    session: Session,
    *,
    night_id: int | None,
    out: Path,
    formats: Sequence[str],
    line: Line | None,
    today: date,
) -> list[Path]:
    """Write the page of each line (or of one) and the morning page; the morning page first.

    ``night_id`` None: no night has run, and the pages say so. Writing again replaces.

    Raises:
        UsageError: a format is not known.
        ReportUnwritable: a page cannot be written.
    """
    check_formats(formats)
    pages: list[Path] = []
    for name, template, page in _build_pages(session, night_id, line, today):
        for ending in formats:
            path = out / f"{name}.{ending}"
            write_whole(path, render(template, ending, page))
            pages.append(path)
    return pages


def check_formats(formats: Sequence[str]) -> None:
    """Refuse formats that are not there.

    Raises:
        UsageError: none is given, or one is not known.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        named = f"format {unknown[0]!r} is not known" if unknown else "no format is given"
        raise UsageError(f"{named}: use {' or '.join(FORMATS)}, or both as {','.join(FORMATS)}")


def publish_latest(out: Path, latest: Path) -> None:
    """Make ``latest`` show the pages of ``out``; pages that are no more are removed last.

    Raises:
        ReportUnwritable: a page cannot be written.
    """
    if out.resolve() == latest.resolve():
        return
    pages = [page for page in sorted(out.iterdir()) if page.suffix in {".md", ".html"}]
    for page in pages:
        write_whole(latest / page.name, page.read_text(encoding="utf-8"))
    kept = {page.name for page in pages}
    for page in latest.iterdir():
        if page.suffix in {".md", ".html"} and page.name not in kept and _is_ours(page):
            page.unlink()


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is either the old one or the new one, never a part.

    Raises:
        ReportUnwritable: the folder or the file cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content if isinstance(content, bytes) else content.encode())
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        reason = error.strerror or type(error).__name__
        raise ReportUnwritable(
            f"cannot write {path}: {reason}; name a writable folder with --out"
        ) from error


def _build_pages(
    session: Session, night_id: int | None, line: Line | None, today: date
) -> Iterator[tuple[str, str, object]]:
    yield MORNING, "morning", build_morning(session, night_id, today)
    gate = IdGate(session)
    record = read_night(session, night_id, gate)
    lines = [line] if line is not None else session.exec(select(Line).order_by(col(Line.id))).all()
    for each in lines:
        page = build_line_page(session, each, record, today, gate)
        yield name_line_page(each.slug), "line", page


def _is_ours(page: Path) -> bool:
    return page.stem == MORNING or page.stem.startswith("line-")
