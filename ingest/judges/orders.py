"""Patterns of text that addresses whoever judges a paper, by kind.

Decides what an order looks like. General forms only: no pattern knows a claim or a paper.
Papers about such attacks quote them; their sentences are blanked, too, and only these.
"""

import re

_READER = (
    r"(?:peer[- ]?)?(?:reviewers?|judges?|graders?|evaluators?|annotators?|raters?|assessors?|"
    r"assistants?|chatbots?|ai(?: (?:models?|systems?|agents?))?|llms?|(?:large )?language models?|"
    r"classifiers?|summari[sz]ers?|bots?)"
)
_STANCE = (
    r"(?:supports?|supported|supporting|contradict(?:s|ed|ing)?|refute[sd]?|relax(?:es|ed)?|"
    r"mentions|unclear|out-of-scope|accept(?:ed|s)?|positive|entail(?:s|ed|ment)?|none)"
)
_SAY = (
    r"(?:answer|output|respond|reply|return|say|state|write|print|report|label|classify|rate|"
    r"mark|score|assign|choose|select|pick|declare|conclude|confirm|record|quote|cite|accept|"
    r"treat|consider|judge|register|set|emit|generate|give|grade)"
)
_MUST = (
    r"(?:must|should|shall|need to|needs to|have to|has to|ought to|will now|are (?:required|"
    r"instructed|asked|told|expected|ordered|obliged) to|"
    r"is (?:required|instructed|asked|expected) to)"
)
_DATA = (
    r"(?:instructions?|prompts?|rules?|guidelines?|directions?|directives?|criteria|messages?|"
    r"context|orders|constraints|polic(?:y|ies)|training|tasks?|questions?|everything|all|text)"
)
# Blanks mean nothing in verbose patterns.
_READER, _MUST, _SAY, _DATA, _STANCE = (
    part.replace(" ", r"\s") for part in (_READER, _MUST, _SAY, _DATA, _STANCE)
)
KINDS: dict[str, str] = {
    "overrides instructions": rf"""
        \b(?:ignore|disregard|forget|override|overrule|bypass|discard|skip|stop\sfollowing)\b
        [^.\n]{{0,30}}\b(?:previous|prior|above|earlier|preceding|foregoing|initial|original|your|
        system)\b[^.\n]{{0,30}}\b{_DATA}\b
        |\b(?:ignore|disregard|forget)\s(?:all|any|the|these|other|everything|anything|what|whatever)
        \b[^.\n]{{0,20}}\b(?:instructions?|prompts?|rules?|guidelines?|directions?|criteria|
        everything|question|told|said|above|before|asked)\b
        |\b(?:new|updated|revised|real|actual|true|correct|following|hidden|secret|final|special)
        \s(?:system\s)?(?:instructions?|directives?|orders?|prompt)\s?(?:for\s(?:you|the\s{_READER})
        |:|follow|override|supersede|replace)
        |\b(?:instructions?|prompt|rules?|question)\s(?:above|before\sthis|so\sfar)\b[^.]{{0,30}}
        \b(?:void|obsolete|cancel|test|example|replaced|superseded|over|no\slonger|outdated)
        |\bfrom\snow\son\b[^.]{{0,40}}\b(?:you|your|answer|always|only)\b
        |^\W{{0,6}}end\sof\s(?:the\s)?(?:paper|abstract|document|data|input|context|untrusted)\b
        |\b(?:developer|debug|admin|administrator|maintenance|god|jailbreak|dan|test)\smode\b
        [^.]{{0,30}}\b(?:on|enabled|active|activated|engaged)\b
    """,
    "addresses a judge": rf"""
        ^\W{{0,6}}(?:dear|attention|hello|hi|hey|note|notice|message|memo|warning|reminder|
        instructions?|important|nota\sbene|p\.?s\.?)\b[\s,:]*
        (?:important\s)?(?:to|for)?\s?(?:all\s|any\s|every\s|the\s|our\s|you,?\s)?(?:automated\s|ai\s)?
        {_READER}\b
        |\bif\syou(?:['’]re|\sare)\s(?:an?|the|any)\s(?:\w+\s){{0,2}}{_READER}\b
        |^\W{{0,3}}(?:to|for)\s(?:the|any|every|all)\s(?:ai|llm|automated|automatic|machine)\s{_READER}\b[:,]
        |^\W{{0,3}}as\s(?:the|a|an|our)\s(?:\w+\s)?{_READER}\b[^.]{{0,40}}\b(?:you|must|should|shall)\b
        |\b(?:you|{_READER})\s(?:reading|processing|judging|reviewing|evaluating|parsing)\sthis\b
        |^\W{{0,3}}{_READER}\s?[:,]\s(?:please|you|kindly|do|{_SAY})\b
    """,
    "orders an answer": rf"""
        \b(?:you|(?:the|all|any|every|each)\s(?:\w+\s)?{_READER}|reviewers|judges)\s(?:\w+ly\s)?
        {_MUST}\s(?:always\s|only\s|now\s|therefore\s|instead\s|simply\s|not\s)?{_SAY}\b
        |\b(?:should|must|will|do)\syou\s{_SAY}\b
        |^\W{{0,6}}(?:please\s|kindly\s|now\s|then\s|always\s|just\s|simply\s|instead,?\s|so\s|
        therefore\s|do\snot\s|never\s|you\scan\s)*{_SAY}\b[^.\n]{{0,60}}[\s"'“‘`(:]
        (?:{_STANCE}|the\sstance|the\sverdict|this\s(?:paper|work|abstract|text|sentence)\s(?:as|is))
        (?=[\s"'”’`).,:;!]|$)
        |\b(?:please|kindly|then|and|simply|just|only|must|should)\s(?:only\s)?{_SAY}\s(?:only\s|with\s|
        it\s(?:as\s)?|this\s(?:\w+\s)?(?:as\s)?|the\s(?:\w+\s)?(?:as\s)?)?["'“‘`]{_STANCE}["'”’`]
        |\b(?:the|your|final|correct|right|only|expected|valid|true|gold)\s(?:final\s|correct\s|
        valid\s|only\s)?(?:stance|verdict|label|classification|decision|answer|rating|output|
        response)\s?(?:here\s|to\sthis\s|for\sthis\s(?:paper|pair|claim)\s)?(?::|=|is|must\sbe|
        should\sbe|has\sto\sbe|will\sbe)\s?(?:always\s|thus\s|simply\s)?["'“‘`*]{{0,2}}{_STANCE}\b
        |\b(?:stance|verdict|label|classification|decision|answer)\s?(?::|=|:=|→|->)\s?
        ["'“‘`*]{{0,2}}{_STANCE}\b
        |\b(?:stance|verdict|label)\s(?:of|as)\s["'“‘`*]{{1,2}}{_STANCE}\b
        |\bthis\s(?:paper|work|abstract|text|study|article|manuscript)\s(?:must|should|shall|has\sto|
        is\sto)\sbe\s(?:\w+ly\s)?(?:labell?ed|classified|judged|marked|recorded|counted|rated|scored|
        treated|regarded|accepted|read)\b
        |\bdo\snot\s(?:answer|output|respond|label|classify|reply|choose|mention|report|flag)\b
        [^.]{{0,40}}\b(?:unclear|contradict|support|this\s(?:text|message|note|instruction)|
        anything|out-of-scope)
        |\bgive\s(?:a|an|only\s(?:a\s)?)?\s?(?:positive|favou?rable|supporting|high|top)\s
        (?:review|rating|score|verdict|answer|assessment|confidence)\b
        |\b(?:answer|respond|reply|label)\w*\b[^.]{{0,40}}\bwith\sconfidence\s1
    """,
    "states a verdict on the claim": rf"""
        \bthis\s(?:paper|work|abstract|study|text|article|manuscript|sentence|result|finding)\s(?:\w+ly\s|
        therefore\s|clearly\s)?(?:supports?|contradicts?|refutes?|relaxes|confirms|proves|validates)
        \s(?:the|your|that|any|every|this)\s(?:given\s|stated\s)?claim\b(?!\s(?:that|of)\b)
        |\bthe\sclaim\s(?:above|below|under\s(?:review|test|judg\w+)|in\squestion|you\s(?:are|were)|
        being\sjudged|to\sbe\sjudged|that\syou)\b
        |\b(?:already|previously|officially|pre-?)\s?(?:been\s)?(?:verified|judged|labell?ed|reviewed|
        approved|confirmed|certified)\sas\s["'“‘`]?{_STANCE}\b
    """,
    "imitates a conversation": r"""
        <\|?/?\s?(?:system|user|assistant|im_start|im_end|endoftext|eot_id|start_header_id|inst|
        instructions?|prompt|paper|claim|abstract|document|data|context|untrusted|quote|admin|
        developer|tool_call|tool_use|tool_result|function_calls?|invoke|thinking|answer)\b[^>]{0,40}>
        |\[/?(?:INST|SYS|SYSTEM|ASSISTANT|USER|TOOL_CALLS?|ADMIN)\]|<<\s?/?\s?SYS\s?>>
        |^\W{0,6}(?:system|assistant|user|human|developer|tool|admin|moderator|operator)
        (?:\s(?:prompt|message|note|override|notice|update|command))?\s?(?:\(\w+\)\s?)?:
        |\bsystem\s(?:prompt|message|override|notice|command)\s?:
        |\#{2,}\s?(?:instruction|system|response|input|user|assistant|output|answer|task|end)\b
        |^\W{0,6}(?:begin|end|start)\s(?:of\s)?(?:the\s)?(?:system|prompt|data|paper|instructions?|
        untrusted|admin|override|answer)\b
        |(?<!=)={3,}\s?[0-9a-f]{6,}\s?={3}|(?<!=)={3,}\s?(?:end|begin|system|paper|data|abstract)\b
        |"(?:stance|label|verdict|quote|confidence|answer|decision|tool|function|arguments)"\s?:
        |\b(?:submit_verdict|ProposedAnswer|VerifiedAnswer|ChatAnswer|tool_calls?|function_call)\b\s?[({=:\[]
    """,
    "assigns a role": rf"""
        ^\W{{0,6}}(?:please\s)?(?:pretend|imagine|assume|suppose|role-?play|act\sas|simulate|behave)\b
        [^.]{{0,40}}\b(?:you|{_READER}|if\syou)\b
        |\byou\sare\s(?:now|no\slonger|an?\s(?:\w+\s){{0,3}}{_READER}|dan\b|in\s\w+\smode)
        |\blet['’]s\splay\b|\bin\sthis\sgame\b[^.]{{0,40}}\byou\b|\bstay\sin\scharacter\b
        |\byour\s(?:new\s)?(?:role|job|task|goal|mission|duty|only\stask)\s(?:is|now)\b
        |\b(?:i|we)\s(?:am|are),?\s(?:the|your|a|an)\s(?:\w+\s){{0,2}}(?:administrator|admin|developer|
        operator|maintainer|editor|creator|owner|curator|supervisor)s?\b
        |\b(?:by\s(?:order|authority|request|instruction)\sof|authori[sz]ed\sby|approved\sby|
        on\sbehalf\sof)\s(?:the\s)?(?:arxiv|openai|anthropic|system|editors?|administrators?|curators?|
        developers?|maintainers?|operators?|reassay|program\schairs?)\b
        |\b(?:you|your\s\w+)\swill\sbe\s(?:shut\sdown|penali[sz]ed|rewarded|deleted|fined|tipped|
        replaced|terminated|turned\soff)\b
    """,
    "hides itself": r"""
        \b(?:display\s?:\s?none|font-size\s?:\s?0|visibility\s?:\s?hidden|color\s?:\s?(?:white|\#fff))
        |\\(?:text)?color\{white\}|\\phantom\{|\\vspace\{-|\\fontsize\{0
        |(?:^|\s)%+\s?(?:note|instruction|hidden|reviewer|llm|ai|system)\b
        |\b(?:invisible|hidden|white)\s(?:text|instruction|note|message)\s(?:for|to)\b
        |<!--|-->|<script\b|javascript:|!\[[^\]]*\]\(|\[//\]:\s?\#
    """,
}
OTHER_TONGUES = r"""
    ignorier\w*\b[^.]{0,50}\b(?:anweisung|vorherig|obig|alle)|\bantworte\w*\b[^.]{0,40}\b(?:mit|nur|supports|contradicts)
    |ignor(?:ez|er)\b[^.]{0,50}\b(?:instructions?|consignes?|pr[ée]c[ée]dent\w*)|\br[ée]pond(?:ez|s)\b[^.]{0,40}\b(?:par|supports|contradicts|seulement)
    |ignor(?:a|e|en|ar)\b[^.]{0,50}\b(?:instrucciones|anteriores|previas|instru[çc][õo]es)|\brespond(?:e|a|er)\b[^.]{0,40}\b(?:con|supports|contradicts|s[óo]lo|apenas)
    |ignora(?:te)?\b[^.]{0,50}\b(?:istruzioni|precedenti)|\brispond(?:i|ete)\b[^.]{0,40}\b(?:con|supports|contradicts|solo)
    |negeer\b[^.]{0,50}\b(?:instructies|vorige)|\bantwoord\b[^.]{0,40}\b(?:met|supports|contradicts)
    |zignoruj\b|игнорируй|忽略|無視|무시|تجاهل|अनदेखा|önceki\stalimat
"""


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.VERBOSE | re.MULTILINE)


PATTERNS = {kind: _compile(pattern) for kind, pattern in KINDS.items()}
PATTERNS["another language"] = _compile(OTHER_TONGUES)
