"""The parts of a research prompt: role, findings, anchors, tasks.

Decides what a bullet, a finding, an anchor and a task are, and gives back every line that
is none of them. The prompt is written as instructions to a model; here it is data.
"""

import re
from typing import NamedTuple

from claims.arxiv_ids import IdSpan, find_anchor_ids
from claims.dates import find_month, parse_date_range, split_last_bracket
from claims.documents import MAX_BULLETS, AnchorEntry, FindingEntry, TaskEntry
from claims.marks import BULLET, strip_emphasis
from claims.quantities import find_quantities
from db.errors import DocumentRefused

SPAN = re.compile(r"These findings span\s+(?P<range>[^:]+):?", re.IGNORECASE)
ROLE = re.compile(
    r"You are a research analyst re-?testing claims about (?P<topic>.+?)\. The question:.*",
    re.IGNORECASE,
)
LEAD = re.compile(r"Copy into ChatGPT.*", re.IGNORECASE)
TASK = re.compile(
    r"(?:\((?P<number>\d{1,3})\)|(?P<listed>\d{1,3})[.)](?=\s))"
    r"\s*(?:\*\*(?P<title>.+?)\*\*)?\s*(?P<text>.*)"
)
ANCHOR_BRACKET = re.compile(r"\s*\([^()]*\)")
EMPTY_BRACKET = re.compile(r"\(\s*\)|\[\s*\]")
SEPARATORS = " \t,;:—–-"


class Findings(NamedTuple):
    """The findings part: the stated span, the bullets, and lines that are neither."""

    span_from: str | None
    span_to: str | None
    entries: list[FindingEntry]
    unread: list[str]


def read_role(lines: list[str]) -> tuple[str | None, list[str]]:
    """The prompt's topic, and lines of its head that are not understood."""
    topic, unread = None, []
    for line in lines:
        match = ROLE.fullmatch(line)
        if match and topic is None:
            topic = match["topic"]
        elif not LEAD.fullmatch(line):
            unread.append(line)
    return topic, unread


def read_findings(lines: list[str], text: str, place: int) -> Findings:
    """The findings below their head; ``place`` is where the part begins in the text.

    Raises:
        DocumentRefused: more bullets than MAX_BULLETS.
    """
    bullets, loose = _read_bullets(lines)
    span_from, span_to, unread = None, None, []
    for line in loose:
        match = SPAN.fullmatch(line)
        stated = parse_date_range(match["range"]) if match else None
        if stated and span_from is None:
            span_from, span_to = stated.start, stated.end or stated.start
        else:
            unread.append(line)
    entries = []
    for bullet in bullets:
        place = text.index(bullet, place)
        entries.append(_read_finding(bullet, place))
        place += len(bullet)
    return Findings(span_from, span_to, entries, unread)


def read_anchors(lines: list[str]) -> tuple[list[AnchorEntry], list[str]]:
    """The anchors below their head, and lines in which nothing looks like an identifier.

    Raises:
        DocumentRefused: more bullets than MAX_BULLETS.
    """
    bullets, unread = _read_bullets(lines)
    anchors: list[AnchorEntry] = []
    for bullet in bullets:
        found = read_anchor_bullet(bullet.replace("\n", " "))
        anchors += found
        if not found:
            unread.append(bullet)
    return anchors, unread


def read_anchor_bullet(bullet: str) -> list[AnchorEntry]:
    """The anchors of one bullet: one, or several that share its label."""
    match = BULLET.fullmatch(bullet)
    body = match["text"] if match else bullet
    spans = find_anchor_ids(body)
    label = _read_label(body, spans)
    return [
        AnchorEntry(
            raw=bullet,
            label=label,
            arxiv_id=span.arxiv_id.id if span.arxiv_id else None,
            version=span.arxiv_id.version if span.arxiv_id else None,
            month_stated=_read_month(body[span.end :]),
            month_from_id=span.arxiv_id.month_name if span.arxiv_id else None,
        )
        for span in spans
    ]


def read_tasks(lines: list[str]) -> tuple[list[TaskEntry], list[str]]:
    """The numbered tasks, wrapped lines joined, and lines above the first."""
    blocks: list[str] = []
    unread: list[str] = []
    for line in lines:
        if TASK.fullmatch(line):
            blocks.append(line)
        elif blocks:
            blocks[-1] += " " + line
        else:
            unread.append(line)
    return [_read_task(block) for block in blocks], unread


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


def _read_month(rest: str) -> str | None:
    """The month in the bracket that follows an identifier."""
    bracket = ANCHOR_BRACKET.match(rest)
    return find_month(bracket[0]) if bracket else None


def _read_label(body: str, spans: list[IdSpan]) -> str:
    """What the bullet says beside identifiers and their months."""
    rest, end = "", 0
    for span in spans:
        rest += body[end : span.start]
        bracket = ANCHOR_BRACKET.match(body[span.end :])
        end = span.end + (len(bracket[0]) if bracket else 0)
    rest = EMPTY_BRACKET.sub(" ", f"{rest} {body[end:]}")
    rest = " ".join(rest.split())
    return strip_emphasis(rest).strip(SEPARATORS + "/&[]").removeprefix("and ").lstrip(SEPARATORS)


def _read_task(block: str) -> TaskEntry:
    match = TASK.fullmatch(block)
    assert match is not None  # read_tasks made it from one
    title = (match["title"] or "").strip().removesuffix(".")
    return TaskEntry(int(match["number"] or match["listed"]), title, match["text"].strip())
