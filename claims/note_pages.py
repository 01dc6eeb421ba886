"""A page that is one note, a topic hub or a paper: what kind it is, and its parts.

Decides titles, the declarative claim, the note's date and what of a page is navigation.
Every line finds a place: the body takes what nothing else does. A paper page makes no
note and no claim.
"""

import re
from dataclasses import dataclass, replace
from datetime import date

from claims.arxiv_ids import IdSpan, find_anchor_id, find_marked_ids, parse_arxiv_id
from claims.document_checks import find_instruction, is_hub
from claims.documents import AnchorEntry, DocumentWarning
from claims.grammar import is_line
from claims.marks import BULLET, strip_heading
from claims.pages import NoteLink, PageText
from claims.prompt_parts import read_anchor_bullet
from claims.slugs import make_slug
from db.errors import DocumentRefused

NOTE_HEAD = re.compile(
    r"(?:Synthesis\s+)?Note\s*[·•|]\s*(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:\s*[·•|]\s*sourced from\s+(?P<topic>.+))?",
    re.IGNORECASE,
)
HUB_HEAD = re.compile(r"Topic Hub\s*[·•|]\s*(?P<count>\d{1,6})\s+linked notes?\b.*", re.IGNORECASE)
PAPER_HEAD = re.compile(r"Paper\s*[·•|]\s*arXiv:?\s*(?P<id>\S+)(?:\s*[·•|].*)?", re.IGNORECASE)
TAIL_HEADS = re.compile(
    r"(?:Inquiring lines that use this note as a source|Related concepts?|Related notes?"
    r"|Concept map)\b.{0,60}",
    re.IGNORECASE,
)
ORIGINAL_TITLE = re.compile(r"Original note title\s*:?\s*(?P<title>.*)", re.IGNORECASE)
KICKER = re.compile(r"(?:Synthesis )?Note|Topic Hub", re.IGNORECASE)
HEAD_WITHIN = 12  # lines from the top
ID_FIELDS = ("arxiv", "arxiv_id", "source", "sources", "paper", "papers", "url", "doi")
ANCHOR_FIELDS = ("anchor", "anchors")
FEWEST_CLAIM_WORDS = 3  # a name of fewer words names a subject and claims nothing
MAX_TITLE = 300  # characters: a longer first line is body


@dataclass(frozen=True)
class NoteDocument:
    """One note or hub as its own page tells it."""

    text: str
    kind: str  # note | hub
    title: str
    slug: str
    has_own_slug: bool
    subtitle: str | None
    claim_title: str | None
    topic: str | None
    note_date: date | None
    body: str
    parents: tuple[str, ...]  # hub questions above it
    set_aside: tuple[str, ...]  # navigation: lines and concepts that the site ties to it
    links: tuple[NoteLink, ...]
    anchors: tuple[AnchorEntry, ...]
    mentions: tuple[IdSpan, ...]
    warnings: tuple[DocumentWarning, ...]

    @property
    def summary(self) -> str:
        """Subtitle and body: the fullest text of the note."""
        return "\n".join(part for part in (self.subtitle, self.body) if part)


def find_page_kind(page: PageText) -> str:
    """What the page is: ``line``, ``note``, ``hub`` or ``paper``.

    Its address says so, else its head lines; Markdown without a mark of a line is a note.
    """
    lines = page.text.split("\n")[:HEAD_WITHIN]
    told = page.address.kind if page.address else None
    if told in ("line", "paper"):
        return told
    if told is None and is_line(page.text):
        return "line"
    if told is None and any(PAPER_HEAD.fullmatch(line) for line in lines):
        return "paper"
    if any(HUB_HEAD.fullmatch(line) for line in lines):
        return "hub"
    if told == "note" or page.is_markdown or any(NOTE_HEAD.fullmatch(line) for line in lines):
        return "note"
    return "line"


def find_paper_id(page: PageText) -> IdSpan | None:
    """The arXiv id in a paper page's address; None when no possible id stands there."""
    if page.address is None or page.address.kind != "paper":
        return None
    raw = page.address.slug
    arxiv_id = parse_arxiv_id(raw)
    return IdSpan(raw, 0, len(raw), arxiv_id) if arxiv_id else None


def parse_note(page: PageText, kind: str) -> NoteDocument:
    """Read a page that ``find_page_kind`` called a note or a hub.

    Raises:
        DocumentRefused: no title, neither in the text nor in front matter or file name.
    """
    lines = page.text.split("\n")
    content, claim_title, set_aside = _cut_tail(lines)
    place = next(
        (
            i
            for i, line in enumerate(content[:HEAD_WITHIN])
            if NOTE_HEAD.fullmatch(line) or HUB_HEAD.fullmatch(line)
        ),
        None,
    )
    head = NOTE_HEAD.fullmatch(content[place]) if place is not None else None
    above = content[:place] if place is not None else []
    below = content[place + 1 :] if place is not None else content
    above = [line for line in above if not KICKER.fullmatch(line)]
    title, declared, above, below = _choose_title(page, above, below)
    parents, body = _cut_parents(below, has_head=head is not None)
    claim_title = claim_title or declared
    note_date, warnings = _read_note_date(page, head["date"] if head else None)
    slug, has_own_slug = _choose_slug(page, title, claim_title)
    document = NoteDocument(
        text=page.text,
        kind=kind,
        title=title,
        slug=slug,
        has_own_slug=has_own_slug,
        subtitle="\n".join(above) or None,
        claim_title=claim_title,
        topic=(head["topic"] if head else None) or _field(page, "topic"),
        note_date=note_date,
        body="\n".join(body),
        parents=tuple(parents),
        set_aside=tuple(set_aside),
        links=page.links,
        anchors=tuple(_read_anchor_fields(page)),
        mentions=tuple(_find_mentions(page)),
        warnings=(),
    )
    return _with_warnings(document, [*page.warnings, *warnings])


