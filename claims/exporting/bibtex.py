"""The papers that a library rests on, as BibTeX.

An entry has only what was fetched: a paper whose title is not in the store gets none, and
the caller is told its id. Text is escaped, so that no title can end an entry or call TeX.
"""

import re
from typing import NamedTuple

from sqlmodel import Session, col, select

from claims.exporting.selection import select_library
from db.models import Anchor, Evidence, Line, Paper

STANCES = ("supports", "contradicts", "relaxes", "mentions")
TEX = {
    "\\": r"\textbackslash{}", "{": r"\textbraceleft{}", "}": r"\textbraceright{}",
    "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip
SPECIAL = re.compile(r"[\\{}$&#_%~^]")
UNSAFE_IN_KEY = re.compile(r"[^A-Za-z0-9.:-]+")
BATCH = 500


class Bibliography(NamedTuple):
    """BibTeX text, and the ids that got no entry because their paper was never fetched."""

    text: str
    not_fetched: list[str]


def write_bibtex(session: Session, line: Line | None = None) -> Bibliography:
    """An entry for each anchor and each paper that evidence rests on, by arXiv id.

    Evidence is a quoted stance that nobody rejected; a paper that only proposals rest on has
    the keyword ``proposed``.
    """
    statuses = _read_evidence(session, line)
    anchors = select(Anchor.arxiv_id).where(col(Anchor.arxiv_id).is_not(None)).distinct()
    if line is not None:
        anchors = anchors.where(Anchor.line_id == line.id)
    anchored = {str(arxiv_id) for arxiv_id in session.exec(anchors).all()}
    papers = _read_papers(session, sorted(anchored | set(statuses)))
    entries = []
    for paper in papers:
        words = statuses.get(paper.arxiv_id, set())
        is_proposed = paper.arxiv_id not in anchored and "confirmed" not in words
        entries.append(make_entry(paper, is_proposed=is_proposed))
    missing = sorted(anchored - {paper.arxiv_id for paper in papers})
    return Bibliography("\n".join(entries), missing)


def make_entry(paper: Paper, *, is_proposed: bool = False) -> str:
    """One entry; the key is ``arXiv:`` and the id."""
    day = paper.published or paper.listed
    authors = " and ".join(_escape_author(author) for author in paper.authors)
    fields = {
        "title": f"{{{escape_tex(paper.title)}}}",
        "author": authors,
        "year": str(day.year) if day else "",
        "eprint": escape_tex(paper.arxiv_id),
        "archivePrefix": "arXiv",
        "primaryClass": escape_tex(paper.categories[0]) if paper.categories else "",
        "url": f"https://arxiv.org/abs/{UNSAFE_IN_URL.sub('', paper.arxiv_id)}",
        "note": "withdrawn" if paper.is_withdrawn else "",
        "keywords": "proposed" if is_proposed else "",
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    key = UNSAFE_IN_KEY.sub("-", f"arXiv:{paper.arxiv_id}")
    return "\n".join([f"@misc{{{key},", *lines, "}", ""])


UNSAFE_IN_URL = re.compile(r"[^A-Za-z0-9./-]")


def escape_tex(text: str) -> str:
    """Text as TeX prints it letter for letter; braces stay balanced, as BibTeX counts them."""
    return SPECIAL.sub(lambda match: TEX[match[0]], " ".join(text.split()))


def _escape_author(name: str) -> str:
    """A name; braces keep one with a comma or an "and" of its own in one piece."""
    escaped = escape_tex(name)
    is_loose = "," in escaped or re.search(r"\band\b", escaped, re.IGNORECASE)
    return f"{{{escaped}}}" if is_loose else escaped


def _read_evidence(session: Session, line: Line | None) -> dict[str, set[str]]:
    """The status words of each paper's rows, by arXiv id."""
    query = (
        select(Paper.arxiv_id, Evidence.status)
        .join(Evidence, col(Evidence.paper_id) == Paper.id)
        .where(
            Evidence.status != "rejected",
            col(Evidence.quote).is_not(None),
            col(Evidence.stance).in_(STANCES),
        )
        .distinct()
    )
    if line is not None:
        claims = [claim.id for claim in select_library(session, line).claims]
        query = query.where(col(Evidence.claim_id).in_(claims))
    words: dict[str, set[str]] = {}
    for arxiv_id, status in session.exec(query).all():
        words.setdefault(arxiv_id, set()).add(status)
    return words


def _read_papers(session: Session, ids: list[str]) -> list[Paper]:
    papers: list[Paper] = []
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        papers += session.exec(select(Paper).where(col(Paper.arxiv_id).in_(batch))).all()
    return sorted((p for p in papers if p.title.strip()), key=lambda p: p.arxiv_id)
