"""Decisions on stances: what counts, what is refused, and what an undo restores."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from claims.decision_journal import count_decided
from claims.edit_journal import Signature
from claims.exporting.library_json import write_library
from claims.queries import find_claim
from claims.reading import read_claim, read_history
from claims.restoring import restore_library
from db.columns import stored_id
from db.engine import open_database, open_session
from db.errors import DecisionRefused, EditRefused, ReassayError, UsageError
from db.models import Decision, Evidence, Verdict
from reassay.cli import run
from reassay.deciding import undo_decision
from tests.decided_store import (
    ABSTRACT,
    AGAINST,
    BOB,
    LIMIT,
    TODAY,
    add_library,
    lean,
    propose,
    read_literature,
    read_verdict,
    say,
)
from tests.papers_and_claims import add_revision, add_version


def undo(session: Session, row: Evidence | None = None) -> None:
    undo_decision(session, BOB, TODAY, stored_id(row.id) if row else None)


def test_a_confirmation_counts_and_the_verdict_names_it_at_once(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, *_ = add_library(session)
        row = propose(session, one, 1)
        done = say(session, row, "confirm")
        assert (row.status, row.confirmed_by) == ("confirmed", "person")
        assert [str(change) for change in done.claims] == [
            "c1: UNCHALLENGED → CONTESTED (literature silent → contradicted)"
        ]
        state = read_claim(session, one)
        assert state["headline"] == "CONTESTED"
        assert state["literature"] == "contradicted"
        assert state["verdict"]["moved_by"] == [
            f"decided by Ada: confirm of row {row.id} (arXiv:2606.00001 contradicts): read it",
            "literature: contradicted by arXiv:2606.00001",
        ]
        assert state["verdict"]["night"] is None
        assert done.decided == count_decided(session) == 1


def test_a_rejection_counts_nowhere_and_takes_the_look_away(engine: Engine) -> None:
    with open_session(engine) as session:
        one, *_ = add_library(session)
        row = propose(session, one, 1)
        verdict = read_verdict(session, one)
        verdict.look = True
        session.add(verdict)
        session.commit()
        done = say(session, row, "reject", stances=["mentions"])
        assert (row.status, done.decision.stance) == ("rejected", "mentions")
        assert read_claim(session, one)["look"] is False
        assert read_claim(session, one)["literature"] == "silent"


def test_a_third_support_changes_no_word_and_makes_no_second_verdict(engine: Engine) -> None:
    with open_session(engine) as session:
        one, *_ = add_library(session)
        rows = [propose(session, one, n, "supports") for n in (1, 2, 3)]
        for row in rows[:2]:
            say(session, row, "confirm")
        before = read_verdict(session, one)
        assert before.headline == "HOLDS"
        undo(session, rows[1])
        say(session, rows[1], "confirm")
        say(session, rows[2], "confirm")
        now = read_verdict(session, one)
        assert now.literature_detail["confirmed"]["supports"] == 3
        events = [e["word"] for e in read_history(session, one) if e["event"] == "decision"]
        assert events == ["confirm", "confirm", "undo", "confirm", "confirm"]


def test_another_stance_is_a_row_of_the_persons_own(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, *_ = add_library(session)
        row = propose(session, one, 1)
        done = say(session, row, "confirm", stances=["relaxes"], quotes=[LIMIT])
        [made] = done.made
        assert (row.status, row.stance, row.confirmed_by) == ("rejected", "contradicts", None)
        assert (made.stance, made.quote, made.split_from_id) == ("relaxes", LIMIT, row.id)
        assert ABSTRACT[made.quote_start : made.quote_end] == LIMIT
        assert made.confidence is None
        assert made.judge == f"Ada (decision {done.decision.id})"
        assert read_claim(session, one)["headline"] == "NARROWED"


def test_a_row_moves_to_the_claim_that_it_is_about(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, two, _ = add_library(session)
        row = propose(session, one, 1)
        done = say(session, row, "right-stance-wrong-claim", claims=["c2"])
        assert done.decision.other_claim_id == two.id
        assert (row.status, done.made[0].claim_id) == ("rejected", two.id)
        assert done.made[0].quote == AGAINST
        assert read_claim(session, two)["headline"] == "CONTESTED"
        assert read_claim(session, one)["headline"] == "UNCHALLENGED"
        with pytest.raises(DecisionRefused, match=f"'reassay undo {row.id}' takes that back"):
            say(session, done.made[0], "reject")


def test_a_row_is_split_by_stance_or_by_claim(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, two, _ = add_library(session)
        first, second = propose(session, one, 1), propose(session, one, 2)
        by_stance = say(
            session, first, "split", stances=["contradicts", "relaxes"], quotes=[AGAINST, LIMIT]
        )
        assert [(r.stance, r.quote, r.claim_id) for r in by_stance.made] == [
            ("contradicts", AGAINST, one.id),
            ("relaxes", LIMIT, one.id),
        ]
        by_claim = say(session, second, "split", claims=["c1", "c2"])
        assert [r.claim_id for r in by_claim.made] == [one.id, two.id]
        assert {r.split_from_id for r in by_claim.made} == {second.id}
        assert read_claim(session, two)["headline"] == "CONTESTED"
        detail = read_verdict(session, one).literature_detail
        assert detail["confirmed"] == {"supports": 0, "contradicts": 2, "relaxes": 1}


def test_an_unclear_row_needs_a_stance_and_an_exact_quote(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, *_ = add_library(session)
        row = lean(session, one, 1, "supports", 0.6)
        for values, says in (
            ({}, "is unclear: say what it is"),
            ({"stances": ["supports"]}, "no quote means no stance"),
            ({"stances": ["supports"], "quotes": ["heat always helps greatly"]}, "no exact span"),
            ({"stances": ["supports"], "quotes": ["heat"]}, "no exact span"),
        ):
            with pytest.raises(DecisionRefused, match=says):
                say(session, row, "confirm", **values)
        assert session.exec(select(Decision)).all() == []
        [made] = say(session, row, "confirm", stances=["supports"], quotes=[LIMIT]).made
        assert made.numbers == []
        assert read_claim(session, one)["headline"] == "HOLDS"


def test_a_quote_that_is_not_in_the_text_confirms_nothing(engine: Engine) -> None:
    with open_session(engine) as session:
        one, *_ = add_library(session)
        row = propose(session, one, 1)
        row.quote, row.quote_end = "We show the very opposite of it.", (row.quote_start or 0) + 32
        session.add(row)
        session.commit()
        with pytest.raises(DecisionRefused, match="no quote means no stance"):
            say(session, row, "confirm")
        assert say(session, row, "confirm", quotes=[AGAINST]).made[0].quote == AGAINST


def test_the_same_word_twice_is_one_decision_and_another_asks_for_undo(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, *_ = add_library(session)
        row, other = propose(session, one, 1), propose(session, one, 2)
        first = say(session, row, "confirm")
        again = say(session, row, "confirm", by=BOB)
        assert (again.is_new, again.decision.id) == (False, first.decision.id)
        for word, values in (("reject", {}), ("confirm", {"stances": ["relaxes"]})):
            with pytest.raises(DecisionRefused, match=f"decided by Ada .*'reassay undo {row.id}'"):
                say(session, row, word, **values)
        say(session, other, "split", stances=["contradicts", "relaxes"])
        assert not say(session, other, "split", stances=["relaxes", "contradicts"]).is_new
        assert len(session.exec(select(Evidence)).all()) == 4
        assert len(session.exec(select(Decision)).all()) == 2


def test_a_reworded_claim_and_a_newer_text_say_so(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, two, three = add_library(session)
        row, kept, lost = (propose(session, c, n) for c, n in ((one, 1), (two, 2), (three, 3)))
        add_revision(session, one, "Heat never replaces practice.", 2)
        with pytest.raises(DecisionRefused, match="c1 was reworded since"):
            say(session, row, "confirm")
        for paper_of, text in ((kept, f"Anew. {ABSTRACT}"), (lost, "All of it was wrong.")):
            from db.models import Paper

            add_version(session, session.get_one(Paper, paper_of.paper_id), "T", text, 2)
        assert say(session, kept, "confirm").notes == (
            "arXiv:2606.00002 has a newer text (version 2, the row judged version 1); the quote "
            "stands in it too",
        )
        [note] = say(session, lost, "confirm").notes
        assert note.endswith("the quote no longer stands in it")


def test_a_retired_claim_and_a_hub_take_no_decision(session: Session) -> None:
    from db.columns import utc_now
    from db.models import Note

    one, two, three = add_library(session)
    row, other = propose(session, one, 1), propose(session, two, 2)
    one.retired_at = utc_now()
    note = session.get_one(Note, three.note_id)
    note.kind = "hub"
    session.add_all([one, note])
    session.commit()
    with pytest.raises(EditRefused, match="c1 is retired"):
        say(session, row, "confirm")
    with pytest.raises(DecisionRefused, match="c3 is a hub"):
        say(session, other, "right-stance-wrong-claim", claims=["c3"])
    with pytest.raises(DecisionRefused, match="about c2 already"):
        say(session, other, "right-stance-wrong-claim", claims=["c2"])


@pytest.mark.parametrize(
    ("word", "values", "says"),
    [
        ("maybe", {}, "is no decision"),
        ("confirm", {"stances": ["likes"]}, "is unknown"),
        ("confirm", {"stances": ["supports", "relaxes"]}, "at most 1"),
        ("confirm", {"claims": ["c2"]}, "takes no --claim"),
        ("reject", {"quotes": [AGAINST]}, "takes no --quote"),
        ("reject", {"stances": ["relaxes"]}, "confirm --stance relaxes"),
        ("right-stance-wrong-claim", {}, "needs --claim"),
        ("split", {"stances": ["relaxes"]}, "--stance twice"),
        ("split", {"stances": ["relaxes", "relaxes"]}, "must differ"),
        ("split", {"stances": ["relaxes", "supports"], "claims": ["c1", "c2", "c3"]}, "at most 3"),
    ],
)
def test_a_wish_that_contradicts_itself_is_refused(
    session: Session, word: str, values: dict[str, list[str]], says: str
) -> None:
    one, *_ = add_library(session)
    row = propose(session, one, 1)
    with pytest.raises(UsageError, match=says):
        say(session, row, word, **values)
    assert row.status == "proposed"


def test_author_and_reason_are_needed_and_the_settings_name_is_taken(session: Session) -> None:
    one, *_ = add_library(session)
    row = propose(session, one, 1)
    with pytest.raises(EditRefused):
        Signature("Ada", " ")
    with pytest.raises(UsageError, match="'setting' signs"):
        say(session, row, "confirm", by=Signature("setting", "because"))


WISHES = st.sampled_from(
    [
        ("confirm", {}),
        ("confirm", {"stances": ["relaxes"]}),
        ("confirm", {"stances": ["supports"], "quotes": [LIMIT]}),
        ("reject", {}),
        ("reject", {"stances": ["out-of-scope"]}),
        ("right-stance-wrong-claim", {"claims": ["c2"]}),
        ("split", {"stances": ["contradicts", "relaxes"]}),
        ("split", {"claims": ["c1", "c3"]}),
    ]
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(wishes=st.lists(st.tuples(st.integers(0, 3), WISHES), min_size=1, max_size=5))
def test_undo_restores_the_literature_exactly(
    any_engine: Engine, wishes: list[tuple[int, tuple[str, dict[str, list[str]]]]]
) -> None:
    with open_session(any_engine) as session:
        rows = session.exec(
            select(Evidence).where(col(Evidence.split_from_id).is_(None)).order_by(col(Evidence.id))
        ).all()
        if not rows:
            one, two, _ = add_library(session)
            rows = [
                propose(session, one, 1),
                propose(session, one, 2, "supports"),
                propose(session, two, 3, "relaxes"),
                lean(session, one, 4, "supports", 0.6),
            ]
        states = [read_literature(session)]
        headlines = [[read_claim(session, find_claim(session, "c1"))["headline"]]]
        for index, (word, values) in wishes:
            try:
                done = say(session, rows[index], word, **values)
            except ReassayError:
                continue
            if done.is_new:
                states.append(read_literature(session))
                headlines.append([read_claim(session, find_claim(session, "c1"))["headline"]])
        while len(states) > 1:
            states.pop()
            headlines.pop()
            undo(session)
            assert read_literature(session) == states[-1]
            assert [read_claim(session, find_claim(session, "c1"))["headline"]] == headlines[-1]
        with pytest.raises(DecisionRefused, match="nothing to undo"):
            undo(session)


def test_undo_is_signed_and_the_last_one_goes_first(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        one, two, _ = add_library(session)
        row, other = propose(session, one, 1), propose(session, two, 2)
        say(session, row, "confirm")
        moved = say(session, other, "right-stance-wrong-claim", claims=["c1"])
        undo(session)
        assert moved.made[0].status == "rejected"
        assert (other.status, row.status) == ("proposed", "confirmed")
        shown = read_claim(session, one)
        assert moved.made[0].id not in [entry["id"] for entry in shown["evidence"]]
        undo(session, row)
        assert row.status == "proposed"
        words = [
            (d.word, d.author) for d in session.exec(select(Decision).order_by(col(Decision.id)))
        ]
        assert words == [
            ("confirm", "Ada"),
            ("right-stance-wrong-claim", "Ada"),
            ("undo", "Bob"),
            ("undo", "Bob"),
        ]
        last = read_verdict(session, one)
        assert last.headline == "UNCHALLENGED"
        assert last.moved_by == [
            f"taken back by Bob: the confirm of row {row.id} by Ada (read it too)",
        ]
        with pytest.raises(DecisionRefused, match="nothing to undo"):
            undo(session, row)


def test_decisions_survive_export_and_restore(session: Session, tmp_path: Path) -> None:
    one, two, three = add_library(session)
    moved = propose(session, three, 1)
    say(session, moved, "right-stance-wrong-claim", claims=["c1"])  # a row before its origin
    say(session, propose(session, two, 2), "split", stances=["contradicts", "relaxes"])
    document = write_library(session)
    other = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    with open_session(other) as restored:
        restore_library(restored, document)
        kept = [row.model_dump(exclude={"night_id"}) for row in restored.exec(ROWS).all()]
        assert kept == [r.model_dump(exclude={"night_id"}) for r in session.exec(ROWS).all()]
        assert len(kept) == 5
        undo(restored)
        undo(restored)
        assert [row.status for row in restored.exec(ROWS).all()].count("proposed") == 2
    other.dispose()
    assert one.id != three.id


ROWS = select(Evidence).order_by(col(Evidence.id))


def test_two_words_at_once_on_one_row(database_url: str) -> None:
    engine = open_database(database_url)
    with open_session(engine) as session:
        one, *_ = add_library(session)
        rows = [stored_id(propose(session, one, n).id) for n in range(1, 5)]

    def word(row: int, word: str) -> str:
        with open_session(engine) as session:
            try:
                say(session, session.get_one(Evidence, row), word)
            except DecisionRefused as error:
                return str(error)
            return "won"

    with ThreadPoolExecutor(2) as pool:
        for row in rows:
            answers = list(pool.map(lambda w, row=row: word(row, w), ("confirm", "reject")))
            assert sorted(answers)[1] == "won"
            assert "takes that back first" in sorted(answers)[0]
            with open_session(engine) as session:
                assert (
                    len(session.exec(select(Decision).where(Decision.evidence_id == row)).all())
                    == 1
                )
    engine.dispose()


def test_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REASSAY_HOME", str(tmp_path / "home"))
    assert run(["init"]) == 0
    engine = open_database(f"sqlite:///{tmp_path / 'home' / 'reassay.db'}")
    with open_session(engine) as session:
        one, *_ = add_library(session)
        row = str(propose(session, one, 1).id)
        other = str(lean(session, one, 2, "supports", 0.6).id)
    signed = ["--why", "because", "--author", "ada"]

    def answer(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert run(list(arguments)) == code
        shown = capsys.readouterr()
        return shown.out if code == 0 else shown.err

    assert "row 99" in answer("decide", "99", "confirm", *signed, code=1)
    assert "--why" in answer("decide", row, "confirm", code=2)
    assert "is no decision" in answer("decide", row, "maybe", *signed, code=2)
    said = answer("decide", row, "confirm", *signed)
    assert f"recorded: row {row} (c1) confirmed" in said
    assert "c1: UNCHALLENGED → CONTESTED" in said
    assert "decided pairs now 1" in said
    assert "nothing changed" in answer("decide", row, "confirm", *signed)
    assert "takes that back first" in answer("decide", row, "reject", *signed, code=1)
    assert "CONTESTED" in answer("claims", "show", "c1")
    assert "ada: because" in answer("claims", "history", "c1")
    made = json.loads(
        answer(
            "decide", other, "confirm", "--stance", "supports", "--quote", LIMIT, *signed, "--json"
        )
    )
    assert made["made"][0]["quote"] == LIMIT
    assert made["claims"][0]["headline_before"] == "CONTESTED"
    taken = json.loads(answer("undo", *signed, "--json"))
    assert (taken["evidence"], taken["word"], taken["status"]) == (
        int(other),
        "confirm",
        "proposed",
    )
    assert taken["undone_at"]
    assert "is taken back" in answer("undo", row, *signed)
    assert "nothing to undo" in answer("undo", *signed, code=1)
    assert "nothing to take back" in answer("claims", "undo", *signed, code=1)
    with open_session(engine) as session:
        assert len(session.exec(select(Verdict).where(Verdict.claim_id == 1)).all()) >= 3
    engine.dispose()


def test_a_night_that_concludes_keeps_what_was_decided(any_engine: Engine) -> None:
    from db.models import Night
    from reassay.night.conclude import conclude_library

    with open_session(any_engine) as session:
        one, *_ = add_library(session)
        say(session, propose(session, one, 1), "confirm")
        night = Night(profile="smoke", budget_s=1.0)
        session.add(night)
        session.commit()
        result = conclude_library(session, night, (date(2026, 11, 23), "api"), TODAY)
        assert result.detail["claims"] == 3
        state = read_claim(session, one)
        assert (state["literature"], state["verdict"]["night"]) == ("contradicted", night.id)
        assert state["verdict"]["literature_detail"]["confirmed"]["contradicts"] == 1
        again = conclude_library(session, night, (date(2026, 11, 23), "api"), TODAY)
        assert again.detail["changed"] == 0
