"""Makes a library from its JSON export: into an empty one, whole or not at all.

Every row gets the id that it had. Papers that the store already has stay as they are; texts
that evidence was judged on are added to them. Knows the form that
``claims.exporting.library_json`` writes, and no other.
"""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.exc import StatementError
from sqlmodel import Session, SQLModel, func, select

from claims.edit_journal import edit_transaction
from claims.exporting.library_json import FORMAT
from db.columns import stored_id
from db.engine import is_sqlite
from db.errors import ExportRefused
from db.models import (
    Anchor,
    Claim,
    ClaimRevision,
    Decision,
    Edit,
    Evidence,
    Finding,
    FindingNote,
    ImportWarning,
    Line,
    LineClaim,
    LineNote,
    Mention,
    Note,
    Paper,
    PaperVersion,
    Task,
)

MUST_BE_EMPTY = (Line, Note, Claim, Evidence, Edit, Mention)
WITH_IDS = (
    Line, Note, Claim, ClaimRevision, Finding, Anchor, Task, Mention, ImportWarning, Edit,
    Evidence, Decision,
)  # fmt: skip
DAMAGE = (KeyError, TypeError, AttributeError, ValueError, ValidationError, StatementError)
Data = dict[str, Any]


def restore_library(session: Session, document: str) -> dict[str, int]:
    """Fill an empty library from an export, in one transaction; gives the rows by kind.

    Raises:
        ExportRefused: the library is not empty, or the text is no export of this form.
    """
    data = _parse(document)
    with edit_transaction(session):
        for table in MUST_BE_EMPTY:
            if session.exec(select(func.count()).select_from(table)).one():
                raise ExportRefused(
                    f"the library is not empty (it has a {table.__name__.lower()}): "
                    "restore into a new one, with --home or --database-url"
                )
        try:
            _Restoring(session).restore(data)
        except DAMAGE as error:
            reason = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
            raise ExportRefused(f"export damaged ({reason}): nothing was restored") from error
        _advance_ids(session)
    return {name: len(data[name]) for name in ("lines", "notes", "claims", "edits", "papers")}


def _parse(document: str) -> Data:
    try:
        data = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise ExportRefused(f"not JSON ({error}): give a file that export wrote") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ExportRefused(
            f"the file is no export of format {FORMAT}: 'reassay claims export --format json' "
            "writes one"
        )
    return data


