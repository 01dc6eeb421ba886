"""Slugs: how a title becomes an identity, as the site makes them."""

import hashlib
import re
import unicodedata

MAX_LENGTH = 80  # the site cuts there, also in mid-word
HASH_DIGITS = 12


def make_slug(title: str) -> str:
    """Lower case, apostrophes dropped, every other run of non-letters one hyphen, cut at 80.

    A title without a Latin letter or digit gets a slug made of its hash.
    """
    return make_whole_slug(title)[:MAX_LENGTH].rstrip("-")


def make_whole_slug(title: str) -> str:
    """The slug before it is cut: equal for two titles that differ in marks alone."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    words = re.sub(r"['\u2019`]", "", plain.lower())
    slug = re.sub(r"[^a-z0-9]+", "-", words).strip("-")
    if slug or not title.strip():
        return slug
    return "title-" + hashlib.sha256(title.encode()).hexdigest()[:HASH_DIGITS]


def number_slug(slug: str, number: int) -> str:
    """The slug of a second, third ... thing whose title gives the same slug."""
    ending = f"-{number}"
    return slug[: MAX_LENGTH - len(ending)].rstrip("-") + ending


def is_same_question(title: str, other: str) -> bool:
    """Whether two titles are one but for their marks; a cut slug does not make them one."""
    return title == other or make_whole_slug(title) == make_whole_slug(other)
