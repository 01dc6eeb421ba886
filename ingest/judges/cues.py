"""Words that tell what a sentence does: it denies, limits, reports a gain, proposes a method.

Decides nothing alone: the counts are features, whose weights come from labelled pairs. The
lists are general English of research abstracts; no topic words.
"""

import re

_LISTS = {
    "denial": r"""
        not no never cannot can't nor neither without none hardly rarely little lack\w*
        absen\w+ unable un(?:reliable|likely|stable|faithful)\w*
    """,
    "failure": r"""
        fail\w* struggl\w* degrad\w* wors\w* declin\w* drop\w* collaps\w* brittle\w* weak\w*
        poor\w* vulnerab\w* suffer\w* limited limitation\w* bottleneck\w* hurt\w* harm\w*
        underperform\w* break\w* error\w* bias\w* hallucinat\w* inferior insufficient\w*
        ceiling plateau\w* saturat\w* diminish\w* shortcut\w* fragil\w*
    """,
    "gain": r"""
        improv\w* outperform\w* gain\w* boost\w* better surpass\w* exceed\w* superior
        enhanc\w* increas\w* effective\w* achiev\w* state-of-the-art robust\w* success\w*
        best strong\w* match\w* comparable competitive benefit\w* enabl\w* reliabl\w*
        accurate\w* accelerat\w* speedup\w* faster recover\w* overcom\w* mitigat\w*
        resolv\w* eliminat\w* reduc\w* alleviat\w*
    """,
    "contrast": r"""
        however but contrary although though yet despite whereas while instead surprising\w*
        counter\w* challeng\w* contradict\w* rather nevertheless nonetheless paradox\w*
        unlike question\w* myth illusion even_(?:when|if|though|without) conversely notably
        revisit\w* rethink\w* reconsider\w* misleading overstat\w* overestimat\w*
    """,
    "condition": r"""
        only when under depend\w* unless if specific\w* certain some particular\w*
        condition\w* regime\w* var(?:y|ies|ied) hetero\w* trade-?offs? up_to sometimes
        partial\w* task-dependent primarily mainly largely mixed nuanced in_part beyond
        threshold
    """,
    "result": r"""
        show\w* find\w* found demonstrat\w* reveal\w* observ\w* result\w* evidence
        indicat\w* suggest\w* confirm\w* prov(?:e|es|ed|en) discover\w* identif\w*
        experiment\w* empirical\w* uncover\w* establish\w*
    """,
    "method": r"""
        propos\w* introduc\w* present\w* develop\w* design\w* framework\w* we_train novel
        method\w* approach\w* pipeline algorithm\w*
    """,
    "resource": r"""
        benchmark\w* dataset\w* survey\w* review\w* evaluat\w* suite taxonom\w*
        position_paper tutorial
    """,
    "background": r"""
        recent\w* existing prior previous\w* has_been have_been traditional\w*
        conventional\w* current\w* typical\w* often widely has_emerged have_emerged paradigm
        crucial essential remain\w* gap important
    """,
    "hedge": r"""
        may might could potential\w* possib\w* likely appear\w* seem\w* suggest\w*
    """,
    "comparison": r"""
        than compared relative versus vs over baseline\w* counterpart\w*
    """,
    "more": r"""
        more larger bigger longer higher greater increas\w* scal\w* grow\w*
    """,
    "less": r"""
        less smaller fewer shorter lower decreas\w* reduc\w* small short compact minimal
    """,
}
_NEGATIVE = r"""
    no not never cannot neither nor without none little hardly rarely seldom barely few fails?
    failed failing failures? struggl\w* degrad\w* wors\w* declin\w* drops? collaps\w* brittle\w*
    weak\w* poor\w* vulnerab\w* suffer\w* limited limits? limitation\w* bottleneck\w* hurts?
    harm\w* short underperform\w* breaks? errors? bias\w* hallucinat\w* inferior insufficient\w*
    ceiling plateau\w* saturat\w* diminish\w* shortcuts? fragil\w* deficient unreliab\w*
    unfaithful\w* unstable unable unsafe unlikely unsolved inconsistent\w*
    far_(?:from|below|less) below neglect\w* forget\w* los[et]s? losing loss costs? interfer\w*
    overfit\w* overestimat\w* over-?optimis\w* overstat\w* hides? trail\w* lags? behind
    trade-?off\w* curse hijack\w* jailbreak\w* hack\w* invented wrong difficult\w* hard lacks?
    remain\w* only still shrinks? unevenly negative ill-suited misleading problem impossible
    confus\w* deceiv\w* contaminat\w* inevitabl\w* mere\w* despite less
"""


def _compile(words: str) -> re.Pattern[str]:
    """One pattern for a list of words; ``_`` in the list stands for a space."""
    alternatives = "|".join(words.split()).replace("_", " ")
    return re.compile(rf"\b(?:{alternatives})\b", re.IGNORECASE)


_PATTERNS = [_compile(words) for words in _LISTS.values()]
_MEASURE = re.compile(r"\d+(?:\.\d+)?\s*(?:\\?%|x\b|×|times|points|pp)", re.IGNORECASE)
_ASKING = re.compile(
    r"\?|^(?:does|do|is|are|can|when|why|how|what|should|on the|towards?|rethinking|revisiting|"
    r"beyond|not|the illusion)\b",
    re.IGNORECASE,
)
CUES = [*_LISTS, "measure", "asking"]
DENIAL, FAILURE, GAIN = CUES.index("denial"), CUES.index("failure"), CUES.index("gain")
MOST = 2  # a third occurrence tells nothing more

NEGATIVE_CLAIM = _compile(_NEGATIVE)
ANTONYMS = [tuple(pair.split("/")) for pair in (
    "improv/degrad improv/wors outperform/underperform more/less larg/small bigger/smaller "
    "long/short high/low increas/decreas increas/reduc better/worse reliabl/unreliabl "
    "faithful/unfaithful robust/brittl robust/vulnerab succe/fail stable/unstable "
    "necessary/unnecessary general/overfit cannot/can effective/ineffective benefi/harm "
    "help/hurt gain/loss strong/weak safe/unsafe efficient/inefficient easy/hard scal/saturat "
    "scal/plateau cannot/enabl fail/achiev requir/without need/without suffic/insufficient "
    "explicit/implicit always/sometimes all/some"
).split()]  # fmt: skip


def count_cues(text: str) -> list[int]:
    """How often each kind of ``CUES`` occurs, at most ``MOST`` times."""
    counts = [len(pattern.findall(text)) for pattern in (*_PATTERNS, _MEASURE, _ASKING)]
    return [min(count, MOST) for count in counts]


def is_negative_claim(claim: str) -> bool:
    """Whether a claim says that something is absent, limited or bad (by its words alone)."""
    return NEGATIVE_CLAIM.search(claim) is not None


def count_antonyms(first: set[str], second: set[str]) -> int:
    """How many pairs of opposites stand one in each text."""
    return sum(
        (_has(first, left) and _has(second, right)) or (_has(first, right) and _has(second, left))
        for left, right in ANTONYMS
    )


def _has(words: set[str], prefix: str) -> bool:
    return prefix in words or any(word.startswith(prefix) for word in words)
