"""Every form that an import takes: HTML, Markdown, vaults, patterns, notes, hubs, papers."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session, select

from claims.documents import normalise_text
from claims.grammar import parse_document
from claims.import_paths import expand_argument
from claims.importing import ImportedDocument, import_bytes, import_text
from claims.note_pages import find_page_kind, parse_note
from claims.pages import PageText, read_address, read_page
from claims.queries import find_claim, list_claims
from db.engine import open_session
from db.errors import DocumentRefused
from db.models import Anchor, Claim, ImportWarning, Line, LineClaim, Mention, Note, Paper
from reassay.cli import run
from tests.documents import write_line

QUESTION = "Do larger kettles boil more decks?"
NOTE_PAGE = f"""{QUESTION}
A ceiling and not a gap.
Synthesis note · 2026-02-20 · sourced from Kettle Studies
How should decks be boiled?
Kettles level off at 55–60% of decks. See arXiv:2603.23004.
Inquiring lines that use this note as a source 80
What stops kettles?
Related concepts
Boiling
Original note title
kettles plateau at 55 to 60 percent of decks"""
HUB = (
    "<h1>Can decks be boiled?</h1><p>Topic Hub · 2 linked notes · 15 sections</p>"
    '<ul><li><a href="/notes/a-holds/">Can a hold?</a></li>'
    '<li><a href="https://www.inquiringlines.com/notes/b-holds/">Can b hold?</a></li></ul>'
)
VAULT_NOTE = """---
title: Do larger kettles boil more decks?
aliases: [ceilings]
date: 2026-02-20
topic: Kettles
arxiv: 2505.13370
anchor: "arXiv:2603.23004 (Mar 2026) — Cold kettles"
---
# Do larger kettles boil more decks?