def _cut_tail(lines: list[str]) -> tuple[list[str], str | None, list[str]]:
    """Content, the declarative title, and the navigation that follows the content."""
    content: list[str] = []
    set_aside: list[str] = []
    claim_title, wants_title, in_tail = None, False, False
    for line in lines:
        original = ORIGINAL_TITLE.fullmatch(strip_heading(line))
        if wants_title:
            claim_title, wants_title = strip_heading(line), False
        elif original and claim_title is None:
            claim_title = original["title"].strip() or None
            wants_title, in_tail = claim_title is None, True
        elif TAIL_HEADS.fullmatch(strip_heading(line)):
            in_tail = True
            set_aside.append(line)
        else:
            (set_aside if in_tail else content).append(line)
    return content, claim_title, set_aside


def _choose_title(
    page: PageText, above: list[str], below: list[str]
) -> tuple[str, str | None, list[str], list[str]]:
    """Title, the declarative one where another name states it, and the lines left over."""
    named = [*page.fields.get("title", ()), *page.fields.get("aliases", ())]
    named += [
        *page.fields.get("alias", ()),
        *([page.stem] if page.is_markdown and page.stem else []),
    ]
    names = [strip_heading(name) for name in named if name and strip_heading(name)]
    lines = above or below
    place = next((i for i, x in enumerate(lines[:HEAD_WITHIN]) if above and x.endswith("?")), 0)
    first = strip_heading(lines[place]) if lines else ""
    takes_line = 0 < len(first) <= MAX_TITLE and (
        not page.is_markdown or first in names or first.endswith("?") or bool(above)
    )
    if takes_line:
        names = [first, *names]
        if above:
            above = above[:place] + above[place + 1 :]
        else:
            below = below[1:]
    if not names:
        raise DocumentRefused(f"{page.name} has no title: begin it with one")
    question = next((name for name in names if name.endswith("?")), None)
    title = question or names[0]
    if not page.is_markdown:
        return title, None, above, below
    declared = _find_declared(page, [title, *page.fields.get("title", ()), page.stem])
    return title, declared, above, below


def _find_declared(page: PageText, names: list[str | None]) -> str | None:
    """The declarative claim: as front matter states it, else a name that reads like one."""
    stated = _field(page, "claim") or _field(page, "original title")
    words = [strip_heading(name) for name in names if name]
    reads = (w for w in words if not w.endswith("?") and len(w.split()) >= FEWEST_CLAIM_WORDS)
    return stated or next(reads, None)


def _cut_parents(lines: list[str], *, has_head: bool) -> tuple[list[str], list[str]]:
    """The hub questions between the head line and the body."""
    count = 0
    while has_head and count < len(lines) and is_hub(lines[count]) and lines[count].endswith("?"):
        count += 1
    return lines[:count], lines[count:]


def _choose_slug(page: PageText, title: str, claim_title: str | None) -> tuple[str, bool]:
    """The page's own slug, else the declarative title's, else one made of the title."""
    if page.address and page.address.kind == "note":
        return page.address.slug, True
    given = _field(page, "slug") or _field(page, "permalink")
    if given and make_slug(given.strip("/").split("/")[-1]):
        return make_slug(given.strip("/").split("/")[-1]), True
    return (make_slug(claim_title), True) if claim_title else (make_slug(title), False)


def _read_note_date(
    page: PageText, stated: str | None
) -> tuple[date | None, list[DocumentWarning]]:
    written = stated or _field(page, "date") or _field(page, "created")
    if written is None:
        return None, []
    try:
        return date.fromisoformat(written[:10]), []
    except ValueError:
        return None, [DocumentWarning("note-date", f"no date can be: {written[:40]!r}")]


def _read_anchor_fields(page: PageText) -> list[AnchorEntry]:
    words = [word for key in ANCHOR_FIELDS for word in page.fields.get(key, ())]
    found = [(word, read_anchor_bullet(word)) for word in words]
    unread = [AnchorEntry(word, word, None, None, None, None) for word, ids in found if not ids]
    return [anchor for _, ids in found for anchor in ids] + unread


def _find_mentions(page: PageText) -> list[IdSpan]:
    """Ids of the front matter's source fields, and those that the text marks."""
    words = [word for key in ID_FIELDS for word in page.fields.get(key, ())]
    found = [span for word in words if (span := find_anchor_id(word)) is not None]
    return [span for span in [*found, *find_marked_ids(page.text)] if span.arxiv_id is not None]


def _with_warnings(document: NoteDocument, warnings: list[DocumentWarning]) -> NoteDocument:
    found = find_instruction(document.summary)
    if found:
        warnings.append(
            DocumentWarning("instruction-like", f"the note holds instruction-like text: {found!r}")
        )
    if not document.summary and document.kind == "note":
        warnings.append(DocumentWarning("note-empty", f"note {document.title!r} has no text"))
    for anchor in document.anchors:
        if anchor.arxiv_id is None:
            warnings.append(
                DocumentWarning("anchor-impossible", f"no arXiv id can be: {anchor.raw[:60]}")
            )
    return replace(document, warnings=tuple(warnings))


def _field(page: PageText, key: str) -> str | None:
    return next(iter(page.fields.get(key, ())), None)


def list_hub_titles(document: NoteDocument) -> list[str]:
    """The titles that a hub lists: lines of it that end in a question mark."""
    lines = (BULLET.sub(r"\g<text>", line) for line in document.body.split("\n"))
    return [line for line in lines if line.endswith("?")]
