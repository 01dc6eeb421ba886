"""What a language model answered is kept: across settings, wordings, kills and processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from db.columns import stored_id
from db.engine import open_database, open_session
from db.models import Claim, ClaimRevision, Evidence, JudgeAnswer, Night, Paper
from ingest.judge_answers import PairKey, read_answers, read_spending, store_answer
from ingest.judges import KeptAnswer, chat, questions
from ingest.judges.chat import ChatJudge
from ingest.judges.chat_options import ChatOptions, JudgeLimits
from ingest.judges.scripted import AnsweringModel
from ingest.judging import describe_unjudged, judge_candidates
from tests.chat_server import serve_chat
from tests.judged_store import (
    ABSTRACT,
    CLAIM,
    SECOND,
    TITLE,
    add_candidates,
    answer_honestly,
    fill,
    propose,
)
from tests.papers_and_claims import add_revision, add_version


class Honest(AnsweringModel):
    """Answers as ``answer_honestly``; raises at the given question."""

    stops_at: int = 10**9

    def answer(self, shape: str, content: str) -> Any:
        if len(self.asked) >= self.stops_at:
            return KeyboardInterrupt()
        return answer_honestly(shape, content)


def judge_with(model: AnsweringModel, **options: Any) -> ChatJudge:
    return ChatJudge(model, "scripted:honest", ChatOptions(**options))


def test_answers_are_kept_with_what_they_took(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        fill(session)
        judge_candidates(session, judge_with(Honest()))
        rows = session.exec(select(JudgeAnswer).order_by(col(JudgeAnswer.id))).all()
        assert [row.pass_name for row in rows] == ["propose", "verify"]
        assert {(row.model, row.prompt) for row in rows} == {
            ("scripted:honest", questions.PROMPT_VERSION)
        }
        assert rows[0].answer == propose("supports", SECOND)
        assert rows[1].answer == {"stance": "supports", "addresses_reader": False}
        assert all(row.input_tokens > 50 and row.output_tokens > 0 for row in rows)
        assert len({row.question_hash for row in rows}) == 2


def test_the_same_question_is_never_asked_twice(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        fill(session, papers=3)
        first, second = Honest(), Honest()
        judge_candidates(session, judge_with(first))
        before = [dump(row) for row in session.exec(select(Evidence).order_by(col(Evidence.id)))]
        for row in session.exec(select(Evidence)).all():
            session.delete(row)
        session.commit()
        summary = judge_candidates(session, judge_with(second, in_flight=5, timeout_s=9.0))
        assert (len(first.asked), len(second.asked)) == (6, 0)
        assert (summary.judged, summary.calls, summary.recalled) == (3, 0, 6)
        after = [dump(row) for row in session.exec(select(Evidence).order_by(col(Evidence.id)))]
        assert before == after


def dump(row: Evidence) -> dict[str, Any]:
    return row.model_dump(exclude={"id", "created_at"})


def test_another_model_wording_or_version_is_another_question(session: Session) -> None:
    claim = fill(session)
    judge_candidates(session, judge_with(Honest()))
    other = Honest()
    judge_candidates(session, ChatJudge(other, "scripted:other"))
    assert len(other.asked) == 2
    paper = session.exec(select(Paper)).one()
    add_version(session, paper, TITLE, f"{ABSTRACT} New.", 2)
    third = Honest()
    judge_candidates(session, judge_with(third))
    assert len(third.asked) == 2
    revision = add_revision(session, claim, CLAIM + " Always.", 2)
    add_candidates(session, claim, stored_id(revision.id))
    fourth = Honest()
    judge_candidates(session, judge_with(fourth))
    assert len(fourth.asked) == 2


def test_an_edited_question_is_another_judge(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(session)
    old = judge_with(Honest())
    judge_candidates(session, old)
    monkeypatch.setattr(questions, "PROPOSE", questions.PROPOSE + "\nThink first.")
    assert questions._hash_prompts()[:10] != questions.PROMPT_VERSION
    monkeypatch.setattr(chat, "PROMPT_VERSION", questions._hash_prompts()[:10])
    model = Honest()
    new = judge_with(model)
    assert new.name != old.name
    assert judge_candidates(session, new).judged == 1 and len(model.asked) == 2
    judges = session.exec(select(Evidence.judge).order_by(col(Evidence.id))).all()
    assert list(judges) == [old.name, new.name]


def test_a_kept_answer_to_a_changed_question_is_replaced(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        fill(session)
        key = PairKey(
            stored_id(session.exec(select(ClaimRevision.id)).one()),
            stored_id(session.exec(select(Paper.version_id)).one()),
        )
        for hash_, answer in (("a", {"stance": "none"}), ("b", {"stance": "supports"})):
            store_answer(session, "m", "p", key, KeptAnswer("verify", hash_, answer, 5, 2))
        assert read_answers(session, "m", "p", [key]) == {
            key: {"verify": ("b", {"stance": "supports"})}
        }
        assert read_answers(session, "m", "q", [key]) == {}


def test_an_answer_in_a_shape_of_old_is_asked_again(session: Session) -> None:
    fill(session)
    judge_candidates(session, judge_with(Honest()))
    for row in session.exec(select(JudgeAnswer)).all():
        row.answer = {"stance": "maybe"}
        session.add(row)
    for evidence in session.exec(select(Evidence)).all():
        session.delete(evidence)
    session.commit()
    model = Honest()
    assert judge_candidates(session, judge_with(model)).proposed == 1
    assert len(model.asked) == 2


def test_an_interruption_keeps_every_answer_that_was_given(engine: Engine) -> None:
    with open_session(engine) as session:
        fill(session, papers=30)
        with pytest.raises(KeyboardInterrupt):
            judge_candidates(session, judge_with(Honest(stops_at=12)))
        given = len(session.exec(select(JudgeAnswer)).all())
        assert given >= 10 and session.exec(select(Evidence)).first() is None
    with open_session(engine) as session:
        model = Honest()
        summary = judge_candidates(session, judge_with(model))
        assert (summary.judged, summary.recalled) == (30, given)
        assert len(model.asked) == 60 - given


CHILD = """
import os, sys
from db.engine import open_database, open_session
from ingest.judges import load_judge
from ingest.judges.chat_options import ChatOptions
from ingest.judging import judge_candidates
with open_session(open_database(sys.argv[1])) as session:
    judge_candidates(session, load_judge("openai:m", ChatOptions(url=sys.argv[2])))
