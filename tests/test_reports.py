"""What the pages say: first sentences, limits, sources, numbers, and text kept inert."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from sqlalchemy import Engine
from sqlmodel import Session, select

from db.columns import stored_id
from db.engine import open_database, open_session
from db.errors import ReportUnwritable, UsageError
from db.models import Anchor, Evidence, Line, Paper, Verdict
from reassay.cli import run
from reports.escaping import escape_markdown
from reports.lead import Lead, LeadFacts, write_lead
from reports.line_page import LinePage, build_line_page
from reports.morning import build_morning
from reports.night_record import find_newest_night, read_night
from reports.numbers import format_interval, format_number, format_region, name_night
from reports.page_names import name_line_page
from reports.sources import IdGate
from reports.writing import publish_latest, write_report, write_whole
from tests.documents import write_line
from tests.report_store import (
    ANCHOR,
    LOCAL,
    NEWER,
    NEWER_SENTENCE,
    SENTENCE,
    STARTED,
    TODAY,
    UNKNOWN,
    add_candidate,
    add_line,
    add_night,
    add_paper,
    add_stance,
    add_verdict,
    add_window,
    fill_library,
    grounded_in,
    read_claims,
)

BOTH = ("md", "html")
CHECKED = LeadFacts(has_night=True, claims=12)
GAP = "arXiv did not answer"


def write(session: Session, out: Path, night: int | None = 2) -> dict[str, str]:
    """Every page by name, as text."""
    pages = write_report(session, night_id=night, out=out, formats=BOTH, line=None, today=TODAY)
    return {page.name: page.read_text(encoding="utf-8") for page in pages}


def build_page(session: Session, line: Line) -> LinePage:
    gate = IdGate(session)
    return build_line_page(session, line, read_night(session, 2, gate), TODAY, gate)


def read_visible(markdown: str) -> str:
    """A page as a reader sees it: rendered, without tags."""
    html = MarkdownIt("commonmark").enable("table").render(markdown)
    text = re.sub(r"<[^>]+>", " ", html).replace("&lt;", "<").replace("&gt;", ">")
    return " ".join(text.replace("&quot;", '"').replace("&amp;", "&").split())


@pytest.mark.parametrize(
    ("facts", "state", "sentence"),
    [
        (
            LeadFacts(has_night=False, claims=0),
            "no-night",
            "The library is empty, and no night has run yet.",
        ),
        (
            LeadFacts(has_night=False, claims=12),
            "no-night",
            "No night has run yet: none of its 12 claims has been checked.",
        ),
        (CHECKED, "quiet", "Nothing changed, and everything was checked."),
        (
            replace(CHECKED, changed=2),
            "changed",
            "2 things changed; all 12 claims were checked.",
        ),
        (
            replace(CHECKED, changed=1, claims=1),
            "changed",
            "1 thing changed; the 1 claim was checked.",
        ),
        (
            replace(CHECKED, gaps=(GAP,), unchecked=12),
            "incomplete",
            "The night was incomplete: arXiv did not answer; 12 claims were NOT checked.",
        ),
        (
            replace(CHECKED, gaps=(f"{GAP}.", "2 seeds failed"), unchecked=1, changed=3),
            "incomplete",
            "The night was incomplete: arXiv did not answer (and 1 more gap); "
            "1 claim was NOT checked.",
        ),
        (
            replace(CHECKED, gaps=("the canary of c04 missed",)),
            "incomplete",
            "The night was incomplete: the canary of c04 missed; "
            "no claim of this library depends on it.",
        ),
        (
            replace(CHECKED, entered=12, is_first=True),
            "first",
            "First night: 12 claims entered the library; all of them were checked.",
        ),
        (
            replace(CHECKED, claims=0),
            "empty",
            "The library is empty: there was nothing to check.",
        ),
        (
            replace(CHECKED, later=2),
            "quiet",
            "Nothing changed; 10 claims were checked, 2 came later and were NOT.",
        ),
    ],
)
def test_the_first_sentence(facts: LeadFacts, state: str, sentence: str) -> None:
    lead = write_lead(facts)
    assert (lead.state, lead.sentence) == (state, sentence)


def test_what_stands_beside_the_first_sentence() -> None:
    incomplete = write_lead(replace(CHECKED, gaps=(GAP,), unchecked=12, entered=12, is_first=True))
    assert incomplete.more == ("First night: 12 claims entered the library.",)
    assert write_lead(replace(CHECKED, entered=3)).more == ("3 claims entered the library.",)


@given(
    changed=st.integers(0, 9),
    entered=st.integers(0, 9),
    is_first=st.booleans(),
    gap=st.text(min_size=1, max_size=300),
)
def test_an_incomplete_night_never_reads_like_a_quiet_one(
    changed: int, entered: int, is_first: bool, gap: str
) -> None:
    facts = replace(
        CHECKED, gaps=(gap,), unchecked=12, changed=changed, entered=entered, is_first=is_first
    )
    lead: Lead = write_lead(facts)
    assert lead.state == "incomplete"
    assert lead.sentence.startswith("The night was incomplete: ")
    assert lead.sentence.endswith("12 claims were NOT checked.")
    assert not any("Nothing changed" in sentence for sentence in (lead.sentence, *lead.more))


def test_the_pages_of_a_night(any_engine: Engine, tmp_path: Path) -> None:
    with open_session(any_engine) as session:
        fill_library(session)
        pages = write(session, tmp_path)
    name = "line-does-a-warmer-kettle-make-a-better-sorter"
    assert set(pages) == {"morning.md", "morning.html", f"{name}.md", f"{name}.html"}
    assert pages["morning.md"].startswith(
        "# Does a warmer kettle make a better sorter?\n\n"
        "Night of 24–25 Nov 2026 · run 0002\n\n"
        "**1 thing changed; all 3 claims were checked.**\n"
    )
    for page in pages.values():
        assert f"arXiv:{NEWER}, abstract, characters 24–73" in page
        assert NEWER_SENTENCE in page
        assert SENTENCE in page
        assert "not confirmed; not counted" in page
    assert not list(tmp_path.glob(".*"))  # no draft is left


def test_a_change_shows_both_sides_and_what_moved_it(session: Session) -> None:
    fill_library(session)
    page = build_morning(session, 2, TODAY)
    (change,) = page.changes
    assert (change.old_headline, change.old_look) == ("UNGROUNDED", False)
    assert (change.new_headline, change.new_look) == ("UNGROUNDED", True)
    assert change.stances[0].quote is not None
    assert change.stances[0].quote.text == NEWER_SENTENCE
    assert change.moved_by == (f"proposed: arXiv:{NEWER} (contradicts)",)


def test_at_most_three_changes_widest_reach_first(session: Session, tmp_path: Path) -> None:
    notes = [(f"Does kettle {n} boil?", f"Kettle {n} boils water in time.") for n in range(6)]
    add_line(session, write_line(notes=notes))
    add_line(session, write_line("Does the sixth kettle boil?", notes=notes[5:]))
    claims = read_claims(session)
    first, second = add_night(session), add_night(session, days=1)
    for claim in claims:
        add_verdict(session, claim, first)
        add_verdict(session, claim, second, headline="STALE", grounding="grounded")
    page = build_morning(session, second.id, TODAY)
    assert page.lead.sentence == "6 things changed; all 6 claims were checked."
    assert [change.state.handle for change in page.changes] == ["c6", "c1", "c2"]
    assert page.changes_rest == 3
    assert "And 3 more." in write(session, tmp_path)["morning.md"]


def test_at_most_ten_items_by_reach_times_strength(session: Session, tmp_path: Path) -> None:
    notes = [(f"Does kettle {n} boil?", f"Kettle {n} boils water in time.") for n in range(14)]
    add_line(session, write_line(notes=notes))
    add_line(session, write_line("Does the fourth kettle boil?", notes=notes[3:4]))
    claims = read_claims(session)
    night = add_night(session)
    for claim in claims:
        add_verdict(session, claim, night)
    for number in range(13):
        paper = add_paper(session, f"2607.{number:05d}", f"Number {number}. Kettles do not boil.")
        claim = claims[3] if number == 0 else claims[number if number != 3 else 0]
        sure = 0.5 + number / 100
        add_stance(session, claim, paper, "contradicts", "Kettles do not boil.", confidence=sure)
    page = build_morning(session, night.id, TODAY)
    assert len(page.items) == 10
    assert page.items_rest == 4  # 13 proposals, and one item for all unanchored claims
    assert page.items[0].handle == "c4"  # two lines at .5 weigh more than one line at .62
    assert "2607.00012" in page.items[2].what or "2607.00012" in page.items[1].what
    assert all(item.quote is not None or item.handle == "" for item in page.items)
    text = write(session, tmp_path, night.id)["morning.md"]
    assert "14 items need you." in text
    assert "And 4 more." in text


def test_an_incomplete_night_names_its_gaps(session: Session, tmp_path: Path) -> None:
    fill_library(session)
    night = add_night(session, not_checked={"harvest": ["arXiv did not answer"]}, days=2)
    add_window(session, night, is_complete=False, error="timeout")
    pages = write(session, tmp_path, night.id)
    expected = "The night was incomplete: arXiv did not answer; 3 claims were NOT checked."
    assert all(expected in read_text(page) for page in pages.values())
    assert "NOT CHECKED** (harvest): arXiv did not answer" in pages["morning.md"]
    assert "0 of 1" in pages["morning.md"]


def read_text(page: str) -> str:
    return page if page.startswith("#") else re.sub(r"<[^>]+>", "", page)


def test_one_unanswered_claim_is_one_unchecked_claim(session: Session) -> None:
    fill_library(session)
    night = add_night(session, not_checked={"harvest": ["arXiv did not answer for c1"]}, days=2)
    one = read_claims(session)[0]
    add_window(session, night, purpose="claim", claim_id=one.id, is_complete=False)
    assert build_morning(session, night.id, TODAY).lead.sentence == (
        "The night was incomplete: arXiv did not answer for c1; 1 claim was NOT checked."
    )


def test_only_claims_with_a_skipped_experiment_count_as_unchecked(session: Session) -> None:
    fill_library(session)
    skipped = {"experiments": {"c04": {"seeds_run": 0, "skipped": "the budget was spent"}}}
    night = add_night(
        session,
        not_checked={"re-test": ["c04 was not run: the budget was spent"]},
        details={"re-test": skipped},
        days=2,
    )
    lead = build_morning(session, night.id, TODAY).lead
    assert lead.sentence.endswith("the budget was spent; 1 claim was NOT checked.")


def test_the_page_says_what_the_budget_went_to(session: Session) -> None:
    fill_library(session)
    rests = "CONSISTENT is established; watched every 30 days, last seed 3 days ago"
    experiments = {
        "c03": {"seeds_run": 1, "outcome": "UNDECIDED (budget)"},
        "c04": {"seeds_run": 0, "skipped": "a seed takes about 40 s, more than was left"},
        "c05": {"seeds_run": 0, "resting": rests},
        "c06": {"seeds_run": 4, "skipped": "a seed takes about 40 s, more than was left"},
    }
    detail = {"experiments": experiments, "budget": {"given_s": 300.0, "spent_s": 281.4}}
    night = add_night(session, details={"re-test": detail}, days=2)
    ends = build_morning(session, night.id, TODAY).open_ends
    assert "Re-tests took 281 s of a budget of 300 s: c03 1 seed, c06 4 seeds." in ends.sentences
    no_seed = "Re-tests that got no seed: c04 (a seed takes about 40 s, more than was left)."
    assert no_seed in ends.sentences
    assert f"Re-tests that rest: c05 ({rests})." in ends.sentences
    assert ends.retests[0].outcome == "undecided (budget)"
    assert ends.retests[2].skipped == rests


def test_a_step_that_never_ran_makes_the_night_incomplete(session: Session) -> None:
    fill_library(session)
    night = add_night(session, left_out=("judge",), days=2)
    lead = build_morning(session, night.id, TODAY).lead
    assert lead.sentence == (
        "The night was incomplete: the judge step did not run; 3 claims were NOT checked."
    )


def test_a_killed_night_is_not_a_quiet_one(session: Session) -> None:
    fill_library(session)
    night = add_night(session, status="started", days=2)
    assert build_morning(session, night.id, TODAY).lead.state == "incomplete"


def test_a_first_night_says_so_and_reports_no_change(session: Session) -> None:
    add_line(session)
    night = add_night(session)
    for claim in read_claims(session):
        add_verdict(session, claim, night)
    page = build_morning(session, night.id, TODAY)
    assert page.lead.sentence.startswith("First night: 3 claims entered the library")
    assert page.changes == ()


def test_a_snapshot_says_up_to_which_day_it_reaches(session: Session, tmp_path: Path) -> None:
    add_line(session)
    source = {"source": "snapshot", "searched_through": "2026-08-31"}
    night = add_night(session, details={"harvest": source})
    first_lines = write(session, tmp_path, night.id)["morning.md"].split("## ")[0]
    assert (
        "Papers came from a snapshot: it reaches up to 31 Aug 2026, 85 days before" in first_lines
    )


def test_steps_that_recorded_nothing_read_not_recorded(session: Session, tmp_path: Path) -> None:
    add_line(session)
    night = add_night(
        session,
        details={name: {} for name in ("harvest", "triage", "judge", "re-test", "conclude")},
    )
    for claim in read_claims(session):
        add_verdict(
            session, claim, night, grounding_detail={}, literature_detail={}, moved_by=[],
            local="undecided", local_detail={"experiments": [{}, {"estimands": [{}]}]},
        )  # fmt: skip
    pages = write(session, tmp_path, night.id)
    assert "up to which day is not recorded" in pages["morning.md"]
    assert all("not recorded" in page for page in pages.values())
    assert all("None" not in page.replace("None.", "") for page in pages.values())


def test_an_empty_library_without_a_night(session: Session, tmp_path: Path) -> None:
    pages = write(session, tmp_path, find_newest_night(session))
    assert set(pages) == {"morning.md", "morning.html"}
    for page in pages.values():
        assert "The library is empty, and no night has run yet." in page


def test_a_library_without_a_night_says_so(session: Session, tmp_path: Path) -> None:
    add_line(session)
    for page in write(session, tmp_path, None).values():
        assert "No night has run yet: none of its 3 claims has been checked." in page
        assert "everything was checked" not in page


def test_an_id_that_the_store_has_not_is_never_a_source(session: Session, tmp_path: Path) -> None:
    fill_library(session)
    one = read_claims(session)[0]
    night = add_night(session, not_checked={"harvest": [f"arXiv:{UNKNOWN} was not read"]}, days=2)
    add_verdict(
        session, one, night,
        grounding_detail={
            "reason": f"the text of {UNKNOWN} has not been read", "read": "abstract",
            "arxiv_id": UNKNOWN, "section": "abstract", "quote": "Made up.", "start": 0, "end": 8,
        },
        grounding="grounded", headline="HOLDS",
        moved_by=[f"grounding: says so (arXiv:{UNKNOWN})"],
    )  # fmt: skip
    assert session.exec(select(Anchor).where(Anchor.arxiv_id == UNKNOWN)).first() is not None
    for name, page in write(session, tmp_path, night.id).items():
        listed = [line for line in page.splitlines() if UNKNOWN in line]
        assert listed, name
        assert all("Ids not yet checked" in line for line in listed), name
        assert "Made up." not in page
        assert "UNGROUNDED" in page


def test_a_quote_that_does_not_stand_is_not_printed(session: Session, tmp_path: Path) -> None:
    fill_library(session)
    row = session.exec(select(Evidence)).one()
    row.quote = "Practice can always be replaced by heat, says the forger."
    session.add(row)
    session.commit()
    for page in write(session, tmp_path).values():
        assert "says the forger" not in page
        assert "UNGROUNDED" in page


def test_a_claim_text_marks_ids_that_were_not_checked(session: Session, tmp_path: Path) -> None:
    notes = (("Does heat help?", "Heat helps at once (arXiv:2601.07372)."),)
    add_line(session, write_line(notes=notes))
    for page in write(session, tmp_path, None).values():
        for line in page.splitlines():
            if "2601.07372" in line and "Ids not yet checked" not in line:
                assert "2601.07372 [not checked]" in line.replace("\\", "")


def test_local_numbers_carry_unit_interval_n_and_run_set(session: Session, tmp_path: Path) -> None:
    fill_library(session)
    for name, page in write(session, tmp_path).items():
        text = read_visible(page) if name.endswith(".md") else read_text(page)
        assert "−0.004 [−0.019, 0.012] cards per doubling" in text
        assert "two sorters of 0.2M and 0.8M parameters" in text
        assert "c04 v1 nightly, seeds 0-135" in text
        assert "136" in text
        assert "about 90 more seeds needed" in text


def test_readings_stand_beside_the_whole_claim(session: Session, tmp_path: Path) -> None:
    """With their statements on the line page; by name and word on the morning page."""
    fill_library(session)
    (row,) = LOCAL["experiments"]
    readings = [
        {"name": "C4a", "statement": "Flat in dispatch.", "estimands": ["slope"],
         "outcome": "CONSISTENT", "seeds_to_go": 0},
        {"name": "C4b", "statement": "Flat in <b>Sudoku</b>.", "estimands": ["slope"],
         "outcome": "UNDECIDED", "seeds_to_go": 40},
    ]  # fmt: skip
    for verdict in session.exec(select(Verdict).where(Verdict.local == "undecided")).all():
        verdict.local_detail = {"experiments": [{**row, "readings": readings}]}
        session.add(verdict)
    session.commit()
    pages = write(session, tmp_path)
    line = next(text for name, text in pages.items() if name.startswith("line") and "md" in name)
    assert "- Reading C4a, consistent: Flat in dispatch." in line
    assert "- Reading C4b, undecided (about 40 more seeds needed): Flat in &lt;b&gt;" in line
    html = next(text for name, text in pages.items() if name.startswith("line") and "html" in name)
    assert "<li>Reading C4a, consistent: Flat in dispatch.</li>" in html
    morning = pages["morning.md"]
    assert "read as C4a consistent, C4b undecided" in morning and "Flat in" not in morning
    assert "(analogue)" in morning and "undecided" in morning, "the word is the whole claim's"


def test_no_page_says_more_than_may_be_said(session: Session, tmp_path: Path) -> None:
    fill_library(session)
    add_verdict(
        session, read_claims(session)[1],
        local="shifted", local_detail=LOCAL, transfer="analogue", look=True,
    )  # fmt: skip
    quoted = {SENTENCE, NEWER_SENTENCE, "55–60%", "up to 42%", "rel=42%"}
    for name, page in write(session, tmp_path).items():
        own = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
        for words in quoted:
            own = own.replace(words, "")
        assert not re.search(r"\d\s*%", own), name
        assert not re.search(r"\b(proves?|refutes?|significant(ly)?)\b", own, re.IGNORECASE), name


def test_contradictions_need_two_confirmed_rows(session: Session) -> None:
    line = fill_library(session)
    one = read_claims(session)[0]
    other = add_paper(session, "2607.00001", "We agree. Heat replaces practice.", authors=("Eve",))
    add_stance(session, one, other, "supports", "Heat replaces practice.")
    tasks = build_page(session, line).tasks
    assert tasks[1].oppositions == ()
    assert tasks[1].proposed_both_ways == ("c1",)
    for row in session.exec(select(Evidence)).all():
        row.status = "confirmed"
        session.add(row)
    session.commit()
    (pair,) = build_page(session, line).tasks[1].oppositions
    assert {pair.one.arxiv_id, pair.other.arxiv_id} == {"2607.00001", NEWER}


def test_the_line_page_in_full(session: Session) -> None:
    line = fill_library(session)
    page = build_page(session, line)
    assert [section.state.handle for section in page.claims] == ["c1", "c2", "c3"]
    assert [finding.dated for finding in page.findings] == ["2025", "2026"]
    assert [(a.arxiv_id, a.title) for a in page.anchors] == [(ANCHOR, "Ordered decks of cards")]
    assert page.unchecked_ids == (UNKNOWN,)
    assert [row.limits for row in page.tasks[0].limits] == [(), (), ("up to 42%",)]
    assert [opening.handle for opening in page.tasks[2].openings] == ["c2", "c3"]
    assert page.warnings


def test_unclear_candidates_show_their_closest_sentence(session: Session) -> None:
    line = fill_library(session)
    three = read_claims(session)[2]
    paper = add_paper(session, "2607.00002", "Kettles whistle. Decks are ordered by hand.")
    add_candidate(session, three, paper, score=2.0)
    span = {"section": "abstract", "start": 17, "end": 43, "text": "Decks are ordered by hand."}
    forged = {**span, "text": "Decks order themselves now"}
    add_stance(
        session, three, paper, "unclear", "Kettles whistle.", quote=None, closest=[forged, span]
    )
    closest = build_page(session, line).claims[2].evidence.closest
    assert [(c.arxiv_id, c.stance) for c in closest] == [
        ("2607.00002", "unclear"),
        (NEWER, "not judged yet"),
    ]
    assert closest[0].quote is not None
    assert closest[0].quote.text == "Decks are ordered by hand."


def test_a_withdrawn_source_needs_a_person(session: Session) -> None:
    fill_library(session)
    paper = session.exec(select(Paper).where(Paper.arxiv_id == ANCHOR)).one()
    paper.is_withdrawn = True
    session.add(paper)
    session.commit()
    items = build_morning(session, 2, TODAY).items
    assert items[0].what == f"marked withdrawn: arXiv:{ANCHOR} (its source)"


HOSTILE = (
    "<script>document.title='owned'</script> [click](javascript:alert(1)) ![x](http://evil.test/x) "
    "| a | b | `code` **bold** <img src=x onerror=alert(1)> [[wiki]] %%hidden%% https://evil.test "
    "www.evil.test $x$ {{ page }} {% raw %}\u202egnirts\n\n# Heading\n\n- item\n> quote\n```\nfence"
)


def fill_hostile(session: Session) -> None:
    """A library whose every text, from papers and documents, is hostile."""
    one_line = " ".join(HOSTILE.split())
    line = add_line(session, write_line(notes=(("Does heat help?", f"Heat helps. {one_line}"),)))
    line.standfirst = one_line
    claim = read_claims(session)[0]
    claim.statement = claim.text = one_line
    paper = add_paper(session, ANCHOR, HOSTILE, title=one_line)
    night = add_night(session, not_checked={"harvest": [HOSTILE]})
    add_verdict(session, claim, night, **grounded_in(paper, HOSTILE), moved_by=[HOSTILE])
    add_stance(session, claim, paper, "relaxes", HOSTILE, judge=HOSTILE)
    session.add_all([line, claim])
    session.commit()


def test_hostile_text_is_inert_in_markdown(session: Session, tmp_path: Path) -> None:
    fill_hostile(session)
    parser = MarkdownIt("commonmark").enable("table")
    for name, page in write(session, tmp_path, 1).items():
        if name.endswith(".html"):
            continue
        html = parser.render(page)
        assert not re.search(r"<(script|img|code|pre|iframe)\b", html), name
        links = re.findall(r'href="([^"]*)"', html)
        assert links, name
        assert all(link == "morning.md" or link.startswith("line-") for link in links), name
        assert "Heading</h1>" not in html.replace("\n", "")
        rows = [row for row in re.findall(r"(?s)<tr>.*?</tr>", html) if "owned" in row]
        assert rows, name
        assert all(len(re.findall(r"<t[dh]\b", row)) in {2, 5, 6} for row in rows), name
        assert "[[wiki" not in page
        assert "%%" not in page
        assert "\u202e" not in page
        assert not re.search(r"(?<!\\)://evil|www\.evil", page)
        assert "owned" in html  # shown, as text


def test_hostile_text_is_inert_in_html(session: Session, tmp_path: Path) -> None:
    fill_hostile(session)
    for name, page in write(session, tmp_path, 1).items():
        if name.endswith(".md"):
            continue
        assert not re.search(r"<(script|img|iframe|object|link)\b", page), name
        assert "&lt;script&gt;" in page
        assert "\u202e" not in page
        addresses = re.findall(r'(?:href|src)="([^"]*)"', page)
        assert all(re.fullmatch(r"(morning|line-[a-z0-9-]+)\.html|#c\d+", a) for a in addresses)


@given(st.text())
def test_any_text_stays_text_in_markdown(text: str) -> None:
    html = MarkdownIt("commonmark").enable("table").render(f"- {escape_markdown(text)} end\n")
    assert set(re.findall(r"<(\w+)", html)) <= {"ul", "li"}, html


@given(st.text(alphabet="|\\`*_[]()<>#-+=.:!~1 ab\n"))
def test_any_text_keeps_to_its_cell(text: str) -> None:
    table = f"| a | b |\n|---|---|\n| x {escape_markdown(text)} y | z |\n"
    html = MarkdownIt("commonmark").enable("table").render(table)
    assert html.count("<td>") == 2
    assert set(re.findall(r"<(\w+)", html)) == {"table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.614, "0.614"), (-0.004, "−0.004"), (0.05, "0.05"), (136, "136"), (1.0, "1"),
        (12345.6, "12,346"), (0.00001, "1.0e-05"), (999.96, "1000"), (None, "not recorded"),
        (True, "not recorded"), (float("nan"), "not recorded"), (float("-inf"), "−∞"),
    ],
)  # fmt: skip
def test_numbers(value: object, text: str) -> None:
    assert format_number(value) == text


def test_intervals_and_regions() -> None:
    assert format_interval(0.5, 0.75) == "[0.5, 0.75]"
    assert format_interval(None, 0.75) == "not recorded"
    assert format_region([None, 0.5]) == "≤ 0.5"
    assert format_region([0, None]) == "≥ 0"
    assert format_region([-1, 1]) == "−1 to 1"
    assert format_region(None) == "not recorded"


def test_a_night_is_named_by_its_evening_and_morning() -> None:
    assert name_night(STARTED) == "23–24 Nov 2026"
    assert name_night(STARTED.replace(hour=22)) == "24–25 Nov 2026"
    assert name_night(STARTED.replace(day=1)) == "31 Oct – 1 Nov 2026"


def test_names_of_pages_are_stable_and_safe() -> None:
    assert name_line_page("a-line-2") == "line-a-line-2"
    assert name_line_page("../../etc") != name_line_page("etc")
    assert re.fullmatch(r"line-etc-[0-9a-f]{8}", name_line_page("../../etc"))
    assert re.fullmatch(r"line-[0-9a-f]{8}", name_line_page("é"))


def test_writing_again_changes_nothing(session: Session, tmp_path: Path) -> None:
    fill_library(session)
    assert write(session, tmp_path) == write(session, tmp_path)


def test_latest_shows_the_last_night_alone(session: Session, tmp_path: Path) -> None:
    fill_library(session)
    night, latest = tmp_path / "night-0002", tmp_path / "latest"
    pages = write(session, night)
    latest.mkdir()
    (latest / "line-gone.md").write_text("old")
    (latest / "notes.md").write_text("the curator's own")
    publish_latest(night, latest)
    assert {page.name for page in latest.iterdir()} == {*pages, "notes.md"}
    assert (latest / "morning.md").read_text() == pages["morning.md"]


def test_a_page_is_old_or_new_and_never_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "morning.md"
    write_whole(page, "old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(ReportUnwritable, match="No space left"):
        write_whole(page, "new")
    assert page.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["morning.md"]


def test_an_unwritable_folder_is_one_line(session: Session, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportUnwritable, match="cannot write"):
        write(session, tmp_path / "file" / "reports", None)


def test_unknown_formats_are_refused(session: Session, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="format 'pdf' is not known"):
        write_report(
            session, night_id=None, out=tmp_path, formats=("md", "pdf"), line=None, today=TODAY
        )
    assert not list(tmp_path.glob("*.md"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "home"
    monkeypatch.setenv("REASSAY_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    yield folder


def test_the_command_on_an_empty_library(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "--json"]) == 0
    pages = json.loads(capsys.readouterr().out)
    assert [Path(page).name for page in pages] == ["morning.md", "morning.html"]
    assert "no night has run yet" in (home / "reports" / "latest" / "morning.md").read_text()


def test_the_command_writes_one_line_in_one_format(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_database(f"sqlite:///{home / 'reassay.db'}")
    with open_session(engine) as session:
        fill_library(session)
        add_line(session, write_line("Is there another line?"))
    engine.dispose()
    out = tmp_path / "out"
    assert run(["report", "--line", "kettle", "--format", "md", "--out", str(out)]) == 0
    assert {page.name for page in out.iterdir()} == {
        "morning.md",
        "line-does-a-warmer-kettle-make-a-better-sorter.md",
    }
    assert "run 0002" in (out / "morning.md").read_text()
    assert run(["report", "--line", "no-such-line"]) == 1
    assert run(["report", "--format", "pdf"]) == 2
    refusals = capsys.readouterr().err.strip().splitlines()
    assert len(refusals) == 2
    assert "format 'pdf' is not known: use md or html" in refusals[1]


def test_a_large_library_shows_what_matters_and_counts_the_rest(
    session: Session, tmp_path: Path
) -> None:
    notes = [(f"Does kettle {n} boil?", f"Kettle {n} boils water in time.") for n in range(70)]
    add_line(session, write_line(notes=notes))
    night = add_night(session)
    claims = read_claims(session)
    for claim in claims[:-1]:
        add_verdict(session, claim, None, headline="HOLDS", grounding="grounded")
    add_verdict(session, claims[-1], None, headline="MOVED", grounding="grounded")
    page = build_morning(session, stored_id(night.id), TODAY)
    assert len(page.claims) == 60
    assert page.claims_rest == 10
    assert page.claims[-1].headline == "MOVED"
    assert page.headlines == (("MOVED", 1), ("HOLDS", 69))
    assert "MOVED 1, HOLDS 69" in write(session, tmp_path, night.id)["morning.md"]


def test_proposals_for_an_earlier_wording_wait_no_more(session: Session) -> None:
    fill_library(session)
    add_line(
        session,
        write_line(notes=(("Can heat replace practice?", "Heat replaces practice on Mondays."),)),
    )
    assert read_claims(session)[0].revision_number == 2
    page = build_morning(session, 2, date(2026, 11, 25))
    assert not any(item.row for item in page.items)
    assert page.claims[0].is_earlier_wording
