"""The grammar of a line document: question, essay, sources, research prompt.

Decides where each part begins and ends. Only the question is required; a part that is
missing is a warning, and a line that has no place is kept as unread. Knows nothing of the
database and of what else the library holds. The prompt's instructions are data.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import NamedTuple

from claims.document_checks import check_document
from claims.documents import MAX_NOTES, LineDocument, NoteEntry
from claims.marks import BULLET, fold_marks, strip_emphasis, strip_heading
from claims.pages import NoteLink
from claims.prompt_parts import read_anchors, read_findings, read_role, read_tasks
from claims.slugs import make_slug, number_slug
from db.errors import DocumentRefused

__all__ = ["HEADS", "KICKER", "is_line", "parse_document", "strip_emphasis"]

KICKER = re.compile(r"INQUIRING LINE", re.IGNORECASE)
HEADS = {
    "sources": re.compile(
        r"Sources\s*[·:(-]?\s*(?P<count>\d{1,6})\s*(?:linked )?notes?\)?:?", re.IGNORECASE
    ),
    "prompt": re.compile(r"Research prompt for your LLM\s*(?:expand)?\s*[↓▼▾⌄]?", re.IGNORECASE),
    "findings": re.compile(
        r"What a curated library found\s*(?:[—–-]+\s*and when)?\s*(?:\([^)]*\))?\s*:?",
        re.IGNORECASE,
    ),
    "anchors": re.compile(r"Anchor papers\s*(?:\([^)]*\))?\s*:?", re.IGNORECASE),
    "tasks": re.compile(r"Your tasks?\s*:?", re.IGNORECASE),
    "closing": re.compile(r"Cite arXiv IDs\b(?P<rest>.*)", re.IGNORECASE),
    "next": re.compile(r"Next inquiring lines\s*[↓→:]?", re.IGNORECASE),
}
CLOSING = re.compile(r"\s*[;,]?\s*flag anything ungrounded\.?\s*", re.IGNORECASE)
STANDFIRST = re.compile(r"This (?:explores|asks|looks|examines|follows|traces)\b", re.IGNORECASE)
SENTENCE_BREAK = re.compile(r"[.!?][\"')\]]?\s+\S")
MAX_TITLE = 160
QUESTION_WITHIN = 5  # lines from the top


class _Part(NamedTuple):
    """A part of the document: its head line, the lines below it, where it starts in the text."""

    head: str
    lines: list[str]
    start: int


class _Opening(NamedTuple):
    """What stands above the sources."""

    question: str
    standfirst: str | None
    essay: list[str]
    unread: list[str]


def parse_document(
    text: str,
    *,
    links: Sequence[NoteLink] = (),
    slug: str | None = None,
    today: date | None = None,
) -> LineDocument:
    """Read a document in normal form (``documents.normalise_text``).

    ``links`` to notes give these their own slugs; ``slug`` is the page's own; ``today``
    (default: the day in UTC) tells which dates lie ahead.

    Raises:
        DocumentRefused: it holds no question, or more notes or bullets than the limits.
    """
    parts = _split_parts(text)
    opening = _read_opening(parts.pop("opening").lines)
    absent = _Part("", [], 0)
    notes, orphans = _read_sources(parts.get("sources", absent), "\n".join(opening.essay), links)
    topic, not_role = read_role(parts.get("prompt", absent).lines)
    place = parts.get("findings", absent)
    findings = read_findings(place.lines, text, place.start)
    anchors, not_anchors = read_anchors(parts.get("anchors", absent).lines)
    tasks, not_tasks = read_tasks(parts.get("tasks", absent).lines)
    trailing = _read_closing(parts.get("closing", absent))
    following, not_next = _read_next(parts.get("next", absent).lines)
    unread = [*opening.unread, *orphans, *not_role, *findings.unread, *not_anchors, *not_tasks]
    declared = HEADS["sources"].fullmatch(strip_heading(parts.get("sources", absent).head))
    draft = LineDocument(
        text=text,
        question=opening.question,
        slug=slug or make_slug(opening.question),
        standfirst=opening.standfirst,
        essay=tuple(opening.essay),
        topic=topic,
        declared_notes=int(declared["count"]) if declared else None,
        span_from=findings.span_from,
        span_to=findings.span_to,
        notes=tuple(notes),
        findings=tuple(findings.entries),
        anchors=tuple(anchors),
        tasks=tuple(tasks),
        unread=(*unread, *trailing, *not_next),
        warnings=(),
        next_questions=tuple(following),
        cited_elsewhere=_find_unlisted(links, notes),
    )
    day = today or datetime.now(UTC).date()
    return replace(draft, warnings=tuple(check_document(draft, present=set(parts), today=day)))


def is_line(text: str) -> bool:
    """Whether a text in normal form shows a mark that only line documents carry."""
    lines = text.split("\n")
    if KICKER.fullmatch(strip_heading(lines[0])):
        return True
    return any(name in ("sources", "prompt") for name in map(_find_head, lines))


def _find_head(line: str) -> str | None:
    plain = strip_heading(line)
    return next((name for name, head in HEADS.items() if head.fullmatch(plain)), None)


def _split_parts(text: str) -> dict[str, _Part]:
    """Cut at head lines, in any order; a head that comes twice is text the second time."""
    parts = {"opening": _Part("", [], 0)}
    current, place = "opening", 0
    for line in text.split("\n"):
        name = _find_head(line)
        if name is not None and name not in parts:
            parts[name] = _Part(line, [], place)
            current = name
        else:
            parts[current].lines.append(line)
        place += len(line) + 1
    return parts


def _read_opening(lines: list[str]) -> _Opening:
    """Question, standfirst, essay, and what stood above the question."""
    if lines and KICKER.fullmatch(strip_heading(lines[0])):
        lines = lines[1:]
    near = enumerate(map(strip_heading, lines[:QUESTION_WITHIN]))
    place = next((i for i, line in near if line.endswith("?") and len(line) > 1), None)
    if place is None:
        raise DocumentRefused(
            "no question found in its first lines: a line document begins with one that ends in '?'"
        )
    essay = lines[place + 1 :]
    standfirst = None
    if essay and STANDFIRST.match(strip_emphasis(essay[0])):
        standfirst, essay = essay[0], essay[1:]
    return _Opening(strip_heading(lines[place]), standfirst, essay, lines[:place])


def _is_title(line: str) -> bool:
    return (
        line.endswith("?")
        and 1 < len(line) < MAX_TITLE
        and not SENTENCE_BREAK.search(line)
        and not BULLET.fullmatch(line)
    )


def _read_sources(
    part: _Part, essay: str, links: Sequence[NoteLink]
) -> tuple[list[NoteEntry], list[str]]:
    """The listed notes, and lines that stood above the first title."""
    slugs = {_bare(link.text): link.slug for link in links}
    count = HEADS["sources"].fullmatch(strip_heading(part.head))
    places = _find_titles(part.lines, int(count["count"]) if count else 0, slugs)
    if len(places) > MAX_NOTES:
        raise DocumentRefused(f"it lists {len(places)} notes; up to {MAX_NOTES} are read: split it")
    orphans = part.lines[: places[0]] if places else part.lines
    cited = _count_citations(essay, [_bare(part.lines[i]) for i in places])
    entries = []
    for place, following in pairwise([*places, len(part.lines)]):
        line = part.lines[place]
        own = slugs.get(_bare(line))
        bullet = BULLET.fullmatch(line)
        title = strip_heading(bullet["text"] if bullet else line)
        summary = strip_emphasis("\n".join(part.lines[place + 1 : following]))
        slug = own or make_slug(title)
        entries.append(NoteEntry(title, slug, summary, cited[_bare(line)], own is not None))
    return list(_part_namesakes(entries)), orphans


def _bare(line: str) -> str:
    """A title's line as titles are compared."""
    bullet = BULLET.fullmatch(line)
    return strip_heading(fold_marks(bullet["text"] if bullet else line))


