"""What a person may change in a claim: its wording, its parts, whether it is in force.

Each function is one transaction, makes one row of the journal, and leaves every older
wording in place, so that verdicts and evidence still point to what was judged. Taking a
change back is ``claims.undoing``'s.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session

from claims.claim_parts import split_claim as split_parts
from claims.edit_journal import (
    Signature,
    add_revision,
    edit_transaction,
    link_lines,
    read_line_ids,
    read_revision,
    record_edit,
    take_live_claim,
    unlink_lines,
    wording_of,
)
from claims.handles import free_slug, next_handle
from claims.sentences import first_sentence
from db.columns import stored_id, utc_now
from db.errors import EditRefused
from db.models import Claim, Edit

MONTH = re.compile(r"\d{4}(-(0[1-9]|1[0-2]))?")
MAX_TEXT = 10_000  # characters; a claim is a sentence or a few
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def reword_claim(session: Session, claim: Claim, text: str, signature: Signature) -> Edit:
    """Give a claim a new text; parts that a person gave it stay, the others are read anew.

    Raises:
        EditRefused: the claim is retired, or the text is empty or the same as before.
    """
    change = {"text": _clean(text, "the text")}
    return _change_wording(session, stored_id(claim.id), "reword", change, signature)


def edit_claim(
    session: Session,
    claim: Claim,
    signature: Signature,
    *,
    insight: str | None = None,
    limit: str | None = None,
    scope: Mapping[str, str] | None = None,
) -> Edit:
    """Change parts of a claim other than its wording; an empty value takes a part away.

    Among the scope's keys, ``found_from`` and ``found_to`` are years or months.

    Raises:
        EditRefused: nothing would change, a date is none, or the claim is retired.
    """
    change: dict[str, Any] = {}
    for name, value in (("insight", insight), ("limit", limit)):
        if value is not None:
            change[name] = _clean(value, name) if value.strip() else None
    if scope:
        change["scope"] = {k.strip(): _clean(v, k) if v.strip() else None for k, v in scope.items()}
    return _change_wording(session, stored_id(claim.id), "edit", change, signature)


def retire_claim(session: Session, claim: Claim, signature: Signature) -> Edit:
    """Take a claim out of force; its lines keep showing it as retired.

    Raises:
        EditRefused: it is retired already.
    """
    claim_id = stored_id(claim.id)
    with edit_transaction(session):
        live = take_live_claim(session, claim_id)
        _retire(session, live, signature.why.strip())
        return record_edit(session, live, "retire", signature, {}, {})


def merge_claim(session: Session, claim: Claim, into: Claim, signature: Signature) -> Edit:
    """Retire a claim in favour of another one, to which its lines refer from now on.

    Raises:
        EditRefused: both are one claim, or one of them is retired.
    """
    claim_id, into_id = stored_id(claim.id), stored_id(into.id)
    if claim_id == into_id:
        raise EditRefused(f"{claim.handle} cannot be merged into itself: name another claim")
    with edit_transaction(session):
        gone, stays = take_live_claim(session, claim_id), take_live_claim(session, into_id)
        lines = read_line_ids(session, gone)
        unlink_lines(session, gone, lines)
        new = link_lines(session, stays, lines)
        gone.merged_into_id = into_id
        _retire(session, gone, f"merged into {stays.handle}: {signature.why.strip()}")
        return record_edit(
            session,
            gone,
            "merge",
            signature,
            {"lines": lines},
            {"claims": [claim_id, into_id], "into": stays.handle, "lines": new},
        )


def split_claim(session: Session, claim: Claim, parts: Sequence[str], signature: Signature) -> Edit:
    """Retire a claim in favour of new ones, to which its lines refer from now on.

    Raises:
        EditRefused: fewer than two different parts, or the claim is retired.
    """
    texts = list(dict.fromkeys(_clean(part, "a part") for part in parts))
    if len(texts) < 2:
        raise EditRefused("a split needs at least two parts that differ: give each as one text")
    claim_id = stored_id(claim.id)
    with edit_transaction(session):
        whole = take_live_claim(session, claim_id)
        lines = read_line_ids(session, whole)
        made = [_make_part(session, whole, text, signature) for text in texts]
        unlink_lines(session, whole, lines)
        for part in made:
            link_lines(session, part, lines)
        handles = [part.handle for part in made]
        _retire(session, whole, f"split into {', '.join(handles)}: {signature.why.strip()}")
        ids = [stored_id(part.id) for part in made]
        after = {"claims": [claim_id, *ids], "parts": ids, "handles": handles}
        return record_edit(session, whole, "split", signature, {"lines": lines}, after)


def _change_wording(
    session: Session, claim_id: int, kind: str, change: dict[str, Any], signature: Signature
) -> Edit:
    with edit_transaction(session):
        claim = take_live_claim(session, claim_id)
        number = claim.revision_number
        before = wording_of(read_revision(session, claim, number))
        after = {**before, **change}
        if "text" in change:
            after = _read_text(change["text"], before)
        if "scope" in change:
            after["scope"] = _merge_scope(before["scope"], change["scope"])
        if after == before:
            raise EditRefused(f"{claim.handle} already reads so: nothing to change")
        add_revision(session, claim, after, signature)
        return record_edit(
            session, claim, kind, signature,
            {"revision": number}, {"revision": claim.revision_number},
        )  # fmt: skip


def _merge_scope(before: dict[str, Any], change: dict[str, str | None]) -> dict[str, Any]:
    scope = {k: v for k, v in {**before, **change}.items() if v is not None}
    for name in ("found_from", "found_to"):
        if name in scope and not MONTH.fullmatch(str(scope[name])):
            raise EditRefused(f"{name} {scope[name]!r} is no date: write 2026 or 2026-03")
    first, last = str(scope.get("found_from", "")), str(scope.get("found_to", ""))
    width = min(len(first), len(last))
    if first[:width] > last[:width]:
        raise EditRefused(f"found_from {first} lies after found_to {last}: swap them")
    return scope


def _make_part(session: Session, whole: Claim, text: str, signature: Signature) -> Claim:
    wording = _read_text(text, wording_of(read_revision(session, whole, whole.revision_number)))
    part = Claim(
        handle=next_handle(session),
        slug=free_slug(session, wording["statement"]),
        note_id=whole.note_id,
        finding_id=whole.finding_id,
        statement=wording["statement"],
        text=text,
    )
    session.add(part)
    session.flush()
    reason = f"split from {whole.handle}: {signature.why.strip()}"
    add_revision(session, part, wording, Signature(signature.author, reason))
    return part


def _read_text(text: str, before: dict[str, Any]) -> dict[str, Any]:
    """The wording of a new text; what a person said of the claim before outlives it."""
    read, old = split_parts(text), split_parts(before["text"])
    by_people = {k: v for k, v in before["scope"].items() if old.scope.get(k) != v}
    return {
        "text": text,
        "statement": first_sentence(text) or text,
        "numbers": read.numbers,
        "insight": read.insight if before["insight"] == old.insight else before["insight"],
        "limit": read.limit if before["limit"] == old.limit else before["limit"],
        "scope": {**read.scope, **by_people},
    }


def _retire(session: Session, claim: Claim, reason: str) -> None:
    claim.retired_at, claim.retired_reason = utc_now(), reason
    session.add(claim)
    session.flush()


def _clean(text: str, what: str) -> str:
    text = text.strip()
    if not text or len(text) > MAX_TEXT or FORBIDDEN.search(text):
        raise EditRefused(
            f"{what} must be plain text of 1 to {MAX_TEXT} characters: nothing was changed"
        )
    return text
