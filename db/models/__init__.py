"""All tables, in the field's words; import them from here."""

from db.models.judging import Candidate, Decision, Evidence
from db.models.library import (
    Anchor,
    Claim,
    ClaimRevision,
    Finding,
    ImportWarning,
    Line,
    LineClaim,
    LineNote,
    Mention,
    Note,
    Task,
)
from db.models.nights import Lease, Night, NightStep, Schedule, Verdict
from db.models.papers import HarvestWindow, Paper, PaperVersion
from db.models.retests import Binding, CanaryRun, Protocol, SeedRun, Stream

__all__ = [
    "Anchor",
    "Binding",
    "CanaryRun",
    "Candidate",
    "Claim",
    "ClaimRevision",
    "Decision",
    "Evidence",
    "Finding",
    "HarvestWindow",
    "ImportWarning",
    "Lease",
    "Line",
    "LineClaim",
    "LineNote",
    "Mention",
    "Night",
    "NightStep",
    "Note",
    "Paper",
    "PaperVersion",
    "Protocol",
    "Schedule",
    "SeedRun",
    "Stream",
    "Task",
    "Verdict",
]
