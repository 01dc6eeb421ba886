"""A chat model by LangChain as a judge: it proposes, then it verifies its quote alone.

Decides what of the answers is believed: a directed stance stands only with an exact quote
that, shown without the paper, is given the same stance. Instruction-like text is blanked
before anything is sent. Quality is the model's; ``reassay ingest evaluate`` measures it.
"""

from typing import Any, TypeVar

from langchain_core.language_models import BaseChatModel
from pydantic import BaseModel, ValidationError

from db.errors import UsageError
from ingest.judges import DIRECTED, Judgement, KeptAnswer, Memory, PaperText, Span
from ingest.judges.allowance import Allowance, AllowanceSpent
from ingest.judges.calls import Caller, NoAnswer, describe_error
from ingest.judges.chat_options import ChatOptions
from ingest.judges.instructions import FLAG, blank_instructions
from ingest.judges.questions import (
    PROMPT_VERSION,
    ProposedAnswer,
    Question,
    RepairedQuote,
    VerifiedAnswer,
    write_proposal,
    write_repair,
    write_verification,
)
from ingest.quotes import locate_quote

SCRIPTED = "scripted:"
T = TypeVar("T", bound=BaseModel)


class ChatJudge:
    """Two passes a pair: propose with the abstract, verify with the quote alone."""

    def __init__(self, model: BaseChatModel, name: str, options: ChatOptions | None = None) -> None:
        self.model_name = name
        self.prompt = PROMPT_VERSION
        self.options = options or ChatOptions()
        self._caller = Caller(model, self.options.timeout_s)
        self._own_allowance = Allowance()

    @property
    def name(self) -> str:
        """The model's name and the hash of our questions: an edited question is another judge."""
        return f"{self.model_name}/questions-{self.prompt}"

    @property
    def in_flight(self) -> int:
        """Requests at a time."""
        return self.options.width(self.model_name)

    @property
    def quality(self) -> str:
        """A user's model: nothing is known of it until the user measures it."""
        return "not measured here; 'reassay ingest evaluate GOLD.jsonl' measures it"

    def judge_stance(self, claim: str, paper: PaperText) -> Judgement:
        """One pair without memory and without limits; ``error`` when no valid answer came."""
        try:
            return self.judge_remembering(claim, paper, Memory(), self._own_allowance)
        except AllowanceSpent as error:
            return Judgement("unclear", error=str(error))

    def judge_remembering(
        self, claim: str, paper: PaperText, memory: Memory, allowance: Allowance
    ) -> Judgement:
        """One pair; questions that ``memory`` holds the answers to are not asked.

        Raises:
            AllowanceSpent: a limit was reached; the answers so far are in the memory.
        """
        shown, flags = blank_instructions(paper)
        scope: dict[str, Any] = {"flags": flags} if flags else {}
        conversation = Conversation(self._caller, memory, allowance)
        try:
            proposed = conversation.ask(write_proposal(claim, shown), ProposedAnswer)
            quote = self._find_quote(conversation, claim, paper, shown, proposed)
            if proposed.stance not in DIRECTED or quote is None:
                return _finish(proposed, shown, quote, scope, conversation.refused)
            verified = conversation.ask(write_verification(claim, quote.text), VerifiedAnswer)
        except NoAnswer as error:
            return Judgement(
                "unclear", scope=scope, refused_quotes=conversation.refused, error=str(error)
            )
        return _finish(proposed, shown, quote, scope, conversation.refused, verified)

    @staticmethod
    def _find_quote(
        conversation: "Conversation",
        claim: str,
        paper: PaperText,
        shown: PaperText,
        proposed: ProposedAnswer,
    ) -> Span | None:
        """The quote as an exact span; one that is not there is asked for once more."""
        if not proposed.quote.strip():
            return None
        quote = _locate(paper, shown, proposed.quote)
        if quote is not None or proposed.stance not in DIRECTED:
            conversation.refused += quote is None
            return quote
        repair = write_repair(claim, shown, proposed.quote)
        quote = _locate(paper, shown, conversation.ask(repair, RepairedQuote).quote)
        conversation.refused += quote is None
        return quote


