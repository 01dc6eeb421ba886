"""How judges are measured: the shape, the arithmetic, and files that are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from db.errors import GoldRefused
from ingest.evaluation import evaluate_judge
from ingest.gold import GoldPair, read_gold
from ingest.judges import Judgement, PaperText, Stance
from ingest.judges.intervals import bootstrap_macro_f1, confuse, macro_f1, wilson
from reassay.cli import run
from tests.test_judges import TRAINED

LABELS: list[Stance | str] = ["supports", "contradicts", "relaxes", "mentions", "unrelated"]


def pair(claim: int, paper: int, label: str) -> GoldPair:
    return GoldPair(
        f"t{claim}", f"Claim number {claim} on voting.", f"2503.{paper:05d}",
        f"Voting paper {paper}", f"We study voting in setting {paper}. It helps.", label,
    )  # fmt: skip


PAIRS = [pair(c, 10 * c + i, str(label)) for c in range(4) for i, label in enumerate(LABELS)]


class Oracle:
    """A judge that knows the labels, or says one thing."""

    name = "oracle"

    def __init__(self, always: Stance | None = None) -> None:
        self.always = always
        self.labels = {p.arxiv_id: p.label for p in PAIRS}

    def judge_stance(self, claim: str, paper: PaperText) -> Judgement:
        label = self.labels[paper.arxiv_id]
        stance = self.always or ("out-of-scope" if label == "unrelated" else label)
        return Judgement(stance, leaning=stance)  # type: ignore[arg-type]


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(record) for record in records))
    return path


def as_records(pairs: list[GoldPair]) -> list[dict[str, Any]]:
    return [{**p.__dict__} for p in pairs]


def test_a_judge_that_is_always_right_scores_one() -> None:
    result = evaluate_judge(Oracle(), PAIRS)
    assert result["macro_f1_3way"] == 1.0 and result["ci95"] == [1.0, 1.0]
    assert result["n"] == 20 and result["coverage"] == 12 / 20
    assert result["per_class"]["contradicts+relaxes"]["n"] == 8


def test_unclear_counts_as_the_third_class() -> None:
    result = evaluate_judge(Oracle("unclear"), PAIRS)
    third = result["per_class"]["mentions+unrelated"]
    assert third["recall"] == 1.0 and third["precision"] == 8 / 20
    assert result["per_class"]["supports"] == {
        "precision": None, "precision_ci95": None, "recall": 0.0, "n": 4, "answers": 0,
    }  # fmt: skip
    assert result["macro_f1_3way"] == pytest.approx((0 + 0 + 16 / 28) / 3)
    assert result["confusion"]["supports"]["mentions+unrelated"] == 4


def test_the_surest_stances_are_counted_by_confidence_and_by_word() -> None:
    class Unsure(Oracle):
        """Right when it is sure, else wrong; always against."""

        def judge_stance(self, claim: str, paper: PaperText) -> Judgement:
            sure = self.labels[paper.arxiv_id] in ("contradicts", "relaxes")
            word = "likely" if sure else "hint"
            return Judgement("relaxes", 0.9 if sure else 0.3, scope={"band": {"word": word}})

    result = evaluate_judge(Unsure(), PAIRS)
    by_share = {row["share"]: row["against"] for row in result["surest"]}
    assert (by_share[0.3]["right"], by_share[0.3]["n"]) == (6, 6)
    assert (by_share[1.0]["right"], by_share[1.0]["n"]) == (8, 20)
    assert result["surest"][0]["supports"]["precision"] is None
    assert result["bands"]["against"]["likely"]["precision"] == 1
    assert (result["bands"]["against"]["hint"]["right"], result["bands"]["supports"]) == (0, {})


def test_contradicts_and_relaxes_are_one_class() -> None:
    result = evaluate_judge(Oracle("contradicts"), PAIRS)
    assert result["per_class"]["contradicts+relaxes"]["recall"] == 1.0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1))
def test_macro_f1_agrees_with_an_independent_implementation(rows: list[tuple[int, int]]) -> None:
    truth, answers = [a for a, _ in rows], [b for _, b in rows]
    expected = f1_score(truth, answers, average="macro", zero_division=0)
    assert macro_f1(confuse(truth, answers, 3)) == pytest.approx(expected)


@settings(deadline=None)
@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_in_bounds(case: tuple[int, int]) -> None:
    right, n = case
    low, high = wilson(right, n)
    assert 0 <= low <= right / n + 1e-12 and right / n - 1e-12 <= high <= 1


def test_wilson_gives_the_published_values() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_the_bootstrap_resamples_claims_not_pairs() -> None:
    truth, answers = [0, 0, 1, 1] * 25, [0, 0, 1, 0] * 25
    one_group_a_pair = [str(i) for i in range(100)]
    ten_groups = [str(i // 10) for i in range(100)]
    spread = [
        np.subtract(*reversed(bootstrap_macro_f1(truth, answers, groups, 3)))
        for groups in (one_group_a_pair, ten_groups)
    ]
    assert spread[0] > spread[1] >= 0  # the groups are alike: less spread between them


def test_the_command_prints_one_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gold = write(tmp_path / "gold.jsonl", as_records(PAIRS))
    home = ["--home", str(tmp_path / "home")]
    assert run([*home, "ingest", "evaluate", str(gold), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"n", "macro_f1_3way", "ci95", "per_class", "confusion", "judge"} <= result.keys()
    assert result["judge"].startswith("embedded-") and result["trained_on_this_file"] is False
    assert run([*home, "ingest", "evaluate", str(gold)]) == 0
    printed = capsys.readouterr().out
    assert "three-way macro-F1" in printed and "surest stances" in printed


def test_a_trained_claim_is_named_as_such(tmp_path: Path) -> None:
    from ingest.judges import load_judge

    known = GoldPair("t", TRAINED, "2503.00001", "Title of it", "An abstract of it.", "mentions")
    result = evaluate_judge(load_judge("embedded"), [known, PAIRS[0]])
    assert result["trained_on_this_file"] is True and result["pairs_judged_out_of_fold"] == 1


GOOD = as_records(PAIRS[:1])[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no pairs"),
        (b"\n \n", "no pairs"),
        (b"\x80\x81\xff\x00", "no text file"),
        (b"{", "line 1"),
        (b"[1]", "no JSON object"),
        (b"[" * 100_000, "no JSON object"),
        (json.dumps(GOOD).encode() + b"\n{}", "line 2"),
        (json.dumps({**GOOD, "claim": 3}).encode(), "'claim'"),
        (json.dumps({**GOOD, "abstract": " "}).encode(), "'abstract'"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "label"}).encode(), "'label'"),
        (json.dumps({**GOOD, "label": "agrees"}).encode(), "'agrees'"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_bytes(content)
    with pytest.raises(GoldRefused) as refused:
        read_gold(path)
    assert says in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_no_file_is_one_line_and_exit_1(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--home", str(tmp_path / "h"), "ingest", "evaluate", str(tmp_path / name)]
    assert run(arguments) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_missing_provider_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REASSAY_JUDGE", "groq:none")
    gold = write(tmp_path / "gold.jsonl", as_records(PAIRS[:2]))
    arguments = ["--home", str(tmp_path / "h"), "ingest", "evaluate", str(gold)]
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1 and "langchain-groq" in error


def test_triage_and_judge_commands_on_an_empty_library(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(tmp_path / "h")]
    assert run([*home, "ingest", "triage", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["claims"] == 0
    assert run([*home, "ingest", "judge", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["judged"] == 0
    assert run([*home, "ingest", "judge", "--claim", "c99"]) == 1
    assert run([*home, "ingest", "triage", "--top", "0"]) == 2


def test_recall_counts_what_is_not_unrelated() -> None:
    from ingest.embeddings import load_embedder
    from ingest.ranking_measures import measure_ranking, read_pairs

    at20, at50 = measure_ranking(read_pairs(PAIRS), load_embedder("wordllama")).recall
    assert (at20.at, at20.claims, at20.papers, at50.recall) == (20, 4, 20, 1.0)


@pytest.mark.slow
@pytest.mark.real_data
def test_the_card_is_what_evaluation_finds_on_the_training_file(test_data: Path) -> None:
    from ingest.judges import load_judge
    from ingest.judges.weights import load_weights

    pairs = read_gold(test_data / "gold" / "stance.jsonl")
    result = evaluate_judge(load_judge("embedded"), pairs)
    measured = load_weights().measured["full"]
    assert result["pairs_judged_out_of_fold"] == len(pairs)
    for key, found in (("spoken", result), ("leaning", result["leaning"])):
        assert found["macro_f1_3way"] == pytest.approx(measured[key]["macro_f1"], abs=0.01)
