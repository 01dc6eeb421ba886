"""Chat models that answer from a script, for tests and for trying the chat path out.

They go through LangChain's real chat interface and structured output; they judge nothing.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from db.errors import UsageError

OUT_OF_SCOPE: dict[str, Any] = {
    "stance": "out-of-scope",
    "quote": "",
    "studied_models": [],
    "studied_dates": [],
    "scope": dict.fromkeys(("model", "task", "metric", "scale"), "unknown"),
}
DEFAULTS: dict[str, dict[str, Any]] = {  # by the shape that is asked for
    "ProposedAnswer": OUT_OF_SCOPE,
    "VerifiedAnswer": {"stance": "none", "addresses_reader": False},
    "RepairedQuote": {"quote": ""},
}
SHAPES = {"propose": "ProposedAnswer", "verify": "VerifiedAnswer", "repair": "RepairedQuote"}


class AnsweringModel(BaseChatModel):
    """A chat model whose answers a function gives: a tool's arguments, a text, or an error.

    ``asked`` holds every question's content, ``shapes`` the shape asked for. Fields that an
    answer leaves out are filled in from ``DEFAULTS``.
    """

    asked: list[str] = Field(default_factory=list)
    shapes: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def answer(self, shape: str, content: str) -> Any:
        """What to say to a question; an exception is raised as a provider's would be."""
        raise UsageError("a scripted model needs a script")

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[Any, AIMessage]:
        """Take the tool's name, as a provider's model would."""
        return self.bind(shape=convert_to_openai_tool(tools[0])["function"]["name"])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        shape, content = str(kwargs.get("shape", "")), str(messages[-1].content)
        self.asked.append(content)
        self.shapes.append(shape)
        answer = self.answer(shape, content)
        if isinstance(answer, BaseException):
            raise answer
        sent = sum(len(str(message.content).split()) for message in messages)
        if isinstance(answer, str):
            message = AIMessage(content=answer, usage_metadata=_usage(sent, answer))
        else:
            given = {**DEFAULTS.get(shape, {}), **answer} if answer else {}
            call = {"name": shape, "args": json.loads(json.dumps(given)), "id": "1"}
            message = AIMessage(
                content="", tool_calls=[call], usage_metadata=_usage(sent, json.dumps(given))
            )
        return ChatResult(generations=[ChatGeneration(message=message)])


class ScriptedChatModel(AnsweringModel):
    """Gives its answers in the order of the script, whatever it is asked."""

    script: list[Any]

    def answer(self, shape: str, content: str) -> Any:
        """The next answer; after the last the first again."""
        return self.script[(len(self.asked) - 1) % len(self.script)]


class RuledChatModel(AnsweringModel):
    """Answers by the first rule whose pass and words fit the question.

    A rule is ``{"pass": "propose", "holds": ["words", …], "answer": {…}}``; ``pass`` and
    ``holds`` may be left out. Without a fitting rule: out-of-scope, none, no quote.
    """

    rules: list[dict[str, Any]]

    def answer(self, shape: str, content: str) -> Any:
        """The answer of the first rule that fits."""
        for rule in self.rules:
            is_pass = rule.get("pass") is None or SHAPES[rule["pass"]] == shape
            if is_pass and all(words in content for words in rule.get("holds", [])):
                return rule["answer"]
        return DEFAULTS.get(shape, {})


def load_script(file: str) -> RuledChatModel:
    """A model that answers by the rules in a file, one JSON object a line.

    Raises:
        UsageError: the file is missing or a line is no rule.
    """
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        rules = [json.loads(line) for line in lines if line.strip()]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"cannot read the script {file}: {error}") from error
    for number, rule in enumerate(rules, start=1):
        if not isinstance(rule, dict) or "answer" not in rule:
            raise UsageError(f'line {number} of {file} is no rule: it needs an "answer"')
        if rule.get("pass", "propose") not in SHAPES:
            raise UsageError(f"line {number} of {file}: pass is propose, verify or repair")
    return RuledChatModel(rules=rules)


def _usage(sent: int, answer: str) -> Any:
    written = len(answer.split())
    return {"input_tokens": sent, "output_tokens": written, "total_tokens": sent + written}