class Conversation:
    """The questions on one pair, and how many quotes were refused."""

    def __init__(self, caller: Caller, memory: Memory, allowance: Allowance) -> None:
        self._caller, self._memory, self._allowance = caller, memory, allowance
        self.refused = 0

    def ask(self, question: Question, shape: type[T]) -> T:
        """The kept answer to this very question, or a new one, which is kept."""
        kept = self._memory.recall(question.pass_name, question.hash)
        if kept is not None:
            try:
                return shape.model_validate(kept)
            except ValidationError:  # kept by a version with another shape: asked again
                pass
        reply = self._caller.ask(question, self._allowance)
        self._memory.keep(
            KeptAnswer(
                question.pass_name, question.hash, reply.answer.model_dump(),
                reply.input_tokens, reply.output_tokens, reply.took_s,
            )
        )  # fmt: skip
        return shape.model_validate(reply.answer.model_dump())


def load_chat_judge(name: str, options: ChatOptions | None = None) -> ChatJudge:
    """A judge on any model that ``langchain.chat_models.init_chat_model`` knows.

    ``scripted:FILE`` answers from a file of rules (``ingest.judges.scripted``).

    Raises:
        UsageError: the provider is unknown, its package is missing, or it refuses its
            settings (most often a missing key); the line says what to do.
    """
    options = options or ChatOptions()
    if name.startswith(SCRIPTED):
        from ingest.judges.scripted import load_script

        return ChatJudge(load_script(name.removeprefix(SCRIPTED)), name, options)
    try:
        return ChatJudge(_make_model(name, options), name, options)
    except ImportError as error:
        raise UsageError(f"judge {name!r} needs a package: {describe_error(error)}") from error
    except Exception as error:
        raise UsageError(
            f"judge {name!r} cannot be used: {describe_error(error)}; use 'embedded' or "
            "PROVIDER:MODEL"
        ) from error


def _make_model(name: str, options: ChatOptions) -> BaseChatModel:
    """The model; where its class knows them: our time limit, no retries of its own, steadiness."""
    from langchain.chat_models import init_chat_model

    given: dict[str, Any] = {"base_url": options.url} if options.url else {}
    model: BaseChatModel = init_chat_model(name, **given)
    fields = type(model).model_fields
    known = {*fields, *(field.alias for field in fields.values() if field.alias)}
    wanted = {"timeout": options.timeout_s, "max_retries": 0, "temperature": 0}
    if options.answer_tokens:
        wanted |= dict.fromkeys(("max_tokens", "num_predict"), options.answer_tokens)
    given |= {key: value for key, value in wanted.items() if key in known}
    model = init_chat_model(name, **given)  # the overloads of init_chat_model hide its type
    return model  # noqa: RET504


def _finish(
    proposed: ProposedAnswer,
    shown: PaperText,
    quote: Span | None,
    scope: dict[str, Any],
    refused: int,
    verified: VerifiedAnswer | None = None,
) -> Judgement:
    """What is believed: no quote, or no agreement of the two passes, is no stance."""
    stance = proposed.stance
    if stance in DIRECTED and (verified is None or verified.stance != stance):
        stance = "unclear"
    if verified is not None:
        scope = {**scope, "proposed": proposed.stance, "verified": verified.stance}
        if verified.addresses_reader:
            stance = "unclear"
            scope["flags"] = [*scope.get("flags", []), f"{FLAG}: the quote, says the model"]
    overlap = {
        axis: word for axis, word in proposed.scope.model_dump().items() if word != "unknown"
    }
    is_agreed = stance != "unclear"
    return Judgement(
        stance,
        quote=quote if is_agreed else None,
        closest=[quote] if quote else [],
        leaning=stance,
        scope={**overlap, **scope},
        studied=_find_studied(proposed, shown),
        refused_quotes=refused,
    )


def _find_studied(proposed: ProposedAnswer, shown: PaperText) -> dict[str, list[str]]:
    """Models and dates that the judge names, if they stand in the text."""
    text = f"{shown.title}\n{shown.abstract}"
    named = {"models": proposed.studied_models, "dates": proposed.studied_dates}
    kept = {
        key: [word for word in dict.fromkeys(words) if word.strip() and word in text]
        for key, words in named.items()
    }
    return {key: words for key, words in kept.items() if words}


def _locate(paper: PaperText, shown: PaperText, quote: str) -> Span | None:
    """The quote in what was shown, if the stored text holds the same there: no blanked part."""
    found = locate_quote(shown.title, shown.abstract, quote)
    if found is None:
        return None
    section = paper.title if found.section == "title" else paper.abstract
    if section[found.start : found.end] != found.text:
        return None
    return Span(found.section, found.start, found.end, found.text)
