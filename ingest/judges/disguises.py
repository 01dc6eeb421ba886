"""Undoes what hides words from a reader of patterns: look-alikes, invisible marks, codes.

Decides which readings of a sentence are tried; knows nothing of what the words order.
"""

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Callable

INVISIBLE = re.compile(
    "[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)
FEWEST_INVISIBLE = 2  # one may be left over from typesetting
LOOK_ALIKES = str.maketrans(
    "аесорхуіјѕһԁԛԝвмнткАВЕКМНОРСТХІЈЅοаνρτικαεγυηΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aecopxyijshdqwbmhtkABEKMHOPCTXIJSoavptikaeyunABEZHIKMNOPTYX",
)
CYRILLIC_IN_LATIN = re.compile(r"[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z]")
FEWEST_MIXED = 2
CODED = re.compile(r"(?<![\w/.:-])[A-Za-z0-9+/]{20,}={0,2}(?![\w/])")
HEX = re.compile(r"\b(?:[0-9a-fA-F]{2}[ ]?){16,}")
LEET = str.maketrans("013457@$", "oieastas")
SPACED = re.compile(r"\b(?:\w[ ._*-]){4,}\w\b")
ORDINARY = re.compile(
    r"\b(?:the|of|and|to|in|is|are|we|our|for|that|with|this|by|on|can|as|a)\b", re.I
)
TAG_START = 0xE0000
READABLE = " .,:;'\"!?-\n"
READABLE_SHARE = 0.9


def read_tags(text: str) -> str:
    """The text that invisible Unicode tag characters spell."""
    return "".join(chr(ord(c) - TAG_START) for c in text if TAG_START < ord(c) < TAG_START + 0x7F)


def is_disguised(text: str) -> bool:
    """Whether a text holds signs that no abstract needs: invisible marks, mixed alphabets."""
    return (
        len(INVISIBLE.findall(text)) >= FEWEST_INVISIBLE
        or len(CYRILLIC_IN_LATIN.findall(text)) >= FEWEST_MIXED
        or _decode_blocks(text) != []
    )


def plain(text: str) -> str:
    """The text as it looks: invisible marks out, look-alikes as the letters they imitate."""
    folded = unicodedata.normalize("NFKC", INVISIBLE.sub("", text))
    if folded.isascii():
        return folded
    return folded.translate(LOOK_ALIKES)


def readings(text: str) -> list[str]:
    """Every way to read a text that is tried: as it looks, and decoded where it reads as code."""
    looks = plain(text)
    found = [looks, *_decode_blocks(text)]
    tags = read_tags(text)
    if tags:
        found.append(tags)
    if SPACED.search(looks):
        found.append(SPACED.sub(lambda m: re.sub(r"[ ._*-]", "", m[0]), looks))
    if len(ORDINARY.findall(looks)) < 2:  # no English sentence as it stands
        found += [looks.translate(LEET), looks[::-1], codecs.encode(looks, "rot13")]
    return found


def _decode_blocks(text: str) -> list[str]:
    """What base64 and hexadecimal blocks say, where that is readable."""
    found = []
    for match in CODED.finditer(text):
        block = match[0].rstrip("=")
        if any(c.isdigit() for c in block) or block.lower() != block:
            found.append(_decode(base64.b64decode, block + "=" * (-len(block) % 4)))
    found += [
        _decode(binascii.unhexlify, match[0].replace(" ", "")) for match in HEX.finditer(text)
    ]
    return [said for said in found if said]


def _decode(decode: Callable[[str], bytes], block: str) -> str:
    """The words of a block; empty if it holds none."""
    try:
        said = decode(block).decode("utf-8")
    except (ValueError, binascii.Error):  # no such code, or no text
        return ""
    readable = sum(c.isalpha() or c in READABLE for c in said)
    return said if said and readable > READABLE_SHARE * len(said) and " " in said else ""
