"""What the commands that rank and judge are given by the front door."""

from typing import TYPE_CHECKING, Protocol, cast

import typer

from claims.commands.setup import LibrarySetup

if TYPE_CHECKING:
    from ingest.judges import Judge


class JudgingSetup(LibrarySetup, Protocol):
    """Where the library is, how papers are ranked, which judge judges and what it may cost."""

    @property
    def embeddings(self) -> str: ...

    @property
    def triage_cut(self) -> str: ...

    @property
    def judge(self) -> str: ...

    @property
    def judge_floor(self) -> str: ...

    @property
    def judge_url(self) -> str: ...

    @property
    def judge_max_calls(self) -> int: ...

    @property
    def judge_max_tokens(self) -> int: ...

    @property
    def judge_max_s(self) -> float: ...

    @property
    def judge_timeout_s(self) -> float: ...

    @property
    def judge_answer_tokens(self) -> int: ...

    @property
    def judge_in_flight(self) -> int: ...


def judging_setup(context: typer.Context) -> JudgingSetup:
    """The setup that the front door put into the command's context."""
    return cast(JudgingSetup, context.obj)


def load_set_judge(setup: JudgingSetup, name: str | None = None) -> "Judge":
    """The judge of the settings, or another one by name, where and within what they say.

    Raises:
        UsageError: there is no such judge; the line says what to do.
    """
    from ingest.judges import load_judge
    from ingest.judges.chat_options import ChatOptions, JudgeLimits

    limits = JudgeLimits(setup.judge_max_calls, setup.judge_max_tokens, setup.judge_max_s)
    options = ChatOptions(
        url=setup.judge_url,
        in_flight=setup.judge_in_flight,
        timeout_s=setup.judge_timeout_s,
        answer_tokens=setup.judge_answer_tokens,
        limits=limits,
    )
    return load_judge(name or setup.judge, options)
