"""Measures the ranking: how much of what bears on a claim is among its best papers.

Reads labelled pairs, and retrieval sets in BEIR's form (corpus.jsonl, queries.jsonl,
qrels/SPLIT.tsv). Every paper of a set is ranked against each of its claims, in a store of
its own, by the very code that a night runs. Decides nothing about what is enough.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2
from pathlib import Path
from tempfile import TemporaryDirectory

from langchain_core.embeddings import Embeddings
from sqlmodel import select

from db.columns import stored_id
from db.engine import open_database, open_session
from db.errors import GoldRefused
from db.models import Paper
from ingest.gold import GoldPair
from ingest.papers import store_papers
from ingest.ranker import Ranker
from ingest.sources.records import PaperRecord, clean_text

CUTOFFS = (20, 50)
GAIN_DEPTH = 10
BEIR_SPLITS = ("test", "dev", "train")


@dataclass(frozen=True)
class RetrievalSet:
    """Claims, papers (title and text), and which papers each claim wants."""

    name: str
    claims: Mapping[str, str]
    papers: Mapping[str, tuple[str, str]]
    wanted: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Recall:
    """Mean over claims; ``ceiling`` is what a perfect ranking would get at that depth."""

    at: int
    recall: float
    ceiling: float
    claims: int
    papers: int  # in the pool that was ranked


@dataclass(frozen=True)
class RankingMeasure:
    """Recall at the cutoffs, nDCG@10, and the scores of every wanted paper that was ranked."""

    name: str
    ranker: str
    recall: tuple[Recall, ...]
    ndcg_at_10: float
    wanted_scores: tuple[float, ...]  # 0 for a wanted paper that was not ranked at all


def measure_ranking(data: RetrievalSet, embedder: Embeddings) -> RankingMeasure:
    """Rank all papers of a set against each of its claims."""
    places = {key: f"2501.{place:05}" for place, key in enumerate(data.papers)}
    with TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{Path(folder) / 'pool.db'}")
        store_papers(
            engine,
            (
                PaperRecord(places[key], 1, clean_text(title) or "–", clean_text(text) or "–")
                for key, (title, text) in data.papers.items()
            ),
            "gold",
        )
        with open_session(engine) as session:
            keys = {place: key for key, place in places.items()}
            names = {
                stored_id(paper_id): keys[arxiv_id]
                for paper_id, arxiv_id in session.exec(select(Paper.id, Paper.arxiv_id))
            }
            ranker = Ranker(session, embedder)
            ranked = {
                claim: {
                    names[paper.paper_id]: paper.score
                    for paper in ranker.rank_store(data.claims[claim], since=None).best
                }
                for claim in data.wanted
            }
            name = ranker.name
        engine.dispose()
    return RankingMeasure(
        data.name,
        name,
        tuple(_count_recall(data, ranked, at) for at in CUTOFFS),
        _mean([_gain(list(ranked[claim]), keys) for claim, keys in data.wanted.items()]),
        tuple(ranked[claim].get(key, 0.0) for claim, keys in data.wanted.items() for key in keys),
    )


def read_pairs(pairs: Sequence[GoldPair]) -> RetrievalSet:
    """Labelled pairs as a retrieval set: a claim wants what is not unrelated to it."""
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        if pair.label != "unrelated":
            wanted[pair.claim].add(pair.arxiv_id)
    return RetrievalSet(
        "labelled pairs",
        {claim: claim for claim in wanted},
        {pair.arxiv_id: (pair.title, pair.abstract) for pair in pairs},
        {claim: frozenset(keys) for claim, keys in wanted.items()},
    )


def read_beir(folder: Path) -> RetrievalSet:
    """A set in BEIR's form; of its splits the first of test, dev, train that is there.

    Raises:
        GoldRefused: a file is missing or not in that form.
    """
    splits = [folder / "qrels" / f"{split}.tsv" for split in BEIR_SPLITS]
    found = next((file for file in splits if file.is_file()), None)
    if found is None:
        raise GoldRefused(f"{folder} has no qrels/test.tsv (dev, train): it is no BEIR set")
    try:
        papers = {
            str(row["_id"]): (str(row.get("title", "")), str(row["text"]))
            for row in _read_lines(folder / "corpus.jsonl")
        }
        claims = {
            str(row["_id"]): str(row["text"]) for row in _read_lines(folder / "queries.jsonl")
        }
        wanted = _read_qrels(found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GoldRefused(f"{folder} is no BEIR set: {error}") from error
    unknown = wanted.keys() - claims.keys()
    if unknown:
        raise GoldRefused(f"{found} names query {min(unknown)!r}, which queries.jsonl lacks")
    return RetrievalSet(f"{folder.name} {found.stem}", claims, papers, wanted)


def _read_lines(file: Path) -> list[dict[str, object]]:
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def _read_qrels(file: Path) -> dict[str, frozenset[str]]:
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for line in file.read_text(encoding="utf-8").splitlines()[1:]:
        query, paper, relevance = line.split("\t")
        if int(relevance) > 0:
            wanted[query].add(paper)
    return {query: frozenset(papers) for query, papers in wanted.items()}


def _count_recall(data: RetrievalSet, ranked: Mapping[str, Mapping[str, float]], at: int) -> Recall:
    found = [
        len(keys & set(list(ranked[claim])[:at])) / len(keys) for claim, keys in data.wanted.items()
    ]
    best = [min(at, len(keys)) / len(keys) for keys in data.wanted.values()]
    return Recall(at, _mean(found), _mean(best), len(data.wanted), len(data.papers))


def _gain(order: Sequence[str], wanted: frozenset[str]) -> float:
    """nDCG at ten with gains of one (Järvelin and Kekäläinen, 2002)."""
    got = sum(1 / log2(k + 2) for k, key in enumerate(order[:GAIN_DEPTH]) if key in wanted)
    return got / sum(1 / log2(k + 2) for k in range(min(GAIN_DEPTH, len(wanted))))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
