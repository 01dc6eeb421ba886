"""How fast new papers are held against a large library, beside plain full-text queries.

    python benchmarks/triage_speed.py [FILE] [--claims 5000] [--papers 1000] [--stored 5000]

FILE is arXiv metadata to take papers from (real abstracts have real lengths); without it
papers are invented. Claims are sentences of other papers. The baseline asks the database's
own full-text search once a claim, as triage did before: measured on 50 claims and scaled.
"""

import argparse
import resource
import tempfile
import time
from itertools import islice
from pathlib import Path

from sqlmodel import Session

from claims.search import search_papers
from db.columns import stored_id
from db.engine import open_database, open_session
from db.models import Claim, ClaimRevision, Line, LineClaim, Note
from ingest.embeddings import load_embedder
from ingest.papers import store_papers
from ingest.sources.records import PaperRecord, Question
from ingest.sources.snapshot import SnapshotSource
from ingest.triage import triage
from tests.invented_papers import write_snapshot

STORED = 5_000  # papers before the new ones come
BASELINE_CLAIMS = 50


def read_papers(file: Path | None, folder: Path, count: int) -> list[PaperRecord]:
    """The first papers of a file, or invented ones."""
    source = SnapshotSource(file or write_snapshot(folder / "invented.jsonl", count=count))
    return list(islice(source.answer(Question("snapshot")), count))


def add_claims(session: Session, texts: list[str]) -> None:
    """A library of one line with one note a claim."""
    line = Line(slug="line", question="?", text="", source="benchmark", content_hash="line")
    session.add(line)
    session.flush()
    for number, text in enumerate(texts, start=1):
        note = Note(slug=f"n{number}", title="", summary=text)
        session.add(note)
        session.flush()
        claim = Claim(
            handle=f"c{number}", slug=f"s{number}", note_id=note.id, statement=text, text=text
        )
        session.add(claim)
        session.flush()
        session.add(
            ClaimRevision(
                claim_id=stored_id(claim.id),
                number=1,
                statement=text,
                text=text,
                author="b",
                reason="b",
            )
        )
        session.add(LineClaim(line_id=stored_id(line.id), claim_id=stored_id(claim.id)))
    session.commit()


def measure(name: str, pairs: int, wall_s: float, cpu_s: float) -> None:
    """One line of the table."""
    print(f"{name:34} {pairs:>10,} pairs  {wall_s:7.1f} s wall  {cpu_s:7.1f} s cpu")


def main() -> None:
    """Print the time of the first ranking, of new papers with and without vectors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--claims", type=int, default=5_000)
    parser.add_argument("--papers", type=int, default=1_000)
    parser.add_argument("--stored", type=int, default=STORED, help="papers before the new ones")
    options = parser.parse_args()
    first_new = options.stored
    embedder = load_embedder("wordllama")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = read_papers(options.file, folder, first_new + options.papers + options.claims)
        engine = open_database(f"sqlite:///{folder}/library.db")
        store_papers(engine, records[:first_new], "snapshot")
        texts = [r.abstract.split(". ")[0] for r in records[first_new + options.papers :]]
        with open_session(engine) as session:
            add_claims(session, texts)
            start, cpu = time.perf_counter(), time.process_time()
            for text in texts[:BASELINE_CLAIMS]:
                search_papers(session, text, 300)
            scale = len(texts) / BASELINE_CLAIMS
            baseline_s = (time.process_time() - cpu) * scale
            measure(
                "full-text search once a claim",
                len(texts) * options.papers,
                (time.perf_counter() - start) * scale,
                baseline_s,
            )
            start, cpu = time.perf_counter(), time.process_time()
            summary = triage(session, embedder=embedder)
            measure(
                "every claim against the store",
                summary.ranked,
                time.perf_counter() - start,
                time.process_time() - cpu,
            )
        store_papers(engine, records[first_new : first_new + options.papers], "snapshot")
        with open_session(engine) as session:
            start, cpu = time.perf_counter(), time.process_time()
            summary = triage(session, embedder=embedder)
            spent_s = time.process_time() - cpu
            measure(
                "new papers against every claim",
                len(texts) * summary.new_papers,
                time.perf_counter() - start,
                spent_s,
            )
        engine.dispose()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"new papers / full-text search {spent_s / baseline_s:.2f}   peak {peak_mb:.0f} MB")


if __name__ == "__main__":
    main()
