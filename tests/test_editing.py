"""A person edits claims: revisions, journal, lines, and taking it all back."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session, select

from claims.anchoring import tie_anchor
from claims.documents import normalise_text
from claims.edit_journal import Signature
from claims.editing import edit_claim, merge_claim, retire_claim, reword_claim, split_claim
from claims.importing import import_text
from claims.queries import find_claim, list_claims
from claims.reading import current_revision, read_claim, read_history
from claims.undoing import undo_edit
from db.columns import stored_id
from db.engine import open_database, open_session
from db.errors import ClaimNotFound, EditRefused
from db.models import Anchor, Claim, ClaimRevision, Edit, LineClaim, Verdict
from tests.documents import write_line

ADA = Signature("ada", "the source is narrower")


def load(session: Session) -> None:
    import_text(session, normalise_text(write_line()), "test")
    import_text(session, normalise_text(write_line("Is a cold kettle worse?")), "test")


def judge(session: Session, claim: Claim) -> Verdict:
    revision = session.exec(
        select(ClaimRevision).where(
            ClaimRevision.claim_id == claim.id, ClaimRevision.number == claim.revision_number
        )
    ).one()
    verdict = Verdict(
        claim_id=stored_id(claim.id), claim_revision_id=stored_id(revision.id),
        headline="UNCHALLENGED", grounding="grounded", literature="silent", local="none",
    )  # fmt: skip
    session.add(verdict)
    session.commit()
    return verdict


def lines_of(session: Session, handle: str) -> list[str]:
    return next(row.lines for row in list_claims(session) if row.id == handle)


def test_a_rewording_is_a_revision_and_keeps_what_was_judged(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        load(session)
        claim = find_claim(session, "c3")
        judge(session, claim)
        reword_claim(session, claim, "Ordered decks give 40% more. On short decks.", ADA)
        assert (claim.revision_number, claim.statement) == (2, "Ordered decks give 40% more.")
        events = read_history(session, claim)
        assert [(e["event"], e.get("revision")) for e in events] == [
            ("revision", 1), ("verdict", 1), ("revision", 2), ("edit", 2),
        ]  # fmt: skip
        assert events[2]["by"] == "ada"
        verdict = read_claim(session, claim)["verdict"]
        assert verdict["revision"] == 1  # the wording now is revision 2
        assert events[3]["reason"] == ADA.why
        assert read_claim(session, claim)["numbers"][0]["text"] == "40%"


def test_an_undone_rewording_says_so_in_a_revision(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        load(session)
        claim = find_claim(session, "c3")
        old = claim.text
        reword_claim(session, claim, "Worse.", ADA)
        edit = undo_edit(session, Signature("bob", "it does not say so"), claim)
        assert (claim.text, claim.revision_number) == (old, 3)
        assert edit.undone_at is not None
        assert edit.after["undone"] == {"by": "bob", "why": "it does not say so"}
        last = read_history(session, claim)[-1]
        assert last["reason"] == "undo of reword by ada: it does not say so"
        with pytest.raises(EditRefused, match="nothing to take back"):
            undo_edit(session, ADA)


def test_parts_of_a_claim(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        load(session)
        claim = find_claim(session, "c3")
        edit_claim(session, claim, ADA, limit="42%", scope={"task": "decks", "found_from": "2025"})
        edit_claim(session, claim, ADA, insight="Order helps.", scope={"task": ""})
        revision = session.exec(
            select(ClaimRevision).where(ClaimRevision.claim_id == claim.id)
            .where(ClaimRevision.number == 3)
        ).one()  # fmt: skip
        assert (revision.insight, revision.limit) == ("Order helps.", "42%")
        assert revision.scope == {"found_from": "2025"}
        for wrong in ({"found_from": "soon"}, {"found_from": "2026-13"}, {"found_to": "2024-12"}):
            with pytest.raises(EditRefused):
                edit_claim(session, claim, ADA, scope=wrong)
        assert claim.revision_number == 3


def test_a_rewording_keeps_what_a_person_said_of_the_claim(session: Session) -> None:
    load(session)
    claim = find_claim(session, "c3")
    edit_claim(session, claim, ADA, insight="Order helps.", scope={"task": "decks"})
    reword_claim(session, claim, "Small models sort 40% more.", ADA)
    revision = current_revision(session, claim)
    assert revision.insight == "Order helps."
    assert revision.limit == "Small models sort 40% more."
    assert revision.scope["task"] == "decks"
    assert revision.scope["model_class"] == "Small models"


def test_a_merge_moves_the_lines_and_the_handle_still_answers(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        load(session)
        gone, stays = find_claim(session, "c1"), find_claim(session, "c2")
        merge_claim(session, gone, stays, ADA)
        assert lines_of(session, "c1") == []
        assert len(lines_of(session, "c2")) == 2
        state = read_claim(session, find_claim(session, "c1"))
        assert state["merged_into"] == "c2"
        assert state["retired_reason"] == f"merged into c2: {ADA.why}"
        for refused in ((gone, stays), (stays, gone), (stays, stays)):
            with pytest.raises(EditRefused):
                merge_claim(session, *refused, ADA)
        assert {r.id: r.headline for r in list_claims(session)}["c1"] == "RETIRED"
        assert [r.id for r in list_claims(session, headlines={"retired"})] == ["c1"]
        with pytest.raises(EditRefused, match="is retired"):
            reword_claim(session, gone, "Anew.", ADA)


def test_a_split_makes_new_claims_and_undo_takes_them_away(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        load(session)
        claim = find_claim(session, "c1")
        lines = lines_of(session, "c1")
        split_claim(session, claim, ["Heat trades off.", "Practice helps 3x."], ADA)
        state = read_claim(session, claim)
        assert state["split_into"] == ["c4", "c5"]
        assert lines_of(session, "c5") == lines
        assert lines_of(session, "c1") == []
        part = find_claim(session, "c4")
        reword_claim(session, part, "Heat trades off a little.", ADA)
        with pytest.raises(EditRefused, match="later reword of c4"):
            undo_edit(session, ADA, claim)
        undo_edit(session, ADA)
        undo_edit(session, ADA)
        assert lines_of(session, "c1") == lines
        with pytest.raises(ClaimNotFound):
            find_claim(session, "c4")
        kept = session.exec(select(Edit)).one().after["taken_away"]
        assert [part["handle"] for part in kept] == ["c4", "c5"]
        assert kept[0]["edits"][0]["reason"] == ADA.why


def test_parts_that_were_judged_stay(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        load(session)
        claim = find_claim(session, "c1")
        split_claim(session, claim, ["Heat trades off.", "Practice helps."], ADA)
        judge(session, find_claim(session, "c5"))
        with pytest.raises(EditRefused, match="c5 was used since"):
            undo_edit(session, ADA)
        assert claim.retired_at is not None


def test_an_undo_out_of_order_never_gives_a_handle_twice(session: Session) -> None:
    load(session)
    first, second = find_claim(session, "c1"), find_claim(session, "c2")
    split_claim(session, first, ["One.", "Two."], ADA)
    split_claim(session, second, ["Three.", "Four."], ADA)
    undo_edit(session, ADA, first)
    split_claim(session, first, ["One.", "Two."], ADA)
    assert [row.id for row in list_claims(session)][-2:] == ["c8", "c9"]
    question = "Is a third kettle better?"
    import_text(session, normalise_text(write_line(question, notes=[("New?", "Yes.")])), "test")
    assert [row.id for row in list_claims(session)][-1] == "c10"


def test_an_import_after_an_edit_keeps_the_edit(session: Session) -> None:
    load(session)
    reword_claim(session, find_claim(session, "c2"), "A person's wording.", ADA)
    split_claim(session, find_claim(session, "c1"), ["One.", "Two."], ADA)
    merge_claim(session, find_claim(session, "c3"), find_claim(session, "c2"), ADA)
    changed = write_line(findings=("Another finding altogether (2026).",))
    assert import_text(session, normalise_text(changed), "test").changed
    assert find_claim(session, "c2").statement == "A person's wording."
    assert {row.id: len(row.lines) for row in list_claims(session)} == {
        "c1": 0, "c2": 2, "c3": 0, "c4": 2, "c5": 2,
    }  # fmt: skip


def test_an_anchor_edit_is_taken_back(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        load(session)
        claim = find_claim(session, "c1")

        def anchors() -> list[tuple[str | None, int | None, str | None]]:
            rows = session.exec(select(Anchor).order_by(Anchor.id)).all()  # type: ignore[arg-type]
            return [(row.arxiv_id, row.note_id, row.tied_by) for row in rows]

        before = anchors()
        tie_anchor(session, claim, "2603.23004", ADA)  # which a line lists
        tie_anchor(session, claim, "2502.05171", ADA)  # which none does
        undo_edit(session, ADA, claim)
        tied = anchors()
        assert len(tied) == len(before)
        assert ("2603.23004", claim.note_id, "ada") in tied
        undo_edit(session, ADA, claim)
        assert anchors() == before


@pytest.mark.parametrize("text", ["", "  ", "a\x00b", "\ud800", "x" * 10_001])
def test_unfit_texts_are_refused(session: Session, text: str) -> None:
    load(session)
    with pytest.raises(EditRefused):
        reword_claim(session, find_claim(session, "c1"), text, ADA)
    with pytest.raises(EditRefused):
        split_claim(session, find_claim(session, "c1"), ["Fine.", text], ADA)
    with pytest.raises(EditRefused):
        Signature("ada", " ")
    assert session.exec(select(Edit)).all() == []


def test_edits_of_several_processes_stand_in_a_row(database_url: str) -> None:
    engine = open_database(database_url)
    with open_session(engine) as session:
        load(session)

    def reword(name: str) -> None:
        with open_session(engine) as session:
            for turn in range(5):
                reword_claim(session, find_claim(session, "c1"), f"{name} {turn}.", ADA)

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(reword, "ABC")) == [None] * 3
    with open_session(engine) as session:
        numbers = [e["revision"] for e in read_history(session, find_claim(session, "c1"))
                   if e["event"] == "revision"]  # fmt: skip
        assert sorted(numbers) == list(range(1, 17))
        assert find_claim(session, "c1").revision_number == 16
    engine.dispose()


def snapshot(session: Session) -> dict[str, Any]:
    """The library less its journal: edits, and revisions that are no longer in force."""
    claims = {}
    for claim in session.exec(select(Claim)).all():
        values = claim.model_dump(exclude={"revision_number"})
        revision = session.exec(
            select(ClaimRevision).where(
                ClaimRevision.claim_id == claim.id, ClaimRevision.number == claim.revision_number
            )
        ).one()
        wording = revision.model_dump(exclude={"id", "number", "author", "reason", "created_at"})
        lines = session.exec(select(LineClaim.line_id).where(LineClaim.claim_id == claim.id)).all()
        claims[claim.handle] = (values, wording, sorted(lines))
    return claims


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["reword", "edit", "split", "merge", "retire"]),
        st.integers(0, 8),
        st.integers(0, 8),
    ),
    max_size=7,
)


def apply(session: Session, kind: str, first: int, second: int) -> bool:
    claims = session.exec(select(Claim).order_by(Claim.id)).all()  # type: ignore[arg-type]
    claim, other = claims[first % len(claims)], claims[second % len(claims)]
    try:
        if kind == "reword":
            reword_claim(session, claim, f"Heat costs {first}% of {second} decks.", ADA)
        elif kind == "edit":
            edit_claim(session, claim, ADA, limit=str(second), scope={"scale": str(first)})
        elif kind == "split":
            split_claim(session, claim, [f"Part {first}.", f"Other part {second}."], ADA)
        elif kind == "merge":
            merge_claim(session, claim, other, ADA)
        else:
            retire_claim(session, claim, ADA)
    except EditRefused:
        return False
    return True


@settings(
    max_examples=40, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(operations=OPERATIONS)
def test_as_many_undos_as_edits_give_the_same_library(
    session: Session, operations: list[tuple[str, int, int]]
) -> None:
    if not list_claims(session):
        load(session)
    before = snapshot(session)
    made = sum(apply(session, *operation) for operation in operations)
    for _ in range(made):
        undo_edit(session, ADA)
    assert snapshot(session) == before
