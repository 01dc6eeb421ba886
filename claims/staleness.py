"""Which claims have been left alone for too long, and which speak of models now old.

Decides by the last day through which newer papers were searched, and by a dated table of
model families. A claim about an old model is not wrong; it may no longer be of interest.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlmodel import Session, col, select

from claims.model_dates import ModelDate, find_models
from claims.queries import current_verdicts
from claims.verdicts import STALE_AFTER
from db.columns import stored_id
from db.models import Claim, ClaimRevision, Note, Verdict

OLD_AFTER = timedelta(days=548)  # 18 months
DAYS_A_MONTH = 30.44


@dataclass(frozen=True)
class StaleClaim:
    """A claim to look at again, and every reason for it."""

    id: str
    slug: str
    statement: str
    searched_through: date | None
    models: tuple[ModelDate, ...]  # the old ones
    reasons: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """As plain data, for scripts."""
        return {
            "id": self.id,
            "slug": self.slug,
            "statement": self.statement,
            "searched_through": self.searched_through,
            "models": [{"name": m.name, "released": f"{m.released:%Y-%m}"} for m in self.models],
            "reasons": list(self.reasons),
        }


def list_stale(session: Session, today: date) -> list[StaleClaim]:
    """The claims in force that are stale or about old models, in import order; hubs aside."""
    verdicts = current_verdicts(session)
    scopes = _read_scopes(session)
    rows = session.exec(
        select(Claim, Note.title, Note.kind)
        .join(Note, col(Note.id) == Claim.note_id, isouter=True)
        .where(col(Claim.retired_at).is_(None))
        .order_by(col(Claim.id))
    )
    found = []
    for claim, title, kind in rows:
        if kind != "hub":
            scope = scopes.get((stored_id(claim.id), claim.revision_number), {})
            words = " ".join([claim.text, title or "", *_flatten(scope)])
            found.append(_judge(claim, verdicts.get(stored_id(claim.id)), words, today))
    return [row for row in found if row.reasons]


def _judge(claim: Claim, verdict: Verdict | None, words: str, today: date) -> StaleClaim:
    searched = verdict.searched_through if verdict else None
    if verdict is not None and verdict.literature == "unsearched":
        searched = None
    old = tuple(m for m in find_models(words) if today - m.released > OLD_AFTER)
    reasons = [_describe_search(searched, today), *(_describe_model(m, today) for m in old)]
    kept = tuple(reason for reason in reasons if reason)
    return StaleClaim(claim.handle, claim.slug, claim.statement, searched, old, kept)


def _describe_search(searched: date | None, today: date) -> str | None:
    if searched is None:
        return "never searched for"
    days = (today - searched).days
    return f"last searched through {searched}, {days} days ago" if days > STALE_AFTER.days else None


def _describe_model(model: ModelDate, today: date) -> str:
    months = round((today - model.released).days / DAYS_A_MONTH)
    return f"names {model.name} ({model.released:%b %Y}), {months} months old"


def _read_scopes(session: Session) -> dict[tuple[int, int], dict[str, Any]]:
    rows = session.exec(select(ClaimRevision.claim_id, ClaimRevision.number, ClaimRevision.scope))
    return {(claim_id, number): dict(scope) for claim_id, number, scope in rows if scope}


def _flatten(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in _flatten(part)]
    if isinstance(value, list):
        return [text for part in value for text in _flatten(part)]
    return [value] if isinstance(value, str) else []
