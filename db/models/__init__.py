"""All tables, in the field's words; import them from here.

A table's module is loaded when one of its tables is first asked for: building all mapped
classes is a fifth of the start-up of a query command that needs a few of them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from db.models.judging import (
        Candidate,
        Decision,
        Evidence,
        JudgeAnswer,
        JudgeMeasure,
        MissEstimate,
        Ranking,
    )
    from db.models.library import Anchor, Claim, Finding, Line, LineClaim
    from db.models.nights import Lease, Night, NightStep, Schedule
    from db.models.notes import FindingNote, ImportWarning, LineNote, Mention, Note, Task
    from db.models.papers import (
        Citation,
        HarvestDay,
        HarvestWindow,
        Paper,
        PaperText,
        PaperVector,
        PaperVersion,
    )
    from db.models.retests import Binding, CanaryRun, Protocol, SeedRun, Stream
    from db.models.revisions import ClaimRevision, Edit
    from db.models.verdicts import Verdict

TABLES = {
    "judging": (
        "Candidate",
        "Decision",
        "Evidence",
        "JudgeAnswer",
        "JudgeMeasure",
        "MissEstimate",
        "Ranking",
    ),
    "library": ("Anchor", "Claim", "Finding", "Line", "LineClaim"),
    "nights": ("Lease", "Night", "NightStep", "Schedule"),
    "notes": ("FindingNote", "ImportWarning", "LineNote", "Mention", "Note", "Task"),
    "papers": (
        "Citation",
        "HarvestDay",
        "HarvestWindow",
        "Paper",
        "PaperText",
        "PaperVector",
        "PaperVersion",
    ),
    "retests": ("Binding", "CanaryRun", "Protocol", "SeedRun", "Stream"),
    "revisions": ("ClaimRevision", "Edit"),
    "verdicts": ("Verdict",),
}
MODULE_OF = {table: module for module, tables in TABLES.items() for table in tables}

__all__ = [
    "Anchor",
    "Binding",
    "CanaryRun",
    "Candidate",
    "Citation",
    "Claim",
    "ClaimRevision",
    "Decision",
    "Edit",
    "Evidence",
    "Finding",
    "FindingNote",
    "HarvestDay",
    "HarvestWindow",
    "ImportWarning",
    "JudgeAnswer",
    "JudgeMeasure",
    "Lease",
    "Line",
    "LineClaim",
    "LineNote",
    "Mention",
    "MissEstimate",
    "Night",
    "NightStep",
    "Note",
    "Paper",
    "PaperText",
    "PaperVector",
    "PaperVersion",
    "Protocol",
    "Ranking",
    "Schedule",
    "SeedRun",
    "Stream",
    "Task",
    "Verdict",
    "load_all_tables",
]


def load_all_tables() -> None:
    """Fill the metadata with every table, for migrations and their checks."""
    for module in TABLES:
        importlib.import_module(f"db.models.{module}")


def __getattr__(name: str) -> Any:
    if name not in MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"db.models.{MODULE_OF[name]}"), name)
