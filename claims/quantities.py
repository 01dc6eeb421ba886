"""Numbers in a text as spans, with bounds, unit and the qualifier that goes with them.

"up to 42 %" and "42 %" are different claims: qualifier and range stay with the number.
Years, arXiv ids and numbers that belong to a name (GPT-4, LLaMA-3.2) are not quantities.
"""

import re
from dataclasses import dataclass
from typing import Any

_QUALIFIER = (
    r"(?:~|≈|<|>|≤|≥|up to|at least|at most|more than|less than|fewer than|over|under|about|"
    r"around|roughly|nearly|almost|approximately)"
)
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_UNIT = (
    r"%|percent(?:age points)?\b|pp\b|points?\b|[x×](?![\w])|times\b|fold\b|"
    r"(?:[KMBT]|k)(?![\w])(?:\s+(?:parameters|tokens))?|parameters\b|tokens\b|nats\b|bits\b"
)
QUANTITY = re.compile(
    rf"(?:(?P<qualifier>{_QUALIFIER})\s*)?"
    rf"(?<![\w.,/-])(?<!\w\()(?P<low>{_NUMBER})\s*(?:(?P<low_unit>{_UNIT})\s*)?"
    rf"(?:(?P<join>–|-|—|\bto\b|\bof\b)\s*(?P<high>{_NUMBER})\s*)?"
    rf"(?P<unit>{_UNIT})?(?P<plus>\+)?(?!\.?[\w]|/\d)",
    re.IGNORECASE,
)
ID_OR_MONTH = re.compile(r"\d{4}\.\d{4,5}(?:v\d+)?|(?<![\d.])(?:19|20)\d{2}(?![\d%.,]\d|\s*%)")


@dataclass(frozen=True)
class Quantity:
    """One number as the text gives it; ``low`` equals ``high`` unless it is a range."""

    text: str
    start: int
    end: int
    low: float
    high: float
    unit: str | None
    qualifier: str | None
    is_ratio: bool = False  # "12 of 20"

    def record(self) -> dict[str, Any]:
        """As plain data, for storage."""
        return dict(vars(self))


def find_quantities(text: str) -> list[Quantity]:
    """All quantities of a text, in order, with exact character offsets."""
    taken = [match.span() for match in ID_OR_MONTH.finditer(text)]
    found = (_read(match) for match in QUANTITY.finditer(text))
    return [
        quantity
        for quantity in found
        if not any(start < quantity.end and quantity.start < end for start, end in taken)
    ]


def _read(match: re.Match[str]) -> Quantity:
    low = _value(match["low"])
    high = _value(match["high"]) if match["high"] else low
    text = match[0].rstrip()
    unit = match["unit"] or match["low_unit"]
    return Quantity(
        text=text,
        start=match.start(),
        end=match.start() + len(text),
        low=low,
        high=high,
        unit=unit,
        qualifier=(match["qualifier"] or ("+" if match["plus"] else None)),
        is_ratio=(match["join"] or "").lower() == "of",
    )


def _value(digits: str) -> float:
    return float(digits.replace(",", ""))
