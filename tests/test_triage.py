"""Which papers become candidates: newer ones that match, once for a wording of a claim."""

from datetime import date
from pathlib import Path

import pytest
from langchain_core.embeddings import Embeddings
from sqlalchemy import Engine
from sqlmodel import Session, select

from db.engine import open_session
from db.errors import UsageError
from db.models import Candidate, Claim, Paper
from ingest.cut import Cut
from ingest.embeddings import WordLlamaEmbeddings, embed_matrix, load_embedder
from ingest.rankable_claims import read_rankable_claims, write_query
from ingest.triage import triage
from tests.papers_and_claims import add_claim, add_line, add_paper, add_revision

CLAIM = "Sampling many answers and voting saturates: more samples bring no further accuracy."
NEAR = (
    "Voting saturates",
    "We sample many answers and vote; accuracy saturates with more samples.",
)
FAR = ("Protein folding", "We predict many structures of proteins with graph networks.")


@pytest.fixture(scope="module")
def embedder() -> Embeddings:
    return load_embedder("wordllama")


def fill(session: Session) -> Claim:
    line = add_line(session)
    claim = add_claim(session, line, "c1", CLAIM, anchor="2502.00001", month="2025-02")
    add_claim(session, line, "c2", CLAIM, kind="hub")
    add_claim(session, line, "c3", CLAIM, is_retired=True)
    add_paper(session, "2502.00001", *NEAR, published=date(2025, 2, 3))
    add_paper(session, "2503.00001", *FAR, published=date(2025, 3, 1))
    add_paper(session, "2503.00002", *NEAR, published=date(2025, 3, 1))
    add_paper(session, "2401.00003", *NEAR, published=date(2024, 1, 1))
    return claim


def kept(session: Session) -> list[tuple[str, str]]:
    rows = session.exec(
        select(Claim.handle, Paper.arxiv_id)
        .join(Candidate, Candidate.claim_id == Claim.id)
        .join(Paper, Candidate.paper_id == Paper.id)
        .order_by(Candidate.rank, Candidate.id)
    ).all()
    return [(handle, arxiv_id) for handle, arxiv_id in rows]


def test_newer_papers_are_kept_best_first(any_engine: Engine, embedder: Embeddings) -> None:
    with open_session(any_engine) as session:
        fill(session)
        summary = triage(session, embedder=embedder)
        # no hub, no retired claim, not the anchor itself, nothing from before its month
        assert kept(session) == [("c1", "2503.00002"), ("c1", "2503.00001")]
        assert (summary.claims, summary.candidates, summary.new_candidates) == (1, 2, 2)
        assert summary.ranker == "bm25+wordllama-3"
        row = session.exec(select(Candidate).order_by(Candidate.rank)).first()
        assert row is not None and 0.3 < row.score < 1 and row.rank == 1


def test_a_second_run_adds_nothing_and_a_new_paper_once(
    any_engine: Engine, embedder: Embeddings
) -> None:
    with open_session(any_engine) as session:
        claim = fill(session)
        triage(session, embedder=embedder)
        assert triage(session, embedder=embedder).new_candidates == 0
        add_paper(session, "2504.00009", "Votes", "Many samples, same accuracy.", date(2025, 4, 1))
        assert triage(session, embedder=embedder).new_candidates == 1
        add_revision(session, claim, CLAIM + " This holds for all sizes.", 2)
        summary = triage(session, embedder=embedder)
        assert (summary.new_candidates, summary.candidates) == (3, 3)


def test_only_the_best_are_kept(session: Session, embedder: Embeddings) -> None:
    fill(session)
    triage(session, embedder=embedder, cut=Cut(1))
    assert kept(session) == [("c1", "2503.00002")]


def test_one_claim_can_be_ranked_alone(session: Session, embedder: Embeddings) -> None:
    fill(session)
    other = add_claim(session, add_line(session, "b"), "c4", "Proteins fold by graph networks.")
    triage(session, embedder=embedder, claim_id=other.id)
    assert {handle for handle, _ in kept(session)} == {"c4"}


def test_the_claims_date_is_the_anchor_then_the_lines_span_then_none(session: Session) -> None:
    dated, open_line = add_line(session, "x", span_from="2024-06"), add_line(session, "y")
    anchored = add_claim(session, dated, "c1", CLAIM, anchor="2502.00001", month="2025-02")
    by_span = add_claim(session, dated, "c2", CLAIM)
    undated = add_claim(session, open_line, "c3", CLAIM)
    since = {claim.claim_id: claim.since for claim in read_rankable_claims(session)}
    assert since == {
        anchored.id: date(2025, 2, 1), by_span.id: date(2024, 6, 1), undated.id: None,
    }  # fmt: skip


def test_an_empty_store_and_a_claim_without_words_give_nothing(
    session: Session, embedder: Embeddings
) -> None:
    add_claim(session, add_line(session), "c1", "It is. 'OR' \"NEAR(\" *")
    summary = triage(session, embedder=embedder)
    assert (summary.claims, summary.ranked, summary.candidates) == (1, 0, 0)


def test_wordllama_is_offline_and_gives_unit_vectors() -> None:
    model = WordLlamaEmbeddings()
    near, far = model.embed_documents([NEAR[1], FAR[1]])
    query = model.embed_query(CLAIM)
    assert sum(x * x for x in query) == pytest.approx(1.0, abs=1e-4)
    assert sum(a * b for a, b in zip(query, near, strict=True)) > sum(
        a * b for a, b in zip(query, far, strict=True)
    )
    assert not any(model.embed_query(""))


def test_any_langchain_embeddings_can_rank(session: Session) -> None:
    class Lengths(Embeddings):
        model = "lengths"

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[float(len(text)), 1.0] for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    fill(session)
    assert triage(session, embedder=Lengths()).ranker == "bm25+Lengths:lengths-3"
    assert embed_matrix(Lengths(), []).shape[0] == 0


@pytest.mark.parametrize("name", ["nonsense", "openai:text-embedding-3-small", "nobody:model"])
def test_unknown_embeddings_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        load_embedder(name)
    assert name in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.slow
@pytest.mark.real_data
def test_recall_on_real_pairs(test_data: Path, embedder: Embeddings) -> None:
    from ingest.gold import read_gold
    from ingest.ranking_measures import measure_ranking, read_pairs

    pairs = read_gold(test_data / "gold" / "stance.jsonl")
    at20, at50 = measure_ranking(read_pairs(pairs), embedder).recall
    assert at20.recall > 0.64 and at50.recall > 0.80
    assert at50.recall <= at50.ceiling


def test_a_claim_is_ranked_by_what_it_says_not_by_who_said_it() -> None:
    text = "Snell et al. (2024) showed that compute trades off. Research shows it holds."
    assert write_query("Can compute replace size?", text).split() == [
        "Can", "compute", "replace", "size?", "that", "compute", "trades", "off.", "it", "holds.",
    ]  # fmt: skip
    assert write_query(None, "MobileLLM finds that depth wins") == "MobileLLM   that depth wins"
