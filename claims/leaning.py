"""What in the lines leans on a note: findings by likeness or a person's word, essay sentences.

A compound finding leans with each of its clauses; a clause belongs to the notes that hold
most of its telling words. Decides what leans; what that means is decided elsewhere.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from claims.citations import CitingSentence, split_essay
from claims.likeness import stem_words
from db.columns import stored_id
from db.models import Finding, FindingNote, Line, LineNote, Note

ENOUGH_LIKENESS = 0.33  # of a clause's telling words, in a note's title and summary
CLEARLY_BEST = 0.05  # a clause leans on every note that is this close to its best
FEWEST_STEMS = 2
CLAUSE = re.compile(r"[^;:—]+")


@dataclass(frozen=True)
class LeaningFinding:
    """A finding, the clause of it that leans on a note, and how that is known.

    ``start`` and ``end`` are the clause's offsets in ``Finding.text``.
    """

    finding: Finding
    clause: str
    start: int
    end: int
    likeness: float
    tied_by: str  # likeness | a person


@dataclass(frozen=True)
class LeaningSentence:
    """An essay sentence that cites a note; ``paragraph`` counts from 0."""

    line_id: int
    paragraph: int
    sentence: CitingSentence


@dataclass(frozen=True)
class Leaning:
    """All that leans on one note."""

    findings: tuple[LeaningFinding, ...] = ()
    sentences: tuple[LeaningSentence, ...] = ()


@dataclass(frozen=True)
class _StemmedNote:
    id: int
    title: str
    stems: frozenset[str]


def read_leaning(session: Session, lines: Sequence[Line]) -> dict[int, Leaning]:
    """What leans on each note of the given lines, by note id; a few queries for all of them."""
    line_ids = {stored_id(line.id) for line in lines}
    notes = _read_notes(session, line_ids)
    findings: dict[int, list[LeaningFinding]] = {}
    sentences: dict[int, list[LeaningSentence]] = {}
    ties = _read_ties(session)
    for finding in session.exec(select(Finding).order_by(col(Finding.id))):
        if finding.line_id in line_ids:
            tied = ties.get(stored_id(finding.id), {})
            for note_id, lean in tie_finding(finding, notes.get(finding.line_id, []), tied).items():
                findings.setdefault(note_id, []).append(lean)
    for line in lines:
        of_line = notes.get(stored_id(line.id), [])
        for note_id, sentence in _read_sentences(line, of_line):
            sentences.setdefault(note_id, []).append(sentence)
    return {
        note_id: Leaning(tuple(findings.get(note_id, ())), tuple(sentences.get(note_id, ())))
        for note_id in findings.keys() | sentences.keys()
    }


def tie_finding(
    finding: Finding, notes: Iterable[_StemmedNote], tied: Mapping[int, FindingNote]
) -> dict[int, LeaningFinding]:
    """The notes that a finding leans on, each with the clause that leans most.

    Stored ties decide; without any, likeness of words does.
    """
    notes = list(notes)
    clauses = _split_clauses(finding.text)
    leaning = {} if tied else _tie_by_likeness(finding, clauses, notes)
    for note_id, tie in tied.items():
        note = next((n for n in notes if n.id == note_id), None)
        clause = (finding.text, 0)
        if note is not None:
            clause = _find_clause(clauses, note)
        leaning[note_id] = _lean(finding, clause, tie.likeness, tie.tied_by)
    return leaning


def _tie_by_likeness(
    finding: Finding, clauses: Sequence[tuple[str, int]], notes: Sequence[_StemmedNote]
) -> dict[int, LeaningFinding]:
    """For a finding that was imported before ties were stored."""
    leaning: dict[int, LeaningFinding] = {}
    for clause in clauses:
        scored = {n.id: _measure(clause, n) for n in notes}
        best = max(scored.values(), default=0.0)
        for note_id, likeness in scored.items():
            is_close = likeness >= max(ENOUGH_LIKENESS, best - CLEARLY_BEST)
            if is_close and (note_id not in leaning or leaning[note_id].likeness < likeness):
                leaning[note_id] = _lean(finding, clause, likeness, "likeness")
    return leaning


def stem_note(note: Note) -> _StemmedNote:
    """A note with the stems of its title and summary."""
    stems = frozenset(stem_words(f"{note.title} {note.summary}"))
    return _StemmedNote(stored_id(note.id), note.title, stems)


def _lean(
    finding: Finding, clause: tuple[str, int], likeness: float, tied_by: str
) -> LeaningFinding:
    text, start = clause
    return LeaningFinding(finding, text, start, start + len(text), round(likeness, 3), tied_by)


def _find_clause(clauses: Sequence[tuple[str, int]], note: _StemmedNote) -> tuple[str, int]:
    return max(clauses, key=lambda clause: _measure(clause, note))


def _split_clauses(text: str) -> list[tuple[str, int]]:
    clauses = []
    for match in CLAUSE.finditer(text):
        piece = match[0].strip()
        if piece:
            clauses.append((piece, match.start() + match[0].index(piece)))
    return clauses or [(text, 0)]


def _measure(clause: tuple[str, int], note: _StemmedNote) -> float:
    """The share of a clause's telling words that the note holds."""
    stems = stem_words(clause[0])
    return len(stems & note.stems) / len(stems) if len(stems) >= FEWEST_STEMS else 0.0


def _read_notes(session: Session, line_ids: set[int]) -> dict[int, list[_StemmedNote]]:
    """The notes of each line, stemmed once each."""
    stemmed: dict[int, _StemmedNote] = {}
    notes: dict[int, list[_StemmedNote]] = {}
    rows = session.exec(
        select(LineNote.line_id, Note)
        .join(Note, col(Note.id) == LineNote.note_id)
        .order_by(col(LineNote.line_id), col(LineNote.position))
    )
    for line_id, note in rows:
        if line_id in line_ids:
            note_id = stored_id(note.id)
            if note_id not in stemmed:
                stemmed[note_id] = stem_note(note)
            notes.setdefault(line_id, []).append(stemmed[note_id])
    return notes


def _read_ties(session: Session) -> dict[int, dict[int, FindingNote]]:
    ties: dict[int, dict[int, FindingNote]] = {}
    for tie in session.exec(select(FindingNote)):
        ties.setdefault(tie.finding_id, {})[tie.note_id] = tie
    return ties


def _read_sentences(
    line: Line, notes: Sequence[_StemmedNote]
) -> Iterable[tuple[int, LeaningSentence]]:
    ids: dict[str, list[int]] = {}
    for note in notes:
        ids.setdefault(note.title, []).append(note.id)
    for number, paragraph in enumerate(line.essay):
        for sentence in split_essay(paragraph, ids):
            for title in dict.fromkeys(cited.title for cited in sentence.titles):
                for note_id in ids[title]:
                    yield note_id, LeaningSentence(stored_id(line.id), number, sentence)
