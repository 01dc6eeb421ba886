"""A whole night on invented papers, with real components; and every documented command.

Nights are processes of their own; commands run in this one, as a process takes a second to
start.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import func, select

from db.engine import open_database, open_session
from db.models import Candidate, Evidence, Paper, PaperVersion, SeedRun, Verdict
from tests.command_line import reassay
from tests.documents import write_line
from tests.invented_papers import write_snapshot

ROOT = Path(__file__).parent.parent
BUDGET = "20m"  # more than any machine needs for a seed of each experiment
ONE_SEED_EACH = """
from functools import partial
import retest.batch
retest.batch.BatchPlan = partial(retest.batch.BatchPlan, seeds=1)
from reassay.cli import main
main()
"""
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


def run_night(home: Path, budget: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A smoke night whose length hangs on the number of seeds, not on the machine's speed."""
    arguments = ["night", "run", "--profile", "smoke", "--budget", budget]
    return subprocess.run(
        [sys.executable, "-c", ONE_SEED_EACH, *arguments],
        env={**os.environ, "REASSAY_HOME": str(home), **environment},
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def read(home: Path, *arguments: str) -> Any:
    answer = reassay(home, *arguments, "--json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after a first smoke night on a snapshot."""
    folder = tmp_path_factory.mktemp("night")
    snapshot = write_snapshot(folder / "papers.jsonl")
    (folder / "my-line.txt").write_text(write_line())
    home = folder / "home"
    night = run_night(home, BUDGET, REASSAY_SNAPSHOT=str(snapshot))
    assert night.returncode == 0, night.stderr
    return home


def count(home: Path, table: Any) -> int:
    engine = open_database(f"sqlite:///{home / 'reassay.db'}")
    with open_session(engine) as session:
        return session.exec(select(func.count()).select_from(table)).one()


def test_the_first_night_fills_every_room(home: Path) -> None:
    assert [step["status"] for step in read(home, "night", "status")[0]["steps"]] == [
        "finished"
    ] * 6
    for table in (Paper, PaperVersion, Candidate, Evidence, SeedRun, Verdict):
        assert count(home, table) > 0, table
    rows = {row["id"]: row for row in read(home, "claims", "list")}
    assert len(rows) == 12
    assert rows["c4"]["headline"] == "OVERSTATED"
    assert rows["c1"]["headline"] == "UNGROUNDED"
    assert rows["c6"]["headline"] is None
    assert {row["local"] for row in rows.values()} == {"none"}  # smoke never concludes


def test_every_quote_is_an_exact_span(home: Path) -> None:
    engine = open_database(f"sqlite:///{home / 'reassay.db'}")
    with open_session(engine) as session:
        for row in session.exec(select(Evidence)).all():
            version = session.get_one(PaperVersion, row.paper_version_id)
            spans = list(row.closest)
            if row.stance in {"supports", "contradicts", "relaxes"}:
                assert row.quote, "a stance without a quote"
                spans.append(
                    {
                        "section": row.section,
                        "text": row.quote,
                        "start": row.quote_start,
                        "end": row.quote_end,
                    }
                )
            for span in spans:
                text = getattr(version, span["section"])
                assert text[span["start"] : span["end"]] == span["text"]


def test_a_second_night_adds_seeds_and_repeats_nothing(home: Path) -> None:
    before = {t: count(home, t) for t in (Paper, PaperVersion, Candidate, Evidence)}
    seeds = count(home, SeedRun)
    snapshot = str(home.parent / "papers.jsonl")
    night = run_night(home, BUDGET, REASSAY_SNAPSHOT=snapshot)
    assert night.returncode == 0, night.stderr
    assert {t: count(home, t) for t in before} == before
    assert count(home, SeedRun) > seeds
    assert count(home, Verdict) == 12  # nothing changed, so no claim has a second verdict
    morning = (home / "reports" / "latest" / "morning.md").read_text()
    assert "Nothing changed" in morning
    assert "Re-tests took" in morning and "of a budget of" in morning


def test_without_papers_the_night_is_incomplete_and_still_reports(tmp_path: Path) -> None:
    home = tmp_path / "home"
    night = run_night(
        home, "1s",
        REASSAY_ARXIV_API_URL="http://127.0.0.1:9/api/query",
        REASSAY_ARXIV_OAI_URL="http://127.0.0.1:9/oai",
        REASSAY_ARXIV_DELAY_S="0",
    )  # fmt: skip
    assert night.returncode == 3, night.stderr
    assert len(night.stderr.strip().splitlines()[-1].splitlines()) == 1
    morning = (home / "reports" / "latest" / "morning.md").read_text()
    assert "The night was incomplete" in morning
    assert "arXiv did not answer" in morning
    assert f"{datetime.now(UTC):%Y-%m-%d}" in morning
    assert (home / "reports" / "latest" / "morning.html").exists()


def documented_commands() -> list[str]:
    found = []
    for page in PAGES:
        for block in CONSOLE.findall(page.read_text()):
            found += [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    return list(dict.fromkeys(found))


def test_there_are_documented_commands() -> None:
    assert len(documented_commands()) > 10


@pytest.mark.parametrize("command", documented_commands())
def test_documented_commands_work(home: Path, command: str) -> None:
    program, *arguments = shlex.split(command)
    assert program == "reassay"
    answer = reassay(home, *arguments)
    assert answer.returncode == 0, answer.stderr
    assert "Traceback" not in answer.stderr


def test_every_command_is_documented() -> None:
    from reassay.command_table import COMMANDS, Entry

    text = "\n".join(page.read_text() for page in PAGES)
    for name, entry in COMMANDS.items():
        paths = [name] if isinstance(entry, Entry) else [f"{name} {sub}" for sub in entry]
        for path in paths:
            assert f"reassay {path}" in text, path
