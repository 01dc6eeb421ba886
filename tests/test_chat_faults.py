"""Every fault of a provider of language models, the limits, and requests in flight."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from db.engine import open_session
from db.models import Evidence, JudgeAnswer
from ingest.judges import Span, calls, load_judge
from ingest.judges.allowance import Allowance, AllowanceSpent, Spending
from ingest.judges.calls import Caller, call_within, find_wait_s
from ingest.judges.chat import ChatJudge
from ingest.judges.chat_options import ChatOptions, JudgeLimits
from ingest.judges.questions import write_verification
from ingest.judges.scripted import ScriptedChatModel
from ingest.judging import judge_candidates
from tests.chat_server import ChatServer, Fault, serve_chat
from tests.judged_store import (
    ABSTRACT,
    CLAIM,
    PAPER,
    SECOND,
    TITLE,
    answer_honestly,
    fill,
    propose,
)


def chat(*script: Any) -> tuple[ChatJudge, ScriptedChatModel]:
    model = ScriptedChatModel(script=list(script))
    return ChatJudge(model, "scripted:one"), model


def find(text: str) -> Span:
    start = ABSTRACT.index(text)
    return Span("abstract", start, start + len(text), text)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setattr(calls, "WAITS_S", (0.01, 0.01))
    with serve_chat(answer_honestly) as served:
        yield served


def judge_at(server: ChatServer, **options: Any) -> ChatJudge:
    judge = load_judge("openai:some-model", ChatOptions(url=server.url, **options))
    assert isinstance(judge, ChatJudge)
    return judge


# Malformed answers and the faults of providers


@pytest.mark.parametrize(
    "reply", ["It supports the claim.", {"stance": "maybe"}, {}, {"stance": "supports", "scope": 3}]
)
def test_an_answer_out_of_shape_is_asked_again_and_then_failed(reply: Any) -> None:
    judge, model = chat(reply)
    answer = judge.judge_stance(CLAIM, PAPER)
    assert answer.stance == "unclear" and answer.error and "\n" not in answer.error
    assert len(model.asked) == calls.TRIES and "not in the asked shape" in model.asked[1]
    judge, model = chat(reply, propose("mentions"))
    assert judge.judge_stance(CLAIM, PAPER).stance == "mentions"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(429, '{"error": {"message": "slow down"}}', headers={"Retry-After": "0.01"}),
        Fault(500, '{"error": {"message": "oops"}}'),
        Fault(503, "not json"),
        Fault(body="{"),
        Fault(body="<html>gateway</html>"),
        Fault(content='{"stance": "supports", "quo'),
        Fault(content=json.dumps(propose("agrees", SECOND))),
        Fault(content=json.dumps(propose("supports", "x" * 400_000))),
        Fault(is_cut=True),
        Fault(body='{"choices": []}'),
        Fault(content=""),
    ],
    ids=lambda fault: repr(fault)[:60],
)
def test_every_fault_is_survived_by_asking_again(
    server: ChatServer, engine: Engine, fault: Fault
) -> None:
    server.faults.append(fault)
    with open_session(engine) as session:
        fill(session)
        summary = judge_candidates(session, judge_at(server))
        assert (summary.judged, summary.proposed, summary.failed) == (1, 1, 0)
        assert summary.calls == len(server.requests) == 3
        server.faults.extend([fault] * 2 * calls.TRIES)
        fill_more(session)
        summary = judge_candidates(session, judge_at(server))
        assert (summary.judged, summary.failed, summary.postponed) == (0, 1, 0)
        assert len(server.requests) == 3 + calls.TRIES
        server.faults.clear()
        assert judge_candidates(session, judge_at(server)).judged == 1  # the next night


def fill_more(session: Session) -> None:
    from sqlmodel import col

    from db.models import Candidate, Claim
    from tests.papers_and_claims import add_paper

    claim = session.exec(select(Claim)).one()
    paper = add_paper(session, "2504.00001", TITLE, f"{ABSTRACT} Another.")
    last = session.exec(select(Candidate).order_by(col(Candidate.rank).desc())).first()
    assert last is not None
    row = Candidate(**last.model_dump(exclude={"id"}) | {"paper_id": paper.id, "rank": 99})
    session.add(row)
    session.commit()
    assert claim.id == row.claim_id


def test_a_refusal_is_not_repeated(server: ChatServer) -> None:
    server.faults.append(Fault(401, '{"error": {"message": "bad key"}}'))
    answer = judge_at(server).judge_stance(CLAIM, PAPER)
    assert answer.error and "bad key" in answer.error and len(server.requests) == 1


def test_a_quote_with_changed_words_over_http_is_repaired_or_refused(server: ChatServer) -> None:
    changed = json.dumps(propose("supports", SECOND.replace("find", "found")))
    server.faults.append(Fault(content=changed))
    assert judge_at(server).judge_stance(CLAIM, PAPER).quote == find(SECOND)
    server.faults.extend([Fault(content=changed), Fault(content='{"quote": "We found it all."}')])
    answer = judge_at(server).judge_stance(CLAIM, PAPER)
    assert (answer.stance, answer.refused_quotes) == ("unclear", 1)


def test_retry_after_is_heeded_within_bounds() -> None:
    class Refused(Exception):
        def __init__(self, value: str) -> None:
            self.response = type("R", (), {"headers": {"retry-after": value}, "status_code": 429})

    assert find_wait_s(Refused("7"), 0) == 7
    assert find_wait_s(Refused("86400"), 0) == calls.LONGEST_WAIT_S
    assert find_wait_s(Refused("Wed, 21 Oct 2026 07:28:00 GMT"), 1) == calls.WAITS_S[1]
    assert find_wait_s(TimeoutError(), 0) == calls.WAITS_S[0]


def test_a_hanging_model_is_cut_by_the_time_for_one_answer(server: ChatServer) -> None:
    server.faults.extend([Fault(is_silent=True)] * calls.TRIES)
    started = time.monotonic()
    answer = judge_at(server, timeout_s=0.3).judge_stance(CLAIM, PAPER)
    assert time.monotonic() - started < 3
    assert answer.error and len(server.requests) == calls.TRIES


def test_a_hanging_model_is_cut_by_the_time_for_the_run(server: ChatServer, engine: Engine) -> None:
    server.faults.extend([Fault(is_silent=True)] * 20)
    limits = JudgeLimits(0, 0, 0.5)
    with open_session(engine) as session:
        fill(session, papers=6)
        started = time.monotonic()
        summary = judge_candidates(session, judge_at(server, in_flight=2, limits=limits))
        assert time.monotonic() - started < 4
        assert (summary.judged, summary.failed, summary.postponed) == (0, 0, 6)
        assert "0.5 s (judge_max_s)" in summary.stopped_by
        server.faults.clear()
        assert judge_candidates(session, judge_at(server)).judged == 6  # the next night


def test_a_call_that_never_returns_is_left_behind() -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"within 0\.1 s"):
        call_within(lambda: time.sleep(5), 0.1)
    assert time.monotonic() - started < 2
    with pytest.raises(KeyError):
        call_within(lambda: {}["x"], 1)


def test_a_provider_that_is_down_is_not_asked_for_every_candidate(
    server: ChatServer, engine: Engine
) -> None:
    server.faults.extend([Fault(401, '{"error": {"message": "bad key"}}')] * 200)
    with open_session(engine) as session:
        fill(session, papers=40)
        summary = judge_candidates(session, judge_at(server, in_flight=1))
        assert (summary.failed, summary.postponed) == (8, 32)
        assert len(server.requests) == 8 and "bad key" in summary.stopped_by


# Limits


@pytest.mark.parametrize(
    ("limits", "word"),
    [(JudgeLimits(calls=5), "5 calls"), (JudgeLimits(tokens=500), "500 tokens")],
)
def test_a_limit_leaves_the_rest_for_the_next_night(
    server: ChatServer, any_engine: Engine, limits: JudgeLimits, word: str
) -> None:
    with open_session(any_engine) as session:
        fill(session, papers=6)
        summary = judge_candidates(session, judge_at(server, in_flight=1, limits=limits))
        assert (summary.judged, summary.postponed) == (2, 4) and word in summary.stopped_by
        assert (summary.calls, len(server.requests)) == (5, 5)
        assert summary.input_tokens == 500 and summary.output_tokens == 50
        again = judge_candidates(session, judge_at(server, in_flight=1))
        assert (again.judged, again.postponed, again.stopped_by) == (4, 0, "")
        assert len(server.requests) == 12 and again.recalled == 1  # nothing was paid for twice


def test_what_a_killed_night_spent_counts_in_its_second_half() -> None:
    allowance = Allowance(JudgeLimits(calls=3), Spending(calls=2))
    allowance.take_call()
    with pytest.raises(AllowanceSpent):
        allowance.take_call()


def test_a_provider_that_counts_no_tokens_is_estimated() -> None:
    allowance = Allowance()
    model = ScriptedChatModel(script=[{"stance": "none"}])
    Caller(model, 5).ask(write_verification(CLAIM, SECOND), allowance)
    assert allowance.spent.tokens > 50
    read, written = calls.count_tokens({"raw": None}, 400)
    assert (read, written) == (100, 0)


# Requests in flight


def test_requests_in_flight_are_bounded_and_rows_keep_the_candidates_order(
    server: ChatServer, any_engine: Engine
) -> None:
    def answer(shape: str, content: str) -> dict[str, Any]:
        time.sleep(0.05 if "Study 1" in content else 0.005)
        return answer_honestly(shape, content)

    server.answer = answer
    with open_session(any_engine) as session:
        fill(session, papers=12)
        assert judge_candidates(session, judge_at(server, in_flight=3)).judged == 12
        assert 2 <= server.most_at_once <= 3
        rows = session.exec(select(Evidence.paper_id).order_by(Evidence.id)).all()  # type: ignore[arg-type]
        assert list(rows) == sorted(rows)
        assert len(session.exec(select(JudgeAnswer)).all()) == 24


@pytest.mark.parametrize(
    ("name", "url", "width"),
    [
        ("ollama:qwen3:8b", "", 1),
        ("openai:x", "http://127.0.0.1:8080/v1", 1),
        ("openai:x", "http://localhost:8080/v1", 1),
        ("openai:x", "", 4),
        ("openai:x", "https://models.example.org/v1", 4),
    ],
)
def test_a_model_on_this_machine_is_asked_one_at_a_time(name: str, url: str, width: int) -> None:
    assert ChatOptions(url=url).width(name) == width
    assert ChatOptions(url=url, in_flight=7).width(name) == 7
