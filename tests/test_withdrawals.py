"""Withdrawn and revised papers: recognised, dated, told on the next page, no longer counted."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from claims.commands.show import _mark
from claims.importing import import_text
from claims.literature import SearchExtent, conclude_literature
from claims.reading import current_revision, read_claim
from claims.withdrawn_sources import find_withdrawn_sources
from db.columns import stored_id, utc_now
from db.engine import open_database, open_session
from db.models import Claim, Evidence, HarvestWindow, Night, NightStep, Paper, PaperVersion, Verdict
from ingest.commands.show_paper import _format, describe_paper
from ingest.harvest import harvest
from ingest.papers import store_papers
from ingest.sources.arxiv_api import ArxivApi
from ingest.sources.politeness import Clock, RequestPacer
from ingest.sources.records import PaperRecord, is_withdrawal
from ingest.sources.withdrawal_notices import is_withdrawal_notice
from ingest.withdrawals import find_watched_ids, stamp_withdrawals
from reassay.night import run as night_module
from reassay.night.context import NightContext, StepResult
from reassay.night.run import NightResult, run_night
from reassay.settings import Settings, read_settings
from reports.paper_news import read_paper_news
from tests.arxiv_server import FakeClock, InventedPaper, run_arxiv_server
from tests.documents import write_line
from tests.papers_and_claims import add_claim, add_line, add_paper, add_version

TODAY = date(2026, 11, 24)
ANCHOR, NEWER = "2505.13379", "2606.29971"
OLD_SENTENCE = "Ordered decks give up to 42% more sorted cards."
ABSTRACT = f"We sort warm decks. {OLD_SENTENCE} No kettle was hurt."
QUOTE = "We show that ordered decks give more sorted cards."
NEWER_ABSTRACT = f"Prior work was divided. {QUOTE} So it goes."

# Recognition: invented comments, one for each way that authors say it.
NOTICES = (
    "Withdrawn by the authors: the proof has a gap",
    "This paper has been withdrawn due to an error in Table 2",
    "arXiv admin note: this submission has been withdrawn by arXiv administrators",
    "We found a bug in the sorter and are withdrawing this paper until it is mended.",
    "Data were mislabelled. We therefore request withdrawal of the manuscript.",
    "The authors have decided to withdraw.",
    "I would like to ask for the withdrawal of my submission",
    "This manuscript (arXiv:2606.29971) is being withdrawn at our request",
    "The results do not hold, and the paper needs to be withdrawn",
)
OTHERS = (
    "Replaces withdrawn arXiv:2505.13379",
    "Accepted to a workshop, later withdrawn",
    "This paper was withdrawn from the proceedings for lack of travel funds",
    "A revised version of a previously withdrawn manuscript",
    "A study of withdrawal symptoms; 12 pages",
    "Uploaded twice by mistake; the copy, which we have asked to withdraw, is 2602.00001",
    "Earlier versions are withdrawn, please read the newest",
    "12 pages, 3 figures",
    "",
)
# Of the real comments that mention a withdrawal, those that speak of another paper or of a
# venue, and two that cannot be told from the comment alone.
NOT_OF_ITSELF = set(
    "2402.11094 2408.09253 2408.10517 2410.08207 2411.14243 2502.12119 2502.12716 2506.18094 "
    "2509.11782 2510.08779 2601.09461 2603.04848 2606.01120".split()
)
UNDECIDED = {"2410.15959", "2503.18681"}


@pytest.mark.parametrize("comment", NOTICES)
def test_a_notice_is_recognised_in_the_authors_own_words(comment: str) -> None:
    assert is_withdrawal_notice(comment)


@pytest.mark.parametrize("comment", OTHERS)
def test_a_withdrawal_of_something_else_is_none(comment: str) -> None:
    assert not is_withdrawal_notice(comment)


def test_an_abstract_about_withdrawing_money_is_no_notice() -> None:
    record = PaperRecord(ANCHOR, 1, "Banks", "We withdraw the paper notes and count them.")
    assert not is_withdrawal(record)


def test_recall_and_precision_on_real_comments(test_data: Path) -> None:
    file = test_data / "corpus" / "withdrawn_candidates.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    told = [row for row in rows if row["id"] not in UNDECIDED]
    found = {row["id"] for row in told if is_withdrawal_notice(row["comment"])}
    real = {row["id"] for row in told} - NOT_OF_ITSELF
    assert len(found & real) / len(real) >= 0.97
    assert len(found & real) / len(found) >= 0.97


# The date.


def test_a_withdrawal_is_dated_once(any_engine: Engine) -> None:
    first, later = datetime(2026, 11, 24, 3, tzinfo=UTC), datetime(2026, 11, 25, 3, tzinfo=UTC)
    withdrawn = record(ANCHOR, 2, comment="Withdrawn by the authors")
    store_papers(any_engine, [withdrawn, record(NEWER, 1)], "api")
    assert stamp_withdrawals(any_engine, first) == 1
    assert stamp_withdrawals(any_engine, later) == 0
    assert seen_at(any_engine) == {ANCHOR: first, NEWER: None}
    store_papers(any_engine, [record(ANCHOR, 3, comment="Now mended")], "api")
    assert stamp_withdrawals(any_engine, later) == 1
    assert seen_at(any_engine)[ANCHOR] is None
    store_papers(any_engine, [record(ANCHOR, 4, comment="Withdrawn again")], "api")
    stamp_withdrawals(any_engine, later)
    assert seen_at(any_engine)[ANCHOR] == later


def record(arxiv_id: str, version: int | None, comment: str | None = None) -> PaperRecord:
    return PaperRecord(arxiv_id, version, f"Title {arxiv_id}", ABSTRACT, comment=comment)


def seen_at(engine: Engine) -> dict[str, datetime | None]:
    with open_session(engine) as session:
        return {paper.arxiv_id: paper.withdrawn_seen_at for paper in session.exec(select(Paper))}


# What it does to a claim.


def confirm(session: Session, claim: Claim, paper: Paper, stance: str = "supports") -> Evidence:
    row = Evidence(
        claim_id=stored_id(claim.id),
        claim_revision_id=stored_id(current_revision(session, claim).id),
        paper_id=stored_id(paper.id),
        paper_version_id=stored_id(paper.version_id),
        stance=stance, status="confirmed", quote=QUOTE, section="abstract",
        quote_start=paper.abstract.find(QUOTE), quote_end=paper.abstract.find(QUOTE) + len(QUOTE),
        judge="test",
    )  # fmt: skip
    session.add(row)
    session.commit()
    return row


def test_confirmed_evidence_of_a_withdrawn_paper_no_longer_counts(session: Session) -> None:
    claim = add_claim(session, add_line(session), "c1", "Ordered decks help.")
    paper = add_paper(session, NEWER, "Decks", NEWER_ABSTRACT, date(2026, 6, 29))
    confirm(session, claim, paper)
    extent = SearchExtent(TODAY, 100, "arXiv")
    assert conclude_literature(session, claim, extent, TODAY).literature == "supported"
    paper.is_withdrawn = True
    session.add(paper)
    session.commit()
    state = conclude_literature(session, claim, extent, TODAY)
    assert (state.literature, state.independent_for) == ("silent", 0)
    assert state.detail["withdrawn_ids"] == [NEWER]
    assert state.detail["confirmed_ids"] == []


def test_claims_are_found_through_anchors_and_confirmed_evidence(session: Session) -> None:
    line = add_line(session)
    anchored = add_claim(session, line, "c1", "One.", anchor=ANCHOR)
    quoted = add_claim(session, line, "c2", "Two.")
    free = add_claim(session, line, "c3", "Three.", anchor="2505.00001")
    add_claim(session, line, "c4", "What of decks?", kind="hub", anchor=ANCHOR)
    add_claim(session, line, "c5", "Gone.", is_retired=True, anchor=ANCHOR)
    papers = [add_paper(session, i, "Decks", NEWER_ABSTRACT) for i in (ANCHOR, NEWER)]
    confirm(session, quoted, papers[1])
    for paper in papers:
        paper.is_withdrawn, paper.withdrawn_seen_at = True, datetime(2026, 11, 24, tzinfo=UTC)
        session.add(paper)
    session.commit()
    found = find_withdrawn_sources(session)
    assert set(found) == {anchored.id, quoted.id} and free.id not in found
    assert found[stored_id(anchored.id)][0].describe() == (
        f"arXiv:{ANCHOR} (its source), first seen on 2026-11-24"
    )
    assert "no longer counted" in found[stored_id(quoted.id)][0].describe()


def test_show_says_when_a_withdrawal_was_first_seen(session: Session) -> None:
    claim = add_claim(session, add_line(session), "c1", "One.", anchor=ANCHOR)
    paper = add_paper(session, ANCHOR, "Decks", ABSTRACT)
    paper.is_withdrawn, paper.withdrawn_seen_at = True, datetime(2026, 11, 24, tzinfo=UTC)
    session.add(paper)
    session.commit()
    assert _mark(read_claim(session, claim)["sources"][0]) == "  WITHDRAWN (first seen 2026-11-24)"
    assert _format(describe_paper(session, ANCHOR))[0].endswith("(first seen 2026-11-24)")


# The news of a page.


def begin_night(session: Session, at: datetime) -> int:
    night = Night(profile="smoke", budget_s=1.0, started_at=at)
    session.add(night)
    session.flush()
    report = NightStep(
        night_id=stored_id(night.id), name="report", started_at=at + timedelta(hours=1)
    )
    session.add(report)
    session.commit()
    return stored_id(night.id)


def test_each_revision_is_news_on_one_page_only(session: Session) -> None:
    claim = add_claim(session, add_line(session), "c1", OLD_SENTENCE, anchor=ANCHOR)
    paper = add_paper(session, ANCHOR, "Warm decks", ABSTRACT)
    now = utc_now()
    for row in session.exec(select(PaperVersion)):
        row.seen_at = now - timedelta(days=9)
        session.add(row)
    nights = [begin_night(session, now - timedelta(days=days)) for days in (3, 1)]
    nights.append(begin_night(session, now + timedelta(days=1)))
    add_version(session, paper, "Cold decks", ABSTRACT.replace("42%", "41%"), 2)
    pages = [read_paper_news(session, night) for night in nights]
    assert [count for _, count in pages] == [0, 0, 1]
    [news] = pages[2][0]
    assert news.claims == (claim.handle,)
    assert news.what == (
        "revised: version 1 became version 2",
        "its title changed from “Warm decks” to “Cold decks”",
        "its abstract changed",
    )
    assert news.lost == (f"c1 (its source): “{OLD_SENTENCE}” is no longer in the newest text",)


def test_a_sentence_that_still_stands_is_not_called_lost(session: Session) -> None:
    add_claim(session, add_line(session), "c1", OLD_SENTENCE, anchor=ANCHOR)
    paper = add_paper(session, ANCHOR, "Warm decks", ABSTRACT)
    row = session.exec(select(PaperVersion)).one()
    row.seen_at -= timedelta(days=9)
    session.add(row)
    begin_night(session, utc_now() - timedelta(days=2))
    tonight = begin_night(session, utc_now() + timedelta(hours=1))
    add_version(session, paper, "Warm decks", f"New first words. {ABSTRACT}", 2)
    [news] = read_paper_news(session, tonight)[0]
    assert news.lost == ()


def test_a_new_paper_and_one_that_nothing_rests_on_are_no_news(session: Session) -> None:
    add_claim(session, add_line(session), "c1", OLD_SENTENCE, anchor=ANCHOR)
    tonight = begin_night(session, utc_now() - timedelta(minutes=1))
    add_paper(session, ANCHOR, "Warm decks", ABSTRACT)
    other = add_paper(session, NEWER, "Others", NEWER_ABSTRACT)
    row = session.exec(select(PaperVersion).where(PaperVersion.paper_id == other.id)).one()
    row.seen_at -= timedelta(days=9)
    session.add(row)
    add_version(session, other, "Others", "Anew.", 2)
    assert read_paper_news(session, tonight) == ((), 0)


# Two nights, end to end.


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Callable[[Path], Settings]:
    def make(snapshot: Path) -> Settings:
        flags = {"home": tmp_path / "home", "database_url": database_url, "snapshot": snapshot}
        return read_settings({}, flags)

    return make


@pytest.fixture
def quick_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything real but ranking, judging and training, which these nights do not need."""
    steps = dict(night_module.STEPS)

    def skip(_: NightContext) -> StepResult:
        return StepResult()

    for name in ("triage", "judge", "re-test"):
        steps[name] = skip
    monkeypatch.setattr(night_module, "STEPS", steps)


