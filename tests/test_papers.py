"""The paper store on both databases, and the metadata files that fill it."""

import gzip
import json
import lzma
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import col, select

from claims.search import search_papers
from db.engine import open_database, open_session
from db.errors import SnapshotRefused
from db.models import Paper, PaperVersion
from ingest.papers import BATCH, StoreCount, store_papers
from ingest.sources.read_ahead import CHUNK, read_ahead
from ingest.sources.records import PaperRecord, Question, clean_text, is_withdrawal
from ingest.sources.snapshot import PROBED_LINES, SnapshotSource, read_record

ALL = Question("snapshot")
FLAT = {
    "id": "2601.00001",
    "title": "Of  invented\n things",
    "abstract": " Nothing\tis measured. ",
    "authors": ["Ada Invented", "B. Made-Up"],
    "categories": ["cs.CL", "cs.LG"],
    "published": "2026-01-02",
    "listed": "2026-01-05",
    "comment": "4 pages",
}
OFFICIAL = {
    "id": "0704.0001",
    "submitter": "A. Invented",
    "authors": "A. Invented (Nowhere), B. Made-Up and C. Third",
    "title": "An\n  old one",
    "comments": "withdrawn by the author",
    "categories": "hep-ph cs.LG",
    "abstract": "  Old text.\n",
    "versions": [
        {"version": "v1", "created": "Mon, 2 Apr 2007 19:18:42 GMT"},
        {"version": "v2", "created": "Tue, 24 Jul 2007 20:10:27 GMT"},
    ],
    "update_date": "2008-11-26",
    "authors_parsed": [["Invented", "A.", ""], ["Made-Up", "B.", "Jr"]],
}


def record(number: int = 1, **changes: Any) -> PaperRecord:
    base = PaperRecord(
        arxiv_id=f"2601.{number:05d}",
        version=1,
        title=f"Title {number}",
        abstract=f"Abstract of number {number}.",
        authors=("A. Invented",),
        categories=("cs.CL",),
        published=date(2026, 1, 2),
    )
    return replace(base, **changes)


def stored(engine: Engine, arxiv_id: str = "2601.00001") -> Paper:
    with open_session(engine) as session:
        return session.exec(select(Paper).where(Paper.arxiv_id == arxiv_id)).one()


def texts(engine: Engine) -> list[tuple[int, str]]:
    query = select(PaperVersion.version, PaperVersion.title).order_by(col(PaperVersion.id))
    with open_session(engine) as session:
        return [(version, title) for version, title in session.exec(query)]


def write_lines(file: Path, *documents: object) -> Path:
    file.write_text("".join(json.dumps(d) + "\n" for d in documents), encoding="utf-8")
    return file


def test_the_same_paper_is_one_row_from_any_source(any_engine: Engine) -> None:
    records = [record(n) for n in range(1, BATCH + 200)]
    first = store_papers(any_engine, records, "snapshot")
    assert first == StoreCount(seen=len(records), new=len(records))
    again = store_papers(any_engine, records, "api")
    assert again == StoreCount(seen=len(records), unchanged=len(records))
    with open_session(any_engine) as session:
        assert len(session.exec(select(Paper.id)).all()) == len(records)
        assert len(session.exec(select(PaperVersion.id)).all()) == len(records)
        in_force = session.exec(
            select(Paper.title, PaperVersion.title).join(
                PaperVersion, col(PaperVersion.id) == col(Paper.version_id)
            )
        ).all()
    assert len(in_force) == len(records)
    assert all(mine == of_version for mine, of_version in in_force)


def test_a_new_version_takes_force_and_the_old_text_stays(any_engine: Engine) -> None:
    store_papers(any_engine, [record()], "api")
    count = store_papers(any_engine, [record(version=2, title="Renamed platypus")], "api")
    assert count == StoreCount(seen=1, revised=1)
    assert (stored(any_engine).title, stored(any_engine).version) == ("Renamed platypus", 2)
    assert texts(any_engine) == [(1, "Title 1"), (2, "Renamed platypus")]
    with open_session(any_engine) as session:
        assert [hit.id for hit in search_papers(session, "platypus", 5)] == [1]


def test_an_older_version_never_overwrites_a_newer(any_engine: Engine) -> None:
    store_papers(any_engine, [record(version=3, title="Third")], "api")
    count = store_papers(any_engine, [record(version=2, title="Second", comment="old")], "oai")
    assert count == StoreCount(seen=1, unchanged=1)
    assert (stored(any_engine).title, stored(any_engine).version) == ("Third", 3)
    assert texts(any_engine) == [(3, "Third"), (2, "Second")]


def test_a_text_without_a_version_yields_to_a_known_later_version(any_engine: Engine) -> None:
    store_papers(any_engine, [record(version=3, title="Third")], "api")
    store_papers(any_engine, [record(version=None, title="Undated")], "snapshot")
    assert stored(any_engine).title == "Third"


