"""Terms, vectors, the cut, what is new to whom, and what lies below the cut."""

import json
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings
from sqlalchemy import Engine
from sqlmodel import Session, select

from db.columns import stored_id
from db.engine import open_session
from db.errors import UsageError
from db.models import Candidate, Evidence, Paper, PaperVector, Ranking
from ingest.cut import Cut, read_cut
from ingest.embeddings import load_embedder
from ingest.misses import store_miss_estimate
from ingest.paper_vectors import VectorShelf, pack_vector, unpack_vector
from ingest.ranking import BAG_OF_TOKENS, SENTENCES, Mix
from ingest.sampling import BelowCut, estimate_miss_rate
from ingest.term_index import TermIndex, read_query
from ingest.terms import count_terms, measure_terms
from ingest.triage import triage
from reassay.cli import run
from tests.papers_and_claims import add_claim, add_line, add_paper, add_version

KETTLES = "Warm kettles sort cards faster than cold kettles."
DECKS = "Depth beats width in decks of cards."


@pytest.fixture(scope="module", params=["wordllama", "minilm"])
def embedder(request: pytest.FixtureRequest) -> Embeddings:
    return load_embedder(request.param)


def test_words_of_the_title_count_thrice_and_everyday_words_not() -> None:
    assert count_terms("Kettles", "the kettle of cards") == Counter({"kettl": 4, "card": 1})


def test_scores_are_those_of_bm25_over_the_best_possible() -> None:
    texts = [("", "alpha beta"), ("", "alpha alpha gamma delta"), ("", "gamma")] * 20
    statistics = measure_terms(texts)
    index = TermIndex(statistics)
    for paper_id, (title, text) in enumerate(texts[:3]):
        index.add(paper_id, title, text)
    (scores,) = index.score([read_query("alpha beta")], [0, 1, 2])
    length = statistics.mean_length
    rarity = {t: statistics.rarity(t) for t in ("alpha", "beta")}

    def saturate(often: int, long: int) -> float:
        return often * 2.5 / (often + 1.5 * (0.25 + 0.75 * long / length))

    best = 2.5 * sum(rarity.values())
    first = saturate(1, 2) * sum(rarity.values()) / best
    assert scores.tolist() == pytest.approx([first, saturate(2, 4) * rarity["alpha"] / best, 0])


def test_a_score_does_not_depend_on_the_other_papers_in_the_index() -> None:
    statistics = measure_terms([("", KETTLES), ("", DECKS)] * 30)
    small, large = TermIndex(statistics), TermIndex(statistics)
    for paper_id in range(50):
        large.add(paper_id, "Other", f"word{paper_id} cards")
    for index in (small, large):
        index.add(99, "Kettles", KETTLES)
    query = [read_query("cold kettles and unseen words")]
    assert small.score(query, [99]) == pytest.approx(large.score(query, [99]))


def test_feedback_brings_words_that_the_query_lacks() -> None:
    index = TermIndex(measure_terms([("", KETTLES), ("", DECKS)] * 30))
    index.add(1, "Kettles", KETTLES)
    index.add(2, "Decks", DECKS)
    (scores,) = index.score([read_query("kettles")], [1, 2])
    feedback = index.find_feedback([1, 2], scores)
    assert "fast" in feedback and "depth" not in feedback
    assert sum(feedback.values()) == pytest.approx(1, abs=0.01)
    assert index.find_feedback([1, 2], np.zeros(2, dtype=np.float32)) == {}


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=64))
def test_a_packed_vector_is_within_half_a_step(values: list[float]) -> None:
    vector = np.array(values, dtype=np.float32)
    scale, packed = pack_vector(vector)
    assert len(packed) == len(values)
    assert np.abs(unpack_vector(scale, packed) - vector).max() <= scale * 0.501


def test_vectors_are_stored_once_and_anew_for_a_new_text(
    any_engine: Engine, embedder: Embeddings
) -> None:
    with open_session(any_engine) as session:
        paper = add_paper(session, "2501.00001", "Kettles", KETTLES)
        paper_id = stored_id(paper.id)
        first = VectorShelf(embedder, "m").fetch(session, [paper_id])
        again = VectorShelf(embedder, "m")
        assert np.array_equal(again.fetch(session, [paper_id]), first) and again.embedded == 0
        add_version(session, paper, "Decks", DECKS, 2)
        renewed = VectorShelf(embedder, "m")
        assert not np.array_equal(renewed.fetch(session, [paper_id]), first)
        assert renewed.embedded == 1
        assert len(session.exec(select(PaperVector)).all()) == 1