class _Restoring:
    """The rows made so far, by the names that the document tells links with."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.notes: dict[str | None, int | None] = {None: None}
        self.claims: dict[str | None, int | None] = {None: None}
        self.versions: dict[tuple[str, int, str], PaperVersion] = {}

    def restore(self, data: Data) -> None:
        for note in data["notes"]:
            self.notes[note["slug"]] = self._add(Note, note)
        self._flush()
        for line in data["lines"]:
            self._add(Line, line, "notes", "claims", "findings", "anchors", "tasks", "warnings",
                      "mentions")  # fmt: skip
        self._flush()
        for line in data["lines"]:
            self._add_parts(line)
        self._add_noted(Mention, data["mentions"])
        self._flush()
        self._add_papers(data["papers"])
        self._add_claims(data["claims"])
        for line in data["lines"]:
            for handle in line["claims"]:
                self._add(LineClaim, {"line_id": line["id"], "claim_id": self.claims[handle]})
        for edit in data["edits"]:
            self._add(Edit, {**edit, "claim_id": self.claims[edit["claim"]]}, "claim")
        self._flush()

    def _add_parts(self, line: Data) -> None:
        owner = {"line_id": line["id"]}
        self._add_noted(LineNote, line["notes"], owner)
        self._add_noted(Anchor, line["anchors"], owner)
        self._add_noted(Mention, line["mentions"], owner)
        for finding in line["findings"]:
            self._add(Finding, {**finding, **owner}, "notes")
        self._flush()
        for finding in line["findings"]:
            self._add_noted(FindingNote, finding["notes"], {"finding_id": finding["id"]})
        for table, name in ((Task, "tasks"), (ImportWarning, "warnings")):
            for row in line[name]:
                self._add(table, {**row, **owner})

    def _add_noted(self, table: Any, rows: Iterable[Data], owner: Data | None = None) -> None:
        for row in rows:
            self._add(table, {**row, **(owner or {}), "note_id": self.notes[row["note"]]}, "note")

    def _add_claims(self, claims: list[Data]) -> None:
        for claim in claims:
            links = {"note_id": self.notes[claim["note"]], "finding_id": claim["finding"]}
            self.claims[claim["handle"]] = self._add(
                Claim, {**claim, **links}, "note", "finding", "merged_into", "revisions", "evidence"
            )
        self._flush()
        for claim in claims:
            owner = {"claim_id": claim["id"]}
            if claim["merged_into"]:
                row = self.session.get_one(Claim, claim["id"])
                row.merged_into_id = self.claims[claim["merged_into"]]
            for revision in claim["revisions"]:
                self._add(ClaimRevision, {**revision, **owner})
        self._flush()
        rows = [(row, claim) for claim in claims for row in claim["evidence"]]
        for evidence, claim in sorted(rows, key=lambda pair: pair[0]["id"]):  # origins first
            numbers = {row["number"]: row["id"] for row in claim["revisions"]}
            self._add_evidence(claim["id"], numbers, evidence)
        self._flush()
        for claim in claims:
            for evidence in claim["evidence"]:
                for word in evidence["decisions"]:
                    self._add(Decision, {**word, "evidence_id": evidence["id"]})

    def _add_evidence(self, claim_id: int, numbers: dict[int, int], row: Data) -> None:
        told = row["paper_version"]
        version = self.versions[told["arxiv_id"], told["version"], told["text_hash"]]
        links = {
            "claim_id": claim_id,
            "claim_revision_id": numbers[row["revision"]],
            "paper_id": version.paper_id,
            "paper_version_id": version.id,
        }
        self._add(Evidence, {**row, **links}, "revision", "paper_version", "decisions")

    def _add_papers(self, papers: list[Data]) -> None:
        for data in papers:
            known = select(Paper).where(Paper.arxiv_id == data["arxiv_id"])
            paper = self.session.exec(known).first()
            is_new = paper is None
            if paper is None:
                paper = _validate(Paper, data, "versions")
                self.session.add(paper)
                self._flush()
            for values in data["versions"]:
                version = self._take_version(paper, values)
                key = (paper.arxiv_id, version.version, version.text_hash)
                self.versions[key] = version
                if is_new and values["is_current"]:
                    paper.version_id = version.id

    def _take_version(self, paper: Paper, values: Data) -> PaperVersion:
        version = self.session.exec(
            select(PaperVersion).where(
                PaperVersion.paper_id == paper.id,
                PaperVersion.version == values["version"],
                PaperVersion.text_hash == values["text_hash"],
            )
        ).first()
        if version is None:
            owned = {**values, "paper_id": stored_id(paper.id)}
            version = _validate(PaperVersion, owned, "is_current")
            self.session.add(version)
            self._flush()
        return version

    def _add(self, table: Any, values: Data, *without: str) -> int | None:
        row = _validate(table, values, *without)
        self.session.add(row)
        row_id: int | None = values.get("id")
        return row_id

    def _flush(self) -> None:
        self.session.flush()


def _validate(table: Any, values: Data, *without: str) -> Any:
    kept = {name: value for name, value in values.items() if name not in without}
    unknown = sorted(set(kept) - set(table.model_fields))
    if unknown:
        raise ValueError(f"a {table.__name__.lower()} has no {', '.join(unknown)}")
    return table.model_validate(kept)


def _advance_ids(session: Session) -> None:
    """On PostgreSQL, rows made later take ids after those that were restored."""
    if is_sqlite(session.get_bind()):
        return
    for table in WITH_IDS:
        name = _table_name(table)
        session.connection().execute(
            text(
                f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), "
                f"COALESCE((SELECT MAX(id) FROM {name}), 0) + 1, false)"
            )
        )


def _table_name(table: type[SQLModel]) -> str:
    return str(table.__tablename__)
