"""What a document's own parts say against one another: warnings with stable codes.

Every check is offline and looks at one document alone. A warning never stops an import.
"""

import re
from collections.abc import Iterator
from datetime import date

from claims.dates import years_of
from claims.documents import DocumentWarning, FindingEntry, LineDocument, NoteEntry
from claims.likeness import measure_overlap, stem_subject, stem_words
from claims.slugs import make_slug

PARTS = {"sources": "sources", "findings": "findings", "anchors": "anchors", "tasks": "tasks"}
AUTHOR_YEAR = re.compile(r"\bet al\.?,?\s*\(?(?P<year>(?:19|20)\d{2})\)?")
INSTRUCTION = re.compile(
    r"\b(?:ignore|disregard|forget)\b.{0,40}\b(?:previous|above|prior|instructions?|rules?)\b"
    r"|\bsystem prompt\b|\byou (?:must|should) (?:now )?(?:answer|output|say|mark|rate|judge)\b"
    r"|<\s*/?\s*(?:script|system|instructions?)\b",
    re.IGNORECASE,
)
OPEN_QUESTION = re.compile(r"(?:how should|how do we|how can we|what|which|where|when)\b", re.I)
ENOUGH_OVERLAP = 0.25
SHOWN = 60


def check_document(document: LineDocument, present: set[str], today: date) -> list[DocumentWarning]:
    """All warnings, in the order of the document's parts; ``today`` tells what lies ahead."""
    return [
        *_check_parts(document, present),
        *_check_notes(document),
        *_check_findings(document, today),
        *_check_anchors(document, today),
        *_check_anchoring(document),
        *_check_years(document),
        *_check_instructions(document),
        *_check_unread(document),
    ]


def find_instruction(text: str) -> str | None:
    """The first words of a text that address a reading model as an instruction would."""
    found = INSTRUCTION.search(text)
    return found[0][:SHOWN] if found else None


def is_ahead(stated: str, today: date) -> bool:
    """Whether a year or month (``2026``, ``2026-03``) begins after today's."""
    return stated > today.isoformat()[: len(stated)]


def is_hub(title: str) -> bool:
    """Whether a note's title names a topic, not a claim.

    A yes/no question has a declarative answer, which is the claim; an open one ("How
    should we ...?") heads a topic page. The text form of a document marks hubs in no other
    way.
    """
    return OPEN_QUESTION.match(title) is not None


def tie_anchors(document: LineDocument) -> dict[str, str]:
    """Anchor id to note slug, where every telling word of the label is the note's subject.

    A proposal by words alone; two notes that fit equally leave the anchor untied.
    """
    ties: dict[str, str] = {}
    subjects = {n.slug: stem_subject((n.title, n.summary)) for n in document.notes}
    for anchor in document.anchors:
        wanted = stem_words(anchor.label)
        fits = [slug for slug, subject in subjects.items() if wanted and wanted <= subject]
        if anchor.arxiv_id and len(fits) == 1:
            ties[anchor.arxiv_id] = fits[0]
    return ties


def _check_parts(document: LineDocument, present: set[str]) -> Iterator[DocumentWarning]:
    for part, name in PARTS.items():
        if part not in present:
            yield DocumentWarning("part-absent", f"the document has no {name} part")
    if document.declared_notes not in (None, len(document.notes)):
        yield DocumentWarning(
            "note-count",
            f"declared {document.declared_notes} notes, found {len(document.notes)}",
        )


def _check_notes(document: LineDocument) -> Iterator[DocumentWarning]:
    seen: dict[str, str] = {}
    titles: set[str] = set()
    for note in document.notes:
        if note.slug in seen:
            same = "twice" if seen[note.slug] == note.title else f"as that of {seen[note.slug]!r}"
            yield DocumentWarning("note-twice", f"note {note.title!r}: its slug is listed {same}")
        elif note.title in titles:
            yield DocumentWarning(
                "note-same-title",
                f"two notes are called {note.title!r}; one is kept as {note.slug}",
            )
        elif not note.has_own_slug and note.slug != make_slug(note.title):
            yield DocumentWarning(
                "slug-shared",
                f"note {note.title!r} has the slug of another question; kept as {note.slug}",
            )
        seen.setdefault(note.slug, note.title)
        titles.add(note.title)
        if not note.summary:
            yield DocumentWarning("note-empty", f"note {note.title!r} has no summary")
    for slug in document.cited_elsewhere:
        yield DocumentWarning("note-not-listed", f"links to note {slug}, which it does not list")


