"""Full texts from LaTeXML pages and plain text: sections, spans, refusals."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import select

from db.engine import open_session
from db.errors import FullTextRefused
from db.models import PaperText
from ingest import full_texts
from ingest.full_texts import find_id, is_full_text, load_full_text, read_html, read_plain
from reassay.cli import run
from tests.documents import write_line
from tests.papers_and_claims import add_paper

BODY = "Decks were shuffled by hand, one after the other, for many days. " * 5
PAGE = f"""<!DOCTYPE html><html><head><title>no</title><script>var evil = 1;</script></head><body>
<nav class="ltx_page_navbar">menu</nav><article class="ltx_document">
<h1 class="ltx_title">Ordered decks</h1>
<div class="ltx_abstract"><h6>Abstract</h6><p>We study decks &amp; kettles.</p></div>
<section><h2><span>1 </span>Introduction</h2><p>{BODY}</p>
<p>Let <math alttext="x^{{2}}"><mi>x</mi><annotation>hidden</annotation></math> be warm.</p>
</section>
<section><h2>2 Results</h2><p>Ordered decks give 77% more
   sorted cards.</p><ul><li>First item.</li><li>Second item.</li></ul></section>
<section class="ltx_bibliography"><h2>References</h2><p>Duck, 99%.</p></section>
</article><footer>foot</footer></body></html>"""


def test_a_latexml_page_becomes_text_with_sections() -> None:
    text = read_html(PAGE.encode())
    assert [part["name"] for part in text.sections] == [
        "Ordered decks", "Abstract", "1 Introduction", "2 Results",
    ]  # fmt: skip
    results = text.sections[-1]
    said = text.text[results["start"] : results["end"]]
    assert said == (
        "2 Results\nOrdered decks give 77% more sorted cards.\nFirst item.\nSecond item.\n"
    )
    assert "We study decks & kettles." in text.text
    assert "Let x^{2} be warm." in text.text
    for unwanted in ("evil", "menu", "foot", "99%", "hidden", "no\n"):
        assert unwanted not in text.text


def test_plain_text_is_cut_at_its_headings() -> None:
    text = read_plain("Abstract\nShort one.\n\n1 Introduction\nWe begin.\nReferences\n[1] Duck.\n")
    assert [part["name"] for part in text.sections] == ["Abstract", "1 Introduction"]
    assert "Duck" not in text.text


@given(st.text(max_size=400))
def test_sections_of_any_text_cover_it_in_order(text: str) -> None:
    for read in (read_plain(text), _read_any(text)):
        end = 0
        for part in read.sections:
            assert part["start"] == end < part["end"] <= len(read.text)
            end = part["end"]
        assert end == len(read.text)


def _read_any(text: str) -> full_texts.FullText:
    return read_html(f"<html><body><h2>A</h2>{text}</body></html>".encode())


def test_deep_pages_and_foreign_addresses_do_no_harm() -> None:
    deep = "<div>" * 5000 + "deep" + "</div>" * 5000
    page = f'<html><body><p>{BODY}</p><iframe src="http://x/"></iframe>{deep}</body></html>'
    assert "shuffled" in read_html(page.encode()).text
    entity = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><html><body>&e;</body></html>'
    assert "root:" not in read_html(entity.encode()).text


@pytest.mark.parametrize(
    ("name", "stated", "found"),
    [
        ("2603.23004v1.html", None, ("2603.23004", 1)),
        ("2603.23004.txt", None, ("2603.23004", None)),
        ("arxiv-2603.23004v12-full.html", None, ("2603.23004", 12)),
        ("math.GT_0309136v2.html", None, ("math.GT/0309136", 2)),
        ("paper.html", "arXiv:2603.23004v3", ("2603.23004", 3)),
    ],
)
def test_whose_text_it_is(name: str, stated: str | None, found: tuple[str, int | None]) -> None:
    wanted = find_id(Path(name), stated)
    assert (wanted.id, wanted.version) == found


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("paper.html", PAGE, "gives no arXiv id"),
        ("2501.99999.html", PAGE, "the store has no paper 2501.99999"),
        ("2505.13379v1.html", "<p>404</p>", "letters of text are no paper"),
        ("2505.13379v1.txt", b"\xff\xfe\x00", "not UTF-8"),
        ("2505.13379v1.html", b"", "HTML"),
    ],
)
def test_what_is_no_paper_is_refused_in_one_line(
    engine: Engine, tmp_path: Path, name: str, content: str | bytes, says: str
) -> None:
    with open_session(engine) as session:
        add_paper(session, "2505.13379", "Ordered decks", "We study decks.")
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(FullTextRefused, match=says) as refused:
        load_full_text(engine, file)
    assert "\n" not in str(refused.value)
    with open_session(engine) as session:
        assert session.exec(select(PaperText)).all() == []


def test_a_huge_file_is_refused(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_texts, "LARGEST_FILE", 100)
    (tmp_path / "2505.13379.html").write_text(PAGE)
    with pytest.raises(FullTextRefused, match="larger than"):
        load_full_text(engine, tmp_path / "2505.13379.html")


def test_loading_twice_changes_nothing(any_engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "2505.13379v2.html"
    file.write_text(PAGE)
    with open_session(any_engine) as session:
        add_paper(session, "2505.13379", "Ordered decks", "We study decks.")
    first, second = load_full_text(any_engine, file), load_full_text(any_engine, file)
    assert (first.changed, second.changed, first.version) == (True, False, 2)
    with open_session(any_engine) as session:
        stored = session.exec(select(PaperText)).one()
        assert len(stored.text) == first.characters
        assert stored.source == file.name


def test_metadata_and_full_texts_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text('{"id": "2505.13379"}\n')
    (tmp_path / "b.txt").write_text("Abstract\n")
    assert [is_full_text(tmp_path / name) for name in ("a.txt", "b.txt", "c.html", "d.jsonl")] == [
        False, True, True, False,
    ]  # fmt: skip


def test_the_command_loads_and_the_audit_reads_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REASSAY_HOME", str(tmp_path / "home"))
    notes = [("Do decks sort?", "Ordered decks give 77% more sorted cards.")]
    anchors = ("arXiv:2505.13379 (May 2025) — Ordered decks",)
    (tmp_path / "line.txt").write_text(write_line(notes=notes, anchors=anchors))
    paper = {"id": "2505.13379", "title": "Ordered decks", "abstract": "We study ordered decks."}
    (tmp_path / "papers.jsonl").write_text(json.dumps(paper) + "\n")
    (tmp_path / "text.html").write_text(PAGE)
    assert run(["import", "line.txt"]) == run(["papers", "load", "papers.jsonl"]) == 0
    assert run(["papers", "load", "text.html"]) == 1
    assert "gives no arXiv id" in capsys.readouterr().err
    assert run(["papers", "load", "papers.jsonl", "--id", "2505.13379"]) == 2
    capsys.readouterr()
    assert run(["papers", "load", "text.html", "--id", "2505.13379v2"]) == 0
    assert "full text of arXiv:2505.13379v2: 4 sections" in capsys.readouterr().out
    assert run(["claims", "audit", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)[0]
    assert (row["grounding"], row["read"]) == ("grounded", "full text")
    assert (row["source"]["section"], row["source"]["version"]) == ("2 Results", 2)
    assert "77%" in row["source"]["quote"]
