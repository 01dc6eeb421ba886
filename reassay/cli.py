"""The front door: mounts every room's commands and turns errors into one line.

Decides exit codes (0 fine, 1 data wrong or refused, 2 usage, 3 incomplete) and when a
command's module is imported: only when that command runs. It is the only place that reads
the environment.
"""

import gc
import importlib
import inspect
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from db.errors import ReassayError
from reassay.command_table import COMMANDS, GROUP_HELP, Entry

INTERRUPTED = 130
IMPORT_GC_THRESHOLD = (
    100_000  # imports only add objects: collecting among them is a sixth of start-up
)


class LazyGroup(TyperGroup):
    """A group whose commands are imported when they run; its help needs none of them."""

    entries: dict[str, Entry | dict[str, Entry]]

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        if isinstance(entry, dict):
            return build_group(cmd_name, dict(entry), GROUP_HELP[cmd_name])
        if self._is_listing(ctx):
            return TyperCommand(name=cmd_name, help=entry.help)
        return load_command(cmd_name, entry)

    @staticmethod
    def _is_listing(ctx: Any) -> bool:
        """Whether the group is printing its help rather than running a command."""
        return bool(getattr(ctx, "is_listing", False))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        ctx.is_listing = True
        super().format_help(ctx, formatter)


def build_group(name: str, entries: dict[str, Any], help_text: str) -> LazyGroup:
    """A group over table entries; prints its help when called bare."""
    group = LazyGroup(name=name, help=help_text, no_args_is_help=True)
    group.entries = entries
    return group


def load_command(name: str, entry: Entry) -> Any:
    """Import a command's module and wrap its function."""
    app = typer.Typer(add_completion=False)
    module, function = entry.target.split(":")
    command = getattr(importlib.import_module(module), function)
    app.command(name, help=_join_lines(inspect.getdoc(command) or ""))(command)
    return typer.main.get_command(app)


def _join_lines(text: str) -> str:
    """Paragraphs as one line each, for a terminal of any width to wrap; examples stay apart."""
    paragraphs = text.replace("\nExample:", "\n\nExample:").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _prepare(
    ctx: typer.Context,
    home: Annotated[Path | None, typer.Option(help="Home directory (REASSAY_HOME).")] = None,
    database_url: Annotated[str | None, typer.Option(help="REASSAY_DATABASE_URL.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Keeps a library of dated claims about language models honest.

    Settings come from reassay.toml, then REASSAY_* variables, then these options.
    Exit codes: 0 fine, 1 something in the data is wrong or was refused, 2 usage,
    3 the night (or harvest) is incomplete.
    """
    if version:
        from importlib.metadata import version as installed_version

        print(installed_version("reassay"))
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())
        raise typer.Exit(2)
    from reassay.settings import read_settings

    flags = {"home": home, "database_url": database_url}
    ctx.obj = read_settings(dict(os.environ), flags)


def build_app() -> LazyGroup:
    """The whole command line as one group."""
    app = typer.Typer(cls=LazyGroup, name="reassay", add_completion=False)
    app.callback(invoke_without_command=True)(_prepare)
    group = typer.main.get_group(app)
    assert isinstance(group, LazyGroup)
    group.name = "reassay"
    group.entries = dict(COMMANDS)
    return group


def main() -> None:
    """Entry point of the ``reassay`` script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    gc.set_threshold(IMPORT_GC_THRESHOLD)
    try:
        result = build_app().main(args=arguments, prog_name="reassay", standalone_mode=False)
    except typer.Exit as leave:
        return leave.exit_code
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        if not _one_line(error) and context is not None:  # a group called bare
            context.get_help()  # prints it
        else:
            print(f"reassay: {_one_line(error)} (see --help)", file=sys.stderr)
        return 2
    except (typer.Abort, KeyboardInterrupt):
        print("reassay: interrupted; what was finished is kept", file=sys.stderr)
        return INTERRUPTED
    except ReassayError as error:
        if "--debug" in arguments:
            raise
        print(f"reassay: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        if "--debug" in arguments:
            raise
        print(f"reassay: {_explain(error)} (--debug shows the traceback)", file=sys.stderr)
        return 1
    return result if isinstance(result, int) else 0


def _explain(error: Exception) -> str:
    """An error that no room named: the database's own, or a defect of ours."""
    reason = _one_line(getattr(error, "orig", None) or error)[:300]
    if type(error).__module__.startswith("sqlalchemy") and "malformed" in reason:
        return f"the database is damaged ({reason}): restore a copy, or import again elsewhere"
    if type(error).__module__.startswith("sqlalchemy") and "locked" in reason:
        return f"the database is busy ({reason}): another process writes; try again"
    return f"unexpected {type(error).__name__}: {reason}"


def _one_line(error: Exception) -> str:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    message = message.replace("Value error, ", "")
    message = message.replace("does not match the formats '%Y-%m-%d'.", "is no day: YYYY-MM-DD.")
    return " ".join(message.split())
