"""Judges: what a paper says about a claim, as a proposal with an exact quote.

Decides what every judge gives back and which judge a name means. "embedded" is ours, runs
offline and needs no key; any other name is a chat model by LangChain.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, runtime_checkable

if TYPE_CHECKING:
    from ingest.judges.allowance import Allowance
    from ingest.judges.chat_options import ChatOptions

Stance = Literal["supports", "contradicts", "relaxes", "mentions", "out-of-scope", "unclear"]
STANCES: tuple[str, ...] = get_args(Stance)
DIRECTED = ("supports", "contradicts", "relaxes")  # these need a quote
EMBEDDED = "embedded"


@dataclass(frozen=True)
class PaperText:
    """What a judge may see of a paper; data, never an instruction."""

    arxiv_id: str
    title: str
    abstract: str


@dataclass(frozen=True)
class Span:
    """An exact slice of one section of a paper."""

    section: str  # title | abstract
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Judgement:
    """A judge's answer on one pair.

    ``leaning`` is what it would say if it had to choose; it orders a queue and is no stance.
    ``probabilities`` are over its own classes. ``refused_quotes`` counts quotes that are
    not in the text; with ``error`` set there is no answer at all.
    """

    stance: Stance
    confidence: float | None = None
    quote: Span | None = None
    closest: list[Span] = field(default_factory=list)
    leaning: Stance = "unclear"
    probabilities: dict[str, float] = field(default_factory=dict)
    scope: dict[str, Any] = field(default_factory=dict)
    refused_quotes: int = 0
    error: str | None = None
    studied: dict[str, Any] = field(default_factory=dict)  # models and dates that it names


@dataclass(frozen=True)
class KeptAnswer:
    """A language model's answer to one question, as it is kept."""

    pass_name: str  # propose | verify | repair
    question_hash: str
    answer: dict[str, Any]
    input_tokens: int = 0
    output_tokens: int = 0
    took_s: float = 0.0


class Memory:
    """The answers on one pair that were paid for already; this one forgets everything."""

    def recall(self, pass_name: str, question_hash: str) -> dict[str, Any] | None:
        """The answer to this very question, if it was given before."""
        return None

    def keep(self, answer: KeptAnswer) -> None:
        """Keep an answer that has just been given."""


class Judge(Protocol):
    """Anything that says what a paper says about a claim."""

    @property
    def name(self) -> str:
        """Name and version: the same name gives the same answers, as far as it can."""
        ...

    @property
    def quality(self) -> str:
        """What was measured of it, in a few words for a report; or that nothing was."""
        ...

    def judge_stance(self, claim: str, paper: PaperText) -> Judgement:
        """The judge's answer on one pair."""
        ...


@runtime_checkable
class AskingJudge(Judge, Protocol):
    """A judge that asks a language model: it costs, it may be slow, its answers are kept."""

    model_name: str
    prompt: str  # version of the questions
    options: "ChatOptions"

    @property
    def in_flight(self) -> int:
        """Requests at a time."""
        ...

    def judge_remembering(
        self, claim: str, paper: PaperText, memory: Memory, allowance: "Allowance"
    ) -> Judgement:
        """As ``judge_stance``, within an allowance; raises AllowanceSpent."""
        ...


def load_judge(name: str, options: "ChatOptions | None" = None) -> Judge:
    """The judge of a setting: ``embedded`` or a LangChain chat model such as ``openai:…``.

    ``options`` say where a chat model is and what it may cost; others need none.

    Raises:
        UsageError: the name or its provider package is unknown; the line says what to do.
    """
    if name == EMBEDDED:
        from ingest.judges.embedded import load_embedded_judge

        return load_embedded_judge()
    from ingest.judges.chat import load_chat_judge

    return load_chat_judge(name, options)
