"""Labelled claim-paper pairs: reads a file and refuses it as a whole when a line is wrong.

One JSON object a line: claim_id, claim, arxiv_id, title, abstract, label, and where known
published, quote. Decides nothing about who labelled well.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db.errors import GoldRefused

LABELS = ("supports", "contradicts", "relaxes", "mentions", "unrelated")
THREE_WAY = ("supports", "contradicts+relaxes", "mentions+unrelated")
CLASS_OF = {"supports": 0, "contradicts": 1, "relaxes": 1, "mentions": 2, "unrelated": 2}
NEEDED = ("claim_id", "claim", "arxiv_id", "title", "abstract", "label")


@dataclass(frozen=True)
class GoldPair:
    """One claim, one paper, and what a reader said."""

    claim_id: str
    claim: str
    arxiv_id: str
    title: str
    abstract: str
    label: str
    published: str | None = None
    quote: str | None = None

    @property
    def three_way(self) -> int:
        """Index into ``THREE_WAY``."""
        return CLASS_OF[self.label]


def read_gold(path: Path) -> list[GoldPair]:
    """All pairs of a file.

    Raises:
        GoldRefused: the file is missing, is no text, or a line is not a labelled pair.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise GoldRefused(
            f"cannot read {path}: {error.strerror}; name a JSON-lines file"
        ) from error
    except UnicodeDecodeError as error:
        raise GoldRefused(f"{path} is no text file: labelled pairs are JSON, one a line") from error
    lines = enumerate(text.split("\n"), start=1)
    pairs = [_read_line(path, number, line) for number, line in lines if line.strip()]
    if not pairs:
        raise GoldRefused(f"{path} holds no pairs: labelled pairs are JSON, one a line")
    return pairs


def _read_line(path: Path, number: int, line: str) -> GoldPair:
    place = f"{path}, line {number}"
    try:
        record: Any = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise GoldRefused(f"{place} is no JSON object: one labelled pair a line") from error
    if not isinstance(record, dict):
        raise GoldRefused(f"{place} is no JSON object: one labelled pair a line")
    for key in NEEDED:
        if not isinstance(record.get(key), str) or not record[key].strip():
            raise GoldRefused(
                f"{place}: {key!r} is missing or no text; needed: {', '.join(NEEDED)}"
            )
    if record["label"] not in LABELS:
        raise GoldRefused(
            f"{place}: label {record['label'][:40]!r} is unknown; use {', '.join(LABELS)}"
        )
    optional = {key: record.get(key) for key in ("published", "quote")}
    clean = {key: value for key, value in optional.items() if isinstance(value, str) and value}
    return GoldPair(**{key: record[key] for key in NEEDED}, **clean)