"""


def test_kill_9_loses_no_answer_that_was_paid_for(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'library.db'}"
    engine = open_database(url)
    with open_session(engine) as session:
        fill(session, papers=10)

    def answer(shape: str, content: str) -> dict[str, Any]:
        time.sleep(0.03)
        return answer_honestly(shape, content)

    environment = {**os.environ, "OPENAI_API_KEY": "none", "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    with serve_chat(answer) as server:
        command = [sys.executable, "-c", CHILD, url, server.url]
        child = subprocess.Popen(command, env=environment)
        deadline = time.monotonic() + 60
        while len(server.requests) < 7 and time.monotonic() < deadline:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        assert child.wait(10) == -signal.SIGKILL
        asked = [json.dumps(request["messages"]) for request in server.requests]
        with open_session(engine) as session:
            kept = len(session.exec(select(JudgeAnswer)).all())
        assert len(asked) - 1 <= kept + 1 and kept >= 5  # the one under way may be lost
        subprocess.run(command, env=environment, check=True, timeout=90)
        again = [json.dumps(r["messages"]) for r in server.requests[len(asked) :]]
    assert len(asked) + len(again) <= 20 + (len(asked) - kept)
    first_pass = [question for question in asked if "Abstract:" in question]
    assert len(set(first_pass[: kept // 2]) & set(again)) == 0
    with open_session(engine) as session:
        assert len(session.exec(select(Evidence)).all()) == 10
    engine.dispose()


def test_a_resumed_night_counts_what_its_first_half_spent(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        fill(session, papers=5)
        night = Night(profile="smoke", budget_s=60)
        session.add(night)
        session.commit()
        options = {"limits": JudgeLimits(calls=4), "in_flight": 1}
        first = judge_candidates(session, judge_with(Honest(), **options), night_id=night.id)
        assert (first.judged, first.postponed) == (2, 3)
        assert describe_unjudged(first) == (
            "3 candidates were not judged: the limit of 4 calls (judge_max_calls) is reached",
        )
        spent = read_spending(session, "scripted:honest", night.started_at)
        assert spent.calls == 4 and spent.tokens > 200
        second = judge_candidates(session, judge_with(Honest(), **options), night_id=night.id)
        assert (second.judged, second.postponed, second.calls) == (0, 3, 0)
        later = judge_candidates(session, judge_with(Honest(), **options))
        assert (later.judged, later.postponed) == (2, 1)


def test_claims_of_the_store_are_untouched(session: Session) -> None:
    claim = fill(session)
    judge_candidates(session, judge_with(Honest()))
    assert session.exec(select(Claim)).one() == claim
