"""Bulk loads: the same rows however they are cut, killed, repeated or shared out."""

import json
import lzma
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from claims.search import search_papers
from db.engine import is_sqlite, open_database, open_session
from db.models import Paper
from ingest.known_papers import find_news, keep_news, read_known
from ingest.new_papers import INDEX_SETTINGS, INDEXED_WITH_CARE, Hashed, encode_names
from ingest.papers import LOAD_BATCH, StoreCount, store_papers
from ingest.revisions import hash_text
from ingest.sources.records import PaperRecord, Question, is_printable, is_withdrawal
from ingest.sources.snapshot import SnapshotSource
from ingest.sources.xz_stream import XzStream
from tests.invented_papers import write_snapshot

QUERIES = ("reasoning", "constraint solvers", "depth width", "budget setting 17")
LOADER = """
import sys
from pathlib import Path
from db.engine import open_database
from ingest.snapshot_harvest import load_snapshot
engine = open_database(sys.argv[1])
print("open", flush=True)
load_snapshot(engine, Path(sys.argv[2]), lambda message: None)
"""
PAPER_COLUMNS = (
    "id, arxiv_id, title, abstract, authors, categories, published, listed, updated, comment, "
    "version, version_id, is_withdrawn, source"
)
VERSION_COLUMNS = "id, paper_id, version, text_hash, title, abstract, comment, source"
ids = st.integers(1, 6).map(lambda n: f"2601.{n:05d}")
days = st.none() | st.integers(0, 3).map(lambda n: date(2026, 1, 2) + timedelta(n))
records = st.builds(
    PaperRecord,
    arxiv_id=ids,
    version=st.none() | st.integers(1, 3),
    title=st.sampled_from(["Kettles", "Sprockets", "Café “kettles”"]),
    abstract=st.sampled_from(["Boil.", "Turn.", "This paper has been withdrawn."]),
    authors=st.lists(st.sampled_from(["Ada", 'B. "Q"', "Łukasz", "C\\D"]), max_size=2).map(tuple),
    categories=st.sampled_from([(), ("cs.CL",), ("cs.CL", "cs.LG")]),
    published=days,
    listed=days,
    updated=days,
    comment=st.sampled_from([None, "4 pages", "withdrawn by the author"]),
)


def read_rows(engine: Engine) -> list[Any]:
    """Every stored value but the times."""
    with engine.connect() as connection:
        papers = connection.execute(text(f"SELECT {PAPER_COLUMNS} FROM paper ORDER BY id"))
        versions = connection.execute(
            text(f"SELECT {VERSION_COLUMNS} FROM paper_version ORDER BY id")
        )
        return [*map(tuple, papers), *map(tuple, versions)]


def read_contents(engine: Engine) -> list[Any]:
    """Every stored value but times and row ids, which follow the order of writing."""
    papers = (
        "SELECT arxiv_id, paper.title, paper.abstract, authors, categories, published, listed, "
        "updated, paper.comment, paper.version, text_hash, is_withdrawn, paper.source FROM paper "
        "JOIN paper_version ON paper_version.id = version_id ORDER BY arxiv_id"
    )
    versions = (
        "SELECT arxiv_id, paper_version.version, text_hash, paper_version.title, "
        "paper_version.abstract, paper_version.comment, paper_version.source FROM paper_version "
        "JOIN paper ON paper.id = paper_id ORDER BY arxiv_id, paper_version.version, text_hash"
    )
    with engine.connect() as connection:
        return [
            tuple(row) for query in (papers, versions) for row in connection.execute(text(query))
        ]


def empty(engine: Engine) -> Engine:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM paper_version"))
        connection.execute(text("DELETE FROM paper"))
    return engine


def read_hits(engine: Engine) -> list[Any]:
    with open_session(engine) as session:
        return [search_papers(session, query, 50) for query in QUERIES]


def check_index(engine: Engine) -> None:
    """FTS5 compares its index with the papers themselves, and raises where they differ."""
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO paper_fts (paper_fts, rank) VALUES ('integrity-check', 1)")
        )


def hashed(record: PaperRecord) -> Hashed:
    text_hash = hash_text(record.title, record.abstract)
    return Hashed(record, text_hash, is_withdrawal(record))


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_snapshot(tmp_path_factory.mktemp("snapshot") / "papers.jsonl", 3 * LOAD_BATCH)


