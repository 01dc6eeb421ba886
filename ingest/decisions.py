"""Decisions as labelled pairs: reads them, measures judges on them, writes them as gold.

Only a person's word that stands labels a pair; what a setting confirmed labels nothing. A
proposal was right when its stance is among those that the person gave that paper on that
claim. A rejection that names no other stance labels the pair "mentions": triage found the
subject in common. A judge is measured on its own rows where it has them, and otherwise
judges the pair afresh, when asked to. The pairs were proposed by some judge and chosen by
a queue: they say how often proposals are right, not how many papers are missed.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from sqlmodel import Session, col, func, select

from claims.decision_journal import SETTING, UNDO
from claims.judge_quality import find_band
from claims.waiting import DIRECTED
from db.errors import ReportUnwritable
from db.models import (
    Claim,
    ClaimRevision,
    Decision,
    Evidence,
    JudgeMeasure,
    Paper,
    PaperVersion,
)
from ingest.judges import Judge, PaperText
from ingest.judges.intervals import wilson

MOST_PAIRS = 500  # newest first; enough for a Wilson bound of .95 in several bands
GOLD_LABEL = {"out-of-scope": "unrelated"}
REJECTED = "mentions"
AGAINST = ("contradicts", "relaxes")


@dataclass(frozen=True)
class DecidedPair:
    """One claim wording, one paper text, and what a person said of them.

    ``stances`` are the right ones: two where a person split a row in two of one claim.
    """

    decision_id: int
    claim_id: str  # handle
    claim: str
    revision_id: int
    version_id: int
    paper: PaperText
    published: date | None
    stances: frozenset[str]
    quote: str | None
    said: str

    def gold(self) -> dict[str, Any] | None:
        """The pair as a line of a gold file; None where it has two labels."""
        if len(self.stances) != 1:
            return None
        [stance] = self.stances
        record = {
            "claim_id": self.claim_id,
            "claim": self.claim,
            "arxiv_id": self.paper.arxiv_id,
            "title": self.paper.title,
            "abstract": self.paper.abstract,
            "label": GOLD_LABEL.get(stance, stance),
            "published": self.published.isoformat() if self.published else None,
            "quote": self.quote,
            "note": self.said,
            "source": f"decision {self.decision_id}",
        }
        return {key: value for key, value in record.items() if value is not None}


class Answer(NamedTuple):
    """What a judge says of a decided pair."""

    stance: str
    confidence: float | None
    leaning: str | None
    leaning_confidence: float | None


def read_decided_pairs(session: Session, most: int | None = None) -> list[DecidedPair]:
    """The pairs that people labelled, newest decision first, each wording and text once."""
    newest = (
        select(func.max(Decision.id))
        .where(Decision.word != UNDO, Decision.author != SETTING, col(Decision.undone_at).is_(None))
        .group_by(col(Decision.evidence_id))
    )
    query = (
        select(Decision, Evidence)
        .join(Evidence, col(Evidence.id) == Decision.evidence_id)
        .where(col(Decision.id).in_(newest))
        .order_by(col(Decision.id).desc())
    )
    pairs: dict[tuple[int, int], DecidedPair] = {}
    for decision, row in session.exec(query).all():
        for pair in _label(session, decision, row):
            pairs.setdefault((pair.revision_id, pair.version_id), pair)
        if most is not None and len(pairs) >= most:
            break
    return list(pairs.values())[:most]


def _label(session: Session, decision: Decision, row: Evidence) -> Iterable[DecidedPair]:
    """The pairs of one decision: of the row's claim, and of a claim that it went to."""
    made = session.exec(
        select(Evidence).where(Evidence.split_from_id == row.id, Evidence.status == "confirmed")
    ).all()
    counting = [row] if row.status == "confirmed" else list(made)
    own = [other for other in counting if other.claim_id == row.claim_id]
    stances = {other.stance for other in own} or {decision.stance or REJECTED}
    if not own and decision.word != "reject":
        stances = {REJECTED}  # right stance, wrong claim
    said = f"{decision.word} by {decision.author}: {decision.reason}"
    first = own[0] if own else row
    yield _make_pair(session, decision, first, stances, own[0].quote if own else None, said)
    for other in counting:
        if other.claim_id != row.claim_id:
            yield _make_pair(session, decision, other, {other.stance}, other.quote, said)


def _make_pair(
    session: Session,
    decision: Decision,
    row: Evidence,
    stances: set[str],
    quote: str | None,
    said: str,
) -> DecidedPair:
    revision = session.get_one(ClaimRevision, row.claim_revision_id)
    version = session.get_one(PaperVersion, row.paper_version_id)
    paper = session.get_one(Paper, row.paper_id)
    return DecidedPair(
        decision_id=decision.id or 0,
        claim_id=session.get_one(Claim, row.claim_id).handle,
        claim=revision.text,
        revision_id=row.claim_revision_id,
        version_id=row.paper_version_id,
        paper=PaperText(paper.arxiv_id, version.title, version.abstract),
        published=paper.published or paper.listed,
        stances=frozenset(stances),
        quote=quote,
        said=said,
    )


def find_decided_judges(session: Session) -> list[str]:
    """The judges whose proposals people decided on, by name and version."""
    query = (
        select(Evidence.judge)
        .join(Decision, col(Decision.evidence_id) == Evidence.id)
        .where(Decision.word != UNDO, Decision.author != SETTING)
        .where(col(Decision.undone_at).is_(None))
        .distinct()
        .order_by(col(Evidence.judge))
    )
    return list(session.exec(query).all())


