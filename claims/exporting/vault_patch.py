"""A patch that gives the notes of an Obsidian vault their state; the vault is only read.

A file stands for a note when its name, or the ``title`` in its front matter, makes the
note's slug. The patch sets ``status``, ``checked`` and ``evidence`` and leaves every other
byte as it is: ``patch -p1`` or ``git apply`` in the vault's folder puts it in.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path
from typing import NamedTuple

from sqlmodel import Session, col, select

from claims.exporting.selection import select_library
from claims.queries import current_verdicts
from claims.slugs import make_slug
from db.columns import stored_id
from db.errors import ExportRefused
from db.models import Anchor, Evidence, Line, Note, Paper

FENCE = re.compile(r"(?:\ufeff)?---[ \t]*\r?\n?")
OURS = re.compile(r"(?:status|checked|evidence)[ \t]*:")
BELOW = re.compile(r"[ \t]+\S|-[ \t]|[ \t]*\r?\n?$")  # what still belongs to the key above
TITLE = re.compile(r"title[ \t]*:[ \t]*[\"']?(.*?)[\"']?\s*$")
NEEDS_QUOTES = re.compile(r"[\"\\\x00-\x1f\x7f]")


@dataclass
class NoteState:
    """What the front matter of one note says."""

    status: str
    checked: str | None = None
    evidence: list[str] = field(default_factory=list)


class VaultPatch(NamedTuple):
    """A unified patch, and what it does not hold."""

    text: str
    files: int
    notes_without_file: list[str]  # titles
    unreadable: list[str]  # paths in the vault


def write_vault_patch(session: Session, vault: Path, line: Line | None = None) -> VaultPatch:
    """The patch that brings a vault's front matter up to date; empty when it is.

    Raises:
        ExportRefused: the folder is none, or cannot be read.
    """
    if not vault.is_dir():
        raise ExportRefused(f"{vault} is no folder: give the vault's with --vault DIR")
    notes = {note.slug: note for note in select_library(session, line).notes}
    states = read_note_states(session, list(notes.values()))
    pieces, found, unreadable = [], set(), []
    for path in sorted(_find_notes(vault)):
        name = path.relative_to(vault).as_posix()
        try:
            text = path.read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            unreadable.append(name)
            continue
        slug = next((s for s in _slugs_of(path, text) if s in notes), None)
        if slug is not None:
            found.add(slug)
            pieces.append(make_patch(name, text, set_front_matter(text, states[slug])))
    missing = [note.title for slug, note in notes.items() if slug not in found]
    pieces = [piece for piece in pieces if piece]
    return VaultPatch("".join(pieces), len(pieces), missing, unreadable)


def read_note_states(session: Session, notes: list[Note]) -> dict[str, NoteState]:
    """Status, day and evidence of each note, by slug, from its claims that are in force."""
    chosen = select_library(session)
    claims = defaultdict(list)
    for claim in chosen.claims:
        claims[claim.note_id].append(claim)
    verdicts = current_verdicts(session)
    evidence, sources = _read_evidence(session), _read_sources(session)
    states = {}
    for note in notes:
        live = [claim for claim in claims[note.id] if claim.retired_at is None]
        judged = [verdicts[claim.id] for claim in live if claim.id in verdicts]
        headlines = dict.fromkeys((row.headline or "hub").lower() for row in judged)
        status = ", ".join(headlines) or ("unchecked" if live or not claims[note.id] else "retired")
        checked = max((row.decided_at for row in judged), default=None)
        rows = sorted({text for claim in live for text in evidence[stored_id(claim.id)]})
        states[note.slug] = NoteState(
            "hub" if note.kind == "hub" else status,
            f"{checked:%F}" if checked else None,
            [*sources[stored_id(note.id)], *rows],
        )
    return states


def set_front_matter(text: str, state: NoteState) -> str:
    """The text with our three keys set; everything else stays as it is, byte for byte."""
    newline = "\r\n" if "\r\n" in text.partition("\n")[0] + "\n" else "\n"
    ours = [f"status: {state.status}"]
    if state.checked:
        ours.append(f"checked: {state.checked}")
    if state.evidence:
        ours += ["evidence:", *(f'  - "{row}"' for row in state.evidence)]
    block = "".join(f"{row}{newline}" for row in ours)
    lines = _split_lines(text)
    end = _find_end(lines)
    if end is None:
        mark = "\ufeff" if text.startswith("\ufeff") else ""
        body = text.removeprefix("\ufeff")
        return f"{mark}---{newline}{block}---{newline}{body}"
    kept = "".join(_without_ours(lines[1:end]))
    return f"{lines[0]}{kept}{block}{''.join(lines[end:])}"


def make_patch(name: str, before: str, after: str) -> str:
    """A unified diff of one file; empty when nothing changes."""
    rows = unified_diff(
        _split_lines(before),
        _split_lines(after),
        _quote_name(f"a/{name}"),
        _quote_name(f"b/{name}"),
    )
    out = []
    for row in rows:
        out.append(row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n")
    return "".join(out)


def _find_notes(vault: Path) -> Iterator[Path]:
    for path in vault.rglob("*.md"):
        inside = path.relative_to(vault).parts
        if path.is_file() and not any(part.startswith(".") for part in inside):
            yield path


def _slugs_of(path: Path, text: str) -> Iterator[str]:
    lines = _split_lines(text)
    for line in lines[1 : _find_end(lines) or 1]:
        title = TITLE.match(line)
        if title:
            yield make_slug(title[1])
    yield make_slug(path.stem)


def _split_lines(text: str) -> list[str]:
    """Lines that end with a line feed, as patches count them, and nothing else."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def _find_end(lines: list[str]) -> int | None:
    """The index of the line that closes the front matter, if there is one."""
    if not lines or not FENCE.fullmatch(lines[0]):
        return None
    closing = (n for n, line in enumerate(lines[1:], 1) if line.rstrip() in {"---", "..."})
    return next(closing, None)


