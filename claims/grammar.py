"""The grammar of a line document: question, essay, sources, research prompt.

Decides where each part begins and ends. Only the question is required; a part that is
missing is a warning, and a line that has no place is kept as unread. Knows nothing of the
database and of what else the library holds. The prompt's instructions are data.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from claims.arxiv_ids import find_anchor_id
from claims.dates import find_month, parse_date_range, split_last_bracket
from claims.document_checks import check_document
from claims.documents import (
    MAX_BULLETS,
    MAX_NOTES,
    AnchorEntry,
    FindingEntry,
    LineDocument,
    NoteEntry,
    TaskEntry,
)
from claims.quantities import find_quantities
from claims.slugs import make_slug
from db.errors import DocumentRefused

KICKER = re.compile(r"INQUIRING LINE", re.IGNORECASE)
HEADS = {
    "sources": re.compile(r"Sources\s+(?P<count>\d+)\s+notes?", re.IGNORECASE),
    "prompt": re.compile(r"Research prompt for your LLM.*", re.IGNORECASE),
    "findings": re.compile(r"What a curated library found.*", re.IGNORECASE),
    "anchors": re.compile(r"Anchor papers\b.*", re.IGNORECASE),
    "tasks": re.compile(r"Your tasks?:?", re.IGNORECASE),
    "closing": re.compile(r"Cite arXiv IDs.*", re.IGNORECASE),
    "next": re.compile(r"Next inquiring lines.*", re.IGNORECASE),
}
SPAN = re.compile(r"These findings span\s+(?P<range>[^:]+):?", re.IGNORECASE)
ROLE = re.compile(
    r"You are a research analyst re-?testing claims about (?P<topic>.+?)\. The question:.*",
    re.IGNORECASE,
)
LEAD = re.compile(r"Copy into ChatGPT.*", re.IGNORECASE)
BULLET = re.compile(r"(?:[•*–·‣-]|\d{1,3}[.)])\s+(?P<text>.+)")
TASK = re.compile(r"\((?P<number>\d+)\)\s*(?:\*\*(?P<title>.+?)\*\*)?\s*(?P<text>.*)")
STANDFIRST = re.compile(r"This (?:explores|asks|looks|examines|follows|traces)\b", re.IGNORECASE)
EMPHASIS = re.compile(r"(\*{1,3}|__)(?=\S)(.+?)(?<=\S)\1")
SENTENCE_BREAK = re.compile(r"[.!?][\"')\]]?\s+\S")
MAX_TITLE = 160
QUESTION_WITHIN = 5  # lines from the top


class _Part(NamedTuple):
    """A part of the document: its head line (empty for the first) and the lines below it."""

    head: str
    lines: list[str]


def parse_document(text: str) -> LineDocument:
    """Read a document in normal form (``documents.normalise_text``).

    Raises:
        DocumentRefused: it holds no question, or more notes or bullets than the limits.
    """
    parts = _split_parts(text.split("\n"))
    question, standfirst, essay, before = _read_opening(parts.pop("opening").lines)
    notes, orphans = _read_sources(parts.get("sources"), "\n".join(essay))
    span, findings, after_span = _read_findings(parts.get("findings"), text)
    anchors, not_anchors = _read_anchors(parts.get("anchors"))
    tasks, not_tasks = _read_tasks(parts.get("tasks"))
    prompt, topic = _read_role(parts.get("prompt"))
    closing = parts.get("closing")
    trailing = closing.lines if closing else []
    unread = [*before, *orphans, *prompt, *after_span, *not_anchors, *not_tasks, *trailing]
    head = parts["sources"].head if "sources" in parts else ""
    declared = HEADS["sources"].fullmatch(head)
    draft = LineDocument(
        text=text,
        question=question,
        slug=make_slug(question),
        standfirst=standfirst,
        essay=tuple(essay),
        topic=topic,
        declared_notes=int(declared["count"]) if declared else None,
        span_from=span[0],
        span_to=span[1],
        notes=tuple(notes),
        findings=tuple(findings),
        anchors=tuple(anchors),
        tasks=tuple(tasks),
        unread=tuple(unread),
        warnings=(),
    )
    return replace(draft, warnings=tuple(check_document(draft, present=set(parts))))


def strip_emphasis(text: str) -> str:
    """The text without asterisks and underscores that only mark emphasis."""
    return EMPHASIS.sub(r"\2", text)


def _split_parts(lines: list[str]) -> dict[str, _Part]:
    """Cut at head lines, in any order; a head that comes twice is text the second time."""
    parts = {"opening": _Part("", [])}
    current = "opening"
    for line in lines:
        name = next((n for n, head in HEADS.items() if head.fullmatch(line)), None)
        if name is not None and name not in parts and (name != "tasks" or len(line) < 12):
            parts[name] = _Part(line, [])
            current = name
        else:
            parts[current].lines.append(line)
    return parts


def _read_opening(lines: list[str]) -> tuple[str, str | None, list[str], list[str]]:
    """Question, standfirst, essay, and what stood above the question."""
    if lines and KICKER.fullmatch(lines[0]):
        lines = lines[1:]
    place = next((i for i, line in enumerate(lines[:QUESTION_WITHIN]) if line.endswith("?")), None)
    if place is None:
        raise DocumentRefused(
            "no question found in its first lines: a line document begins with one that ends in '?'"
        )
    question = strip_emphasis(lines[place].lstrip("# "))
    essay = lines[place + 1 :]
    standfirst = None
    if essay and STANDFIRST.match(essay[0]):
        standfirst, essay = essay[0], essay[1:]
    return question, standfirst, essay, lines[:place]


def _is_title(line: str) -> bool:
    return (
        line.endswith("?")
        and len(line) < MAX_TITLE
        and not SENTENCE_BREAK.search(line)
        and not BULLET.fullmatch(line)
    )


def _read_sources(part: _Part | None, essay: str) -> tuple[list[NoteEntry], list[str]]:
    """The listed notes, and lines that stood above the first title."""
    if part is None:
        return [], []
    count = HEADS["sources"].fullmatch(part.head)
    titles = _find_titles(part.lines, int(count["count"]) if count else 0)
    if len(titles) > MAX_NOTES:
        raise DocumentRefused(f"it lists {len(titles)} notes; up to {MAX_NOTES} are read: split it")
    orphans = part.lines[: titles[0]] if titles else part.lines
    cited = _count_citations(essay, [part.lines[i] for i in titles])
    notes = []
    for place, following in pairwise([*titles, len(part.lines)]):
        title = strip_emphasis(part.lines[place])
        summary = strip_emphasis("\n".join(part.lines[place + 1 : following]))
        notes.append(NoteEntry(title, make_slug(title), summary, cited[part.lines[place]]))
    return notes, orphans


def _find_titles(lines: list[str], declared: int) -> list[int]:
    """Indices of title lines; a summary that is itself a question gives way to the count."""
    titles = [i for i, line in enumerate(lines) if _is_title(line)]
    while declared and len(titles) > declared:
        doubtful = next((i for i in titles if i - 1 in titles), None)
        if doubtful is None:
            break
        titles.remove(doubtful)
    return titles


def _count_citations(essay: str, titles: list[str]) -> dict[str, int]:
    """How often each title stands in the essay, longest first so that none hides in another."""
    counts = {}
    for title in sorted(set(titles), key=len, reverse=True):
        counts[title] = essay.count(title)
        essay = essay.replace(title, "\0")
    return counts


def _read_bullets(lines: list[str]) -> tuple[list[str], list[str]]:
    """Bullets with their wrapped lines joined, and lines above the first one."""
    bullets: list[str] = []
    loose: list[str] = []
    for line in lines:
        if BULLET.fullmatch(line):
            bullets.append(line)
        elif bullets:
            bullets[-1] += "\n" + line
        else:
            loose.append(line)
    if len(bullets) > MAX_BULLETS:
        raise DocumentRefused(
            f"a list of it has {len(bullets)} bullets; up to {MAX_BULLETS} are read: split it"
        )
    return bullets, loose


def _read_findings(
    part: _Part | None, text: str
) -> tuple[tuple[str | None, str | None], list[FindingEntry], list[str]]:
    """The stated span, the findings, and lines that are neither."""
    if part is None:
        return (None, None), [], []
    bullets, loose = _read_bullets(part.lines)
    span: tuple[str | None, str | None] = (None, None)
    unread = []
    for line in loose:
        match = SPAN.fullmatch(line)
        stated = parse_date_range(match["range"]) if match else None
        if stated:
            span = (stated.start, stated.end or stated.start)
        else:
            unread.append(line)
    place = text.index(part.head)
    findings = []
    for bullet in bullets:
        place = text.index(bullet, place)
        findings.append(_read_finding(bullet, place))
        place += len(bullet)
    return span, findings, unread


def _read_finding(bullet: str, start: int) -> FindingEntry:
    match = BULLET.fullmatch(bullet.replace("\n", " "))
    assert match is not None  # _read_bullets made it from one
    body, found = split_last_bracket(strip_emphasis(match["text"]))
    body = body.removesuffix(".") if found is None else body
    return FindingEntry(
        text=body,
        raw=bullet,
        start=start,
        end=start + len(bullet),
        found_from=found.start if found else None,
        found_to=(found.end or found.start) if found else None,
        date_raw=found.raw if found else None,
        numbers=tuple(find_quantities(body)),
        is_compound=";" in body,
    )


def _read_anchors(part: _Part | None) -> tuple[list[AnchorEntry], list[str]]:
    if part is None:
        return [], []
    bullets, loose = _read_bullets(part.lines)
    anchors, unread = [], loose
    for bullet in bullets:
        anchor = _read_anchor(bullet.replace("\n", " "))
        if anchor is None:
            unread.append(bullet)
        else:
            anchors.append(anchor)
    return anchors, unread


def _read_anchor(bullet: str) -> AnchorEntry | None:
    """One anchor line; None when nothing in it looks like an identifier."""
    match = BULLET.fullmatch(bullet)
    assert match is not None
    body = match["text"]
    span = find_anchor_id(body)
    if span is None:
        return None
    rest = re.sub(r"^\s*\([^()]*\)", "", body[span.end :])
    month = find_month(body[span.end :][: len(body[span.end :]) - len(rest)])
    label = strip_emphasis(re.sub(r"^\s*[—–:-]\s*", "", rest)).strip()
    found = span.arxiv_id
    return AnchorEntry(
        raw=bullet,
        label=label,
        arxiv_id=found.id if found else None,
        version=found.version if found else None,
        month_stated=month,
        month_from_id=found.month_name if found else None,
    )


def _read_tasks(part: _Part | None) -> tuple[list[TaskEntry], list[str]]:
    if part is None:
        return [], []
    blocks: list[str] = []
    unread: list[str] = []
    for line in part.lines:
        if TASK.fullmatch(line):
            blocks.append(line)
        elif blocks:
            blocks[-1] += " " + line
        else:
            unread.append(line)
    return [_read_task(block) for block in blocks], unread


def _read_task(block: str) -> TaskEntry:
    match = TASK.fullmatch(block)
    assert match is not None
    title = (match["title"] or "").strip().removesuffix(".")
    return TaskEntry(int(match["number"]), title, match["text"].strip())


def _read_role(part: _Part | None) -> tuple[list[str], str | None]:
    """Lines of the prompt's head that are not understood, and its topic."""
    if part is None:
        return [], None
    lines: Iterator[str] = iter(part.lines)
    topic, unread = None, []
    for line in lines:
        match = ROLE.fullmatch(line)
        if match:
            topic = match["topic"]
        elif not LEAD.fullmatch(line):
            unread.append(line)
    return unread, topic
