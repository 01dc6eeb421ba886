"""Whether a comment says that its own paper is withdrawn.

No feed carries a flag; the reason of a withdrawal stands in the comments, in the author's
own words (arXiv help, "withdraw an article"). Decides by what is withdrawn and who says so:
"replaces withdrawn arXiv:..." and "withdrawn from ICLR" speak of something else. A sign, not
a proof: only arXiv's raw metadata (a version of size 0kb) is sure.
"""

import re

_NOUN = (
    r"(?:paper|article|submission|manuscript|work|preprint|pre-print|version|document|study|"
    r"content|draft)s?\b"
)
_ADJECTIVES = r"(?:(?:current|present|latter|whole|entire|working|arxiv)\s+)*"
_OWN = (
    rf"(?:it\b|this(?=\s+(?:as|because|due|for|to)\b)|"
    rf"(?:this|the|our|my|its)\s+{_ADJECTIVES}(?:{_NOUN}|latter\b))"
)
# "withdrawn from the proceedings": the paper stands, only its venue has changed.
_HERE = r"(?!\s+(?:it\s+)?from\s+(?!arxiv|circulation|public))"
_HELPERS = r"(?:\s+(?:been|be|being|to|now|also|therefore|temporarily|formally|voluntarily)\b){0,4}"
_PATTERNS = (
    # The comment opens with the word.
    rf"\A\s*(?:arxiv admin note:\s*)?withdr(?:aw|awal|awing|awn)\b{_HERE}",
    # This paper (...) has been, is being, needs to be withdrawn.
    rf"\b(?:this|the|our|my)\s+{_ADJECTIVES}{_NOUN}(?:\s*\([^()]{{0,40}}\))?(?:\s+\w+){{0,3}}?"
    rf"\s+(?:ha[sd]|is|was|will|must|should|needs?|and){_HELPERS}\s+withdrawn\b{_HERE}",
    r"\b(?:it\s+(?:is|has|will|was)|being|therefore\s+been|(?:need|ha)[sd]?\s+to\s+be|"
    rf"and\s+has\s+been){_HELPERS}\s+withdrawn\b{_HERE}",
    # We withdraw it; we have withdrawn this manuscript.
    rf"\b(?:withdraw(?:ing)?\s+(?:temporarily\s+)?{_OWN}|withdrawn\s+(?!it\b){_OWN}){_HERE}",
    # We decided to withdraw.
    r"(?<!which )\b(?:we|i|authors?)\b(?:(?!\bwhich\b)[^.;]){0,60}?\bwithdraw(?:ing)?\b"
    r"(?=\s*(?:[.,;]|\Z|(?:now|and|to|for|due|because)\b))",
    # We request its withdrawal.
    r"\b(?:request|ask|apply)(?:s|ed|ing)?\s+(?:(?:for|the|a|full|complete|standard|formal|its)"
    rf"\s+)*withdrawal\b{_HERE}",
    rf"\bwithdrawal\s+(?:of\s+{_OWN}|for\s+revision\b|is\s+due\b)",
)
NOTICE = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.IGNORECASE)


def is_withdrawal_notice(comment: str) -> bool:
    """Whether a paper's comment says that this paper is withdrawn, or is to be."""
    return "withdr" in comment.lower() and NOTICE.search(comment) is not None
