"""How long a search over claims, notes and papers takes at the planned scale.

Run: python -m benchmarks.library_search [CLAIMS] [PAPERS]
"""

import sys
import tempfile
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

from sqlalchemy import insert
from sqlmodel import Session

from claims.search import search_library
from db.engine import open_database, open_session
from db.models import Claim, Note, Paper

QUERIES = (
    "reasoning models",
    "word7 word70 word700",
    "scaling word3 accuracy",
    "word1 word2 word4",
)
REPEATS = 15
VOCABULARY = 20_000


def main() -> None:
    """Fill a library with invented text and print the median and the worst time."""
    claims, papers = (int(number) for number in (*sys.argv[1:], "5000", "5000")[:2])
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{Path(folder) / 'library.db'}")
        with open_session(engine) as session:
            fill(session, claims, papers)
            times_ms = [time_search(session, query) for query in QUERIES * REPEATS]
        engine.dispose()
    print(f"{claims} claims, {claims} notes, {papers} papers, {len(times_ms)} searches")
    print(f"median {median(times_ms):.1f} ms, worst {max(times_ms):.1f} ms")


def time_search(session: Session, query: str) -> float:
    """Milliseconds of one search over all kinds."""
    start = perf_counter()
    search_library(session, query)
    return (perf_counter() - start) * 1000


def fill(session: Session, claims: int, papers: int) -> None:
    """Rows whose words are as unevenly frequent as those of a language."""
    random = Random(4)

    def text(words: int) -> str:
        ranks = (int(VOCABULARY ** random.random()) for _ in range(words))
        common = random.choice(("reasoning", "models", "scaling", "accuracy"))
        return f"{common} " + " ".join(f"word{rank}" for rank in ranks)

    notes = [
        {"id": n, "slug": f"note-{n}", "title": text(10), "summary": text(60)}
        for n in range(1, claims + 1)
    ]
    rows = [
        {"id": n, "handle": f"c{n}", "slug": f"claim-{n}", "note_id": n, "statement": text(20),
         "text": text(60)}
        for n in range(1, claims + 1)
    ]  # fmt: skip
    shelf = [
        {"id": n, "arxiv_id": f"26{n % 12 + 1:02}.{n:05}", "title": text(10),
         "abstract": text(180), "source": "test"}
        for n in range(1, papers + 1)
    ]  # fmt: skip
    for table, values in ((Note, notes), (Claim, rows), (Paper, shelf)):
        session.execute(insert(table), values)
    session.commit()


if __name__ == "__main__":
    main()
