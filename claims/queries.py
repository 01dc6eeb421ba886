"""Find a claim or a line, and list claims.

Reads only. A claim answers to its handle or to any unique part of its slug. It loads no
table that a listing does not need, for start-up's sake; ``claims.reading`` reads the rest.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, func, select

from db.errors import ClaimNotFound, LineNotFound
from db.models import Anchor, Claim, Finding, Line, LineClaim, Verdict

SHOWN_CHOICES = 5


@dataclass(frozen=True)
class ClaimRow:
    """One claim as a listing shows it (the fields of the command line's contract)."""

    id: str
    slug: str
    statement: str
    headline: str | None
    look: bool
    grounding: str | None
    literature: str | None
    local: str | None
    transfer: str | None
    dated: str | None
    anchors: list[str]
    lines: list[str]


def find_claim(session: Session, name: str) -> Claim:
    """The claim of a handle (``c4``) or of a unique part of a slug.

    Raises:
        ClaimNotFound: none answers, or several do.
    """
    wanted = name.strip().lower()
    exact = session.exec(
        select(Claim).where((Claim.handle == wanted) | (Claim.slug == wanted))
    ).first()
    if exact is not None:
        return exact
    escaped = wanted.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    found = session.exec(
        select(Claim)
        .where(col(Claim.slug).like(f"%{escaped}%", escape="\\"))
        .order_by(col(Claim.id))
    ).all()
    if len(found) == 1 and wanted:
        return found[0]
    if not found or not wanted:
        raise ClaimNotFound(f"no claim {name!r}: 'reassay claims list' shows handles and slugs")
    some = ", ".join(f"{claim.handle} ({claim.slug})" for claim in found[:SHOWN_CHOICES])
    raise ClaimNotFound(f"{name!r} fits {len(found)} claims: {some}; use the handle")


def find_line(session: Session, name: str) -> Line:
    """The line of a unique part of its slug.

    Raises:
        LineNotFound: none answers, or several do.
    """
    lines = session.exec(select(Line).order_by(col(Line.id))).all()
    wanted = name.strip().lower()
    exact = [line for line in lines if line.slug == wanted]
    found = exact or [line for line in lines if wanted and wanted in line.slug]
    if len(found) == 1:
        return found[0]
    some = ", ".join(line.slug for line in (found or lines)[:SHOWN_CHOICES])
    reason = f"fits {len(found)} lines" if found else "is no line"
    raise LineNotFound(f"{name!r} {reason}; there are: {some or 'none, import one first'}")


def list_claims(
    session: Session,
    *,
    line: Line | None = None,
    headlines: set[str] | None = None,
    since: date | None = None,
) -> list[ClaimRow]:
    """Claims in import order, with their current verdict.

    ``since`` keeps claims whose verdict changed on that day or later.
    """
    columns = [col(getattr(Claim, name)) for name in _ClaimWords._fields]
    query = sql_select(*columns).order_by(col(Claim.id))
    if line is not None:
        query = query.join(LineClaim, col(LineClaim.claim_id) == Claim.id).where(
            col(LineClaim.line_id) == line.id
        )
    claims = [_ClaimWords(*row) for row in session.connection().execute(query).all()]
    verdicts = _read_verdict_words(session)
    anchors = _anchors_by_note(session)
    lines = _lines_by_claim(session)
    dates = _dates_by_line(session)
    rows = []
    for claim in claims:
        verdict = verdicts.get(claim.id)
        if headlines and _headline_word(claim, verdict) not in headlines:
            continue
        if since and (verdict is None or verdict.decided_at.date() < since):
            continue
        rows.append(_make_row(claim, verdict, anchors[claim.note_id], lines[claim.id], dates))
    return rows


class _ClaimWords(NamedTuple):
    """What a listing reads of a claim: rows, not objects, since there may be thousands."""

    id: int
    handle: str
    slug: str
    statement: str
    note_id: int | None
    retired_at: datetime | None


class _VerdictWords(NamedTuple):
    claim_id: int
    headline: str | None
    look: bool
    grounding: str
    literature: str
    local: str
    transfer: str | None
    decided_at: datetime


def _read_verdict_words(session: Session) -> dict[int, _VerdictWords]:
    newest = sql_select(func.max(Verdict.id)).group_by(col(Verdict.claim_id))
    columns = [col(getattr(Verdict, name)) for name in _VerdictWords._fields]
    query = sql_select(*columns).where(col(Verdict.id).in_(newest))
    rows = (_VerdictWords(*row) for row in session.connection().execute(query).all())
    return {row.claim_id: row for row in rows}


def current_verdicts(session: Session) -> dict[int, Verdict]:
    """The newest verdict of each claim, by claim id."""
    newest = select(func.max(Verdict.id)).group_by(col(Verdict.claim_id))
    rows = session.exec(select(Verdict).where(col(Verdict.id).in_(newest))).all()
    return {row.claim_id: row for row in rows}


def _find_headline(claim: _ClaimWords, verdict: _VerdictWords | None) -> str | None:
    """The verdict's, or RETIRED from the moment on that a person says so."""
    if claim.retired_at is not None:
        return "RETIRED"
    return verdict.headline if verdict else None


def _headline_word(claim: _ClaimWords, verdict: _VerdictWords | None) -> str | None:
    headline = _find_headline(claim, verdict)
    return headline.lower() if headline else "hub" if verdict else None


def _make_row(
    claim: _ClaimWords,
    verdict: _VerdictWords | None,
    anchors: list[str],
    lines: list[tuple[int, str]],
    dates: dict[int, str],
) -> ClaimRow:
    dated = min((dates[line_id] for line_id, _ in lines if line_id in dates), default=None)
    return ClaimRow(
        id=claim.handle,
        slug=claim.slug,
        statement=claim.statement,
        headline=_find_headline(claim, verdict),
        look=verdict.look if verdict else False,
        grounding=verdict.grounding if verdict else None,
        literature=verdict.literature if verdict and verdict.grounding != "hub" else None,
        local=verdict.local if verdict else None,
        transfer=verdict.transfer if verdict else None,
        dated=dated,
        anchors=anchors,
        lines=[slug for _, slug in lines],
    )


def _anchors_by_note(session: Session) -> defaultdict[int | None, list[str]]:
    anchors: defaultdict[int | None, list[str]] = defaultdict(list)
    rows = session.exec(
        select(Anchor.note_id, Anchor.arxiv_id)
        .where(col(Anchor.note_id).is_not(None), col(Anchor.arxiv_id).is_not(None))
        .distinct()
        .order_by(col(Anchor.arxiv_id))
    )
    for note_id, arxiv_id in rows:
        anchors[note_id].append(str(arxiv_id))
    return anchors


def _lines_by_claim(session: Session) -> defaultdict[int, list[tuple[int, str]]]:
    connection = session.connection()
    found = connection.execute(sql_select(col(Line.id), col(Line.slug))).all()
    slugs = {row[0]: row[1] for row in found}
    query = sql_select(col(LineClaim.claim_id), col(LineClaim.line_id))
    lines: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for claim_id, line_id in connection.execute(query.order_by(col(LineClaim.line_id))).all():
        lines[claim_id].append((line_id, slugs[line_id]))
    return lines


def _dates_by_line(session: Session) -> dict[int, str]:
    """The earliest date among a line's findings: its claims are not older, as far as known."""
    is_dated: ColumnElement[bool] = col(Finding.found_from).is_not(None)
    rows = session.exec(
        select(Finding.line_id, func.min(Finding.found_from))
        .where(is_dated)
        .group_by(col(Finding.line_id))
    )
    return {line_id: str(earliest) for line_id, earliest in rows}
