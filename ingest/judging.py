"""Judges candidates and stores what a judge proposes.

Decides that each candidate is judged once for a claim revision, a paper version and a
judge, and what happens when a limit is reached: the rest waits for the next night, counted.
Knows nothing of how a judge decides. Rows are committed in small batches, answers of
language models one by one: a kill loses the batch under way, which the next run takes up
without asking again. No judge sees text of a paper that addresses it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import exists
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from db.columns import stored_id
from db.models import Candidate, Claim, ClaimRevision, Evidence, Night, Paper, PaperVersion
from ingest.evidence_rows import Pair, make_evidence
from ingest.floor import DEFAULT_FLOOR, hold_back
from ingest.in_flight import Ended, Say, run_in_flight
from ingest.judge_answers import (
    PairKey,
    PairMemory,
    read_answers,
    read_spending,
    store_answer,
)
from ingest.judges import DIRECTED, AskingJudge, Judge, Judgement, KeptAnswer
from ingest.judges.allowance import Allowance, AllowanceSpent, Spending
from ingest.judges.instructions import blank_instructions

BATCH = 25


@dataclass(frozen=True)
class JudgeSummary:
    """What judging came to; judged = proposed + unclear (and mentions, out-of-scope)."""

    judge: str
    judged: int = 0
    proposed: int = 0  # rows with a directed stance
    unclear: int = 0
    refused_quotes: int = 0
    flagged: int = 0  # papers with instruction-like text
    failed: int = 0  # no answer: tried again next time
    postponed: int = 0  # not asked, because a limit was reached: next night
    stopped_by: str = ""  # the limit
    calls: int = 0  # requests to a language model, repeated ones included
    input_tokens: int = 0
    output_tokens: int = 0
    recalled: int = 0  # answers that were kept from an earlier run


def judge_candidates(
    session: Session,
    judge: Judge,
    *,
    night_id: int | None = None,
    claim_id: int | None = None,
    limit: int | None = None,
    floor: str = DEFAULT_FLOOR,
    report_progress: Callable[[str], None] = lambda line: None,
) -> JudgeSummary:
    """Judge every candidate that this judge has not judged, best-ranked first.

    What is below the ``floor`` is stored as unclear, with what the judge leans to.

    Idempotent: a second call with the same judge and store adds nothing. A judge that asks
    a language model stops at its limits; what it asked earlier in the same night counts.
    """
    waiting = _find_waiting(session, judge.name, claim_id, limit)
    session.commit()  # judging takes time: no transaction is held open meanwhile
    asking = _Asking(session, judge, night_id) if isinstance(judge, AskingJudge) else None
    counts: Counter[str] = Counter()
    for batch in _split(waiting):
        answers = asking.judge(batch) if asking else _judge_in_turn(judge, batch)
        held = [answer and hold_back(answer, floor) for answer in answers]
        rows = list(_make_rows(batch, held, judge.name, night_id, counts))
        _store(session, rows)
        report_progress(f"judged {counts['judged']} of {len(waiting)} candidates")
        if asking and asking.stopped_by:
            break
    counts["postponed"] = len(waiting) - counts["judged"] - counts["failed"]
    told: dict[str, Any] = {**counts, **(asking.describe() if asking else {})}
    return JudgeSummary(judge=judge.name, **told)


def describe_unjudged(summary: JudgeSummary) -> tuple[str, ...]:
    """A line for each kind of candidate that was not judged, for a list of what was not checked."""
    lines = []
    if summary.failed:
        lines.append(f"{summary.failed} candidates could not be judged")
    if summary.postponed:
        lines.append(f"{summary.postponed} candidates were not judged: {summary.stopped_by}")
    return tuple(lines)


class _Asking:
    """One run of a judge that asks a language model, within its allowance."""

    def __init__(self, session: Session, judge: AskingJudge, night_id: int | None) -> None:
        self._session, self._judge = session, judge
        self._allowance = Allowance(judge.options.limits, self._read_spent(night_id))
        self._recalled = 0
        self.stopped_by = ""

    def judge(self, batch: Sequence[Pair]) -> list[Judgement | None]:
        """The answers in the order of the batch; None: the limit came first."""
        keys = [_make_key(pair) for pair in batch]
        kept = read_answers(self._session, self._judge.model_name, self._judge.prompt, keys)
        calls = [
            self._make_call(pair, kept.get(key, {})) for pair, key in zip(batch, keys, strict=True)
        ]
        answers: list[Judgement | None] = [None] * len(batch)
        try:
            for event in run_in_flight(calls, self._judge.in_flight):
                if isinstance(event, Ended):
                    answers[event.place] = self._take(event)
                else:
                    self._keep(keys[event.place], event.word)
        except BaseException:
            self._allowance.is_stopped.set()  # the threads send nothing more
            raise
        return answers

    def describe(self) -> dict[str, Any]:
        """What was spent, and why asking stopped, if it did."""
        spent = self._allowance.spent
        return {
            "calls": spent.calls,
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
            "recalled": self._recalled,
            "stopped_by": self.stopped_by,
        }

    def _read_spent(self, night_id: int | None) -> Spending | None:
        night = self._session.get(Night, night_id) if night_id is not None else None
        started: datetime | None = night.started_at if night else None
        self._session.commit()
        if started is None:
            return None
        return read_spending(self._session, self._judge.model_name, started)

    def _make_call(
        self, pair: Pair, kept: dict[str, tuple[str, dict[str, Any]]]
    ) -> Callable[[Say[KeptAnswer]], tuple[Judgement, int]]:
        claim, paper = pair.revision.text, pair.paper

        def call(say: Say[KeptAnswer]) -> tuple[Judgement, int]:
            memory = PairMemory(kept, say)
            answer = self._judge.judge_remembering(claim, paper, memory, self._allowance)
            return answer, memory.recalled

        return call

    def _take(self, event: Ended[tuple[Judgement, int]]) -> Judgement | None:
        if isinstance(event.error, AllowanceSpent):
            self.stopped_by = str(event.error)
            return None
        if event.error is not None or event.result is None:
            raise event.error or RuntimeError("a call ended without a result")
        answer, recalled = event.result
        self._recalled += recalled
        return answer

    def _keep(self, key: PairKey, answer: KeptAnswer) -> None:
        store_answer(self._session, self._judge.model_name, self._judge.prompt, key, answer)


def _judge_in_turn(judge: Judge, batch: Sequence[Pair]) -> list[Judgement | None]:
    answers: list[Judgement | None] = []
    for pair in batch:
        shown, flags = blank_instructions(pair.paper)
        answer = judge.judge_stance(pair.revision.text, shown)
        if flags:
            answer = replace(answer, scope={**answer.scope, "flags": flags})
        answers.append(answer)
    return answers


def _make_rows(
    batch: Sequence[Pair],
    answers: Sequence[Judgement | None],
    judge: str,
    night_id: int | None,
    counts: Counter[str],
) -> list[Evidence]:
    rows = []
    for pair, answer in zip(batch, answers, strict=True):
        if answer is None:
            continue
        counts["refused_quotes"] += answer.refused_quotes
        if answer.error is not None:
            counts["failed"] += 1
            continue
        row, is_refused = make_evidence(pair, answer, judge, night_id)
        counts["refused_quotes"] += is_refused
        counts["judged"] += 1
        counts["proposed"] += row.stance in DIRECTED
        counts["unclear"] += row.stance == "unclear"
        counts["flagged"] += bool(row.scope.get("flags"))
        rows.append(row)
    return rows


def _split(waiting: Sequence[Pair]) -> list[Sequence[Pair]]:
    return [waiting[start : start + BATCH] for start in range(0, len(waiting), BATCH)]


def _make_key(pair: Pair) -> PairKey:
    return PairKey(stored_id(pair.revision.id), stored_id(pair.version.id))


def _find_waiting(
    session: Session, judge: str, claim_id: int | None, limit: int | None
) -> list[Pair]:
    """Candidates of current wordings that this judge has no row for, each paper once."""
    is_judged = exists().where(
        col(Evidence.claim_revision_id) == col(Candidate.claim_revision_id),
        col(Evidence.paper_version_id) == col(PaperVersion.id),
        col(Evidence.judge) == judge,
    )
    query = (
        select(Candidate, ClaimRevision, PaperVersion, Paper)
        .join(Claim, col(Claim.id) == Candidate.claim_id)
        .join(ClaimRevision, col(ClaimRevision.id) == Candidate.claim_revision_id)
        .join(Paper, col(Paper.id) == Candidate.paper_id)
        .join(PaperVersion, col(PaperVersion.id) == Paper.version_id)
        .where(
            ClaimRevision.number == Claim.revision_number,
            col(Claim.retired_at).is_(None),
            ~is_judged,
        )
        .order_by(col(Candidate.rank), col(Candidate.claim_id), col(Candidate.id))
    )
    if claim_id is not None:
        query = query.where(Candidate.claim_id == claim_id)
    pairs: dict[PairKey, Pair] = {}
    for candidate, revision, version, paper in session.exec(query):
        published = paper.published or paper.listed
        pair = Pair(candidate, revision, version, paper.arxiv_id, published, paper.authors)
        pairs.setdefault(_make_key(pair), pair)
        if limit is not None and len(pairs) >= limit:
            break
    return list(pairs.values())


def _store(session: Session, rows: list[Evidence]) -> None:
    """Store rows; one that another process stored meanwhile is left as it is."""
    try:
        session.add_all(rows)
        session.commit()
    except IntegrityError:
        session.rollback()
        for row in rows:
            try:
                session.add(Evidence(**row.model_dump(exclude={"id"})))
                session.commit()
            except IntegrityError:  # the other process judged it first, by the same judge
                session.rollback()
