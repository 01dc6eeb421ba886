"""``reassay ingest evaluate``."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from claims.commands.output import JsonOption, print_json, print_message, print_table
from db.errors import UsageError
from ingest.commands.decided_pairs import evaluate_decisions
from ingest.commands.judging_setup import JudgingSetup, judging_setup, load_set_judge


def evaluate(
    ctx: typer.Context,
    gold: Annotated[
        Path | None,
        typer.Argument(metavar="GOLD", help="Labelled pairs (JSONL), or a folder in BEIR's form."),
    ] = None,
    decisions: Annotated[
        bool, typer.Option("--decisions", help="On what people decided, instead of a file.")
    ] = False,
    rejudge: Annotated[
        bool, typer.Option("--rejudge", help="Ask a chat model about decided pairs new to it.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write decided pairs as such a file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the judge, and triage, on labelled claim-paper pairs (JSON, one a line).

    A folder in BEIR's form (corpus.jsonl, queries.jsonl, qrels/) measures triage alone.
    With --decisions: every judge whose proposals people decided on, and the present one; each
    precision has its 95 % Wilson interval and is what 'reassay queue' shows afterwards.

    Example: reassay ingest evaluate pairs.jsonl --json
    """
    if decisions:
        evaluate_decisions(ctx, gold, export, rejudge=rejudge, as_json=as_json)
        return
    if gold is None or export is not None or rejudge:
        raise UsageError(
            "name a file or folder, or say --decisions (--export, --rejudge go with it)"
        )
    result = _measure(judging_setup(ctx), gold)
    if as_json:
        print_json(result)
        return
    if not gold.is_dir():
        _print(result)
    _print_ranking(result)


def _measure(setup: JudgingSetup, gold: Path) -> dict[str, Any]:
    """Judge and triage on a file of pairs; triage alone on a folder in BEIR's form."""
    from ingest.embeddings import load_embedder
    from ingest.evaluation import evaluate_judge
    from ingest.gold import read_gold
    from ingest.ranking_measures import measure_ranking, read_beir, read_pairs

    embedder = load_embedder(setup.embeddings)
    result: dict[str, Any] = {}
    if gold.is_dir():
        measure = measure_ranking(read_beir(gold), embedder)
    else:
        pairs = read_gold(gold)
        result = evaluate_judge(load_set_judge(setup), pairs, setup.judge_floor, print_message)
        measure = measure_ranking(read_pairs(pairs), embedder)
    return {
        **result,
        "ranked_set": measure.name,
        "ranker": measure.ranker,
        "triage_recall": [asdict(row) for row in measure.recall],
        "triage_ndcg_at_10": measure.ndcg_at_10,
    }


def _print(result: dict[str, Any]) -> None:
    print(f"judge {result['judge']}: {result['n']} pairs over {result['claims']} claims")
    if result["trained_on_this_file"]:
        print(
            f"{result['pairs_judged_out_of_fold']} pairs are of claims in its training data: "
            "each was judged by the fold model that has not seen its claim"
        )
    print(f"stances given: {result['spoken']} ({result['coverage']:.1%}); the rest is unclear")
    blocks = (
        ("stances", result),
        (f"what a night proposes ({result['floor']} and better)", result["proposed"]),
        ("leanings, if it must choose", result["leaning"]),
    )
    for title, block in blocks:
        low, high = block["ci95"]
        print(f"\n{title}: three-way macro-F1 {block['macro_f1_3way']:.3f} [{low:.3f}, {high:.3f}]")
        print_table(
            ("class", "n", "answers", "precision", "recall"),
            (
                (label, row["n"], row["answers"], _share(row["precision"]), _share(row["recall"]))
                for label, row in block["per_class"].items()
            ),
        )
    rows = [
        (f"{row['share']:.0%}", *(_describe(row[name]) for name in ("supports", "against")))
        for row in result["surest"]
    ]
    print("\nprecision of the surest stances, by the judge's own confidence:")
    print_table(("share", "supports", "against"), rows)
    words = [
        (name, word, _describe(found))
        for name, side in result["bands"].items()
        for word, found in side.items()
    ]
    if words:
        print("\nprecision by the judge's own word:")
        print_table(("side", "word", "precision"), words)


def _describe(found: dict[str, Any]) -> str:
    if not found["n"]:
        return "none given"
    low, high = found["ci95"]
    return f"{found['precision']:.2f} [{low:.2f}, {high:.2f}] (n = {found['n']})"


def _print_ranking(result: dict[str, Any]) -> None:
    print(f"\ntriage by {result['ranker']} on {result['ranked_set']}:")
    for row in result["triage_recall"]:
        print(
            f"recall@{row['at']} {row['recall']:.3f} of the papers wanted (ceiling "
            f"{row['ceiling']:.3f}; {row['claims']} claims, {row['papers']} papers)"
        )
    print(f"nDCG@10 {result['triage_ndcg_at_10']:.3f}")


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
