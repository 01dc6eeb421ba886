r"""TeX's letters as arXiv's query API writes them: ``Schr\"odinger`` and ``$\alpha$`` in Unicode.

OAI-PMH sends titles, abstracts and comments as their authors typed them, the query API
after a conversion of its own. Done here the same way, one paper has one text from both.
Source: what arXiv's converter does (arxiv-base, tex2utf), its gaps included: it knows no
``\upsilon`` and leaves all other commands as they are. Knows nothing of papers.
"""

import re
import unicodedata

_LETTERS = (
    "AA Å AE Æ DH Ð DJ Đ ETH Ð L Ł NG Ŋ O Ø oe œ OE Œ TH Þ aa å ae æ dh ð dj đ eth ð i ı l ł "
    "ng ŋ o ø ss ß th þ"
).split()
_GREEK = (
    "Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Upsilon Υ Phi Φ Psi Ψ Omega Ω alpha α "
    "beta β gamma γ delta δ epsilon ε zeta ζ eta η theta θ iota ι kappa κ lambda λ mu μ nu ν "
    "xi ξ omicron ο pi π rho ρ varsigma ς sigma σ tau τ varphi φ phi ϕ chi χ psi ψ omega ω"
).split()
_SIGNS = (
    "P ¶ S § copyright © guillemotleft « guillemotright » pounds £ dag † ddag ‡ div ÷ deg °".split()
)
MARKS = {
    "'": "\u0301",
    "`": "\u0300",
    "^": "\u0302",
    '"': "\u0308",
    "~": "\u0303",
    "=": "\u0304",
    ".": "\u0307",
    "H": "\u030b",
    "c": "\u0327",
    "k": "\u0328",
    "o": "",
    "r": "\u030a",
    "u": "\u0306",
    "v": "\u030c",
}
DOUBLE_BRACES = re.compile(r"\{\{([^}]*)\}\}")
ACCENT = re.compile(r"\\(?:(['`^\"~=.])([a-zA-Z])|(['`^\"~=.Hckoruv])\{([a-zA-Z])\})")
TIE = re.compile(r"\\t\{([^}])\}")
DOTLESS_J = re.compile(r"\{\\j\}|\\j\s")


def _pair(listed: list[str]) -> dict[str, str]:
    return dict(zip(listed[::2], listed[1::2], strict=True))


COMMANDS = [_pair(_LETTERS), _pair(_GREEK), _pair(_SIGNS)]


def _match_any(names: dict[str, str]) -> re.Pattern[str]:
    """A command of these names, with the brace or the one space that belongs to it."""
    listed = "|".join(names)
    return re.compile(rf"({{)?\\({listed})(?:\b|(?=_))(?(1)}}|(?:\\(?= )| |{{}})?)")


PATTERNS = [(_match_any(names), names) for names in COMMANDS]


def decode_letters(text: str) -> str:
    """A text with its TeX accents, foreign and Greek letters in Unicode."""
    if "\\" not in text and "{{" not in text:
        return text
    for pattern, names in PATTERNS:
        text = pattern.sub(lambda match, names=names: names[match[2]], text)  # type: ignore[misc]
    text = DOTLESS_J.sub("j", text)
    while DOUBLE_BRACES.search(text):
        text = DOUBLE_BRACES.sub(r"{\1}", text)
    return TIE.sub(r"\1", ACCENT.sub(_accent, text))


def _accent(match: re.Match[str]) -> str:
    """The accented letter; the bare one where no such letter exists."""
    mark, letter = match[1] or match[3], match[2] or match[4]
    composed = unicodedata.normalize("NFC", letter + MARKS[mark])
    return composed if len(composed) == 1 else letter
