"""Which papers may be named, and which quotes may be shown.

An id is printed as a source only when the store has it with its fetched title; a quote
only when it stands, character for character, in a stored text of that paper. Knows
nothing of why a quote was chosen.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from claims.arxiv_ids import BARE, MARKED, parse_arxiv_id
from db.columns import stored_id
from db.models import Paper, PaperText, PaperVersion

HIDDEN_ID = "[id not yet checked]"
HIDDEN_LIST = re.compile(rf"\({re.escape(HIDDEN_ID)}(?:, (?:{re.escape(HIDDEN_ID)}|\.\.\.))+\)")
SOURCE_NAMES = {
    "api": "arXiv",
    "oai": "arXiv (OAI-PMH)",
    "feed": "arXiv (feed)",
    "snapshot": "snapshot",
    "openalex": "OpenAlex",
    "semantic-scholar": "Semantic Scholar",
    "arxiv-html": "arXiv (HTML pages)",
}
BATCH = 500  # ids a query: databases limit the number of parameters


@dataclass(frozen=True)
class Quote:
    """A span of a stored text, checked against it."""

    arxiv_id: str
    title: str
    published: str
    section: str
    start: int
    end: int
    text: str
    is_withdrawn: bool

    @property
    def place(self) -> str:
        """Where it stands: id, section, offsets."""
        return f"arXiv:{self.arxiv_id}, {self.section}, characters {self.start}–{self.end}"


@dataclass(frozen=True)
class Shelf:
    """Papers by arXiv id, each with every text of it that the store holds."""

    papers: dict[str, Paper]
    texts: dict[int, list[dict[str, str]]]

    def check_quote(self, arxiv_id: object, span: dict[str, Any]) -> Quote | None:
        """The quote, if its exact text stands at its offsets in a text of the paper.

        ``span`` has section, start, end and, unless only offsets are known, text.
        """
        paper = self.papers.get(str(arxiv_id))
        section = str(span.get("section") or "abstract")
        start, end, said = span.get("start"), span.get("end"), span.get("text")
        if paper is None or not isinstance(start, int) or not isinstance(end, int):
            return None
        for text in self.texts.get(stored_id(paper.id), []):
            stands = text.get(section, "")[start:end]
            if stands.strip() and (said is None or stands == said):
                return _make_quote(paper, section, start, end, stands)
        return None


def _make_quote(paper: Paper, section: str, start: int, end: int, text: str) -> Quote:
    return Quote(
        arxiv_id=paper.arxiv_id,
        title=paper.title,
        published=describe_published(paper),
        section=section,
        start=start,
        end=end,
        text=text,
        is_withdrawn=paper.is_withdrawn,
    )


def describe_published(paper: Paper) -> str:
    """The day of first submission, else of listing, else that no date is known."""
    day = paper.published or paper.listed
    return day.isoformat() if day else "no date"


def name_source(source: object) -> str:
    """A paper source as a reader knows it; what is recorded otherwise stays as it is."""
    return SOURCE_NAMES.get(str(source), str(source)) if source else "source not recorded"


def read_shelf(session: Session, arxiv_ids: Iterable[object]) -> Shelf:
    """The stored papers of these ids, with all their texts."""
    wanted = sorted({str(arxiv_id) for arxiv_id in arxiv_ids if arxiv_id})
    papers: dict[str, Paper] = {}
    texts: defaultdict[int, list[dict[str, str]]] = defaultdict(list)
    for batch in _batches(wanted):
        rows = session.exec(select(Paper).where(col(Paper.arxiv_id).in_(batch))).all()
        for paper in rows:
            papers[paper.arxiv_id] = paper
            texts[stored_id(paper.id)].append({"title": paper.title, "abstract": paper.abstract})
        versions = session.exec(
            select(PaperVersion).where(col(PaperVersion.paper_id).in_([p.id for p in rows]))
        )
        for version in versions:
            texts[version.paper_id].append({"title": version.title, "abstract": version.abstract})
        full_texts = session.exec(
            select(PaperText).where(col(PaperText.paper_id).in_([p.id for p in rows]))
        )
        for full in full_texts:  # offsets of a section's quotes count from the text's beginning
            names = [str(part["name"]) for part in full.sections] or ["text"]
            texts[full.paper_id].append(dict.fromkeys(names, full.text))
    return Shelf(papers, dict(texts))


def _batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]


class IdGate:
    """Keeps ids that the store has not out of sentences, where they would read as sources."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._is_known: dict[str, bool] = {}

    def hide_unknown(self, sentence: str) -> str:
        """For our own sentences: an unknown id is replaced by a notice, several by one."""
        hidden = self._rewrite(sentence, lambda raw: HIDDEN_ID)
        return HIDDEN_LIST.sub("(ids not yet checked)", hidden)

    def mark_unknown(self, words: str) -> str:
        """For a curator's own words: an unknown id stays, marked as not checked."""
        return self._rewrite(words, lambda raw: f"{raw} [not checked]")

    def _rewrite(self, text: str, write: Any) -> str:
        pieces: list[str] = []
        last = 0
        for start, end in _find_ids(text):
            if not self._knows(text[start:end]):
                pieces += [text[last:start], write(text[start:end])]
                last = end
        return "".join([*pieces, text[last:]])

    def _knows(self, raw: str) -> bool:
        parsed = parse_arxiv_id(raw)
        if parsed is None:
            return False
        if parsed.id not in self._is_known:
            row = select(Paper.id).where(Paper.arxiv_id == parsed.id)
            self._is_known[parsed.id] = self._session.exec(row).first() is not None
        return self._is_known[parsed.id]


def _find_ids(text: str) -> list[tuple[int, int]]:
    """Spans of the id-like pieces of a text, in order."""
    spans = []
    for match in MARKED.finditer(text):
        group = "marked" if match["marked"] else "bracketed"
        spans.append(match.span(group))
    for match in BARE.finditer(text):
        start, end = match.span("bare")
        overlaps = any(start < other_end and other < end for other, other_end in spans)
        if not overlaps and parse_arxiv_id(match["bare"]) is not None:
            spans.append((start, end))
    return sorted(spans)