def write_papers(file: Path, *records: dict[str, Any]) -> Path:
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


def paper(arxiv_id: str, abstract: str, **more: Any) -> dict[str, Any]:
    return {
        "id": arxiv_id, "title": f"Ordered decks, {arxiv_id}", "abstract": abstract,
        "authors": [f"A. {arxiv_id}"], "categories": ["cs.CL"], "published": "2026-09-01",
        "listed": "2026-09-02", **more,
    }  # fmt: skip


def go(settings: Settings) -> NightResult:
    now = datetime(2026, 9, 20, tzinfo=UTC)
    return run_night(
        settings, profile="smoke", budget_s=1.0, report_progress=lambda _: None, now=now
    )


def read_morning(settings: Settings) -> str:
    return (settings.home / "reports" / "latest" / "morning.md").read_text()


def test_anchors_and_evidence_withdrawn_between_two_nights_are_on_the_second_page(
    tmp_path: Path, settings: Callable[[Path], Settings], quick_steps: None
) -> None:
    first = settings(
        write_papers(
            tmp_path / "one.jsonl", paper(ANCHOR, ABSTRACT, version=1), paper(NEWER, NEWER_ABSTRACT)
        )
    )
    engine = open_database(first.database_url)
    with open_session(engine) as session:
        import_text(session, write_line(), "test")
    assert go(first).is_complete
    with open_session(engine) as session:
        claim = session.exec(select(Claim).where(col(Claim.statement).contains("42%"))).one()
        newer = session.exec(select(Paper).where(Paper.arxiv_id == NEWER)).one()
        confirm(session, claim, newer)
        handle = claim.handle
    assert go(first).is_complete
    with open_session(engine) as session:
        before = newest_verdict(session, handle)
        assert (before.headline, before.literature, before.look) == ("HOLDS", "supported", False)
    assert "Withdrawn or revised" not in read_morning(first)

    second = settings(
        write_papers(
            tmp_path / "two.jsonl",
            paper(  # by a new version
                ANCHOR, ABSTRACT, version=2,
                comment="We are withdrawing this manuscript due to a [bug](http://x.example)",
            ),
            paper(NEWER, NEWER_ABSTRACT, comment="This paper has been withdrawn"),  # by a comment
        )
    )  # fmt: skip
    result = go(second)
    assert result.is_complete and result.not_checked == []
    page = read_morning(second)
    assert "## Withdrawn or revised" in page
    for arxiv_id in (ANCHOR, NEWER):
        line = next(row for row in page.splitlines() if row.startswith(f"- arXiv:{arxiv_id}"))
        assert "**WITHDRAWN**" in line and handle in line
    assert "version 1 became version 2" in page
    assert "[bug](http" not in page  # a paper's words are shown, never obeyed
    html = (second.home / "reports" / "latest" / "morning.html").read_text()
    assert "Withdrawn or revised" in html and 'href="http://x.example' not in html
    with open_session(engine) as session:
        after = newest_verdict(session, handle)
        assert (after.headline, after.literature, after.look) == ("UNCHALLENGED", "silent", True)
        assert after.id != before.id
        withdrawn = [line for line in after.moved_by if line.startswith("withdrawn: ")]
        assert any(ANCHOR in line for line in withdrawn)
        assert any(NEWER in line for line in withdrawn)
        verdicts = len(session.exec(select(Verdict)).all())

    assert go(second).is_complete  # the same again is no news, and no verdict
    assert "Withdrawn or revised" not in read_morning(second)
    with open_session(engine) as session:
        assert len(session.exec(select(Verdict)).all()) == verdicts
        versions = session.exec(
            select(PaperVersion).join(Paper).where(Paper.arxiv_id == ANCHOR)
        ).all()
        assert sorted(row.version for row in versions) == [1, 2]  # the old text is kept
    engine.dispose()


