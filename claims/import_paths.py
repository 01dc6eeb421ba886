"""What the arguments of an import name: files, folders, patterns, standard input.

Decides which files of a folder are documents (.txt .md .html, hidden folders skipped) and
that a pattern which the shell left alone is expanded here. Reads nothing but names.
"""

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from claims.pages import TEXT_SUFFIXES
from db.errors import DocumentRefused

STANDARD_INPUT = "-"
PATTERN_MARKS = frozenset("*?[")
MAX_FILES = 20_000


def expand_argument(argument: str) -> list[str]:
    """The files that one argument names, in order; ``-`` stays itself.

    Raises:
        DocumentRefused: a pattern or folder without documents, or with more than MAX_FILES.
    """
    path = Path(argument).expanduser()
    if argument == STANDARD_INPUT:
        return [argument]
    if path.is_dir():
        found = sorted(_walk(path))
        if not found:
            raise DocumentRefused(f"{argument} holds no .txt, .md or .html file")
    elif not path.exists() and PATTERN_MARKS & set(argument):
        found = sorted(name for name in _match(str(path)) if _is_file(name))
        if not found:
            raise DocumentRefused(f"no file matches {argument}")
    else:
        return [str(path)]
    if len(found) > MAX_FILES:
        raise DocumentRefused(
            f"{argument} names {len(found)} files; up to {MAX_FILES} are read: name fewer"
        )
    return found


def _walk(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in TEXT_SUFFIXES:
                yield str(Path(place) / name)


def _match(pattern: str) -> Iterator[str]:
    return glob.iglob(pattern, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute one)


def _is_file(name: str) -> bool:
    return Path(name).is_file()
