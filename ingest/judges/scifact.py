"""The judge's recipe in another field: trained on SciFact's train claims, measured on dev.

SciFact (Wadden et al. 2020, arXiv:2004.14974): a claim, a cited abstract by sentence, and
SUPPORT, CONTRADICT or no evidence. A check of the method alone; no shipped weight comes from it.
"""

import json
import lzma
from pathlib import Path

import numpy as np

from ingest.gold import GoldPair
from ingest.judges.kept_vectors import KeptVectors
from ingest.judges.operating_points import choose_factors, lean, score_f1
from ingest.judges.reading import Reader, gather_statistics
from ingest.judges.train_models import fit_model, fit_selector, predict, prepare
from ingest.judges.training_pairs import choose_vocabulary, read_material, split_claims

LABEL = {"SUPPORT": "supports", "CONTRADICT": "contradicts"}
PARTS = ("train", "dev")
FOLDS = 5


def measure_transfer(folder: Path, reader: Reader, encoder: KeptVectors) -> dict[str, float]:
    """Macro-F1 on the dev claims; factors come from folds of the train claims."""
    read = {part: read_scifact(folder, part) for part in PARTS}
    pairs = read["train"] + read["dev"]
    texts = list({pair.arxiv_id: f"{pair.title} {pair.abstract}" for pair in pairs}.values())
    statistics = gather_statistics(reader, texts)
    vocabulary, idf = choose_vocabulary(texts)
    material = read_material(pairs, reader, statistics, vocabulary, idf)
    known, unknown = np.split(np.arange(len(pairs)), [len(read["train"])])
    found: dict[str, float] = {"n": len(unknown)}
    selector = fit_selector(material, known)
    for name, using in (("words", None), ("full", encoder)):
        design = prepare(material, selector, using)
        inner = np.zeros((len(pairs), 3))
        for kept, left_out in split_claims(material.claims, known, FOLDS):
            fold = fit_model(material, design, kept)
            inner[left_out] = predict(material, design, left_out, fold)
        factors = choose_factors(inner[known], material.truth[known])
        model = fit_model(material, design, known)
        answers = lean(predict(material, design, unknown, model), factors)
        found[name] = score_f1(material.truth[unknown], answers)
    return found


def read_scifact(folder: Path, part: str) -> list[GoldPair]:
    """Each claim with each abstract that it cites; one without evidence is a mention."""
    with lzma.open(folder / "scifact_corpus.jsonl.xz", "rt", encoding="utf-8") as lines:
        corpus = {document["doc_id"]: document for document in map(json.loads, lines)}
    pairs = []
    for line in (folder / f"scifact_claims_{part}.jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        for key in record["cited_doc_ids"]:
            document, evidence = corpus[key], record["evidence"].get(str(key), [])
            label = LABEL[evidence[0]["label"]] if evidence else "mentions"
            quote = document["abstract"][evidence[0]["sentences"][0]] if evidence else None
            pairs.append(
                GoldPair(
                    str(record["id"]), record["claim"], str(key), document["title"],
                    " ".join(document["abstract"]), label, None, quote,
                )
            )  # fmt: skip
    return pairs
