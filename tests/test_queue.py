"""The queue: what waits, in which order, and what a person sees of it."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session, select

from claims.judge_quality import find_band
from claims.queue_factors import (
    Reach,
    Standing,
    measure_change,
    measure_doubt,
    measure_overlap,
    measure_strength,
)
from claims.queue_items import read_queue
from claims.queue_ranking import Ranking, rank_queue
from claims.waiting import keep_waiting
from db.columns import stored_id, utc_now
from db.engine import open_database, open_session
from db.models import Claim, ClaimRevision, Evidence, JudgeMeasure, Paper, Task
from reassay.cli import run
from reports.attention import read_items
from reports.outline import read_outline
from reports.sources import IdGate
from tests.decided_store import (
    ABSTRACT,
    AGAINST,
    LIMIT,
    TODAY,
    add_grounded,
    add_library,
    add_second_line,
    lean,
    propose,
    say,
)
from tests.papers_and_claims import add_revision, add_version
from tests.report_store import add_stance


def rank(session: Session, top: int = 10, **values: Any) -> Ranking:
    return rank_queue(session, top=top, today=TODAY, **values)


def ids(ranking: Ranking) -> list[int]:
    return [row.evidence_id for row in ranking.rows]


def standing(headline: str, literature: str, **values: Any) -> Standing:
    fields = {"grounding": "grounded", "searched_through": date(2026, 11, 20)}
    return Standing(headline=headline, literature=literature, **{**fields, **values})


def test_a_contradiction_on_a_holding_claim_is_more_than_a_third_support() -> None:
    holds = standing("HOLDS", "supported", supports=2, recent_support=True)
    assert measure_change(holds, "contradicts", TODAY) == 1.0
    assert measure_change(holds, "relaxes", TODAY) == 0.8
    assert measure_change(holds, "supports", TODAY) == 0.1
    silent = standing("UNCHALLENGED", "silent")
    assert measure_change(silent, "supports", TODAY) == 0.5
    assert measure_change(standing("CONTESTED", "contradicted", contradicts=1), "contradicts",
                          TODAY) == 1.0  # fmt: skip
    wide = standing("OVERSTATED", "silent", grounding="overreach")
    assert measure_change(wide, "contradicts", TODAY) == 0.25  # shown below the headline
    assert measure_change(Standing(), "contradicts", TODAY) == 0.5


@given(st.floats(0, 1), st.sampled_from(["contradicts", "relaxes", "supports"]))
def test_factors_stay_within_their_bounds(likely: float, stance: str) -> None:
    strength = measure_strength(stance, likely, {}, is_leaning=False)
    assert 0 <= measure_strength(stance, likely, {}, is_leaning=True) <= strength <= 1
    assert measure_strength(stance, likely, {"model": "other"}, is_leaning=False) <= strength
    assert measure_doubt(1.0, likely) <= measure_doubt(1.0, 0.5) == 1.0
    assert find_band(likely) != find_band(None)


def test_overlap_is_a_mean_of_what_was_given() -> None:
    assert measure_overlap({}) == measure_overlap({"model": "unknown"}) == 1.0
    assert measure_overlap({"model": "same", "task": "other"}) == pytest.approx(0.7)
    assert Reach(lines=3, findings=2, tasks=3).value == pytest.approx(3.5)


def test_order_is_by_reach_strength_and_doubt(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, two, three = add_library(session)
        add_grounded(
            session,
            three,
            headline="HOLDS",
            literature="supported",
            literature_detail={"confirmed": {"supports": 2, "relaxes": 0, "contradicts": 0}},
        )
        weak = propose(session, one, 1, "supports", confidence=0.7)
        near = propose(session, one, 2, confidence=0.6)
        other = propose(session, one, 3, confidence=0.6, scope={"task": "other", "model": "same"})
        third = propose(session, three, 4, "supports", confidence=0.7)
        against = propose(session, three, 5, confidence=0.6)
        unclear = lean(session, two, 6, "relaxes", 0.55)
        line = add_second_line(session, three)
        session.add_all(
            Task(line_id=stored_id(line.id), number=n, title="t", text="t") for n in (1, 2)
        )
        session.commit()
        ranking = rank(session)
        assert ids(ranking) == [against.id, near.id, other.id, weak.id, third.id, unclear.id]
        assert (ranking.directed, ranking.leanings) == (5, 1)
        first = ranking.rows[0]
        assert (first.reach.lines, first.reach.tasks) == (2, 2)
        assert first.score == pytest.approx(2.2 * 0.6 * 0.9)
        assert ids(rank(session, top=2)) == [against.id, near.id]
        assert ids(rank(session, claim_id=stored_id(one.id))) == [near.id, other.id, weak.id]
        assert ids(rank(session, line_id=stored_id(line.id))) == [against.id, third.id]


def test_what_is_settled_does_not_wait(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, two, three = add_library(session)
        decided = propose(session, one, 1)
        paper = session.get_one(Paper, decided.paper_id)
        newer_judge = add_stance(session, one, paper, "relaxes", AGAINST, judge="embedded-2")
        say(session, decided, "reject")
        outdated = propose(session, one, 2)
        text = session.get_one(Paper, outdated.paper_id)
        add_version(session, text, "T", f"Anew. {ABSTRACT}", 2)
        anew = add_stance(session, one, text, "contradicts", AGAINST)
        confirmed = propose(session, three, 3)
        say(session, confirmed, "confirm")
        same = session.get_one(Paper, confirmed.paper_id)
        add_version(session, same, "T", f"Anew. {ABSTRACT}", 2)
        idle = add_stance(session, three, same, "contradicts", AGAINST, judge="embedded-2")
        turned = add_stance(session, three, same, "relaxes", AGAINST, judge="embedded-3")
        reworded = propose(session, two, 4)
        add_revision(session, two, "Anew.", 2)
        waiting = {anew.id, turned.id}
        assert set(ids(rank(session))) == waiting
        assert not {newer_judge.id, outdated.id, idle.id, reworded.id} & waiting
        three.retired_at = utc_now()
        session.add(three)
        session.commit()
        assert ids(rank(session)) == [anew.id]


def test_a_chunk_of_many_rows_gives_the_same_order_as_all_of_them(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *_ = add_library(session)
    scopes = ["same", "near", "other"]
    for n in range(1, 31):
        propose(session, one, n, confidence=n / 31, scope={"task": scopes[n % 3]})
    whole = rank(session, top=30)
    monkeypatch.setattr("claims.queue_ranking.CHUNK", 2)
    assert ids(rank(session, top=7)) == ids(whole)[:7]
    scores = [row.score for row in whole.rows]
    assert scores == sorted(scores, reverse=True)


def test_the_rule_for_many_rows_is_the_rule_for_few(session: Session) -> None:
    from claims.queue_ranking import _read_directed
    from claims.waiting import is_waiting

    one, two, _ = add_library(session)
    for n, word in enumerate(("confirm", "reject", None, "split"), start=1):
        row = propose(session, one, n)
        paper = session.get_one(Paper, row.paper_id)
        add_stance(session, one, paper, "contradicts", AGAINST, judge="embedded-2")
        if n % 2:
            add_version(session, paper, "T", f"Anew. {ABSTRACT}", 2)
            add_stance(session, one, paper, "relaxes", AGAINST)
        if word:
            extra = {"stances": ["contradicts", "relaxes"]} if word == "split" else {}
            say(session, row, word, **extra)
    propose(session, two, 9)
    kept = {row.evidence_id for row in keep_waiting(session, _read_directed(session, []))}
    asked = session.exec(
        select(Evidence.id)
        .join(ClaimRevision, ClaimRevision.id == Evidence.claim_revision_id)  # type: ignore[arg-type]
        .join(Claim, Claim.id == Evidence.claim_id)  # type: ignore[arg-type]
        .where(Evidence.stance.in_(("contradicts", "relaxes", "supports")), is_waiting())  # type: ignore[attr-defined]
    ).all()
    assert kept == set(asked)
    assert 0 < len(kept) < len(session.exec(select(Evidence)).all())


def test_a_row_shows_its_quote_or_says_that_it_has_none(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, *_ = add_library(session)
        propose(session, one, 1, confidence=0.8, scope={"task": "other", "flags": ["x"]})
        false = propose(session, one, 2, confidence=0.1)
        false.quote = "Not in the text at all."
        session.add(false)
        lean(session, one, 3, "supports", 0.6)
        result = {"proposals": {"contradicts": {
            "all": {"right": 30, "n": 41, "ci95": [0.58, 0.84]},
            "bands": {".7 to .9": {"right": 20, "n": 22, "ci95": [0.72, 0.97]}},
        }}}  # fmt: skip
        session.add(
            JudgeMeasure(
                judge="embedded-1",
                measured_on="decisions",
                pairs_hash="h",
                pairs=41,
                result=result,
                measured_on_day=TODAY,
            )
        )
        session.commit()
        first, second, third = read_queue(session, rank(session), TODAY)
        assert first.quote is not None
        assert ABSTRACT[first.quote.start : first.quote.end] == first.quote.text == AGAINST
        assert str(first.precision) == "0.91 [0.72, 0.97], n = 22 decided"
        assert first.doubts[0] == "the abstract holds text that reads like an instruction"
        assert "other task than the claim's" in first.doubts
        assert (first.headline, first.would_be) == ("UNCHALLENGED", "CONTESTED")
        assert (second.quote, str(second.precision)) == (None, "0.73 [0.58, 0.84], n = 41 decided")
        assert "no exact quote" in second.doubts
        assert third.closest is not None
        assert (third.quote, third.closest.text, third.precision) == (None, LIMIT, None)
        assert "the judge states no stance, it only leans" in third.doubts


def test_the_page_and_the_command_agree(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, two, three = add_library(session)
        for n, claim in enumerate((one, two, three, one, two), start=1):
            stance = ("supports", "contradicts", "relaxes")[n % 3]
            propose(session, claim, n, stance, confidence=0.4 + n / 20)
        add_second_line(session, two)
        gate = IdGate(session)
        items, count = read_items(session, read_outline(session), gate, TODAY)
        rows = [item.row for item in items if item.row]
        ranked = rank(session).rows
        first = {row.claim_id: row.evidence_id for row in reversed(ranked)}
        wanted = [row.evidence_id for row in ranked if row.evidence_id in first.values()]
        assert rows == [f"reassay decide {row} confirm --why …" for row in wanted]
        assert count == 3  # one item a claim; two of them name one proposal more
        assert sum("1 more proposal on this claim" in item.what for item in items) == 2


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REASSAY_HOME", str(tmp_path / "home"))
    assert run(["queue"]) == 0
    assert "nothing waits" in capsys.readouterr().err
    engine = open_database(f"sqlite:///{tmp_path / 'home' / 'reassay.db'}")
    with open_session(engine) as session:
        one, *_ = add_library(session)
        row = propose(session, one, 1)
        lean(session, one, 2, "supports", 0.6)
    engine.dispose()
    assert run(["queue"]) == 0
    shown = capsys.readouterr()
    words = " ".join(shown.out.split())
    for said in (
        "UNCHALLENGED → CONTESTED?", "contradicts", "arXiv:2606.00001", "2026-06-29",
        "not measured yet", "leans: supports", "closest sentence", "1 line", "Heat replaces",
    ):  # fmt: skip
        assert said in words, said
    assert f"reassay decide {row.id} confirm --why" in shown.err
    assert "1 proposed stances wait, and 1 unclear rows lean to one" in shown.err
    assert run(["queue", "--top", "1", "--claim", "c1", "--line", "a-line", "--json"]) == 0
    [record] = json.loads(capsys.readouterr().out)
    assert set(record["factors"]) == {"reach", "strength", "doubt"}
    factors = record["factors"]
    product = factors["reach"] * factors["strength"] * factors["doubt"]
    assert record["score"] == pytest.approx(product)
    assert record["quote"]["text"] == AGAINST
    assert run(["queue", "--claim", "c2"]) == 0
    assert run(["queue", "--claim", "c99"]) == 1
