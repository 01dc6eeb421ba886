"""Is the claim wider than its source? Words of scope on one side, named settings on the other.

Decides by rules that a reader can check: a claim that speaks of all tasks beside a source
whose own work names one problem; a claim that holds "regardless of" things that the source
never mentions; a claim that stresses a condition which is not the source's own. Rules see
words, not meaning: on an abstract alone they ask for the full text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from claims.likeness import stem_words
from claims.sentences import split_sentences
from claims.source_texts import Passage, SourceText

NOUN = r"(?:tasks?|problems?|benchmarks?|datasets?|domains?|settings?|environments?)"
UNIVERSAL = re.compile(
    r"\b(?P<word>across|all|any|every|on|in)\s+(?P<what>(?:[\w-]+\s+){0,4}?"
    r"(?:tasks|problems|benchmarks|datasets|domains|settings))\b"
    r"|\b(?P<lone>always|never|universally|in general|everywhere)\b",
    re.IGNORECASE,
)
WIDE_WORDS = frozenset({"across", "all", "any", "every"})
REGARDLESS = re.compile(
    r"\b(?P<word>regardless of|independent of|irrespective of|no matter)\s+(?P<what>[^.;—?!]+)",
    re.IGNORECASE,
)
ONE_SETTING = re.compile(
    r"\b(?:(?:one|(?:a|one) single|a)\s+(?:[\w-]+\s+){0,3}"
    r"|(?:the\s+)?(?:[A-Z][\w-]*\s+){1,4}(?:\([A-Z][\w-]*\)\s+)?)"
    r"(?:problem|task|benchmark|dataset|domain|environment)\b"
)
MANY_SETTINGS = re.compile(
    rf"\b(?:diverse|multiple|various|several|many|numerous|wide|broad|range of|different|\d+|two|"
    rf"three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|dozens of|hundreds of|"
    rf"across|extensive)\s+(?:[\w/-]+\s+){{0,4}}{NOUN}\b"
    rf"|{NOUN}[^.]{{0,40}}?\b(?:such as|including|like)\b|\bbenchmarks\b",
    re.IGNORECASE,
)
EMPHASIS = re.compile(
    r"\b(?P<word>especially|particularly|most of all|above all|notably|chiefly|largest|strongest|"
    r"only)\s+(?:on|in|for|with|at|when|where|under)\s+(?P<what>[^,.;:—()?!]+)",
    re.IGNORECASE,
)
CUT = re.compile(r"\s+(?:rather than|instead of|than|as opposed to|but|because|while)\b.*$", re.I)
OWN_CONDITION = re.compile(
    r"\b(?:on|in|for)\s+(?:[\w-]+\s+){0,3}(?:problems|prompts|questions|tasks|cases|settings|"
    r"examples|instances|inputs)\s+(?:where|when|that|in which|for which)\s+(?P<what>[^,.;]+)",
    re.IGNORECASE,
)
SPLIT_LIST = re.compile(r",\s*(?:and|or)\s+|,\s*|\s+(?:and|or)\s+")
CONFIRM = "; confirm on the full text"
SHARED_SUBJECT = 2  # stems that a sentence must share with the claim's to be about its result
SAME_LETTERS = 6  # "difficult" and "difficulty" stress the same thing


@dataclass(frozen=True)
class ScopeGap:
    """One way in which a claim goes beyond its source, with both texts."""

    kind: str  # overreach | emphasis-not-in-source
    message: str
    claim_text: str
    source_text: str | None
    passage: Passage | None = None


def find_scope_gaps(claim_text: str, source: SourceText) -> list[ScopeGap]:
    """Every way in which the words of a claim are wider than its source's, in text order."""
    gaps: list[ScopeGap] = []
    for sentence in split_sentences(claim_text):
        gaps += _compare_settings(sentence.text, source)
        gaps += _compare_conditions(sentence.text, source)
        gaps += _compare_emphasis(sentence.text, source)
    return gaps


def _confirm(source: SourceText) -> str:
    return CONFIRM if source.read == "abstract" else ""


