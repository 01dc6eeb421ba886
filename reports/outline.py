"""The whole library in a few columns a claim: what is counted, ranked and left out.

Light enough for ten thousand claims; the full state of a claim is read elsewhere, for the
few that a page shows.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from claims.queries import current_verdicts
from db.columns import stored_id
from db.models import Binding, Claim, Note
from reports.claim_states import HUB, NOT_JUDGED, count_reach, name_headline

# In this order claims are shown when a page cannot show all of them.
URGENCY = (
    *("UNGROUNDED", "MOVED", "CONTESTED", "OVERSTATED", "NARROWED", NOT_JUDGED),
    *("STALE", "UNCHALLENGED", "HOLDS", "RETIRED", HUB),
)


@dataclass(frozen=True)
class ClaimOutline:
    """One claim, as far as counting and ranking need it."""

    claim_id: int
    handle: str
    reach: int
    is_hub: bool
    has_experiment: bool
    headline: str
    look: bool
    grounding: str
    literature: str
    local: str
    night_id: int | None
    read: str | None  # what of its source was read
    source_id: str | None


def read_outline(session: Session) -> list[ClaimOutline]:
    """Every claim in import order."""
    rows = session.exec(
        select(Claim.id, Claim.handle, Note.kind)
        .join(Note, col(Note.id) == Claim.note_id, isouter=True)
        .order_by(col(Claim.id))
    ).all()
    verdicts = current_verdicts(session)
    reach = count_reach(session)
    bound = set(session.exec(select(Binding.claim_id).distinct()).all())
    outline = []
    for claim_id, handle, kind in rows:
        verdict = verdicts.get(stored_id(claim_id))
        detail: dict[str, Any] = verdict.grounding_detail if verdict else {}
        has_local = verdict is not None and verdict.local != "none"
        outline.append(
            ClaimOutline(
                claim_id=stored_id(claim_id),
                handle=handle,
                reach=reach.get(stored_id(claim_id), 0),
                is_hub=kind == "hub",
                has_experiment=claim_id in bound or has_local,
                headline=name_headline(verdict),
                look=verdict.look if verdict else False,
                grounding=verdict.grounding if verdict else "",
                literature=verdict.literature if verdict else "unsearched",
                local=verdict.local if verdict else "none",
                night_id=verdict.night_id if verdict else None,
                read=detail.get("read"),
                source_id=detail.get("arxiv_id"),
            )
        )
    return outline


def count_headlines(outline: list[ClaimOutline]) -> list[tuple[str, int]]:
    """Claims a headline, the ones that need attention first."""
    counts = Counter(claim.headline for claim in outline)
    return [(headline, counts[headline]) for headline in URGENCY if counts[headline]]


def choose_shown(outline: list[ClaimOutline], night_id: int | None, most: int) -> list[int]:
    """Ids of the claims that a table shows, in import order: all, or the most urgent."""
    if len(outline) <= most:
        return [claim.claim_id for claim in outline]
    order = {headline: place for place, headline in enumerate(URGENCY)}
    ranked = sorted(
        outline,
        key=lambda claim: (
            claim.night_id is None or claim.night_id != night_id,
            not claim.look,
            order.get(claim.headline, len(order)),
            -claim.reach,
        ),
    )
    return sorted(claim.claim_id for claim in ranked[:most])