def measure_judge(
    session: Session,
    judge: str,
    today: date,
    *,
    fresh: Judge | None = None,
    most: int = MOST_PAIRS,
) -> dict[str, Any]:
    """Measure a judge on the newest decided pairs and store it, once for the same answers.

    ``fresh`` answers the pairs that the judge has no row for; without it they are left out.
    Returns counts and precisions by stance and band, with Wilson's 95 % interval.
    """
    pairs = read_decided_pairs(session, most)
    own = _read_own(session, judge, pairs)
    session.commit()  # judging takes time: no transaction is held open meanwhile
    answers: dict[DecidedPair, Answer] = {}
    failed = 0
    for pair in pairs:
        answer = own.get((pair.revision_id, pair.version_id))
        if answer is None and fresh is not None:
            answer = _ask(fresh, pair)
            failed += answer is None
        if answer is not None:
            answers[pair] = answer
    result = {
        "judge": judge,
        "pairs": len(pairs),
        "answered": len(answers),
        "judged_afresh": len(answers) - len(own),
        "failed": failed,
        "proposals": _count_by_stance(
            (pair, answer.stance, answer.confidence) for pair, answer in answers.items()
        ),
        "leanings": _count_by_stance(
            (pair, answer.leaning or "", answer.leaning_confidence)
            for pair, answer in answers.items()
            if answer.stance == "unclear"
        ),
    }
    _store(session, judge, result, _hash(answers), today)
    return result


def _read_own(
    session: Session, judge: str, pairs: Sequence[DecidedPair]
) -> dict[tuple[int, int], Answer]:
    """The judge's stored answers on the pairs; a row's stance is never altered afterwards."""
    wanted = {(pair.revision_id, pair.version_id) for pair in pairs}
    query = select(Evidence).where(
        Evidence.judge == judge, col(Evidence.claim_revision_id).in_({r for r, _ in wanted})
    )
    rows = {(row.claim_revision_id, row.paper_version_id): row for row in session.exec(query)}
    return {key: _read_answer(rows[key]) for key in wanted & rows.keys()}


def _read_answer(row: Evidence) -> Answer:
    leaning = row.scope.get("leaning")
    likely = _weigh_leaning(leaning, row.scope.get("probabilities") or {})
    return Answer(row.stance, row.confidence, leaning, likely)


def _weigh_leaning(leaning: str | None, probabilities: Mapping[str, float]) -> float | None:
    return probabilities.get("against" if leaning in AGAINST else str(leaning))


def _ask(judge: Judge, pair: DecidedPair) -> Answer | None:
    given = judge.judge_stance(pair.claim, pair.paper)
    if given.error is not None:
        return None
    stance = given.stance if given.quote or given.stance not in DIRECTED else "unclear"
    likely = _weigh_leaning(given.leaning, given.probabilities)
    return Answer(stance, given.confidence, given.leaning, likely)


def _count_by_stance(
    answers: Iterable[tuple[DecidedPair, str, float | None]],
) -> dict[str, dict[str, Any]]:
    given: defaultdict[str, Counter[str]] = defaultdict(Counter)
    right: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for pair, stance, confidence in answers:
        if stance in DIRECTED:
            band = find_band(confidence)
            given[stance][band] += 1
            right[stance][band] += stance in pair.stances
    return {
        stance: {
            "all": _share(right[stance].total(), given[stance].total()),
            "bands": {
                band: _share(right[stance][band], n) for band, n in sorted(given[stance].items())
            },
        }
        for stance in DIRECTED
    }


def _share(right: int, n: int) -> dict[str, Any]:
    return {
        "right": right,
        "n": n,
        "precision": right / n if n else None,
        "ci95": list(wilson(right, n)),
    }


def _hash(answers: Mapping[DecidedPair, Answer]) -> str:
    lines = sorted(
        json.dumps([pair.revision_id, pair.version_id, sorted(pair.stances), list(answer)])
        for pair, answer in answers.items()
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _store(
    session: Session, judge: str, result: dict[str, Any], pairs_hash: str, today: date
) -> None:
    last = session.exec(
        select(JudgeMeasure)
        .where(JudgeMeasure.judge == judge, JudgeMeasure.measured_on == "decisions")
        .order_by(col(JudgeMeasure.id).desc())
    ).first()
    if result["answered"] and (last is None or last.pairs_hash != pairs_hash):
        session.add(
            JudgeMeasure(
                judge=judge,
                measured_on="decisions",
                pairs_hash=pairs_hash,
                pairs=result["answered"],
                result=result,
                measured_on_day=today,
            )
        )
    session.commit()


class Exported(NamedTuple):
    """Lines written, and pairs left out since a person gave them two labels."""

    written: int
    left_out: int


def export_pairs(session: Session, file: Path) -> Exported:
    """Write all decided pairs as a gold file, JSON a line; it is what ``read_gold`` reads.

    Raises:
        ReportUnwritable: the file cannot be written.
    """
    records = [pair.gold() for pair in read_decided_pairs(session)]
    lines = [json.dumps(record, ensure_ascii=False) for record in records if record is not None]
    try:
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise ReportUnwritable(f"cannot write {file}: {error.strerror}") from error
    return Exported(len(lines), len(records) - len(lines))