def _compare_settings(sentence: str, source: SourceText) -> list[ScopeGap]:
    """Many tasks in the claim, one named problem in the source's own work."""
    wide = next((m for m in UNIVERSAL.finditer(sentence) if _is_wide(m)), None)
    if wide is None:
        return []
    own = [p for p in source.passages if p.is_own_work]
    if any(MANY_SETTINGS.search(passage.text) for passage in own):
        return []
    for passage in own:
        one = ONE_SETTING.search(passage.text)
        if one:
            message = (
                f"the claim speaks of {wide[0]!r}; the {source.read} names one setting, "
                f"{one[0]!r}{_confirm(source)}"
            )
            return [ScopeGap("overreach", message, wide[0], passage.text, passage)]
    return []


def _is_wide(match: re.Match[str]) -> bool:
    return match["lone"] is not None or match["word"].lower() in WIDE_WORDS


def _compare_conditions(sentence: str, source: SourceText) -> list[ScopeGap]:
    """Things that a claim holds regardless of, and that its source never mentions."""
    gaps = []
    for match in REGARDLESS.finditer(sentence):
        items = [item.strip() for item in SPLIT_LIST.split(CUT.sub("", match["what"]))]
        known = _stems_of(source)
        missing = [i for i in items if stem_words(i) and not stem_words(i) & known]
        if missing:
            message = (
                f"the claim holds {match['word'].lower()} {', '.join(missing)}, which the "
                f"{source.read} does not mention{_confirm(source)}"
            )
            gaps.append(ScopeGap("overreach", message, match[0].strip(), None))
    return gaps


def _stems_of(source: SourceText) -> frozenset[str]:
    if source.full_text is None:
        return source.summary_stems
    return source.summary_stems.union(*(p.stems for p in source.passages))


def _compare_emphasis(sentence: str, source: SourceText) -> list[ScopeGap]:
    """A stressed condition that is not the source's own, or that no sentence of it holds."""
    gaps = []
    for match in EMPHASIS.finditer(sentence):
        stressed = CUT.sub("", match["what"]).strip()
        words = stem_words(stressed)
        if not words:
            continue
        own = _find_own_condition(source, words, stem_words(sentence))
        if own is not None:
            condition, passage = own
            if not _holds(words, stem_words(condition)):
                gaps.append(_emphasis_gap(match, stressed, source, condition, passage))
        elif not any(_holds(words, passage.stems) for passage in source.passages):
            gaps.append(_emphasis_gap(match, stressed, source, None, None))
    return gaps


def _find_own_condition(
    source: SourceText, words: set[str], claimed: set[str]
) -> tuple[str, Passage] | None:
    """The condition under which the source itself says that a result like the claim's holds.

    Of several the one that shares a word with what is stressed, else the last: abstracts
    state their main result late.
    """
    found = [
        (match[0], passage)
        for passage in source.passages
        if passage.is_own_work and len(passage.stems & claimed) >= SHARED_SUBJECT
        for match in OWN_CONDITION.finditer(passage.text)
    ]
    alike = [row for row in found if _holds(words, stem_words(row[0]))]
    return alike[0] if alike else found[-1] if found else None


def _emphasis_gap(
    match: re.Match[str],
    stressed: str,
    source: SourceText,
    condition: str | None,
    passage: Passage | None,
) -> ScopeGap:
    says = (
        f"the {source.read}'s own condition reads {condition!r}"
        if condition
        else f"no sentence of the {source.read} speaks of it"
    )
    message = f"the claim stresses {stressed!r}; {says}{_confirm(source)}"
    text = passage.text if passage else None
    return ScopeGap("emphasis-not-in-source", message, match[0].strip(), text, passage)


def _holds(words: set[str], stems: Sequence[str] | frozenset[str] | set[str]) -> bool:
    """Whether every word has its like among the stems."""
    heads = {stem[:SAME_LETTERS] for stem in stems}
    return all(word[:SAME_LETTERS] in heads for word in words)
