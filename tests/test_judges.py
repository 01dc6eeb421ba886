"""What judges may say, what is stored of it, and that paper text commands nothing."""

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from db.columns import stored_id
from db.engine import open_session
from db.errors import UsageError
from db.models import Evidence, Paper
from ingest.judges import Judgement, PaperText, Span
from ingest.judges.chat import load_chat_judge
from ingest.judging import judge_candidates
from tests.judged_store import ABSTRACT, CLAIM, FIRST, SECOND, TITLE, add_candidates, fill
from tests.papers_and_claims import add_revision, add_version

TRAINED = (
    "Small models trained with DPO on a teacher's correct and incorrect function-calling examples "
    "match large models on function calling, and explicit negative examples beat supervised "
    "fine-tuning alone."
)


class Fixed:
    """A judge that gives one answer."""

    def __init__(self, answer: Judgement, name: str = "fixed-1") -> None:
        self.answer, self.name, self.asked = answer, name, 0

    def judge_stance(self, claim: str, paper: PaperText) -> Judgement:
        self.asked += 1
        return self.answer


def find(text: str) -> Span:
    start = ABSTRACT.index(text)
    return Span("abstract", start, start + len(text), text)


@pytest.mark.parametrize("name", ["openai:gpt-none", "nobody:model", "nonsense"])
def test_a_judge_that_cannot_be_had_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        load_chat_judge(name)
    assert name in str(refused.value) and "\n" not in str(refused.value)


def test_rows_are_proposals_with_checked_quote_and_numbers(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        fill(session)
        answer = Judgement("relaxes", confidence=0.7, quote=find(SECOND), closest=[find(FIRST)])
        summary = judge_candidates(session, Fixed(answer), night_id=None)
        assert (summary.judged, summary.proposed, summary.unclear) == (1, 1, 0)
        row = session.exec(select(Evidence)).one()
        assert (row.stance, row.status, row.section) == ("relaxes", "proposed", "abstract")
        assert ABSTRACT[row.quote_start : row.quote_end] == row.quote == SECOND
        assert [number["low"] for number in row.numbers] == [40.0, 3.0]
        assert row.closest[0]["text"] == FIRST and row.scope == {"metric": "same"}
        assert row.independence_key and row.studied["models"] == {}


def test_a_false_quote_is_refused_and_the_stance_with_it(session: Session) -> None:
    fill(session)
    false = Span("abstract", 0, 20, "Accuracy never saturates.")
    summary = judge_candidates(session, Fixed(Judgement("supports", 0.9, false, [false])))
    assert (summary.refused_quotes, summary.unclear, summary.proposed) == (1, 1, 0)
    row = session.exec(select(Evidence)).one()
    assert (row.stance, row.quote, row.confidence, row.closest) == ("unclear", None, None, [])


def test_shifted_offsets_are_realigned_when_the_words_are_exact(session: Session) -> None:
    fill(session)
    shifted = Span("abstract", 3, 3 + len(SECOND), SECOND)
    judge_candidates(session, Fixed(Judgement("supports", 0.9, shifted)))
    assert session.exec(select(Evidence.quote_start)).one() == ABSTRACT.index(SECOND)


def test_each_wording_version_and_judge_is_judged_once(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        claim = fill(session)
        judge = Fixed(Judgement("unclear"))
        assert judge_candidates(session, judge).judged == 1
        assert judge_candidates(session, judge).judged == 0 and judge.asked == 1
        assert judge_candidates(session, Fixed(Judgement("unclear"), "fixed-2")).judged == 1
        paper = session.exec(select(Paper)).one()
        add_version(session, paper, TITLE, SECOND, 2)
        assert judge_candidates(session, judge).judged == 1
        revision = add_revision(session, claim, CLAIM + " Always.", 2)
        assert judge_candidates(session, judge).judged == 0  # not ranked yet
        add_candidates(session, claim, stored_id(revision.id))
        assert judge_candidates(session, judge).judged == 1


def test_a_kill_loses_one_batch_at_most_and_the_next_run_goes_on(engine: Engine) -> None:
    class Killed(Fixed):
        def judge_stance(self, claim: str, paper: PaperText) -> Judgement:
            if self.asked == 30:
                raise KeyboardInterrupt
            return super().judge_stance(claim, paper)

    with open_session(engine) as session:
        fill(session, papers=40)
        with pytest.raises(KeyboardInterrupt):
            judge_candidates(session, Killed(Judgement("unclear")))
    with open_session(engine) as session:
        assert len(session.exec(select(Evidence)).all()) == 25
        assert judge_candidates(session, Fixed(Judgement("unclear"))).judged == 15


def test_a_row_that_another_process_stored_meanwhile_stands(engine: Engine) -> None:
    class Raced(Fixed):
        def judge_stance(self, claim: str, paper: PaperText) -> Judgement:
            if not self.asked:
                self.asked = 1
                with open_session(engine) as other:
                    judge_candidates(other, Fixed(Judgement("mentions")), limit=1)
            return self.answer

    with open_session(engine) as session:
        fill(session, papers=3)
        judge_candidates(session, Raced(Judgement("unclear")))
        stances = session.exec(select(Evidence.stance).order_by(col(Evidence.paper_id))).all()
        assert list(stances) == ["mentions", "unclear", "unclear"]


def test_limit_and_failures(session: Session) -> None:
    fill(session, papers=3)
    assert judge_candidates(session, Fixed(Judgement("unclear")), limit=2).judged == 2
    failing = Fixed(Judgement("unclear", error="timeout"), "other")
    summary = judge_candidates(session, failing)
    assert (summary.failed, summary.judged) == (3, 0)
    assert judge_candidates(session, failing).failed == 3  # a failure is tried again


def banded(word: str) -> Judgement:
    return Judgement(
        "relaxes", 0.4, find(SECOND), [find(SECOND)], "relaxes", scope={"band": {"word": word}}
    )


@pytest.mark.parametrize(
    ("word", "floor", "stance"),
    [
        ("hint", "leans", "unclear"),
        ("hint", "hint", "relaxes"),
        ("leans", "leans", "relaxes"),
        ("leans", "likely", "unclear"),
        ("likely", "likely", "relaxes"),
    ],
)
def test_what_is_below_the_floor_is_a_leaning(
    session: Session, word: str, floor: str, stance: str
) -> None:
    fill(session)
    judge_candidates(session, Fixed(banded(word)), floor=floor)
    row = session.exec(select(Evidence)).one()
    assert row.stance == stance and row.scope["band"]["word"] == word
    assert (row.quote is None) == (stance == "unclear")
    assert row.closest[0]["text"] == SECOND


def test_a_judge_without_bands_is_not_held_back(session: Session) -> None:
    fill(session)
    answer = Judgement("supports", 0.4, find(SECOND), [find(SECOND)], "supports")
    judge_candidates(session, Fixed(answer), floor="likely")
    assert session.exec(select(Evidence)).one().stance == "supports"
