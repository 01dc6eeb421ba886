"""The benchmarks and model families that a text names, each under one spelling.

Two papers that measure the same families on the same benchmark are not two independent
sources. Decides what counts as a name: a list of common benchmarks, and words built like
one (``…Bench``, ``…QA``). Families of models come from one list; their versions are left
out, since papers of one year test many versions of one family.
"""

import re

SPELLINGS = {
    "gsm8k": r"GSM-?8K", "math": r"MATH(?:-?500)?(?:\s+(?:dataset|benchmark))?",
    "aime": r"AIME(?:\s?'?(?:20)?2\d)?", "amc": r"AMC-?\d*", "hmmt": r"HMMT\s?\d*",
    "gpqa": r"GPQA(?:[\s-]Diamond)?", "mmlu": r"MMLU(?:-(?:Pro|Redux))?",
    "bbh": r"BBH|BIG-?Bench(?:[\s-]Hard)?", "humaneval": r"HumanEval\+?", "mbpp": r"MBPP\+?",
    "livecodebench": r"LiveCodeBench", "codeforces": r"Codeforces",
    "swe-bench": r"SWE-?[Bb]ench(?:[\s-](?:Verified|Lite|Pro))?",
    "arc": r"ARC-(?:Challenge|Easy|C|E)",
    "arc-agi": r"ARC-AGI(?:-\d)?", "hellaswag": r"HellaSwag", "winogrande": r"WinoGrande",
    "truthfulqa": r"TruthfulQA", "hotpotqa": r"Hotpot-?QA", "triviaqa": r"TriviaQA",
    "natural-questions": r"Natural Questions", "musique": r"MuSiQue", "popqa": r"PopQA",
    "alfworld": r"ALFWorld", "webarena": r"(?:Visual)?WebArena", "osworld": r"OSWorld",
    "tau-bench": r"(?:τ|[Tt]au)2?-?[Bb]ench", "bfcl": r"BFCL|Berkeley Function[- ]Calling",
    "ifeval": r"IFEval", "mt-bench": r"MT-?Bench", "alpacaeval": r"AlpacaEval(?:\s2(?:\.0)?)?",
    "arena": r"Chatbot Arena|Arena-Hard|LMArena", "longbench": r"LongBench(?:[\s-]?v2)?",
    "ruler": r"RULER", "needle": r"[Nn]eedle[- ][Ii]n[- ]a[- ][Hh]aystack",
    "imagenet": r"ImageNet(?:-\w+)?",
    "cifar": r"CIFAR-?\d+", "wikitext": r"WikiText-?\d*", "glue": r"(?:Super)?GLUE",
    "natural-plan": r"NATURAL PLAN", "planbench": r"PlanBench", "countdown": r"Countdown",
    "sudoku": r"Sudoku(?:-\w+)?", "advbench": r"AdvBench", "harmbench": r"HarmBench",
}  # fmt: skip
BUILT_LIKE_ONE = re.compile(r"(?<![\w-])[A-Z][\w-]*(?:Bench|QA|Eval)(?!\w)")
NOT_ONE = {"qa", "vqa", "kgqa", "mcqa", "cqa", "mhqa", "kbqa", "tqa", "mqa", "gqa"}
FAMILIES = re.compile(
    r"(?<![\w-])(GPT|LLaMA|Qwen|Claude|Gemini|Gemma|Mistral|Mixtral|DeepSeek|Phi|OLMo|Pythia|PaLM|"
    r"Falcon|Grok|BERT|RoBERTa|T5|Kimi|GLM|InternLM|Yi|SmolLM|StarCoder|CodeLlama|Vicuna|LLaVA)"
    r"(?=[\s.,;:)\d-]|$)",
    re.IGNORECASE,
)
EXACT = {"phi", "yi", "falcon", "claude", "gemini"}  # words or names of other things otherwise
_KNOWN = {
    name: re.compile(rf"(?<![\w-])(?:{pattern})(?![\w])") for name, pattern in SPELLINGS.items()
}


def find_benchmarks(text: str) -> frozenset[str]:
    """The benchmarks that a text names, lower case, one spelling each."""
    known = {name for name, pattern in _KNOWN.items() if pattern.search(text)}
    taken = [m.span() for p in _KNOWN.values() for m in p.finditer(text)]
    built = {
        match[0].lower()
        for match in BUILT_LIKE_ONE.finditer(text)
        if not any(start < match.end() and match.start() < end for start, end in taken)
    }
    return frozenset(known | (built - NOT_ONE))


def find_families(text: str) -> frozenset[str]:
    """The families of models that a text names, lower case, without version or size."""
    return frozenset(
        match[0].lower()
        for match in FAMILIES.finditer(text)
        if match[0][0].isupper() or match[0].lower() not in EXACT
    )
