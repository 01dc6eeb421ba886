"""Findings of one line that use a word both ways stand side by side under the second task."""

from datetime import date
from pathlib import Path

import pytest
from sqlmodel import Session, select

from claims.disagreements import find_disagreements
from claims.importing import import_file
from db.models import Finding, Line
from reports.writing import write_report

DENIED = "Heat and practice are substitutable levers, not independent ones"
SAID = "Order and practice are independent axes beside heat"


def make(position: int, text: str) -> Finding:
    return Finding(line_id=1, position=position, text=text, raw=text)


@pytest.mark.parametrize("turned", [False, True])
def test_a_word_used_both_ways_is_found_in_either_order(turned: bool) -> None:
    texts = [SAID, DENIED] if turned else [DENIED, SAID]
    (pair,) = find_disagreements([make(i, text) for i, text in enumerate(texts)])
    assert (pair.word, pair.denied_text, pair.said_text) == ("independent", DENIED, SAID)
    assert (pair.denied_in, pair.said_in) == ((2, 1) if turned else (1, 2))


@pytest.mark.parametrize(
    "other",
    [
        "Ducks are independent animals",  # about something else
        "Order and practice are axes beside heat",  # the word is not there
        "Order and practice are not independent axes beside heat",  # both deny it
    ],
)
def test_what_does_not_disagree_is_left_alone(other: str) -> None:
    assert find_disagreements([make(0, DENIED), make(1, other)]) == []


@pytest.mark.real_data
def test_the_seed_shows_its_first_and_fifth_finding_together(
    session: Session, test_data: Path, tmp_path: Path
) -> None:
    import_file(session, test_data / "seed" / "inference-compute-substitution.txt")
    pairs = find_disagreements(session.exec(select(Finding)).all())
    assert ("independent", 1, 5) in [(p.word, p.denied_in, p.said_in) for p in pairs]
    line = session.exec(select(Line)).one()
    pages = write_report(
        session, night_id=None, out=tmp_path, formats=("md", "html"), line=line,
        today=date(2026, 11, 24),
    )  # fmt: skip
    texts = [page.read_text() for page in pages if page.name.startswith("line-")]
    assert len(texts) == 2
    assert all("Findings 1 and 5 use “independent” both ways" in text for text in texts)
