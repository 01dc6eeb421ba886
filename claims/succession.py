"""What became of a claim: who edited it, whether it is in force, and where it went.

Reads only. A retired claim keeps its handle, which answers with the claims in its place.
"""

from typing import Any

from sqlmodel import Session, col, select

from db.columns import stored_id
from db.models import Claim, Edit

MOVES = ("merge", "split")  # kinds of edits that touch more claims than their own


def read_succession(session: Session, claim: Claim) -> dict[str, Any]:
    """When and why a claim was retired, and the handles of what stands in its place."""
    into = session.get(Claim, claim.merged_into_id) if claim.merged_into_id else None
    split = session.exec(
        select(Edit)
        .where(Edit.claim_id == claim.id, Edit.kind == "split", col(Edit.undone_at).is_(None))
        .order_by(col(Edit.id).desc())
    ).first()
    return {
        "retired_at": claim.retired_at,
        "retired_reason": claim.retired_reason,
        "merged_into": into.handle if into else None,
        "split_into": list(split.after["handles"]) if split else [],
    }


def find_heirs(session: Session, claim: Claim) -> list[Claim]:
    """The claims that a line refers to where it once referred to this one.

    A merged claim gives the claim that it went into, a split one its parts; any other,
    retired or not, stands for itself.
    """
    if claim.retired_at is None:
        return [claim]
    if claim.merged_into_id is not None:
        return find_heirs(session, session.get_one(Claim, claim.merged_into_id))
    handles = read_succession(session, claim)["split_into"]
    if not handles:
        return [claim]
    parts = session.exec(select(Claim).where(col(Claim.handle).in_(handles))).all()
    found = [heir for part in parts for heir in find_heirs(session, part)]
    return list({stored_id(heir.id): heir for heir in found}.values())


def read_edits(session: Session, claim: Claim) -> list[dict[str, Any]]:
    """The edits that touched a claim, in order of time, as events of its history."""
    edits = session.exec(
        select(Edit)
        .where((col(Edit.claim_id) == claim.id) | col(Edit.kind).in_(MOVES))
        .order_by(col(Edit.id))
    ).all()
    handles = dict(session.exec(select(Claim.id, Claim.handle)).all()) if edits else {}
    return [
        _edit_data(edit, str(handles[edit.claim_id]))
        for edit in edits
        if edit.claim_id == claim.id or (edit.undone_at is None and _touches(edit, claim))
    ]


def _touches(edit: Edit, claim: Claim) -> bool:
    return stored_id(claim.id) in edit.after.get("claims", [])


def _edit_data(edit: Edit, handle: str) -> dict[str, Any]:
    return {
        "at": edit.made_at,
        "event": "edit",
        "edit": edit.id,
        "kind": edit.kind,
        "claim": handle,
        "by": edit.author,
        "reason": edit.reason,
        "revision": edit.after.get("revision"),
        "into": edit.after.get("handles") or ([edit.after["into"]] if "into" in edit.after else []),
        "undone_at": edit.undone_at,
        "undone_by": (edit.after.get("undone") or {}).get("by"),
        "undone_why": (edit.after.get("undone") or {}).get("why"),
    }
