"""The words by which a text names what it studies: models, tasks, metrics.

Three tables from words to terms and from terms to kin. Decides nothing about a pair of
texts; a word that no table holds is not a term, and says nothing.
"""

import re
from typing import NamedTuple


class Term(NamedTuple):
    """A term that a text uses, and the wider kin that it belongs to."""

    name: str
    kin: str


MODELS = {
    "language": {
        "reasoning model": r"(?:large )?reasoning models?|LRMs?|thinking models?|o1-like|"
        r"long[- ]CoT",
        "small model": r"(?:small|tiny|sub-billion|compact)(?:er)? (?:language )?models?|"
        r"(?-i:SLMs?)",
        "mixture of experts": r"mixtures?[- ]of[- ]experts?|(?-i:MoEs?)",
        "agent": r"(?:LLM |language )?agents?|multi-agent|agentic",
        "recurrent": r"recurrent[- ]depth|looped|recursive transformers?|state[- ]space models?|"
        r"Mamba",
        "diffusion language": r"diffusion (?:large )?language models?|dLLMs?|masked diffusion",
        "language model": r"(?:large |pretrained |foundation )?language models?|LLMs?|GPT\S*|"
        r"LLaMA\S*|Qwen\S*|DeepSeek\S*|transformers?",
    },
    "multimodal": {
        "vision-language": r"vision[- ]language|multimodal (?:large )?(?:language )?models?|VLMs?|"
        r"MLLMs?|LVLMs?|video[- ]language",
    },
    "vision": {
        "image model": r"vision transformers?|(?-i:ViTs?)|image (?:diffusion|generation)|"
        r"text-to-image|"
        r"convolutional|(?-i:CNNs?)|ResNets?|diffusion models?|object detection|segmentation",
    },
    "retrieval": {
        "embedding model": r"(?:text |sentence )?embedding models?|dense retriev\w+|bi-encoders?|"
        r"rerankers?|cross-encoders?",
        "recommender": r"recommend(?:ation|er)s?(?: systems?)?",
    },
    "speech": {"speech model": r"speech|audio[- ]language|(?-i:ASR)|text-to-speech"},
    "control": {
        "robot policy": r"robot\w*|vision-language-action|(?-i:VLAs?)|embodied|"
        r"manipulation polic\w+",
        "graph network": r"graph neural networks?|GNNs?",
        "time series": r"time[- ]series|forecasting models?",
    },
}
TASKS = {
    "reasoning": {
        "mathematics": r"math\w*|arithmetic|GSM-?8K|AIME\S*|theorem|olympiad\w*",
        "code": r"cod(?:e|ing)|program(?:ming|s)?(?: synthesis| repair)?|software engineering|"
        r"SWE\S*|"
        r"HumanEval|competitive programming",
        "constraint": r"constrain(?:t|ed)\w*(?:[- ](?:satisfaction|optimi[sz]ation))?|"
        r"combinatorial|"
        r"optimal power flow|scheduling|knapsack|Sudoku|(?-i:SAT(?:isfiability)?)|"
        r"linear program\w*",
        "planning": r"plan(?:ning|ner|s)|Blocksworld|navigation",
        "logic": r"logic\w*|deduct\w+|puzzles?|syllogis\w+|symbolic|compositional",
        "science": r"scientific (?:question|reasoning)\w*|GPQA\S*|physics|chemistry",
        "chain of thought": r"chain[s]?[- ]of[- ]thoughts?|CoTs?|step-by-step|reasoning traces?",
    },
    "agency": {
        "tool use": r"function[- ]call\w*|tool[- ](?:use|call\w*|augmented)|API calls?|tools?",
        "web": r"web (?:navigation|agents?|brows\w+)|WebArena|OSWorld|GUI|computer[- ]use|"
        r"search agents?",
        "memory": r"(?:long-term |agent )?memor(?:y|ies)|lookup|n-grams?",
        "games": r"games?|negotiat\w+|poker|chess",
    },
    "language": {
        "question answering": r"question[- ]answering|\w*QA|factual\w*|knowledge[- ]intensive",
        "retrieval": r"retriev\w+|(?-i:RAG)|search engines?|ranking",
        "summarisation": r"summari[sz]\w+",
        "translation": r"translat\w+|multilingual|low-resource languages?",
        "dialogue": r"dialog(?:ue)?s?|conversation\w*|chatbots?|therap\w+",
        "classification": r"classif\w+|sentiment|entity recognition|information extraction",
        "writing": r"creative writing|story|stories|essays?|poetry",
        "long context": r"long[- ]context|needle[- ]in\S*|context (?:length|window)s?",
    },
    "conduct": {
        "safety": r"safety|jailbreak\w*|harmful\w*|red[- ]team\w*|toxicity|refusals?|"
        r"prompt injection",
        "alignment": r"align(?:ment|ed)|preference\w*|RLHF|(?-i:DPO)|reward models?|sycophan\w+",
        "hallucination": r"hallucinat\w+|faithful\w*|truthful\w*|calibrat\w+|uncertainty",
        "judging": r"LLM-as-a-judge|as judges?|evaluators?",
    },
    "training": {
        "pretraining": r"pre-?train\w*|scaling laws?|data mixtures?|tokeni[sz]\w+",
        "reinforcement learning": r"reinforcement learning|RLVR|GRPO|(?-i:PPO)|policy gradients?|"
        r"(?-i:RL)",
        "distillation": r"distill\w+|teacher\w*|student models?",
        "fine-tuning": r"fine-?tun\w+|(?-i:SFT)|LoRA|instruction[- ]tuning",
        "compression": r"quanti[sz]\w+|prun\w+|compress\w+|sparsity",
        "inference efficiency": r"inference (?:efficiency|cost|latency|compute)|test-time|"
        r"speculative|"
        r"KV[- ]cache|decoding|serving|throughput|latency|adaptive compute|early exit\w*",
        "architecture": r"architectur\w+|attention|depth|width|layers?|experts?|embeddings?",
        "interpretability": r"interpretab\w+|mechanistic|circuits?|probing|probes?|"
        r"representations?",
    },
    "perception": {
        "vision": r"images?|visual\w*|video\w*|spatial",
        "speech": r"speech|audio|spoken",
        "control": r"robot\w*|manipulation|driving|locomotion",
    },
}
METRICS = {
    "correctness": {
        "accuracy": r"accurac(?:y|ies)|exact match|correct(?:ness|ly)?|success rates?|solve rates?|"
        r"pass@\d+|pass rates?|win[- ]rates?|scores?",
        "constraint satisfaction": r"constraint[- ]satisf\w+|feasib\w+|constraints? (?:met|"
        r"satisfied)",
        "overlap": r"F1|BLEU|ROUGE\S*|edit distance|METEOR|recall|precision|nDCG\S*",
        "agreement": r"agreement|correlation|kappa|AUC|AUROC",
        "error": r"errors?(?: rates?)?|failures?(?: rates?)?|attack success\S*|"
        r"hallucination rates?",
    },
    "cost": {
        "speed": r"throughput|latency|speed-?ups?|faster|wall[- ]clock|tokens per second",
        "compute": r"FLOPs?|compute|cost\w*|budget\w*|tokens?(?: usage| count)?|energy|"
        r"memory footprint",
    },
    "likelihood": {"loss": r"perplexity|loss|bits[- ]per\S*|likelihood|nats"},
    "opinion": {"ratings": r"ratings?|preferences?|human evaluat\w+|surveys?|quality"},
}


def _compile(table: dict[str, dict[str, str]]) -> list[tuple[Term, re.Pattern[str]]]:
    return [
        (Term(name, kin), re.compile(rf"(?<![\w-])(?:{pattern})(?![\w])", re.IGNORECASE))
        for kin, terms in table.items()
        for name, pattern in terms.items()
    ]


TABLES = {
    axis: _compile(t) for axis, t in (("model", MODELS), ("task", TASKS), ("metric", METRICS))
}


def find_terms(axis: str, text: str) -> dict[Term, int]:
    """The terms of one axis (model, task, metric) that a text uses, and how often."""
    counts = {term: len(pattern.findall(text)) for term, pattern in TABLES[axis]}
    return {term: count for term, count in counts.items() if count}
