"""Which notes a finding leans on, by shared words, and where a compound one could be cut.

The page does not tie findings to notes. A finding is cut at its semicolons; a clause
belongs to the note that holds most of its telling words, and to any that is as close. The
score is stored, so that a reader can judge it. A split is proposed, never made.
"""

from dataclasses import dataclass

from claims.documents import FindingEntry, LineDocument
from claims.likeness import stem_words

ENOUGH_LIKENESS = 0.33  # of a clause's telling words stand in the note's title or summary
CLEARLY_BEST = 0.05  # a clause leans on every note that is this close to its best
FEWEST_STEMS = 2


@dataclass(frozen=True)
class FindingTie:
    """A finding leans on a note, with the likeness of their words (0 to 1)."""

    finding: int  # position in the line, from 0
    note: str  # slug
    likeness: float


@dataclass(frozen=True)
class ProposedSplit:
    """A finding that states several claims, and the parts that it could be cut into."""

    finding: int  # as a reader counts, from 1
    parts: tuple[str, ...]


def tie_findings(document: LineDocument) -> list[FindingTie]:
    """Ties of every finding to the document's notes, in the order of findings."""
    stems = {n.slug: stem_words(f"{n.title} {n.summary}") for n in document.notes}
    ties: list[FindingTie] = []
    for position, finding in enumerate(document.findings):
        best: dict[str, float] = {}
        for clause in split_finding(finding):
            for slug, score in _match_clause(clause, stems).items():
                best[slug] = max(score, best.get(slug, 0.0))
        ties += [FindingTie(position, slug, round(score, 3)) for slug, score in best.items()]
    return ties


def propose_splits(document: LineDocument) -> list[ProposedSplit]:
    """The compound findings with their parts."""
    cut = ((i, split_finding(f)) for i, f in enumerate(document.findings, 1) if f.is_compound)
    return [ProposedSplit(i, parts) for i, parts in cut if len(parts) > 1]


def split_finding(finding: FindingEntry) -> tuple[str, ...]:
    """A finding's text cut at semicolons; empty parts are dropped."""
    return tuple(part.strip() for part in finding.text.split(";") if part.strip())


def _match_clause(clause: str, notes: dict[str, set[str]]) -> dict[str, float]:
    wanted = stem_words(clause)
    if len(wanted) < FEWEST_STEMS:
        return {}
    scores = {slug: len(wanted & stems) / len(wanted) for slug, stems in notes.items()}
    best = max(scores.values(), default=0.0)
    enough = max(ENOUGH_LIKENESS, best - CLEARLY_BEST)
    return {slug: score for slug, score in scores.items() if score >= enough}
