"""Runs the command line in this process: one of its own takes a second to start."""

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from reassay.cli import run


@dataclass(frozen=True)
class Answer:
    returncode: int
    stdout: str
    stderr: str


def reassay(home: Path, *arguments: str, **environment: str) -> Answer:
    """What ``reassay ARGUMENTS`` answers in the folder of ``home``."""
    out, err = io.StringIO(), io.StringIO()
    home.parent.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in {"REASSAY_HOME": str(home), **environment}.items():
            patch.setenv(name, value)
        patch.chdir(home.parent)
        code = run(list(arguments))
    return Answer(code, out.getvalue(), err.getvalue())