@pytest.fixture(scope="module")
def undisturbed(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The rows and the hits of a load that nothing disturbed."""
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('undisturbed') / 'library.db'}")
    store_papers(engine, SnapshotSource(snapshot).answer(Question("snapshot")), "snapshot")
    found = read_rows(engine), read_hits(engine)
    engine.dispose()
    return found


@pytest.fixture(scope="module")
def two_stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, Engine]:
    folder = tmp_path_factory.mktemp("stores")
    one, other = (open_database(f"sqlite:///{folder / name}") for name in ("one.db", "other.db"))
    return one, other


@settings(max_examples=30, deadline=None)
@given(told=st.lists(records, max_size=14), batch=st.integers(1, 5))
def test_rows_do_not_depend_on_the_batch(
    told: list[PaperRecord], batch: int, two_stores: tuple[Engine, Engine]
) -> None:
    one, other = map(empty, two_stores)
    for source in ("snapshot", "api"):
        counts = store_papers(one, told, source, batch), store_papers(other, told, source, 1000)
        assert counts[0] == counts[1]
    assert read_contents(one) == read_contents(other)
    check_index(one)
    again = store_papers(one, told[-1:], "api")
    assert again.seen == again.unchanged


@settings(max_examples=60, deadline=None)
@given(stored=st.lists(records, max_size=8), told=st.lists(records, max_size=6))
def test_sqlite_finds_the_same_news_as_the_rule(
    stored: list[PaperRecord], told: list[PaperRecord], two_stores: tuple[Engine, Engine]
) -> None:
    engine = empty(two_stores[0])
    store_papers(engine, stored, "snapshot")
    distinct = [hashed(record) for record in {r.arxiv_id: r for r in told}.values()]
    with engine.connect() as connection:
        known = read_known(connection, distinct)
        for source in ("snapshot", "api"):
            possible = find_news(connection, distinct, source)
            news = keep_news(distinct, known, source)
            assert keep_news(possible, known, source) == news  # none is passed over


def test_a_reload_is_told_from_news_by_the_database_alone(engine: Engine, snapshot: Path) -> None:
    told = [hashed(r) for r in SnapshotSource(snapshot).answer(Question("snapshot"))]
    store_papers(engine, (h.record for h in told), "snapshot")
    changed = hashed(replace(told[7].record, title="Another"))
    with engine.connect() as connection:
        assert find_news(connection, told, "snapshot") == []
        assert find_news(connection, [*told[:7], changed, *told[8:]], "snapshot") == [changed]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_names_are_encoded_as_json_encodes_them(names: list[str]) -> None:
    assert encode_names(names) == json.dumps(names)


@given(st.text(st.characters()))
def test_printable_means_what_python_means(value: str) -> None:
    assert is_printable(value) == value.isprintable()


def test_a_bulk_load_leaves_rows_as_other_writers_leave_them(
    any_engine: Engine, snapshot: Path
) -> None:
    """The same papers through the revision path and through the bulk path are equal."""
    told = list(SnapshotSource(snapshot).answer(Question("snapshot")))[: LOAD_BATCH + 300]
    assert store_papers(any_engine, told, "snapshot", LOAD_BATCH).new == len(told)
    later = [replace(r, version=2, comment="Łatane") for r in told[:20]]
    assert store_papers(any_engine, later, "api").seen == 20
    with open_session(any_engine) as session:
        rows = session.connection().execute(
            text(
                "SELECT count(*) FROM paper JOIN paper_version ON paper_version.id = version_id "
                "AND paper_version.paper_id = paper.id AND paper_version.title = paper.title "
                "AND paper_version.abstract = paper.abstract"
            )
        )
        assert rows.scalar() == len(told)
        first = session.get_one(Paper, 1)
        assert first.first_seen_at.tzinfo is not None
        assert tuple(first.authors) == told[0].authors
    assert any(hits for hits in read_hits(any_engine))
    if is_sqlite(any_engine):
        check_index(any_engine)


def test_a_load_sets_the_index_up_and_small_writes_keep_it(engine: Engine, snapshot: Path) -> None:
    told = list(SnapshotSource(snapshot).answer(Question("snapshot")))
    store_papers(engine, told[: INDEXED_WITH_CARE + 1], "snapshot")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT k, v FROM paper_fts_config"))
        stored = {str(row[0]): row[1] for row in rows}
    assert {name: stored[name] for name in INDEX_SETTINGS} == INDEX_SETTINGS
    store_papers(engine, [replace(told[0], version=2, title="Platypus kettles")], "api")
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM paper_version WHERE paper_id = 2"))
        connection.execute(text("DELETE FROM paper WHERE id = 2"))
    with open_session(engine) as session:
        assert [hit.id for hit in search_papers(session, "platypus", 5)] == [1]
    check_index(engine)


@pytest.mark.parametrize(("after_batches", "delay_s"), [(0, 0.03), (1, 0.0), (1, 0.05), (2, 0.02)])
def test_a_killed_load_is_made_whole_by_the_next(
    snapshot: Path,
    undisturbed: tuple[Any, Any],
    tmp_path: Path,
    after_batches: int,
    delay_s: float,
) -> None:
    file = tmp_path / "library.db"
    command = [sys.executable, "-c", LOADER, f"sqlite:///{file}", str(snapshot)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as loader:
        assert loader.stdout is not None and loader.stdout.readline() == b"open\n"
        stored = wait_for_papers(file, after_batches * LOAD_BATCH, loader)
        time.sleep(delay_s)
        os.kill(loader.pid, signal.SIGKILL)
    assert stored % LOAD_BATCH == 0 or stored == 3 * LOAD_BATCH + 3
    engine = open_database(f"sqlite:///{file}")
    check_index(engine)
    count = store_papers(
        engine, SnapshotSource(snapshot).answer(Question("snapshot")), "snapshot", LOAD_BATCH
    )
    assert count.seen == 3 * LOAD_BATCH + 3
    assert (read_rows(engine), read_hits(engine)) == undisturbed
    check_index(engine)
    engine.dispose()


def wait_for_papers(file: Path, count: int, loader: "subprocess.Popen[bytes]") -> int:
    """Wait until so many papers are stored; returns how many are."""
    with sqlite3.connect(file, timeout=30) as connection:
        while True:
            stored = int(connection.execute("SELECT count(*) FROM paper").fetchone()[0])
            if stored >= count:
                return stored
            assert loader.poll() is None
            time.sleep(0.005)


def test_two_loaders_of_one_file_store_each_paper_once(
    snapshot: Path, undisturbed: tuple[Any, Any], tmp_path: Path
) -> None:
    file = tmp_path / "library.db"
    open_database(f"sqlite:///{file}").dispose()
    command = [sys.executable, "-c", LOADER, f"sqlite:///{file}", str(snapshot)]
    loaders = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [loader.wait(timeout=60) for loader in loaders] == [0, 0]
    engine = open_database(f"sqlite:///{file}")
    papers = sum(len(row) == len(PAPER_COLUMNS.split(",")) for row in undisturbed[0])
    for kept in (slice(papers), slice(papers, None)):
        rows = [
            sorted(row[2:4] for row in found[kept]) for found in (read_rows(engine), undisturbed[0])
        ]
        assert rows[0] == rows[1]
    check_index(engine)
    engine.dispose()


def test_an_interrupted_source_keeps_what_it_gave(engine: Engine) -> None:
    def break_off() -> Iterator[PaperRecord]:
        for number in range(LOAD_BATCH + 10):
            yield PaperRecord(f"2601.{number:05d}", 1, f"Title {number}", "Text.")
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        store_papers(engine, break_off(), "snapshot", LOAD_BATCH)
    repeat = (PaperRecord(f"2601.{n:05d}", 1, f"Title {n}", "Text.") for n in range(5))
    assert store_papers(engine, repeat, "snapshot") == StoreCount(seen=5, unchanged=5)
    assert len(read_rows(engine)) == 2 * (LOAD_BATCH + 10)


@pytest.mark.parametrize("pieces", [1, 2])
def test_xz_files_after_one_another_are_one_stream(tmp_path: Path, pieces: int) -> None:
    body = os.urandom(300_000) + bytes(3 * 2**20)
    file = tmp_path / "f.xz"
    file.write_bytes((lzma.compress(body) + bytes(4)) * pieces)
    with file.open("rb") as packed:
        assert XzStream(packed).readall() == body * pieces


def test_a_broken_xz_stream_gives_what_it_has_then_raises(tmp_path: Path) -> None:
    body = os.urandom(2**20)
    file = tmp_path / "f.xz"
    file.write_bytes(lzma.compress(body)[: 2**19])
    got = bytearray()
    with file.open("rb") as packed, pytest.raises(EOFError, match="end marker"):
        stream = XzStream(packed)
        while piece := stream.read(1000):
            got += piece
    assert len(got) > 2**18 and body.startswith(bytes(got))
