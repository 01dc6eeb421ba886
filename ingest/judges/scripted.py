"""A chat model that answers from a script, for tests and for trying the chat path out.

It goes through LangChain's real chat interface and structured output; it judges nothing.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field


class ScriptedChatModel(BaseChatModel):
    """Gives its answers in order, each as a tool call; an exception in the script is raised.

    An answer is a dict (the tool's arguments) or a text (no tool call: a wrong answer).
    ``asked`` holds every question.
    """

    script: list[Any]
    asked: list[str] = Field(default_factory=list)
    tool_name: str = "ChatAnswer"

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[Any, AIMessage]:
        """Take the tool's name, as a provider's model would."""
        self.tool_name = convert_to_openai_tool(tools[0])["function"]["name"]
        return self.bind(**kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.asked.append(str(messages[-1].content))
        answer = self.script[(len(self.asked) - 1) % len(self.script)]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            message = AIMessage(content=answer)
        else:
            call = {"name": self.tool_name, "args": json.loads(json.dumps(answer)), "id": "1"}
            message = AIMessage(content="", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=message)])
