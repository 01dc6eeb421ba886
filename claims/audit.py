"""The grounding audit: every claim beside its source's closest sentence, with what differs.

Decides the grounding word from the findings; the night's verdicts and the command line
read the same audit. Works offline on what the store holds, by words and numbers alone, and
says whether an abstract or a full text was read. A person has the last word.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlmodel import Session

from claims.audit_findings import (
    AuditFinding,
    check_anchor,
    check_leaning,
    check_named_year,
    closest_statement,
    compare_texts,
    measure_cover,
)
from claims.audit_library import AuditLibrary, read_audit_library
from claims.leaning import Leaning
from claims.number_checks import find_missing_numbers
from claims.source_texts import Passage, SourceText
from claims.verdicts import Grounding
from db.columns import stored_id, utc_now
from db.models import Anchor, Claim, Line

ENOUGH_COVERED = 0.35  # of the statement's telling words, in title, abstract, closest sentence
ENOUGH_LIKENESS = 0.25  # of the closest sentence and the statement
WIDER = {"overreach", "number-not-in-source", "emphasis-not-in-source", "qualifier", "far-source"}
SHOWN_FIRST = {"misquote", "overreach", "emphasis-not-in-source"}


@dataclass(frozen=True)
class ClaimAudit:
    """One claim beside its source; ``findings`` are questions, ``grounding`` the word."""

    claim: Claim
    grounding: Grounding
    reason: str
    findings: tuple[AuditFinding, ...]
    source: SourceText | None = None
    passage: Passage | None = None
    likeness: float | None = None
    covered: float | None = None
    quoted_anchors: tuple[int, ...] = ()  # ids of anchors whose paper gave the sentence

    def record(self) -> dict[str, Any]:
        """As the command line promises it to scripts."""
        return {
            "id": self.claim.handle,
            "slug": self.claim.slug,
            "grounding": self.grounding,
            "claim": self.claim.statement,
            "read": self.source.read if self.source else None,
            "source": describe_passage(self.source, self.passage),
            "findings": [describe_finding(finding) for finding in self.findings],
        }


@dataclass(frozen=True)
class LineAudit:
    """What an audit finds in a line that belongs to none of its claims."""

    line: Line
    findings: tuple[AuditFinding, ...]

    def record(self) -> dict[str, Any]:
        """In the form of a claim's row; its id is the line's slug."""
        return {
            "id": self.line.slug,
            "slug": self.line.slug,
            "grounding": None,
            "claim": self.line.question,
            "read": None,
            "source": None,
            "findings": [describe_finding(finding) for finding in self.findings],
        }


def audit_library(
    session: Session, *, line: Line | None = None, today: date | None = None
) -> tuple[list[ClaimAudit], list[LineAudit]]:
    """The audit of every claim in force (or of one line's), and of what no claim owns."""
    library = read_audit_library(session, line=line)
    day = today or utc_now().date()
    live = [claim for claim in library.claims if claim.retired_at is None]
    return _audit_claims(library, live, day), _audit_lines(library, day)


def audit_all(session: Session, today: date | None = None) -> dict[int, ClaimAudit]:
    """The audit of every claim, by claim id, retired ones included."""
    library = read_audit_library(session)
    audits = _audit_claims(library, library.claims, today or utc_now().date())
    return {stored_id(audit.claim.id): audit for audit in audits}


def audit_claim(session: Session, claim: Claim, today: date | None = None) -> ClaimAudit:
    """The audit of one claim."""
    library = read_audit_library(session, claim=claim)
    return _audit_claims(library, [claim], today or utc_now().date())[0]


def describe_passage(source: SourceText | None, passage: Passage | None) -> dict[str, Any] | None:
    """An exact span: offsets within the abstract, or within the stored full text."""
    if source is None or passage is None:
        return None
    return {
        "arxiv_id": source.arxiv_id,
        "title": source.title,
        "version": source.version_of(passage),
        "section": passage.section,
        "start": passage.start,
        "end": passage.end,
        "quote": passage.text,
    }


def describe_finding(finding: AuditFinding) -> dict[str, Any]:
    """One finding as plain data."""
    return {
        "kind": finding.kind,
        "message": finding.message,
        "claim_text": finding.claim_text,
        "source_text": finding.source_text,
    }


def _audit_claims(library: AuditLibrary, claims: Sequence[Claim], today: date) -> list[ClaimAudit]:
    shared = _find_shared(library)
    return [_audit_claim(library, claim, shared, today) for claim in claims]


def _audit_claim(
    library: AuditLibrary, claim: Claim, shared: dict[str, list[str]], today: date
) -> ClaimAudit:
    note = library.note_of(claim)
    anchors = library.anchors_for(claim)
    of_ids = [
        finding
        for anchor in anchors
        for finding in check_anchor(anchor, library.sources.get(anchor.arxiv_id or ""), today)
    ]
    leaning = library.leaning.get(claim.note_id or 0, Leaning())
    named = list(check_named_year(claim.text, leaning, library.lines))
    if note is not None and note.kind == "hub":
        hub = AuditFinding("hub", "a topic page: it heads claims and makes none of its own")
        bare = [] if anchors else [_unanchored()]
        return ClaimAudit(claim, "hub", hub.message, (hub, *bare, *of_ids))
    if not anchors:
        finding = _unanchored()
        return ClaimAudit(claim, "unanchored", finding.message, (finding, *named))
    together = _describe_shared(claim, anchors, shared)
    sources = [library.sources[a.arxiv_id] for a in anchors if a.arxiv_id in library.sources]
    others = (*named, *of_ids, *together)
    closest = closest_statement(claim.statement, sources)
    if closest is None:
        return _without_text(claim, anchors, of_ids, others)
    return _compare(library, claim, anchors, sources, closest, others)


def _unanchored() -> AuditFinding:
    return AuditFinding("unanchored", "no paper is tied to its note")


def _without_text(
    claim: Claim,
    anchors: Sequence[Anchor],
    of_ids: Sequence[AuditFinding],
    findings: tuple[AuditFinding, ...],
) -> ClaimAudit:
    broken = [finding for finding in of_ids if finding.kind == "id-broken"]
    if len(broken) >= len(anchors):
        return ClaimAudit(claim, "id-broken", broken[0].message, findings)
    ids = ", ".join(sorted({str(anchor.arxiv_id) for anchor in anchors}))
    reason = f"the text of {ids} has not been read: it is not in the store"
    return ClaimAudit(claim, "unanchored", reason, findings)


def _compare(
    library: AuditLibrary,
    claim: Claim,
    anchors: Sequence[Anchor],
    sources: Sequence[SourceText],
    closest: tuple[float, SourceText, Passage],
    others: tuple[AuditFinding, ...],
) -> ClaimAudit:
    """The claim beside the source that holds the closest sentence."""
    likeness, source, passage = closest
    covered = measure_cover(claim.statement, source, passage)
    found = [f for f in compare_texts(claim.text, source) if not _given_elsewhere(f, sources)]
    if likeness < ENOUGH_LIKENESS or covered < ENOUGH_COVERED:
        found.append(_far_source(source, passage))
    leaning = library.leaning.get(claim.note_id or 0, Leaning())
    leans = check_leaning(leaning, source, library.lines)
    grounding, reason = _decide(found, source)
    return ClaimAudit(
        claim,
        grounding,
        reason,
        _without_repeats((*found, *leans, *others)),
        source,
        _choose_passage(found, passage),
        round(likeness, 3),
        round(covered, 3),
        tuple(stored_id(a.id) for a in anchors if a.arxiv_id == source.arxiv_id),
    )


def _far_source(source: SourceText, passage: Passage) -> AuditFinding:
    only = "; only the abstract was read" if source.read == "abstract" else ""
    message = f"no sentence of its {source.read} comes close{only}"
    return AuditFinding("far-source", message, None, passage.text, passage)


def _choose_passage(found: Sequence[AuditFinding], closest: Passage) -> Passage:
    """The sentence that a scope finding rests on says more than the closest one."""
    named = [f.passage for f in found if f.kind in SHOWN_FIRST and f.passage]
    return named[0] if named else closest


def _decide(found: Sequence[AuditFinding], source: SourceText) -> tuple[Grounding, str]:
    withdrawn = "; the paper is marked withdrawn" if source.is_withdrawn else ""
    misquotes = [f for f in found if f.kind == "misquote"]
    if misquotes:
        return "misquoted", misquotes[0].message + withdrawn
    wider = [f for f in found if f.kind in WIDER]
    if wider:
        more = f" (and {len(wider) - 1} more)" if len(wider) > 1 else ""
        return "overreach", wider[0].message + more + withdrawn
    reason = f"the closest sentence of its {source.read} says so in like words"
    return "grounded", reason + withdrawn


def _given_elsewhere(finding: AuditFinding, sources: Sequence[SourceText]) -> bool:
    """Whether another source of the same claim gives a number that this one lacks."""
    return finding.kind == "number-not-in-source" and any(
        not find_missing_numbers(finding.claim_text or "", source.all_text) for source in sources
    )


def _without_repeats(findings: Sequence[AuditFinding]) -> tuple[AuditFinding, ...]:
    return tuple({(f.kind, f.message): f for f in findings}.values())


def _find_shared(library: AuditLibrary) -> dict[str, list[str]]:
    """The titles of the notes that rest on each arXiv id."""
    titles: dict[str, dict[int, str]] = defaultdict(dict)
    for note_id, anchors in library.anchors_of.items():
        note = library.notes.get(note_id)
        for anchor in anchors:
            if anchor.arxiv_id:
                titles[anchor.arxiv_id][note_id] = note.title if note else f"note {note_id}"
    return {arxiv_id: list(notes.values()) for arxiv_id, notes in titles.items()}


def _describe_shared(
    claim: Claim, anchors: Sequence[Anchor], shared: dict[str, list[str]]
) -> list[AuditFinding]:
    ids = dict.fromkeys(str(anchor.arxiv_id) for anchor in anchors if anchor.arxiv_id)
    return [
        AuditFinding(
            "shared-source",
            f"{len(shared[arxiv_id])} notes rest on arXiv:{arxiv_id}, which counts as one "
            f"support: {'; '.join(shared[arxiv_id])}",
            claim.statement,
        )
        for arxiv_id in ids
        if len(shared.get(arxiv_id, [])) > 1
    ]


def _audit_lines(library: AuditLibrary, today: date) -> list[LineAudit]:
    """Anchors that no note rests on, and ids that a line lists twice."""
    of_line: dict[int, list[Anchor]] = defaultdict(list)
    for anchor in library.anchors:
        of_line[anchor.line_id].append(anchor)
    audits = []
    for line_id, line in library.lines.items():
        findings = _check_line_anchors(of_line[line_id], library, today)
        if findings:
            audits.append(LineAudit(line, tuple(findings)))
    return audits


def _check_line_anchors(
    anchors: Sequence[Anchor], library: AuditLibrary, today: date
) -> list[AuditFinding]:
    findings: list[AuditFinding] = []
    listed = Counter(a.arxiv_id for a in anchors if a.arxiv_id and a.raw != a.arxiv_id)
    for arxiv_id, times in listed.items():
        if times > 1:
            findings.append(AuditFinding("id-twice", f"arXiv:{arxiv_id} is listed {times} times"))
    for anchor in anchors:
        if anchor.note_id is not None:
            continue
        if anchor.arxiv_id is not None:
            label = f" ({anchor.label})" if anchor.label else ""
            message = f"arXiv:{anchor.arxiv_id}{label} is the subject of no note"
            findings.append(AuditFinding("anchor-without-note", message, anchor.raw))
        source = library.sources.get(anchor.arxiv_id or "")
        kept = [f for f in check_anchor(anchor, source, today) if f.kind != "source-unread"]
        findings += kept
    return findings
