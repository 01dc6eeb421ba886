"""What language models answered, kept: the same question is never paid for twice.

Decides what the same question is: model, version of the questions, pass, claim revision,
paper version and the hash of all that was sent. Knows nothing of what answers mean.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from db.models import JudgeAnswer
from ingest.judges import KeptAnswer, Memory
from ingest.judges.allowance import Spending


class PairKey(NamedTuple):
    """One wording of a claim and one version of a paper."""

    claim_revision_id: int
    paper_version_id: int


class PairMemory(Memory):
    """The kept answers on one pair; a new one goes to ``pass_on``, for the store."""

    def __init__(
        self, kept: dict[str, tuple[str, dict[str, Any]]], pass_on: Callable[[KeptAnswer], None]
    ) -> None:
        self._kept = dict(kept)
        self._pass_on = pass_on
        self.recalled = 0

    def recall(self, pass_name: str, question_hash: str) -> dict[str, Any] | None:
        """The answer to this very question, if it is kept."""
        asked, answer = self._kept.get(pass_name, ("", {}))
        if asked != question_hash:
            return None
        self.recalled += 1
        return answer

    def keep(self, answer: KeptAnswer) -> None:
        """Hand the answer on."""
        self._pass_on(answer)


def read_answers(
    session: Session, model: str, prompt: str, keys: Iterable[PairKey]
) -> dict[PairKey, dict[str, tuple[str, dict[str, Any]]]]:
    """Kept answers by pair and pass: the hash of the question, and the answer."""
    wanted = set(keys)
    rows = session.exec(
        select(JudgeAnswer).where(
            JudgeAnswer.model == model,
            JudgeAnswer.prompt == prompt,
            col(JudgeAnswer.claim_revision_id).in_({key.claim_revision_id for key in wanted}),
            col(JudgeAnswer.paper_version_id).in_({key.paper_version_id for key in wanted}),
        )
    )
    found: dict[PairKey, dict[str, tuple[str, dict[str, Any]]]] = {}
    for row in rows:
        key = PairKey(row.claim_revision_id, row.paper_version_id)
        if key in wanted:
            found.setdefault(key, {})[row.pass_name] = (row.question_hash, row.answer)
    session.commit()
    return found


def store_answer(
    session: Session, model: str, prompt: str, key: PairKey, answer: KeptAnswer
) -> None:
    """Keep one answer at once; it replaces the answer to a question that has changed."""
    row = session.exec(
        select(JudgeAnswer).where(
            JudgeAnswer.model == model,
            JudgeAnswer.prompt == prompt,
            JudgeAnswer.pass_name == answer.pass_name,
            JudgeAnswer.claim_revision_id == key.claim_revision_id,
            JudgeAnswer.paper_version_id == key.paper_version_id,
        )
    ).first() or JudgeAnswer(
        model=model,
        prompt=prompt,
        pass_name=answer.pass_name,
        claim_revision_id=key.claim_revision_id,
        paper_version_id=key.paper_version_id,
        question_hash=answer.question_hash,
    )
    row.question_hash, row.answer = answer.question_hash, answer.answer
    row.input_tokens, row.output_tokens = answer.input_tokens, answer.output_tokens
    row.took_s = answer.took_s
    session.add(row)
    try:
        session.commit()
    except IntegrityError:  # another process kept an answer to the same question meanwhile
        session.rollback()


def read_spending(session: Session, model: str, since: datetime) -> Spending:
    """What the kept answers of a model since a moment took; failed calls leave no answer."""
    calls, read, written = session.exec(
        select(
            func.count(),
            func.coalesce(func.sum(JudgeAnswer.input_tokens), 0),
            func.coalesce(func.sum(JudgeAnswer.output_tokens), 0),
        )
        .select_from(JudgeAnswer)
        .where(JudgeAnswer.model == model, col(JudgeAnswer.created_at) >= since)
    ).one()
    session.commit()
    return Spending(int(calls), int(read), int(written))