def newest_verdict(session: Session, handle: str) -> Verdict:
    query = select(Verdict).join(Claim, col(Claim.id) == Verdict.claim_id)
    found = session.exec(query.where(Claim.handle == handle).order_by(col(Verdict.id).desc()))
    verdict = found.first()
    assert verdict is not None
    return verdict


def test_a_night_whose_citation_index_is_down_is_incomplete_and_says_so(
    tmp_path: Path, quick_steps: None
) -> None:
    snapshot = write_papers(tmp_path / "one.jsonl", paper(ANCHOR, ABSTRACT))
    settings = read_settings(
        {},
        {
            "home": tmp_path / "home",
            "snapshot": snapshot,
            "citations": "openalex",
            "openalex_url": "http://127.0.0.1:9",
        },
    )
    engine = open_database(settings.database_url)
    with open_session(engine) as session:
        import_text(session, write_line(), "test")
    engine.dispose()
    result = go(settings)
    assert not result.is_complete
    assert "OpenAlex did not say who cites 2 anchors" in result.not_checked[0]
    page = read_morning(settings)
    assert "NOT CHECKED" in page and "OpenAlex" in page


# Over the query API, which brings no new version of an old paper by itself.


@dataclass(frozen=True)
class Setup:
    home: Path
    snapshot: Path | None = None
    arxiv_api_url: str = ""
    arxiv_delay_s: float = 3.0
    arxiv_contact: str = ""


