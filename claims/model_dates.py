"""When families of language models were first released, so that old ones can be noticed.

A table of facts, month by month, from the makers' announcements and papers; it does not
know every family. A name that it lacks is not dated, and nothing is said of it.
"""

import re
from datetime import date
from typing import NamedTuple


class ModelDate(NamedTuple):
    """A model family as a text names it, and the first day of its month of release."""

    name: str
    released: date


RELEASES = {  # spelling as a pattern; spaces stand for a space, a hyphen or nothing
    "BERT": "2018-10", "GPT 2": "2019-02", "T5": "2019-10", "GPT 3": "2020-05",
    "Chinchilla": "2022-03", "PaLM": "2022-04", "OPT": "2022-05", "BLOOM": "2022-07",
    "GPT 3.5": "2022-11", "ChatGPT": "2022-11", "LLaMA": "2023-02", "GPT 4": "2023-03",
    "Pythia": "2023-04", "PaLM 2": "2023-05", "Falcon": "2023-05", "Claude 2": "2023-07",
    "LLaMA 2": "2023-07", "Mistral 7B": "2023-09", "Gemini 1.0": "2023-12",
    "Mixtral": "2023-12", "Phi 2": "2023-12", "Gemini 1.5": "2024-02", "Gemma": "2024-02",
    "OLMo": "2024-02", "MobileLLM": "2024-02", "Claude 3": "2024-03", "LLaMA 3": "2024-04",
    "Phi 3": "2024-04", "GPT 4o": "2024-05", "DeepSeek V2": "2024-05", "Claude 3.5": "2024-06",
    "Gemma 2": "2024-06", "Qwen 2": "2024-06", "LLaMA 3.1": "2024-07", "o1": "2024-09",
    "LLaMA 3.2": "2024-09", "Qwen 2.5": "2024-09", "QwQ": "2024-11", "OLMo 2": "2024-11",
    "LLaMA 3.3": "2024-12", "Gemini 2.0": "2024-12", "DeepSeek V3": "2024-12",
    "Phi 4": "2024-12", "DeepSeek R1": "2025-01", "o3 mini": "2025-01", "Claude 3.7": "2025-02",
    "Gemini 2.5": "2025-03", "Gemma 3": "2025-03", "LLaMA 4": "2025-04", "GPT 4.1": "2025-04",
    "o3": "2025-04", "o4 mini": "2025-04", "Qwen 3": "2025-04", "Claude 4": "2025-05",
    "GPT 5": "2025-08",
}  # fmt: skip
UNKNOWN_VERSION = r"(?![\s.-]?\d+(?:\.\d+)?(?![\d.]*[BM]\b)|\w)"  # LLaMA-9, but not LLaMA-7B
EXACT_CASE = {"o1", "o3", "OPT", "Gemma", "Falcon", "BLOOM", "PaLM", "Chinchilla"}


def find_models(text: str) -> list[ModelDate]:
    """The dated families that a text names, oldest first; the longest name wins its place."""
    taken: list[tuple[int, int]] = []
    found: dict[str, date] = {}
    for name, pattern in PATTERNS:
        for match in pattern.finditer(text):
            if not any(start < match.end() and match.start() < end for start, end in taken):
                taken.append(match.span())
                year, month = RELEASES[name].split("-")
                found[match[0]] = date(int(year), int(month), 1)
    return sorted((ModelDate(n, d) for n, d in found.items()), key=lambda m: (m.released, m.name))


def _compile(name: str) -> re.Pattern[str]:
    flexible = r"[\s-]?".join(re.escape(part) for part in name.split(" "))
    flags = re.NOFLAG if name in EXACT_CASE else re.IGNORECASE
    is_family = not any(character.isdigit() for character in name)
    ending = UNKNOWN_VERSION if is_family else r"(?!\.?\d|\w)"
    return re.compile(rf"(?<![\w-]){flexible}{ending}", flags)


PATTERNS = [(name, _compile(name)) for name in sorted(RELEASES, key=len, reverse=True)]
