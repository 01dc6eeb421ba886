"""How long the queue takes at the planned scale: 5,000 claims, 100,000 proposals.

Run: python -m benchmarks.queue_speed [CLAIMS] [PROPOSALS]
"""

import gc
import sys
import tempfile
from datetime import date
from pathlib import Path
from random import Random
from time import perf_counter, process_time

from sqlalchemy import insert
from sqlmodel import Session

from claims.queue_items import read_queue
from claims.queue_ranking import rank_queue
from db.engine import open_database, open_session
from db.models import (
    Claim,
    ClaimRevision,
    Evidence,
    Line,
    LineClaim,
    Note,
    Paper,
    PaperVersion,
    Verdict,
)
from reassay.cli import IMPORT_GC_THRESHOLD

TODAY = date(2026, 11, 24)
LINES_A_CLAIM = 20
REPEATS = 5
STANCES = ("supports", "contradicts", "relaxes")
QUOTE = "practice cannot be replaced by heat"


def main() -> None:
    """Fill a library with proposals, all directed and then all unclear, and print the best time."""
    claims, proposals = (int(number) for number in (*sys.argv[1:], "5000", "100000")[:2])
    gc.set_threshold(IMPORT_GC_THRESHOLD)  # as the command line does
    for kind in ("directed", "unclear"):
        with tempfile.TemporaryDirectory() as folder:
            engine = open_database(f"sqlite:///{Path(folder) / 'library.db'}")
            with open_session(engine) as session:
                fill(session, claims, proposals, kind)
                times = [time_queue(session) for _ in range(REPEATS)]
            engine.dispose()
        wall_s, core_s = (min(values) for values in zip(*times, strict=True))
        print(f"{proposals} {kind} rows, {claims} claims: {wall_s:.2f} s, {core_s:.2f} core-s")


def time_queue(session: Session) -> tuple[float, float]:
    """Seconds by the clock and of one core, for the first ten rows."""
    session.expire_all()
    wall, core = perf_counter(), process_time()
    read_queue(session, rank_queue(session, top=10, today=TODAY), TODAY)
    return perf_counter() - wall, process_time() - core


def fill(session: Session, claims: int, proposals: int, kind: str) -> None:
    """Invented lines, claims with a verdict, papers, and a proposal for each of many pairs."""
    random = Random(1)
    lines = max(1, claims // 2)
    numbers = range(1, claims + 1)
    papers = range(1, proposals // 5 + 2)
    _insert(session, Line, [{"slug": f"l{n}", "question": "Does it?", "text": "", "source": "b",
            "content_hash": str(n)} for n in range(lines)])  # fmt: skip
    _insert(session, Note, [{"slug": f"n{n}", "title": "T", "summary": "S"} for n in numbers])
    _insert(session, Claim, [{"handle": f"c{n}", "slug": f"s{n}", "note_id": n,
            "statement": "Heat replaces practice.", "text": "Heat replaces practice."}
            for n in numbers])  # fmt: skip
    _insert(session, ClaimRevision, [{"claim_id": n, "number": 1, "statement": "S", "text": "S",
            "author": "import", "reason": "b"} for n in numbers])  # fmt: skip
    _insert(session, LineClaim, [{"claim_id": n, "line_id": line} for n in numbers
            for line in random.sample(range(1, lines + 1), min(LINES_A_CLAIM, lines))])  # fmt: skip
    _insert(session, Paper, [{"arxiv_id": f"2606.{n:05d}", "title": "T", "abstract": QUOTE,
            "published": TODAY, "source": "b", "version_id": n} for n in papers])  # fmt: skip
    _insert(session, PaperVersion, [{"paper_id": n, "version": 1, "text_hash": str(n),
            "title": "T", "abstract": QUOTE, "source": "b"} for n in papers])  # fmt: skip
    _insert(session, Verdict, [{"claim_id": n, "claim_revision_id": n, "headline": "HOLDS",
            "grounding": "grounded", "literature": "supported", "local": "none",
            "searched_through": TODAY} for n in numbers])  # fmt: skip
    pairs = random.sample(range(claims * len(papers)), proposals)
    _insert(session, Evidence, [_make_row(random, pair % claims + 1, pair // claims + 1, kind)
            for pair in pairs])  # fmt: skip
    session.commit()


def _make_row(random: Random, claim: int, paper: int, kind: str) -> dict[str, object]:
    likely = random.random()
    is_unclear = kind == "unclear"
    against = {"supports": likely / 2, "against": likely / 2, "neither": 1 - likely}
    return {
        "claim_id": claim,
        "claim_revision_id": claim,
        "paper_id": paper,
        "paper_version_id": paper,
        "stance": "unclear" if is_unclear else random.choice(STANCES),
        "confidence": None if is_unclear else likely,
        "quote": None if is_unclear else QUOTE,
        "quote_start": None if is_unclear else 0,
        "quote_end": None if is_unclear else len(QUOTE),
        "section": None if is_unclear else "abstract",
        "closest": [{"section": "abstract", "start": 0, "end": len(QUOTE), "text": QUOTE}],
        "scope": {"leaning": random.choice(STANCES), "probabilities": against}
        if is_unclear
        else {"task": random.choice(("same", "near", "other"))},
        "judge": "bench-1",
    }


def _insert(session: Session, table: type, rows: list[dict[str, object]]) -> None:
    session.connection().execute(insert(table), rows)


if __name__ == "__main__":
    main()
