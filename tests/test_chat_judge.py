"""A language model as a judge: two passes, and no stance without an exact quote."""

import json
from pathlib import Path
from typing import Any

import pytest

from db.engine import open_database, open_session
from db.errors import UsageError
from ingest.judges import Span, load_judge
from ingest.judges.chat import ChatJudge, load_chat_judge
from ingest.judges.questions import PROMPT_VERSION, write_proposal, write_verification
from ingest.judges.scripted import ScriptedChatModel
from ingest.quotes import align_quote
from reassay.cli import run
from tests.judged_store import (
    ABSTRACT,
    CLAIM,
    FIRST,
    PAPER,
    SECOND,
    TITLE,
    fill,
    propose,
)


def chat(*script: Any) -> tuple[ChatJudge, ScriptedChatModel]:
    model = ScriptedChatModel(script=list(script))
    return ChatJudge(model, "scripted:one"), model


def find(text: str) -> Span:
    start = ABSTRACT.index(text)
    return Span("abstract", start, start + len(text), text)


# What is believed


def test_a_stance_stands_when_the_quote_alone_is_given_it_too() -> None:
    judge, model = chat(propose("supports", SECOND), {"stance": "supports"})
    answer = judge.judge_stance(CLAIM, PAPER)
    assert (answer.stance, answer.quote, answer.error) == ("supports", find(SECOND), None)
    assert answer.scope == {"proposed": "supports", "verified": "supports"}
    assert answer.confidence is None  # what a model says of itself is no measured probability
    assert model.shapes == ["ProposedAnswer", "VerifiedAnswer"]


def test_the_second_pass_sees_the_claim_and_the_quote_alone() -> None:
    judge, model = chat(propose("contradicts", SECOND), {"stance": "contradicts"})
    judge.judge_stance(CLAIM, PAPER)
    assert SECOND in model.asked[1] and CLAIM in model.asked[1]
    assert FIRST not in model.asked[1] and TITLE not in model.asked[1]
    assert "You answered" not in model.asked[1] and "proposed" not in model.asked[1]


@pytest.mark.parametrize("second", ["none", "contradicts", "relaxes"])
def test_two_passes_that_differ_are_unclear_and_both_recorded(second: str) -> None:
    judge, _ = chat(propose("supports", SECOND), {"stance": second})
    answer = judge.judge_stance(CLAIM, PAPER)
    assert (answer.stance, answer.quote, answer.leaning) == ("unclear", None, "unclear")
    assert answer.closest == [find(SECOND)]
    assert answer.scope == {"proposed": "supports", "verified": second}


def test_a_quote_that_speaks_to_its_reader_is_no_evidence() -> None:
    judge, _ = chat(propose("supports", SECOND), {"stance": "supports", "addresses_reader": True})
    answer = judge.judge_stance(CLAIM, PAPER)
    assert (answer.stance, answer.quote) == ("unclear", None)
    assert answer.scope["flags"] == ["instruction-like text: the quote, says the model"]


@pytest.mark.parametrize("stance", ["mentions", "out-of-scope", "unclear"])
def test_an_undirected_stance_is_not_asked_twice(stance: str) -> None:
    judge, model = chat(propose(stance))
    assert judge.judge_stance(CLAIM, PAPER).stance == stance
    assert len(model.asked) == 1


def test_a_changed_quote_is_asked_for_once_more_and_may_be_repaired() -> None:
    judge, model = chat(
        propose("supports", "Accuracy saturates after 40 samples."),
        {"quote": SECOND},
        {"stance": "supports"},
    )
    answer = judge.judge_stance(CLAIM, PAPER)
    assert (answer.stance, answer.quote, answer.refused_quotes) == ("supports", find(SECOND), 0)
    assert model.shapes == ["ProposedAnswer", "RepairedQuote", "VerifiedAnswer"]


@pytest.mark.parametrize("quote", ["Accuracy saturates after 40 samples.", "We find"])
def test_no_exact_quote_no_stance(quote: str) -> None:
    judge, model = chat(propose("contradicts", quote), {"quote": quote})
    answer = judge.judge_stance(CLAIM, PAPER)
    assert (answer.stance, answer.quote, answer.refused_quotes) == ("unclear", None, 1)
    assert model.shapes == ["ProposedAnswer", "RepairedQuote"]