They level off at 55–60%; see [[warm kettles help|warm ones]] and [[decks]].
"""


def load(session: Session, text: str, name: str) -> ImportedDocument:
    return import_bytes(session, text.encode(), name)


def codes(document: ImportedDocument) -> list[str]:
    return [warning.code for warning in document.warnings]


def as_html(text: str) -> str:
    """The text of a line as a page of the site, its prompt preformatted."""
    head, prompt = text.split("Research prompt for your LLM", 1)
    paragraphs = "".join(f"<p>{line}</p>" for line in head.split("\n") if line)
    inner = prompt.partition("\n")[2]
    return (
        "<!doctype html><html><head><title>x</title><style>p { color: red }</style></head><body>"
        "<nav><a href='/'>Home?</a></nav><script>alert('Is it?')</script>"
        f"<main><h1></h1>{paragraphs}<details><summary>Research prompt for your LLM"
        f"<span>expand &darr;</span></summary><pre>{inner}</pre></details>"
        "<footer>Next inquiring lines</footer></main></body></html>"
    )


def test_a_page_gives_what_its_text_gives() -> None:
    page = read_page(as_html(write_line()).encode(), "page.html")
    from_text = parse_document(normalise_text(write_line()))
    from_page = parse_document(page.text)
    for part in ("question", "essay", "notes", "findings", "anchors", "tasks", "unread", "topic"):
        if part != "findings":
            assert getattr(from_page, part) == getattr(from_text, part), part
    assert [f.text for f in from_page.findings] == [f.text for f in from_text.findings]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("https://inquiringlines.com/notes/a-b/", ("note", "a-b")),
        ("http://www.inquiringlines.com/notes/a-b", ("note", "a-b")),
        ("https://whitepapers.gravity7.com/inquiring-lines/a-b/?x=1#y", ("line", "a-b")),
        ("../../notes/a-b/index.html", None),
        ("../../notes/a-b.html", ("note", "a-b")),
        ("/papers/2505.13379/", ("paper", "2505.13379")),
        ("/notes/", None),
        ("https://elsewhere.org/notes/a-b/", None),
        ("javascript:alert(1)", None),
    ],
)
def test_the_three_hosts_are_one_site(target: str, expected: tuple[str, str] | None) -> None:
    found = read_address(target)
    assert (found and (found.kind, found.slug)) == expected


def test_links_give_notes_their_own_slugs_and_tell_what_is_cited(session: Session) -> None:
    load(session, write_line(), "line.txt")
    linked = as_html(write_line("Is it another?")).replace(
        "Can heat replace practice?</p>",
        '<a href="/notes/heat-replaces-practice/">Can heat replace practice?</a></p>',
    )
    linked = linked.replace("The corpus", '<a href="/notes/elsewhere/">Is it elsewhere?</a> The')
    imported = load(session, linked, "page.html")
    slugs = [note.slug for note in session.exec(select(Note).order_by(Note.id))]
    assert slugs[0] == "heat-replaces-practice"
    assert len(slugs) == 3
    assert find_claim(session, "heat-replaces-practice").handle == "c1"
    assert "note-not-listed" in codes(imported)
    again = load(session, write_line("Is it a third?"), "third.txt")
    assert (again.claims, len(list_claims(session))) == (3, 3)


def test_ids_that_only_a_link_tells_are_read() -> None:
    page = read_page(
        b'<p>Is it?</p><p>Anchor papers</p><ul><li><a href="https://arxiv.org/abs/2505.13379v2">'
        b"Ordered decks</a></li></ul>",
        "x.html",
    )
    (anchor,) = parse_document(page.text).anchors
    assert (anchor.arxiv_id, anchor.version, anchor.label) == ("2505.13379", 2, "Ordered decks")


def test_deep_nesting_is_refused_and_entities_open_nothing(tmp_path: Path) -> None:
    deep = "<div>" * 5000 + "Is it?" + "</div>" * 5000
    with pytest.raises(DocumentRefused, match="nested too deeply"):
        read_page(f"<html><body>{deep}</body></html>".encode(), "x.html")
    secret = tmp_path / "secret.txt"
    secret.write_text("secret words")
    bomb = f'<!DOCTYPE html [<!ENTITY a SYSTEM "file://{secret}">]><html><p>Is it &a;?</p></html>'
    assert "secret words" not in read_page(bomb.encode(), "x.html").text


def test_a_note_page_gives_the_declarative_claim(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        load(session, write_line(notes=[(QUESTION, "They level off at 50%.")]), "line.txt")
        imported = load(session, NOTE_PAGE, "note.txt")
        note = session.exec(select(Note)).one()
        assert (note.title, note.kind, str(note.note_date)) == (QUESTION, "note", "2026-02-20")
        assert note.claim_title == "kettles plateau at 55 to 60 percent of decks"
        assert note.topic == "Kettle Studies"
        assert "80" not in note.summary
        claim = session.exec(select(Claim)).one()
        assert claim.slug == note.slug == "kettles-plateau-at-55-to-60-percent-of-decks"
        assert (claim.statement, claim.revision_number) == (note.claim_title, 2)
        assert imported.changes[0].note == note.slug
        assert "+A ceiling and not a gap." in imported.changes[0].diff
        assert session.exec(select(Mention.arxiv_id)).all() == ["2603.23004"]
        assert not load(session, NOTE_PAGE, "note.txt").changed
        later = load(session, write_line(notes=[(QUESTION, "They reach 70%.")]), "line.txt")
        wording = next(w for w in later.warnings if w.code == "note-wording")
        assert "70%" in wording.message
        assert session.exec(select(Claim)).one().revision_number == 2


def test_every_line_of_a_note_page_has_a_place() -> None:
    page = PageText("note.txt", NOTE_PAGE)
    note = parse_note(page, find_page_kind(page))
    assert note.parents == ("How should decks be boiled?",)
    assert note.subtitle == "A ceiling and not a gap."
    assert "What stops kettles?" in note.set_aside
    assert note.body.startswith("Kettles level off")


def test_a_topic_hub_makes_no_claim_and_marks_its_note(session: Session) -> None:
    load(session, write_line(notes=[("Can decks be boiled?", "By topic.")]), "line.txt")
    imported = load(session, HUB, "hub.html")
    assert (imported.kind, imported.claims, imported.warnings) == ("hub", 0, ())
    assert session.exec(select(Note.kind)).one() == "hub"
    assert "hub-count" in codes(load(session, HUB.replace("2 linked", "66 linked"), "hub.html"))
    stored = session.exec(select(ImportWarning.message)).all()
    assert any(message.startswith("can-decks-be-boiled: declared 66") for message in stored)


def test_a_paper_page_is_a_mention_and_no_paper(session: Session) -> None:
    page = "<h1>Thinkless</h1><p>Paper · arXiv 2505.13379 · Published May 19, 2025</p>"
    imported = load(session, page, "site/papers/2505.13379/index.html")
    assert (imported.kind, codes(imported)) == ("paper", ["paper-page"])
    assert session.exec(select(Mention.arxiv_id)).all() == ["2505.13379"]
    assert not session.exec(select(Paper)).all() and not session.exec(select(Claim)).all()
    assert not load(session, page, "site/papers/2505.13379/index.html").changed
    with pytest.raises(DocumentRefused, match="without an arXiv id"):
        load(session, page, "thinkless.html")


def test_a_vault_note_brings_front_matter_aliases_and_wikilinks(session: Session) -> None:
    imported = load(session, VAULT_NOTE, "vault/kettles plateau at 55 percent.md")
    note = session.exec(select(Note)).one()
    assert note.claim_title == "kettles plateau at 55 percent"
    assert note.summary == "They level off at 55–60%; see warm ones and decks."
    assert (str(note.note_date), note.topic) == ("2026-02-20", "Kettles")
    assert session.exec(select(Mention.arxiv_id)).all() == ["2505.13370"]
    anchor = session.exec(select(Anchor)).one()
    assert (anchor.arxiv_id, anchor.note_id) == ("2603.23004", note.id)
    assert anchor.tied_by == "front matter"
    assert list_claims(session)[0].anchors == ["2603.23004"]
    assert session.exec(select(LineClaim)).one().line_id == session.exec(select(Line.id)).one()
    assert imported.changed
    assert not load(session, VAULT_NOTE, "vault/kettles plateau at 55 percent.md").changed


@pytest.mark.parametrize("front", ["a: [", "- x", "[" * 5000, "&a [*a, *a]", "x: !!python/none y"])
def test_odd_front_matter_is_kept_or_read_and_never_breaks(front: str) -> None:
    page = read_page(f"---\n{front}\n---\nA note about decks.\n".encode(), "a note.md")
    assert "A note about decks." in page.text
    if page.warnings:
        assert page.warnings[0].code == "front-matter"
        assert normalise_text(front) in page.text


def test_markdown_lines_are_lines(session: Session) -> None:
    text = (
        write_line()
        .replace("Sources 3", "## Sources 3")
        .replace("Does a warmer", "# Does a warmer")
    )
    for title in ("Can heat replace practice?", "Does order matter more than heat?"):
        text = text.replace(f"\n{title}\n", f"\n### [{title}](/notes/own-{len(title)}/)\n")
    imported = load(session, text, "line.md")
    assert (imported.kind, imported.notes, imported.claims) == ("line", 3, 3)
    slugs = {note.slug for note in session.exec(select(Note))}
    assert {"own-26", "own-33"} <= slugs


def test_folders_patterns_and_hidden_places(tmp_path: Path) -> None:
    for name in ("a.txt", "sub/b.md", "sub/c.HTML", ".obsidian/d.md", "sub/.e.md", "f.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    found = expand_argument(str(tmp_path))
    assert [Path(name).name for name in found] == ["a.txt", "b.md", "c.HTML"]
    assert [Path(n).name for n in expand_argument(f"{tmp_path}/**/*.md")] == ["b.md"]
    assert expand_argument("-") == ["-"]
    for nothing in (f"{tmp_path}/*.pdf", str(tmp_path / ".obsidian" / "none*")):
        with pytest.raises(DocumentRefused, match="no file matches"):
            expand_argument(nothing)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DocumentRefused, match="holds no"):
        expand_argument(str(tmp_path / "empty"))


def test_the_command_takes_folders_and_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REASSAY_HOME", str(tmp_path / "home"))
    vault = tmp_path / "vault"
    vault.mkdir()
    (vault / "one kettle plateaus.md").write_text(VAULT_NOTE)
    (vault / "line.txt").write_text(write_line())
    (vault / "broken.txt").write_text("no question here")
    assert run(["import", str(vault), "--json"]) == 1
    answer = capsys.readouterr()
    kinds = [d["kind"] for d in json.loads(answer.out)["documents"]]
    assert kinds == ["line", "note"]
    assert "broken.txt" in answer.err
    changed = write_line(notes=[("Can heat replace practice?", "Never.")])
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(changed.encode())))
    assert run(["import", "-"]) == 0
    shown = capsys.readouterr().out
    assert "+Never." in shown
    assert "split  finding 2" in shown


PIECES = [
    *as_html(write_line()).replace("<", "\0<").split("\0"),
    HUB,
    "<p>",
    "</pre>",
    "&amp;",
    "<!--",
]


@given(st.lists(st.sampled_from(PIECES), max_size=80), st.integers(0, 3000))
def test_spliced_and_cut_pages_are_read_or_refused(pieces: list[str], length: int) -> None:
    check_page("".join(pieces)[:length].encode(), "page.html")


@given(st.binary(max_size=600), st.sampled_from(["x.html", "x.md", "x.txt", "x"]))
def test_random_bytes_are_read_or_refused(data: bytes, name: str) -> None:
    check_page(data, name)
    check_page(b"Is it?\n" + data, name)


def check_page(data: bytes, name: str) -> None:
    try:
        page = read_page(data, name)
        kind = find_page_kind(page)
        if kind == "line":
            parse_document(page.text, links=page.links)
        elif kind != "paper":
            parse_note(page, kind)
    except DocumentRefused:
        return
    assert page.text == normalise_text(page.text)


def test_a_text_that_is_html_is_read_as_html(session: Session) -> None:
    imported = load(session, as_html(write_line()), "saved.txt")
    assert (imported.kind, imported.notes) == ("line", 3)
    assert import_text(session, normalise_text(write_line()), "x").line == imported.line
