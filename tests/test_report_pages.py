"""The HTML pages in a real browser: readable, accessible, and deaf to what papers say."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlmodel import Session

from reports.writing import write_report
from tests.conftest import skip_unless_ci
from tests.report_store import TODAY, fill_library
from tests.test_reports import fill_hostile

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
NARROW = 420
# A headless window is never narrower than 500 pixels, a frame is.
FRAME = """<!DOCTYPE html><iframe id="page" src="{page}" width="{width}" height="900"></iframe>
<pre id="measured"></pre><script>
document.getElementById("page").onload = (event) => {{
  const page = event.target.contentDocument;
  const root = page.documentElement;
  document.getElementById("measured").textContent = JSON.stringify({{
    title: page.title, width: root.clientWidth, needed: root.scrollWidth,
    scripts: page.scripts.length, images: page.images.length,
    sentence: page.querySelector(".sentence").textContent,
  }});
}};
</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        skip_unless_ci("no Chromium is installed")
        raise AssertionError("unreachable")
    return found


def dump(browser: str, page: Path, profile: Path, *flags: str) -> str:
    """The document as the browser holds it after loading."""
    answer = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={profile}", *flags, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return answer.stdout


def write(session: Session, out: Path, night: int) -> list[Path]:
    return write_report(session, night_id=night, out=out, formats=("html",), line=None, today=TODAY)


@pytest.mark.browser
def test_the_browser_shows_the_first_sentence(
    session: Session, browser: str, tmp_path: Path
) -> None:
    fill_library(session)
    morning = write(session, tmp_path, 2)[0]
    document = dump(browser, morning, tmp_path / "profile")
    assert '<p class="sentence">1 thing changed; all 3 claims were checked.</p>' in document


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["morning", "line"])
def test_narrow_screens_and_hostile_text(
    session: Session, browser: str, tmp_path: Path, kind: str
) -> None:
    fill_hostile(session)
    page = next(page for page in write(session, tmp_path, 1) if page.name.startswith(kind))
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(page=page.name, width=NARROW))
    document = dump(browser, frame, tmp_path / "profile", "--allow-file-access-from-files")
    found = re.search(r'<pre id="measured">(.+?)</pre>', document)
    assert found is not None, document
    measured = json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert measured["width"] <= NARROW
    assert measured["needed"] <= measured["width"]
    assert measured["scripts"] == measured["images"] == 0
    assert measured["title"] != "owned"
    assert measured["sentence"].startswith("The night was incomplete: ")


class Outline(HTMLParser):
    """What an assistive reader relies on."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.headings: list[int] = []
        self.bare_headers = 0
        self.language = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "th" and not dict(attrs).get("scope"):
            self.bare_headers += 1
        if tag == "html":
            self.language = dict(attrs).get("lang") or ""


def test_landmarks_headings_and_table_headers(session: Session, tmp_path: Path) -> None:
    fill_library(session)
    for page in write(session, tmp_path, 2):
        outline = Outline()
        outline.feed(page.read_text(encoding="utf-8"))
        assert outline.language == "en"
        for landmark in ("header", "main", "footer", "nav"):
            assert landmark in outline.tags, (page.name, landmark)
        assert outline.tags.count("h1") == outline.tags.count("main") == 1
        assert outline.headings[0] == 1
        steps = zip(outline.headings, outline.headings[1:], strict=False)
        assert all(after - before <= 1 for before, after in steps), page.name
        assert outline.bare_headers == 0


def test_pages_stand_alone_and_stay_small(session: Session, tmp_path: Path) -> None:
    fill_library(session)
    for page in write(session, tmp_path, 2):
        text = page.read_text(encoding="utf-8")
        assert len(text.encode()) < 100_000
        assert not re.search(r"https?://|@import|url\(", text), page.name
        assert "default-src 'none'" in text
        assert "prefers-color-scheme: dark" in text
        assert "@media print" in text
