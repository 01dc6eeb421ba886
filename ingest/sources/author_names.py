"""The names in arXiv's one string of authors, written as its query API writes them.

Decides where a name ends, that affiliations in brackets are no names, and which TeX accents
become letters, so that one paper's authors are the same list from every source. Knows
nothing of who is who.
"""

import re
import unicodedata

from ingest.sources.records import clean_text
from ingest.sources.tex_letters import MARKS

NAME_END = re.compile(r",\s*(?:and\s+)?|\s+and\s+|\s*;\s*")
IN_BRACKETS = re.compile(r"\([^()]*\)")
ACCENTED = re.compile(
    r"\\(?P<mark>['`^\"~=.]|[uvHckrdb](?![A-Za-z]))\s*"
    r"(?:\{\s*\\?(?P<braced>[A-Za-z])\s*\}|\\?(?P<bare>[A-Za-z]))"
)
ALL_MARKS = {**MARKS, "d": "\u0323", "b": "\u0331"}
LETTER = re.compile(r"\\(ss|ae|AE|oe|OE|aa|AA|dh|DH|th|TH|o|O|l|L|i|j)(?![A-Za-z])\s?")
LETTERS = dict(
    zip(
        "ss ae AE oe OE aa AA dh DH th TH o O l L i j".split(),
        "ß æ Æ œ Œ å Å ð Ð þ Þ ø Ø ł Ł ı ȷ".split(),
        strict=True,
    )
)


def split_authors(text: str) -> tuple[str, ...]:
    """The names of a string such as ``A. One (MIT), B. Two and C. Three``."""
    without = text
    while IN_BRACKETS.search(without):  # from the innermost outwards
        without = IN_BRACKETS.sub("", without)
    names = (clean_text(decode_accents(name)) for name in NAME_END.split(without))
    return tuple(name for name in names if name)


def decode_accents(text: str) -> str:
    r"""TeX's accents and foreign letters as letters: ``Erd\H{o}s`` as ``Erdős``."""
    if "\\" not in text and "{" not in text and "~" not in text:
        return text
    accented = ACCENTED.sub(_accent, text)
    letters = LETTER.sub(lambda match: LETTERS[match[1]], accented)
    plain = re.sub(r"[{}]", "", letters).replace("~", " ")
    return unicodedata.normalize("NFC", plain)


def _accent(match: re.Match[str]) -> str:
    return (match["braced"] or match["bare"]) + ALL_MARKS[match["mark"]]
