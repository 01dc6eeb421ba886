"""One search over claims, notes and papers, on both databases."""

from datetime import date

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from claims.documents import normalise_text
from claims.edit_journal import Signature
from claims.editing import retire_claim, reword_claim
from claims.importing import import_text
from claims.queries import find_claim
from claims.search import KINDS, search_library
from db.engine import open_session
from db.errors import UsageError
from tests.documents import write_line
from tests.papers_and_claims import add_paper

WHY = Signature("ada", "because")


def load(session: Session) -> None:
    import_text(session, normalise_text(write_line()), "test")
    add_paper(
        session, "2601.00001", "Sorted [cards] in decks", "A deck of cards.", date(2026, 1, 1)
    )


def test_hits_of_every_kind_mark_exact_spans(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        load(session)
        hits = search_library(session, "sorted decks")
        assert {hit.kind for hit in hits} == set(KINDS)
        assert {hit.name for hit in hits} >= {"c3", "2601.00001", "how-should-decks-be-chosen"}
        for hit in hits:
            words = [hit.excerpt[start:end].lower() for start, end in hit.spans]
            assert words
            assert all(word.startswith(("sort", "deck")) for word in words)
            assert not {"\x02", "\x03"} & set(hit.excerpt)
        first = {kind: next(hit for hit in hits if hit.kind == kind) for kind in KINDS}
        assert [hit.kind for hit in hits[:3]] == list(KINDS)  # the best of each kind lead
        assert first["claims"].name == "c3"


def test_only_the_asked_kinds_and_no_more_than_asked(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        load(session)
        assert {hit.kind for hit in search_library(session, "decks", ["notes"])} == {"notes"}
        assert len(search_library(session, "decks", limit=1)) == 1
        assert search_library(session, "the of", KINDS) == []
        assert search_library(session, "zebra", KINDS) == []
        with pytest.raises(UsageError):
            search_library(session, "decks", ["pages"])


@pytest.mark.parametrize("query", ["decks' OR 1=1 --", 'a" OR "b', "NEAR(x y)", "deck*", "a & | !"])
def test_operators_are_words(any_engine: Engine, query: str) -> None:
    with open_session(any_engine) as session:
        load(session)
        search_library(session, query)


def test_search_follows_edits(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        load(session)
        reword_claim(session, find_claim(session, "c2"), "Zebras choose decks.", WHY)
        retire_claim(session, find_claim(session, "c3"), WHY)
        assert [hit.name for hit in search_library(session, "zebra", ["claims"])] == ["c2"]
        retired = {hit.name: hit.is_retired for hit in search_library(session, "decks", ["claims"])}
        assert retired == {"c2": False, "c3": True}
