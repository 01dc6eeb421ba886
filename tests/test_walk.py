"""What a curator stumbled over on a first walk: each test is one stumble."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlmodel import Session, select

from claims.importing import import_bytes
from claims.queries import list_claims
from db.errors import DocumentRefused, UsageError
from db.models import Line, MissEstimate, Note
from ingest.commands.poll import _read_span
from ingest.harvest_summary import name_some
from ingest.misses import describe_misses
from reassay.cli import _join_lines, run
from reassay.settings import read_settings
from reports.line_page import build_line_page
from reports.night_record import read_night
from reports.rendering import render
from reports.sources import IdGate
from reports.stances import SHOWN_PROPOSALS
from reports.writing import write_report
from tests.documents import write_line
from tests.report_store import (
    NEWER_ABSTRACT,
    NEWER_SENTENCE,
    TODAY,
    add_night,
    add_paper,
    add_stance,
    add_verdict,
    fill_library,
    read_claims,
)


def test_our_own_pages_are_refused_and_take_no_lines_place(
    session: Session, tmp_path: Path
) -> None:
    fill_library(session)
    before = [(line.slug, line.content_hash) for line in session.exec(select(Line))]
    pages = write_report(
        session, night_id=2, out=tmp_path, formats=("md", "html"), line=None, today=TODAY
    )
    assert len(pages) == 4
    for page in pages:
        with pytest.raises(DocumentRefused, match="a page that reassay wrote"):
            import_bytes(session, Path(page).read_bytes(), str(page))
    assert [(line.slug, line.content_hash) for line in session.exec(select(Line))] == before


def test_a_line_that_speaks_of_a_night_is_no_page_of_ours(session: Session) -> None:
    text = write_line(question="Is the Night of 24 Nov · run long?")
    assert import_bytes(session, text.encode(), "line.txt").is_new


def test_a_hub_is_never_called_silent(session: Session) -> None:
    import_bytes(session, write_line().encode(), "line.txt")
    note_ids = {note.id for note in session.exec(select(Note).where(Note.kind == "hub"))}
    night = add_night(session)
    for claim in read_claims(session):
        is_hub = claim.note_id in note_ids
        add_verdict(
            session, claim, night, literature="silent",
            **({"grounding": "hub", "headline": None} if is_hub else {}),
        )  # fmt: skip
    words = {(row.grounding == "hub", row.literature) for row in list_claims(session)}
    assert words == {(True, None), (False, "silent")}


def test_a_future_day_is_called_that() -> None:
    today = datetime(2026, 11, 24, tzinfo=UTC)
    with pytest.raises(UsageError, match="2027-01-01 is in the future"):
        _read_span(datetime(2027, 1, 1, tzinfo=UTC), None, today.date())
    with pytest.raises(UsageError, match="swap them"):
        _read_span(
            datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC), today.date()
        )


def test_what_was_found_is_never_printed_as_nothing() -> None:
    row = MissEstimate(
        night_id=1, judge="j", below_cut=2750, sampled=17, found=1,
        miss_rate=0.0004, miss_rate_low=0, miss_rate_high=0.278,
    )  # fmt: skip
    told = describe_misses(row)
    assert "1 bears on its claim" in told and "< 0.1% [0.0%, 27.8%]" in told
    row.found, row.miss_rate = 0, 0.0
    assert ": 0.0% [" in describe_misses(row)


@pytest.mark.parametrize(
    ("noun", "names", "expected"),
    [
        ("announced paper", ["a", "b"], "2 announced papers (a, b)"),
        ("paper that claims rest on", ["a", "b"], "2 papers that claims rest on (a, b)"),
        ("paper that claims rest on", ["a"], "1 paper that claims rest on (a)"),
    ],
)
def test_ids_are_called_what_they_are(noun: str, names: list[str], expected: str) -> None:
    assert name_some(names, noun) == expected


def test_a_file_that_is_no_metadata_gets_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REASSAY_HOME", str(tmp_path / "home"))
    (tmp_path / "bin.dat").write_bytes(b"\xfe\x00\x01" * 100)
    assert run(["papers", "load", str(tmp_path / "bin.dat")]) == 1
    out, err = capsys.readouterr()
    assert out.strip() == "" and err.count("\n") == 1 and "not arXiv metadata" in err


def test_doctor_looks_at_the_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REASSAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REASSAY_SNAPSHOT", str(tmp_path / "nothing.xz"))
    monkeypatch.setenv("REASSAY_ARXIV_API_URL", "http://127.0.0.1:9/api/query")
    assert run(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert "bad   snapshot" in out and "not well: snapshot" in err
    assert "set REASSAY_SNAPSHOT" not in out and "0 lines, 0 claims" in out


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("REASSAY_ARXIV_API_URL", "htp://export.arxiv.org/api", "arxiv_api_url: 'htp://"),
        ("REASSAY_JUDGE_URL", "127.0.0.1:8080", "judge_url: '127.0.0.1:8080' is no address"),
        ("REASSAY_DEVICE", "tpu", "write auto, cpu or cuda"),
        ("REASSAY_JUDG", "x", "did you mean REASSAY_JUDGE?"),
        ("REASSAY_QWERTY", "x", "known: REASSAY_ARXIV_API_URL"),
    ],
)
def test_a_setting_with_a_slip_is_refused(variable: str, value: str, expected: str) -> None:
    with pytest.raises(UsageError, match=re.escape(expected)):
        read_settings({variable: value}, {})


def test_settings_that_stand_as_they_did() -> None:
    environment = {"REASSAY_ARXIV_FEED_URL": "", "REASSAY_JUDGE_URL": "", "REASSAY_DEVICE": "cuda"}
    assert read_settings(environment, {}).device == "cuda"


def test_help_is_wrapped_by_the_terminal_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert _join_lines("One\ntwo.\n\nThree\nfour.\nExample: x") == (
        "One two.\n\nThree four.\n\nExample: x"
    )
    assert run(["decide", "--help"]) == 0
    assert "Example: reassay decide" in capsys.readouterr().out


def test_a_wrong_day_says_how_days_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REASSAY_HOME", str(tmp_path))
    assert run(["ingest", "poll", "--since", "2024-13-01"]) == 2
    told = capsys.readouterr().err
    assert "'2024-13-01' is no day: YYYY-MM-DD" in told and "Value error" not in told


@pytest.mark.parametrize(("more", "expected"), [(1, "1 more proposal"), (2, "2 more proposals")])
def test_one_proposal_is_not_called_several(session: Session, more: int, expected: str) -> None:
    line = fill_library(session)
    one = read_claims(session)[0]
    for n in range(SHOWN_PROPOSALS - 1 + more):
        paper = add_paper(session, f"2606.1{n:04d}", NEWER_ABSTRACT, published=TODAY)
        add_stance(session, one, paper, "relaxes", NEWER_SENTENCE)
    gate = IdGate(session)
    page = build_line_page(session, line, read_night(session, 2, gate), TODAY, gate)
    for ending in ("md", "html"):
        text = render("line", ending, page)
        assert re.search(rf"{expected}(\.</p>|\n)", text)
