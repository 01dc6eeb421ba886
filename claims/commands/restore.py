"""``reassay claims restore``: a JSON export back into an empty library."""

from pathlib import Path
from typing import Annotated

import typer

from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from claims.restoring import restore_library
from db.errors import ExportRefused


def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What export --format json wrote.")],
    as_json: JsonOption = False,
) -> None:
    """Fill an empty library from a JSON export; one that holds anything is refused.

    Example: reassay --home ~/claims claims restore library.json
    """
    try:
        text = file.read_bytes().decode()
    except OSError as error:
        raise ExportRefused(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ExportRefused(f"{file} is not UTF-8 text: give a file that export wrote") from error
    with open_library(ctx) as session:
        counts = restore_library(session, text)
    if as_json:
        print_json(counts)
    else:
        print("restored  " + "  ".join(f"{name} {count}" for name, count in counts.items()))