def test_an_old_anchor_is_asked_for_again_and_its_withdrawal_seen(
    any_engine: Engine, tmp_path: Path
) -> None:
    with open_session(any_engine) as session:
        add_claim(session, add_line(session), "c1", OLD_SENTENCE, anchor=ANCHOR)
        quoted = add_claim(session, add_line(session, "b-line"), "c2", "Two.")
        add_paper(session, ANCHOR, "On Invented Things", ABSTRACT)
        confirm(session, quoted, add_paper(session, NEWER, "On Others", NEWER_ABSTRACT))
        for n in range(3):
            add_paper(session, f"2605.0000{n}", "Nothing rests on it", ABSTRACT)
        assert find_watched_ids(session) == [ANCHOR, NEWER]
        assert find_watched_ids(session, most=1) == [ANCHOR]
    arxiv = [
        InventedPaper(ANCHOR, "2025-05-19", abstract=ABSTRACT, version=2, comment=NOTICES[3]),
        InventedPaper(NEWER, "2026-06-29", "On Others", NEWER_ABSTRACT, comment=NOTICES[1]),
    ]
    clock = FakeClock()
    pacer = RequestPacer(tmp_path, 3.0, Clock(clock.sleep, clock.monotonic, clock.wall))
    with run_arxiv_server(arxiv) as server:
        harvest(
            any_engine, Setup(tmp_path), night_id=None, today=TODAY,
            report_progress=lambda _: None, source=ArxivApi(server.url, pacer),
        )  # fmt: skip
    assert all(at is not None for i, at in seen_at(any_engine).items() if i in (ANCHOR, NEWER))
    with open_session(any_engine) as session:
        assert session.exec(select(Paper.version).where(Paper.arxiv_id == ANCHOR)).one() == 2
        assert find_watched_ids(session) == []  # not again tonight
        for window in session.exec(select(HarvestWindow)):
            window.started_at -= timedelta(days=1)
            session.add(window)
        session.commit()
        assert find_watched_ids(session) == [ANCHOR, NEWER]
