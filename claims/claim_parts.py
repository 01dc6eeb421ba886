"""Splits a claim's text into what lasts and what perishes, and names its scope.

The perishable part (the limit) is every clause that holds a quantity or a named model;
the durable part (the insight) is the rest. Rules see words, not meaning: a claim that is
one clause with a number has no insight of its own, and is not given one.
"""

import re
from dataclasses import dataclass
from typing import Any

from claims.quantities import Quantity, find_quantities
from claims.sentences import split_sentences

CLAUSE_BREAK = re.compile(
    r"\s*;\s+|\s+[—–]\s+|—|,\s+(?=(?:but|and so|so that|which|suggesting|pointing|meaning|"
    r"revealing|showing|because|while|whereas|although|and (?:it|they|this|the|that))\b)"
    r"|\s+(?=(?:because|whereas|although)\b)",
    re.IGNORECASE,
)
NAMED_MODEL = re.compile(
    r"\b(?:GPT|LLaMA|Llama|Qwen|Claude|Gemini|Gemma|Mistral|Mixtral|DeepSeek|Phi|OLMo|Pythia|PaLM|"
    r"Falcon|Grok|BERT|T5|o[1-9])(?:[-\s]?\d[\w.]*)?(?:-\w+)*\b"
    r"|\b[A-Z][A-Za-z]*(?:LLM|LM|GPT|BERT|Former)s?\b(?<!\bLLM)(?<!\bLM)(?<!\bLLMs)(?<!\bLMs)"
)
HIGHER = re.compile(
    r"\b(?:higher|more|greater|gain\w*|improv\w*|increas\w*|outperform\w*|better|faster|rais\w+|"
    r"boost\w*|larger|reach\w*|above|yields?|give[sn]?)\b",
    re.IGNORECASE,
)
LOWER = re.compile(
    r"\b(?:lower|fewer|less|drop\w*|fall\w*|fell|los[et]\w*|degrad\w*|reduc\w*|decreas\w*|worse|"
    r"slower|declin\w*|shrink\w*|below|cut[s]?)\b",
    re.IGNORECASE,
)
LEVEL = re.compile(
    r"\b(?:plateau\w*|level(?:s|led)? off|converge\w*|saturat\w*|ceiling|cap(?:ped|s)?|stall\w*)\b",
    re.IGNORECASE,
)
DIRECTIONS = (("level", LEVEL), ("lower", LOWER), ("higher", HIGHER))
SCOPE = {
    "model_class": re.compile(
        r"\b(?:(?:small|smaller|large|larger|tiny|reasoning|non-reasoning|multimodal|open|frontier|"
        r"dense|sparse|instruction-tuned|base|very small)\s+)*(?:language|reasoning|"
        r"vision-language|diffusion|mixture-of-experts|foundation|transformer|embedding)\s+models?\b"
        r"|\b(?:(?:small|smaller|large|larger|tiny|non-reasoning)\s+models?|LLMs?|transformers?|"
        r"agents?)\b",
        re.IGNORECASE,
    ),
    "task": re.compile(
        r"\b(?:constrained[ -]optimi[sz]ation(?: tasks)?|constraint satisfaction|function calling|"
        r"(?:plain )?retrieval|code(?: generation)?|coding|mathematic\w*(?: reasoning)?|maths?|"
        r"question answering|summari[sz]ation|translation|planning|classification|dialogue|"
        r"chain-of-thought|tool use|instruction following|therapy|search)\b",
        re.IGNORECASE,
    ),
    "scale": re.compile(
        r"~?\d[\d.,]*\s*[KMBT]?(?:\s*[–-]\s*\d[\d.,]*)?\s*[KMBT]\b(?:\s+(?:parameters|tokens))?"
        r"|\b(?:below|above|under|over)\s+(?:a|one|\d+)\s+(?:billion|million|trillion)\s+parameters\b"
        r"|\bat\s+(?:the same|equal|matched)\s+(?:\w+\s+)?"
        r"(?:budget|parameters|compute|cost|accuracy)\b",
        re.IGNORECASE,
    ),
    "metric": re.compile(
        r"\b(?:accuracy|throughput|latency|perplexity|F1|exact match|pass@\d+|win rate|error rate|"
        r"errors|constraint satisfaction|recall|precision|cost|quality|efficiency)\b",
        re.IGNORECASE,
    ),
    "sample": re.compile(
        r"\b\d[\d,]*\+?\s+(?:of\s+\d[\d,]*\s+)?(?:distinct\s+)?(?:trials|conversations|prompts|"
        r"models|benchmarks|questions|participants|papers|datasets|languages|runs|studies|tasks)\b",
        re.IGNORECASE,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class ClaimParts:
    """A claim's durable and perishable part, its scope and its numbers with direction."""

    insight: str | None
    limit: str | None
    scope: dict[str, str]
    numbers: list[dict[str, Any]]


def split_claim(text: str) -> ClaimParts:
    """Split a claim's text; every clause goes to exactly one of the two parts.

    Scope holds the first words found for model class, task, scale, metric and sample, as
    written; what no pattern finds is absent.
    """
    durable: list[str] = []
    perishable: list[str] = []
    for sentence in split_sentences(text):
        for clause in _split_clauses(sentence.text):
            (perishable if _is_perishable(clause) else durable).append(clause)
    return ClaimParts(
        insight=" ".join(durable) or None,
        limit=" ".join(perishable) or None,
        scope=find_scope(text),
        numbers=describe_numbers(text),
    )


def find_scope(text: str) -> dict[str, str]:
    """The first words of a text for each kind of scope, as written."""
    found = {name: pattern.search(text) for name, pattern in SCOPE.items()}
    return {name: " ".join(match[0].split()) for name, match in found.items() if match}


def describe_numbers(text: str) -> list[dict[str, Any]]:
    """Quantities as plain data, each with the direction that its clause gives it.

    ``direction`` is higher, lower, level, or None where no word tells.
    """
    return [
        {**quantity.record(), "direction": _find_direction(text, quantity)}
        for quantity in find_quantities(text)
    ]


def _split_clauses(sentence: str) -> list[str]:
    """A sentence cut at its joints, when that leaves clauses that can stand alone."""
    clauses = [part.strip() for part in CLAUSE_BREAK.split(sentence) if part and part.strip()]
    if len(clauses) < 2 or not any(map(_is_perishable, clauses)):
        return [sentence]
    return clauses


def _is_perishable(clause: str) -> bool:
    return bool(find_quantities(clause)) or NAMED_MODEL.search(clause) is not None


def _find_direction(text: str, quantity: Quantity) -> str | None:
    """The word of direction nearest to the number, within its sentence."""
    sentence = next((s for s in split_sentences(text) if s.start <= quantity.start < s.end), None)
    if sentence is None:
        return None
    near: list[tuple[int, str]] = []
    for name, pattern in DIRECTIONS:
        for match in pattern.finditer(text, sentence.start, sentence.end):
            if quantity.start <= match.start() < quantity.end:
                continue  # "more than 5" is a qualifier
            after = match.start() - quantity.end
            near.append((after if after >= 0 else quantity.start - match.end(), name))
    return min(near)[1] if near else None
