"""The search that is put to arXiv for one claim: its telling words, and since when.

Decides which words tell a claim from others without a model or a corpus (long and
compound words do, the field's everyday words do not), and that any two of them must
occur. Language: arXiv API manual, "Details of Query Construction".
"""

import re
from datetime import date, timedelta

from sqlmodel import Session, col, select

from claims.search import STOPWORDS
from db.models import Anchor, Claim, Finding

CATEGORIES = ("cs.CL", "cs.LG", "cs.AI")
RECENT_QUERY = " OR ".join(f"cat:{category}" for category in CATEGORIES)
MOST_WORDS = 5
SEARCHED_PAPERS = 50  # the most relevant; the daily windows bring the rest
DEFAULT_REACH = timedelta(days=365)
TERM = re.compile(r"[A-Za-z][A-Za-z]+(?:-[A-Za-z]+)*")
EVERYDAY = frozenset(  # words that half of the field's abstracts hold
    """model models language large small larger smaller llm llms learning training trained train
    task tasks data method methods result results show shows shown use used using uses
    performance perform performs approach paper work works new better best even only also
    achieve achieves improve improves improved improving system systems based different
    across under between against while other such through without within rather regardless
    single multiple many most several two three high higher low lower good well make makes
    given gains gain up down out than when both no never always often may might must should
    cannot could would been being were them itself independently alone together per via
    research standard substantially significantly dramatically persistently fundamental
    especially particularly systematically additional difficult experiments experiment
    independent productive outperform outperforms effectiveness effective varies vary
    mechanisms mechanism revealing reveal reveals incorrect correct augmenting responses
    either respectively beyond quality accuracy gap gaps range number numbers""".split()
)


def build_claim_query(statement: str) -> str | None:
    """A query for papers that share any two telling words of a statement; None without any."""
    words = pick_telling_words(statement)
    if not words:
        return None
    terms = [f'abs:"{word}"' for word in words]
    pairs = [
        f"({term} AND ({' OR '.join(terms[n:])}))" for n, term in enumerate(terms[:-1], 1)
    ] or terms
    return f"({' OR '.join(pairs)}) AND ({RECENT_QUERY})"


def pick_telling_words(text: str) -> list[str]:
    """Up to five terms, the most telling first; a hyphenated compound becomes a phrase."""
    found = dict.fromkeys(TERM.findall(text))
    candidates = [word for word in found if _is_telling(word)]
    ranked = sorted(candidates, key=lambda word: -_weigh(word))
    lowered = dict.fromkeys(word.replace("-", " ").lower() for word in ranked)
    return list(lowered)[:MOST_WORDS]


def find_claim_since(session: Session, claim: Claim, today: date) -> date:
    """The month of the claim's source, else the start of its finding, else a year ago."""
    if claim.note_id is not None:
        query = select(Anchor).where(col(Anchor.note_id) == claim.note_id)
        months = [a.month_from_id or a.month_stated for a in session.exec(query)]
        stated = min((month for month in months if month), default=None)
        if stated:
            return _first_day(stated)
    if claim.finding_id is not None:
        finding = session.get(Finding, claim.finding_id)
        if finding and finding.found_from:
            return _first_day(finding.found_from)
    return today - DEFAULT_REACH


def _is_telling(word: str) -> bool:
    lowered = word.lower()
    parts = lowered.split("-")
    is_acronym = sum(letter.isupper() for letter in word) >= 2
    if len(lowered) < 4 and not is_acronym:
        return False
    return not all(part in EVERYDAY or part in STOPWORDS for part in parts)


def _weigh(word: str) -> int:
    """Length, with compounds and names written in capitals ahead of plain words."""
    has_capitals = sum(letter.isupper() for letter in word) >= 2
    return min(len(word), 14) + 4 * ("-" in word) + 6 * has_capitals


def _first_day(stated: str) -> date:
    """``2025`` or ``2025-03`` as its first day."""
    year, _, month = stated.partition("-")
    return date(int(year), int(month or 1), 1)