@pytest.mark.parametrize(("text", "number"), [("50", 50), ("1", 1), ("recall:0.9", 500)])
def test_a_cut_is_a_number_or_a_recall(text: str, number: int) -> None:
    cut = read_cut(text)
    assert (cut.number, cut.recall is not None) == (number, text.startswith("recall"))


@pytest.mark.parametrize("text", ["", "0", "-3", "recall:2", "recall:", "half", "recall:x", "5:5"])
def test_other_cuts_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a cut of"):
        read_cut(text)


@pytest.mark.parametrize("mix", [BAG_OF_TOKENS, SENTENCES])
def test_a_higher_recall_keeps_more(mix: Mix) -> None:
    scores = [mix.find_score(recall) for recall in (0.5, 0.55, 0.7, 0.85, 0.9)]
    assert scores == sorted(scores, reverse=True)
    assert mix.find_score(None) == 0


def test_each_new_paper_is_read_once_and_each_new_claim_too(
    any_engine: Engine, embedder: Embeddings
) -> None:
    with open_session(any_engine) as session:
        line = add_line(session)
        add_claim(session, line, "c1", KETTLES)
        add_paper(session, "2501.00001", "Kettles", KETTLES)
        first = triage(session, embedder=embedder)
        assert (first.new_claims, first.new_papers, first.new_candidates) == (1, 0, 1)
        quiet = triage(session, embedder=embedder)
        assert (quiet.new_claims, quiet.new_papers, quiet.ranked) == (0, 0, 0)
        add_paper(session, "2501.00002", "Cold kettles", "Cold kettles sort cards at once.")
        add_claim(session, line, "c2", DECKS)
        both = triage(session, embedder=embedder)
        assert (both.new_claims, both.new_papers) == (1, 1)
        rankings = session.exec(select(Ranking).order_by(Ranking.id)).all()
        assert {r.through_version_id for r in rankings} == {2}


def test_a_new_paper_must_be_among_the_best_so_far(session: Session) -> None:
    embedder = load_embedder("wordllama")
    add_claim(session, add_line(session), "c1", KETTLES)
    add_paper(session, "2501.00001", "Warm and cold kettles", KETTLES)
    triage(session, embedder=embedder, cut=Cut(1))
    add_paper(session, "2501.00002", "Tea", "Some like kettles.")
    assert triage(session, embedder=embedder, cut=Cut(1)).new_candidates == 0
    add_paper(session, "2501.00003", "Warm kettles sort cards faster than cold kettles", KETTLES)
    assert triage(session, embedder=embedder, cut=Cut(1)).new_candidates == 1


def test_a_new_text_of_a_known_paper_is_read_again(session: Session, embedder: Embeddings) -> None:
    add_claim(session, add_line(session), "c1", KETTLES)
    paper = add_paper(session, "2501.00001", "Tea", "Some like tea in the afternoon.")
    assert triage(session, embedder=embedder).candidates == 0
    add_version(session, paper, "Kettles", KETTLES, 2)
    assert triage(session, embedder=embedder).new_candidates == 1


def test_pairs_below_the_cut_are_sampled_and_marked(session: Session, embedder: Embeddings) -> None:
    claim = add_claim(session, add_line(session), "c1", KETTLES)
    for number in range(1, 31):
        add_paper(session, f"2501.{number:05}", f"Kettles {number}", f"{KETTLES} {'x ' * number}")
    summary = triage(session, embedder=embedder, cut=Cut(5), samples=8, night_id=None)
    rows = session.exec(select(Candidate).where(Candidate.is_sample == True)).all()  # noqa: E712
    sampled = sum(len(layer["sampled"]) for layer in summary.below_cut.values())
    assert len(rows) == sampled > 0
    assert sum(layer["pairs"] for layer in summary.below_cut.values()) == 25
    assert summary.candidates == 5
    assert triage(session, embedder=embedder, cut=Cut(5), samples=8).new_candidates == 0
    assert claim.id == rows[0].claim_id


