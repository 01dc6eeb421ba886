"""Decisions as labelled pairs: measures, export, and what a setting may confirm."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from claims.decision_journal import SETTING, count_decided
from claims.judge_quality import read_quality
from claims.queue_items import read_queue
from claims.queue_ranking import rank_queue
from db.columns import stored_id
from db.engine import open_database, open_session
from db.errors import UsageError
from db.models import Claim, Decision, Evidence, JudgeMeasure, Verdict
from ingest.decisions import (
    export_pairs,
    find_decided_judges,
    measure_judge,
    read_decided_pairs,
)
from ingest.gold import read_gold
from ingest.judges import Judgement, PaperText, Span
from ingest.judges.intervals import wilson
from reassay.cli import run
from reassay.deciding import undo_decision
from reassay.night.settling import confirm_by_setting, settle_proposals
from reassay.settings import read_settings
from reports.gaps import read_open_ends
from reports.night_record import read_night
from reports.outline import read_outline
from reports.sources import IdGate
from reports.stances import read_claim_evidence
from tests.decided_store import (
    ABSTRACT,
    ADA,
    AGAINST,
    BOB,
    LIMIT,
    TODAY,
    add_grounded,
    add_library,
    lean,
    propose,
    say,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE_WIDE = {"headline": "OVERSTATED", "grounding": "overreach"}


class SureJudge:
    """Calls every paper a contradiction, with its sentence; counts what it was asked."""

    name = "sure-2"
    quality = "not measured"

    def __init__(self) -> None:
        self.asked = 0

    def judge_stance(self, claim: str, paper: PaperText) -> Judgement:
        self.asked += 1
        start = paper.abstract.index(AGAINST)
        span = Span("abstract", start, start + len(AGAINST), AGAINST)
        return Judgement("contradicts", confidence=0.95, quote=span)


def decide_all(session: Session) -> list[Claim]:
    """One decision of each kind, all on rows of one judge."""
    one, two, three = add_library(session)
    say(session, propose(session, one, 1, confidence=0.95), "confirm")
    say(session, propose(session, one, 2, confidence=0.95), "confirm", stances=["relaxes"])
    say(session, propose(session, one, 3, confidence=0.6), "reject")
    say(session, propose(session, two, 4, "supports"), "reject", stances=["out-of-scope"])
    say(session, propose(session, two, 5), "right-stance-wrong-claim", claims=["c3"])
    say(session, propose(session, two, 6), "split", stances=["contradicts", "relaxes"])
    say(session, lean(session, three, 7, "supports", 0.6), "confirm", stances=["supports"],
        quotes=[LIMIT])  # fmt: skip
    say(session, lean(session, three, 8, "relaxes", 0.8), "reject")
    return [one, two, three]


def count(measure: dict[str, Any], kind: str, stance: str, band: str = "all") -> tuple[int, int]:
    of_stance = measure[kind][stance]
    counted = of_stance["all"] if band == "all" else of_stance["bands"][band]
    return counted["right"], counted["n"]


def test_decisions_are_labelled_pairs(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        decide_all(session)
        pairs = read_decided_pairs(session)
        labels = {(p.claim_id, p.paper.arxiv_id[-1]): set(p.stances) for p in pairs}
        assert labels == {
            ("c1", "1"): {"contradicts"},
            ("c1", "2"): {"relaxes"},
            ("c1", "3"): {"mentions"},
            ("c2", "4"): {"out-of-scope"},
            ("c2", "5"): {"mentions"},
            ("c3", "5"): {"contradicts"},
            ("c2", "6"): {"contradicts", "relaxes"},
            ("c3", "7"): {"supports"},
            ("c3", "8"): {"mentions"},
        }
        assert count_decided(session) == 8
        assert len(read_decided_pairs(session, most=2)) == 2
        undo_decision(session, BOB, TODAY)
        assert len(read_decided_pairs(session)) == 8


def test_a_judge_is_measured_by_stance_and_band(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        decide_all(session)
        assert find_decided_judges(session) == ["embedded-1"]
        measure = measure_judge(session, "embedded-1", TODAY)
        assert (measure["answered"], measure["pairs"], measure["judged_afresh"]) == (8, 9, 0)
        assert count(measure, "proposals", "contradicts") == (2, 5)
        assert count(measure, "proposals", "contradicts", "at least .9") == (1, 2)
        assert count(measure, "proposals", "contradicts", ".5 to .7") == (0, 1)
        assert count(measure, "proposals", "supports") == (0, 1)
        assert count(measure, "leanings", "supports", ".5 to .7") == (1, 1)
        assert count(measure, "leanings", "relaxes", ".7 to .9") == (0, 1)
        interval = measure["proposals"]["contradicts"]["all"]["ci95"]
        assert interval == pytest.approx(list(wilson(2, 5)))
        row = session.exec(select(JudgeMeasure)).one()
        assert (row.measured_on, row.pairs, row.measured_on_day) == ("decisions", 8, TODAY)
        measure_judge(session, "embedded-1", TODAY)
        assert len(session.exec(select(JudgeMeasure)).all()) == 1
        undo_decision(session, BOB, TODAY)
        measure_judge(session, "embedded-1", TODAY)
        assert len(session.exec(select(JudgeMeasure)).all()) == 2
        found = read_quality(session).find("embedded-1", "proposals", "contradicts", 0.99)
        assert found is not None
        assert (found.right, found.n, found.band) == (1, 2, "at least .9")


def test_a_changed_judge_is_measured_on_the_same_pairs(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, *_ = decide_all(session)
        new = SureJudge()
        row = propose(session, one, 9, judge=new.name, confidence=0.95)
        ranking = rank_queue(session, top=5, today=TODAY)
        assert read_queue(session, ranking, TODAY)[0].precision is None
        unasked = measure_judge(session, new.name, TODAY)
        assert (unasked["answered"], new.asked) == (0, 0)
        assert session.exec(select(JudgeMeasure)).all() == []
        measure = measure_judge(session, new.name, TODAY, fresh=new)
        assert (measure["judged_afresh"], new.asked) == (9, 9)
        assert count(measure, "proposals", "contradicts", "at least .9") == (3, 9)
        assert measure_judge(session, new.name, TODAY, fresh=new, most=4)["answered"] == 4
        [item] = [i for i in read_queue(session, ranking, TODAY)
                  if i.ranked.evidence_id == row.id]  # fmt: skip
        assert item.precision is not None


def test_a_failed_or_unquoted_answer_is_no_stance(session: Session) -> None:
    decide_all(session)

    class FailingJudge(SureJudge):
        def judge_stance(self, claim: str, paper: PaperText) -> Judgement:
            self.asked += 1
            return Judgement("unclear", error="no") if self.asked % 2 else Judgement("supports")

    measure = measure_judge(session, "failing-1", TODAY, fresh=FailingJudge())
    assert (measure["failed"], measure["answered"]) == (5, 4)
    assert count(measure, "proposals", "supports") == (0, 0)


def test_decided_pairs_leave_as_gold_that_evaluate_reads(session: Session, tmp_path: Path) -> None:
    decide_all(session)
    file = tmp_path / "pairs.jsonl"
    assert tuple(export_pairs(session, file)) == (8, 1)
    pairs = {(p.claim_id, p.arxiv_id[-1]): p for p in read_gold(file)}
    assert {key: p.label for key, p in pairs.items()}["c2", "4"] == "unrelated"
    assert pairs["c3", "7"].quote == LIMIT
    assert pairs["c3", "5"].label == "contradicts"
    assert all(p.abstract == ABSTRACT for p in pairs.values())
    first = json.loads(file.read_text().splitlines()[-1])
    assert (first["source"], first["note"]) == ("decision 1", "confirm by Ada: read it")


def test_the_command_measures_and_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REASSAY_HOME", str(tmp_path / "home"))
    assert run(["init"]) == 0
    engine = open_database(f"sqlite:///{tmp_path / 'home' / 'reassay.db'}")
    with open_session(engine) as session:
        decide_all(session)
    capsys.readouterr()
    assert run(["ingest", "evaluate", "--decisions", "--export", "pairs.jsonl"]) == 0
    shown = capsys.readouterr()
    assert "judge embedded-1: 8 of 9 decided pairs (0 judged afresh, 0 failed)" in shown.out
    assert "proposals: contradicts" in shown.out
    assert "8 decided pairs written to pairs.jsonl, 1 with two labels left out" in shown.err
    assert len(read_gold(tmp_path / "pairs.jsonl")) == 8
    assert run(["ingest", "evaluate", "--decisions", "--json"]) == 0
    present, other = json.loads(capsys.readouterr().out)
    assert (present["judged_afresh"], other["judge"]) == (9, "embedded-1")
    assert run(["queue", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    for wrong in (["--export", "x"], ["pairs.jsonl", "--decisions"], []):
        assert run(["ingest", "evaluate", *wrong]) == 2
    with open_session(engine) as session:
        assert len(session.exec(select(JudgeMeasure)).all()) == 2
    engine.dispose()


def earn(session: Session, claim: Claim, right: int, wrong: int = 0) -> None:
    """Decided proposals of high probability, and the measure that follows."""
    for number in range(right + wrong):
        row = propose(session, claim, 100 + number, confidence=0.95)
        say(session, row, "confirm" if number < right else "reject")
    measure_judge(session, "embedded-1", TODAY)


def settle(session: Session, auto_confirm: float | None = 0.85) -> tuple[dict[str, Any], list[str]]:
    done = settle_proposals(
        session, SureJudge(), is_offline=False, auto_confirm=auto_confirm, since=START, today=TODAY
    )
    return done.detail, list(done.notes)


def test_a_setting_confirms_what_was_measured_as_precise(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, two, three = add_library(session)
        for claim in (one, two):
            add_grounded(session, claim, **SCOPE_WIDE)
        earn(session, one, 30)
        sure = propose(session, two, 1, confidence=0.95)
        unsure = propose(session, two, 2, confidence=0.85)
        other = propose(session, two, 3, "supports", confidence=0.95)
        moving = propose(session, three, 4, confidence=0.95)
        flagged = propose(session, two, 5, confidence=0.95, scope={"flags": ["obey"]})
        unquoted = propose(session, two, 6, confidence=0.95)
        unquoted.quote = "Nowhere in it."
        session.add(unquoted)
        session.commit()
        detail, notes = settle(session)
        session.expire_all()
        assert (sure.status, sure.confirmed_by) == ("confirmed", "setting")
        assert {r.status for r in (unsure, other, moving, flagged, unquoted)} == {"proposed"}
        assert (detail["confirmed_by_setting"], detail["left"]) == (1, 1)
        low, high = wilson(30, 30)
        assert notes[0].startswith(
            f"1 confirmed by setting at measured precision 1.00 [{low:.2f}, {high:.2f}], n = 30 "
            "decided, of contradicts by embedded-1, probability at least .9"
        )
        assert "no person read these" in notes[1]
        assert notes[2] == "1 proposals at that precision would change a headline: left to you"
        word = session.exec(select(Decision).where(Decision.author == SETTING)).one()
        assert word.reason.startswith("auto_confirm 0.85: precision 1.00")
        assert count_decided(session) == 30  # its own word labels nothing
        again, _ = settle(session)
        assert again["confirmed_by_setting"] == 1  # what an interrupted night did is counted
        assert len(session.exec(select(Decision).where(Decision.author == SETTING)).all()) == 1
        undo_decision(session, BOB, TODAY, stored_id(sure.id))
        assert (sure.status, sure.confirmed_by) == ("proposed", None)


def test_the_page_says_that_nobody_read_them(session: Session) -> None:
    one, two, _ = add_library(session)
    for claim in (one, two):
        add_grounded(session, claim, **SCOPE_WIDE)
    earn(session, one, 30)
    propose(session, two, 1, confidence=0.95)
    assert not [s for s in read_open_ends_sentences(session) if "not read by a person" in s]
    settle(session)
    assert (
        "1 confirmed stance of those that count: confirmed by setting (auto_confirm), not read by "
        "a person."
    ) in read_open_ends_sentences(session)
    [shown] = read_claim_evidence(session, [stored_id(two.id)])[stored_id(two.id)].confirmed
    assert shown.confirmed_by == "setting, not read by a person"


def read_open_ends_sentences(session: Session) -> tuple[str, ...]:
    gate = IdGate(session)
    record = read_night(session, None, gate)
    return read_open_ends(session, record, read_outline(session), gate).sentences


def test_a_person_signs_or_overrules_what_a_setting_confirmed(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, two, _ = add_library(session)
        for claim in (one, two):
            add_grounded(session, claim, **SCOPE_WIDE)
        earn(session, one, 30)
        first, second = (propose(session, two, n, confidence=0.95) for n in (1, 2))
        settle(session)
        session.expire_all()
        assert say(session, first, "confirm").is_new
        assert first.confirmed_by == "person"
        assert say(session, second, "reject").is_new
        assert second.status == "rejected"
        for row in (second, first):
            undo_decision(session, ADA, TODAY)
            assert (row.status, row.confirmed_by) == ("confirmed", "setting")


@pytest.mark.parametrize(
    ("right", "wrong", "minimum", "says"),
    [(29, 0, 0.85, "nothing was confirmed"), (30, 0, 0.9, "nothing"), (30, 1, 0.85, "nothing")],
)
def test_too_few_pairs_or_too_low_a_bound_confirm_nothing(
    session: Session, right: int, wrong: int, minimum: float, says: str
) -> None:
    one, two, _ = add_library(session)
    for claim in (one, two):
        add_grounded(session, claim, **SCOPE_WIDE)
    earn(session, one, right, wrong)
    row = propose(session, two, 1, confidence=0.95)
    _, notes = settle(session, minimum)
    assert says in notes[0]
    session.expire_all()
    assert row.status == "proposed"


def test_a_gold_measure_and_no_setting_confirm_nothing(session: Session) -> None:
    one, two, _ = add_library(session)
    for claim in (one, two):
        add_grounded(session, claim, **SCOPE_WIDE)
    per_class = {"contradicts+relaxes": {"precision": 1.0, "precision_ci95": [0.99, 1.0],
                                         "answers": 500}}  # fmt: skip
    session.add(
        JudgeMeasure(
            judge="embedded-1",
            measured_on="gold",
            pairs_hash="h",
            pairs=500,
            result={"per_class": per_class},
            measured_on_day=TODAY,
        )
    )
    session.commit()
    row = propose(session, two, 1, confidence=0.95)
    say(session, propose(session, one, 2, confidence=0.95), "confirm")
    confirm_by_setting(session, 0.5, TODAY)
    assert row.status == "proposed"
    [item] = read_queue(session, rank_queue(session, top=5, today=TODAY), TODAY)
    assert str(item.precision) == "1.00 [0.99, 1.00], n = 500 labelled"
    detail, notes = settle(session, None)
    assert (detail["confirmed_by_setting"], notes) == (0, [])
    [item] = read_queue(session, rank_queue(session, top=5, today=TODAY), TODAY)
    assert str(item.precision) == "1.00 [0.21, 1.00], n = 1 decided"


def test_a_setting_never_changes_a_headline(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, two, three = add_library(session)
        add_grounded(session, one, **SCOPE_WIDE)
        earn(session, one, 40)
        rows = [propose(session, claim, n, confidence=0.95) for n, claim in
                enumerate((two, two, three), start=1)]  # fmt: skip
        headlines = dict(session.exec(select(Verdict.claim_id, Verdict.headline)).all())
        detail, _ = settle(session)
        assert (detail["confirmed_by_setting"], detail["left"]) == (0, 3)
        session.expire_all()
        assert {row.status for row in rows} == {"proposed"}
        assert dict(session.exec(select(Verdict.claim_id, Verdict.headline)).all()) == headlines
        say(session, rows[0], "confirm")
        detail, _ = settle(session)  # a second one would move it from CONTESTED to MOVED
        assert detail["confirmed_by_setting"] == 0


@given(st.integers(1, 400), st.floats(0, 1))
def test_the_bound_is_below_the_share(n: int, share: float) -> None:
    right = round(share * n)
    low, high = wilson(right, n)
    assert low - 1e-9 <= right / n <= high + 1e-9


def test_the_setting_is_off_and_takes_a_precision() -> None:
    assert read_settings({}, {}).auto_confirm is None
    assert read_settings({"REASSAY_AUTO_CONFIRM": "0.95"}, {}).auto_confirm == 0.95
    assert read_settings({"REASSAY_AUTO_CONFIRM": ""}, {}).auto_confirm is None
    for wrong in ("1", "0.2", "yes"):
        with pytest.raises(UsageError, match="auto_confirm"):
            read_settings({"REASSAY_AUTO_CONFIRM": wrong}, {})


def test_a_persons_row_is_not_the_judges(session: Session) -> None:
    decide_all(session)
    made = session.exec(select(Evidence).where(col(Evidence.split_from_id).is_not(None))).all()
    assert made
    assert not {row.judge for row in made} & set(find_decided_judges(session))