def _without_ours(lines: list[str]) -> Iterator[str]:
    is_ours = False
    for line in lines:
        if OURS.match(line):
            is_ours = True
        elif not (is_ours and BELOW.match(line)):
            is_ours = False
        if not is_ours:
            yield line


def _quote_name(name: str) -> str:
    """A file name as patch and git read it: a tab ends one with spaces, quotes hold the rest."""
    if NEEDS_QUOTES.search(name):
        escaped = "".join(
            f"\\{ord(char):03o}" if ord(char) < 32 or ord(char) == 127
            else f"\\{char}" if char in '"\\' else char
            for char in name
        )  # fmt: skip
        return f'"{escaped}"'
    return f"{name}\t" if " " in name else name


def _read_evidence(session: Session) -> defaultdict[int, list[str]]:
    """Confirmed stances by claim id; a proposal is not evidence yet."""
    rows = session.exec(
        select(Evidence.claim_id, Evidence.stance, Paper.arxiv_id)
        .join(Paper, col(Paper.id) == Evidence.paper_id)
        .where(Evidence.status == "confirmed")
    ).all()
    found = defaultdict(list)
    for claim_id, stance, arxiv_id in rows:
        found[claim_id].append(f"arXiv:{arxiv_id} {stance}")
    return found


def _read_sources(session: Session) -> defaultdict[int, list[str]]:
    """The notes' own sources by note id, as far as the store has their papers."""
    rows = session.exec(
        select(Anchor.note_id, Paper.arxiv_id)
        .join(Paper, col(Paper.arxiv_id) == Anchor.arxiv_id)
        .where(col(Anchor.note_id).is_not(None))
        .distinct()
        .order_by(col(Paper.arxiv_id))
    ).all()
    found = defaultdict(list)
    for note_id, arxiv_id in rows:
        found[note_id or 0].append(f"arXiv:{arxiv_id} source")
    return found
