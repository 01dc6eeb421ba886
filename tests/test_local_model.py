"""The path to a model on this machine, end to end: a real GGUF model, a real server."""

import time
from collections.abc import Iterator

import pytest
from sqlmodel import Session, col, select

from db.models import Evidence, JudgeAnswer, PaperVersion
from ingest.judges import DIRECTED, KeptAnswer, Memory, load_judge
from ingest.judges.allowance import Allowance
from ingest.judges.chat import ChatJudge, Conversation
from ingest.judges.chat_options import ChatOptions, JudgeLimits
from ingest.judges.questions import (
    ProposedAnswer,
    RepairedQuote,
    VerifiedAnswer,
    write_verification,
)
from ingest.judging import judge_candidates
from ingest.quotes import locate_quote
from tests.judged_store import CLAIM, SECOND, add_candidates
from tests.local_model import MODEL_NAME, find_missing, serve_local_model
from tests.papers_and_claims import add_claim, add_line, add_paper

pytestmark = pytest.mark.slow
ABSTRACTS = (
    "We train small models on code. Accuracy rises to 61% with more samples.",
    "A survey of robots in kitchens.",
    "We show that voting helps until 20 samples. Then it stops.",
)
SHAPES = {"propose": ProposedAnswer, "verify": VerifiedAnswer, "repair": RepairedQuote}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    missing = find_missing()
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with serve_local_model() as served:
        yield served


def test_a_small_local_model_judges_and_is_trusted_with_nothing(
    url: str, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    limits = JudgeLimits(calls=60, seconds=500)
    judge = load_judge(
        f"openai:{MODEL_NAME}", ChatOptions(url=url, answer_tokens=200, limits=limits)
    )
    assert isinstance(judge, ChatJudge) and judge.in_flight == 1
    assert "not measured" in judge.quality
    claim = add_claim(session, add_line(session), "c1", CLAIM)
    for number, abstract in enumerate(ABSTRACTS):
        add_paper(session, f"2503.{number:05d}", "On votes", abstract)
    add_candidates(session, claim)
    started = time.monotonic()
    summary = judge_candidates(session, judge)
    took_s = time.monotonic() - started
    print(f"\n{summary}\n{took_s:.1f} s, {took_s / max(1, summary.calls):.2f} s a request")
    assert summary.judged + summary.failed == len(ABSTRACTS) and summary.postponed == 0
    assert summary.judged > 0 and summary.output_tokens > 0
    answers = session.exec(select(JudgeAnswer)).all()
    for row in answers:
        SHAPES[row.pass_name].model_validate(row.answer)  # the grammar lets nothing else through
    _check_rows(session, summary.refused_quotes)

    for evidence in session.exec(select(Evidence)).all():
        session.delete(evidence)
    session.commit()
    judged = {answer.paper_version_id for answer in answers}
    again = judge_candidates(session, judge, limit=1)
    assert again.recalled >= 1 and (again.calls == 0 or len(judged) < len(ABSTRACTS))


def _check_rows(session: Session, refused: int) -> None:
    """No stance without an exact quote; a quote that is not in the text was counted."""
    rows = session.exec(
        select(Evidence, PaperVersion).join(
            PaperVersion, col(PaperVersion.id) == Evidence.paper_version_id
        )
    ).all()
    proposals = select(JudgeAnswer).where(JudgeAnswer.pass_name == "propose")
    said = {row.paper_version_id: row.answer for row in session.exec(proposals)}
    for evidence, version in rows:
        quote = said[evidence.paper_version_id]["quote"]
        if quote.strip() and not locate_quote(version.title, version.abstract, quote):
            assert refused >= 1 or evidence.stance in DIRECTED  # repaired
        assert evidence.stance not in DIRECTED or evidence.quote
        if evidence.quote:
            text = getattr(version, str(evidence.section))
            assert text[evidence.quote_start : evidence.quote_end] == evidence.quote


def test_the_second_pass_of_a_small_local_model(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    judge = load_judge(f"openai:{MODEL_NAME}", ChatOptions(url=url, answer_tokens=50))
    assert isinstance(judge, ChatJudge)
    memory = _Memory()
    conversation = Conversation(judge._caller, memory, Allowance())
    answer = conversation.ask(write_verification(CLAIM, SECOND), VerifiedAnswer)
    assert answer.stance in ("supports", "contradicts", "relaxes", "none")
    assert memory.kept[0].input_tokens > 50 and memory.kept[0].output_tokens > 0


class _Memory(Memory):
    def __init__(self) -> None:
        self.kept: list[KeptAnswer] = []

    def keep(self, answer: KeptAnswer) -> None:
        self.kept.append(answer)
