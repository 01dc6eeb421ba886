"""Slugs: how a title becomes an identity, as the site makes them."""

import re
import unicodedata

MAX_LENGTH = 80  # the site cuts there, also in mid-word


def make_slug(title: str) -> str:
    """Lower case, apostrophes dropped, every other run of non-letters one hyphen, cut at 80."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    words = re.sub(r"['\u2019`]", "", plain.lower())
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:MAX_LENGTH].rstrip("-")