def test_texts_without_versions_are_taken_in_the_order_they_come(any_engine: Engine) -> None:
    store_papers(any_engine, [record(version=None)], "snapshot")
    later = record(version=None, title="Later")
    assert store_papers(any_engine, [later], "snapshot").revised == 1
    assert stored(any_engine).title == "Later"


def test_two_wordings_of_one_version_do_not_alternate(any_engine: Engine) -> None:
    one, other = record(), record(title="Title $1$")
    counts = [store_papers(any_engine, [r], "api").revised for r in (one, other, one, other)]
    assert counts == [0, 1, 0, 0]
    assert len(texts(any_engine)) == 2


def test_a_repeat_within_a_batch_is_a_revision(any_engine: Engine) -> None:
    count = store_papers(any_engine, [record(), record(2), record(version=2, title="B")], "api")
    assert count == StoreCount(seen=3, new=2, revised=1)


def test_what_one_source_lacks_another_fills(any_engine: Engine) -> None:
    bare = record(version=None, published=None, authors=(), comment=None)
    store_papers(any_engine, [replace(bare, listed=date(2026, 1, 6))], "snapshot")
    store_papers(any_engine, [record(listed=date(2026, 1, 5), comment="5 pages")], "api")
    paper = stored(any_engine)
    assert (paper.published, paper.listed) == (date(2026, 1, 2), date(2026, 1, 5))
    assert (paper.authors, paper.comment) == (["A. Invented"], "5 pages")
    assert paper.source == "snapshot"


def test_the_api_outranks_a_snapshot_on_the_day_of_submission(any_engine: Engine) -> None:
    store_papers(any_engine, [record(published=date(2026, 1, 3))], "snapshot")
    store_papers(any_engine, [record(published=date(2026, 1, 2))], "api")
    store_papers(any_engine, [record(published=date(2026, 1, 3))], "snapshot")
    assert stored(any_engine).published == date(2026, 1, 2)


def test_a_withdrawal_is_seen_once_and_lasts(any_engine: Engine) -> None:
    store_papers(any_engine, [record()], "api")
    notice = record(version=2, comment="This paper has been withdrawn by the author")
    assert store_papers(any_engine, [notice], "api") == StoreCount(1, revised=1, withdrawn=1)
    assert store_papers(any_engine, [notice], "api").withdrawn == 0
    assert store_papers(any_engine, [record()], "snapshot").withdrawn == 0
    assert stored(any_engine).is_withdrawn
    assert store_papers(any_engine, [record(2, comment="Withdrawn.")], "api").withdrawn == 1


def test_records_before_a_failure_are_kept(any_engine: Engine) -> None:
    def break_off() -> Iterator[PaperRecord]:
        yield record(1)
        yield record(2)
        raise SnapshotRefused("broken")

    with pytest.raises(SnapshotRefused, match="broken"):
        store_papers(any_engine, break_off(), "snapshot")
    assert stored(any_engine, "2601.00002").title == "Title 2"


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("This paper has been withdrawn by the author", True),
        ("Withdrawn due to an error in Theorem 2", True),
        ("This work is withdrawn as all authors disagree", True),
        ("arXiv admin note: This submission has been withdrawn by arXiv administrators", True),
        ("This version replaces withdrawn arXiv:2601.00001", False),
        ("We study how troops are withdrawn", False),
    ],
)
def test_withdrawal_notices(comment: str, expected: bool) -> None:
    assert is_withdrawal(record(comment=comment)) is expected


@given(st.text())
def test_cleaned_text_is_one_printable_line_and_stays_so(text: str) -> None:
    cleaned = clean_text(text)
    cleaned.encode()
    assert cleaned == clean_text(cleaned) == " ".join(cleaned.split())
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", cleaned)


def test_a_flat_line() -> None:
    found = read_record(json.dumps(FLAT).encode())
    assert found == PaperRecord(
        "2601.00001",
        None,
        "Of invented things",
        "Nothing is measured.",
        ("Ada Invented", "B. Made-Up"),
        ("cs.CL", "cs.LG"),
        published=date(2026, 1, 2),
        listed=date(2026, 1, 5),
        comment="4 pages",
    )


def test_a_line_of_arxivs_own_snapshot() -> None:
    found = read_record(json.dumps(OFFICIAL).encode())
    assert (found.arxiv_id, found.version, found.title) == ("0704.0001", 2, "An old one")
    assert found.authors == ("A. Invented", "B. Made-Up Jr")
    assert found.categories == ("hep-ph", "cs.LG")
    assert (found.published, found.updated) == (date(2007, 4, 2), date(2007, 7, 24))
    assert is_withdrawal(found)