def test_the_sample_is_drawn_evenly() -> None:
    from ingest.rankable_claims import RankableClaim
    from ingest.ranker import RankedPaper

    claim = RankableClaim(1, 1, "", None, frozenset())
    papers = [RankedPaper(n, 1.0, 1.0, 0.0) for n in range(20)]
    drawn: Counter[int] = Counter()
    for seed in range(400):
        below = BelowCut(10, seed)
        for start in range(0, 20, 4):  # in parts, as batches come
            below.note_claim(claim, papers[start : start + 4])
        drawn.update(paper.paper_id for _, paper in below.sampled)
    assert sum(drawn.values()) == 400 * 5
    assert all(60 <= drawn[n] <= 140 for n in range(20))  # 100 expected, 8.7 a deviation


def test_a_miss_rate_weighs_layers_by_their_size() -> None:
    found = estimate_miss_rate([(100, 10, 5), (900, 10, 0)])
    assert (found.below_cut, found.sampled, found.found) == (1000, 20, 5)
    assert found.rate == pytest.approx(0.05)
    assert found.low < found.rate < found.high < 0.35
    unknown = estimate_miss_rate([(100, 0, 0)])
    assert (unknown.low, unknown.high) == (0.0, 1.0)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=2))
def test_a_miss_rate_lies_within_its_bounds(layers: list[tuple[int, int]]) -> None:
    rows = [(100, sampled, min(found, sampled)) for sampled, found in layers]
    found = estimate_miss_rate(rows)
    assert 0 <= found.low <= found.rate <= found.high + 1e-9 <= 1 + 1e-9


def test_a_night_estimates_what_its_cut_left_out(session: Session) -> None:
    from db.models import ClaimRevision, Night

    claim = add_claim(session, add_line(session), "c1", KETTLES)
    paper = add_paper(session, "2501.00001", "Kettles", KETTLES, date(2025, 1, 1))
    revision = session.exec(select(ClaimRevision)).one()
    night = Night(profile="smoke", budget_s=1.0)
    session.add(night)
    session.commit()
    below = {
        "near": {"pairs": 40, "sampled": [[revision.id, paper.id]]},
        "far": {"pairs": 0, "sampled": []},
    }
    assert store_miss_estimate(session, below, "judge", stored_id(night.id)) is None
    session.add(
        Evidence(
            claim_id=stored_id(claim.id), claim_revision_id=stored_id(revision.id),
            paper_id=stored_id(paper.id), paper_version_id=stored_id(paper.version_id),
            stance="supports", quote="Warm kettles sort", judge="judge",
        )
    )  # fmt: skip
    session.commit()
    for _ in range(2):
        row = store_miss_estimate(session, below, "judge", stored_id(night.id))
        assert row is not None and (row.below_cut, row.sampled, row.found) == (40, 1, 1)
    assert len(session.exec(select(Paper)).all()) == 1


def write_beir(folder: Path, qrels: str = "q1\td1\t1\nq1\td2\t0\n") -> Path:
    (folder / "qrels").mkdir(parents=True)
    papers = [{"_id": "d1", "title": "Kettles", "text": KETTLES}, {"_id": "d2", "text": DECKS}]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, papers)))
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q1", "text": "Do kettles sort?"}))
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{qrels}")
    return folder


def test_a_folder_in_beirs_form_measures_triage_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_beir(tmp_path / "set")
    assert run(["--home", str(tmp_path / "h"), "ingest", "evaluate", str(folder), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["triage_ndcg_at_10"] == 1.0 and "macro_f1_3way" not in result
    assert result["ranked_set"] == "set test"


@pytest.mark.parametrize("qrels", ["nonsense", "q9\td1\t1\n"])
def test_a_folder_that_is_no_beir_set_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], qrels: str
) -> None:
    folder = write_beir(tmp_path / "set", qrels)
    assert run(["--home", str(tmp_path / "h"), "ingest", "evaluate", str(folder)]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert run(["--home", str(tmp_path / "h"), "ingest", "evaluate", str(tmp_path)]) == 1
