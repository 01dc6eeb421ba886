"""Invented papers in the snapshot's form: none of their text is from elsewhere."""

import json
import random
from pathlib import Path
from typing import Any

ANCHORS = {
    "2505.13379": (
        "A stand-in on learning when to think",
        "We train one model that selects between extended reasoning and direct responses. "
        "The choice of mode is decoupled from the refinement of the answer. "
        "Our model learns when to think and avoids collapse into one mode.",
    ),
    "2510.18245": (
        "A stand-in on scaling laws with architecture",
        "We study scaling laws that include hidden size and the MLP-to-attention ratio, so "
        "that an architecture can be optimized for inference. Under the same training budget "
        "our models reach up to 2.1% higher accuracy and 42% greater inference throughput.",
    ),
    "2603.23004": (
        "A stand-in on constrained optimization by language models",
        "We ask whether language models satisfy the constraints of one power flow problem. "
        "Most fail. Reasoning models fail in the most complex settings too.",
    ),
}
SUBJECTS = ("reasoning models", "small language models", "chain-of-thought", "constraint solvers")
RESULTS = (
    "fail to generalize beyond the training distribution",
    "match larger models with more inference compute",
    "satisfy 65.0% of all constraints",
    "gain nothing from a larger budget",
    "improve with depth more than with width",
)


def write_snapshot(file: Path, count: int = 60) -> Path:
    """A snapshot of ``count`` invented papers and stand-ins for three anchors."""
    rng = random.Random(7)
    records = [_record(arxiv_id, *text, "2026-05-01") for arxiv_id, text in ANCHORS.items()]
    for number in range(count):
        subject, result = rng.choice(SUBJECTS), rng.choice(RESULTS)
        abstract = (
            f"We study {subject} in setting {number}. Prior work was divided. "
            f"We show that {subject} {result}. However, {rng.choice(SUBJECTS)} do not."
        )
        day = f"2026-{rng.randint(6, 8):02d}-{rng.randint(1, 28):02d}"
        records.append(_record(f"2607.{number + 1:05d}", f"On {subject}, {number}", abstract, day))
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


def _record(arxiv_id: str, title: str, abstract: str, day: str) -> dict[str, Any]:
    return {
        "id": arxiv_id,
        "title": title,
        "abstract": abstract,
        "authors": [f"A. {title[-4:]}", f"B. {arxiv_id}"],
        "categories": ["cs.CL"],
        "published": day,
        "listed": day,
    }