def test_authors_in_one_string() -> None:
    line = {**OFFICIAL, "authors_parsed": None}
    found = read_record(json.dumps(line).encode())
    assert found.authors == ("A. Invented", "B. Made-Up", "C. Third")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_any_value_in_any_field_is_read_or_refused_in_words(value: Any) -> None:
    for name in [*FLAT, "versions", "authors_parsed", "version", "updated"]:
        try:
            found = read_record(json.dumps({**FLAT, name: value}).encode())
        except ValueError as error:
            assert str(error)
        else:
            assert found.title and found.abstract and found.arxiv_id


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_files_plain_and_packed(tmp_path: Path, suffix: str) -> None:
    body = (json.dumps(FLAT) + "\n\n" + json.dumps(OFFICIAL) + "\n").encode()
    pack = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[suffix]
    file = tmp_path / f"papers.jsonl{suffix}"
    file.write_bytes(pack(body))
    source = SnapshotSource(file)
    assert [r.arxiv_id for r in source.answer(ALL)] == ["2601.00001", "0704.0001"]
    assert (source.first_day, source.last_day) == (date(2007, 4, 2), date(2026, 1, 5))
    assert source.newest_listed == date(2026, 1, 5)


def test_bad_lines_are_counted_and_reported(tmp_path: Path) -> None:
    no_abstract = {**FLAT, "abstract": " "}
    file = write_lines(tmp_path / "f", FLAT, "nonsense", no_abstract, {"id": "x"}, OFFICIAL)
    source = SnapshotSource(file)
    assert len(list(source.answer(ALL))) == 2
    assert source.bad_lines == 3
    assert "2601.00001 has no abstract" in source.remarks[0]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
        b"\x00\xff" * 4096,
        b"PK\x03\x04 a zip archive",
        b'["a list"]\n' * 50,
        gzip.compress(b"no metadata\n" * 50, mtime=0),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, body: bytes) -> None:
    file = tmp_path / "f"
    file.write_bytes(body)
    with pytest.raises(SnapshotRefused) as refusal:
        list(SnapshotSource(file).answer(ALL))
    assert "\n" not in str(refusal.value)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for file in (tmp_path / "none", tmp_path):
        with pytest.raises(SnapshotRefused, match="cannot read"):
            list(SnapshotSource(file).answer(ALL))


def test_a_file_of_something_else_is_not_read_to_its_end(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "f", *["no paper"] * PROBED_LINES, FLAT)
    with pytest.raises(SnapshotRefused, match="not arXiv metadata"):
        list(SnapshotSource(file).answer(ALL))


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_cut_off_file_gives_what_it_has_and_says_so(tmp_path: Path, pack: Any) -> None:
    lines = "".join(json.dumps({**FLAT, "id": f"2601.{n:05d}"}) + "\n" for n in range(5000))
    file = tmp_path / "f"
    body = pack(lines.encode())
    file.write_bytes(body[: len(body) * 3 // 4])
    read = []
    with pytest.raises(SnapshotRefused, match="breaks off after line"):
        for paper in SnapshotSource(file).answer(ALL):
            read.append(paper)
    assert read[0].arxiv_id == "2601.00000"


def test_reading_ahead_keeps_order_and_stops_when_left() -> None:
    taken: list[int] = []

    def count() -> Iterator[int]:
        for number in range(100 * CHUNK):
            taken.append(number)
            yield number

    items = read_ahead(count())
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    items.close()  # type: ignore[attr-defined]
    assert len(taken) < 50 * CHUNK
    assert list(read_ahead(iter(range(2 * CHUNK + 1)))) == list(range(2 * CHUNK + 1))


@pytest.mark.real_data
def test_real_withdrawal_comments(test_data: Path) -> None:
    lines = (test_data / "corpus" / "withdrawn_candidates.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    missed = [
        row["comment"]
        for row in rows
        if row["matches_anchored_regex"] and not is_withdrawal(record(comment=row["comment"]))
    ]
    assert missed == []


@pytest.mark.real_data
def test_real_revisions_keep_both_texts(engine: Engine, test_data: Path) -> None:
    with lzma.open(test_data / "corpus" / "revisions.jsonl.xz", "rt", encoding="utf-8") as lines:
        pairs = [json.loads(line) for line, _ in zip(lines, range(200), strict=False)]
    for which in ("first", "later"):
        records = [read_record(json.dumps({"id": p["id"], **p[which]}).encode()) for p in pairs]
        count = store_papers(engine, records, "snapshot")
    assert count.revised == len(pairs)
    with open_session(engine) as session:
        assert len(session.exec(select(PaperVersion.id)).all()) == 2 * len(pairs)


def test_two_writers_of_the_same_papers_make_one_row_each(
    any_engine: Engine, database_url: str
) -> None:
    records = [record(n) for n in range(1, 3 * BATCH)]
    other = open_database(database_url)
    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(lambda e: store_papers(e, records, "api"), [any_engine, other]))
    other.dispose()
    assert sum(count.new for count in counts) == len(records)
    with open_session(any_engine) as session:
        assert len(session.exec(select(PaperVersion.id)).all()) == len(records)
