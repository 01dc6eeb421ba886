"""One row a claim, as CSV that a spreadsheet may open.

A cell that a spreadsheet would take for a formula gets an apostrophe in front: claims are
other people's text.
"""

import csv
import io
import re

from sqlmodel import Session, select

from claims.queries import list_claims
from claims.reading import read_wordings
from claims.succession import read_succession
from db.models import Claim, Line

COLUMNS = (
    "id", "slug", "statement", "text", "insight", "limit", "scope", "revision", "headline", "look",
    "grounding", "literature", "local", "transfer", "dated", "anchors", "lines", "retired",
    "retired_reason", "went_to",
)  # fmt: skip
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")


def write_csv(session: Session, line: Line | None = None) -> str:
    """The claims as CSV text with a header; lists inside a cell are joined by a semicolon."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    claims = {claim.handle: claim for claim in session.exec(select(Claim)).all()}
    wordings = read_wordings(session)
    for row in list_claims(session, line=line):
        claim = claims[row.id]
        wording = wordings[claim.id or 0]
        went = read_succession(session, claim) if claim.retired_at else None
        cells = {
            **row.__dict__,
            "text": claim.text,
            "insight": wording.insight,
            "limit": wording.limit,
            "scope": [f"{key}={value}" for key, value in sorted(wording.scope.items())],
            "revision": claim.revision_number,
            "look": "yes" if row.look else "",
            "retired": f"{claim.retired_at:%F}" if claim.retired_at else "",
            "retired_reason": claim.retired_reason,
            "went_to": (went["split_into"] or [went["merged_into"]]) if went else "",
        }
        writer.writerow({name: make_cell(value) for name, value in cells.items()})
    return out.getvalue()


def make_cell(value: object) -> str:
    """A value as the text of a cell, never a formula."""
    if isinstance(value, list):
        value = "; ".join(str(item) for item in value if item is not None)
    text = "" if value is None else str(value).replace("\r\n", "\n").replace("\0", "")
    return f"'{text}" if FORMULA.match(text) else text