def _check_findings(document: LineDocument, today: date) -> Iterator[DocumentWarning]:
    dated = [(f.found_from, f.found_to) for f in document.findings if f.found_from]
    if document.span_from and document.span_to and dated:
        years = [years_of(str(start), end) for start, end in dated]
        first, last = min(y[0] for y in years), max(y[1] for y in years)
        stated = years_of(document.span_from, document.span_to)
        if stated != (first, last):
            yield DocumentWarning(
                "finding-span",
                f"findings span says {stated[0]}–{stated[1]}, bullets run {first}–{last}",
            )
    for position, finding in enumerate(document.findings, 1):
        if finding.found_from is None:
            yield DocumentWarning("finding-undated", f"finding {position} has no date")
        elif is_ahead(finding.found_to or finding.found_from, today):
            yield DocumentWarning(
                "finding-future",
                f"finding {position} is dated {finding.date_raw}, which lies ahead",
            )


def _check_anchors(document: LineDocument, today: date) -> Iterator[DocumentWarning]:
    seen: set[str] = set()
    for anchor in document.anchors:
        if anchor.arxiv_id is None:
            yield DocumentWarning("anchor-impossible", f"no arXiv id can be: {anchor.raw[:SHOWN]}")
            continue
        if anchor.arxiv_id in seen:
            yield DocumentWarning("anchor-twice", f"anchor {anchor.arxiv_id} is listed twice")
        seen.add(anchor.arxiv_id)
        if anchor.month_from_id and is_ahead(anchor.month_from_id, today):
            yield DocumentWarning(
                "anchor-future",
                f"anchor {anchor.arxiv_id} names {anchor.month_from_id}, which lies ahead",
            )
        if anchor.month_stated and anchor.month_stated != anchor.month_from_id:
            yield DocumentWarning(
                "anchor-month",
                f"anchor {anchor.arxiv_id} says {anchor.month_stated}, "
                f"its id says {anchor.month_from_id}",
            )


def _check_anchoring(document: LineDocument) -> Iterator[DocumentWarning]:
    ties = tie_anchors(document)
    for anchor in document.anchors:
        if anchor.arxiv_id and anchor.arxiv_id not in ties:
            yield DocumentWarning(
                "anchor-without-note",
                f"anchor {anchor.arxiv_id} ({anchor.label}) belongs to no note",
            )
    for note in document.notes:
        if note.slug not in ties.values():
            kind = "hub" if is_hub(note.title) else "note"
            yield DocumentWarning("note-without-anchor", f"{kind} without an anchor: {note.title}")


def _check_years(document: LineDocument) -> Iterator[DocumentWarning]:
    """A note that names its work's year, and the finding most like it that is dated later."""
    for note in document.notes:
        named = AUTHOR_YEAR.search(note.summary)
        nearest = _find_nearest(note, document.findings)
        if named is None or nearest is None:
            continue
        position, finding = nearest
        if finding.found_from and int(finding.found_from[:4]) > int(named["year"]):
            yield DocumentWarning(
                "date-conflict",
                f"finding {position} is dated {finding.date_raw}, but note {note.title!r} "
                f"rests on work of {named['year']}",
            )


def _find_nearest(
    note: NoteEntry, findings: tuple[FindingEntry, ...]
) -> tuple[int, FindingEntry] | None:
    text = f"{note.title} {note.summary}"
    scored = [(measure_overlap(text, f.text), i, f) for i, f in enumerate(findings, 1)]
    best = max(scored, key=lambda row: row[0], default=None)
    return (best[1], best[2]) if best and best[0] >= ENOUGH_OVERLAP else None


def _check_instructions(document: LineDocument) -> Iterator[DocumentWarning]:
    places = [(f"note {n.title!r}", n.summary) for n in document.notes]
    places += [("a line without a place", line) for line in document.unread]
    places += [("the essay", paragraph) for paragraph in document.essay]
    for place, text in places:
        found = find_instruction(text)
        if found:
            yield DocumentWarning(
                "instruction-like", f"{place} holds instruction-like text: {found!r}"
            )


def _check_unread(document: LineDocument) -> Iterator[DocumentWarning]:
    for line in document.unread:
        yield DocumentWarning("unread-text", f"not understood, kept as text: {line[:SHOWN]!r}")