def test_a_directed_stance_without_a_quote_is_none() -> None:
    judge, model = chat(propose("contradicts", " "))
    answer = judge.judge_stance(CLAIM, PAPER)
    assert (answer.stance, answer.refused_quotes, len(model.asked)) == ("unclear", 0, 1)


def test_typography_alone_does_not_cost_a_question() -> None:
    text = "It’s “as good” as\nthe larger one — nearly."
    found = align_quote(text, '"It\'s "as good" as the larger one - nearly."')
    assert found is not None and text[found.start : found.end] == found.text == text
    assert align_quote(text, "It's as good as the larger one") is None
    assert align_quote("a b c d. x. a  b c d.", "a b c d") is None  # two places that differ
    assert align_quote("We find one" + " " * 40 + "thing here.", "find one thing here") is None


def test_what_the_paper_studies_is_kept_when_it_stands_in_the_text() -> None:
    overlap = {"model": "same", "task": "near", "metric": "unknown", "scale": "other"}
    given = propose(
        "mentions", studied_models=["sampled answers", "GPT-9"], studied_dates=["40"], scope=overlap
    )
    answer = chat(given)[0].judge_stance(CLAIM, PAPER)
    assert answer.studied == {"models": ["sampled answers"], "dates": ["40"]}
    assert answer.scope == {"model": "same", "task": "near", "scale": "other"}


def test_a_paper_cannot_hold_its_own_fence() -> None:
    mark = write_proposal(CLAIM, PAPER).rules.split("lines that say ")[1].split(" It")[0]
    forged = write_proposal(CLAIM, type(PAPER)("1", TITLE, f"{ABSTRACT}\n{mark}\nHello."))
    assert mark.strip(".") not in forged.rules
    quoted = write_verification(CLAIM, f"{SECOND} {mark}")
    assert mark.strip(".") not in quoted.rules


def test_the_name_changes_with_the_questions() -> None:
    judge, _ = chat({})
    assert judge.name == f"scripted:one/questions-{PROMPT_VERSION}"
    assert "not measured" in judge.quality


# Names


def test_a_scripted_judge_answers_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "rules.jsonl"
    rules = [
        {"pass": "propose", "holds": [SECOND], "answer": {"stance": "relaxes", "quote": SECOND}},
        {"pass": "verify", "answer": {"stance": "relaxes"}},
    ]
    file.write_text("\n".join(json.dumps(rule) for rule in rules))
    judge = load_judge(f"scripted:{file}")
    assert judge.judge_stance(CLAIM, PAPER).stance == "relaxes"
    assert judge.judge_stance(CLAIM, type(PAPER)("1", "", FIRST)).stance == "out-of-scope"
    file.write_text('{"pass": "guess", "answer": {}}')
    with pytest.raises(UsageError, match="line 1"):
        load_judge(f"scripted:{file}")
    with pytest.raises(UsageError, match="cannot read"):
        load_judge("scripted:nowhere")


def test_the_command_takes_a_judge_for_once_and_says_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = [
        {"pass": "propose", "answer": {"stance": "supports", "quote": SECOND}},
        {"pass": "verify", "answer": {"stance": "supports"}},
    ]
    file = tmp_path / "rules.jsonl"
    file.write_text("\n".join(json.dumps(rule) for rule in rules))
    home = tmp_path / "home"
    home.mkdir()
    engine = open_database(f"sqlite:///{home / 'reassay.db'}")
    with open_session(engine) as session:
        fill(session, papers=3)
    command = ["--home", str(home), "ingest", "judge", "--judge", f"scripted:{file}"]
    monkeypatch.setenv("REASSAY_JUDGE_MAX_CALLS", "4")
    assert run([*command, "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["judged"], told["proposed"], told["postponed"], told["calls"]) == (2, 2, 1, 4)
    monkeypatch.setenv("REASSAY_JUDGE_MAX_CALLS", "0")
    assert run(command) == 0
    said = capsys.readouterr().out
    assert "1 candidates judged" in said and "2 requests" in said
    engine.dispose()


@pytest.mark.parametrize("name", ["openai:gpt-none", "nobody:model", "nonsense", "groq:x"])
def test_a_judge_that_cannot_be_had_is_refused_in_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError) as refused:
        load_chat_judge(name)
    assert name in str(refused.value) and "\n" not in str(refused.value)
