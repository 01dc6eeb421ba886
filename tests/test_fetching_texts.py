"""Full texts from arXiv's HTML pages: over real HTTP, with faults, into both databases."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from db.columns import stored_id
from db.engine import open_database, open_session
from db.errors import FullTextRefused, QuestionRefused, SourceUnavailable
from db.models import Candidate, Claim, ClaimRevision, HarvestWindow, Night, Paper, PaperText
from ingest.full_texts import FRONT, name_section, read_full_text
from ingest.sources.full_text_pages import (
    LEAST_DELAY_S,
    LIMITS,
    FullTextPages,
    open_full_text_pages,
)
from ingest.sources.patience import Patience
from ingest.sources.politeness import STAMP_FILE, Clock, RequestPacer
from ingest.text_fetching import TextSummary, fetch_candidate_texts, find_wanted_texts
from tests.arxiv_server import FakeClock
from tests.command_line import reassay
from tests.index_server import IndexServer, Reply, cut_off, fail, flood, run_index_server
from tests.papers_and_claims import add_claim, add_line, add_paper, add_version

SENTENCE = "Ordered decks give up to 42% more sorted cards than shuffled ones do."
PAGE = f"""<!doctype html><html><body><nav>Skip me</nav>
<article class="ltx_document"><h1>Warm decks</h1>
<section><h2>1 Results</h2><p>{SENTENCE}</p><p>{"We sorted warm decks again. " * 12}</p></section>
<section class="ltx_bibliography"><h2>References</h2><p>Nobody et al.</p></section>
</article></body></html>""".encode()
NEW, OLD = "2606.29971", "2606.10001"
UNREADABLE = {
    "no paper": fail(200, b"<html><title>Conversion failed</title></html>"),
    "json": fail(200, b'{"detail": "no"}'),
    "garbage": fail(200, b"\x00\xff" * 50),
    "huge": flood,
    "empty paper": fail(200, b'<article class="ltx_document"><p>Soon.</p></article>'),
}


def answer(path: str, parameters: dict[str, str]) -> Reply:
    has_html = path.startswith("/html/") and path.removeprefix("/html/") in {f"{NEW}v2", f"{OLD}v1"}
    return (200, PAGE, {"Content-Type": "text/html"}) if has_html else (404, b"no HTML", {})


@pytest.fixture
def server() -> Iterator[IndexServer]:
    with run_index_server(answer) as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pages(server: IndexServer, tmp_path: Path, clock: FakeClock) -> FullTextPages:
    return open_pages(server, tmp_path, clock)


def open_pages(server: IndexServer, home: Path, clock: FakeClock) -> FullTextPages:
    ticks = Clock(clock.sleep, clock.monotonic, clock.wall)
    return open_full_text_pages(home, f"{server.url}/html", 3.0, "", ticks)


def fill(session: Session, *versions: tuple[str, int]) -> list[Paper]:
    claim = add_claim(session, add_line(session), "c1", "Ordered decks help.")
    return [add_candidate(session, claim, *version, rank) for rank, version in enumerate(versions)]


def add_candidate(session: Session, claim: Claim, arxiv_id: str, version: int, rank: int) -> Paper:
    paper = add_paper(session, arxiv_id, f"Paper {arxiv_id}", "We sort.")
    if version > 1:
        add_version(session, paper, f"Paper {arxiv_id}", "We sort better.", version)
    revision = session.exec(select(ClaimRevision).where(ClaimRevision.claim_id == claim.id)).one()
    session.add(
        Candidate(
            claim_id=stored_id(claim.id), claim_revision_id=stored_id(revision.id),
            paper_id=stored_id(paper.id), ranker="r1", rank=rank, score=1.0, lexical_score=1.0,
        )
    )  # fmt: skip
    session.commit()
    return paper


def run(engine: Engine, pages: FullTextPages, most: int = 10) -> TextSummary:
    return fetch_candidate_texts(engine, pages, most, night_id=None, report_progress=lambda _: None)


def read_windows(engine: Engine) -> list[HarvestWindow]:
    with open_session(engine) as session:
        return list(session.exec(select(HarvestWindow).order_by(col(HarvestWindow.id))))


def test_the_newest_version_is_fetched_and_stored_with_its_sections(
    any_engine: Engine, pages: FullTextPages, server: IndexServer
) -> None:
    with open_session(any_engine) as session:
        paper_id = stored_id(fill(session, (NEW, 2))[0].id)
    assert run(any_engine, pages).stored == 1
    assert [asked.path for asked in server.asked] == [f"/html/{NEW}v2"]
    with open_session(any_engine) as session:
        stored = session.exec(select(PaperText)).one()
        assert (stored.version, stored.source) == (2, "arxiv.org/html")
        text = read_full_text(session, paper_id, 2)
        assert text is not None
        start = text.text.index(SENTENCE)
        assert name_section(text, start) == "1 Results"
        assert name_section(text, 10**6) == FRONT
        assert "Nobody" not in text.text and "Skip me" not in text.text
        assert read_full_text(session, paper_id, 1) is None
    assert run(any_engine, pages).asked == 0
    [window] = read_windows(any_engine)
    assert (window.source, window.purpose, window.query) == ("arxiv-html", "full text", f"{NEW}v2")
    assert window.is_complete and window.finished_at


def test_the_best_ranked_come_first_and_no_more_than_asked_for(
    engine: Engine, session: Session
) -> None:
    papers = fill(session, (NEW, 2), (OLD, 1), ("2606.10002", 1))
    papers[1].is_withdrawn = True
    session.add(papers[1])
    session.commit()
    assert [paper.id for paper in find_wanted_texts(session, 5)] == [NEW, "2606.10002"]
    assert [paper.id for paper in find_wanted_texts(session, 1)] == [NEW]


@pytest.mark.parametrize(
    "reply", [fail(404, b"gone"), fail(302, b"", Location="/elsewhere"), fail(301)]
)
def test_no_html_is_remembered_for_a_while(
    any_engine: Engine, pages: FullTextPages, server: IndexServer, reply: object
) -> None:
    with open_session(any_engine) as session:
        fill(session, (NEW, 2))
    server.always = reply  # type: ignore[assignment]
    summary = run(any_engine, pages)
    assert (summary.without_html, summary.stored, summary.unanswered) == (1, 0, [])
    assert len(server.asked) == 1  # no redirect was followed
    assert run(any_engine, pages).asked == 0
    with open_session(any_engine) as session:
        window = session.exec(select(HarvestWindow)).one()
        window.started_at -= timedelta(days=31)
        session.add(window)
        session.commit()
    server.always = None
    assert run(any_engine, pages).stored == 1


def test_a_new_version_is_asked_for_although_the_old_one_had_no_html(
    engine: Engine, session: Session, pages: FullTextPages
) -> None:
    [paper] = fill(session, (NEW, 1))
    assert run(engine, pages).without_html == 1
    add_version(session, paper, "Paper", "We sort best.", 2)
    assert run(engine, pages).stored == 1


@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_unreadable_page_is_not_checked_and_others_still_are(
    engine: Engine, session: Session, server: IndexServer, tmp_path: Path, clock: FakeClock,
    kind: str,
) -> None:  # fmt: skip
    fill(session, (NEW, 2), (OLD, 1))
    server.faults.extend([UNREADABLE[kind]] * (1 if kind == "empty paper" else 2))
    summary = run(engine, open_pages(server, tmp_path, clock))
    assert summary.stored == 1
    assert len(summary.unanswered) == 1 and f"{NEW}v2" in summary.unanswered[0]
    for _ in range(2):
        server.faults.extend([UNREADABLE[kind]] * (1 if kind == "empty paper" else 2))
        assert run(engine, open_pages(server, tmp_path, clock)).asked == 1
    assert run(engine, open_pages(server, tmp_path, clock)).asked == 0  # given up for a month


@pytest.mark.parametrize("status", [403, 406, 429, 500, 503])
def test_throttling_ends_the_run_and_the_rest_is_named(
    engine: Engine, session: Session, pages: FullTextPages, server: IndexServer, status: int,
) -> None:  # fmt: skip
    fill(session, (NEW, 2), (OLD, 1))
    server.always = fail(status)
    summary = run(engine, pages)
    assert "2 full texts" in summary.unanswered[0] and "throttling" in summary.unanswered[0]
    windows = read_windows(engine)
    assert [w.is_complete for w in windows] == [False, False]
    server.always = None
    with pytest.raises(SourceUnavailable, match="not asked"):
        pages.fetch(NEW, 2)


def test_a_broken_connection_is_tried_again(
    engine: Engine, session: Session, pages: FullTextPages, server: IndexServer
) -> None:
    fill(session, (NEW, 2))
    server.faults.extend([cut_off])
    assert run(engine, pages).stored == 1


def test_a_pause_that_arxiv_asks_for_holds_for_all_of_its_interfaces(
    pages: FullTextPages, server: IndexServer, tmp_path: Path, clock: FakeClock
) -> None:
    server.always = fail(429, b"", Retry_After="3600")
    with pytest.raises(SourceUnavailable):
        pages.fetch(NEW, 2)
    ticks = Clock(clock.sleep, clock.monotonic, clock.wall)
    api = RequestPacer(tmp_path, 3.0, ticks)
    assert (tmp_path / STAMP_FILE).exists()
    with pytest.raises(SourceUnavailable, match="pause"), api.turn(60):
        pass


def test_requests_keep_three_seconds_apart(
    engine: Engine, session: Session, pages: FullTextPages, clock: FakeClock
) -> None:
    fill(session, (NEW, 2), (OLD, 1), ("2606.10002", 1))
    began_s = clock.now_s
    run(engine, pages)
    assert clock.now_s - began_s >= 6.0


def test_arxiv_itself_is_never_asked_faster(tmp_path: Path) -> None:
    pages = open_full_text_pages(tmp_path, "https://arxiv.org/html", 0.0, "")
    server: Patience = pages._server
    assert server._pacer.delay_s == LEAST_DELAY_S
    assert LIMITS.body_bytes <= 20 * 2**20


@pytest.mark.parametrize("bad", ["2606.29971/../x", "2606.29971v2", "../etc", "", "2606.29971?a"])
def test_an_id_that_is_none_never_reaches_a_url(
    pages: FullTextPages, server: IndexServer, bad: str
) -> None:
    with pytest.raises(QuestionRefused):
        pages.fetch(bad, 1)
    with pytest.raises(QuestionRefused):
        pages.fetch(NEW, -1)
    assert server.asked == []


def test_a_kill_between_asking_and_storing_leaves_the_text_to_be_asked_for(
    engine: Engine, session: Session, pages: FullTextPages
) -> None:
    fill(session, (NEW, 2))
    session.add(HarvestWindow(source="arxiv-html", purpose="full text", query=f"{NEW}v2"))
    session.commit()
    assert run(engine, pages).stored == 1


def test_a_night_taken_up_again_fetches_no_more_than_it_may(
    engine: Engine, session: Session, pages: FullTextPages
) -> None:
    fill(session, (NEW, 2), (OLD, 1))
    night = Night(profile="smoke", budget_s=1.0)
    session.add(night)
    session.commit()
    for stored in (1, 0):
        summary = fetch_candidate_texts(
            engine, pages, 1, night_id=night.id, report_progress=lambda _: None
        )
        assert summary.stored == stored


def test_full_texts_are_not_exported() -> None:
    folder = Path(__file__).parent.parent / "claims" / "exporting"
    names = [file for file in folder.glob("*.py") if "PaperText" in file.read_text()]
    assert names == []


# The command.


def test_the_command_fetches_refuses_and_says_what_did_not_come(
    tmp_path: Path, server: IndexServer
) -> None:
    home = tmp_path / "home"
    engine = open_database(f"sqlite:///{home / 'reassay.db'}")
    with open_session(engine) as session:
        add_paper(session, NEW, "A paper", "We sort.")
        add_version(session, session.exec(select(Paper)).one(), "A paper", "We sort on.", 2)
    engine.dispose()
    settings = {
        "REASSAY_ARXIV_HTML_URL": f"{server.url}/html",
        "REASSAY_ARXIV_DELAY_S": "0",
        "REASSAY_ARXIV_API_URL": server.url,
        "REASSAY_ARXIV_OAI_URL": server.url,
    }
    done = reassay(home, "papers", "fetch", NEW, f"{NEW}v1", **settings)
    assert done.returncode == 0, done.stderr
    assert f"arXiv:{NEW}v2  stored: " in done.stdout and f"{NEW}v1  no HTML" in done.stdout
    unknown = reassay(home, "papers", "fetch", "2606.99999", **settings)
    assert unknown.returncode == 1 and "the store has no paper" in unknown.stderr
    server.always = fail(503, b"", Retry_After="9999")
    failed = reassay(home, "papers", "fetch", NEW, "--json", **settings)
    assert failed.returncode == 3 and "throttling" in failed.stdout


def test_the_refused_page_says_how_little_it_holds(
    engine: Engine, session: Session, pages: FullTextPages, server: IndexServer
) -> None:
    from claims.arxiv_ids import parse_arxiv_id
    from ingest.text_fetching import fetch_full_text

    fill(session, (NEW, 2))
    server.always = UNREADABLE["empty paper"]
    wanted = parse_arxiv_id(NEW)
    assert wanted is not None
    with pytest.raises(FullTextRefused, match="letters"):
        fetch_full_text(engine, pages, wanted)