def _part_namesakes(entries: list[NoteEntry]) -> Iterator[NoteEntry]:
    """Entries of one slug that are not one note get a number; a repeated entry keeps it."""
    seen: dict[str, NoteEntry] = {}
    for entry in entries:
        number, slug = 1, entry.slug
        while slug in seen and not _is_repeated(entry, seen[slug]):
            number += 1
            slug = number_slug(entry.slug, number)
        seen.setdefault(slug, entry)
        yield replace(entry, slug=slug)


def _is_repeated(entry: NoteEntry, other: NoteEntry) -> bool:
    return entry.has_own_slug or (entry.title, entry.summary) == (other.title, other.summary)


def _find_titles(lines: list[str], declared: int, slugs: dict[str, str]) -> list[int]:
    """Indices of title lines; a summary that is itself a question gives way to the count."""
    linked = {i for i, line in enumerate(lines) if _bare(line) in slugs}
    titles = [i for i, line in enumerate(lines) if i in linked or _is_title(strip_heading(line))]
    while declared and len(titles) > declared:
        doubtful = next((i for i in titles if i - 1 in titles and i not in linked), None)
        if doubtful is None:
            break
        titles.remove(doubtful)
    return titles


def _count_citations(essay: str, titles: list[str]) -> dict[str, int]:
    """How often each title stands in the essay, longest first so that none hides in another."""
    counts = {}
    essay = fold_marks(essay)
    for title in sorted(set(titles), key=len, reverse=True):
        counts[title] = essay.count(title)
        essay = essay.replace(title, "\0")
    return counts


def _read_closing(part: _Part) -> list[str]:
    """What stands behind the closing line, or follows its words on the same line."""
    match = HEADS["closing"].fullmatch(strip_heading(part.head))
    rest = CLOSING.sub("", match["rest"], count=1).strip() if match else ""
    return [rest, *part.lines] if rest.strip(" .;") else part.lines


def _read_next(lines: list[str]) -> tuple[list[str], list[str]]:
    """The questions of the next lines, and what is none."""
    questions, unread = [], []
    for line in lines:
        bullet = BULLET.fullmatch(line)
        plain = strip_heading(bullet["text"] if bullet else line)
        if plain.endswith("?"):
            questions.append(plain)
        else:
            unread.append(line)
    return questions, unread


def _find_unlisted(links: Sequence[NoteLink], notes: list[NoteEntry]) -> tuple[str, ...]:
    """Slugs that the page links to, and that are none of the listed notes'."""
    listed = {note.slug for note in notes}
    return tuple(dict.fromkeys(link.slug for link in links if link.slug not in listed))
